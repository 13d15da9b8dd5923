//! The store on PostgreSQL: the same stories, what it refuses, and what many processes do to it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use prova::adapters::store::SqlStore;
use prova::adapters::wake::InProcess;
use prova::ports::fault::Class;
use prova::ports::store::{
    Inbox as _, JobEnd, JobLimits, Processes as _, Queue as _, Reach, Spending as _, Tasks as _,
};
use prova::ports::wake::Waiting;

use crate::cluster::Cluster;
use crate::holds::{caps, hold};
use crate::spend::{call, job, scopes, usd};
use crate::world::{
    Opened, at, comment, delivery, effect_ends, job_ends, new_effect, queued, take_effect,
    take_job, task_id, thread,
};

async fn open(url: &str) -> Arc<SqlStore> {
    Arc::new(SqlStore::open(url).await.unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A cluster with a database that has the schema, and is copied for each store.
struct Bed {
    cluster: Cluster,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    fn new() -> Self {
        let (cluster, runtime) = (Cluster::start(), runtime());
        let url = cluster.database("first", "template0");
        runtime.block_on(async { open(&url).await.close().await });
        Self { cluster, runtime }
    }

    fn url(&self, name: &str) -> String {
        self.cluster.database(name, "first")
    }
}

/// Every story of `tests/store`, each on a database of its own. In one test: a cluster takes longer to
/// make than any of them.
#[test]
fn every_story_holds() {
    let bed = Bed::new();
    let mut broken = Vec::new();
    for (n, (name, story)) in crate::on_postgres::stories().into_iter().enumerate() {
        let url = bed.url(&format!("story{n}"));
        let told = bed.runtime.block_on(async {
            let store = open(&url).await;
            let told = tokio::spawn(story(store.clone())).await;
            store.close().await;
            told
        });
        if told.is_err() {
            broken.push(name);
        }
    }
    assert_eq!(broken, Vec::<&str>::new());
}

#[test]
fn random_operations_agree_with_the_model() {
    let bed = Bed::new();
    let made = std::cell::Cell::new(0);
    crate::model::run(|| {
        made.set(made.get() + 1);
        let url = bed.url(&format!("model{}", made.get()));
        Box::pin(async move {
            Opened {
                store: open(&url).await,
                _keep: Box::new(()),
            }
        })
    });
}

/// Sixteen tasks change the same few threads, over several processes' worth of connections: no change
/// is lost, none is refused for another one's sake, and what is counted is what is there.
#[test]
fn many_writers_leave_a_store_that_adds_up() {
    const ROUNDS: u64 = 25;
    let bed = Bed::new();
    let url = bed.url("crowd");
    bed.runtime.block_on(async {
        let stores = [open(&url).await, open(&url).await, open(&url).await];
        let limits = JobLimits {
            per_repository: 2,
            per_installation: 3,
            in_all: 5,
        };
        stores[0].limit_jobs(limits).await.unwrap();
        let crowd = (0..16_u64).map(|n| {
            let store = stores[usize::try_from(n % 3).unwrap()].clone();
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let here = thread(n % 4, 1 + n * ROUNDS + round);
                    let mut changes = queued(here, at(0));
                    // One thread that all of them write on.
                    let shared = thread(9, 9);
                    changes.effects = vec![
                        new_effect(&format!("own-{n}-{round}"), here, comment("x")),
                        new_effect(&format!("shared-{n}-{round}"), shared, comment("x")),
                    ];
                    store.commit(&changes, at(0)).await.unwrap();
                    // Some leases run out at once, some jobs go back, and whoever is late is told.
                    if let Some(job) =
                        take_job(store.as_ref(), i64::from(round % 5 == 0) * 70_000).await
                    {
                        let again = JobEnd::Again(at(0), "again".to_owned());
                        let end = if round % 3 == 0 {
                            again
                        } else {
                            JobEnd::Over("done".to_owned())
                        };
                        match store.commit(&job_ends(&job, end), at(1)).await {
                            Ok(()) => {}
                            Err(fault) => assert_eq!(fault.class, Class::Conflict, "{fault}"),
                        }
                    }
                    if let Some(effect) = take_effect(store.as_ref(), 1).await {
                        let sent = prova::ports::store::EffectEnd::Parked("x".to_owned());
                        store
                            .commit(&effect_ends(&effect, sent), at(1))
                            .await
                            .unwrap();
                    }
                }
            })
        });
        for one in crowd.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        let store = stores[0].as_ref();
        while let Some(job) = take_job(store, 2).await {
            store
                .commit(&crate::world::job_over(&job), at(2))
                .await
                .unwrap();
        }
        let mut sent = 0;
        while let Some(effect) = take_effect(store, 2).await {
            let end = prova::ports::store::EffectEnd::Parked("x".to_owned());
            store
                .commit(&effect_ends(&effect, end), at(2))
                .await
                .unwrap();
            sent += 1;
        }
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.jobs_queued, counts.jobs_running), (0, 0));
        assert_eq!(off_lanes(&url).await, 0);
        assert_eq!(counts.effects_pending, 0, "{sent} were left to be sent");
        assert_eq!(counts.effects_parked, 16 * ROUNDS * 2);
    });
}

/// Lanes whose counters are not what their jobs are.
async fn off_lanes(url: &str) -> i64 {
    const OFF: &str = "SELECT count(*) FROM lane WHERE \
         running <> (SELECT count(*) FROM job WHERE job.repo = lane.repo AND state = 'running') \
         OR ready <> (SELECT count(*) FROM job WHERE job.repo = lane.repo AND state = 'ready')";
    let mut beside = PgConnection::connect(url).await.unwrap();
    let off = sqlx::query_scalar(OFF).fetch_one(&mut beside).await;
    beside.close().await.unwrap();
    off.unwrap()
}

/// Three processes' worth of connections call for jobs of one day, end each other's calls and are late:
/// none is refused for another one's sake, and the sums are those of the calls.
#[test]
fn accounts_add_up_however_many_processes_share_them() {
    const OFF: &str = "SELECT count(*) FROM spend WHERE \
         held <> (SELECT COALESCE(sum(micros), 0) FROM hold WHERE strpos(scopes, '\"' || scope || '\"') > 0) \
         OR scope LIKE 'server:%' AND micros <> (SELECT sum(micros) FROM model_call)";
    let bed = Bed::new();
    let url = bed.url("accounts");
    bed.runtime.block_on(async {
        let stores = [open(&url).await, open(&url).await, open(&url).await];
        let callers = (0..24_u64).map(|n| {
            let store = stores[usize::try_from(n % 3).unwrap()].clone();
            tokio::spawn(async move {
                let job = job(n % 5);
                for round in 0..20 {
                    let id = format!("{n}-{round}");
                    let until = at(i64::from(round % 3 == 0) * 1_000);
                    let holder = (["v", "w"][usize::try_from(n % 2).unwrap()], until);
                    let asked = hold(&id, job, 10);
                    let caps = caps(job, 700, 1_500);
                    let verdict = store.set_aside(&asked, &caps, holder).await.unwrap();
                    if verdict.is_err() {
                        continue;
                    }
                    match (n + round) % 5 {
                        0 => {}
                        1 => store.free_call(&id, &scopes(job, 0)).await.unwrap(),
                        2 => store.end_holds(holder.0, at(500)).await.unwrap(),
                        _ => {
                            store.keep_aside(&id, at(2_000)).await.unwrap();
                            let charge = call(&id, job, 4);
                            store.record_call(&charge, at(5)).await.unwrap();
                        }
                    }
                    store.charge_ended(at(500)).await.unwrap();
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        let mut beside = PgConnection::connect(&url).await.unwrap();
        let off = sqlx::query_scalar::<_, i64>(OFF);
        assert_eq!(off.fetch_one(&mut beside).await.unwrap(), 0);
        beside.close().await.unwrap();
        for n in 0..5 {
            let spent = stores[0].spent(&scopes(job(n), 0)).await.unwrap();
            let [of_job, _, _, _, of_day] = spent[..] else {
                panic!("{spent:?}");
            };
            assert!(of_job <= usd(700) && of_day <= usd(1_500), "{spent:?}");
        }
    });
}

/// A worker gives its job back in the moment in which another takes it over: it holds the lane, the other
/// has seen the old lease and waits.
#[test]
fn a_job_that_is_given_back_while_it_is_taken_over_is_counted_once() {
    let bed = Bed::new();
    let url = bed.url("handed");
    bed.runtime.block_on(async {
        let store = open(&url).await;
        store
            .commit(&queued(thread(1, 1), at(0)), at(0))
            .await
            .unwrap();
        let first = take_job(store.as_ref(), 0).await.unwrap();
        let mut beside = PgConnection::connect(&url).await.unwrap();
        let mut giving = beside.begin().await.unwrap();
        let hold = "SELECT 1 FROM lane WHERE repo = '1' FOR NO KEY UPDATE";
        sqlx::query(hold).execute(&mut *giving).await.unwrap();
        let taker = store.clone();
        let taking = tokio::spawn(async move { take_job(taker.as_ref(), 70_000).await });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waits)
            .fetch_one(&mut *giving)
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // A transaction sees one picture of who waits, unless it is told to look again.
            let again = "SELECT pg_stat_clear_snapshot()";
            sqlx::query(again).execute(&mut *giving).await.unwrap();
        }
        for back in [
            "UPDATE job SET state = 'ready', worker = NULL, lease_until = NULL",
            "UPDATE lane SET running = running - 1, ready = ready + 1",
        ] {
            sqlx::query(back).execute(&mut *giving).await.unwrap();
        }
        giving.commit().await.unwrap();
        let second = taking.await.unwrap().unwrap();
        assert_eq!(second.lease.job, first.lease.job);
        assert_eq!(second.lease.attempt, 2);
        assert_eq!(off_lanes(&url).await, 0);
    });
}

#[test]
fn a_crash_of_the_server_loses_nothing_that_was_confirmed() {
    let mut bed = Bed::new();
    let url = bed.url("crash");
    let store = bed.runtime.block_on(open(&url));
    bed.runtime.block_on(async {
        store.accept(vec![delivery("d", 1)]).await.unwrap();
        store
            .commit(&queued(thread(1, 1), at(0)), at(0))
            .await
            .unwrap();
        assert!(take_job(store.as_ref(), 1).await.is_some());
    });
    bed.cluster.crash();
    bed.runtime.block_on(async {
        // Every connection is dead, and the next call does not see it.
        assert_eq!(store.counts().await.unwrap().deliveries_pending, 1);
        store.accept(vec![delivery("e", 1)]).await.unwrap();
        let id = task_id(thread(1, 1), 1);
        assert_eq!(store.jobs(id).await.unwrap()[0].state, "running");
        assert_eq!(
            take_job(store.as_ref(), 70_000)
                .await
                .unwrap()
                .lease
                .attempt,
            2
        );
    });
}

#[test]
fn a_server_that_is_away_is_a_fault_that_passes() {
    let bed = Bed::new();
    let url = bed.url("away");
    let store = bed.runtime.block_on(open(&url));
    drop(bed.cluster);
    let fault = bed.runtime.block_on(store.counts()).unwrap_err();
    assert_eq!(fault.class, Class::Transient, "{fault}");
}

#[test]
fn what_cannot_be_opened_is_refused_without_its_password() {
    let bed = Bed::new();
    let url = bed.cluster.url("nowhere");
    let refused = |url: &str| bed.runtime.block_on(SqlStore::open(url)).unwrap_err();
    let fault = refused(&format!("{url}&password=hunter2"));
    assert_eq!(fault.class, Class::Permanent, "{fault}");
    let shown = fault.to_string();
    assert!(shown.contains("createdb"), "{shown}");
    assert!(shown.contains("password=***"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let url = format!("{}&password=hunter2", bed.url("debugged"));
    let store = bed.runtime.block_on(open(&url));
    let debugged = format!("{store:?}");
    assert!(!debugged.contains("hunter2"), "{debugged}");
}

#[test]
fn a_check_says_what_the_store_is_and_what_it_risks() {
    let bed = Bed::new();
    let url = bed.url("checked");
    bed.runtime.block_on(async {
        let store = open(&url).await;
        assert_eq!(store.reach(), Reach::AnyMachine);
        let line = store.check().await.unwrap();
        assert!(line.starts_with("PostgreSQL "), "{line}");
        assert!(line.contains("fsync is off"), "{line}");
        let fault = store
            .backup(std::path::Path::new("copy.db"))
            .await
            .unwrap_err();
        assert!(fault.to_string().contains("pg_dump"), "{fault}");
        store.close().await;
        // Set for every connection from now on.
        let mut beside = PgConnection::connect(&url).await.unwrap();
        let set = "ALTER DATABASE checked SET synchronous_commit = off";
        sqlx::query(set).execute(&mut beside).await.unwrap();
        beside.close().await.unwrap();
        let fault = open(&url).await.check().await.unwrap_err();
        assert!(fault.cause.contains("synchronous_commit"), "{fault}");
    });
}

#[test]
fn of_several_that_open_a_new_database_one_makes_the_schema() {
    let bed = Bed::new();
    let url = bed.cluster.database("new", "template0");
    bed.runtime.block_on(async {
        let opened = (0..8).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open(&url).await })
        });
        for one in opened.collect::<Vec<_>>() {
            one.await.unwrap().check().await.unwrap();
        }
    });
}

#[test]
fn a_word_reaches_the_other_processes() {
    let mut bed = Bed::new();
    let url = bed.url("words");
    let told = async |wake: &dyn prova::ports::wake::Wake, of| {
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, wake.told(of)).await.unwrap();
    };
    let (one, other) = bed
        .runtime
        .block_on(async { (open(&url).await, open(&url).await) });
    let [here, there] = [&one, &other].map(|store| {
        let _in = bed.runtime.enter();
        store.announce(Arc::new(InProcess::default()))
    });
    let heard = async || {
        // Everything is said once when somebody begins to listen.
        for of in [Waiting::Deliveries, Waiting::Jobs, Waiting::Effects] {
            told(there.as_ref(), of).await;
        }
        here.tell(Waiting::Jobs);
        told(there.as_ref(), Waiting::Jobs).await;
    };
    bed.runtime.block_on(heard());
    // And again after the server was away.
    bed.cluster.crash();
    bed.runtime.block_on(heard());
}

#[test]
fn a_nul_in_a_text_is_kept_out() {
    let bed = Bed::new();
    let url = bed.url("nul");
    bed.runtime.block_on(async {
        let store = open(&url).await;
        let mut changes = queued(thread(1, 1), at(0));
        changes.audit = vec![prova::ports::store::AuditLine {
            detail: "a\0b".to_owned(),
            ..crate::tasks::line(1, None)
        }];
        store.commit(&changes, at(0)).await.unwrap();
        let lines = store.audit(None, 1).await.unwrap();
        assert_eq!(lines[0].detail, "a\u{fffd}b");
    });
}
