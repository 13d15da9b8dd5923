//! What model calls cost: once for each call, summed by scope.

use std::sync::Arc;

use prova::domain::budget::{Day, Scope};
use prova::domain::ids::{JobId, Login, RepoId};
use prova::domain::money::Usd;
use prova::domain::traffic::Tokens;
use prova::ports::gateway::Charge;
use prova::ports::store::Store;

use crate::world::{at, job_id, queued, task_id, thread};

pub(crate) fn usd(micros: u64) -> Usd {
    Usd::from_micros(micros)
}

pub(crate) fn job(number: u64) -> JobId {
    job_id(task_id(thread(1, number), 1), 1)
}

pub(crate) fn scopes(job: JobId, day: i64) -> Vec<Scope> {
    let day = Day(day);
    vec![
        Scope::Job(job),
        Scope::Task(job.task),
        Scope::Repository(RepoId(1), day),
        Scope::Person(Login::new("octo"), day),
        Scope::Server(day),
    ]
}

pub(crate) fn call(id: &str, job: JobId, micros: u64) -> Charge {
    Charge {
        id: id.to_owned(),
        job,
        scopes: scopes(job, 0),
        endpoint: "main".parse().unwrap(),
        model: "large".to_owned(),
        tokens: Tokens {
            input: 10,
            ..Tokens::default()
        },
        cost: usd(micros),
    }
}

pub(crate) async fn calls_add_up_in_every_scope(store: Arc<dyn Store>) {
    store
        .record_call(&call("a", job(1), 3), at(1_000))
        .await
        .unwrap();
    store
        .record_call(&call("b", job(1), 4), at(1_000))
        .await
        .unwrap();
    store
        .record_call(&call("c", job(2), 10), at(1_000))
        .await
        .unwrap();
    let of = async |scopes: &[Scope]| store.spent(scopes).await.unwrap();
    assert_eq!(
        of(&scopes(job(1), 0)).await,
        [7, 7, 17, 17, 17].map(usd),
        "in the order asked for"
    );
    assert_eq!(of(&scopes(job(2), 0)).await, [10, 10, 17, 17, 17].map(usd));
    assert_eq!(of(&scopes(job(2), 1)).await, [10, 10, 0, 0, 0].map(usd));
    assert_eq!(of(&[]).await, []);
    // More than are read at once, and one of them twice.
    let many: Vec<_> = (0..12).map(|n| Scope::Job(job(n % 3))).collect();
    let expected = [0, 7, 10].map(usd).repeat(4);
    assert_eq!(of(&many).await, expected);
}

pub(crate) async fn a_call_counts_once(store: Arc<dyn Store>) {
    for _ in 0..3 {
        store
            .record_call(&call("a", job(1), 3), at(1_000))
            .await
            .unwrap();
    }
    store
        .record_call(&call("a", job(2), 5), at(9_000))
        .await
        .unwrap();
    assert_eq!(store.spent(&scopes(job(1), 0)).await.unwrap(), [usd(3); 5]);
    assert_eq!(store.spent(&[Scope::Job(job(2))]).await.unwrap(), [usd(0)]);
}

pub(crate) async fn calls_at_once_all_count(store: Arc<dyn Store>) {
    let calls = (0..40).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let call = call(&format!("call {}", n / 2), job(n % 4), 1);
            store.record_call(&call, at(1_000)).await.unwrap();
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(
        store.spent(&[Scope::Server(Day(0))]).await.unwrap(),
        [usd(20)]
    );
}

pub(crate) async fn what_was_spent_outlives_the_calls(store: Arc<dyn Store>) {
    store
        .record_call(&call("a", job(1), 3), at(1_000))
        .await
        .unwrap();
    assert_eq!(store.forget_calls(at(1_000)).await.unwrap(), 0);
    assert_eq!(store.forget_calls(at(1_001)).await.unwrap(), 1);
    assert_eq!(store.spent(&[Scope::Job(job(1))]).await.unwrap(), [usd(3)]);
}

pub(crate) async fn a_job_is_listed_with_what_it_cost(store: Arc<dyn Store>) {
    let queued = queued(thread(1, 1), at(0));
    store.commit(&queued, at(1)).await.unwrap();
    let cost = async || store.jobs(job(1).task).await.unwrap()[0].cost;
    assert_eq!(cost().await, Usd::ZERO);
    store
        .record_call(&call("a", job(1), 3), at(1_000))
        .await
        .unwrap();
    assert_eq!(cost().await, usd(3));
}
