//! Jobs as a list. Which of several jobs is given out is the store's choice; that it might be given
//! out, and that nothing is given out only when nothing may be, is checked here.

use std::collections::BTreeMap;

use proptest::prelude::*;

use prova::domain::ids::{InstallationId, JobId, RepoId, ThreadKey};
use prova::domain::job::Entry;
use prova::domain::schedule::head_start;
use prova::domain::time::{Span, Timestamp};
use prova::ports::fault::Fault;
use prova::ports::store::{Changes, Heartbeat, JobEnd, JobLimits, Lease, Store};

use crate::world::{
    assert_conflict, at, cancelled, entry, in_conversation, job_id, queued_of, task_id, thread,
};

const LEASE: i64 = 100;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Queue {
        repo: u64,
        number: u64,
        delay: i64,
        urgent: bool,
        /// Whose the repository is by then.
        installation: u64,
    },
    Lease,
    End {
        lease: usize,
        again: Option<i64>,
    },
    Record(usize),
    Beat(usize),
    Cancel {
        repo: u64,
        number: u64,
    },
    Limit(JobLimits),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1u64..4, 1u64..5, -50i64..100, any::<bool>(), prop::option::weighted(0.2, 100u64..103))
            .prop_map(|(repo, number, delay, urgent, moved)| {
                let installation = moved.unwrap_or(100 + repo % 2);
                Op::Queue { repo, number, delay, urgent, installation }
            }),
        4 => Just(Op::Lease),
        3 => (any::<usize>(), prop::option::of(-20i64..100))
            .prop_map(|(lease, again)| Op::End { lease, again }),
        1 => any::<usize>().prop_map(Op::Record),
        1 => any::<usize>().prop_map(Op::Beat),
        2 => (1u64..4, 1u64..5).prop_map(|(repo, number)| Op::Cancel { repo, number }),
        2 => (1u32..4, 0u32..4, 0u32..5).prop_map(|(per_repository, per_installation, in_all)| {
            Op::Limit(JobLimits { per_repository, per_installation, in_all })
        }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued(Timestamp),
    Running(Timestamp),
    Over,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Queued(_) => "queued",
            Self::Running(_) => "running",
            Self::Over => "over",
        }
    }
}

#[derive(Debug)]
struct Job {
    thread: ThreadKey,
    ordinal: u32,
    state: State,
    /// It is in the queue of its lane for sure, and not perhaps waiting to be put there.
    ready: bool,
    /// When it was queued, its head start taken off.
    rank: i64,
    attempt: u32,
    cancelled: bool,
    journal: Vec<(u32, Timestamp, Entry)>,
}

pub(super) struct Model {
    jobs: Vec<Job>,
    /// Every lease that was ever given, with the index of its job.
    leases: Vec<(usize, Lease)>,
    limits: JobLimits,
    /// Whose each repository is, by the job that was queued last.
    installations: BTreeMap<RepoId, InstallationId>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            leases: Vec::new(),
            limits: JobLimits::of_repositories(1),
            installations: BTreeMap::new(),
        }
    }
}

impl Model {
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |word| {
            let jobs = self.jobs.iter();
            jobs.filter(|job| job.state.word() == word).count() as u64
        };
        (count("queued"), count("running"))
    }

    pub(super) async fn compare(&self, store: &dyn Store) {
        let mut live: Vec<_> = self
            .jobs
            .iter()
            .filter(|job| job.state != State::Over)
            .map(|job| job_id(task_id(job.thread, 1), job.ordinal))
            .collect();
        live.sort();
        let mut found = store.live_jobs().await.unwrap();
        found.sort();
        assert_eq!(found, live);
    }

    /// What runs of a job's repository, of its installation and in all, each with its limit.
    fn levels(&self, of: RepoId) -> [(u32, u32); 3] {
        let installation = |id: RepoId| self.installations.get(&id);
        let count = |counts: &dyn Fn(RepoId) -> bool| {
            let running = self
                .jobs
                .iter()
                .filter(|job| matches!(job.state, State::Running(_)) && counts(job.thread.repo));
            u32::try_from(running.count()).unwrap()
        };
        let or_none = |limit: u32| if limit == 0 { u32::MAX } else { limit };
        [
            (count(&|repo| repo == of), self.limits.per_repository),
            (
                count(&|repo| installation(repo) == installation(of)),
                or_none(self.limits.per_installation),
            ),
            (count(&|_| true), or_none(self.limits.in_all)),
        ]
    }

    fn is_passed(&self, repo: RepoId) -> bool {
        self.levels(repo)
            .iter()
            .any(|(running, limit)| running > limit)
    }

    fn has_room(&self, repo: RepoId) -> bool {
        self.levels(repo)
            .iter()
            .all(|(running, limit)| running < limit)
    }

    fn live(&mut self, thread: ThreadKey) -> Option<&mut Job> {
        self.jobs
            .iter_mut()
            .find(|job| job.thread == thread && job.state != State::Over)
    }

    fn may_be_leased(&self, job: &Job, now: Timestamp) -> bool {
        let repo = job.thread.repo;
        match job.state {
            State::Queued(not_before) => not_before <= now && self.has_room(repo),
            State::Running(until) => until <= now && !self.is_passed(repo),
            State::Over => false,
        }
    }

    /// The job of a lease that still fences, if it does.
    fn held(&mut self, pick: usize) -> Option<(Lease, Option<&mut Job>)> {
        let len = self.leases.len().max(1);
        let (n, lease) = self.leases.get(pick % len)?.clone();
        let job = &mut self.jobs[n];
        let holds = matches!(job.state, State::Running(_)) && job.attempt == lease.attempt;
        Some((lease, holds.then_some(job)))
    }

    pub(super) async fn play(&mut self, store: &dyn Store, op: Op, now: Timestamp) {
        match op {
            Op::Queue {
                repo,
                number,
                delay,
                urgent,
                installation,
            } => {
                let not_before = at(now.as_millis() + delay);
                let mut changes = queued_of(installation, thread(repo, number), not_before);
                if urgent {
                    changes = in_conversation(changes);
                }
                self.queue(store, changes, now).await;
            }
            Op::Lease => self.lease(store, now).await,
            Op::End { lease, again } => {
                let end = match again {
                    None => JobEnd::Over("failed".to_owned()),
                    Some(delay) => JobEnd::Again(at(now.as_millis() + delay), "later".to_owned()),
                };
                let Some((lease, job)) = self.held(lease) else {
                    return;
                };
                let result = store.commit(&ends(&lease, end.clone()), now).await;
                if let Some(job) = agree(job, result) {
                    job.state = match end {
                        JobEnd::Over(_) => State::Over,
                        JobEnd::Again(not_before, _) => {
                            job.ready = not_before <= now;
                            State::Queued(not_before)
                        }
                    };
                }
            }
            Op::Record(pick) => {
                let Some((lease, job)) = self.held(pick) else {
                    return;
                };
                let written = entry(&now.as_millis().to_string());
                let changes = Changes {
                    entry: Some((lease.clone(), written.clone())),
                    ..Changes::default()
                };
                if let Some(job) = agree(job, store.commit(&changes, now).await) {
                    job.journal.push((lease.attempt, now, written));
                }
            }
            Op::Beat(pick) => self.beat(store, pick, now).await,
            Op::Cancel { repo, number } => {
                let thread = thread(repo, number);
                let changes = cancelled(task_id(thread, 1));
                store.commit(&changes, now).await.unwrap();
                if let Some(job) = self.live(thread) {
                    match job.state {
                        State::Queued(_) => job.state = State::Over,
                        State::Running(_) | State::Over => job.cancelled = true,
                    }
                }
            }
            Op::Limit(limits) => {
                store.limit_jobs(limits).await.unwrap();
                self.limits = limits;
            }
        }
    }

    async fn queue(&mut self, store: &dyn Store, mut changes: Changes, now: Timestamp) {
        let (Some((task, version)), Some(job)) = (&mut changes.task, &mut changes.job) else {
            panic!("{changes:?} queues nothing");
        };
        let (thread, installation) = (task.id.thread, task.repo.installation);
        let before = self.jobs.iter().filter(|job| job.thread == thread).count();
        let ordinal = u32::try_from(before + 1).unwrap();
        *version = before.try_into().unwrap();
        job.id = job_id(task.id, ordinal);
        let not_before = job.not_before;
        let head_start = changes.job.iter().map(|job| head_start(&job.work));
        let head_start: u64 = head_start.map(Span::as_millis).sum();
        let result = store.commit(&changes, now).await;
        if self.live(thread).is_some() {
            assert_conflict(result);
            return;
        }
        result.unwrap();
        self.installations.insert(thread.repo, installation);
        self.jobs.push(Job {
            thread,
            ordinal,
            state: State::Queued(not_before),
            ready: not_before <= now,
            rank: now.as_millis() - i64::try_from(head_start).unwrap(),
            attempt: 0,
            cancelled: false,
            journal: Vec::new(),
        });
    }

    async fn beat(&mut self, store: &dyn Store, pick: usize, now: Timestamp) {
        let Some((lease, job)) = self.held(pick) else {
            return;
        };
        let until = at(now.as_millis() + LEASE);
        let beat = store.heartbeat(&lease, until).await.unwrap();
        let expected = match job {
            None => Heartbeat::Lost,
            Some(job) => {
                job.state = State::Running(until);
                if job.cancelled {
                    Heartbeat::Cancelled
                } else {
                    Heartbeat::Held
                }
            }
        };
        assert_eq!(beat, expected);
    }

    async fn lease(&mut self, store: &dyn Store, now: Timestamp) {
        let until = at(now.as_millis() + LEASE);
        let given = store.lease_job("w", now, until).await.unwrap();
        let given_id = given.as_ref().map(|job| job.lease.job);
        self.see_what_went_back(store, given_id, now).await;
        let Some(given) = given else {
            let missed = self.jobs.iter().find(|job| self.may_be_leased(job, now));
            assert!(missed.is_none(), "{missed:?} was not given out");
            return;
        };
        let n = self
            .jobs
            .iter()
            .position(|job| job_id(task_id(job.thread, 1), job.ordinal) == given.lease.job);
        let n = n.expect("a job that was queued");
        assert!(
            self.may_be_leased(&self.jobs[n], now),
            "{:?} was given out",
            self.jobs[n]
        );
        if matches!(self.jobs[n].state, State::Queued(_)) {
            let earlier = |(other, job): &(usize, &Job)| {
                let first = &self.jobs[n];
                matches!(job.state, State::Queued(_))
                    && job.ready
                    && job.thread.repo == first.thread.repo
                    && (job.rank, *other) < (first.rank, n)
            };
            let earlier = self.jobs.iter().enumerate().find(earlier);
            assert!(earlier.is_none(), "{earlier:?} comes first");
        }
        let job = &mut self.jobs[n];
        job.state = State::Running(until);
        job.attempt += 1;
        assert_eq!(given.lease.attempt, job.attempt);
        assert_eq!(given.cancelled, job.cancelled);
        let journal: Vec<_> = job
            .journal
            .iter()
            .map(|(_, _, entry)| entry.clone())
            .collect();
        assert_eq!(given.journal, journal);
        assert!(!self.is_passed(given.lease.job.task.thread.repo));
        self.leases.push((n, given.lease));
    }

    /// A job whose lease has run out may go back to the queue when a limit is passed.
    async fn see_what_went_back(
        &mut self,
        store: &dyn Store,
        given: Option<JobId>,
        now: Timestamp,
    ) {
        // Which of several goes back first is the store's choice.
        let passed: Vec<_> = self.jobs.iter().map(|job| job.thread.repo).collect();
        let passed: Vec<_> = passed
            .into_iter()
            .map(|repo| self.is_passed(repo))
            .collect();
        for (n, passed) in passed.into_iter().enumerate() {
            let job = &self.jobs[n];
            let id = job_id(task_id(job.thread, 1), job.ordinal);
            let lines = store.jobs(id.task).await.unwrap();
            let line = lines.iter().find(|line| line.id == id).unwrap();
            assert_eq!(line.journal, job.journal);
            if Some(id) == given || line.state == job.state.word() {
                continue;
            }
            assert_eq!(line.state, "queued");
            let expired = matches!(job.state, State::Running(until) if until <= now);
            assert!(expired && passed);
            self.jobs[n].state = State::Queued(at(0));
            self.jobs[n].ready = true;
        }
    }
}

fn ends(lease: &Lease, end: JobEnd) -> Changes {
    Changes {
        job_end: Some((lease.clone(), end)),
        ..Changes::default()
    }
}

/// A write with a lease works when, and only when, the lease holds.
fn agree(held: Option<&mut Job>, result: Result<(), Fault>) -> Option<&mut Job> {
    if held.is_some() {
        result.unwrap();
    } else {
        assert_conflict(result);
    }
    held
}
