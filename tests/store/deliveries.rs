//! Stories of the inbox.

use std::sync::Arc;

use prova::domain::ids::DeliveryId;
use prova::ports::store::{
    Acceptance, Changes, DUE_AT_ONCE, DUE_BYTES, DeliveryState, NewDelivery, Store, StoredDelivery,
};

use crate::world::{assert_conflict, at, delivery, thread};

fn decided(id: &str, state: DeliveryState) -> Changes {
    Changes {
        delivery: Some((DeliveryId::new(id), state)),
        ..Changes::default()
    }
}

fn done(id: &str) -> Changes {
    decided(id, DeliveryState::Done("not ours".to_owned()))
}

async fn accept(store: &dyn Store, ids: &[&str]) {
    let deliveries: Vec<_> = ids.iter().map(|id| delivery(id, 1)).collect();
    store.accept(deliveries).await.unwrap();
}

async fn next(store: &dyn Store, now: i64) -> Option<String> {
    next_stored(store, now)
        .await
        .map(|stored| stored.delivery.id.as_str().to_owned())
}

async fn next_stored(store: &dyn Store, now: i64) -> Option<StoredDelivery> {
    let due = store.next_deliveries(at(now)).await.unwrap();
    due.into_iter().next()
}

pub(crate) async fn an_accepted_delivery_reads_back(store: Arc<dyn Store>) {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let offered = NewDelivery {
        body: bytes.into(),
        ..delivery("d-1", 42)
    };
    store.accept(vec![offered.clone()]).await.unwrap();
    let stored = store.delivery(&offered.id).await.unwrap().unwrap();
    assert_eq!(stored.delivery, offered);
    assert_eq!(stored.state, DeliveryState::Pending);
    assert_eq!(stored.attempts, 0);
    assert_eq!(next_stored(&*store, 42).await, Some(stored));
    assert_eq!(store.delivery(&DeliveryId::new("d-2")).await.unwrap(), None);
}

pub(crate) async fn a_second_delivery_with_the_same_id_is_a_duplicate(store: Arc<dyn Store>) {
    let again = NewDelivery {
        body: "other".into(),
        ..delivery("a", 9)
    };
    let first = store
        .accept(vec![delivery("a", 1), again.clone(), delivery("b", 2)])
        .await
        .unwrap();
    assert_eq!(
        first,
        [
            Acceptance::Stored,
            Acceptance::Duplicate,
            Acceptance::Stored
        ]
    );
    store.commit(&done("a"), at(3)).await.unwrap();
    let second = store.accept(vec![again, delivery("c", 4)]).await.unwrap();
    assert_eq!(second, [Acceptance::Duplicate, Acceptance::Stored]);
    let stored = store.delivery(&DeliveryId::new("a")).await.unwrap();
    assert_eq!(stored.unwrap().delivery, delivery("a", 1));
    assert_eq!(next(&*store, 9).await.as_deref(), Some("b"));
}

pub(crate) async fn batches_of_any_size_are_stored_in_order(store: Arc<dyn Store>) {
    let mut expected = 0;
    for size in [0, 1, 7, 8, 9, 31, 32, 33, 75] {
        let batch: Vec<_> = (expected..expected + size)
            .map(|n| delivery(&format!("d-{n:04}"), n))
            .collect();
        let accepted = store.accept(batch.clone()).await.unwrap();
        assert_eq!(accepted.len(), batch.len());
        assert!(accepted.iter().all(|a| *a == Acceptance::Stored));
        expected += size;
    }
    for n in 0..expected {
        let stored = next_stored(&*store, 0).await.unwrap();
        assert_eq!(stored.delivery, delivery(&format!("d-{n:04}"), n));
        let id = stored.delivery.id.as_str();
        store.commit(&done(id), at(0)).await.unwrap();
    }
    assert_eq!(next(&*store, 0).await, None);
}

pub(crate) async fn the_oldest_due_delivery_comes_first(store: Arc<dyn Store>) {
    accept(&*store, &["z", "a", "m"]).await;
    for id in ["z", "a", "m"] {
        assert_eq!(next(&*store, 5).await.as_deref(), Some(id));
        store.commit(&done(id), at(5)).await.unwrap();
    }
    assert_eq!(next(&*store, 5).await, None);
}

pub(crate) async fn a_few_due_deliveries_come_at_once(store: Arc<dyn Store>) {
    let ids: Vec<_> = (0..40).map(|n| format!("d-{n:02}")).collect();
    let mut batch: Vec<_> = ids.iter().map(|id| delivery(id, 1)).collect();
    batch[20].body = vec![b'x'; DUE_BYTES].into();
    batch[21].body = vec![b'x'; DUE_BYTES + 1].into();
    store.accept(batch.clone()).await.unwrap();
    let due = async |store: &dyn Store| -> Vec<_> {
        let due = store.next_deliveries(at(5)).await.unwrap();
        due.into_iter().map(|stored| stored.delivery).collect()
    };
    let mut left = batch.as_slice();
    // Never more than that; up to the large one; the large one by itself and what is behind it.
    for expected in [DUE_AT_ONCE, 21 - DUE_AT_ONCE, DUE_AT_ONCE] {
        let (now, later) = left.split_at(expected);
        assert_eq!(due(&*store).await, now);
        let done = DeliveryState::Done("not ours".to_owned());
        let decided: Vec<_> = now.iter().map(|d| (d.id.clone(), done.clone())).collect();
        store.decide(&decided).await.unwrap();
        left = later;
    }
    assert_eq!(due(&*store).await, left);
}

pub(crate) async fn deliveries_are_decided_together(store: Arc<dyn Store>) {
    accept(&*store, &["a", "b", "c", "d", "e", "f"]).await;
    store.commit(&done("b"), at(1)).await.unwrap();
    let other = DeliveryState::Done("nothing".to_owned());
    let parked = DeliveryState::Parked("junk".to_owned());
    let decided = ["a", "b", "unknown", "c", "d", "e"].map(|id| {
        let state = if id == "c" { &parked } else { &other };
        (DeliveryId::new(id), state.clone())
    });
    store.decide(&decided).await.unwrap();
    let mut states = Vec::new();
    for id in ["a", "b", "c", "d", "e", "f"] {
        let stored = store.delivery(&DeliveryId::new(id)).await.unwrap().unwrap();
        states.push(stored.state);
    }
    let before = DeliveryState::Done("not ours".to_owned());
    let expected = [
        &other,
        &before,
        &parked,
        &other,
        &other,
        &DeliveryState::Pending,
    ];
    assert_eq!(states.iter().collect::<Vec<_>>(), expected);
    store.decide(&[]).await.unwrap();
}

pub(crate) async fn a_held_delivery_comes_back_when_its_time_has_come(store: Arc<dyn Store>) {
    accept(&*store, &["a", "b"]).await;
    let (a, b) = (DeliveryId::new("a"), DeliveryId::new("b"));
    store
        .hold(&a, None, at(100), "GitHub is down")
        .await
        .unwrap();
    assert_eq!(next(&*store, 99).await.as_deref(), Some("b"));
    assert_eq!(store.next_due(at(99)).await.unwrap(), Some(at(100)));
    assert_eq!(next(&*store, 100).await.as_deref(), Some("a"));
    store.hold(&a, None, at(300), "still").await.unwrap();
    store.hold(&b, None, at(200), "too").await.unwrap();
    assert_eq!(next(&*store, 199).await, None);
    assert_eq!(next(&*store, 200).await.as_deref(), Some("b"));
    assert_eq!(next(&*store, 300).await.as_deref(), Some("a"));
    assert_eq!(store.delivery(&a).await.unwrap().unwrap().attempts, 2);
    store.commit(&done("a"), at(300)).await.unwrap();
    assert_conflict(store.hold(&a, None, at(400), "over").await);
    assert_conflict(store.hold(&DeliveryId::new("x"), None, at(4), "none").await);
}

pub(crate) async fn a_later_delivery_of_a_held_thread_can_see_it(store: Arc<dyn Store>) {
    accept(&*store, &["a", "b", "c"]).await;
    let (here, there) = (thread(1, 1), thread(1, 2));
    let a = DeliveryId::new("a");
    let first = store.delivery(&a).await.unwrap().unwrap().seq;
    assert_eq!(store.held_until(here, first + 1).await.unwrap(), None);
    store.hold(&a, Some(here), at(100), "later").await.unwrap();
    assert_eq!(
        store.held_until(here, first + 1).await.unwrap(),
        Some(at(100))
    );
    assert_eq!(store.held_until(here, first).await.unwrap(), None);
    assert_eq!(store.held_until(there, first + 1).await.unwrap(), None);
    let b = DeliveryId::new("b");
    store
        .hold(&b, Some(here), at(150), "behind a")
        .await
        .unwrap();
    assert_eq!(
        store.held_until(here, first + 2).await.unwrap(),
        Some(at(150)),
        "the third waits for both"
    );
    store.commit(&done("a"), at(100)).await.unwrap();
    store.commit(&done("b"), at(150)).await.unwrap();
    assert_eq!(store.held_until(here, first + 2).await.unwrap(), None);
}

pub(crate) async fn a_decided_delivery_is_not_decided_again(store: Arc<dyn Store>) {
    accept(&*store, &["a"]).await;
    store.commit(&done("a"), at(1)).await.unwrap();
    assert_conflict(store.commit(&done("a"), at(2)).await);
    assert_conflict(store.commit(&done("unknown"), at(2)).await);
    let stored = store.delivery(&DeliveryId::new("a")).await.unwrap();
    assert_eq!(
        stored.unwrap().state,
        DeliveryState::Done("not ours".to_owned())
    );
}

pub(crate) async fn a_parked_delivery_blocks_nobody_and_is_replayed(store: Arc<dyn Store>) {
    accept(&*store, &["bad", "good"]).await;
    let bad = DeliveryId::new("bad");
    store
        .hold(&bad, Some(thread(1, 1)), at(10), "once")
        .await
        .unwrap();
    let parked = DeliveryState::Parked("no `action`".to_owned());
    store
        .commit(&decided("bad", parked.clone()), at(11))
        .await
        .unwrap();
    assert_eq!(next(&*store, 20).await.as_deref(), Some("good"));
    assert_eq!(store.held_until(thread(1, 1), 99).await.unwrap(), None);
    let listed = store.deliveries(true, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, &listed[0].state), (&bad, &parked));
    assert_eq!(store.counts().await.unwrap().deliveries_parked, 1);

    assert!(store.replay(&bad).await.unwrap());
    assert!(!store.replay(&DeliveryId::new("unknown")).await.unwrap());
    let stored = next_stored(&*store, 20).await.unwrap();
    assert_eq!((stored.delivery.id, stored.attempts), (bad, 0));
    let counts = store.counts().await.unwrap();
    assert_eq!(
        (counts.deliveries_pending, counts.deliveries_parked),
        (2, 0)
    );
}

pub(crate) async fn only_dispatched_deliveries_are_forgotten(store: Arc<dyn Store>) {
    let all = [("old", 10), ("kept", 20), ("parked", 1), ("pending", 2)];
    let all = all.map(|(id, received)| delivery(id, received));
    store.accept(all.to_vec()).await.unwrap();
    store.commit(&done("old"), at(30)).await.unwrap();
    store.commit(&done("kept"), at(30)).await.unwrap();
    let parked = decided("parked", DeliveryState::Parked("why".to_owned()));
    store.commit(&parked, at(30)).await.unwrap();
    assert_eq!(store.forget_deliveries(at(20)).await.unwrap(), 1);
    let left = store.deliveries(false, 10).await.unwrap();
    let left: Vec<_> = left.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(left, ["pending", "parked", "kept"]);
    let again = store.accept(vec![delivery("old", 40)]).await.unwrap();
    assert_eq!(again, [Acceptance::Stored]);
}

pub(crate) async fn deliveries_are_listed_newest_first(store: Arc<dyn Store>) {
    accept(&*store, &["a", "b", "c"]).await;
    let lines = store.deliveries(false, 2).await.unwrap();
    let ids: Vec<_> = lines.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids, ["c", "b"]);
    assert_eq!(lines[0].bytes, delivery("c", 1).body.len() as u64);
    assert_eq!(lines[0].event, "issues");
    assert_eq!(lines[0].received_at, at(1));
    assert_eq!(store.deliveries(true, 2).await.unwrap(), []);
}

pub(crate) async fn deliveries_that_are_here_are_known(store: Arc<dyn Store>) {
    let ids = ["a", "b", "c"].map(DeliveryId::new);
    store
        .accept(vec![delivery("a", 1), delivery("c", 2)])
        .await
        .unwrap();
    let done = DeliveryState::Done("nothing".to_owned());
    store.decide(&[(ids[2].clone(), done)]).await.unwrap();
    let known = store.known(&ids).await.unwrap();
    let here = [ids[0].clone(), ids[2].clone()];
    assert_eq!(known, here.into_iter().collect());
    assert!(store.known(&[]).await.unwrap().is_empty());
}

pub(crate) async fn a_note_stands_until_the_next(store: Arc<dyn Store>) {
    assert_eq!(store.note("looked").await.unwrap(), None);
    for text in ["one", "two"] {
        store.set_note("looked", text).await.unwrap();
        store.set_note("other", "x").await.unwrap();
        let note = store.note("looked").await.unwrap();
        assert_eq!(note.as_deref(), Some(text));
    }
    assert_eq!(store.note("lane_limit").await.unwrap(), None);
}
