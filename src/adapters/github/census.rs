//! What stands in repositories: which there are, which issues are open, who has marked them.

use serde::Deserialize;

use crate::adapters::github::client::{As, Client};
use crate::adapters::github::date;
use crate::adapters::github::request::{Request, in_repo, segment};
use crate::adapters::github::webhook::payload::{Account, Issue, Label, Repository};
use crate::domain::event::{Happening, ThreadKind};
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{ActId, InstallationId, Login, ThreadNumber};
use crate::domain::overlooked::{Act, Standing};
use crate::domain::repo::Repo;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::github::{Census, Covered};

/// Pages of 100 changed issues that are read.
const ISSUE_PAGES: u32 = 3;
/// Pages of 100 entries that are read of one issue.
const ACT_PAGES: u32 = 10;

#[derive(Deserialize)]
struct Repositories {
    repositories: Vec<Counted>,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(flatten)]
    repository: Repository,
    #[serde(default)]
    open_issues_count: Option<u64>,
}

#[derive(Deserialize)]
struct Marked {
    #[serde(flatten)]
    issue: Issue,
    #[serde(default)]
    assignees: Option<Vec<Account>>,
}

#[derive(Deserialize)]
struct Entry {
    id: u64,
    event: String,
    #[serde(default)]
    actor: Option<Account>,
    /// Who assigned somebody; `actor` was the one who was assigned in older entries.
    #[serde(default)]
    assigner: Option<Account>,
    #[serde(default)]
    assignee: Option<Account>,
    #[serde(default)]
    label: Option<Label>,
    created_at: String,
}

#[async_trait::async_trait]
impl Census for Client {
    async fn repositories(
        &self,
        installation: InstallationId,
        page: u32,
    ) -> Result<Covered, Fault> {
        let minted = self.listing_token(installation).await?;
        let doing = format!("list what installation {installation} covers");
        let path = format!("/installation/repositories?per_page=100&page={page}");
        let request = Request::get(doing, path).of(Importance::Bulk);
        let answer = self.once(As::Listing(&minted), &request).await?;
        let more = answer.next_page().is_some();
        let found: Repositories = answer.json()?;
        let counted = found.repositories.into_iter().map(|one| {
            // Without a count there may be some.
            let open = one.open_issues_count.unwrap_or(u64::MAX);
            (one.repository.repo(installation), open)
        });
        Ok(Covered {
            repositories: counted.collect(),
            more,
        })
    }

    async fn standing(&self, repo: &Repo, since: Timestamp) -> Result<Vec<Standing>, Fault> {
        let doing = format!("list the open issues of {}", repo.name);
        let since = segment(&date::text(since));
        let path = format!("/issues?state=open&sort=updated&per_page=100&since={since}");
        let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
        let found: Vec<Marked> = self
            .list(As::InstallationOf(repo), request, ISSUE_PAGES)
            .await?;
        let issues = found
            .into_iter()
            .filter(|one| !one.issue.is_conversation_of_pull());
        Ok(issues.map(Marked::standing).collect())
    }

    async fn acts(&self, repo: &Repo, number: ThreadNumber) -> Result<Vec<Act>, Fault> {
        let doing = format!("read who has marked {}#{number}", repo.name);
        let path = format!("/issues/{number}/events?per_page=100");
        let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
        let entries: Vec<Entry> = self
            .list(As::InstallationOf(repo), request, ACT_PAGES)
            .await?;
        Ok(entries.into_iter().filter_map(Entry::act).collect())
    }
}

impl Marked {
    fn standing(self) -> Standing {
        let assignees = self.assignees.unwrap_or_default();
        Standing {
            assignees: (assignees.into_iter())
                .map(|account| Login::new(account.login))
                .collect(),
            // Without a time it may have been changed at any.
            updated_at: (self.issue.updated_at()).unwrap_or(Timestamp::from_millis(i64::MAX)),
            thread: self.issue.thread(ThreadKind::Issue),
        }
    }
}

impl Entry {
    fn act(self) -> Option<Act> {
        let (by, what) = match self.event.as_str() {
            "labeled" => (self.actor, Happening::Labeled(self.label?.name)),
            "assigned" => {
                let assignee = Login::new(self.assignee?.login);
                (self.assigner.or(self.actor), Happening::Assigned(assignee))
            }
            _ => return None,
        };
        Some(Act {
            id: ActId(self.id),
            by: Account::actor(by),
            what,
            at: date::iso(&self.created_at)?,
        })
    }
}
