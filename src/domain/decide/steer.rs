//! Handing what waits to the agent that is at work: one job, and one change, for both.
//!
//! What is handed on stays what a person has asked for: it is done with the rights, and paid from the
//! budget, of who asked for the job.

use crate::domain::decide::Decision;
use crate::domain::decide::next::MOST;
use crate::domain::decide::statuses::{answers_of, status_of};
use crate::domain::ids::JobId;
use crate::domain::integration::Mending;
use crate::domain::job::{Performer, Performers, Request, Wanted, Work};
use crate::domain::prompt::since;
use crate::domain::render::parts::Links;
use crate::domain::task::{State, Task};

/// Decides what it changes that the agent of a job, which runs, has done what it has: it is handed the
/// request that has waited longest. `None` when there is none, or none that it can take.
#[must_use]
pub fn steer(task: &Task, job: JobId, links: &Links) -> Option<(Decision, Request)> {
    if task.state != State::Running || task.job() != job {
        return None;
    }
    let task = handed(task)?;
    let request = task.work.steered.last()?.clone();
    let mut effects = vec![status_of(&task, links)];
    effects.extend(answers_of(&task, links));
    let decision = Decision {
        reasons: vec![format!(
            "job {job}: its agent is handed one more request by {}",
            request.by.login
        )],
        task: Some(task),
        effects,
        ..Decision::default()
    };
    Some((decision, request))
}

/// Returns whether all that waits could be handed, one after another, to the agent that does what was
/// asked last.
#[must_use]
pub fn could_be_handed(task: &Task) -> bool {
    let mut task = task.clone();
    while let Some(next) = handed(&task) {
        task = next;
    }
    task.waiting.is_empty()
}

/// Returns the task with what has waited longest as part of what is done.
fn handed(task: &Task) -> Option<Task> {
    let next = task.waiting.first().filter(|next| fits(&task.work, next))?;
    let mut steered = task.work.steered.clone();
    steered.push(next.request.clone());
    Some(Task {
        work: Work {
            steered,
            ..task.work.clone()
        },
        waiting: task.waiting.iter().skip(1).cloned().collect(),
        // A person has asked for something.
        mending: Mending::default(),
        ..task.clone()
    })
}

/// Returns whether an agent that is at work for the one can do the other as well.
fn fits(work: &Work, next: &Work) -> bool {
    let same_agent = match (&work.performers, &next.performers) {
        (
            Performers::One(ours @ (Performer::DefaultAgent | Performer::Named(_))),
            Performers::One(theirs @ (Performer::DefaultAgent | Performer::Named(_))),
        ) => ours == theirs,
        (Performers::One(_) | Performers::Race(_), _) => false,
    };
    // A job is paid by one person, who stands in its commit.
    let same_person = work.request.by.id == next.request.by.id;
    let both = [work, next];
    let asked = both.iter().all(|work| !work.is_upkeep());
    let changes = both
        .iter()
        .all(|work| work.request.wanted == Wanted::Change);
    // What is to be done by a plan is not what an agent does on the side.
    let says = !next.request.text.trim().is_empty() || next.request.review.is_some();
    let plain = says && next.request.plan.is_none() && next.request.sign.is_none();
    // What was heard of twice is answered in one place.
    let again = work.asked().any(|(_, one)| is_same(one, &next.request));
    same_agent
        && !again
        && same_person
        && asked
        && changes
        && plain
        && work.steered.len() < MOST
        && since::has_room(work, &next.request)
}

fn is_same(one: &Request, other: &Request) -> bool {
    let review = |request: &Request| request.review.as_ref().map(|review| review.id);
    let both = |one: Option<_>, other| one.is_some() && one == other;
    (one.noted.is_some() && one.noted == other.noted) || both(review(one), review(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::branch::BranchName;
    use crate::domain::effect::{EffectKey, ReactionTarget};
    use crate::domain::event::{Thread, ThreadKind};
    use crate::domain::evidence::Ending;
    use crate::domain::footing::Footing;
    use crate::domain::home::Home;
    use crate::domain::ids::{
        CommentId, CommitSha, InstallationId, Login, RepoId, TaskId, ThreadKey, ThreadNumber,
    };
    use crate::domain::job::{Briefed, Entry, PassedOver, Progress, Sign, Step};
    use crate::domain::repo::{Actor, ActorKind, Repo};
    use crate::domain::time::{Span, Timestamp};
    use crate::domain::traffic::Traffic;

    fn asked(text: &str) -> Work {
        numbered(9, text)
    }

    /// What the comment of that number asks for; what runs was asked for without an answer.
    fn numbered(comment: u64, text: &str) -> Work {
        Work {
            performers: Performers::One(Performer::DefaultAgent),
            request: Request {
                by: Actor {
                    login: Login::new("ada"),
                    id: 1,
                    kind: ActorKind::Person,
                },
                at: Timestamp::EPOCH,
                text: text.to_owned(),
                thread: Thread {
                    number: ThreadNumber(1),
                    kind: ThreadKind::Issue,
                    title: "Mend it".to_owned(),
                    body: String::new(),
                    author: Login::new("ada"),
                    insider: true,
                    labels: Vec::new(),
                    open: true,
                    locked: false,
                    comments: 0,
                },
                remarks: Vec::new(),
                linked: Vec::new(),
                place: None,
                wanted: Wanted::Change,
                plan: None,
                occasion: None,
                review: None,
                sign: None,
                noted: (comment > 0).then_some(ReactionTarget::Comment(CommentId(comment))),
            },
            steered: Vec::new(),
            resolve: None,
        }
    }

    fn running(waiting: Vec<Work>) -> Task {
        Task {
            id: TaskId {
                thread: ThreadKey {
                    repo: RepoId(1),
                    number: ThreadNumber(1),
                },
                ordinal: 1,
            },
            repo: Repo {
                id: RepoId(1),
                name: "acme/greeter".parse().unwrap(),
                installation: InstallationId(1),
                default_branch: "main".to_owned(),
                archived: false,
            },
            work: numbered(0, "mend it"),
            state: State::Running,
            jobs: 1,
            branch: BranchName::for_thread(ThreadNumber(1), "Mend it"),
            home: Home::Own,
            red: None,
            head: None,
            pull: None,
            last: None,
            stopped_by: None,
            follow_up: None,
            undone: None,
            waiting,
            aside: None,
            work_job: None,
            plan: None,
            budget: None,
            mending: Mending::default(),
            footing: Footing::default(),
        }
    }

    fn links() -> Links {
        Links {
            web_url: "https://github.test".to_owned(),
            slug: "prova".to_owned(),
            pages: None,
        }
    }

    fn named(name: &str) -> Performers {
        Performers::One(Performer::Named(name.parse().unwrap()))
    }

    #[test]
    fn the_front_of_the_line_becomes_part_of_what_runs() {
        let task = running(vec![asked("and this"), numbered(10, "and that")]);
        assert!(could_be_handed(&task));
        let (decision, request) = steer(&task, task.job(), &links()).unwrap();
        let next = decision.task.unwrap();
        assert_eq!(request.text, "and this");
        assert_eq!(next.work.steered, [request]);
        assert_eq!(next.waiting, [numbered(10, "and that")]);
        assert_eq!((&next.state, next.jobs), (&task.state, task.jobs));
        let thread = task.id.thread;
        let answer = EffectKey::reply(ReactionTarget::Comment(CommentId(9)), thread);
        let told = decision.effects.iter().any(|(key, _, _)| *key == answer);
        assert!(told, "{:?}", decision.effects);
    }

    #[test]
    fn what_the_agent_cannot_take_waits_on_and_so_does_what_is_behind_it() {
        let mut others = Vec::new();
        let mut with = |why: &'static str, change: fn(&mut Work)| {
            let mut work = asked("and this");
            change(&mut work);
            others.push((why, work));
        };
        with("another agent", |work| work.performers = named("codex"));
        with("a recipe", |work| {
            let name = "typos".parse().unwrap();
            work.performers = Performers::One(Performer::Recipe { name, input: None });
        });
        with("a race", |work| {
            work.performers = Performers::Race(vec!["codex".parse().unwrap()]);
        });
        with("another person", |work| work.request.by.id = 2);
        with("a question", |work| work.request.wanted = Wanted::Answer);
        with("a plan", |work| {
            work.request.plan = Some("1. Mend it.".to_owned());
        });
        with("a label", |work| {
            work.request.sign = Some(Sign::Label("prova".to_owned()));
        });
        with("a merge", |work| work.resolve = Some("main".to_owned()));
        with("a bot", |work| work.request.by.kind = ActorKind::Bot);
        with("no words", |work| work.request.text.clear());
        for (why, other) in others {
            let task = running(vec![other, numbered(10, "and that")]);
            assert_eq!(steer(&task, task.job(), &links()), None, "{why}");
            assert!(!could_be_handed(&task), "{why}");
            // What could not be handed to another either.
            let task = Task {
                work: task.waiting[0].clone(),
                waiting: vec![numbered(10, "and that")],
                ..task
            };
            if why != "a label" && why != "a plan" && why != "no words" {
                assert_eq!(steer(&task, task.job(), &links()), None, "behind {why}");
            }
        }
    }

    #[test]
    fn who_named_an_agent_hands_more_to_that_one() {
        let mut task = running(vec![asked("and this")]);
        task.work.performers = named("codex");
        assert_eq!(steer(&task, task.job(), &links()), None);
        task.waiting[0].performers = named("codex");
        assert!(steer(&task, task.job(), &links()).is_some());
    }

    #[test]
    fn nothing_is_handed_to_what_does_not_run() {
        let ready = running(vec![asked("and this")]);
        let job = ready.job();
        for state in [
            State::Queued,
            State::Publishing,
            State::InReview,
            State::Blocked,
            State::Stopped,
            State::Merged,
            State::Closed,
            State::Answered,
        ] {
            let task = Task {
                state,
                ..ready.clone()
            };
            assert_eq!(steer(&task, job, &links()), None, "{:?}", task.state);
        }
        let later = Task { jobs: 2, ..ready };
        assert_eq!(steer(&later, job, &links()), None, "an earlier job");
    }

    #[test]
    fn what_is_heard_of_twice_is_handed_on_once() {
        let task = running(vec![asked("and this"), asked("and this")]);
        let next = steer(&task, task.job(), &links()).unwrap().0.task.unwrap();
        assert_eq!(steer(&next, next.job(), &links()), None);
    }

    /// What became of a job whose journal has these lines after its brief.
    fn folded(entries: impl IntoIterator<Item = Entry>) -> Progress {
        let commit = CommitSha::new("b".repeat(40));
        let briefed = Entry::Briefed(Briefed {
            base: commit.clone(),
            on_branch: false,
            policy_commit: commit,
            brief_digest: String::new(),
            agent: "codex".to_owned(),
            restored: None,
            wanted: Wanted::Change,
            merge: None,
        });
        Progress::fold([briefed].into_iter().chain(entries))
    }

    #[test]
    fn what_was_handed_on_is_part_of_the_job_however_often_it_begins() {
        let handed =
            || ["and this", "and that"].map(|text| Entry::Steered(Box::new(asked(text).request)));
        let texts = |progress: &Progress| {
            let texts = progress.steered.iter().map(|one| one.text.clone());
            texts.collect::<Vec<_>>()
        };
        let progress = folded(handed());
        assert_eq!(progress.next(), Step::Run, "the agent runs on");
        let died = progress.resume(false);
        assert_eq!(
            (died.next(), texts(&died)),
            (
                Step::Brief,
                vec!["and this".to_owned(), "and that".to_owned()]
            )
        );
        let over = Entry::PassedOver(Box::new(PassedOver {
            agent: "codex".to_owned(),
            ending: Ending::Exited(1),
            took: Span::ZERO,
            traffic: Traffic::default(),
        }));
        let passed_over = folded(handed().into_iter().chain([over]));
        assert_eq!(
            (passed_over.next(), texts(&passed_over)),
            (Step::Brief, texts(&died))
        );
        let [first, _] = handed();
        let stored = serde_json::to_string(&first).unwrap();
        assert!(stored.starts_with(r#"{"step":"steered","#), "{stored}");
        assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), first);
        assert_eq!(first.told(), "handed on: one more request by ada");
    }

    #[test]
    fn a_job_takes_so_many_and_no_more() {
        let many = (1..).take(MOST).map(|n| numbered(n, "and this"));
        let mut task = running(many.collect());
        for _ in 0..MOST {
            task = steer(&task, task.job(), &links()).unwrap().0.task.unwrap();
        }
        task.waiting = vec![numbered(99, "and this")];
        assert_eq!(steer(&task, task.job(), &links()), None);
    }
}
