//! Who does a job that nobody named an agent for, and who takes it over when that one cannot work.
//!
//! Whether an agent can work is not for it to say: what counts is which of its model calls were
//! answered, and what it left.

use crate::domain::evidence::Ending;
use crate::domain::job::{Harvested, Progress};
use crate::domain::name::Name;
use crate::domain::policy::{Policy, Role};

/// Returns the agents that may do a job that names none, in the order in which they are tried;
/// empty when neither policy nor the server's settings, which have the second word, name one.
#[must_use]
pub fn lineup(policy: &Policy, role: Role, default: Option<&Name>, fallback: &[Name]) -> Vec<Name> {
    let Some(first) = policy.agent_for(role).or(default) else {
        return Vec::new();
    };
    let others = policy.fallback.as_deref().unwrap_or(fallback);
    let mut lineup: Vec<Name> = Vec::with_capacity(others.len() + 1);
    for name in std::iter::once(first).chain(others) {
        if !lineup.contains(name) {
            lineup.push(name.clone());
        }
    }
    lineup
}

/// Returns the agent that takes the job over: the next of the list after one that could not work.
#[must_use]
pub fn successor<'l>(lineup: &'l [Name], progress: &Progress) -> Option<&'l Name> {
    let briefed = progress.briefed.as_ref()?;
    if !could_not_work(progress) {
        return None;
    }
    let was_tried = |name: &Name| {
        let before = progress.passed_over.iter().map(|one| one.agent.as_str());
        before
            .chain([briefed.agent.as_str()])
            .any(|agent| agent == name.as_str())
    };
    lineup.iter().find(|name| !was_tried(name))
}

/// Returns whether the agent has run and no model answered it, by no fault of its own or ours, and
/// it left nothing. Without a harvest the checkout was lost before it was read, and with it whatever
/// was left there.
#[must_use]
pub fn could_not_work(progress: &Progress) -> bool {
    let Some(ran) = &progress.ran else {
        return false;
    };
    let traffic = &ran.traffic;
    let is_down = traffic.answered == 0
        && traffic
            .unanswered
            .iter()
            .any(|calls| calls.failure.is_down());
    // What ends at a limit of ours, or at a person's word, would end there with another agent too; one
    // that asks on and on is ended for its silence.
    let stopped = ran.ending == Ending::Cancelled && ran.told.stall.is_none();
    let ended_by_us = stopped || ran.failed_setup.is_some() || traffic.exceeded.is_some();
    let left_nothing = |harvested: &Harvested| {
        harvested.harvest.changes.is_empty() && harvested.harvest.refused.is_empty()
    };
    is_down && !ended_by_us && progress.harvested.as_ref().is_none_or(left_nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::{Cap, Exceeded, Scope};
    use crate::domain::change::{Change, ChangeKind, Harvest, RepoPath};
    use crate::domain::ids::{CommitSha, TreeSha};
    use crate::domain::job::{Briefed, Entry, Ran, Step, Told, Wanted};
    use crate::domain::money::Usd;
    use crate::domain::time::Span;
    use crate::domain::traffic::Traffic;
    use crate::domain::unanswered::CallFailure;

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn policy_has_the_first_word_and_the_settings_the_second() {
        let claude: Name = "claude".parse().unwrap();
        let policy = |agent: Option<&str>, fallback: Option<&[&str]>| Policy {
            agent: agent.map(|name| name.parse().unwrap()),
            fallback: fallback.map(names),
            ..Policy::default()
        };
        let spare: &[&str] = &["codex", "builtin"];
        for (policy, default, expected) in [
            (policy(None, None), None, &[] as &[&str]),
            (policy(None, Some(spare)), None, &[]),
            (policy(None, None), Some(&claude), &["claude", "goose"]),
            (policy(Some("codex"), None), None, &["codex", "goose"]),
            (policy(Some("goose"), None), None, &["goose"]),
            (policy(None, Some(&[])), Some(&claude), &["claude"]),
            (
                policy(Some("codex"), Some(spare)),
                Some(&claude),
                &["codex", "builtin"],
            ),
        ] {
            let found = lineup(&policy, Role::Work, default, &names(&["goose"]));
            assert_eq!(found, names(expected), "{:?}", policy.fallback);
        }
    }

    #[test]
    fn who_follows_up_may_be_somebody_else() {
        let mut policy = Policy {
            agent: Some("claude".parse().unwrap()),
            fallback: Some(names(&["codex"])),
            ..Policy::default()
        };
        let who = |policy: &Policy, role| lineup(policy, role, None, &[]);
        for role in [Role::Work, Role::FollowUp] {
            assert_eq!(who(&policy, role), names(&["claude", "codex"]));
        }
        policy.roles.follow_up = Some("goose".parse().unwrap());
        assert_eq!(who(&policy, Role::Work), names(&["claude", "codex"]));
        assert_eq!(who(&policy, Role::FollowUp), names(&["goose", "codex"]));
    }

    fn failing(failures: &[CallFailure]) -> Traffic {
        let mut traffic = Traffic::default();
        for failure in failures {
            traffic.fail("main", *failure);
        }
        traffic
    }

    fn ran(ending: Ending, traffic: Traffic) -> Ran {
        Ran {
            on_lines: Vec::new(),
            ending,
            took: Span::ZERO,
            log_digest: String::new(),
            output_bytes: 0,
            excerpt: String::new(),
            failed_setup: None,
            claim: None,
            told: Told::default(),
            sandbox: "none".to_owned(),
            traffic,
        }
    }

    fn harvested(paths: &[&str]) -> Harvested {
        let tree = TreeSha::new("a".repeat(40));
        let change = |path: &&str| Change {
            path: RepoPath::new(*path),
            kind: ChangeKind::Deleted,
        };
        Harvested {
            harvest: Harvest {
                base_tree: tree.clone(),
                tree: tree.clone(),
                changes: paths.iter().map(change).collect(),
                refused: Vec::new(),
            },
            protected: Vec::new(),
            tree,
            leaks: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// A job that came to the end of a run of `agent`.
    fn progress(agent: &str, ran: Ran, harvested: Harvested) -> Progress {
        let commit = CommitSha::new("b".repeat(40));
        Progress::fold([
            Entry::Briefed(Briefed {
                base: commit.clone(),
                on_branch: false,
                policy_commit: commit,
                brief_digest: String::new(),
                agent: agent.to_owned(),
                restored: None,
                wanted: Wanted::Change,
                merge: None,
            }),
            Entry::Ran(Box::new(ran)),
            Entry::Harvested(harvested),
        ])
    }

    #[test]
    fn the_next_takes_over_only_from_one_that_could_not_work() {
        use CallFailure::{Failing, KeyRefused, OutOfQuota, RateLimited, Refused, Unreachable};
        let over_budget = Traffic {
            exceeded: Some(Exceeded {
                cap: Cap {
                    scope: Scope::Job("1-2-3.4".parse().unwrap()),
                    most: Usd::ZERO,
                    spent: Usd::ZERO,
                },
                asked: Usd::ZERO,
            }),
            ..failing(&[Failing])
        };
        let answered = Traffic {
            answered: 1,
            ..failing(&[RateLimited])
        };
        let nothing: &[&str] = &[];
        for (what, ending, traffic, left, expected) in [
            ("refused key", 1, failing(&[KeyRefused]), nothing, true),
            ("no way there", 0, failing(&[Unreachable]), nothing, true),
            ("no quota", 0, failing(&[OutOfQuota]), nothing, true),
            (
                "one of many",
                0,
                failing(&[Refused, Failing]),
                nothing,
                true,
            ),
            ("a bad request", 1, failing(&[Refused]), nothing, false),
            ("no call at all", 1, Traffic::default(), nothing, false),
            ("some answer", 1, answered, nothing, false),
            ("some change", 1, failing(&[Failing]), &["a"], false),
            ("our own budget", 1, over_budget, nothing, false),
        ] {
            let progress = progress(
                "claude",
                ran(Ending::Exited(ending), traffic),
                harvested(left),
            );
            let lineup = names(&["claude", "codex"]);
            let next = successor(&lineup, &progress).map(Name::as_str);
            assert_eq!(next, expected.then_some("codex"), "{what}");
        }
    }

    #[test]
    fn a_person_and_a_failed_setup_end_it_for_all() {
        let lineup = names(&["claude", "codex"]);
        let down = || failing(&[CallFailure::KeyRefused]);
        let cancelled = ran(Ending::Cancelled, down());
        let killed = ran(Ending::TimedOut, down());
        let next = |ran| {
            let progress = progress("claude", ran, harvested(&[]));
            successor(&lineup, &progress).cloned()
        };
        assert_eq!(next(cancelled), None);
        assert_eq!(next(killed), Some(lineup[1].clone()));
    }

    #[test]
    fn a_lost_checkout_does_not_bring_an_agent_back_that_could_not_work() {
        let lineup = names(&["claude", "codex"]);
        let lost = |traffic| {
            let ran = ran(Ending::Exited(1), traffic);
            let whole = progress("claude", ran, harvested(&["a"]));
            Progress {
                harvested: None,
                ..whole
            }
        };
        let down = lost(failing(&[CallFailure::KeyRefused]));
        assert_eq!(successor(&lineup, &down), Some(&lineup[1]));
        let answered = Traffic {
            answered: 1,
            ..Traffic::default()
        };
        assert_eq!(successor(&lineup, &lost(answered)), None);
    }

    #[test]
    fn nobody_is_tried_twice() {
        let lineup = names(&["claude", "codex", "builtin"]);
        let down = || failing(&[CallFailure::Failing]);
        let mut progress = progress("claude", ran(Ending::Exited(1), down()), harvested(&[]));
        for expected in [Some("codex"), Some("builtin"), None] {
            let next = successor(&lineup, &progress).cloned();
            assert_eq!(next.as_ref().map(Name::as_str), expected);
            let Some(next) = next else { break };
            let briefed = progress.briefed.clone().unwrap();
            let over = progress.passed_over_now().unwrap();
            progress.apply(Entry::PassedOver(Box::new(over)));
            assert_eq!(progress.next(), Step::Brief);
            progress.apply(Entry::Briefed(Briefed {
                agent: next.to_string(),
                ..briefed
            }));
            progress.apply(Entry::Ran(Box::new(ran(Ending::Exited(1), down()))));
            progress.apply(Entry::Harvested(harvested(&[])));
        }
        let passed: Vec<_> = progress.passed_over.iter().map(|one| &one.agent).collect();
        assert_eq!(passed, ["claude", "codex"]);
        assert_eq!(progress.traffic.unanswered[0].calls, 3, "all are counted");
        let kept = progress.resume(false);
        assert_eq!(kept.passed_over.len(), 2, "a crash forgets none of them");
    }
}
