//! What this very worker held when it died, given back at its next start.
//!
//! A lease tells nobody whether its holder lives; that is why it runs out. But a worker's name
//! belongs to one process at a time (`ports::store::Queue::lease_job`, and whoever starts workers),
//! so whatever is leased under our own name when we begin is held by nobody. What other workers
//! hold is theirs until it runs out.

use crate::app::cleanup::charge_ended;
use crate::app::context::Context;
use crate::domain::retry::after_death;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, EffectEnd, EffectLease, JobEnd, Lease};

/// How long a request may still take effect whose sender did not live to see the answer: GitHub
/// ends every request after ten seconds. Looking earlier could miss what is about to be there.
const ON_ITS_WAY: Span = Span::seconds(15);

/// Gives back every lease that is held under our name, before anything is leased anew, and returns
/// how many there were. The attempts count: what takes the process down each time is given up in
/// the end. Model calls that were under way are charged in full: nobody knows what they cost.
pub async fn take_back(ctx: &Context) -> Result<usize, Fault> {
    let now = ctx.now();
    ctx.store.end_holds(&ctx.settings.worker, now).await?;
    charge_ended(ctx).await;
    let held = ctx.store.held_by(&ctx.settings.worker, now).await?;
    let jobs = held.jobs.into_iter().map(|lease| job_again(lease, now));
    let effects = held.effects.into_iter();
    let effects = effects.map(|lease| effect_again(lease, now));
    let mut count = 0;
    for changes in jobs.chain(effects) {
        match ctx.store.commit(&changes, now).await {
            Ok(()) => count += 1,
            // It has run out in this moment, and another worker was faster.
            Err(fault) if fault.class == Class::Conflict => {}
            Err(fault) => return Err(fault),
        }
    }
    if count > 0 {
        tracing::info!(count, "took back what was under way when this worker died");
    }
    Ok(count)
}

fn job_again(lease: Lease, now: Timestamp) -> Changes {
    let at = after_death(lease.attempt, now);
    let why = "its worker died".to_owned();
    Changes {
        job_end: Some((lease, JobEnd::Again(at, why))),
        ..Changes::default()
    }
}

fn effect_again(lease: EffectLease, now: Timestamp) -> Changes {
    let why = "its sender died; it may have arrived".to_owned();
    Changes {
        effect_end: Some((lease, EffectEnd::Again(now.plus(ON_ITS_WAY), why))),
        ..Changes::default()
    }
}
