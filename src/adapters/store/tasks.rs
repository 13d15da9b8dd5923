//! Tasks, their jobs and the audit trail, as they are read.

use std::collections::BTreeMap;

use crate::adapters::store::codec::{from_json, parsed, task_columns, thread, to_json, versioned};
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Row, Session, args};
use crate::adapters::store::{SqlStore, commit, jobs, limits};
use crate::domain::effect::{EffectKey, Sent};
use crate::domain::ids::{InstallationId, RepoId, RepoName, TaskId, ThreadKey, ThreadNumber};
use crate::domain::repo::Repo;
use crate::domain::schedule::WaitsFor;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::store::{AuditLine, Changes, JobLine, Tasks, ThreadTasks, Versioned};

/// Builds a statement that reads tasks.
macro_rules! select_tasks {
    ($rest:literal) => {
        concat!("SELECT ", task_columns!(), " FROM task ", $rest)
    };
}

pub(super) const BY_ID: &str = select_tasks!("WHERE id = $1");
pub(super) const OPEN_BY_THREAD: &str = select_tasks!("WHERE thread = $1 AND over = 0");
pub(super) const COUNT_BY_THREAD: &str = "SELECT count(*) FROM task WHERE thread = $1";
pub(super) const OPEN_BY_PULL: &str =
    select_tasks!("WHERE repo = $1 AND pull = $2 AND over = 0 ORDER BY updated_at DESC LIMIT 1");
pub(super) const LAST_WRITTEN: &str = select_tasks!("ORDER BY updated_at DESC, id DESC LIMIT $1");
pub(super) const OPEN_LAST_WRITTEN: &str =
    select_tasks!("WHERE over = 0 ORDER BY updated_at DESC, id DESC LIMIT $1");
pub(super) const OPEN_BY_INSTALLATION: &str = select_tasks!("WHERE installation = $1 AND over = 0");
pub(super) const OPEN_BY_REPO: &str = select_tasks!("WHERE repo = $1 AND over = 0");

async fn thread_tasks(session: &mut Session, thread: ThreadKey) -> Result<ThreadTasks, Error> {
    let open = session.row(OPEN_BY_THREAD, args![thread]).await?;
    let count = session.row(COUNT_BY_THREAD, args![thread]).await?;
    Ok(ThreadTasks {
        open: open.as_ref().map(versioned).transpose()?,
        count: count.map_or(Ok(0), |row| row.count(0))?,
    })
}

async fn open_tasks_of(
    session: &mut Session,
    installation: Option<InstallationId>,
    repos: &[RepoId],
) -> Result<Vec<Versioned>, Error> {
    let mut found = Vec::new();
    if let Some(id) = installation {
        found.extend(session.rows(OPEN_BY_INSTALLATION, args![id]).await?);
    }
    for repo in repos {
        found.extend(session.rows(OPEN_BY_REPO, args![*repo]).await?);
    }
    let mut tasks = BTreeMap::new();
    for row in &found {
        let found = versioned(row)?;
        tasks.insert(found.task.id, found);
    }
    Ok(tasks.into_values().collect())
}

// The version counts this write too: whoever decides on the old name meanwhile has to read again.
pub(super) const RENAME_TASK: &str =
    "UPDATE task SET task = $2, version = version + 1 WHERE id = $1 AND version = $3";
pub(super) const UNSENT_BY_REPO: &str =
    "SELECT key, repo_document FROM outbox WHERE repo = $1 AND state = 'unsent'";
pub(super) const RENAME_EFFECT: &str = "UPDATE outbox SET repo_document = $2 WHERE key = $1";

async fn rename(session: &mut Session, repo: RepoId, to: &RepoName) -> Result<(), Error> {
    for row in session.rows(OPEN_BY_REPO, args![repo]).await? {
        let Versioned {
            mut task, version, ..
        } = versioned(&row)?;
        task.repo.name = to.clone();
        let row = args![task.id, to_json(&task)?, version];
        if session.run(RENAME_TASK, row).await? == 0 {
            let id = task.id;
            return Err(Error::Conflict(format!("task {id} was written meanwhile")));
        }
    }
    for row in session.rows(UNSENT_BY_REPO, args![repo]).await? {
        let key = row.text(0)?;
        let mut repo: Repo = from_json(&key, &row.text(1)?)?;
        repo.name = to.clone();
        session
            .run(RENAME_EFFECT, args![key, to_json(&repo)?])
            .await?;
    }
    Ok(())
}

pub(super) const JOBS: &str = "SELECT id, state, attempt, note, COALESCE(micros, 0), not_before, repo \
     FROM job LEFT JOIN spend ON spend.scope = 'job:' || job.id \
     WHERE task = $1 ORDER BY seq";
pub(super) const JOURNAL: &str =
    "SELECT entry, attempt, at FROM journal WHERE job = $1 ORDER BY seq";

async fn job_lines(session: &mut Session, task: TaskId) -> Result<Vec<JobLine>, Error> {
    let mut lines = Vec::new();
    for job in session.rows(JOBS, args![task]).await? {
        let id = job.text(0)?;
        let journal = session.rows(JOURNAL, args![id.as_str()]).await?;
        let state = job.text(1)?;
        let waits_for = match state.as_str() {
            "waiting" => Some(WaitsFor::Time(job.time(5)?)),
            "ready" => Some(limits::in_the_way(session, &job.text(6)?).await?),
            _ => None,
        };
        lines.push(JobLine {
            id: parsed("a job", &id)?,
            state: waits_for.map_or(state, |_| "queued".to_owned()),
            waits_for,
            attempts: job.count(2)?,
            note: job.text(3)?,
            cost: job.usd(4)?,
            journal: journal
                .iter()
                .map(|row| Ok((row.count(1)?, row.time(2)?, jobs::entry(row)?)))
                .collect::<Result<_, Error>>()?,
        });
    }
    Ok(lines)
}

// A trail grows for ever, so a limit keeps its end; turned round again by the caller.
pub(super) const AUDIT: &str =
    "SELECT at, actor, thread, what, detail FROM audit ORDER BY seq DESC LIMIT $1";
pub(super) const AUDIT_OF_THREAD: &str = "SELECT at, actor, thread, what, detail FROM audit \
     WHERE thread = $2 ORDER BY seq DESC LIMIT $1";

fn audit_line(row: &Row) -> Result<AuditLine, Error> {
    Ok(AuditLine {
        at: row.time(0)?,
        actor: row.text(1)?,
        thread: row.maybe_text(2)?.map(|text| thread(&text)).transpose()?,
        what: row.text(3)?,
        detail: row.text(4)?,
    })
}

pub(super) const SENT: &str = "SELECT sent FROM outbox WHERE key = $1 AND sent IS NOT NULL";

fn sent(row: &Row) -> Result<Sent, Error> {
    from_json("what an effect left", &row.text(0)?)
}

#[async_trait::async_trait]
impl Tasks for SqlStore {
    async fn commit(&self, changes: &Changes, now: Timestamp) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = commit::apply(&mut session, changes, now).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault("commit a change"))
    }

    async fn thread_tasks(&self, thread: ThreadKey) -> Result<ThreadTasks, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let outcome = thread_tasks(&mut session, thread).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault(format!("read the tasks of {thread}")))
    }

    async fn task_by_pull(
        &self,
        repo: RepoId,
        pull: ThreadNumber,
    ) -> Result<Option<Versioned>, Fault> {
        self.one(OPEN_BY_PULL, args![repo, pull], versioned)
            .await
            .map_err(|error| error.fault(format!("find the task of pull request {repo}#{pull}")))
    }

    async fn task(&self, id: TaskId) -> Result<Option<Versioned>, Fault> {
        self.one(BY_ID, args![id], versioned)
            .await
            .map_err(|error| error.fault(format!("read task {id}")))
    }

    async fn tasks(&self, open_only: bool, limit: u32) -> Result<Vec<Versioned>, Fault> {
        let sql = if open_only {
            OPEN_LAST_WRITTEN
        } else {
            LAST_WRITTEN
        };
        self.all(sql, args![limit], versioned)
            .await
            .map_err(|error| error.fault("list tasks"))
    }

    async fn open_tasks_of(
        &self,
        installation: Option<InstallationId>,
        repos: &[RepoId],
    ) -> Result<Vec<Versioned>, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let outcome = open_tasks_of(&mut session, installation, repos).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault("list open tasks"))
    }

    async fn rename(&self, repo: RepoId, to: &RepoName) -> Result<(), Fault> {
        let work = async {
            let mut session = self.write().await?;
            let outcome = rename(&mut session, repo, to).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault(format!("rename repository {repo} to {to}")))
    }

    async fn jobs(&self, task: TaskId) -> Result<Vec<JobLine>, Fault> {
        let work = async {
            let mut session = self.read().await?;
            let outcome = job_lines(&mut session, task).await;
            session.end(outcome).await
        };
        work.await
            .map_err(|error: Error| error.fault(format!("read the jobs of task {task}")))
    }

    async fn audit(&self, thread: Option<ThreadKey>, limit: u32) -> Result<Vec<AuditLine>, Fault> {
        let lines = match thread {
            Some(thread) => {
                self.all(AUDIT_OF_THREAD, args![limit, thread], audit_line)
                    .await
            }
            None => self.all(AUDIT, args![limit], audit_line).await,
        };
        let mut lines = lines.map_err(|error| error.fault("read the audit trail"))?;
        lines.reverse();
        Ok(lines)
    }

    async fn sent(&self, key: &EffectKey) -> Result<Option<Sent>, Fault> {
        self.one(SENT, args![key.as_str()], sent)
            .await
            .map_err(|error| error.fault(format!("read effect {key}")))
    }
}
