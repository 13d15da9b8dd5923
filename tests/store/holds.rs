//! What is set aside for model calls: one budget for all who share a store.

use std::sync::Arc;

use prova::domain::budget::{Cap, Denied, Scope};
use prova::domain::ids::JobId;
use prova::domain::money::Usd;
use prova::domain::time::Timestamp;
use prova::ports::gateway::{Charge, Hold};
use prova::ports::store::Store;

use crate::spend::{call, job, scopes, usd};
use crate::world::at;

/// Every limit is that of the day but for that of a job, in the order of `Scope::of_job`.
pub(crate) fn caps(job: JobId, of_job: u64, of_day: u64) -> Vec<Cap> {
    let cap = |scope: Scope| Cap {
        most: usd(match &scope {
            Scope::Job(_) => of_job,
            Scope::Task(_) | Scope::Repository(..) | Scope::Person(..) | Scope::Server(_) => of_day,
        }),
        scope,
        spent: Usd::ZERO,
    };
    scopes(job, 0).into_iter().map(cap).collect()
}

pub(crate) fn hold(id: &str, job: JobId, most: u64) -> Hold {
    let Charge {
        endpoint, model, ..
    } = call(id, job, 0);
    Hold {
        id: id.to_owned(),
        job,
        endpoint,
        model,
        most: usd(most),
    }
}

/// Until when a story's worker is believed.
const UNTIL: Timestamp = Timestamp::from_millis(1_000);

async fn set_aside(store: &Arc<dyn Store>, hold: &Hold, caps: &[Cap]) -> Result<(), Denied> {
    let holder = ("w", UNTIL);
    store.set_aside(hold, caps, holder).await.unwrap()
}

async fn spent(store: &Arc<dyn Store>, job: JobId) -> Vec<u64> {
    let spent = store.spent(&scopes(job, 0)).await.unwrap();
    spent.into_iter().map(Usd::as_micros).collect()
}

/// Whether a call of so much would be let through; nothing stays of it.
async fn fits(store: &Arc<dyn Store>, caps: &[Cap], most: u64) -> bool {
    let try_it = hold("try", job(9), most);
    let fits = set_aside(store, &try_it, caps).await.is_ok();
    if fits {
        let scopes: Vec<_> = caps.iter().map(|cap| cap.scope.clone()).collect();
        store.free_call("try", &scopes).await.unwrap();
    }
    fits
}

pub(crate) async fn money_is_set_aside_under_every_cap_or_under_none(store: Arc<dyn Store>) {
    store
        .record_call(&call("x", job(3), 10), at(1))
        .await
        .unwrap();
    let (one, two) = (caps(job(1), 50, 100), caps(job(2), 50, 100));
    assert_eq!(
        set_aside(&store, &hold("a", job(1), 40), &one).await,
        Ok(())
    );
    // The job of the one has ten left, the day fifty.
    let denied = set_aside(&store, &hold("b", job(1), 11), &one).await;
    let Err(Denied::NotYet(exceeded)) = denied else {
        panic!("{denied:?}");
    };
    assert_eq!(exceeded.cap, one[0]);
    assert_eq!(exceeded.asked, usd(11));
    assert_eq!(
        set_aside(&store, &hold("c", job(2), 45), &two).await,
        Ok(())
    );
    assert!(!fits(&store, &caps(job(9), 100, 100), 6).await);
    assert!(fits(&store, &caps(job(9), 100, 100), 5).await);
    // What was denied has left nothing in the job's own account.
    assert!(fits(&store, &one[..1], 10).await);
    let denied = set_aside(&store, &hold("d", job(9), 91), &caps(job(9), 100, 100)).await;
    let Err(Denied::Never(exceeded)) = denied else {
        panic!("{denied:?}");
    };
    assert!(matches!(exceeded.cap.scope, Scope::Repository(..)));
    assert_eq!((exceeded.cap.most, exceeded.cap.spent), (usd(100), usd(10)));
    assert_eq!(spent(&store, job(1)).await, [0, 0, 10, 10, 10], "only held");
}

pub(crate) async fn a_call_is_charged_in_the_place_of_what_it_held(store: Arc<dyn Store>) {
    let caps = caps(job(1), 50, 50);
    set_aside(&store, &hold("a", job(1), 40), &caps)
        .await
        .unwrap();
    assert!(!fits(&store, &caps, 11).await);
    for _ in 0..2 {
        store
            .record_call(&call("a", job(1), 7), at(5))
            .await
            .unwrap();
        assert_eq!(spent(&store, job(1)).await, [7; 5]);
        assert!(fits(&store, &caps, 43).await);
        assert!(!fits(&store, &caps, 44).await);
    }
    // One that cost more than could be foreseen.
    set_aside(&store, &hold("b", job(1), 10), &caps)
        .await
        .unwrap();
    store
        .record_call(&call("b", job(1), 60), at(5))
        .await
        .unwrap();
    assert_eq!(spent(&store, job(1)).await, [67; 5]);
    assert!(!fits(&store, &caps, 1).await);
}

pub(crate) async fn a_call_that_was_not_made_leaves_nothing(store: Arc<dyn Store>) {
    let caps = caps(job(1), 50, 50);
    set_aside(&store, &hold("a", job(1), 40), &caps)
        .await
        .unwrap();
    for _ in 0..2 {
        store.free_call("a", &scopes(job(1), 0)).await.unwrap();
        assert!(fits(&store, &caps, 50).await);
    }
    assert_eq!(spent(&store, job(1)).await, [0; 5]);
    assert_eq!(store.charge_ended(at(9_000)).await.unwrap(), 0);
}

pub(crate) async fn what_is_set_aside_twice_is_set_aside_once(store: Arc<dyn Store>) {
    let caps = caps(job(1), 50, 50);
    for _ in 0..3 {
        set_aside(&store, &hold("a", job(1), 40), &caps)
            .await
            .unwrap();
    }
    assert!(fits(&store, &caps, 10).await);
    store.free_call("a", &scopes(job(1), 0)).await.unwrap();
    assert!(fits(&store, &caps, 50).await);
    // A limit of nothing has room for what costs nothing, and no cap is no limit.
    assert!(fits(&store, &self::caps(job(2), 0, 0), 0).await);
    assert!(fits(&store, &[], 1_000_000).await);
}

pub(crate) async fn a_call_that_dwarfs_every_cap_is_denied(store: Arc<dyn Store>) {
    let caps = caps(job(1), 50, 50);
    set_aside(&store, &hold("a", job(1), 50), &caps)
        .await
        .unwrap();
    for most in [51, i64::MAX.unsigned_abs(), u64::MAX] {
        let denied = set_aside(&store, &hold("b", job(1), most), &caps).await;
        assert!(matches!(denied, Err(Denied::Never(_))), "{denied:?}");
    }
}

pub(crate) async fn a_call_that_nobody_ended_is_charged_in_full_once(store: Arc<dyn Store>) {
    let caps = caps(job(1), 100, 100);
    for (id, most) in [("a", 40), ("b", 30)] {
        set_aside(&store, &hold(id, job(1), most), &caps)
            .await
            .unwrap();
    }
    assert_eq!(store.charge_ended(at(999)).await.unwrap(), 0);
    // Of all who see it one does.
    let charging = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.charge_ended(UNTIL).await.unwrap() })
    });
    let mut charged = 0;
    for one in charging.collect::<Vec<_>>() {
        charged += one.await.unwrap();
    }
    assert_eq!(charged, 2);
    assert_eq!(spent(&store, job(1)).await, [70; 5]);
    assert!(fits(&store, &caps, 30).await, "nothing is held any more");
    assert!(!fits(&store, &caps, 31).await);
    assert_eq!(store.charge_ended(at(9_000)).await.unwrap(), 0);
}

pub(crate) async fn a_call_that_is_said_to_live_is_not_ended(store: Arc<dyn Store>) {
    let caps = caps(job(1), 50, 50);
    set_aside(&store, &hold("a", job(1), 40), &caps)
        .await
        .unwrap();
    store.keep_aside("a", at(2_000)).await.unwrap();
    // A word that comes late does not shorten it.
    store.keep_aside("a", at(1_500)).await.unwrap();
    assert_eq!(store.charge_ended(at(1_999)).await.unwrap(), 0);
    assert!(!fits(&store, &caps, 11).await);
    assert_eq!(store.charge_ended(at(2_000)).await.unwrap(), 1);
    store.keep_aside("a", at(3_000)).await.unwrap();
    assert_eq!(
        store.charge_ended(at(9_000)).await.unwrap(),
        0,
        "it is over"
    );
}

pub(crate) async fn a_cost_that_is_learnt_late_takes_the_place_of_the_presumed_one(
    store: Arc<dyn Store>,
) {
    let caps = caps(job(1), 100, 100);
    for id in ["a", "b"] {
        set_aside(&store, &hold(id, job(1), 40), &caps)
            .await
            .unwrap();
    }
    assert_eq!(store.charge_ended(UNTIL).await.unwrap(), 2);
    for _ in 0..2 {
        store
            .record_call(&call("a", job(1), 7), at(5_000))
            .await
            .unwrap();
        assert_eq!(spent(&store, job(1)).await, [47; 5]);
    }
    // The other one turns out to have reached no model.
    for _ in 0..2 {
        store.free_call("b", &scopes(job(1), 0)).await.unwrap();
        assert_eq!(spent(&store, job(1)).await, [7; 5]);
    }
    assert!(fits(&store, &caps, 93).await);
    assert_eq!(store.charge_ended(at(9_000)).await.unwrap(), 0);
}

pub(crate) async fn what_a_dead_worker_had_set_aside_ends_at_its_next_start(store: Arc<dyn Store>) {
    let caps = caps(job(1), 100, 100);
    for (id, holder) in [("a", "w"), ("b", "v")] {
        let hold = hold(id, job(1), 40);
        let set = store.set_aside(&hold, &caps, (holder, UNTIL)).await;
        assert_eq!(set.unwrap(), Ok(()));
    }
    store.end_holds("w", at(10)).await.unwrap();
    assert_eq!(store.charge_ended(at(10)).await.unwrap(), 1);
    assert_eq!(
        spent(&store, job(1)).await,
        [40; 5],
        "that of the other stays"
    );
    assert!(!fits(&store, &caps, 21).await);
}

/// Jobs of one day call, cost less than they may, are not made, or are never heard of again.
pub(crate) async fn calls_of_many_at_once_never_pass_a_cap(store: Arc<dyn Store>) {
    const DAY: u64 = 400;
    let callers = (0..12_u64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let (job, mut cost) = (job(n % 4), 0);
            for round in 0..12 {
                let id = format!("{n}-{round}");
                let hold = hold(&id, job, 20);
                if set_aside(&store, &hold, &caps(job, 150, DAY))
                    .await
                    .is_err()
                {
                    continue;
                }
                match round % 4 {
                    0 => store.free_call(&id, &scopes(job, 0)).await.unwrap(),
                    // It dies, and whoever looks next charges it.
                    1 => {
                        store.charge_ended(UNTIL).await.unwrap();
                        cost += 20;
                    }
                    _ => {
                        let charge = call(&id, job, 5);
                        store.record_call(&charge, at(5)).await.unwrap();
                        cost += 5;
                    }
                }
            }
            cost
        })
    });
    let mut cost = 0;
    for caller in callers.collect::<Vec<_>>() {
        cost += caller.await.unwrap();
    }
    store.charge_ended(UNTIL).await.unwrap();
    // Who was alive when another took it for dead has said what it cost, or that it was none.
    let of_day = store.spent(&[Scope::Server(prova::domain::budget::Day(0))]);
    assert_eq!(of_day.await.unwrap(), [usd(cost)]);
    assert!(cost <= DAY && cost > DAY / 2, "{cost}");
    for n in 0..4 {
        let of_job = spent(&store, job(n)).await[0];
        assert!(of_job <= 150, "{of_job}");
    }
    let left = caps(job(9), DAY, DAY);
    assert!(fits(&store, &left, DAY - cost).await, "nothing is held");
    assert!(!fits(&store, &left, DAY - cost + 1).await);
}
