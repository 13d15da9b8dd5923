//! Reads what stands around a request on GitHub. All of it helps, and none of it is needed: what
//! cannot be read is left out, unless it can be read later.

use crate::app::context::Context;
use crate::domain::event::ThreadEvent;
use crate::domain::ids::CommitSha;
use crate::domain::integration::log_end;
use crate::domain::job::Remark;
use crate::domain::policy::Untrusted;
use crate::domain::reference::{known, named};
use crate::domain::repo::Repo;
use crate::domain::surroundings::{FailedCheck, Linked};
use crate::domain::task::Task;
use crate::ports::fault::{Class, Fault};

/// Reads the threads that a request and its conversation name, as they were at the request; the
/// issue of the open task as it was at its own.
pub async fn linked(
    ctx: &Context,
    event: &ThreadEvent,
    (remarks, untrusted): (&[Remark], Untrusted),
    open: Option<&Task>,
) -> Result<Vec<Linked>, Fault> {
    let mut linked = Vec::new();
    let web_url = &ctx.settings.links.web_url;
    for number in named(event, remarks, untrusted, web_url) {
        if let Some(known) = open.and_then(|task| known(event, task, number, web_url)) {
            linked.push(known);
            continue;
        }
        if let Some(posted) = useful(ctx.github.text(&event.repo, number).await)? {
            let times = (posted.created_at, posted.updated_at);
            linked.extend(Linked::freeze(posted.thread, times, event.at));
        }
    }
    Ok(linked)
}

/// Reads what the checks of others found wrong with a commit.
pub async fn failed_checks(
    ctx: &Context,
    repo: &Repo,
    commit: &CommitSha,
) -> Result<Vec<FailedCheck>, Fault> {
    let read = useful(ctx.github.failed_checks(repo, commit).await)?;
    let mut failed = read.unwrap_or_default();
    for check in &mut failed {
        check.log = ctx
            .settings
            .redactor
            .redact(&log_end(&check.log))
            .into_owned();
    }
    Ok(failed)
}

fn useful<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(fault) => match fault.class {
            Class::NotFound | Class::Permanent => {
                tracing::debug!(%fault, "left something out of a brief");
                Ok(None)
            }
            Class::Transient | Class::RateLimited(_) | Class::AuthLost | Class::Conflict => {
                Err(fault)
            }
        },
    }
}
