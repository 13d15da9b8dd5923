//! The gate before the way to GitHub: every request of an installation, and of the App itself, passes it.
//!
//! It waits for moments only. What has to wait longer comes back as `RateLimited` with the time, so that
//! its effect, delivery or job is put off in the store, and no loop stands still.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::adapters::github::answer::Answer;
use crate::adapters::github::request::Request;
use crate::domain::governor::limits::{Kind, Limits};
use crate::domain::governor::{Admission, Governor, Told, Why};
use crate::domain::ids::InstallationId;
use crate::domain::time::{Span, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::fault::{Class, Fault};
use crate::ports::held_up::HeldUp;

/// How long a request waits here in all.
const PATIENCE: Span = Span::seconds(2);
/// How long nothing must have been put off until an installation passes for free again; without this,
/// one that is at its limit would be told of with every request.
const CALM: Span = Span::minutes(1);

/// Whose limits a request counts towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Payer {
    /// The App's own, for what it signs itself.
    App,
    /// Those of an installation.
    Installation(InstallationId),
}

impl std::fmt::Display for Payer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::App => f.write_str("the App"),
            Self::Installation(id) => write!(f, "installation {id}"),
        }
    }
}

/// The gates, one for each payer.
pub(super) struct Gates {
    limits: Limits,
    clock: Arc<dyn Clock>,
    by_payer: Mutex<BTreeMap<Payer, Arc<Gate>>>,
    held_up: Arc<HeldUp>,
}

struct Gate {
    payer: Payer,
    books: Mutex<Books>,
    /// Told whenever a request ends.
    ended: Notify,
}

struct Books {
    governor: Governor,
    /// Until when something was put off last, while the payer passes for limited.
    limited: Option<Timestamp>,
}

/// A request that is under way.
pub(super) struct Pass {
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    kind: Kind,
    told: Told,
}

impl Gates {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits,
            clock,
            by_payer: Mutex::default(),
            held_up: Arc::default(),
        }
    }

    /// Counts into that one what is held up.
    pub(super) fn counting_into(&mut self, held_up: Arc<HeldUp>) {
        self.held_up = held_up;
    }

    /// Lets a request through as soon as it may be sent, or says when to come again.
    pub(super) async fn pass(&self, payer: Payer, request: &Request) -> Result<Pass, Fault> {
        let gate = self.gate(payer);
        let kind = request.kind();
        let mut patience = PATIENCE;
        loop {
            let ended = gate.ended.notified();
            tokio::pin!(ended);
            // From here on an end is heard, also one before the wait begins.
            ended.as_mut().enable();
            let now = self.clock.now();
            let (until, why) = match gate.books().ask(payer, now, request) {
                Admission::Go => {
                    return Ok(Pass {
                        gate: Arc::clone(&gate),
                        clock: Arc::clone(&self.clock),
                        kind,
                        told: Told::default(),
                    });
                }
                Admission::NotBefore(until, why) => (until, Some(why)),
                Admission::AfterAnother => (now.plus(patience), None),
            };
            let wait = until.since(now);
            if wait > patience || patience == Span::ZERO {
                return Err(self.put_off(&gate, request, (until, why)));
            }
            let waits = self.held_up.wait();
            tokio::select! {
                () = tokio::time::sleep(wait.to_std()) => {
                    patience = Span::millis(patience.as_millis().saturating_sub(wait.as_millis()));
                }
                // What ends may make room for another, but a time that was named stays.
                () = ended, if why.is_none() => {}
            }
            drop(waits);
        }
    }

    fn put_off(
        &self,
        gate: &Gate,
        request: &Request,
        (until, why): (Timestamp, Option<Why>),
    ) -> Fault {
        let now = self.clock.now();
        self.held_up.put_off();
        let why = why.map_or_else(
            || "too many requests are under way".to_owned(),
            |w| w.to_string(),
        );
        let until = until.max(now.plus(PATIENCE));
        let mut books = gate.books();
        if books.limited.is_none() {
            let seconds = until.since(now).as_millis() / 1_000;
            tracing::info!(payer = %gate.payer, %why, seconds, "requests to GitHub are put off");
        }
        books.limited = books.limited.max(Some(until));
        let cause = format!("not sent, because {why}");
        Fault::new(Class::RateLimited(until), request.doing.as_str(), cause)
    }

    fn gate(&self, payer: Payer) -> Arc<Gate> {
        let mut gates = self.by_payer.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates.entry(payer).or_insert_with(|| {
            Arc::new(Gate {
                payer,
                books: Mutex::new(Books {
                    governor: Governor::new(&self.limits),
                    limited: None,
                }),
                ended: Notify::new(),
            })
        });
        Arc::clone(gate)
    }
}

impl Gate {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn ask(&mut self, payer: Payer, now: Timestamp, request: &Request) -> Admission {
        let admission = self.governor.ask(now, request.kind(), request.importance);
        if admission == Admission::Go
            && let Some(until) = self.limited
            && until.plus(CALM) <= now
        {
            self.limited = None;
            tracing::info!(%payer, "requests to GitHub are sent at once again");
        }
        admission
    }
}

impl Pass {
    /// Hears what an answer tells of the limits.
    pub(super) fn hear(&mut self, answer: &Answer) {
        self.told = answer.told();
    }
}

impl Drop for Pass {
    /// However it ended: a request that was given up may have been counted.
    fn drop(&mut self) {
        let now = self.clock.now();
        self.gate.books().governor.ended(now, self.kind, &self.told);
        self.gate.ended.notify_waiters();
    }
}
