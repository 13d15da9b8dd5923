//! The processes that share a store, and their duties.

use std::sync::Arc;

use prova::app::duty::Turn;
use prova::domain::process::{Host, Process, Role};
use prova::ports::store::{Duty, Store};

use crate::world::at;

fn process(id: &str, role: Role, seen_at: i64) -> Process {
    Process {
        id: id.to_owned(),
        role,
        host: Host {
            name: "a".to_owned(),
            kernel: "k".to_owned(),
        },
        version: "0.1.0".to_owned(),
        schema: 4,
        started_at: at(5),
        seen_at: at(seen_at),
    }
}

pub(crate) async fn a_process_stands_as_it_said_last(store: Arc<dyn Store>) {
    let first = process("one", Role::Worker, 10);
    let other = process("two", Role::Serve, 10);
    for process in [&first, &other] {
        store.note_process(process).await.unwrap();
    }
    let again = Process {
        version: "0.2.0".to_owned(),
        host: Host {
            name: "b".to_owned(),
            kernel: "l".to_owned(),
        },
        started_at: at(20),
        ..process("one", Role::Serve, 30)
    };
    store.note_process(&again).await.unwrap();
    assert_eq!(store.processes().await.unwrap(), [again, other]);
}

pub(crate) async fn a_process_that_leaves_gives_its_duties_up(store: Arc<dyn Store>) {
    for id in ["one", "two"] {
        let process = process(id, Role::Serve, 10);
        store.note_process(&process).await.unwrap();
    }
    let terms = (at(10), at(1_000));
    assert!(store.take_duty(Duty::Dispatch, "one", terms).await.unwrap());
    assert!(
        store
            .take_duty(Duty::Reconcile, "two", terms)
            .await
            .unwrap()
    );
    store.leave("one").await.unwrap();
    let left = store.processes().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, "two");
    assert!(store.take_duty(Duty::Dispatch, "two", terms).await.unwrap());
    assert!(
        !store
            .take_duty(Duty::Reconcile, "one", terms)
            .await
            .unwrap()
    );
}

pub(crate) async fn a_duty_has_one_holder_at_a_time(store: Arc<dyn Store>) {
    let take = async |duty, holder, now, until| {
        let terms = (at(now), at(until));
        store.take_duty(duty, holder, terms).await.unwrap()
    };
    for (duty, holder, now, until, taken) in [
        (Duty::Dispatch, "one", 0, 10, true),
        (Duty::Dispatch, "two", 5, 15, false),
        // Another duty is another's.
        (Duty::Reconcile, "two", 5, 15, true),
        (Duty::Dispatch, "one", 6, 20, true),
        (Duty::Dispatch, "two", 19, 30, false),
        // It has run out, and its holder comes too late.
        (Duty::Dispatch, "two", 20, 30, true),
        (Duty::Dispatch, "one", 21, 40, false),
    ] {
        assert_eq!(
            take(duty, holder, now, until).await,
            taken,
            "{holder} at {now}"
        );
    }
}

pub(crate) async fn a_duty_is_renewed_in_time_and_passes_on(store: Arc<dyn Store>) {
    let turns = [Turn::new(Duty::Dispatch), Turn::new(Duty::Dispatch)];
    let ask = async |who: usize, now| {
        let holder = ["one", "two"][who];
        turns[who].is_ours(&*store, holder, at(now)).await.unwrap()
    };
    for (who, now, ours) in [
        (0, 1_000, true),
        (1, 1_000, false),
        // For ten seconds from when it was taken last, and it is taken again after half of that.
        (0, 5_900, true),
        (0, 6_000, true),
        (1, 12_000, false),
        (1, 15_900, false),
        // Nobody has said anything since.
        (1, 16_900, true),
        (0, 16_900, false),
    ] {
        assert_eq!(ask(who, now).await, ours, "{who} at {now}");
    }
    store.leave("two").await.unwrap();
    assert!(!ask(0, 17_800).await, "it was another's a moment ago");
    assert!(ask(0, 17_900).await);
}

pub(crate) async fn what_is_long_gone_is_forgotten(store: Arc<dyn Store>) {
    for (id, seen_at) in [("old", 10), ("new", 20)] {
        let process = process(id, Role::Worker, seen_at);
        store.note_process(&process).await.unwrap();
    }
    assert_eq!(store.forget_processes(at(20)).await.unwrap(), 1);
    let left = store.processes().await.unwrap();
    assert_eq!(left, [process("new", Role::Worker, 20)]);
}

pub(crate) async fn the_schema_says_who_made_it(store: Arc<dyn Store>) {
    let schema = store.schema().await.unwrap();
    assert_eq!(schema.by.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert!(schema.found >= schema.known, "{schema:?}");
    assert!(schema.oldest <= schema.known, "{schema:?}");
    assert_eq!(schema.refusal("any"), None);
}
