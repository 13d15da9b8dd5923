//! Stories of tasks, of changes as a whole, and of the audit trail.

use std::sync::Arc;

use prova::domain::ids::{InstallationId, RepoId, RepoName, ThreadKey, ThreadNumber};
use prova::domain::task::{State, Task};
use prova::ports::store::{AuditLine, Changes, Counts, DeliveryState, Store, ThreadTasks};

use crate::world::{
    assert_conflict, at, comment, delivery, effects, new_effect, new_job, queued, repo,
    take_effect, task, task_id, thread,
};

fn written(task: Task, version: i64) -> Changes {
    Changes {
        task: Some((task, version)),
        ..Changes::default()
    }
}

pub(crate) fn line(n: i64, thread: Option<ThreadKey>) -> AuditLine {
    AuditLine {
        at: at(n),
        actor: "alice".to_owned(),
        thread,
        what: "task.queued".to_owned(),
        detail: format!("line {n}"),
    }
}

pub(crate) async fn a_change_is_whole_or_not_at_all(store: Arc<dyn Store>) {
    let here = thread(1, 1);
    store.accept(vec![delivery("d", 1)]).await.unwrap();
    let whole = Changes {
        delivery: Some((
            delivery("d", 1).id,
            DeliveryState::Done("queued".to_owned()),
        )),
        effects: vec![new_effect("e", here, comment("hello"))],
        audit: vec![line(5, Some(here))],
        ..queued(here, at(5))
    };
    // The last part fails: the thread of an effect that is there is another one.
    let elsewhere = effects(vec![new_effect("taken", thread(9, 9), comment("x"))]);
    store.commit(&elsewhere, at(1)).await.unwrap();
    let mut broken = whole.clone();
    broken.effects.push(new_effect("taken", here, comment("y")));
    store.commit(&broken, at(5)).await.unwrap_err();
    let untouched = Counts {
        deliveries_pending: 1,
        effects_pending: 1,
        ..Counts::default()
    };
    assert_eq!(store.counts().await.unwrap(), untouched);
    assert_eq!(
        store.thread_tasks(here).await.unwrap(),
        ThreadTasks::default()
    );
    assert_eq!(store.audit(None, 10).await.unwrap(), []);

    store.commit(&whole, at(5)).await.unwrap();
    let all = Counts {
        jobs_queued: 1,
        effects_pending: 2,
        ..Counts::default()
    };
    assert_eq!(store.counts().await.unwrap(), all);
    assert_conflict(store.commit(&whole, at(6)).await);
    assert_eq!(store.counts().await.unwrap(), all);
    assert_eq!(store.audit(None, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_task_is_written_at_the_version_it_was_read_at(store: Arc<dyn Store>) {
    let id = task_id(thread(1, 1), 1);
    let first = task(id);
    store
        .commit(&written(first.clone(), 0), at(10))
        .await
        .unwrap();
    let read = store.task(id).await.unwrap().unwrap();
    assert_eq!((&read.task, read.version), (&first, 1));
    assert_eq!(read.updated_at, at(10));

    let second = Task {
        state: State::Running,
        pull: Some(ThreadNumber(12)),
        ..first.clone()
    };
    store
        .commit(&written(second.clone(), 1), at(20))
        .await
        .unwrap();
    let read = store.task(id).await.unwrap().unwrap();
    assert_eq!((&read.task, read.version), (&second, 2));
    assert_eq!(read.updated_at, at(20));

    assert_conflict(store.commit(&written(first.clone(), 1), at(30)).await);
    assert_conflict(store.commit(&written(first.clone(), 3), at(30)).await);
    assert_conflict(store.commit(&written(first, 0), at(30)).await);
    let unknown = task(task_id(thread(5, 5), 1));
    assert_conflict(store.commit(&written(unknown, 1), at(30)).await);
    assert_eq!(store.task(id).await.unwrap().unwrap(), read);
}

pub(crate) async fn a_thread_has_one_open_task(store: Arc<dyn Store>) {
    let here = thread(1, 1);
    let (first, second) = (task(task_id(here, 1)), task(task_id(here, 2)));
    store
        .commit(&written(first.clone(), 0), at(1))
        .await
        .unwrap();
    assert_conflict(store.commit(&written(second.clone(), 0), at(2)).await);
    let elsewhere = task(task_id(thread(2, 1), 1));
    store.commit(&written(elsewhere, 0), at(2)).await.unwrap();

    let closed = Task {
        state: State::Closed,
        ..first
    };
    store.commit(&written(closed, 1), at(3)).await.unwrap();
    let none_open = store.thread_tasks(here).await.unwrap();
    assert_eq!((none_open.open, none_open.count), (None, 1));
    store
        .commit(&written(second.clone(), 0), at(4))
        .await
        .unwrap();
    let tasks = store.thread_tasks(here).await.unwrap();
    assert_eq!(tasks.open.map(|open| open.task), Some(second));
    assert_eq!(tasks.count, 2);
}

pub(crate) async fn a_task_is_found_by_its_pull_request_while_it_is_open(store: Arc<dyn Store>) {
    let open = Task {
        pull: Some(ThreadNumber(7)),
        ..task(task_id(thread(1, 1), 1))
    };
    store
        .commit(&written(open.clone(), 0), at(1))
        .await
        .unwrap();
    let found = |repo, pull| store.task_by_pull(RepoId(repo), ThreadNumber(pull));
    assert_eq!(
        found(1, 7).await.unwrap().map(|v| v.task),
        Some(open.clone())
    );
    assert_eq!(found(1, 1).await.unwrap(), None);
    assert_eq!(found(2, 7).await.unwrap(), None);
    let merged = Task {
        state: State::Merged,
        ..open
    };
    store.commit(&written(merged, 1), at(2)).await.unwrap();
    assert_eq!(found(1, 7).await.unwrap(), None);
}

pub(crate) async fn tasks_are_listed_last_written_first(store: Arc<dyn Store>) {
    let tasks = [1, 2, 3].map(|n| task(task_id(thread(1, n), 1)));
    for (n, task) in (1..).zip(&tasks) {
        store
            .commit(&written(task.clone(), 0), at(n))
            .await
            .unwrap();
    }
    let merged = Task {
        state: State::Merged,
        ..tasks[0].clone()
    };
    store
        .commit(&written(merged.clone(), 1), at(9))
        .await
        .unwrap();
    let listed = |open_only, limit| {
        let store = Arc::clone(&store);
        async move {
            let tasks = store.tasks(open_only, limit).await.unwrap();
            tasks
                .into_iter()
                .map(|v| v.task.id.thread.number.0)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(false, 10).await, [1, 3, 2]);
    assert_eq!(listed(false, 2).await, [1, 3]);
    assert_eq!(listed(true, 10).await, [3, 2]);
}

pub(crate) async fn open_tasks_of_an_installation_or_of_repositories(store: Arc<dyn Store>) {
    // Repositories 1 and 3 belong to installation 101, repository 2 to 100.
    for repo in [1, 2, 3] {
        for number in [1, 2] {
            let mut task = task(task_id(thread(repo, number), 1));
            if number == 2 {
                task.state = State::Closed;
            }
            store.commit(&written(task, 0), at(1)).await.unwrap();
        }
    }
    let of = async |installation: Option<u64>, repos: &[u64]| {
        let repos: Vec<_> = repos.iter().map(|id| RepoId(*id)).collect();
        let found = store
            .open_tasks_of(installation.map(InstallationId), &repos)
            .await
            .unwrap();
        found.iter().map(|v| v.task.repo.id.0).collect::<Vec<_>>()
    };
    assert_eq!(of(Some(101), &[]).await, [1, 3]);
    assert_eq!(of(Some(100), &[]).await, [2]);
    assert_eq!(of(None, &[3, 2, 9]).await, [2, 3]);
    assert_eq!(of(Some(101), &[1, 2]).await, [1, 2, 3], "each once");
    assert_eq!(of(None, &[]).await, Vec::<u64>::new());
}

pub(crate) async fn a_rename_reaches_open_tasks_and_unsent_effects(store: Arc<dyn Store>) {
    let over = Task {
        state: State::Closed,
        ..task(task_id(thread(1, 1), 1))
    };
    let open = task(task_id(thread(1, 2), 1));
    let other = task(task_id(thread(2, 1), 1));
    for task in [&over, &open, &other] {
        store
            .commit(&written(task.clone(), 0), at(1))
            .await
            .unwrap();
    }
    let recorded = effects(vec![
        new_effect("here", thread(1, 2), comment("x")),
        new_effect("there", thread(2, 1), comment("x")),
    ]);
    store.commit(&recorded, at(1)).await.unwrap();

    let to: RepoName = "new-owner/new-name".parse().unwrap();
    store.rename(RepoId(1), &to).await.unwrap();

    let read = store.task(open.id).await.unwrap().unwrap();
    assert_eq!(read.task.repo.name, to);
    assert_conflict(store.commit(&written(open, 1), at(2)).await);
    let unchanged = store.task(over.id).await.unwrap().unwrap();
    assert_eq!(unchanged.task, over);
    assert_eq!(store.task(other.id).await.unwrap().unwrap().task, other);
    for _ in 0..2 {
        let effect = take_effect(&*store, 1).await.unwrap();
        let expected = if effect.thread.repo.0 == 1 {
            to.clone()
        } else {
            repo(2).name
        };
        assert_eq!(effect.repo.name, expected);
    }
}

pub(crate) async fn the_audit_trail_keeps_its_end(store: Arc<dyn Store>) {
    let (here, there) = (thread(1, 1), thread(1, 2));
    for n in 0..6 {
        let thread = [Some(here), Some(there), None][n % 3];
        let changes = Changes {
            audit: vec![line(i64::try_from(n).unwrap(), thread)],
            ..Changes::default()
        };
        store.commit(&changes, at(9)).await.unwrap();
    }
    assert_eq!(
        store.audit(Some(here), 10).await.unwrap(),
        [line(0, Some(here)), line(3, Some(here))]
    );
    assert_eq!(
        store.audit(None, 2).await.unwrap(),
        [line(4, Some(there)), line(5, None)]
    );
    let job_of_nobody = Changes {
        job: Some(new_job(task_id(thread(7, 7), 1), 1, at(0))),
        audit: vec![line(9, None)],
        ..Changes::default()
    };
    assert_conflict(store.commit(&job_of_nobody, at(9)).await);
    assert_eq!(store.audit(None, 10).await.unwrap().len(), 6);
}
