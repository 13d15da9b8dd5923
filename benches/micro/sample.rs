//! A thread, a request and a report as they are on a usual day.

use prova::domain::branch::BranchName;
use prova::domain::change::{ChangeKind, Entry, Mode, RepoPath};
use prova::domain::event::{Happening, Thread, ThreadEvent, ThreadKind};
use prova::domain::evidence::{Ending, Evidence};
use prova::domain::footing::Footing;
use prova::domain::home::Home;
use prova::domain::ids::{
    CommitSha, InstallationId, JobId, Login, RepoId, RepoName, TaskId, ThreadKey, ThreadNumber,
    TreeSha,
};
use prova::domain::integration::Mending;
use prova::domain::job::{Performer, Performers, Request, Told, Wanted, Work};
use prova::domain::render::parts::Links;
use prova::domain::repo::{Actor, ActorKind, Repo};
use prova::domain::report::{Changed, Outcome, Report, RunFacts};
use prova::domain::task::{State, Task};
use prova::domain::time::{Span, Timestamp};
use prova::domain::traffic::Traffic;

/// When everything happens.
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// The most that GitHub takes in one comment.
pub(crate) const LONGEST: usize = 65_536;

pub(crate) fn links() -> Links {
    Links {
        web_url: "https://github.com".to_owned(),
        slug: "prova".to_owned(),
        pages: None,
    }
}

pub(crate) fn repo(id: u64) -> Repo {
    Repo {
        id: RepoId(id),
        name: RepoName {
            owner: "octo".to_owned(),
            name: format!("r{id}"),
        },
        installation: InstallationId(1),
        default_branch: "main".to_owned(),
        archived: false,
    }
}

fn alice() -> Actor {
    Actor {
        login: Login::new("alice"),
        id: 7,
        kind: ActorKind::Person,
    }
}

fn thread(number: u64) -> Thread {
    Thread {
        number: ThreadNumber(number),
        kind: ThreadKind::Issue,
        title: "Fix the typo in the readme".to_owned(),
        body: "It says `teh`.\n".repeat(40),
        author: Login::new("alice"),
        insider: true,
        labels: vec!["bug".to_owned(), "prova".to_owned()],
        open: true,
        locked: false,
        comments: 0,
    }
}

/// Somebody has put the label on an issue.
pub(crate) fn labelled() -> ThreadEvent {
    ThreadEvent {
        repo: repo(1),
        actor: alice(),
        thread: thread(1),
        what: Happening::Labeled("prova".to_owned()),
        at: AT,
    }
}

/// A task on a thread of its own, with a job that waits.
pub(crate) fn task(repo_id: u64, number: u64) -> Task {
    Task {
        id: TaskId {
            thread: ThreadKey {
                repo: RepoId(repo_id),
                number: ThreadNumber(number),
            },
            ordinal: 1,
        },
        repo: repo(repo_id),
        work: Work {
            resolve: None,
            performers: Performers::One(Performer::DefaultAgent),
            request: Request {
                by: alice(),
                at: AT,
                text: String::new(),
                thread: thread(number),
                remarks: Vec::new(),
                linked: Vec::new(),
                place: None,
                wanted: Wanted::Change,
                plan: None,
                occasion: None,
                sign: None,
                review: None,
                noted: None,
            },
            steered: Vec::new(),
        },
        state: State::Queued,
        jobs: 1,
        branch: BranchName::for_thread(ThreadNumber(number), "Fix the typo"),
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

/// A task whose pull request is open, with three checks and twenty files.
pub(crate) fn reviewed() -> Task {
    let mut task = task(1, 1);
    task.state = State::InReview;
    task.pull = Some(ThreadNumber(2));
    task.last = Some(report(task.id));
    task
}

pub(crate) fn report(task: TaskId) -> Report {
    let sha = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    Report {
        job: JobId { task, ordinal: 1 },
        outcome: Outcome::Proposed,
        run: Some(RunFacts {
            told: Told::default(),
            agent: "claude".to_owned(),
            ending: Ending::Exited(0),
            took: Span::seconds(61),
            excerpt: "I have corrected the spelling.\n".repeat(20),
            log_digest: digest.to_owned(),
            sandbox: "bubblewrap".to_owned(),
            brief_digest: digest.to_owned(),
            base: CommitSha::new(sha),
        }),
        changes: (0..20)
            .map(|n| Changed {
                path: RepoPath::new(format!("src/part/file{n}.rs").into_bytes()),
                kind: ChangeKind::Modified(Entry {
                    mode: Mode::File,
                    blob: sha.to_owned(),
                    bytes: 4_000,
                }),
            })
            .collect(),
        refused: Vec::new(),
        protected: Vec::new(),
        leaks: Vec::new(),
        passed_over: Vec::new(),
        rivals: Vec::new(),
        resolves: Vec::new(),
        offer: None,
        evidence: ["cargo build", "cargo test", "cargo clippy"]
            .map(|command| Evidence {
                command: command.to_owned(),
                ending: Ending::Exited(0),
                took: Span::seconds(12),
                log_digest: digest.to_owned(),
                excerpt: "test result: ok. 120 passed; 0 failed\n".repeat(10),
                places: Vec::new(),
            })
            .to_vec(),
        commit: Some((CommitSha::new(sha), TreeSha::new(sha))),
        claim: None,
        traffic: Traffic::default(),
    }
}
