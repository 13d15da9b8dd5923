//! Money for one model call: set aside before it is made, kept while it is under way, and free again
//! when it is charged or was never made.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::adapters::gateway::passage::Pass;
use crate::adapters::gateway::wire::refusal::Refusal;
use crate::domain::budget::{Denied, Scope};
use crate::domain::money::Usd;
use crate::ports::fault::Fault;
use crate::ports::gateway::{Charge, Hold};

/// How often the ledger is told what it did not take, and after which time.
const TOLD: u32 = 4;
const AGAIN: Duration = Duration::from_millis(250);

/// What is set aside as long as this lives. Dropped without a charge, it is free again.
pub(crate) struct Held {
    pass: Arc<Pass>,
    hold: Option<Hold>,
    /// Keeps it; nothing when nothing had to be set aside.
    kept: Option<DropGuard>,
}

/// Sets money aside; waits for calls under way when only they stand against it, but no longer than
/// they may be silent.
pub(super) async fn admit(pass: &Arc<Pass>, hold: Hold) -> Result<Held, Refusal> {
    let house = &pass.house;
    let bounds = &house.settings.bounds;
    if hold.most == Usd::ZERO || pass.caps.is_empty() {
        return Ok(Held::new(pass.clone(), hold, None));
    }
    let patience = sleep(bounds.silence);
    tokio::pin!(patience);
    loop {
        let settled = house.settled.notified();
        tokio::pin!(settled);
        // Before the ledger is asked: what settles in between is not missed.
        settled.as_mut().enable();
        let exceeded = match ask(pass, hold.clone()).await? {
            Ok(held) => return Ok(held),
            Err(Denied::Never(exceeded)) => return Err(Refusal::Budget(Box::new(exceeded))),
            Err(Denied::NotYet(exceeded)) => exceeded,
        };
        tokio::select! {
            () = settled => {}
            // Calls of other processes end without a word.
            () = sleep(bounds.look) => {}
            () = &mut patience => return Err(Refusal::Budget(Box::new(exceeded))),
        }
    }
}

/// Asks the ledger, and lets it answer: who called may go away meanwhile, and then what was set aside
/// is freed.
async fn ask(pass: &Arc<Pass>, hold: Hold) -> Result<Result<Held, Denied>, Refusal> {
    let (answer, answered) = oneshot::channel();
    let asked = pass.clone();
    pass.tasks.spawn(async move {
        let verdict = match asked.house.ledger.set_aside(&hold, &asked.caps).await {
            Ok(Ok(())) => Ok(Ok(Held::kept(&asked, hold))),
            Ok(Err(denied)) => Ok(Err(denied)),
            Err(fault) => {
                tracing::warn!(job = %asked.job, %fault, "cannot tell whether a budget has room for a model call");
                // It may have been done, and its answer lost.
                drop(Held::kept(&asked, hold));
                Err(Refusal::Ledger)
            }
        };
        drop(answer.send(verdict));
    });
    answered.await.unwrap_or(Err(Refusal::Ledger))
}

impl Held {
    const fn new(pass: Arc<Pass>, hold: Hold, kept: Option<DropGuard>) -> Self {
        let hold = Some(hold);
        Self { pass, hold, kept }
    }

    /// What was set aside, kept from now on.
    fn kept(pass: &Arc<Pass>, hold: Hold) -> Self {
        let ended = CancellationToken::new();
        let keeping = keep(pass.clone(), hold.id.clone(), ended.clone());
        pass.tasks.spawn(keeping);
        Self::new(pass.clone(), hold, Some(ended.drop_guard()))
    }

    /// Charges the call what it cost, in the place of what was set aside.
    pub(super) fn charge(mut self, charge: impl FnOnce(Hold, Vec<Scope>) -> Charge) {
        if let Some(hold) = self.hold.take() {
            let charge = charge(hold, scopes(&self.pass));
            self.pass.tasks.spawn(record(self.pass.clone(), charge));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let (Some(hold), Some(_)) = (self.hold.take(), &self.kept) {
            self.pass.tasks.spawn(free(self.pass.clone(), hold.id));
        }
    }
}

fn scopes(pass: &Pass) -> Vec<Scope> {
    pass.caps.iter().map(|cap| cap.scope.clone()).collect()
}

/// Tells the ledger now and then that a call is still under way.
async fn keep(pass: Arc<Pass>, id: String, ended: CancellationToken) {
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = sleep(pass.house.settings.bounds.renewal) => {}
        }
        if let Err(fault) = pass.house.ledger.keep(&id).await {
            tracing::warn!(job = %pass.job, %fault, "could not say that a model call is under way");
        }
    }
}

async fn record(pass: Arc<Pass>, charge: Charge) {
    let ledger = &pass.house.ledger;
    insist(&pass, "record its cost", || ledger.record(&charge)).await;
}

async fn free(pass: Arc<Pass>, id: String) {
    let (ledger, scopes) = (&pass.house.ledger, scopes(&pass));
    let told = || ledger.free(&id, &scopes);
    insist(&pass, "free what was set aside for it", told).await;
}

/// Tells the ledger, a few times if need be. What it does not take it charges in full after a while,
/// so no budget is passed.
async fn insist<F>(pass: &Pass, doing: &str, tell: impl Fn() -> F)
where
    F: Future<Output = Result<(), Fault>>,
{
    let mut pause = AGAIN;
    for left in (0..TOLD).rev() {
        match tell().await {
            Ok(()) => break,
            Err(fault) if left == 0 => {
                tracing::error!(job = %pass.job, %fault, doing, "a model call is charged in full");
            }
            Err(fault) => {
                tracing::warn!(job = %pass.job, %fault, doing, "a model call cannot be settled yet");
                sleep(pause).await;
                pause *= 2;
            }
        }
    }
    pass.house.settled.notify_waiters();
}
