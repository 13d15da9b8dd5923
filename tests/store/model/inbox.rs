//! The inbox as a list.

use proptest::prelude::*;

use prova::domain::time::Timestamp;
use prova::ports::store::{Acceptance, Changes, DUE_AT_ONCE, DeliveryState, NewDelivery, Store};

use crate::world::{at, delivery, thread};

#[derive(Clone, Debug)]
pub(super) enum Op {
    Accept(Vec<u8>),
    Decide(bool),
    Hold(i64),
    Replay(usize),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        prop::collection::vec(0u8..40, 0..12).prop_map(Op::Accept),
        any::<bool>().prop_map(Op::Decide),
        (0i64..100).prop_map(Op::Hold),
        any::<usize>().prop_map(Op::Replay),
    ]
}

struct Stored {
    delivery: NewDelivery,
    state: DeliveryState,
    held: Option<Timestamp>,
    attempts: u32,
}

/// In order of arrival.
#[derive(Default)]
pub(super) struct Model(Vec<Stored>);

impl Model {
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |wanted: fn(&DeliveryState) -> bool| {
            self.0.iter().filter(|stored| wanted(&stored.state)).count() as u64
        };
        (
            count(|state| matches!(state, DeliveryState::Pending)),
            count(|state| matches!(state, DeliveryState::Parked(_))),
        )
    }

    fn accept(&mut self, delivery: &NewDelivery) -> Acceptance {
        if self.0.iter().any(|s| s.delivery.id == delivery.id) {
            return Acceptance::Duplicate;
        }
        self.0.push(Stored {
            delivery: delivery.clone(),
            state: DeliveryState::Pending,
            held: None,
            attempts: 0,
        });
        Acceptance::Stored
    }

    /// Asks for the next deliveries and returns the model's first.
    async fn next(&mut self, store: &dyn Store, now: Timestamp) -> Option<&mut Stored> {
        let due = store.next_deliveries(now).await.unwrap();
        let found = due
            .into_iter()
            .map(|stored| (stored.delivery, stored.attempts));
        let is_pending = |stored: &Stored| stored.state == DeliveryState::Pending;
        let first = self
            .0
            .iter()
            .position(|stored| is_pending(stored) && stored.held.is_none_or(|held| held <= now));
        let behind = first.map_or(self.0.len(), |first| first + 1);
        let never_held = self.0[behind..]
            .iter()
            .filter(|stored| is_pending(stored) && stored.held.is_none());
        let expected = first
            .map(|first| &self.0[first])
            .into_iter()
            .chain(never_held)
            .take(DUE_AT_ONCE)
            .map(|stored| (stored.delivery.clone(), stored.attempts));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        first.map(|first| &mut self.0[first])
    }

    pub(super) async fn play(&mut self, store: &dyn Store, op: Op, now: Timestamp) {
        match op {
            Op::Accept(ids) => {
                let batch: Vec<_> = ids
                    .iter()
                    .map(|id| delivery(&format!("d{id}"), now.as_millis()))
                    .collect();
                let expected: Vec<_> = batch.iter().map(|offered| self.accept(offered)).collect();
                assert_eq!(store.accept(batch.clone()).await.unwrap(), expected);
            }
            Op::Decide(park) => {
                let Some(stored) = self.next(store, now).await else {
                    return;
                };
                let why = "because".to_owned();
                stored.state = if park {
                    DeliveryState::Parked(why)
                } else {
                    DeliveryState::Done(why)
                };
                let changes = Changes {
                    delivery: Some((stored.delivery.id.clone(), stored.state.clone())),
                    ..Changes::default()
                };
                store.commit(&changes, now).await.unwrap();
            }
            Op::Hold(millis) => {
                let Some(stored) = self.next(store, now).await else {
                    return;
                };
                let until = at(now.as_millis() + millis);
                stored.held = Some(until);
                stored.attempts += 1;
                let id = &stored.delivery.id;
                store
                    .hold(id, Some(thread(1, 1)), until, "busy")
                    .await
                    .unwrap();
            }
            Op::Replay(n) => {
                let len = self.0.len().max(1);
                let Some(stored) = self.0.get_mut(n % len) else {
                    return;
                };
                assert!(store.replay(&stored.delivery.id).await.unwrap());
                stored.state = DeliveryState::Pending;
                stored.held = None;
                stored.attempts = 0;
            }
        }
    }
}
