//! Every call through a port, counted, and one of them cut: the process dies before it or after it,
//! it fails, its answer is lost, or it is done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prova::app::context::Context;
use prova::domain::annotation::Mark;
use prova::domain::branch::BranchName;
use prova::domain::budget::{Cap, Denied, Scope};
use prova::domain::change::{Harvest, HarvestLimits};
use prova::domain::diff::{Diff, Patch};
use prova::domain::drift::Proposal;
use prova::domain::effect::{Conclusion, EffectKey, ReactionTarget, Sent};
use prova::domain::footing::{Merge, Pair};
use prova::domain::home::PullNow;
use prova::domain::ids::{
    AttemptId, CheckRunId, CheckSuiteId, CommentId, CommitSha, DeliveryId, InstallationId, JobId,
    Login, RepoId, RepoName, ReviewId, TaskId, ThreadKey, ThreadNumber, TreeSha,
};
use prova::domain::integration::CheckRun;
use prova::domain::job::Restored;
use prova::domain::missed::Stretch;
use prova::domain::money::Usd;
use prova::domain::overlooked::{Act, Standing};
use prova::domain::process::{Process, Schema};
use prova::domain::repo::{Permission, Repo};
use prova::domain::review::Posted;
use prova::domain::surroundings::{Annotation, FailedCheck};
use prova::domain::time::Timestamp;
use prova::ports::checkouts::{Begun, Cache, Checkout, Checkouts, Merged, Place, Remote, Setup};
use prova::ports::door::Door;
use prova::ports::fault::Fault;
use prova::ports::gateway::{Charge, Hold};
use prova::ports::github::{
    App, AppFacts, Census, Checks, Commits, Covered, GitHub, Hooks, MadeCommit, NewCheck,
    NewCommit, NewPull, NewReview, PostedCheck, PostedComment, PostedPull, PostedReview,
    PostedThread, Pulls, Repositories, Reviews, ThreadNow, Threads, TreeEntry,
};
use prova::ports::sandbox::{Outcome, Sandbox, Spec, Talk, Unenforced, Unusable};
use prova::ports::store::{
    Acceptance, AuditLine, Bases, Changes, Counts, DeliveryLine, DeliveryState, DueBases, Duty,
    Heartbeat, Held, Inbox, JobLimits, JobLine, Lease, LeasedEffect, LeasedJob, NewDelivery, Notes,
    Processes, Queue, Reach, Spending, Store, StoredDelivery, Tasks, ThreadTasks, Versioned,
};
use prova::ports::tree::Tree;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The process dies before it.
    DeadBefore,
    /// The process dies after it, and hears no answer.
    DeadAfter,
    /// It is not made, and fails in a way that may pass.
    Fails,
    /// It is made, and its answer is lost.
    Unanswered,
    /// It is made twice, and the second answer is heard.
    Twice,
}

/// Writes that GitHub carries out as often as it is asked. Asking once is what the outbox is for.
const NEVER_TWICE: [&str; 6] = [
    "comment",
    "reply",
    "post_review",
    "create_check",
    "annotate",
    "rerun",
];

/// Counts calls and cuts one.
#[derive(Default)]
pub(crate) struct Knife {
    calls: Mutex<Vec<&'static str>>,
    aim: Mutex<Option<(usize, Blow)>>,
    /// What becomes of the next heartbeat. They come one a second, so that their number is another in
    /// each run: they are not counted among the calls.
    beat: Mutex<Option<Blow>>,
    killed: Notify,
}

impl Knife {
    /// Cuts the call of that number, counted from 0.
    pub(crate) fn aimed(at: usize, blow: Blow) -> Arc<Self> {
        Arc::new(Self {
            aim: Mutex::new(Some((at, blow))),
            ..Self::default()
        })
    }

    /// Cuts the first heartbeat.
    pub(crate) fn at_a_heartbeat(blow: Blow) -> Arc<Self> {
        Arc::new(Self {
            beat: Mutex::new(Some(blow)),
            ..Self::default()
        })
    }

    /// Returns whether the heartbeat has come that was to be cut.
    pub(crate) fn has_cut_a_heartbeat(&self) -> bool {
        self.beat.lock().unwrap().is_none()
    }

    /// Returns the names of the calls so far.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits for the death of the process.
    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }

    fn blow(&self, name: &'static str) -> Option<Blow> {
        let mut calls = self.calls.lock().unwrap();
        let number = calls.len();
        calls.push(name);
        let mut aim = self.aim.lock().unwrap();
        let (at, blow) = (*aim)?;
        if at != number {
            return None;
        }
        *aim = None;
        (blow != Blow::Twice || !NEVER_TWICE.contains(&name)).then_some(blow)
    }

    async fn die<T>(&self) -> T {
        self.killed.notify_one();
        std::future::pending().await
    }
}

fn lost(name: &str) -> Fault {
    Fault::transient(name, "it was cut, as the story has it")
}

/// A port with the knife on it.
struct Cut<T: ?Sized> {
    inner: Arc<T>,
    knife: Arc<Knife>,
}

/// Makes a call, or what the knife makes of it.
macro_rules! cut {
    ($self:ident, $name:expr, $call:expr) => {
        cut!($self, $self.knife.blow($name), $name, $call)
    };
    ($self:ident, $blow:expr, $name:expr, $call:expr) => {
        match $blow {
            None => $call.await,
            Some(Blow::DeadBefore) => $self.knife.die().await,
            Some(Blow::DeadAfter) => {
                let _answer = $call.await;
                $self.knife.die().await
            }
            Some(Blow::Fails) => Err(lost($name)),
            Some(Blow::Unanswered) => {
                let _answer = $call.await;
                Err(lost($name))
            }
            Some(Blow::Twice) => {
                let _answer = $call.await;
                $call.await
            }
        }
    };
}

/// Implements a port by handing every call on, past the knife.
macro_rules! relay {
    ($port:ident for $inner:ty:
        $($name:ident($($arg:ident: [$($type:tt)*]),*) -> [$($out:tt)*];)*
        { $($rest:item)* }) => {
        #[async_trait::async_trait]
        impl $port for Cut<$inner> {
            $(async fn $name(&self $(, $arg: $($type)*)*) -> Result<$($out)*, Fault> {
                cut!(self, stringify!($name), self.inner.$name($($arg),*))
            })*
            $($rest)*
        }
    };
}

relay! { Tasks for dyn Store:
    commit(changes: [&Changes], now: [Timestamp]) -> [()];
    thread_tasks(thread: [ThreadKey]) -> [ThreadTasks];
    task_by_pull(repo: [RepoId], pull: [ThreadNumber]) -> [Option<Versioned>];
    task(id: [TaskId]) -> [Option<Versioned>];
    tasks(open_only: [bool], limit: [u32]) -> [Vec<Versioned>];
    open_tasks_of(installation: [Option<InstallationId>], repos: [&[RepoId]]) -> [Vec<Versioned>];
    rename(repo: [RepoId], to: [&RepoName]) -> [()];
    jobs(task: [TaskId]) -> [Vec<JobLine>];
    audit(thread: [Option<ThreadKey>], limit: [u32]) -> [Vec<AuditLine>];
    sent(key: [&EffectKey]) -> [Option<Sent>];
    {}
}

relay! { Queue for dyn Store:
    lease_job(worker: [&str], now: [Timestamp], until: [Timestamp]) -> [Option<LeasedJob>];
    lease_effect(worker: [&str], now: [Timestamp], until: [Timestamp]) -> [Option<LeasedEffect>];
    held_by(worker: [&str], now: [Timestamp]) -> [Held];
    live_jobs() -> [Vec<JobId>];
    limit_jobs(limits: [JobLimits]) -> [()];
    check() -> [String];
    {
        async fn heartbeat(&self, lease: &Lease, until: Timestamp) -> Result<Heartbeat, Fault> {
            let blow = self.knife.beat.lock().unwrap().take();
            cut!(self, blow, "heartbeat", self.inner.heartbeat(lease, until))
        }

        // What a story asks to see whether it is over is no call of the server's.
        async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
            self.inner.next_due(now).await
        }

        async fn counts(&self) -> Result<Counts, Fault> {
            self.inner.counts().await
        }
    }
}

relay! { Inbox for dyn Store:
    next_deliveries(now: [Timestamp]) -> [Vec<StoredDelivery>];
    decide(decided: [&[(DeliveryId, DeliveryState)]]) -> [()];
    hold(id: [&DeliveryId], thread: [Option<ThreadKey>], until: [Timestamp], why: [&str]) -> [()];
    held_until(thread: [ThreadKey], seq: [i64]) -> [Option<Timestamp>];
    deliveries(parked_only: [bool], limit: [u32]) -> [Vec<DeliveryLine>];
    delivery(id: [&DeliveryId]) -> [Option<StoredDelivery>];
    known(ids: [&[DeliveryId]]) -> [BTreeSet<DeliveryId>];
    replay(id: [&DeliveryId]) -> [bool];
    forget_deliveries(before: [Timestamp]) -> [u64];
    {
        async fn accept(&self, new: Vec<NewDelivery>) -> Result<Vec<Acceptance>, Fault> {
            cut!(self, "accept", self.inner.accept(new.clone()))
        }
    }
}

relay! { Spending for dyn Store:
    set_aside(hold: [&Hold], caps: [&[Cap]], holder: [(&str, Timestamp)]) -> [Result<(), Denied>];
    keep_aside(id: [&str], until: [Timestamp]) -> [()];
    free_call(id: [&str], scopes: [&[Scope]]) -> [()];
    charge_ended(now: [Timestamp]) -> [u64];
    end_holds(holder: [&str], now: [Timestamp]) -> [()];
    record_call(charge: [&Charge], at: [Timestamp]) -> [()];
    spent(scopes: [&[Scope]]) -> [Vec<Usd>];
    forget_calls(before: [Timestamp]) -> [u64];
    {}
}

relay! { Notes for dyn Store:
    note(name: [&str]) -> [Option<String>];
    set_note(name: [&str], text: [&str]) -> [()];
    {}
}

relay! { Bases for dyn Store:
    next_bases(now: [Timestamp]) -> [Option<DueBases>];
    bases_compared(due: [&DueBases], again: [Timestamp]) -> [()];
    put_bases_off(due: [&DueBases], until: [Timestamp]) -> [()];
    {}
}

relay! { Processes for dyn Store:
    note_process(process: [&Process]) -> [()];
    leave(id: [&str]) -> [()];
    processes() -> [Vec<Process>];
    forget_processes(before: [Timestamp]) -> [u64];
    take_duty(duty: [Duty], holder: [&str], at: [(Timestamp, Timestamp)]) -> [bool];
    schema() -> [Schema];
    {
        fn reach(&self) -> Reach {
            self.inner.reach()
        }
    }
}

relay! { Repositories for dyn GitHub:
    permission(repo: [&Repo], login: [&Login]) -> [Permission];
    file(repo: [&Repo], path: [&str]) -> [Option<Vec<u8>>];
    fetch_token(repo: [&Repo]) -> [SecretString];
    {}
}

relay! { Threads for dyn GitHub:
    thread(repo: [&Repo], number: [ThreadNumber]) -> [ThreadNow];
    text(repo: [&Repo], number: [ThreadNumber]) -> [PostedThread];
    comments(repo: [&Repo], number: [ThreadNumber]) -> [Vec<PostedComment>];
    react(repo: [&Repo], number: [ThreadNumber], target: [ReactionTarget]) -> [()];
    comment(repo: [&Repo], number: [ThreadNumber], body: [&str]) -> [CommentId];
    edit_comment(repo: [&Repo], id: [CommentId], body: [&str]) -> [()];
    {}
}

relay! { Commits for dyn GitHub:
    commit(repo: [&Repo], commit: [&NewCommit]) -> [CommitSha];
    branch(repo: [&Repo], branch: [&BranchName]) -> [Option<CommitSha>];
    made(repo: [&Repo], commit: [&CommitSha]) -> [MadeCommit];
    create_branch(repo: [&Repo], branch: [&BranchName], at: [&CommitSha]) -> [()];
    move_branch(repo: [&Repo], branch: [&BranchName], to: [&CommitSha]) -> [()];
    delete_branch(repo: [&Repo], branch: [&BranchName]) -> [()];
    {}
}

relay! { Pulls for dyn GitHub:
    open_pull(repo: [&Repo], pull: [&NewPull]) -> [PostedPull];
    pull_from(repo: [&Repo], head: [&BranchName]) -> [Option<PostedPull>];
    pull(repo: [&Repo], number: [ThreadNumber]) -> [PullNow];
    proposals(repo: [&Repo], us: [&Login]) -> [Vec<Proposal>];
    {}
}

relay! { Reviews for dyn GitHub:
    line_comments(repo: [&Repo], number: [ThreadNumber]) -> [Vec<Posted>];
    reviews(repo: [&Repo], number: [ThreadNumber]) -> [Vec<PostedReview>];
    post_review(repo: [&Repo], number: [ThreadNumber], review: [&NewReview]) -> [ReviewId];
    reply(repo: [&Repo], number: [ThreadNumber], to: [CommentId], body: [&str]) -> [CommentId];
    edit_reply(repo: [&Repo], id: [CommentId], body: [&str]) -> [()];
    resolve(repo: [&Repo], number: [ThreadNumber], roots: [&[CommentId]]) -> [()];
    {}
}

relay! { Checks for dyn GitHub:
    create_check(repo: [&Repo], check: [&NewCheck]) -> [CheckRunId];
    annotate(repo: [&Repo], run: [CheckRunId], check: [&NewCheck], batch: [&[Mark]]) -> [()];
    is_concluded(repo: [&Repo], suite: [CheckSuiteId]) -> [bool];
    conclusions(repo: [&Repo], suite: [CheckSuiteId]) -> [Vec<(CheckRunId, Conclusion)>];
    conclude(repo: [&Repo], run: [CheckRunId], conclusion: [Conclusion]) -> [()];
    failed_checks(repo: [&Repo], commit: [&CommitSha]) -> [Vec<FailedCheck>];
    check_runs(repo: [&Repo], commit: [&CommitSha]) -> [Vec<CheckRun>];
    annotations(repo: [&Repo], run: [CheckRunId]) -> [Vec<Annotation>];
    rerun(repo: [&Repo], workflow: [u64]) -> [()];
    was_rerun(repo: [&Repo], workflow: [u64]) -> [bool];
    check(repo: [&Repo], commit: [&CommitSha], external_id: [&str]) -> [Option<PostedCheck>];
    {}
}

relay! { App for dyn GitHub:
    app() -> [AppFacts];
    installations() -> [Vec<(InstallationId, Login)>];
    {
        fn forget(&self, repo: RepoId) {
            self.inner.forget(repo);
        }
    }
}

relay! { Hooks for dyn GitHub:
    attempts(page: [Option<&str>]) -> [Stretch];
    redeliver(attempt: [AttemptId]) -> [()];
    carried(attempt: [AttemptId]) -> [(String, Bytes)];
    {}
}

relay! { Census for dyn GitHub:
    repositories(installation: [InstallationId], page: [u32]) -> [Covered];
    standing(repo: [&Repo], since: [Timestamp]) -> [Vec<Standing>];
    acts(repo: [&Repo], number: [ThreadNumber]) -> [Vec<Act>];
    {}
}

relay! { Checkouts for dyn Checkouts:
    fetch(remote: [&Remote], branch: [&str]) -> [CommitSha];
    fetch_pull(remote: [&Remote], pull: [ThreadNumber]) -> [CommitSha];
    diff(repo: [RepoId], pair: [&Pair], most: [usize]) -> [Diff];
    read(repo: [RepoId], commit: [&CommitSha], path: [&str], max: [u64]) -> [Option<Vec<u8>>];
    restore(repo: [RepoId], base: [&CommitSha], from: [&CommitSha]) -> [Option<Restored>];
    heads(repo: [RepoId]) -> [BTreeMap<String, CommitSha>];
    merges(repo: [RepoId], pairs: [&[Pair]]) -> [Vec<Merge>];
    merge(repo: [RepoId], pair: [&Pair]) -> [Merged];
    begin_merge(repo: [RepoId], pair: [&Pair]) -> [Option<Begun>];
    patch(job: [&Path], trees: [(&TreeSha, &TreeSha)], most: [usize]) -> [Patch];
    differing(repo: [RepoId], job: [&Path], between: [(&CommitSha, &TreeSha)]) -> [(TreeSha, Vec<TreeEntry>)];
    checkout(repo: [RepoId], base: [&CommitSha], branch: [&str], place: [&Place<'_>]) -> [Checkout];
    harvest(repo: [RepoId], checkout: [&Checkout], job: [&Path], limits: [&HarvestLimits]) -> [Harvest];
    narrow(repo: [RepoId], job: [&Path], harvest: [&Harvest], keep: [&[usize]]) -> [TreeSha];
    materialise(repo: [RepoId], tree: [&TreeSha], place: [&Place<'_>]) -> [Tree];
    find_setup(repo: [RepoId], setup: [&Setup<'_>], tree: [&Tree], place: [&Place<'_>]) -> [Option<Tree>];
    keep_setup(repo: [RepoId], setup: [Option<&Setup<'_>>], tree: [&Tree], place: [&Place<'_>]) -> [Tree];
    blob(repo: [RepoId], job: [&Path], blob: [&str]) -> [Vec<u8>];
    tidy(cache: [&Cache], now: [Timestamp]) -> [()];
    remove(job: [&Path]) -> [()];
    {
        async fn holds(&self, repo: RepoId, job: &Path, tree: &TreeSha) -> bool {
            self.inner.holds(repo, job, tree).await
        }
    }
}

#[async_trait::async_trait]
impl Sandbox for Cut<dyn Sandbox> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn isolates(&self) -> bool {
        self.inner.isolates()
    }

    async fn probe(&self) -> Result<String, Unusable> {
        self.inner.probe().await
    }

    fn unenforced(&self) -> Vec<Unenforced> {
        self.inner.unenforced()
    }

    fn owner(&self) -> Option<(u32, u32)> {
        self.inner.owner()
    }

    fn layers(&self) -> bool {
        self.inner.layers()
    }

    /// A run is not made twice: what it did the first time is there the second.
    async fn converse(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        let blow = self.knife.blow("converse");
        match blow {
            Some(Blow::DeadBefore) => return self.knife.die().await,
            Some(Blow::Fails) => return Err(lost("converse")),
            Some(Blow::DeadAfter | Blow::Unanswered | Blow::Twice) | None => {}
        }
        let outcome = self.inner.converse(spec, door, talk, cancel).await;
        match blow {
            Some(Blow::DeadAfter) => self.knife.die().await,
            Some(Blow::Unanswered) => Err(lost("converse")),
            Some(Blow::DeadBefore | Blow::Fails | Blow::Twice) | None => outcome,
        }
    }
}

/// Puts the knife on every port of a context that can fail.
pub(crate) fn laid_on(ctx: &Context, knife: &Arc<Knife>) -> Context {
    fn cut<T: ?Sized>(inner: &Arc<T>, knife: &Arc<Knife>) -> Arc<Cut<T>> {
        Arc::new(Cut {
            inner: inner.clone(),
            knife: knife.clone(),
        })
    }
    Context {
        store: cut(&ctx.store, knife),
        github: cut(&ctx.github, knife),
        checkouts: cut(&ctx.checkouts, knife),
        sandbox: cut(&ctx.sandbox, knife),
        ..ctx.clone()
    }
}
