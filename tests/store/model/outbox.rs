//! The outbox as one list, in the order in which effects are to be sent.

use proptest::prelude::*;

use prova::domain::effect::{Effect, EffectKey, GATHERS, STANDS, Sent};
use prova::domain::home::Home;
use prova::domain::ids::{CommentId, CommitSha, ThreadKey};
use prova::domain::time::Timestamp;
use prova::ports::store::{Changes, EffectEnd, EffectLease, LeasedEffect, Store};

use crate::world::{
    assert_conflict, at, branch, comment, effects, key, new_effect, task_id, thread,
};

const LEASE: i64 = 60;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Record { number: u64, name: u8, body: u8 },
    Lease,
    End { lease: usize, end: EffectEnd },
    Drop { number: u64 },
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let end = prop_oneof![
        (1u64..9).prop_map(|id| EffectEnd::Sent(Sent::Comment(CommentId(id)))),
        (0i64..1_500).prop_map(|millis| EffectEnd::Again(at(1_000 + millis), "503".to_owned())),
        Just(EffectEnd::Parked("422".to_owned())),
    ];
    prop_oneof![
        4 => (1u64..4, 0u8..4, 0u8..3)
            .prop_map(|(number, name, body)| Op::Record { number, name, body }),
        4 => Just(Op::Lease),
        3 => (0usize..4, end).prop_map(|(lease, end)| Op::End { lease, end }),
        1 => (1u64..4).prop_map(|number| Op::Drop { number }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    Sent,
    Parked,
    Dropped,
}

#[derive(Debug)]
struct Row {
    key: EffectKey,
    thread: ThreadKey,
    effect: Effect,
    state: State,
    version: i64,
    attempt: u32,
    earlier_attempts: u32,
    not_before: Timestamp,
    /// Version, attempt and end of the lease that was given last and has not ended.
    lease: Option<(i64, u32, Timestamp)>,
    sent: Option<Sent>,
}

impl Row {
    fn publishes(&self) -> bool {
        matches!(self.effect, Effect::Branch { .. })
    }

    /// Whether it changes what was said.
    fn edits(&self) -> bool {
        matches!(self.effect, Effect::Comment { .. }) && self.sent.is_some()
    }

    /// Whether the content that was leased is still what is to be sent.
    fn as_leased(&self) -> bool {
        self.state == State::Unsent && self.lease.is_some_and(|lease| lease.0 == self.version)
    }
}

#[derive(Default)]
pub(super) struct Model {
    rows: Vec<Row>,
    /// Every lease that was ever given.
    leases: Vec<LeasedEffect>,
}

impl Model {
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |state| self.rows.iter().filter(|row| row.state == state).count() as u64;
        (count(State::Unsent), count(State::Parked))
    }

    /// The effect of a thread that may be given out now.
    fn due(&self, thread: ThreadKey, now: Timestamp) -> Option<&EffectKey> {
        let rows = self.rows.iter().filter(|row| row.thread == thread);
        let given_out = |row: &&Row| row.lease.is_some_and(|lease| lease.2 > now);
        if rows.clone().any(|row| given_out(&row)) {
            return None;
        }
        let unsent = || rows.clone().filter(|row| row.state == State::Unsent);
        // What is given out is so until its lease has run out, whatever comes before it meanwhile.
        if let Some(left) = unsent().find(|row| row.as_leased()) {
            return Some(&left.key);
        }
        let first = unsent().min_by_key(|row| row.edits())?;
        (first.not_before <= now).then_some(&first.key)
    }

    pub(super) async fn play(&mut self, store: &dyn Store, op: Op, now: Timestamp) {
        match op {
            Op::Record { number, name, body } => {
                self.record(store, (number, name, body), now).await;
            }
            Op::Lease => self.lease(store, now).await,
            Op::End { lease, end } => self.end(store, lease, (end, now)).await,
            Op::Drop { number } => {
                let thread = thread(1, number);
                let changes = Changes {
                    drop_publishing: Some(task_id(thread, 1)),
                    ..Changes::default()
                };
                store.commit(&changes, now).await.unwrap();
                for row in &mut self.rows {
                    if row.thread == thread && row.state == State::Unsent && row.publishes() {
                        row.state = State::Dropped;
                    }
                }
            }
        }
    }

    async fn record(
        &mut self,
        store: &dyn Store,
        (number, name, body): (u64, u8, u8),
        now: Timestamp,
    ) {
        let thread = thread(1, number);
        let text = format!("body {body}");
        let effect = if name == 0 {
            Effect::Branch {
                branch: branch("prova/1-x"),
                to: CommitSha::new(text),
                from: None,
                home: Home::Own,
            }
        } else {
            comment(&text)
        };
        let new = new_effect(&format!("{number}/{name}"), thread, effect.clone());
        let key = new.key.clone();
        store.commit(&effects(vec![new]), now).await.unwrap();
        let Some(n) = self.rows.iter().position(|row| row.key == key) else {
            self.rows.push(Row {
                key,
                thread,
                effect,
                state: State::Unsent,
                version: 1,
                attempt: 0,
                earlier_attempts: 0,
                not_before: now,
                lease: None,
                sent: None,
            });
            return;
        };
        if self.rows[n].effect == effect && self.rows[n].state != State::Dropped {
            return;
        }
        let mut row = self.rows.remove(n);
        row.not_before = match row.state {
            State::Unsent => row.not_before.max(now),
            State::Sent | State::Parked | State::Dropped if row.edits() => {
                row.not_before.max(now.plus(GATHERS))
            }
            State::Sent | State::Parked | State::Dropped => now,
        };
        row.effect = effect;
        row.state = State::Unsent;
        row.version += 1;
        row.earlier_attempts += row.attempt;
        row.attempt = 0;
        self.rows.push(row);
    }

    async fn lease(&mut self, store: &dyn Store, now: Timestamp) {
        let until = at(now.as_millis() + LEASE);
        let given = store.lease_effect("w", now, until).await.unwrap();
        let Some(given) = given else {
            for number in 1..4 {
                assert_eq!(self.due(thread(1, number), now), None);
            }
            return;
        };
        assert_eq!(self.due(given.thread, now), Some(&given.key));
        let row = self.rows.iter_mut().find(|row| row.key == given.key);
        let row = row.unwrap();
        row.attempt += 1;
        row.lease = Some((row.version, row.attempt, until));
        assert_eq!(given.effect, row.effect);
        assert_eq!((given.version, given.attempt), (row.version, row.attempt));
        assert_eq!(given.earlier_attempts, row.earlier_attempts);
        assert_eq!(given.sent, row.sent);
        self.leases.push(given);
    }

    /// Ends one of the last leases, counted from the newest.
    async fn end(&mut self, store: &dyn Store, back: usize, (end, now): (EffectEnd, Timestamp)) {
        let Some(lease) = self.leases.iter().rev().nth(back) else {
            return;
        };
        let changes = Changes {
            effect_end: Some((
                EffectLease {
                    key: lease.key.clone(),
                    version: lease.version,
                    attempt: lease.attempt,
                },
                end.clone(),
            )),
            ..Changes::default()
        };
        let result = store.commit(&changes, now).await;
        let row = self.rows.iter_mut().find(|row| row.key == lease.key);
        let row = row.unwrap();
        let runs = |held: (i64, u32, Timestamp)| (held.0, held.1) == (lease.version, lease.attempt);
        if !row.lease.is_some_and(runs) {
            assert_conflict(result);
            return;
        }
        result.unwrap();
        row.lease = None;
        let replaced = row.version != lease.version;
        match end {
            EffectEnd::Sent(sent) => {
                row.sent = Some(sent.clone());
                if row.edits() {
                    row.not_before = now.plus(STANDS);
                }
                if !replaced {
                    row.state = State::Sent;
                }
                assert_eq!(
                    store.sent(&key(row.key.as_str())).await.unwrap(),
                    Some(sent)
                );
            }
            EffectEnd::Again(not_before, _) => row.not_before = not_before,
            EffectEnd::Parked(_) if !replaced && row.state == State::Unsent => {
                row.state = State::Parked;
            }
            EffectEnd::Parked(_) => {}
        }
    }
}
