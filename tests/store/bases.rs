//! Stories of repositories whose branches are to be compared with their bases.

use std::sync::Arc;

use prova::domain::ids::RepoId;
use prova::domain::time::Timestamp;
use prova::ports::store::{Changes, DueBases, Store};

use crate::world::at;

async fn ask(store: &dyn Store, repo: u64, from: i64) {
    let changes = Changes {
        compare: Some((RepoId(repo), at(from))),
        ..Changes::default()
    };
    store.commit(&changes, at(0)).await.unwrap();
}

async fn next(store: &dyn Store, now: i64) -> Option<DueBases> {
    store.next_bases(at(now)).await.unwrap()
}

async fn due(store: &dyn Store) -> Option<Timestamp> {
    store.next_due(at(0)).await.unwrap()
}

pub(crate) async fn many_pushes_are_one_comparison(store: Arc<dyn Store>) {
    let store = store.as_ref();
    ask(store, 1, 20).await;
    ask(store, 1, 10).await;
    ask(store, 1, 30).await;
    assert_eq!(due(store).await, Some(at(10)), "the earliest holds");
    assert_eq!(next(store, 9).await, None);
    let found = next(store, 10).await.unwrap();
    assert_eq!(found.repo, RepoId(1));
    store.bases_compared(&found, at(99)).await.unwrap();
    assert_eq!((next(store, 1_000).await, due(store).await), (None, None));
}

pub(crate) async fn the_longest_due_comes_first(store: Arc<dyn Store>) {
    let store = store.as_ref();
    ask(store, 1, 20).await;
    ask(store, 2, 10).await;
    let first = next(store, 50).await.unwrap();
    assert_eq!(first.repo, RepoId(2));
    store.bases_compared(&first, at(99)).await.unwrap();
    assert_eq!(next(store, 50).await.unwrap().repo, RepoId(1));
}

pub(crate) async fn a_push_during_a_comparison_asks_for_another(store: Arc<dyn Store>) {
    let store = store.as_ref();
    ask(store, 1, 10).await;
    let found = next(store, 10).await.unwrap();
    ask(store, 1, 12).await;
    store.bases_compared(&found, at(15)).await.unwrap();
    assert_eq!(next(store, 14).await, None);
    let again = next(store, 15).await.unwrap();
    assert!(again.asked > found.asked);
    // Who was told of the first one cannot strike the second off.
    store.bases_compared(&found, at(15)).await.unwrap();
    assert_eq!(next(store, 15).await, Some(again));
}

pub(crate) async fn a_comparison_that_failed_waits_whatever_is_pushed(store: Arc<dyn Store>) {
    let store = store.as_ref();
    ask(store, 1, 10).await;
    let found = next(store, 10).await.unwrap();
    assert_eq!(found.attempts, 0);
    store.put_bases_off(&found, at(100)).await.unwrap();
    ask(store, 1, 20).await;
    assert_eq!(next(store, 99).await, None);
    let again = next(store, 100).await.unwrap();
    assert_eq!(again.attempts, 1);
    store.bases_compared(&again, at(100)).await.unwrap();
    assert_eq!(next(store, 1_000).await, None);
}
