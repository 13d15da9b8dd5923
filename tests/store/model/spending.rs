//! Money set aside and spent, in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use prova::domain::budget::{Denied, Scope};
use prova::domain::ids::JobId;
use prova::domain::time::Timestamp;
use prova::ports::store::Store;

use crate::holds::{caps, hold};
use crate::spend::{call, job, scopes, usd};

const OF_JOB: u64 = 120;
const OF_DAY: u64 = 200;

#[derive(Clone, Debug)]
pub(super) enum Op {
    SetAside { job: u64, most: u64, lasts: i64 },
    Keep { which: usize, lasts: i64 },
    Free { which: usize },
    Record { which: usize, cost: u64 },
    ChargeEnded,
    EndHolds { worker: usize },
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u64..3, 0u64..80, 1i64..200)
            .prop_map(|(job, most, lasts)| Op::SetAside { job, most, lasts }),
        1 => (any::<usize>(), 1i64..200).prop_map(|(which, lasts)| Op::Keep { which, lasts }),
        1 => any::<usize>().prop_map(|which| Op::Free { which }),
        2 => (any::<usize>(), 0u64..80).prop_map(|(which, cost)| Op::Record { which, cost }),
        2 => Just(Op::ChargeEnded),
        1 => (0usize..2).prop_map(|worker| Op::EndHolds { worker }),
    ]
}

const WORKERS: [&str; 2] = ["v", "w"];

#[derive(Clone, Copy, PartialEq)]
enum State {
    Held(Timestamp),
    Presumed,
    Known(u64),
    Free,
}

struct Call {
    job: JobId,
    most: u64,
    worker: usize,
    state: State,
}

#[derive(Default)]
pub(super) struct Model {
    calls: Vec<Call>,
}

impl Model {
    /// Returns what was spent and what is held by calls that count towards a scope.
    fn sums(&self, scope: &Scope) -> (u64, u64) {
        let of = self.calls.iter();
        let of = of.filter(|call| scopes(call.job, 0).contains(scope));
        of.fold((0, 0), |(spent, held), call| match call.state {
            State::Held(_) => (spent, held + call.most),
            State::Presumed => (spent + call.most, held),
            State::Known(cost) => (spent + cost, held),
            State::Free => (spent, held),
        })
    }

    fn verdict(&self, job: JobId, most: u64) -> (bool, bool) {
        let (mut never, mut not_yet) = (false, false);
        for cap in caps(job, OF_JOB, OF_DAY) {
            let (spent, held) = self.sums(&cap.scope);
            never |= usd(spent + most) > cap.most;
            not_yet |= usd(spent + held + most) > cap.most;
        }
        (never, not_yet)
    }

    pub(super) async fn play(&mut self, store: &dyn Store, op: Op, now: Timestamp) {
        let later = |millis| Timestamp::from_millis(now.as_millis() + millis);
        let id = |which: usize| format!("call {which}");
        let count = self.calls.len();
        match op {
            Op::SetAside {
                job: n,
                most,
                lasts,
            } => {
                let (job, worker, until) = (job(n), count % 2, later(lasts));
                let verdict = store
                    .set_aside(
                        &hold(&id(count), job, most),
                        &caps(job, OF_JOB, OF_DAY),
                        (WORKERS[worker], until),
                    )
                    .await
                    .unwrap();
                let state = match (&verdict, self.verdict(job, most)) {
                    (Ok(()), (false, false)) => State::Held(until),
                    (Err(Denied::Never(_)), (true, _))
                    | (Err(Denied::NotYet(_)), (false, true)) => return,
                    (verdict, expected) => panic!("{verdict:?} {expected:?}"),
                };
                self.calls.push(Call {
                    job,
                    most,
                    worker,
                    state,
                });
            }
            Op::Keep { which, lasts } if count > 0 => {
                let call = &mut self.calls[which % count];
                let until = later(lasts);
                store.keep_aside(&id(which % count), until).await.unwrap();
                if let State::Held(before) = call.state {
                    call.state = State::Held(before.max(until));
                }
            }
            Op::Free { which } if count > 0 => {
                let call = &mut self.calls[which % count];
                let scopes = scopes(call.job, 0);
                store.free_call(&id(which % count), &scopes).await.unwrap();
                if !matches!(call.state, State::Known(_)) {
                    call.state = State::Free;
                }
            }
            Op::Record { which, cost } if count > 0 => {
                let known = &mut self.calls[which % count];
                let charge = call(&id(which % count), known.job, cost);
                store.record_call(&charge, now).await.unwrap();
                if !matches!(known.state, State::Known(_)) {
                    known.state = State::Known(cost);
                }
            }
            Op::ChargeEnded => {
                let mut ended = 0;
                for call in &mut self.calls {
                    if matches!(call.state, State::Held(until) if until <= now) {
                        call.state = State::Presumed;
                        ended += 1;
                    }
                }
                assert_eq!(store.charge_ended(now).await.unwrap(), ended);
            }
            Op::EndHolds { worker } => {
                store.end_holds(WORKERS[worker], now).await.unwrap();
                for call in self.calls.iter_mut().filter(|call| call.worker == worker) {
                    if let State::Held(until) = call.state {
                        call.state = State::Held(until.min(now));
                    }
                }
            }
            Op::Keep { .. } | Op::Free { .. } | Op::Record { .. } => {}
        }
    }

    /// Compares what was spent in every scope.
    pub(super) async fn compare(&self, store: &dyn Store) {
        let all: BTreeMap<Scope, u64> = (0..3)
            .flat_map(|n| scopes(job(n), 0))
            .map(|scope| (scope.clone(), self.sums(&scope).0))
            .collect();
        let scopes: Vec<_> = all.keys().cloned().collect();
        let expected: Vec<_> = all.values().copied().map(usd).collect();
        assert_eq!(store.spent(&scopes).await.unwrap(), expected);
    }
}
