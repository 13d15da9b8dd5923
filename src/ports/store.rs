//! What must survive a crash: deliveries, tasks, jobs, journal, outbox, audit.
//!
//! Every change is one [`Changes`] value, committed whole or not at all. Reads outside of a change
//! may be old by the time they are used, so a change carries what it assumed (a task's version, a
//! lease) and fails with class `Conflict` when that no longer holds.
//!
//! Implementations promise only what both SQLite and PostgreSQL keep; `tests/store` is the suite
//! that every one of them passes.

use std::collections::BTreeSet;

use crate::domain::budget::{Cap, Denied, Scope};
use crate::domain::effect::{Effect, EffectKey, Sent};
use crate::domain::ids::{
    DeliveryId, InstallationId, JobId, RepoId, RepoName, TaskId, ThreadKey, ThreadNumber,
};
use crate::domain::job::{Entry, Work};
use crate::domain::money::Usd;
use crate::domain::process::{Process, Schema};
use crate::domain::repo::Repo;
use crate::domain::schedule::WaitsFor;
use crate::domain::task::Task;
use crate::domain::time::{Span, Timestamp};
use crate::ports::fault::Fault;
use crate::ports::gateway::{Charge, Hold};

/// A delivery as it came in, its signature already verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// `X-GitHub-Delivery`.
    pub id: DeliveryId,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The raw body.
    pub body: bytes::Bytes,
    /// When it was received.
    pub received_at: Timestamp,
}

/// What became of an offered delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is on disk now.
    Stored,
    /// It was on disk before.
    Duplicate,
}

/// Where a delivery is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits to be dispatched.
    Pending,
    /// It was dispatched: what was decided, in one line.
    Done(String),
    /// It could not be dispatched and blocks nobody: why.
    Parked(String),
}

/// A delivery in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Its place in the order of arrival.
    pub seq: i64,
    /// What came in.
    pub delivery: NewDelivery,
    /// Where it is.
    pub state: DeliveryState,
    /// How many times its dispatch has failed.
    pub attempts: u32,
}

/// A line of `prova deliveries ls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryLine {
    /// `X-GitHub-Delivery`.
    pub id: DeliveryId,
    /// `X-GitHub-Event`.
    pub event: String,
    /// Bytes of the body.
    pub bytes: u64,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where it is.
    pub state: DeliveryState,
    /// How many times its dispatch has failed.
    pub attempts: u32,
}

/// The tasks that a thread has had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadTasks {
    /// The one that is not over, if there is one.
    pub open: Option<Versioned>,
    /// How many there were, that one included.
    pub count: u32,
}

/// A task and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The task.
    pub task: Task,
    /// Counts its writes from 1.
    pub version: i64,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// A right to work on a job until some time, given to one worker. The attempt fences: once the
/// lease has been given to another, nothing can be written with this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Which attempt, counted from 1.
    pub attempt: u32,
}

/// A job that a worker has leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedJob {
    /// The right to it.
    pub lease: Lease,
    /// What it is to do.
    pub work: Work,
    /// Its task.
    pub task: Versioned,
    /// Its journal so far, oldest first.
    pub journal: Vec<Entry>,
    /// Whether a person has asked to stop it.
    pub cancelled: bool,
}

/// An effect that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedEffect {
    /// Its name.
    pub key: EffectKey,
    /// The thread that it belongs to.
    pub thread: ThreadKey,
    /// The task that it belongs to, if there is one.
    pub task: Option<TaskId>,
    /// Where it goes.
    pub repo: Repo,
    /// What is to be written.
    pub effect: Effect,
    /// Counts replacements of its content from 1; fences like a lease.
    pub version: i64,
    /// Which attempt at this version, counted from 1.
    pub attempt: u32,
    /// Attempts at all versions before this one; 0 means that nothing can be on GitHub yet.
    pub earlier_attempts: u32,
    /// What an earlier version left on GitHub.
    pub sent: Option<Sent>,
}

/// One transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The delivery that this decides, and its new state. It must be pending.
    pub delivery: Option<(DeliveryId, DeliveryState)>,
    /// A task to write: new with version 0, else with the version that it was read at.
    pub task: Option<(Task, i64)>,
    /// A job to queue, on the lane of its repository.
    pub job: Option<NewJob>,
    /// Asks the queued or running job of this task to stop: a queued one ends at once, a running
    /// one when its worker sees it.
    pub cancel: Option<TaskId>,
    /// The journal entry of a leased job. The lease must hold.
    pub entry: Option<(Lease, Entry)>,
    /// The end of a leased job. The lease must hold; it is given back.
    pub job_end: Option<(Lease, JobEnd)>,
    /// Effects to record. The same key with other content replaces it and is sent anew; with the
    /// same content it changes nothing.
    pub effects: Vec<NewEffect>,
    /// The end of one attempt at an effect. Version and attempt must be those leased; when the
    /// content was replaced meanwhile, what was sent is kept and the new content stays to be sent.
    pub effect_end: Option<(EffectLease, EffectEnd)>,
    /// Drops the task's effects that were not sent yet, of the kinds that publish (branch, undo,
    /// update, pull request, check); done before `effects` are recorded.
    pub drop_publishing: Option<TaskId>,
    /// A repository whose branches are to be compared with their bases, and from when on.
    pub compare: Option<(RepoId, Timestamp)>,
    /// Lines for the audit trail.
    pub audit: Vec<AuditLine>,
}

/// A job to queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What it is to do.
    pub work: Work,
    /// When it may start.
    pub not_before: Timestamp,
}

/// How a lease on a job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It is over: how, in one word (`proposed`, `failed`, `empty`, …).
    Over(String),
    /// It goes back to the queue, not to be leased before that time: why.
    Again(Timestamp, String),
}

/// An effect to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEffect {
    /// Its name.
    pub key: EffectKey,
    /// The thread that it belongs to; a thread's effects are sent in the order of recording.
    pub thread: ThreadKey,
    /// The task that it belongs to, if there is one.
    pub task: Option<TaskId>,
    /// Where it goes.
    pub repo: Repo,
    /// What is to be written.
    pub effect: Effect,
}

/// Which attempt at an effect ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectLease {
    /// Its name.
    pub key: EffectKey,
    /// The version that was leased.
    pub version: i64,
    /// The attempt that was leased.
    pub attempt: u32,
}

/// How one attempt at an effect ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectEnd {
    /// It is on GitHub.
    Sent(Sent),
    /// Try again, not before that time: why.
    Again(Timestamp, String),
    /// Given up: why. Later effects of the thread are not held back by it.
    Parked(String),
}

/// A line of the audit trail: who made what happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who: an account, or `prova`.
    pub actor: String,
    /// On which thread.
    pub thread: Option<ThreadKey>,
    /// What: a verb (`task.queued`, `command.refused`, `effect.sent`).
    pub what: String,
    /// The rest, in words.
    pub detail: String,
}

/// What one worker has leased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Jobs.
    pub jobs: Vec<Lease>,
    /// Attempts at effects.
    pub effects: Vec<EffectLease>,
}

/// What a worker learns from a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Go on.
    Held,
    /// A person has asked to stop the job; the lease still holds.
    Cancelled,
    /// The lease has been given to another, or the job is over: write nothing more.
    Lost,
}

/// A line of a job for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLine {
    /// Its id.
    pub id: JobId,
    /// `queued`, `running` or `over`.
    pub state: String,
    /// What it waits for while it is queued.
    pub waits_for: Option<WaitsFor>,
    /// Attempts so far.
    pub attempts: u32,
    /// How it ended, or why it was tried again.
    pub note: String,
    /// What its model calls cost, those of every attempt.
    pub cost: Usd,
    /// Its journal, oldest first, with the attempt and the time.
    pub journal: Vec<(u32, Timestamp, Entry)>,
}

/// How many jobs may run at once, on all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
    /// Of one repository; 1 at least.
    pub per_repository: u32,
    /// Of one installation of the App, which may have many repositories; 0: no limit.
    pub per_installation: u32,
    /// Of all installations; 0: no limit.
    pub in_all: u32,
}

impl JobLimits {
    /// Limits each repository, and nothing else.
    #[must_use]
    pub const fn of_repositories(limit: u32) -> Self {
        Self {
            per_repository: limit,
            per_installation: 0,
            in_all: 0,
        }
    }
}

/// Counts for health, metrics and the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that wait.
    pub deliveries_pending: u64,
    /// Deliveries that are parked.
    pub deliveries_parked: u64,
    /// Jobs that wait.
    pub jobs_queued: u64,
    /// Jobs that run.
    pub jobs_running: u64,
    /// Effects that wait.
    pub effects_pending: u64,
    /// Effects that were given up.
    pub effects_parked: u64,
}

/// Most deliveries that are given out to be dispatched at once.
pub const DUE_AT_ONCE: usize = 16;
/// Most bytes of a body that is given out behind another: a few large ones would fill the memory.
pub const DUE_BYTES: usize = 64 * 1024;

/// The inbox.
#[async_trait::async_trait]
pub trait Inbox: Send + Sync {
    /// Puts deliveries on disk in one transaction, durable when it returns. One answer each, in
    /// order; one id twice in the same call is a duplicate the second time.
    async fn accept(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<Acceptance>, Fault>;

    /// Returns the oldest pending delivery that is due at `now`, and behind it, in order, some that
    /// were never put off: [`DUE_AT_ONCE`] at most, and none behind the first of more than
    /// [`DUE_BYTES`].
    async fn next_deliveries(&self, now: Timestamp) -> Result<Vec<StoredDelivery>, Fault>;

    /// Decides deliveries that change nothing else, in one transaction. One that is not pending any
    /// more stays as it is.
    async fn decide(&self, decided: &[(DeliveryId, DeliveryState)]) -> Result<(), Fault>;

    /// Puts a delivery off until then and counts the attempt; other deliveries of the same thread
    /// that come to be dispatched can see it by [`Self::held_until`] and wait behind it.
    async fn hold(
        &self,
        id: &DeliveryId,
        thread: Option<ThreadKey>,
        until: Timestamp,
        why: &str,
    ) -> Result<(), Fault>;

    /// Returns until when an earlier delivery of the thread is held, if one is.
    async fn held_until(&self, thread: ThreadKey, seq: i64) -> Result<Option<Timestamp>, Fault>;

    /// Lists deliveries, newest first; `parked_only` leaves out the others.
    async fn deliveries(&self, parked_only: bool, limit: u32) -> Result<Vec<DeliveryLine>, Fault>;

    /// Returns one delivery.
    async fn delivery(&self, id: &DeliveryId) -> Result<Option<StoredDelivery>, Fault>;

    /// Returns which of these deliveries are here, in whatever state.
    async fn known(&self, ids: &[DeliveryId]) -> Result<BTreeSet<DeliveryId>, Fault>;

    /// Makes a delivery pending again, with no attempts counted; `false` when there is none.
    async fn replay(&self, id: &DeliveryId) -> Result<bool, Fault>;

    /// Deletes dispatched deliveries received before then and returns how many.
    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, Fault>;
}

/// Tasks, and the one way to change anything.
#[async_trait::async_trait]
pub trait Tasks: Send + Sync {
    /// Commits a change whole, or fails and leaves everything as it was.
    async fn commit(&self, changes: &Changes, now: Timestamp) -> Result<(), Fault>;

    /// Returns a thread's tasks.
    async fn thread_tasks(&self, thread: ThreadKey) -> Result<ThreadTasks, Fault>;

    /// Returns the open task whose pull request has that number, if there is one.
    async fn task_by_pull(
        &self,
        repo: RepoId,
        pull: ThreadNumber,
    ) -> Result<Option<Versioned>, Fault>;

    /// Returns one task.
    async fn task(&self, id: TaskId) -> Result<Option<Versioned>, Fault>;

    /// Lists tasks, last written first; `open_only` leaves out those that are over.
    async fn tasks(&self, open_only: bool, limit: u32) -> Result<Vec<Versioned>, Fault>;

    /// Returns the open tasks of an installation, or of single repositories.
    async fn open_tasks_of(
        &self,
        installation: Option<InstallationId>,
        repos: &[RepoId],
    ) -> Result<Vec<Versioned>, Fault>;

    /// Gives a repository its new name in every open task and unsent effect.
    async fn rename(&self, repo: RepoId, to: &RepoName) -> Result<(), Fault>;

    /// Returns a task's jobs, oldest first.
    async fn jobs(&self, task: TaskId) -> Result<Vec<JobLine>, Fault>;

    /// Returns a thread's audit trail, oldest first; all threads' when `None`.
    async fn audit(&self, thread: Option<ThreadKey>, limit: u32) -> Result<Vec<AuditLine>, Fault>;

    /// Returns what an effect left on GitHub, once sent.
    async fn sent(&self, key: &EffectKey) -> Result<Option<Sent>, Fault>;
}

/// What workers and the outbox take from the store.
#[async_trait::async_trait]
pub trait Queue: Send + Sync {
    /// Leases the next due job to `worker` until then, from the lane whose turn it is. A job whose
    /// lease has run out is leased again, as another attempt.
    ///
    /// A lane is a repository. Installations with waiting jobs take turns, however many repositories
    /// they have, and so do the lanes of an installation, whatever their length; in a lane those that
    /// were queued first come first, with the head start that `schedule` gives. No lane, no
    /// installation, and not all together run more at once than [`Self::limit_jobs`] lets them.
    async fn lease_job(
        &self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedJob>, Fault>;

    /// Extends a lease.
    async fn heartbeat(&self, lease: &Lease, until: Timestamp) -> Result<Heartbeat, Fault>;

    /// Leases the next due effect to `worker` until then and counts the attempt, which is on disk
    /// before this returns. Of one thread only the oldest unsent effect is given out.
    async fn lease_effect(
        &self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedEffect>, Fault>;

    /// Returns what `worker` has leased and has not given back, as far as it has not run out. Only
    /// who is that worker can know whether anybody still works on it.
    async fn held_by(&self, worker: &str, now: Timestamp) -> Result<Held, Fault>;

    /// Returns when the next delivery, job, effect or comparison that is put off becomes due.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Fault>;

    /// Counts what waits.
    async fn counts(&self) -> Result<Counts, Fault>;

    /// Returns the jobs that are not over: their directories are in use.
    async fn live_jobs(&self) -> Result<Vec<JobId>, Fault>;

    /// Sets how many jobs may run at once. What runs already beyond that runs to its end.
    async fn limit_jobs(&self, limits: JobLimits) -> Result<(), Fault>;

    /// Checks the store: writable, schema as expected, free of damage. Returns what it is, in one
    /// line.
    async fn check(&self) -> Result<String, Fault>;
}

/// What model calls cost, and what is set aside for those under way.
#[async_trait::async_trait]
pub trait Spending: Send + Sync {
    /// Sets the most aside that a call of `holder` can cost, until then, in the scope of every cap or
    /// in none. All who set aside in one scope do so one after another, so no cap is passed by two at
    /// once; [`judge`](crate::domain::budget::judge) says what may be. A call for which it was done
    /// already changes nothing.
    async fn set_aside(
        &self,
        hold: &Hold,
        caps: &[Cap],
        holder: (&str, Timestamp),
    ) -> Result<Result<(), Denied>, Fault>;

    /// Leaves money set aside until then.
    async fn keep_aside(&self, id: &str, until: Timestamp) -> Result<(), Fault>;

    /// Gives back what was set aside for a call, or what it was charged because nobody knew its cost.
    async fn free_call(&self, id: &str, scopes: &[Scope]) -> Result<(), Fault>;

    /// Charges calls in full for which money was set aside until `now` or before, each once, and
    /// returns how many.
    async fn charge_ended(&self, now: Timestamp) -> Result<u64, Fault>;

    /// Lets all that `holder` has set aside end now: whoever had that name before is dead.
    async fn end_holds(&self, holder: &str, now: Timestamp) -> Result<(), Fault>;

    /// Adds what a model call cost to every scope that it counts towards, in the place of what was set
    /// aside for it or of what it was charged because nobody knew; a call that is recorded already
    /// changes nothing.
    async fn record_call(&self, charge: &Charge, at: Timestamp) -> Result<(), Fault>;

    /// Returns what was spent in each scope, in order, all as of one moment.
    async fn spent(&self, scopes: &[Scope]) -> Result<Vec<Usd>, Fault>;

    /// Deletes calls recorded before then and returns how many. What was spent stays.
    async fn forget_calls(&self, before: Timestamp) -> Result<u64, Fault>;
}

/// A repository whose branches are to be compared with their bases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueBases {
    /// Which one.
    pub repo: RepoId,
    /// How many times it was asked for since it was last done; tells whether it was asked for again.
    pub asked: i64,
    /// How many times it has failed.
    pub attempts: u32,
}

/// Which branches are to be compared with their bases: those of whole repositories, so that many pushes
/// come to one comparison.
#[async_trait::async_trait]
pub trait Bases: Send + Sync {
    /// Returns the repository that is due for the longest time.
    async fn next_bases(&self, now: Timestamp) -> Result<Option<DueBases>, Fault>;

    /// Strikes a comparison off that was made; when it was asked for again meanwhile, it is due once
    /// more from then on.
    async fn bases_compared(&self, due: &DueBases, again: Timestamp) -> Result<(), Fault>;

    /// Puts a comparison off until then and counts the attempt.
    async fn put_bases_off(&self, due: &DueBases, until: Timestamp) -> Result<(), Fault>;
}

/// What the server remembers for itself from one start to the next, each under a name of its own.
#[async_trait::async_trait]
pub trait Notes: Send + Sync {
    /// Returns a note.
    async fn note(&self, name: &str) -> Result<Option<String>, Fault>;

    /// Writes a note in the place of the one that was there.
    async fn set_note(&self, name: &str, text: &str) -> Result<(), Fault>;
}

/// What one process at a time does for all that share a store. That two do it at once for a moment
/// costs requests, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Deciding deliveries, in their order.
    Dispatch,
    /// Comparing with GitHub.
    Reconcile,
    /// Comparing branches with their bases.
    Bases,
}

/// From where a store can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From one machine: a file, with locks that no network file system keeps.
    OneMachine,
    /// From any.
    AnyMachine,
}

/// The processes that share the store.
#[async_trait::async_trait]
pub trait Processes: Send + Sync {
    /// Returns from where the store can be used.
    fn reach(&self) -> Reach;

    /// Writes down that a process runs, in the place of what stood under its id.
    async fn note_process(&self, process: &Process) -> Result<(), Fault>;

    /// Strikes a process off, and gives its duties up.
    async fn leave(&self, id: &str) -> Result<(), Fault>;

    /// Lists the processes that were written down, those that died without a word too.
    async fn processes(&self) -> Result<Vec<Process>, Fault>;

    /// Strikes off what was seen last before then and returns how many.
    async fn forget_processes(&self, before: Timestamp) -> Result<u64, Fault>;

    /// Takes a duty, or keeps it, until then; `false` while another holder has it.
    async fn take_duty(
        &self,
        duty: Duty,
        holder: &str,
        at: (Timestamp, Timestamp),
    ) -> Result<bool, Fault>;

    /// Returns the schema that is there, beside the one that this code knows.
    async fn schema(&self) -> Result<Schema, Fault>;
}

/// Everything that is kept.
pub trait Store: Inbox + Tasks + Queue + Spending + Notes + Processes + Bases {}

impl<T: Inbox + Tasks + Queue + Spending + Notes + Processes + Bases> Store for T {}

/// How long a lease on an effect lasts; longer than any request to GitHub takes.
pub const EFFECT_LEASE: Span = Span::seconds(120);
