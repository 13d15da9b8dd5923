//! Stories of jobs, lanes and leases.

use std::collections::BTreeMap;
use std::sync::Arc;

use prova::ports::store::{
    Changes, EffectEnd, EffectLease, Heartbeat, Held, JobEnd, JobLimits, LeasedEffect, LeasedJob,
    Store,
};

use crate::watch::worked_off;
use crate::world::{
    assert_conflict, at, cancelled, comment, effect_ends, entry, job_ends, job_id, job_over,
    journalled, new_effect, new_job, queued, take_job, task, task_id, thread, work,
};

/// Queues one job on each thread of a repository, numbered from 1.
async fn fill(store: &dyn Store, repo: u64, threads: u64) {
    for number in 1..=threads {
        let changes = queued(thread(repo, number), at(0));
        store.commit(&changes, at(0)).await.unwrap();
    }
}

fn place(job: &LeasedJob) -> (u64, u64) {
    let thread = job.task.task.id.thread;
    (thread.repo.0, thread.number.0)
}

async fn take_place(store: &dyn Store, now: i64) -> Option<(u64, u64)> {
    take_job(store, now).await.as_ref().map(place)
}

pub(crate) async fn end(store: &dyn Store, job: &LeasedJob, now: i64) {
    store.commit(&job_over(job), at(now)).await.unwrap();
}

pub(crate) async fn a_leased_job_carries_all_that_a_worker_needs(store: Arc<dyn Store>) {
    let here = thread(1, 1);
    store.commit(&queued(here, at(5)), at(5)).await.unwrap();
    let job = take_job(&*store, 5).await.unwrap();
    let id = task_id(here, 1);
    assert_eq!((job.lease.job, job.lease.attempt), (job_id(id, 1), 1));
    assert_eq!(job.work, work(here));
    assert_eq!((&job.task.task, job.task.version), (&task(id), 1));
    assert_eq!(job.journal, []);
    assert!(!job.cancelled);
    assert_eq!(take_job(&*store, 5).await, None);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.jobs_queued, counts.jobs_running), (0, 1));
    assert_eq!(store.live_jobs().await.unwrap(), [job_id(id, 1)]);

    end(&*store, &job, 6).await;
    assert_eq!(store.live_jobs().await.unwrap(), []);
    let lines = store.jobs(id).await.unwrap();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!((line.state.as_str(), line.attempts), ("over", 1));
    assert_eq!(line.note, "proposed");
}

pub(crate) async fn a_task_has_one_live_job(store: Arc<dyn Store>) {
    let id = task_id(thread(1, 1), 1);
    store
        .commit(&queued(id.thread, at(0)), at(0))
        .await
        .unwrap();
    let second = Changes {
        job: Some(new_job(id, 2, at(0))),
        ..Changes::default()
    };
    assert_conflict(store.commit(&second, at(1)).await);
    let job = take_job(&*store, 1).await.unwrap();
    assert_conflict(store.commit(&second, at(1)).await);
    end(&*store, &job, 2).await;
    store.commit(&second, at(3)).await.unwrap();
    assert_conflict(store.commit(&second, at(3)).await);
    // Stopping a queued job and queueing the next is one change.
    let third = Changes {
        cancel: Some(id),
        job: Some(new_job(id, 3, at(0))),
        ..Changes::default()
    };
    store.commit(&third, at(4)).await.unwrap();
    let job = take_job(&*store, 4).await.unwrap();
    assert_eq!((job.lease.job.ordinal, job.cancelled), (3, false));
    let ids: Vec<_> = store.jobs(id).await.unwrap();
    let ids: Vec<_> = ids.iter().map(|line| line.id.ordinal).collect();
    assert_eq!(ids, [1, 2, 3]);
}

pub(crate) async fn a_lane_runs_at_most_its_limit(store: Arc<dyn Store>) {
    store
        .limit_jobs(JobLimits::of_repositories(2))
        .await
        .unwrap();
    fill(&*store, 1, 4).await;
    let first = take_job(&*store, 1).await.unwrap();
    assert_eq!(place(&first), (1, 1));
    assert_eq!(take_place(&*store, 1).await, Some((1, 2)));
    assert_eq!(take_place(&*store, 1).await, None);
    end(&*store, &first, 2).await;
    assert_eq!(take_place(&*store, 2).await, Some((1, 3)));
    assert_eq!(take_place(&*store, 2).await, None);
    store
        .limit_jobs(JobLimits::of_repositories(3))
        .await
        .unwrap();
    assert_eq!(take_place(&*store, 2).await, Some((1, 4)));
    // New lanes have the limit too.
    fill(&*store, 2, 4).await;
    for number in 1..=3 {
        assert_eq!(take_place(&*store, 3).await, Some((2, number)));
    }
    assert_eq!(take_place(&*store, 3).await, None);
}

pub(crate) async fn lanes_take_turns_whatever_their_length(store: Arc<dyn Store>) {
    store
        .limit_jobs(JobLimits::of_repositories(100))
        .await
        .unwrap();
    // Of one installation.
    fill(&*store, 1, 6).await;
    fill(&*store, 3, 2).await;
    fill(&*store, 5, 1).await;
    let mut order = Vec::new();
    while let Some((repo, _)) = take_place(&*store, 1).await {
        order.push(repo);
    }
    assert_eq!(order, [1, 3, 5, 1, 3, 1, 1, 1, 1]);
}

pub(crate) async fn a_lane_that_fills_up_again_waits_for_its_turn(store: Arc<dyn Store>) {
    store
        .limit_jobs(JobLimits::of_repositories(100))
        .await
        .unwrap();
    fill(&*store, 1, 1).await;
    assert_eq!(take_place(&*store, 1).await, Some((1, 1)));
    fill(&*store, 3, 3).await;
    assert_eq!(take_place(&*store, 1).await, Some((3, 1)));
    // Neither what it did before nor what it left undone counts.
    let again = queued(thread(1, 2), at(0));
    store.commit(&again, at(1)).await.unwrap();
    fill(&*store, 5, 2).await;
    let mut order = Vec::new();
    while let Some((repo, _)) = take_place(&*store, 1).await {
        order.push(repo);
    }
    assert_eq!(order, [3, 1, 5, 3, 5]);
}

pub(crate) async fn a_job_is_not_leased_before_its_time(store: Arc<dyn Store>) {
    store
        .commit(&queued(thread(1, 1), at(100)), at(0))
        .await
        .unwrap();
    assert_eq!(take_job(&*store, 99).await, None);
    assert_eq!(store.next_due(at(99)).await.unwrap(), Some(at(100)));
    assert_eq!(store.counts().await.unwrap().jobs_queued, 1);
    // A job that waits does not hold up the lane.
    store
        .commit(&queued(thread(1, 2), at(0)), at(0))
        .await
        .unwrap();
    let other = take_job(&*store, 99).await.unwrap();
    assert_eq!(place(&other), (1, 2));
    end(&*store, &other, 99).await;
    let job = take_job(&*store, 100).await.unwrap();
    assert_eq!(place(&job), (1, 1));

    let again = JobEnd::Again(at(500), "GitHub is down".to_owned());
    store.commit(&job_ends(&job, again), at(200)).await.unwrap();
    assert_eq!(take_job(&*store, 499).await, None);
    let line = &store.jobs(job.task.task.id).await.unwrap()[0];
    assert_eq!(
        (line.state.as_str(), line.note.as_str()),
        ("queued", "GitHub is down")
    );
    assert_eq!(take_job(&*store, 500).await.unwrap().lease.attempt, 2);
}

pub(crate) async fn more_jobs_than_are_woken_at_once(store: Arc<dyn Store>) {
    // All of one lane, at its limit, in front of one of another lane.
    fill(&*store, 1, 1).await;
    take_job(&*store, 1).await.unwrap();
    for number in 2..=600 {
        let waits = queued(thread(1, number), at(50));
        store.commit(&waits, at(2)).await.unwrap();
    }
    store
        .commit(&queued(thread(2, 1), at(51)), at(2))
        .await
        .unwrap();
    assert_eq!(take_job(&*store, 49).await, None);
    assert_eq!(take_place(&*store, 60).await, Some((2, 1)));
    assert_eq!(store.counts().await.unwrap().jobs_queued, 599);
}

pub(crate) async fn an_expired_lease_is_given_out_as_another_attempt(store: Arc<dyn Store>) {
    fill(&*store, 1, 2).await;
    let first = take_job(&*store, 0).await.unwrap();
    store
        .commit(&journalled(&first, entry("c1")), at(1))
        .await
        .unwrap();
    assert_eq!(store.next_due(at(1)).await.unwrap(), Some(at(60_000)));
    assert_eq!(take_job(&*store, 59_999).await, None, "the lane is full");
    let second = take_job(&*store, 60_000).await.unwrap();
    assert_eq!(second.lease.job, first.lease.job);
    assert_eq!(second.lease.attempt, 2);
    assert_eq!(second.journal, [entry("c1")]);
    assert_eq!(take_job(&*store, 60_001).await, None, "still full");
    end(&*store, &second, 60_002).await;
    assert_eq!(take_place(&*store, 60_003).await, Some((1, 2)));
}

pub(crate) async fn an_expired_lease_holds_until_it_is_given_to_another(store: Arc<dyn Store>) {
    fill(&*store, 1, 1).await;
    let job = take_job(&*store, 0).await.unwrap();
    let beat = store.heartbeat(&job.lease, at(200_000)).await.unwrap();
    assert_eq!(beat, Heartbeat::Held, "late, but nobody else has it");
    assert_eq!(take_job(&*store, 199_999).await, None);
    end(&*store, &job, 300_000).await;
    let beat = store.heartbeat(&job.lease, at(400_000)).await.unwrap();
    assert_eq!(beat, Heartbeat::Lost);
}

pub(crate) async fn a_lowered_limit_holds_after_a_crash(store: Arc<dyn Store>) {
    store
        .limit_jobs(JobLimits::of_repositories(3))
        .await
        .unwrap();
    fill(&*store, 1, 3).await;
    for _ in 0..3 {
        take_job(&*store, 0).await.unwrap();
    }
    store
        .limit_jobs(JobLimits::of_repositories(1))
        .await
        .unwrap();
    let again = take_job(&*store, 70_000).await.unwrap();
    assert_eq!(again.lease.attempt, 2);
    assert_eq!(take_job(&*store, 70_000).await, None);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.jobs_running, counts.jobs_queued), (1, 2));
    end(&*store, &again, 70_001).await;
    let next = take_job(&*store, 70_002).await.unwrap();
    assert_ne!(next.lease.job, again.lease.job);
    assert_eq!(next.lease.attempt, 2);
    assert_eq!(take_job(&*store, 70_003).await, None);
}

pub(crate) async fn a_lost_lease_writes_nothing(store: Arc<dyn Store>) {
    fill(&*store, 1, 1).await;
    let lost = take_job(&*store, 0).await.unwrap();
    let held = take_job(&*store, 60_000).await.unwrap();
    let beat = store.heartbeat(&lost.lease, at(999_999)).await.unwrap();
    assert_eq!(beat, Heartbeat::Lost);
    assert_conflict(
        store
            .commit(&journalled(&lost, entry("old")), at(60_001))
            .await,
    );
    assert_conflict(store.commit(&job_over(&lost), at(60_001)).await);
    let again = JobEnd::Again(at(0), "x".to_owned());
    assert_conflict(store.commit(&job_ends(&lost, again), at(60_001)).await);
    store
        .commit(&journalled(&held, entry("new")), at(60_002))
        .await
        .unwrap();
    end(&*store, &held, 60_003).await;
    assert_conflict(store.commit(&job_over(&held), at(60_004)).await);
    let line = &store.jobs(held.task.task.id).await.unwrap()[0];
    assert_eq!(line.journal, [(2, at(60_002), entry("new"))]);
}

pub(crate) async fn a_queued_job_that_is_stopped_is_over_at_once(store: Arc<dyn Store>) {
    fill(&*store, 1, 2).await;
    let waits = thread(1, 3);
    store.commit(&queued(waits, at(900)), at(0)).await.unwrap();
    for stopped in [thread(1, 1), waits] {
        let id = task_id(stopped, 1);
        store.commit(&cancelled(id), at(1)).await.unwrap();
        let line = &store.jobs(id).await.unwrap()[0];
        assert_eq!(
            (line.state.as_str(), line.note.as_str()),
            ("over", "stopped")
        );
    }
    assert_eq!(store.counts().await.unwrap().jobs_queued, 1);
    let left = take_job(&*store, 1_000).await.unwrap();
    assert_eq!(place(&left), (1, 2));
    end(&*store, &left, 1_001).await;
    assert_eq!(take_job(&*store, 2_000).await, None);
    // Nothing to stop is no mistake.
    store
        .commit(&cancelled(task_id(waits, 1)), at(2))
        .await
        .unwrap();
    store
        .commit(&cancelled(task_id(thread(8, 8), 1)), at(2))
        .await
        .unwrap();
}

pub(crate) async fn a_running_job_learns_that_it_is_stopped(store: Arc<dyn Store>) {
    fill(&*store, 1, 1).await;
    let job = take_job(&*store, 0).await.unwrap();
    let id = job.task.task.id;
    store.commit(&cancelled(id), at(1)).await.unwrap();
    let beat = store.heartbeat(&job.lease, at(70_000)).await.unwrap();
    assert_eq!(beat, Heartbeat::Cancelled);
    assert_eq!(store.live_jobs().await.unwrap(), [job.lease.job]);
    // The worker died before it could say so: the next one is told.
    let next = take_job(&*store, 70_000).await.unwrap();
    assert!(next.cancelled);
    store
        .commit(&journalled(&next, entry("kept")), at(70_001))
        .await
        .unwrap();
    end(&*store, &next, 70_002).await;
}

pub(crate) async fn a_job_that_goes_back_keeps_its_journal(store: Arc<dyn Store>) {
    fill(&*store, 1, 1).await;
    let job = take_job(&*store, 0).await.unwrap();
    for (n, commit) in [(1, "a"), (2, "b")] {
        store
            .commit(&journalled(&job, entry(commit)), at(n))
            .await
            .unwrap();
    }
    // An entry and the end may come in one change.
    let mut last = job_ends(&job, JobEnd::Again(at(3), "busy".to_owned()));
    last.entry = Some((job.lease.clone(), entry("c")));
    store.commit(&last, at(3)).await.unwrap();
    let again = take_job(&*store, 3).await.unwrap();
    assert_eq!(again.lease.attempt, 2);
    assert_eq!(again.journal, [entry("a"), entry("b"), entry("c")]);
}

pub(crate) async fn sixteen_workers_share_the_lanes(store: Arc<dyn Store>) {
    const JOBS: u64 = 120;
    store
        .limit_jobs(JobLimits::of_repositories(2))
        .await
        .unwrap();
    for number in 1..=JOBS {
        // Half of them in one repository.
        let repo = if number % 2 == 0 { 1 } else { 2 + number % 5 };
        let job = queued(thread(repo, number), at(0));
        store.commit(&job, at(0)).await.unwrap();
    }
    let watch = worked_off(&store).await;
    assert_eq!(watch.ran, JOBS);
    let most = watch.most.iter().filter(|((level, _), _)| *level == "repo");
    let most: BTreeMap<u64, u32> = most.map(|((_, repo), most)| (*repo, *most)).collect();
    assert_eq!(most.len(), 6);
    assert!(most.values().all(|most| *most <= 2), "{most:?}");
    assert_eq!(most[&1], 2, "the limit is used");
}

pub(crate) async fn a_worker_sees_what_it_holds_and_no_more(store: Arc<dyn Store>) {
    for number in 1..=3 {
        let here = thread(number, 1);
        let changes = Changes {
            effects: vec![new_effect(&format!("e{number}"), here, comment("x"))],
            ..queued(here, at(1))
        };
        store.commit(&changes, at(1)).await.unwrap();
    }
    let (mut jobs, mut leases) = (Vec::new(), Vec::new());
    for worker in ["a", "a", "b"] {
        let job = store.lease_job(worker, at(1), at(60)).await.unwrap();
        jobs.push(job.unwrap());
        let effect = store.lease_effect(worker, at(1), at(120)).await.unwrap();
        leases.push(effect.unwrap());
    }
    let held = |jobs: &[LeasedJob], effects: &[LeasedEffect]| Held {
        jobs: jobs.iter().map(|job| job.lease.clone()).collect(),
        effects: effects
            .iter()
            .map(|effect| EffectLease {
                key: effect.key.clone(),
                version: effect.version,
                attempt: effect.attempt,
            })
            .collect(),
    };
    let seen = async |worker: &str, now: i64| {
        let mut held = store.held_by(worker, at(now)).await.unwrap();
        held.jobs.sort_by_key(|lease| lease.job.to_string());
        held.effects
            .sort_by_key(|lease| lease.key.as_str().to_owned());
        held
    };
    jobs[..2].sort_by_key(|job| job.lease.job.to_string());
    assert_eq!(seen("a", 2).await, held(&jobs[..2], &leases[..2]));
    assert_eq!(seen("b", 2).await, held(&jobs[2..], &leases[2..]));
    assert_eq!(seen("c", 2).await, Held::default());
    // What has run out is anybody's.
    assert_eq!(seen("a", 60).await, held(&[], &leases[..2]));
    assert_eq!(seen("a", 120).await, Held::default());
    // What was given back is nobody's.
    store.commit(&job_over(&jobs[0]), at(3)).await.unwrap();
    let sent = EffectEnd::Again(at(200), "503".to_owned());
    store
        .commit(&effect_ends(&leases[0], sent), at(3))
        .await
        .unwrap();
    assert_eq!(seen("a", 4).await, held(&jobs[1..2], &leases[1..2]));
}
