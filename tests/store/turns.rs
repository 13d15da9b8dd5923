//! Stories of installations, limits and what is urgent.

use std::sync::Arc;

use prova::domain::ids::InstallationId;
use prova::domain::schedule::{IN_CONVERSATION, WaitsFor};
use prova::ports::store::{Changes, JobEnd, JobLimits, LeasedJob, Store};

use crate::jobs::end;
use crate::watch::worked_off;
use crate::world::{
    at, in_conversation, job_ends, new_job, queued, queued_of, take_job, task_id, thread,
};

/// So many jobs of a repository that its own limit does not matter.
const ANY: u32 = 100;

async fn limit(store: &dyn Store, per_installation: u32, in_all: u32) {
    let limits = JobLimits {
        per_repository: ANY,
        per_installation,
        in_all,
    };
    store.limit_jobs(limits).await.unwrap();
}

/// Queues jobs in a repository of an installation, on threads that are numbered from 1.
async fn fill(store: &dyn Store, installation: u64, repo: u64, jobs: u64) {
    for number in 1..=jobs {
        let changes = queued_of(installation, thread(repo, number), at(0));
        store.commit(&changes, at(0)).await.unwrap();
    }
}

pub(crate) fn repo_of(job: &LeasedJob) -> u64 {
    job.task.task.id.thread.repo.0
}

async fn take_repo(store: &dyn Store) -> Option<u64> {
    take_job(store, 1).await.as_ref().map(repo_of)
}

pub(crate) async fn installations_take_turns_however_many_repositories_they_have(
    store: Arc<dyn Store>,
) {
    const NOISY: u64 = 200;
    limit(&*store, 0, 0).await;
    for repo in 1..=NOISY {
        fill(&*store, 1, repo, 5).await;
    }
    // Served already, and still in the middle of its queue.
    for _ in 0..7 {
        take_job(&*store, 1).await.unwrap();
    }
    fill(&*store, 2, 1_000, 3).await;
    fill(&*store, 3, 1_001, 2).await;
    let mut order = Vec::new();
    for _ in 0..11 {
        order.push(take_repo(&*store).await.unwrap());
    }
    let place = |repo| order.iter().position(|served| *served == repo);
    assert!(place(1_000) < Some(3), "{order:?}");
    assert!(place(1_001) < Some(3), "{order:?}");
    let of_one = order.iter().filter(|repo| **repo <= NOISY).count();
    assert_eq!(of_one, 6, "{order:?}");
    // Its own repositories take turns, too.
    let mut noisy: Vec<_> = order.iter().filter(|repo| **repo <= NOISY).collect();
    noisy.dedup();
    assert_eq!(noisy, [&8, &9, &10, &11, &12, &13]);
}

pub(crate) async fn an_installation_runs_at_most_its_limit(store: Arc<dyn Store>) {
    limit(&*store, 2, 0).await;
    for repo in 1..=3 {
        fill(&*store, 1, repo, 2).await;
    }
    let first = take_job(&*store, 1).await.unwrap();
    assert_eq!(repo_of(&first), 1);
    assert_eq!(take_repo(&*store).await, Some(2));
    assert_eq!(take_repo(&*store).await, None);
    // Another one is not held back.
    fill(&*store, 2, 9, 3).await;
    assert_eq!(take_repo(&*store).await, Some(9));
    assert_eq!(take_repo(&*store).await, Some(9));
    assert_eq!(take_repo(&*store).await, None);
    end(&*store, &first, 2).await;
    assert_eq!(take_repo(&*store).await, Some(3));
    assert_eq!(take_repo(&*store).await, None);
    limit(&*store, 3, 0).await;
    assert_eq!(take_repo(&*store).await, Some(9));
    assert_eq!(take_repo(&*store).await, Some(1));
    assert_eq!(take_repo(&*store).await, None);
}

pub(crate) async fn all_together_run_at_most_their_limit(store: Arc<dyn Store>) {
    limit(&*store, 2, 3).await;
    for (installation, repo) in [(1, 1), (1, 2), (2, 3), (3, 4)] {
        fill(&*store, installation, repo, 2).await;
    }
    let first = take_job(&*store, 1).await.unwrap();
    assert_eq!(repo_of(&first), 1);
    assert_eq!(take_repo(&*store).await, Some(3));
    assert_eq!(take_repo(&*store).await, Some(4));
    assert_eq!(take_repo(&*store).await, None);
    end(&*store, &first, 2).await;
    assert_eq!(take_repo(&*store).await, Some(2));
    assert_eq!(take_repo(&*store).await, None);
    // What waits for its time does so as ever.
    let later = queued_of(4, thread(5, 1), at(100));
    store.commit(&later, at(2)).await.unwrap();
    assert_eq!(store.next_due(at(2)).await.unwrap(), Some(at(100)));
    assert_eq!(take_job(&*store, 100).await, None);
}

pub(crate) async fn limits_that_were_lowered_hold_after_a_crash(store: Arc<dyn Store>) {
    for (per_installation, in_all, left) in [(1, 0, 2), (0, 1, 1)] {
        limit(&*store, 0, 0).await;
        let first = left * 10;
        for repo in first..first + 4 {
            fill(&*store, repo % 2, repo, 1).await;
        }
        for _ in 0..4 {
            take_job(&*store, 0).await.unwrap();
        }
        limit(&*store, per_installation, in_all).await;
        let mut taken = Vec::new();
        while let Some(job) = take_job(&*store, 70_000).await {
            assert_eq!(job.lease.attempt, 2);
            taken.push(job);
        }
        let counts = store.counts().await.unwrap();
        assert_eq!(counts.jobs_running, left);
        assert_eq!(counts.jobs_queued, 4 - left);
        limit(&*store, 0, 0).await;
        while let Some(job) = take_job(&*store, 70_000).await {
            taken.push(job);
        }
        for job in taken {
            end(&*store, &job, 70_001).await;
        }
    }
}

pub(crate) async fn limits_that_are_lifted_hold_nobody_back(store: Arc<dyn Store>) {
    limit(&*store, 1, 1).await;
    fill(&*store, 1, 1, 3).await;
    assert_eq!(take_repo(&*store).await, Some(1));
    assert_eq!(take_repo(&*store).await, None);
    limit(&*store, 1, 0).await;
    assert_eq!(take_repo(&*store).await, None);
    limit(&*store, 0, 2).await;
    assert_eq!(take_repo(&*store).await, Some(1));
    assert_eq!(take_repo(&*store).await, None);
    limit(&*store, 0, 0).await;
    assert_eq!(take_repo(&*store).await, Some(1));
}

pub(crate) async fn a_lane_follows_its_repository_to_another_installation(store: Arc<dyn Store>) {
    limit(&*store, 1, 0).await;
    fill(&*store, 1, 1, 2).await;
    let first = take_job(&*store, 1).await.unwrap();
    assert_eq!(take_repo(&*store).await, None);
    // Nothing runs yet of the installation that it was moved to, but what it brings along.
    let moved = queued_of(2, thread(1, 3), at(0));
    store.commit(&moved, at(2)).await.unwrap();
    assert_eq!(take_repo(&*store).await, None);
    fill(&*store, 1, 7, 1).await;
    assert_eq!(take_repo(&*store).await, Some(7));
    end(&*store, &first, 3).await;
    assert_eq!(take_repo(&*store).await, Some(1));

    // A task that was there before is followed as well, with its next job.
    let id = task_id(thread(7, 1), 1);
    let read = store.task(id).await.unwrap().unwrap();
    let mut task = read.task;
    task.repo.installation = InstallationId(3);
    let again = Changes {
        task: Some((task, read.version)),
        ..Changes::default()
    };
    store.commit(&again, at(4)).await.unwrap();
    fill(&*store, 1, 8, 1).await;
    assert_eq!(take_repo(&*store).await, None, "7 counts where it was");
    let waits = queued_of(3, thread(7, 2), at(0));
    store.commit(&waits, at(5)).await.unwrap();
    assert_eq!(take_repo(&*store).await, Some(8));
    assert_eq!(take_repo(&*store).await, None);
}

pub(crate) async fn a_conversation_comes_before_what_was_queued_in_the_hour_before(
    store: Arc<dyn Store>,
) {
    limit(&*store, 0, 0).await;
    let hour = i64::try_from(IN_CONVERSATION.as_millis()).unwrap();
    for (number, queued_at) in [(1, 0), (2, 1), (3, hour), (5, 2 * hour)] {
        let changes = queued(thread(1, number), at(0));
        store.commit(&changes, at(queued_at)).await.unwrap();
    }
    // Behind what was queued an hour before, in front of all the others.
    let urgent = in_conversation(queued(thread(1, 4), at(0)));
    store.commit(&urgent, at(hour)).await.unwrap();
    let mut order = Vec::new();
    while let Some(job) = take_job(&*store, 3 * hour).await {
        order.push(job.task.task.id.thread.number.0);
    }
    assert_eq!(order, [1, 4, 2, 3, 5]);
}

pub(crate) async fn a_job_that_goes_back_keeps_its_place(store: Arc<dyn Store>) {
    limit(&*store, 0, 0).await;
    let urgent = in_conversation(queued(thread(1, 1), at(0)));
    store.commit(&urgent, at(2)).await.unwrap();
    let first = take_job(&*store, 2).await.unwrap();
    for number in 2..=3 {
        let changes = queued(thread(1, number), at(0));
        store.commit(&changes, at(3)).await.unwrap();
    }
    let again = JobEnd::Again(at(5), "GitHub is down".to_owned());
    store.commit(&job_ends(&first, again), at(4)).await.unwrap();
    let next = take_job(&*store, 4).await.unwrap();
    assert_eq!(next.task.task.id.thread.number.0, 2, "not before its time");
    assert_eq!(
        take_job(&*store, 5).await.unwrap().lease.job,
        first.lease.job
    );
    // Asked for anew by a person, it is a job of its own.
    end(&*store, &next, 6).await;
    let asked = Changes {
        job: Some(new_job(next.task.task.id, 2, at(0))),
        ..Changes::default()
    };
    store.commit(&asked, at(7)).await.unwrap();
    let last = take_job(&*store, 8).await.unwrap();
    assert_eq!(last.task.task.id.thread.number.0, 3);
}

pub(crate) async fn a_queued_job_says_what_it_waits_for(store: Arc<dyn Store>) {
    fill(&*store, 1, 1, 2).await;
    fill(&*store, 1, 2, 1).await;
    fill(&*store, 2, 3, 1).await;
    let later = queued_of(3, thread(4, 1), at(9));
    store.commit(&later, at(0)).await.unwrap();
    let waits = async |repo, number| {
        let id = task_id(thread(repo, number), 1);
        store.jobs(id).await.unwrap()[0].waits_for
    };
    assert_eq!(waits(1, 1).await, Some(WaitsFor::Worker));
    assert_eq!(waits(4, 1).await, Some(WaitsFor::Time(at(9))));
    assert_eq!(take_repo(&*store).await, Some(1));
    assert_eq!(waits(1, 1).await, None, "it runs");
    assert_eq!(waits(1, 2).await, Some(WaitsFor::Repository));
    assert_eq!(waits(2, 1).await, Some(WaitsFor::Worker));
    limit(&*store, 1, 2).await;
    assert_eq!(waits(1, 2).await, Some(WaitsFor::Installation));
    assert_eq!(waits(2, 1).await, Some(WaitsFor::Installation));
    assert_eq!(waits(3, 1).await, Some(WaitsFor::Worker));
    limit(&*store, 0, 1).await;
    for (repo, number) in [(1, 2), (2, 1), (3, 1)] {
        assert_eq!(waits(repo, number).await, Some(WaitsFor::Any));
    }
}

pub(crate) async fn sixteen_workers_keep_every_limit(store: Arc<dyn Store>) {
    let limits = JobLimits {
        per_repository: 2,
        per_installation: 3,
        in_all: 7,
    };
    store.limit_jobs(limits).await.unwrap();
    let mut jobs = 0;
    for installation in 1..=4 {
        for repo in 0..3 {
            fill(&*store, installation, installation * 10 + repo, 10).await;
            jobs += 10;
        }
    }
    let watch = worked_off(&store).await;
    assert_eq!(watch.ran, jobs);
    for ((level, id), most) in &watch.most {
        let limit = match *level {
            "repo" => 2,
            "installation" => 3,
            _ => 7,
        };
        assert!(*most <= limit, "{level} {id} ran {most} at once");
    }
    assert_eq!(watch.most[&("all", 0)], 7, "the limit is used");
}
