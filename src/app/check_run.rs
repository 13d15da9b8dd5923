//! A check run of ours, with all that it says of lines: GitHub takes fifty annotations a request, and
//! adds what it is sent to what is there.

use crate::app::context::Context;
use crate::domain::effect::Effect;
use crate::domain::ids::{CheckRunId, CheckSuiteId};
use crate::domain::repo::Repo;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{BATCH, NewCheck, PostedCheck};
use crate::ports::store::LeasedEffect;

/// Creates a check run, or goes on with the one that an earlier attempt has left. Annotations are always
/// sent in one order, so how many are there tells which are.
pub(super) async fn put(
    ctx: &Context,
    leased: &LeasedEffect,
    found: Option<PostedCheck>,
) -> Result<CheckRunId, Fault> {
    let check = wanted(leased)?;
    let posted = match found {
        Some(posted) => posted,
        None => create(ctx, leased, &check).await?,
    };
    // A batch of which GitHub shows a part was sent, whatever it made of the rest.
    let sent = posted.annotations.div_ceil(BATCH);
    for batch in check.annotations.chunks(BATCH).skip(sent) {
        let annotated = ctx
            .github
            .annotate(&leased.repo, posted.id, &check, batch)
            .await;
        match annotated {
            Err(fault) if fault.class == Class::Permanent => {
                tracing::warn!(effect = %leased.key, %fault, "left annotations out");
                break;
            }
            outcome => outcome?,
        }
    }
    Ok(posted.id)
}

/// Creates it with the first annotations. They come out of what programs print, and must not cost the
/// proof itself: where GitHub refuses them, it is created without.
async fn create(
    ctx: &Context,
    leased: &LeasedEffect,
    check: &NewCheck,
) -> Result<PostedCheck, Fault> {
    let annotations = check.annotations.len().min(BATCH);
    match ctx.github.create_check(&leased.repo, check).await {
        Ok(id) => Ok(PostedCheck { id, annotations }),
        Err(fault) if fault.class == Class::Permanent && annotations > 0 => {
            tracing::warn!(effect = %leased.key, %fault, "left annotations out");
            let bare = NewCheck {
                annotations: Vec::new(),
                ..check.clone()
            };
            let id = ctx.github.create_check(&leased.repo, &bare).await?;
            // What it does not take by one request it does not take by another.
            let annotations = check.annotations.len();
            Ok(PostedCheck { id, annotations })
        }
        Err(fault) => Err(fault),
    }
}

/// Reports once more what the runs of a suite conclude, which is all that it waits for; after an earlier
/// attempt only if it still does.
pub(super) async fn conclude(
    ctx: &Context,
    repo: &Repo,
    (suite, looks): (CheckSuiteId, bool),
) -> Result<(), Fault> {
    if looks && ctx.github.is_concluded(repo, suite).await? {
        return Ok(());
    }
    for (run, conclusion) in ctx.github.conclusions(repo, suite).await? {
        ctx.github.conclude(repo, run, conclusion).await?;
    }
    Ok(())
}

fn wanted(leased: &LeasedEffect) -> Result<NewCheck, Fault> {
    let Effect::Check {
        commit,
        conclusion,
        title,
        summary,
        annotations,
        buttons,
    } = &leased.effect
    else {
        return Err(Fault::permanent(
            "create a check run",
            "the effect is another",
        ));
    };
    Ok(NewCheck {
        commit: commit.clone(),
        external_id: leased.key.to_string(),
        conclusion: *conclusion,
        title: title.clone(),
        summary: summary.clone(),
        annotations: annotations.clone(),
        buttons: buttons.clone(),
    })
}
