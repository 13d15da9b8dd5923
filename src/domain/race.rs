//! A race: several agents do the same brief in checkouts of their own. Checks decide which of the
//! results is proposed; the others stay on branches of their own, to be looked at.

use crate::domain::branch::BranchName;
use crate::domain::job::Entrant;
use crate::domain::money::Usd;
use crate::domain::report::{Outcome, Report, Rival};
use crate::domain::time::Span;

/// Returns the places of the reports, the best first. What the server observed decides: first how
/// each ended, then how many checks fail, then what it cost, then how long it took, and last the
/// order in which the contestants were named.
#[must_use]
pub fn ranking(reports: &[Report]) -> Vec<usize> {
    let standings = reports.iter().map(standing).zip(0..);
    let mut standings: Vec<_> = standings.collect();
    standings.sort();
    standings.into_iter().map(|(_, place)| place).collect()
}

/// Returns what decides between two reports; the better one has less.
fn standing(report: &Report) -> (usize, usize, Usd, Span) {
    let (passed, checks) = report.checks_passed();
    let took = report.run.as_ref().map_or(Span::ZERO, |run| run.took);
    (
        worth(&report.outcome),
        checks - passed,
        report.traffic.cost(),
        took,
    )
}

/// Returns how far an outcome is from a change that can be proposed.
const fn worth(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Proposed | Outcome::Answered => 0,
        Outcome::ChecksFailed => 1,
        Outcome::Refused => 2,
        Outcome::OutOfBudget(_) => 3,
        Outcome::AgentFailed => 4,
        Outcome::Stopped => 5,
        Outcome::NothingChanged => 6,
        Outcome::Secret => 7,
        Outcome::SetupFailed(_) => 8,
        Outcome::Unresolved(_) => 9,
        Outcome::Faulted(_) => 10,
    }
}

/// Returns whose result stands for the job, as its place among the entrants, and its report with
/// all others told in it; `None` without any report. `branch` is where the task's work goes to.
#[must_use]
pub fn decided(
    entrants: &[Entrant],
    reports: &[Report],
    branch: &BranchName,
) -> Option<(usize, Report)> {
    let ranking = ranking(reports);
    let (best, others) = ranking.split_first()?;
    let rivals = others.iter().filter_map(|place| {
        let (name, report) = (entrants.get(*place)?.name.as_ref()?, reports.get(*place)?);
        let commit = report.commit.as_ref();
        let beside = commit.map(|(commit, _)| {
            let branch = branch.of_rival(report.job.ordinal, name);
            (branch, commit.clone())
        });
        Some(Rival {
            // One that did not come to a run has a name all the same.
            agent: name.to_string(),
            ..report.as_rival(beside)
        })
    });
    let report = Report {
        rivals: rivals.collect(),
        ..reports.get(*best)?.clone()
    };
    Some((*best, report))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::evidence::{Ending, Evidence};
    use crate::domain::ids::{CommitSha, TreeSha};
    use crate::domain::job::Performers;
    use crate::domain::traffic::{ModelUse, Tokens, Traffic};

    fn report(outcome: Outcome, checks: &[i32], cents: u64) -> Report {
        let check = |code: &i32| Evidence {
            command: "true".to_owned(),
            ending: Ending::Exited(*code),
            took: Span::ZERO,
            log_digest: String::new(),
            excerpt: String::new(),
            places: Vec::new(),
        };
        let used = ModelUse {
            endpoint: "main".to_owned(),
            model: "small".to_owned(),
            calls: 1,
            tokens: Tokens::default(),
            cost: Usd::from_micros(cents * 10_000),
        };
        Report {
            job: "1-2-3.4".parse().unwrap(),
            outcome,
            run: None,
            changes: Vec::new(),
            refused: Vec::new(),
            protected: Vec::new(),
            leaks: Vec::new(),
            evidence: checks.iter().map(check).collect(),
            commit: None,
            claim: None,
            traffic: Traffic {
                models: vec![used],
                ..Traffic::default()
            },
            passed_over: Vec::new(),
            rivals: Vec::new(),
            resolves: Vec::new(),
            offer: None,
        }
    }

    #[test]
    fn checks_decide_and_then_the_cost_and_then_who_was_named_first() {
        use Outcome::{AgentFailed, ChecksFailed, NothingChanged, Proposed};
        for (reports, expected) in [
            (
                vec![
                    report(ChecksFailed, &[0, 1], 1),
                    report(Proposed, &[0, 0], 90),
                ],
                vec![1, 0],
            ),
            (
                vec![
                    report(ChecksFailed, &[1, 1], 1),
                    report(ChecksFailed, &[0, 1], 9),
                ],
                vec![1, 0],
            ),
            (
                vec![report(Proposed, &[], 9), report(Proposed, &[], 8)],
                vec![1, 0],
            ),
            (
                vec![report(Proposed, &[], 8), report(Proposed, &[], 8)],
                vec![0, 1],
            ),
            (
                vec![
                    report(NothingChanged, &[], 0),
                    report(AgentFailed, &[], 5),
                    report(ChecksFailed, &[1], 5),
                ],
                vec![2, 1, 0],
            ),
        ] {
            assert_eq!(ranking(&reports), expected);
        }
    }

    #[test]
    fn the_others_are_told_with_branches_of_their_own() {
        let names = ["codex", "claude", "goose"].map(|name| name.parse().unwrap());
        let entrants = Performers::Race(names.to_vec()).entrants();
        let commit = |digit: &str| {
            (
                CommitSha::new(digit.repeat(40)),
                TreeSha::new("f".repeat(40)),
            )
        };
        let failed = Report {
            commit: Some(commit("a")),
            ..report(Outcome::ChecksFailed, &[1], 0)
        };
        let best = Report {
            commit: Some(commit("b")),
            ..report(Outcome::Proposed, &[0], 0)
        };
        let empty = report(Outcome::NothingChanged, &[], 0);
        let branch = "prova/2-it".parse().unwrap();
        let (place, decided) = decided(&entrants, &[empty, best, failed], &branch).unwrap();
        assert_eq!(place, 1);
        let told: Vec<_> = decided
            .rivals
            .iter()
            .map(|rival| {
                let branch = rival.branch.as_ref().map(|(branch, _)| branch.to_string());
                (rival.agent.as_str(), branch)
            })
            .collect();
        let expected = [
            ("goose", Some("prova/2-it-4-goose".to_owned())),
            ("codex", None),
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn what_is_proposed_comes_first_and_nobody_is_lost(picks in proptest::collection::vec((0_usize..4, 0_u64..3), 1..5)) {
            let outcomes = [Outcome::Proposed, Outcome::ChecksFailed, Outcome::AgentFailed, Outcome::NothingChanged];
            let reports: Vec<_> = picks.iter().map(|(pick, cost)| report(outcomes[*pick].clone(), &[], *cost)).collect();
            let places = ranking(&reports);
            let mut sorted = places.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..reports.len()).collect::<Vec<_>>());
            let any = reports.iter().any(|one| one.outcome == Outcome::Proposed);
            prop_assert_eq!(any, reports[places[0]].outcome == Outcome::Proposed);
        }
    }
}
