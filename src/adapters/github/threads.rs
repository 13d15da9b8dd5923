//! Reads and writes on issues and pull requests.

use serde::Deserialize;
use serde_json::json;

use crate::adapters::github::association::is_insider;
use crate::adapters::github::client::{As, Client};
use crate::adapters::github::date;
use crate::adapters::github::request::{Request, in_repo};
use crate::domain::effect::ReactionTarget;
use crate::domain::event::{Thread, ThreadKind};
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{CommentId, Login, ThreadNumber};
use crate::domain::job::Remark;
use crate::domain::repo::Repo;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::github::{PostedComment, PostedThread, ThreadNow, Threads};

/// Pages of 100 comments that are read.
const COMMENT_PAGES: u32 = 10;

#[derive(Deserialize)]
struct Issue {
    state: String,
    #[serde(default)]
    locked: bool,
    /// Only of a pull request.
    #[serde(default)]
    pull_request: Option<Proposed>,
}

#[derive(Deserialize)]
struct Proposed {
    #[serde(default)]
    merged_at: Option<String>,
}

/// An issue with its text; pull requests are issues, too.
#[derive(Deserialize)]
struct Told {
    number: u64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    author_association: Option<String>,
    state: String,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    comments: u64,
    created_at: String,
    updated_at: String,
    #[serde(default)]
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    /// `null` when the account was deleted.
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    author_association: Option<String>,
    created_at: String,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    performed_via_github_app: Option<ViaApp>,
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct ViaApp {
    id: u64,
}

#[derive(Deserialize)]
struct Created {
    id: u64,
}

#[async_trait::async_trait]
impl Threads for Client {
    async fn thread(&self, repo: &Repo, number: ThreadNumber) -> Result<ThreadNow, Fault> {
        let doing = format!("read {}#{number}", repo.name);
        let path = in_repo(repo, &format!("/issues/{number}"));
        let request = Request::get(doing, path).of(Importance::Bulk);
        let issue: Issue = self.send(repo, &request).await?.json()?;
        Ok(ThreadNow {
            open: issue.state != "closed",
            locked: issue.locked,
            merged: issue
                .pull_request
                .is_some_and(|pull| pull.merged_at.is_some()),
        })
    }

    async fn text(&self, repo: &Repo, number: ThreadNumber) -> Result<PostedThread, Fault> {
        let doing = format!("read the text of {}#{number}", repo.name);
        let request = Request::get(doing, in_repo(repo, &format!("/issues/{number}")));
        let told: Told = self.send(repo, &request).await?.json()?;
        Ok(told.posted())
    }

    async fn comments(
        &self,
        repo: &Repo,
        number: ThreadNumber,
    ) -> Result<Vec<PostedComment>, Fault> {
        let doing = format!("read the comments of {}#{number}", repo.name);
        let path = in_repo(repo, &format!("/issues/{number}/comments?per_page=100"));
        let request = Request::get(doing, path).of(Importance::Awaited);
        let comments: Vec<Comment> = self
            .list(As::InstallationOf(repo), request, COMMENT_PAGES)
            .await?;
        let posted = comments.into_iter().map(|c| self.posted(c));
        Ok(posted.collect())
    }

    async fn react(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        target: ReactionTarget,
    ) -> Result<(), Fault> {
        let (on, path) = match target {
            // GitHub's REST API has no reactions to reviews.
            ReactionTarget::Thread | ReactionTarget::Review(_) | ReactionTarget::Check(_) => {
                (String::new(), format!("/issues/{number}/reactions"))
            }
            ReactionTarget::Comment(id) => (
                format!(" comment {id}"),
                format!("/issues/comments/{id}/reactions"),
            ),
            ReactionTarget::ReviewComment(id) => (
                format!(" review comment {id}"),
                format!("/pulls/comments/{id}/reactions"),
            ),
        };
        let doing = format!("react to {}#{number}{on}", repo.name);
        let body = json!({ "content": "eyes" });
        let request = Request::post(doing, in_repo(repo, &path), &body).of(Importance::Awaited);
        self.send(repo, &request).await?.succeeded()?;
        Ok(())
    }

    async fn comment(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        body: &str,
    ) -> Result<CommentId, Fault> {
        let doing = format!("comment on {}#{number}", repo.name);
        let path = in_repo(repo, &format!("/issues/{number}/comments"));
        let request = Request::post(doing, path, &json!({ "body": body })).of(Importance::Awaited);
        let created: Created = self.send(repo, &request).await?.json()?;
        Ok(CommentId(created.id))
    }

    async fn edit_comment(&self, repo: &Repo, id: CommentId, body: &str) -> Result<(), Fault> {
        let doing = format!("edit comment {id} in {}", repo.name);
        let path = in_repo(repo, &format!("/issues/comments/{id}"));
        let request = Request::patch(doing, path, &json!({ "body": body }));
        self.send(repo, &request).await?.succeeded()?;
        Ok(())
    }
}

impl Told {
    /// A time that cannot be read counts as the latest: what it belongs to may have been edited.
    fn posted(self) -> PostedThread {
        let time = |text: &str| date::iso(text).unwrap_or(Timestamp::from_millis(i64::MAX));
        let kind = match self.pull_request {
            Some(_) => ThreadKind::Pull,
            None => ThreadKind::Issue,
        };
        PostedThread {
            created_at: time(&self.created_at),
            updated_at: time(&self.updated_at),
            thread: Thread {
                number: ThreadNumber(self.number),
                kind,
                title: self.title.unwrap_or_default(),
                body: self.body.unwrap_or_default(),
                author: Login::new(author(self.user)),
                insider: is_insider(self.author_association.as_deref()),
                labels: Vec::new(),
                open: self.state != "closed",
                locked: self.locked,
                comments: self.comments,
            },
        }
    }
}

/// Returns who wrote something; an account that was deleted is a ghost.
fn author(user: Option<User>) -> String {
    user.map_or_else(|| "ghost".to_owned(), |user| user.login)
}

impl Client {
    fn posted(&self, comment: Comment) -> PostedComment {
        let created_at = date::iso(&comment.created_at).unwrap_or(Timestamp::EPOCH);
        let updated_at = comment.updated_at.as_deref().and_then(date::iso);
        // A person who comments through the App's web flow is performed by the App, too.
        let by_bot = (comment.user.as_ref()).is_some_and(|user| {
            user.kind.as_deref() == Some("Bot") || user.login.ends_with("[bot]")
        });
        let via = comment.performed_via_github_app.map(|app| app.id);
        let ours = by_bot && self.wrote(via, comment.user.as_ref());
        PostedComment {
            id: CommentId(comment.id),
            ours,
            created_at,
            updated_at: updated_at.unwrap_or(created_at),
            remark: Remark {
                author: Login::new(author(comment.user)),
                insider: is_insider(comment.author_association.as_deref()),
                body: comment.body.unwrap_or_default(),
            },
        }
    }

    /// Returns whether a bot's comment is ours: by the App's id, or, where GitHub does not tell the
    /// App, by the bot's login.
    fn wrote(&self, via: Option<u64>, user: Option<&User>) -> bool {
        match (via, self.login(), user) {
            (Some(app), _, _) => app == self.app_id(),
            (None, Some(login), Some(user)) => user.login == login.as_str(),
            (None, _, _) => false,
        }
    }
}
