//! Small builders: a thread, a task on it, its job, its effects.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use prova::domain::branch::BranchName;
use prova::domain::effect::{Effect, EffectKey};
use prova::domain::event::{Thread, ThreadKind};
use prova::domain::footing::Footing;
use prova::domain::home::Home;
use prova::domain::ids::{
    CommitSha, DeliveryId, InstallationId, JobId, Login, RepoId, RepoName, TaskId, ThreadKey,
    ThreadNumber,
};
use prova::domain::integration::Mending;
use prova::domain::job::{Entry, Performer, Performers, Request, Wanted, Work};
use prova::domain::repo::{Actor, ActorKind, Repo};
use prova::domain::task::{State, Task};
use prova::domain::time::Timestamp;
use prova::ports::fault::{Class, Fault};
use prova::ports::store::{
    Changes, EffectEnd, EffectLease, JobEnd, LeasedEffect, LeasedJob, NewDelivery, NewEffect,
    NewJob, Store,
};

/// A store, and what has to stay while it is in use.
/// A story of a store, in a process that tells several.
pub(crate) type Story = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) _keep: Box<dyn std::any::Any + Send>,
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn thread(repo: u64, number: u64) -> ThreadKey {
    ThreadKey {
        repo: RepoId(repo),
        number: ThreadNumber(number),
    }
}

pub(crate) fn repo(id: u64) -> Repo {
    Repo {
        id: RepoId(id),
        name: RepoName {
            owner: "octo".to_owned(),
            name: format!("r{id}"),
        },
        installation: InstallationId(100 + id % 2),
        default_branch: "main".to_owned(),
        archived: false,
    }
}

pub(crate) fn task_id(thread: ThreadKey, ordinal: u32) -> TaskId {
    TaskId { thread, ordinal }
}

pub(crate) fn task(id: TaskId) -> Task {
    Task {
        id,
        repo: repo(id.thread.repo.0),
        work: work(id.thread),
        state: State::Queued,
        jobs: 1,
        branch: branch("prova/1-typo"),
        head: None,
        pull: None,
        last: None,
        stopped_by: None,
        follow_up: None,
        undone: None,
        waiting: Vec::new(),
        aside: None,
        work_job: None,
        plan: None,
        budget: None,
        mending: Mending::default(),
        footing: Footing::default(),
        home: Home::Own,
        red: None,
    }
}

pub(crate) fn branch(name: &str) -> BranchName {
    serde_json::from_value(name.into()).unwrap()
}

pub(crate) fn job_id(task: TaskId, ordinal: u32) -> JobId {
    JobId { task, ordinal }
}

pub(crate) fn work(thread: ThreadKey) -> Work {
    Work {
        resolve: None,
        steered: vec![],
        performers: Performers::One(Performer::DefaultAgent),
        request: Request {
            by: Actor {
                login: Login::new("alice"),
                id: 7,
                kind: ActorKind::Person,
            },
            at: at(1),
            text: "please".to_owned(),
            thread: Thread {
                number: thread.number,
                kind: ThreadKind::Issue,
                title: "Fix the \"typo\" – всё".to_owned(),
                body: "b".to_owned(),
                author: Login::new("bob"),
                insider: true,
                labels: vec![],
                open: true,
                locked: false,
                comments: 0,
            },
            remarks: vec![],
            linked: vec![],
            place: None,
            wanted: Wanted::Change,
            plan: None,
            occasion: None,
            sign: None,
            review: None,
            noted: None,
        },
    }
}

pub(crate) fn new_job(task: TaskId, ordinal: u32, not_before: Timestamp) -> NewJob {
    NewJob {
        id: job_id(task, ordinal),
        work: work(task.thread),
        not_before,
    }
}

pub(crate) fn entry(commit: &str) -> Entry {
    Entry::Committed {
        commit: CommitSha::new(commit),
    }
}

pub(crate) fn comment(body: &str) -> Effect {
    Effect::Comment {
        body: body.to_owned(),
    }
}

pub(crate) fn key(text: &str) -> EffectKey {
    EffectKey::stored(text.to_owned())
}

pub(crate) fn new_effect(name: &str, thread: ThreadKey, effect: Effect) -> NewEffect {
    NewEffect {
        key: key(name),
        thread,
        task: Some(task_id(thread, 1)),
        repo: repo(thread.repo.0),
        effect,
    }
}

pub(crate) fn delivery(id: &str, received_at: i64) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::new(id),
        event: "issues".to_owned(),
        body: format!("{{\"id\":\"{id}\"}}").into_bytes().into(),
        received_at: at(received_at),
    }
}

/// A task on the thread with a queued job, both new.
pub(crate) fn queued(thread: ThreadKey, not_before: Timestamp) -> Changes {
    let id = task_id(thread, 1);
    Changes {
        task: Some((task(id), 0)),
        job: Some(new_job(id, 1, not_before)),
        ..Changes::default()
    }
}

/// The same, in a repository of that installation.
pub(crate) fn queued_of(installation: u64, thread: ThreadKey, not_before: Timestamp) -> Changes {
    let mut changes = queued(thread, not_before);
    if let Some((task, _)) = &mut changes.task {
        task.repo.installation = InstallationId(installation);
    }
    changes
}

/// The same, asked for by somebody on a pull request.
pub(crate) fn in_conversation(mut changes: Changes) -> Changes {
    if let Some(job) = &mut changes.job {
        job.work.request.thread.kind = ThreadKind::Pull;
    }
    changes
}

pub(crate) fn effects(effects: Vec<NewEffect>) -> Changes {
    Changes {
        effects,
        ..Changes::default()
    }
}

pub(crate) fn job_over(job: &LeasedJob) -> Changes {
    job_ends(job, JobEnd::Over("proposed".to_owned()))
}

pub(crate) fn job_ends(job: &LeasedJob, end: JobEnd) -> Changes {
    Changes {
        job_end: Some((job.lease.clone(), end)),
        ..Changes::default()
    }
}

pub(crate) fn journalled(job: &LeasedJob, entry: Entry) -> Changes {
    Changes {
        entry: Some((job.lease.clone(), entry)),
        ..Changes::default()
    }
}

pub(crate) fn cancelled(task: TaskId) -> Changes {
    Changes {
        cancel: Some(task),
        ..Changes::default()
    }
}

pub(crate) fn effect_ends(effect: &LeasedEffect, end: EffectEnd) -> Changes {
    Changes {
        effect_end: Some((
            EffectLease {
                key: effect.key.clone(),
                version: effect.version,
                attempt: effect.attempt,
            },
            end,
        )),
        ..Changes::default()
    }
}

/// Takes a job with a lease of a minute.
pub(crate) async fn take_job(store: &dyn Store, now: i64) -> Option<LeasedJob> {
    store
        .lease_job("w", at(now), at(now + 60_000))
        .await
        .unwrap()
}

/// Takes an effect with a lease of two minutes.
pub(crate) async fn take_effect(store: &dyn Store, now: i64) -> Option<LeasedEffect> {
    store
        .lease_effect("w", at(now), at(now + 120_000))
        .await
        .unwrap()
}

/// Takes an effect and returns its key.
pub(crate) async fn take_key(store: &dyn Store, now: i64) -> Option<String> {
    take_effect(store, now)
        .await
        .map(|effect| effect.key.as_str().to_owned())
}

/// Fails unless the change was refused because something it assumed does not hold.
#[track_caller]
pub(crate) fn assert_conflict(result: Result<(), Fault>) {
    match result {
        Err(fault) => assert_eq!(fault.class, Class::Conflict, "{fault}"),
        Ok(()) => panic!("the change was made although what it assumed does not hold"),
    }
}
