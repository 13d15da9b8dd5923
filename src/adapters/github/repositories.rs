//! Questions about a repository.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use crate::adapters::github::Client;
use crate::adapters::github::answer::Answer;
use crate::adapters::github::known::Told;
use crate::adapters::github::request::{Request, in_repo, segment, segments};
use crate::adapters::github::tokens::Scope;
use crate::domain::governor::limits::Importance;
use crate::domain::ids::Login;
use crate::domain::repo::{Permission, Repo};
use crate::ports::fault::Fault;
use crate::ports::github::Repositories;

#[derive(Deserialize)]
struct Collaborator {
    #[serde(default)]
    permission: Option<String>,
    #[serde(default)]
    role_name: Option<String>,
}

#[async_trait::async_trait]
impl Repositories for Client {
    async fn permission(&self, repo: &Repo, login: &Login) -> Result<Permission, Fault> {
        let doing = format!("look up what {login} may do in {}", repo.name);
        let path = format!("/collaborators/{}/permission", segment(login.as_str()));
        let answer = self.ask_again(repo, doing, &path).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Permission::None);
        }
        let found: Collaborator = answer.json()?;
        let role = found.role_name.as_deref().and_then(permission);
        // `permission` is what a custom role is built on; it knows neither triage nor maintain.
        let base = found.permission.as_deref().and_then(permission);
        Ok(role.or(base).unwrap_or(Permission::None))
    }

    async fn file(&self, repo: &Repo, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        let doing = format!("read {path} of {}", repo.name);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let cause = "not a path in a repository: expected names separated by single slashes";
            return Err(Fault::permanent(doing, cause));
        }
        let rest = format!("/contents/{}", segments(path));
        let answer = self.ask_again(repo, doing, &rest).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => content(answer),
        }
    }

    async fn fetch_token(&self, repo: &Repo) -> Result<SecretString, Fault> {
        Ok(self.token(repo, Scope::Fetch).await?.token.clone())
    }
}

impl Client {
    /// Asks something of a repository with the tag of the last answer, and returns that where GitHub says
    /// that it still holds.
    async fn ask_again(&self, repo: &Repo, doing: String, path: &str) -> Result<Answer, Fault> {
        let mut request = Request::get(doing, in_repo(repo, path)).of(Importance::Awaited);
        let known = self.known.get(repo.id, path).await;
        request.if_none_match = known.as_ref().map(|told| told.tag.clone());
        let answer = self.send(repo, &request).await?;
        if let (StatusCode::NOT_MODIFIED, Some(told)) = (answer.status, known) {
            return Ok(Answer {
                status: StatusCode::OK,
                body: told.body.clone(),
                ..answer
            });
        }
        let tag = answer.headers.get(http::header::ETAG).cloned();
        if let (true, Some(tag)) = (answer.status.is_success(), tag) {
            let body = answer.body.clone();
            self.known.keep(repo.id, path, Told { tag, body }).await;
        }
        Ok(answer)
    }
}

fn permission(name: &str) -> Option<Permission> {
    Some(match name {
        "none" => Permission::None,
        "read" => Permission::Read,
        "triage" => Permission::Triage,
        "write" => Permission::Write,
        "maintain" => Permission::Maintain,
        "admin" => Permission::Admin,
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Content {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default, rename = "content")]
    text: Option<String>,
}

/// Returns the bytes of a file; `None` for what is no file: a directory, a submodule, a link that
/// leads nowhere.
fn content(answer: Answer) -> Result<Option<Vec<u8>>, Fault> {
    let doing = answer.doing.clone();
    // A directory is answered as the list of what is in it.
    if answer.status.is_success() && answer.body.trim_ascii_start().starts_with(b"[") {
        return Ok(None);
    }
    let file: Content = answer.json()?;
    if file.kind != "file" {
        return Ok(None);
    }
    let unreadable = |cause: &str| Fault::permanent(doing.as_str(), cause);
    match (file.encoding.as_deref(), file.text) {
        (Some("base64"), Some(text)) => {
            // GitHub breaks the lines.
            let text: String = text.split_ascii_whitespace().collect();
            let bytes = STANDARD.decode(text);
            bytes
                .map(Some)
                .map_err(|_| unreadable("its base64 is damaged"))
        }
        (_, _) => Err(unreadable(
            "larger than 1 MB, the most that GitHub hands out here",
        )),
    }
}
