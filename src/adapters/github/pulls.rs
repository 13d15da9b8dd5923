//! Pull requests.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::adapters::github::answer::Answer;
use crate::adapters::github::client::{As, Client};
use crate::adapters::github::request::{Request, in_repo, segment};
use crate::domain::branch::BranchName;
use crate::domain::drift::Proposal;
use crate::domain::governor::limits::Importance;
use crate::domain::home::{PullNow, Source};
use crate::domain::ids::{CommitSha, Login, ThreadNumber};
use crate::domain::repo::Repo;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{NewPull, PostedPull, Pulls};

/// Pages of 100 open pull requests that are read.
const PULL_PAGES: u32 = 3;

#[derive(Deserialize)]
struct Pull {
    number: u64,
    head: Head,
    /// Read where branches are compared with it.
    #[serde(default)]
    base: Option<Base>,
    /// `null` when the account is gone.
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// `null` when the fork it came from is gone.
    #[serde(default)]
    repo: Option<HeadRepo>,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    branch: String,
}

#[derive(Deserialize)]
struct HeadRepo {
    id: u64,
}

impl Head {
    fn is_in(&self, repo: &Repo) -> bool {
        self.repo.as_ref().is_some_and(|of| of.id == repo.id.0)
    }
}

impl From<Pull> for PostedPull {
    fn from(pull: Pull) -> Self {
        Self {
            number: ThreadNumber(pull.number),
            head: CommitSha::new(pull.head.sha),
        }
    }
}

#[async_trait::async_trait]
impl Pulls for Client {
    async fn open_pull(&self, repo: &Repo, pull: &NewPull) -> Result<PostedPull, Fault> {
        let mut answer = self.open(repo, pull, pull.draft).await?;
        // Nothing was opened: the plan of a private repository has no drafts.
        if pull.draft && refused(&answer, "draft pull requests are not supported") {
            answer = self.open(repo, pull, false).await?;
        }
        if refused(&answer, "a pull request already exists") {
            return Err(answer.fault_of(Class::Conflict));
        }
        if refused(&answer, "no commits between") {
            let mut fault = answer.fault();
            let contained = format!(
                "{} already contains all of {}",
                pull.base,
                pull.head.as_str()
            );
            fault.cause = format!("{}; {contained}", fault.cause);
            return Err(fault);
        }
        Ok(answer.json::<Pull>()?.into())
    }

    async fn pull_from(&self, repo: &Repo, head: &BranchName) -> Result<Option<PostedPull>, Fault> {
        let doing = format!(
            "look for the pull request from {} in {}",
            head.as_str(),
            repo.name
        );
        let (owner, branch) = (segment(&repo.name.owner), segment(head.as_str()));
        let query = format!("/pulls?state=open&head={owner}:{branch}&per_page=100");
        let request = Request::get(doing, in_repo(repo, &query));
        let pulls: Vec<Pull> = self.list(As::InstallationOf(repo), request, 1).await?;
        // After a transfer the old owner's name matches nothing, and GitHub then ignores the filter.
        let found = pulls
            .into_iter()
            .find(|pull| pull.head.is_in(repo) && pull.head.branch == head.as_str());
        Ok(found.map(PostedPull::from))
    }

    async fn pull(&self, repo: &Repo, number: ThreadNumber) -> Result<PullNow, Fault> {
        let doing = format!("read pull request {}#{number}", repo.name);
        let request = Request::get(doing.clone(), in_repo(repo, &format!("/pulls/{number}")));
        let pull: Pull = self.send(repo, &request).await?.json()?;
        let base = pull.base.ok_or_else(|| {
            Fault::transient(doing.clone(), "the answer does not say what it is for")
        })?;
        let source = match pull.head.repo {
            None => Source::Gone,
            Some(HeadRepo { id }) if id != repo.id.0 => Source::Fork,
            Some(_) => {
                let branch: Result<BranchName, _> = pull.head.branch.parse();
                let branch = branch.map_err(|bad| Fault::permanent(doing, bad.to_string()))?;
                Source::Here(branch)
            }
        };
        Ok(PullNow {
            base: base.branch,
            head: CommitSha::new(pull.head.sha),
            source,
        })
    }

    async fn proposals(&self, repo: &Repo, us: &Login) -> Result<Vec<Proposal>, Fault> {
        let doing = format!("list the open pull requests of {}", repo.name);
        let path = in_repo(repo, "/pulls?state=open&per_page=100");
        let request = Request::get(doing, path).of(Importance::Bulk);
        let pulls: Vec<Pull> = self
            .list(As::InstallationOf(repo), request, PULL_PAGES)
            .await?;
        let here = pulls.into_iter().filter(|pull| pull.head.is_in(repo));
        let proposals = here.filter_map(|pull| {
            let author = pull.user.as_ref().map(|user| user.login.as_str());
            Some(Proposal {
                ours: author.is_some_and(|login| login.eq_ignore_ascii_case(us.as_str())),
                number: ThreadNumber(pull.number),
                branch: pull.head.branch.parse().ok()?,
                head: CommitSha::new(pull.head.sha),
                base: pull.base?.branch,
            })
        });
        Ok(proposals.collect())
    }
}

impl Client {
    async fn open(&self, repo: &Repo, pull: &NewPull, draft: bool) -> Result<Answer, Fault> {
        let doing = format!(
            "open a pull request from {} in {}",
            pull.head.as_str(),
            repo.name
        );
        let body = json!({
            "title": pull.title,
            "head": pull.head.as_str(),
            "base": pull.base,
            "body": pull.body,
            "draft": draft,
        });
        let request = Request::post(doing, in_repo(repo, "/pulls"), &body);
        self.send(repo, &request).await
    }
}

fn refused(answer: &Answer, because: &str) -> bool {
    answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.says(because)
}
