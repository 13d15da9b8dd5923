//! One change, whole or not at all.

use crate::adapters::store::codec::to_json;
use crate::adapters::store::error::Error;
use crate::adapters::store::session::{Session, args};
use crate::adapters::store::{bases, inbox, jobs, outbox};
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::ports::store::{AuditLine, Changes};

/// Carries a change out. What ends comes before what begins: a stopped job makes room for the next
/// one of its task, and an effect's end does not touch what replaces it.
pub(super) async fn apply(
    session: &mut Session,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), Error> {
    let Changes {
        delivery,
        task,
        job,
        cancel,
        entry,
        job_end,
        effects,
        effect_end,
        drop_publishing,
        compare,
        audit,
    } = changes;
    outbox::hold(session, changes).await?;
    jobs::hold(session, changes).await?;
    if let Some((id, state)) = delivery {
        inbox::decide(session, id, state).await?;
    }
    if let Some((task, version)) = task {
        write(session, task, *version, now).await?;
    }
    if let Some((lease, entry)) = entry {
        jobs::record(session, lease, entry, now).await?;
    }
    if let Some((lease, end)) = job_end {
        jobs::end(session, lease, end, now).await?;
    }
    if let Some(task) = cancel {
        jobs::cancel(session, *task).await?;
    }
    if let Some(job) = job {
        jobs::queue(session, job, now).await?;
    }
    if let Some((lease, end)) = effect_end {
        outbox::end(session, lease, end, now).await?;
    }
    if let Some(task) = drop_publishing {
        outbox::drop_publishing(session, *task).await?;
    }
    for effect in effects {
        outbox::record(session, effect, now).await?;
    }
    if let Some((repo, from)) = compare {
        bases::ask(session, *repo, *from).await?;
    }
    for line in audit {
        note(session, line).await?;
    }
    Ok(())
}

pub(super) const ADD_TASK: &str = "INSERT INTO task (id, thread, ordinal, repo, installation, pull, over, \
         version, updated_at, task) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9)";
pub(super) const CHANGE_TASK: &str = "UPDATE task SET repo = $2, installation = $3, pull = $4, over = $5, \
         version = version + 1, updated_at = $6, task = $7 \
     WHERE id = $1 AND version = $8";

async fn write(
    session: &mut Session,
    task: &Task,
    version: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let pull = task.pull.map(|pull| pull.to_string());
    let over = i64::from(task.state.is_over());
    let (repo, installation) = (task.repo.id, task.repo.installation);
    let document = to_json(task)?;
    if version == 0 {
        let row = args![
            task.id,
            task.id.thread,
            task.id.ordinal,
            repo,
            installation,
            pull,
            over,
            now,
            document
        ];
        session.run(ADD_TASK, row).await?;
        return Ok(());
    }
    let row = args![
        task.id,
        repo,
        installation,
        pull,
        over,
        now,
        document,
        version
    ];
    match session.run(CHANGE_TASK, row).await? {
        0 => Err(Error::Conflict(format!(
            "task {} is not at version {version} any more",
            task.id
        ))),
        _ => Ok(()),
    }
}

pub(super) const ADD_AUDIT: &str = "INSERT INTO audit (at, actor, thread, what, detail) \
     VALUES ($1, $2, $3, $4, $5)";

async fn note(session: &mut Session, line: &AuditLine) -> Result<(), Error> {
    let row = args![
        line.at,
        line.actor.as_str(),
        line.thread.map(|thread| thread.to_string()),
        line.what.as_str(),
        line.detail.as_str(),
    ];
    session.run(ADD_AUDIT, row).await?;
    Ok(())
}
