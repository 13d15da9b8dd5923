//! Random operations on a store, each answer compared with a model in memory.

mod inbox;
mod lanes;
mod outbox;
mod spending;

use std::future::Future;
use std::pin::Pin;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use prova::domain::time::Timestamp;
use prova::ports::store::Store;

use crate::world::{Opened, at};

/// One operation. Numbers are indexes into what there is, taken modulo its length.
#[derive(Clone, Debug)]
enum Op {
    Pass(i64),
    Inbox(inbox::Op),
    Lanes(lanes::Op),
    Outbox(outbox::Op),
    Spending(spending::Op),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1i64..80).prop_map(Op::Pass),
        1 => (900i64..6_000).prop_map(Op::Pass),
        2 => inbox::op().prop_map(Op::Inbox),
        4 => lanes::op().prop_map(Op::Lanes),
        4 => outbox::op().prop_map(Op::Outbox),
        3 => spending::op().prop_map(Op::Spending),
    ]
}

#[derive(Default)]
struct Model {
    inbox: inbox::Model,
    lanes: lanes::Model,
    outbox: outbox::Model,
    spending: spending::Model,
}

impl Model {
    /// Compares what can be asked without changing anything.
    async fn compare(&self, store: &dyn Store, now: Timestamp) {
        let counts = store.counts().await.unwrap();
        let (pending, parked) = self.inbox.counts();
        assert_eq!(
            (counts.deliveries_pending, counts.deliveries_parked),
            (pending, parked)
        );
        let (queued, running) = self.lanes.counts();
        assert_eq!((counts.jobs_queued, counts.jobs_running), (queued, running));
        let (unsent, given_up) = self.outbox.counts();
        assert_eq!(
            (counts.effects_pending, counts.effects_parked),
            (unsent, given_up)
        );
        self.lanes.compare(store).await;
        self.spending.compare(store).await;
        let due = store.next_due(now).await.unwrap();
        assert!(due.is_none_or(|due| due > now));
    }
}

async fn play(opened: Opened, ops: Vec<Op>) {
    let store = &*opened.store;
    let mut model = Model::default();
    let mut now = at(1_000);
    for op in ops {
        match op {
            Op::Pass(millis) => now = at(now.as_millis() + millis),
            Op::Inbox(op) => model.inbox.play(store, op, now).await,
            Op::Lanes(op) => model.lanes.play(store, op, now).await,
            Op::Outbox(op) => model.outbox.play(store, op, now).await,
            Op::Spending(op) => model.spending.play(store, op, now).await,
        }
        model.compare(store, now).await;
    }
}

/// Plays random operations on stores that `open` opens.
pub(crate) fn run(open: impl Fn() -> Pin<Box<dyn Future<Output = Opened>>>) {
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    TestRunner::new(config)
        .run(&prop::collection::vec(op(), 1..120), |ops| {
            runtime.block_on(async { play(open().await, ops).await });
            Ok(())
        })
        .unwrap();
}
