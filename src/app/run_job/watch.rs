//! Following a run while it lasts: what the agent says, whether it has come to nothing, and the live
//! view on the thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::context::Context;
use crate::app::run_job::Attempt;
use crate::app::run_job::way::Way;
use crate::domain::decide::statuses::live_status_of;
use crate::domain::job::Told;
use crate::domain::outage::Outage;
use crate::domain::progress::{Heard, Update};
use crate::domain::render::live::{Board, Live};
use crate::domain::stall::{Stall, stall};
use crate::domain::task::State;
use crate::domain::time::Timestamp;
use crate::ports::agent::Watcher;
use crate::ports::clock::Clock;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::{Changes, NewEffect};
use crate::ports::wake::Waiting;

/// How often a run is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of one run.
pub struct Watch {
    clock: Arc<dyn Clock>,
    began: Timestamp,
    heard: Mutex<Heard>,
    stirred: Arc<AtomicU64>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

impl Watcher for Watch {
    fn heard(&self, update: Update) {
        let now = self.clock.now();
        self.lock().take(update, now);
    }

    fn stirred(&self) -> Arc<AtomicU64> {
        self.stirred.clone()
    }
}

impl Watch {
    /// Begins to watch.
    #[must_use]
    pub fn begin(ctx: &Context) -> Self {
        Self {
            began: ctx.now(),
            clock: ctx.clock.clone(),
            heard: Mutex::default(),
            stirred: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was heard so far.
    #[must_use]
    pub fn so_far(&self) -> Heard {
        self.lock().clone()
    }
}

impl Attempt<'_> {
    /// Waits for a run of `agent`; has it stopped when it comes to nothing, and shows meanwhile on
    /// the thread how far it is.
    pub async fn watched<T>(
        &self,
        (watch, agent): (&Watch, &str),
        way: &Way,
        run: impl Future<Output = T>,
    ) -> (T, Option<Stall>) {
        tokio::pin!(run);
        let (mut stirred, mut at) = (0, watch.began);
        let mut outage = Outage::default();
        loop {
            tokio::select! {
                done = &mut run => {
                    self.board().over(agent);
                    return (done, None);
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            let (heard, now) = (watch.so_far(), self.ctx.now());
            let printed = watch.stirred.load(Ordering::Relaxed);
            if printed != stirred {
                (stirred, at) = (printed, now);
            }
            let traffic = way.so_far();
            outage.take(&traffic, now);
            let patience = &self.ctx.settings.patience;
            if let Some(stall) = stall(&heard, (at, &outage), now, patience) {
                tracing::warn!(job.id = %self.leased.lease.job, %stall, "the run has come to nothing and is ended");
                way.stop().cancel();
                self.board().over(agent);
                return (run.await, Some(stall));
            }
            let live = Live {
                agent: agent.to_owned(),
                took: now.since(watch.began),
                heard,
                traffic,
            };
            let runs = self.board().note(live, now);
            if let Some(runs) = runs {
                for live in &runs {
                    tracing::info!(job.id = %self.leased.lease.job, live = %live.line(), "the agent works");
                }
                // The work goes on without it.
                if let Err(fault) = self.show(&runs).await {
                    tracing::debug!(%fault, "could not show how far the run is");
                }
            }
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        let board = self.house.board.lock();
        board.unwrap_or_else(PoisonError::into_inner)
    }

    /// Edits the status comment, unless a person was faster with something else to say in it.
    async fn show(&self, runs: &[Live]) -> Result<(), Fault> {
        let ctx = self.ctx;
        let id = self.leased.task.task.id;
        let Some(read) = ctx.store.task(id).await? else {
            return Ok(());
        };
        if read.task.state != State::Running {
            return Ok(());
        }
        let redactor = ctx.settings.redactor.now();
        let (key, thread, effect) =
            live_status_of(&read.task, runs, &ctx.settings.links, &redactor);
        let changes = Changes {
            effects: vec![NewEffect {
                key,
                thread,
                task: Some(id),
                repo: read.task.repo.clone(),
                effect,
            }],
            task: Some((read.task, read.version)),
            ..Changes::default()
        };
        match ctx.store.commit(&changes, ctx.now()).await {
            Err(fault) if fault.class == Class::Conflict => Ok(()),
            Err(fault) => Err(fault),
            Ok(()) => {
                ctx.wake.tell(Waiting::Effects);
                Ok(())
            }
        }
    }

    /// Returns what of the agent's words is kept.
    #[must_use]
    pub fn told(&self, heard: Heard, stall: Option<Stall>, thoughtless: bool) -> Told {
        let live = self.ctx.settings.redactor.now();
        Told {
            session: heard.session,
            trouble: heard.trouble.map(|text| live.redact(&text).into_owned()),
            stall,
            thoughtless,
        }
    }
}
