//! What follows from failing checks of others on a commit of ours: they run once more, a job is to mend
//! them, or a person is asked. Each failure has so many rounds, and all of them together have an end.

use std::collections::BTreeSet;

use crate::domain::decide::Decision;
use crate::domain::decide::agents::Agents;
use crate::domain::decide::next::queued;
use crate::domain::decide::statuses::{question_of, status_of};
use crate::domain::effect::{Effect, EffectKey};
use crate::domain::fallback::lineup;
use crate::domain::ids::CommitSha;
use crate::domain::integration::{
    Again, Check, Failing, Found, MOST_ROUNDS, Mending, Occasion, Seen,
};
use crate::domain::job::{Performer, Performers, Request, Work};
use crate::domain::name::Name;
use crate::domain::policy::{Ci, Policy, Role};
use crate::domain::render::parts::Links;
use crate::domain::task::{State, Task};
use crate::domain::time::Timestamp;

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// No check has anything against the commit, or only such as have it against the base, too.
    Rest,
    /// These run once more.
    Again(Vec<&'a Failing>),
    /// A job is to mend these.
    Mend(Vec<&'a Failing>),
    /// A person has to look at these.
    Ask(Vec<&'a Failing>),
}

/// Returns what follows from what was found.
#[must_use]
pub fn next<'a>(found: &'a Found, task: &Task, ci: Ci) -> Next<'a> {
    let mending = &task.mending;
    let ours: Vec<&Failing> = found.failing.iter().filter(|one| !one.on_base).collect();
    if ours.is_empty() {
        return Next::Rest;
    }
    // Whoever has taken something back says what is next.
    let mine = task.undone.is_none();
    let again = ours
        .iter()
        .filter(|one| one.workflow.is_some() && !mending.was_rerun(&found.commit, &one.check));
    let again: Vec<_> = again.copied().collect();
    if ci.rerun && mine && !again.is_empty() {
        return Next::Again(again);
    }
    let rounds = if mine { ci.rounds } else { 0 };
    let left = ours
        .iter()
        .filter(|one| mending.spent(&one.signature) < rounds);
    let left: Vec<_> = left.copied().collect();
    if left.is_empty() || mending.jobs >= MOST_ROUNDS {
        Next::Ask(ours)
    } else {
        Next::Mend(left)
    }
}

/// What a decision about failing checks looks at, beside the task.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The repository's policy.
    pub policy: &'a Policy,
    /// The agents of the server's settings.
    pub agents: &'a Agents,
    /// How texts link and mention.
    pub links: &'a Links,
    /// Now.
    pub now: Timestamp,
}

/// Decides what follows for a task whose pull request is in review and has that commit at its head.
#[must_use]
pub fn decide(task: &Task, found: &Found, around: &Around<'_>) -> Decision {
    match next(found, task, around.policy.ci) {
        Next::Rest => rest(task, found, around.links),
        Next::Again(failing) => again(task, found, (&failing, around.links)),
        Next::Mend(failing) => match work(task, found, (&failing, around)) {
            Some(work) => mend(task, work, (&failing, around.links)),
            None => ask(task, found, (&failing, around.links)),
        },
        Next::Ask(failing) => ask(task, found, (&failing, around.links)),
    }
}

/// What people are told of the head beside what has to be done.
fn seen(task: &Task, found: &Found) -> Seen {
    let mending = &task.mending;
    let on_base = found.failing.iter().filter(|one| one.on_base);
    let flaky = |check: &&Check| mending.was_rerun(&found.commit, check);
    let fails = |check: &Check| found.failing.iter().any(|one| one.check == *check);
    Seen {
        commit: found.commit.clone(),
        asked: Vec::new(),
        on_base: on_base.map(|one| one.check.clone()).collect(),
        again: Vec::new(),
        flaky: found
            .passing
            .iter()
            .filter(flaky)
            .filter(|check| !fails(check))
            .cloned()
            .collect(),
    }
}

fn rest(task: &Task, found: &Found, links: &Links) -> Decision {
    let seen = seen(task, found);
    let told = !seen.on_base.is_empty() || !seen.flaky.is_empty();
    let reason = format!("task {}: no check has anything against its commit", task.id);
    told_by(task, told.then_some(seen), links, reason)
}

fn ask(task: &Task, found: &Found, (failing, links): (&[&Failing], &Links)) -> Decision {
    let mending = &task.mending;
    let asked = failing.iter();
    let asked = asked.map(|one| (one.check.clone(), mending.spent(&one.signature)));
    let seen = Seen {
        asked: asked.collect(),
        ..seen(task, found)
    };
    let reason = format!("task {}: a person is asked about failing checks", task.id);
    let mut decision = told_by(task, Some(seen), links, reason);
    if let Some(task) = &decision.task {
        decision.effects.extend(question_of(task, links));
    }
    decision
}

/// Shows what was found; nothing changes when that is shown already.
fn told_by(task: &Task, seen: Option<Seen>, links: &Links, reason: String) -> Decision {
    if task.mending.seen == seen {
        return Decision::default();
    }
    let mending = Mending {
        seen,
        ..task.mending.clone()
    };
    let task = Task {
        mending,
        ..task.clone()
    };
    Decision {
        effects: vec![status_of(&task, links)],
        reasons: vec![reason],
        task: Some(task),
        ..Decision::default()
    }
}

fn again(task: &Task, found: &Found, (failing, links): (&[&Failing], &Links)) -> Decision {
    let checks: Vec<_> = failing.iter().map(|one| one.check.clone()).collect();
    let before = task.mending.again.clone();
    let before = before.filter(|again| again.commit == found.commit);
    let so_far = before.map_or_else(Vec::new, |again| again.checks);
    let again = Again {
        commit: found.commit.clone(),
        checks: so_far.into_iter().chain(checks.iter().cloned()).collect(),
    };
    let seen = Seen {
        again: checks,
        ..seen(task, found)
    };
    let task = Task {
        mending: Mending {
            again: Some(again),
            seen: Some(seen),
            ..task.mending.clone()
        },
        ..task.clone()
    };
    let workflows: BTreeSet<u64> = failing.iter().filter_map(|one| one.workflow).collect();
    let effects = workflows.into_iter().map(|workflow| {
        let key = EffectKey::rerun(task.id, &found.commit, workflow);
        let commit = found.commit.clone();
        (key, task.id.thread, Effect::Rerun { commit, workflow })
    });
    let effects = effects.chain([status_of(&task, links)]);
    Decision {
        effects: effects.collect(),
        reasons: vec![format!("task {}: failing checks run once more", task.id)],
        task: Some(task),
        ..Decision::default()
    }
}

/// Queues a job and counts it towards each failure that it is for.
fn mend(task: &Task, work: Work, (failing, links): (&[&Failing], &Links)) -> Decision {
    let Ok((mut queued, job)) = queued(task, work.clone()) else {
        return Decision::default();
    };
    queued.mending = Mending {
        jobs: task.mending.jobs + 1,
        seen: None,
        ..task.mending.clone()
    };
    for one in failing {
        let rounds = &mut queued.mending.rounds;
        *rounds.entry(one.signature.clone()).or_default() += 1;
    }
    let task = queued;
    Decision {
        effects: vec![status_of(&task, links)],
        reasons: vec![format!("job {job} queued: checks of others fail")],
        job: Some((job, work)),
        task: Some(task),
        ..Decision::default()
    }
}

/// Returns the work of a job that is to mend what fails; `None` where nobody can do it.
///
/// The rest of it is what was asked last: that says what the change is for, and who asked for it is
/// whose budget pays.
fn work(task: &Task, found: &Found, (failing, around): (&[&Failing], &Around<'_>)) -> Option<Work> {
    let spent = failing.iter().map(|one| task.mending.spent(&one.signature));
    let occasion = Occasion {
        commit: found.commit.clone(),
        checks: failing.iter().map(|one| one.check.clone()).collect(),
        round: spent.max().unwrap_or_default() + 1,
        rounds: around.policy.ci.rounds,
    };
    Some(Work {
        performers: performers(task, around)?,
        request: Request {
            at: around.now,
            place: None,
            occasion: Some(occasion),
            plan: None,
            review: None,
            noted: None,
            text: task.work.words(),
            ..task.work.request.clone()
        },
        steered: Vec::new(),
        resolve: None,
    })
}

/// Returns who mends: the agent that a person has named for this, else whoever does follow-ups. A
/// recipe or a race is for what was asked, and for nothing else.
#[must_use]
pub fn performers(task: &Task, around: &Around<'_>) -> Option<Performers> {
    let (policy, agents) = (around.policy, around.agents);
    let is_agent = |name: &Name| agents.known.contains(name) && !policy.recipes.contains_key(name);
    if let Performers::One(Performer::Named(name)) = &task.work.performers
        && is_agent(name)
    {
        return Some(task.work.performers.clone());
    }
    let lineup = lineup(
        policy,
        Role::FollowUp,
        agents.default.as_ref(),
        &agents.fallback,
    );
    let ready = !lineup.is_empty() && lineup.iter().all(|name| agents.known.contains(name));
    ready.then_some(Performers::One(Performer::DefaultAgent))
}

/// Returns why nothing is looked at on a commit of a task's branch; `None` when it is.
#[must_use]
pub fn passed_over(task: &Task, commit: &CommitSha) -> Option<&'static str> {
    match task.state {
        State::InReview if task.pull.is_none() => Some("there is no pull request yet"),
        State::InReview if task.head.as_ref() == Some(commit) => None,
        State::InReview => Some("the commit is not the one that was verified last"),
        // Whoever answers a question makes no commit.
        State::Queued | State::Running
            if task.aside.is_some() && task.head.as_ref() == Some(commit) =>
        {
            None
        }
        State::Queued | State::Running => Some("a job is under way, and its commit has checks too"),
        // Looked at when that has ended.
        State::Publishing => None,
        State::Blocked | State::Stopped | State::Merged | State::Closed | State::Answered => {
            Some("nobody works on the task")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::drift::{Proposal, unknown};
    use crate::domain::event::{Thread, ThreadKind};
    use crate::domain::ids::{InstallationId, Login, RepoId, TaskId, ThreadKey, ThreadNumber};
    use crate::domain::integration::Signature;
    use crate::domain::repo::{Actor, ActorKind, Repo};
    use crate::domain::task::Undone;

    fn head() -> CommitSha {
        CommitSha::new("a".repeat(40))
    }

    /// A task in review, with that commit at its head.
    fn task() -> Task {
        let ada = Login::new("ada");
        let repo = Repo {
            id: RepoId(1),
            name: "acme/greeter".parse().unwrap(),
            installation: InstallationId(1),
            default_branch: "main".to_owned(),
            archived: false,
        };
        let thread = Thread {
            number: ThreadNumber(1),
            kind: ThreadKind::Issue,
            title: "Mend it".to_owned(),
            body: String::new(),
            author: ada.clone(),
            insider: true,
            labels: Vec::new(),
            open: true,
            locked: false,
            comments: 0,
        };
        let proposal = Proposal {
            number: ThreadNumber(2),
            branch: "prova/1-mend-it".parse().unwrap(),
            head: head(),
            base: "main".to_owned(),
            ours: true,
        };
        let id = TaskId {
            thread: ThreadKey {
                repo: repo.id,
                number: thread.number,
            },
            ordinal: 1,
        };
        let us = Actor {
            login: ada,
            id: 1,
            kind: ActorKind::Person,
        };
        let task = unknown(&proposal, (id, thread), (&repo, us), Timestamp::EPOCH).task;
        Task {
            state: State::InReview,
            ..task.unwrap()
        }
    }

    fn check(name: &str) -> Check {
        Check {
            app: "ci".to_owned(),
            name: name.to_owned(),
        }
    }

    fn signature(name: &str) -> Signature {
        Signature::of(&check(name), "broken", &[])
    }

    fn found(failing: &[(&str, bool, Option<u64>)]) -> Found {
        let failing = failing.iter().map(|(name, on_base, workflow)| Failing {
            check: check(name),
            signature: signature(name),
            on_base: *on_base,
            workflow: *workflow,
        });
        Found {
            commit: head(),
            failing: failing.collect(),
            passing: Vec::new(),
        }
    }

    /// What follows, as a word and names.
    fn told(found: &Found, task: &Task, ci: Ci) -> String {
        let names = |failing: &[&Failing]| {
            let names = failing.iter().map(|one| one.check.name.as_str());
            names.collect::<Vec<_>>().join(" ")
        };
        match next(found, task, ci) {
            Next::Rest => "rest".to_owned(),
            Next::Again(failing) => format!("again {}", names(&failing)),
            Next::Mend(failing) => format!("mend {}", names(&failing)),
            Next::Ask(failing) => format!("ask {}", names(&failing)),
        }
    }

    #[test]
    fn failures_run_again_then_are_mended_then_asked_about() {
        let (a, b, base) = (
            ("a", false, None),
            ("b", false, Some(7)),
            ("c", true, Some(8)),
        );
        let spent = |name: &str, rounds| (signature(name), rounds);
        let again = |names: &[&str]| Again {
            commit: head(),
            checks: names.iter().map(|name| check(name)).collect(),
        };
        let elsewhere = Again {
            commit: CommitSha::new("b".repeat(40)),
            checks: vec![check("b")],
        };
        for (failing, rounds, jobs, reran, expected) in [
            (vec![], vec![], 0, None, "rest"),
            (vec![base], vec![], 0, None, "rest"),
            (vec![a], vec![], 0, None, "mend a"),
            (vec![a, base], vec![], 0, None, "mend a"),
            (vec![a, b], vec![], 0, None, "again b"),
            (vec![a, b], vec![], 0, Some(elsewhere), "again b"),
            (vec![a, b], vec![], 0, Some(again(&["b"])), "mend a b"),
            (vec![a], vec![spent("a", 1)], 1, None, "mend a"),
            (vec![a], vec![spent("a", 2)], 2, None, "ask a"),
            (vec![a], vec![spent("b", 2)], 2, None, "mend a"),
            (
                vec![a, b],
                vec![spent("a", 2)],
                2,
                Some(again(&["b"])),
                "mend b",
            ),
            (
                vec![a, b],
                vec![spent("a", 2), spent("b", 2)],
                3,
                Some(again(&["b"])),
                "ask a b",
            ),
            (vec![a], vec![], MOST_ROUNDS, None, "ask a"),
        ] {
            let task = Task {
                mending: Mending {
                    rounds: rounds.into_iter().collect(),
                    jobs,
                    again: reran,
                    ..Mending::default()
                },
                ..task()
            };
            let found = found(&failing);
            assert_eq!(told(&found, &task, Ci::default()), expected, "{failing:?}");
        }
    }

    #[test]
    fn policy_and_people_have_the_last_word() {
        let found = found(&[("b", false, Some(7))]);
        let ci = |rounds, rerun| Ci { rounds, rerun };
        assert_eq!(told(&found, &task(), ci(2, false)), "mend b");
        assert_eq!(told(&found, &task(), ci(1, true)), "again b");
        let undone = Task {
            undone: Some(Undone {
                commit: head(),
                by: Login::new("bob"),
                with: None,
            }),
            ..task()
        };
        assert_eq!(told(&found, &undone, ci(2, true)), "ask b");
    }

    #[test]
    fn only_the_head_of_a_pull_request_in_review_is_looked_at() {
        let other = CommitSha::new("b".repeat(40));
        assert_eq!(passed_over(&task(), &head()), None);
        assert!(passed_over(&task(), &other).is_some());
        for (state, looked) in [
            (State::Queued, false),
            (State::Running, false),
            // When that has ended.
            (State::Publishing, true),
            (State::Blocked, false),
            (State::Stopped, false),
            (State::Merged, false),
            (State::Closed, false),
        ] {
            let task = Task { state, ..task() };
            assert_eq!(
                passed_over(&task, &head()).is_none(),
                looked,
                "{:?}",
                task.state
            );
        }
    }
}
