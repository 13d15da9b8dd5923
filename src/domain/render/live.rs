//! How far a run is, while it lasts. Most of it is what the agent says; what it cost is ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domain::progress::{Heard, PlanStep, StepState};
use crate::domain::redact::Redactor;
use crate::domain::sanitize::neutral;
use crate::domain::time::{Span, Timestamp};
use crate::domain::traffic::Traffic;

/// Steps of a plan that are shown.
const STEPS: usize = 12;

/// What is known of a run that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The agent or recipe.
    pub agent: String,
    /// Since when it runs.
    pub took: Span,
    /// What it said.
    pub heard: Heard,
    /// What has passed the gateway.
    pub traffic: Traffic,
}

/// The least and the most time from one edit of the status comment to the next.
const EDITS: (Span, Span) = (Span::seconds(10), Span::minutes(1));

/// Returns how long an edit stands at least, of a run that has taken that long: a tenth of it. GitHub
/// counts edits as content, of which it takes 500 an hour, and who looks at a run that has taken an hour
/// does not look every ten seconds.
fn stands(took: Span) -> Span {
    Span::millis(took.as_millis() / 10).clamp(EDITS.0, EDITS.1)
}

/// What the thread shows while a job lasts: how far each of its runs is.
#[derive(Clone, Debug, Default)]
pub struct Board {
    runs: BTreeMap<String, Live>,
    last: Vec<Live>,
    /// When it was shown last, or began.
    at: Option<Timestamp>,
}

impl Board {
    /// Notes how far a run is. Returns all of them when it is time to show them again and there is
    /// more to tell than the time that has passed.
    pub fn note(&mut self, live: Live, now: Timestamp) -> Option<Vec<Live>> {
        let stands = stands(live.took);
        self.runs.insert(live.agent.clone(), live);
        if now.since(*self.at.get_or_insert(now)) < stands {
            return None;
        }
        let runs: Vec<_> = self.runs.values().cloned().collect();
        let differs = |(now, before): (&Live, &Live)| now.differs(before);
        if runs.len() == self.last.len() && !runs.iter().zip(&self.last).any(differs) {
            return None;
        }
        self.at = Some(now);
        self.last.clone_from(&runs);
        Some(runs)
    }

    /// Takes down a run that is over.
    pub fn over(&mut self, agent: &str) {
        self.runs.remove(agent);
    }
}

impl Live {
    /// Returns whether there is more to tell than the time that has passed.
    #[must_use]
    pub fn differs(&self, before: &Self) -> bool {
        self.agent != before.agent || self.heard != before.heard || self.traffic != before.traffic
    }

    /// Returns it in one line, for logs.
    #[must_use]
    pub fn line(&self) -> String {
        let mut parts = vec![format!("{} for {}", self.agent, self.took)];
        parts.extend(self.now());
        parts.extend(self.sums());
        parts.join(", ")
    }

    /// Returns it as Markdown.
    #[must_use]
    pub fn markdown(&self, redactor: &Redactor) -> String {
        let shown = |text: &str| neutral::inline(&redactor.redact(text), 200);
        let mut out = format!("{} has been at it for {}", shown(&self.agent), self.took);
        for part in self.sums() {
            let _ = write!(out, " · {part}");
        }
        out.push_str(".\n");
        if let Some(now) = self.now() {
            let _ = write!(out, "\nNow: {}\n", shown(&now));
        }
        if !self.heard.plan.is_empty() {
            out.push('\n');
        }
        for PlanStep { title, state } in self.heard.plan.iter().take(STEPS) {
            let mark = match state {
                StepState::Done => "[x]",
                StepState::Pending | StepState::Active => "[ ]",
                StepState::Failed => "[ ] ❌",
            };
            let _ = writeln!(out, "- {mark} {}", shown(title));
        }
        out
    }

    fn now(&self) -> Option<String> {
        let heard = &self.heard;
        match (heard.step(), &heard.action) {
            (Some(step), Some(action)) => Some(format!("{step}: {action}")),
            (Some(step), None) => Some(step.to_owned()),
            (None, action) => action.clone(),
        }
    }

    fn sums(&self) -> Vec<String> {
        let plural = |n: u64, what: &str| match n {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let mut sums = Vec::new();
        let (done, steps) = self.heard.steps();
        if steps > 0 {
            sums.push(format!("{done} of {steps} steps"));
        }
        if self.heard.actions > 0 {
            sums.push(plural(self.heard.actions, "action"));
        }
        let files = u64::try_from(self.heard.files.len()).unwrap_or(u64::MAX);
        if files > 0 {
            sums.push(plural(files, "file"));
        }
        if !self.traffic.models.is_empty() {
            let tokens = self
                .traffic
                .models
                .iter()
                .map(|used| used.tokens.sum())
                .sum();
            sums.push(plural(tokens, "token"));
            sums.push(self.traffic.cost().to_string());
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::progress::{Action, Update};

    fn live() -> Live {
        let mut heard = Heard::default();
        let now = Timestamp::from_millis(0);
        let step = |title: &str, state| PlanStep {
            title: title.to_owned(),
            state,
        };
        heard.take(
            Update::Plan(vec![
                step("Read @ada's notes", StepState::Done),
                step("Write <b>it</b>", StepState::Active),
            ]),
            now,
        );
        heard.take(
            Update::Action(Action {
                id: "1".to_owned(),
                title: "Edit src/lib.rs".to_owned(),
                state: StepState::Active,
                files: vec!["src/lib.rs".to_owned()],
            }),
            now,
        );
        Live {
            agent: "claude".to_owned(),
            took: Span::seconds(70),
            heard,
            traffic: Traffic::default(),
        }
    }

    #[test]
    fn it_is_told_in_a_line_and_as_markdown() {
        let live = live();
        assert_eq!(
            live.line(),
            "claude for 1 min 10 s, Write <b>it</b>: Edit src/lib.rs, 1 of 2 steps, 1 action, 1 file"
        );
        // In code spans, where nothing is mentioned, linked or rendered.
        let expected = "`claude` has been at it for 1 min 10 s · 1 of 2 steps · 1 action · 1 file.\n\n\
            Now: `Write <b>it</b>: Edit src/lib.rs`\n\n\
            - [x] `Read @ada's notes`\n- [ ] `Write <b>it</b>`\n";
        assert_eq!(live.markdown(&Redactor::default()), expected);
    }

    #[test]
    fn the_runs_of_a_job_are_shown_together_and_not_too_often() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut board = Board::default();
        let codex = Live {
            agent: "codex".to_owned(),
            ..live()
        };
        assert_eq!(board.note(live(), at(0)), None);
        assert_eq!(board.note(codex.clone(), at(9)), None);
        assert_eq!(
            board.note(live(), at(10)),
            Some(vec![live(), codex.clone()])
        );
        let mut further = codex;
        further.traffic.reach("example.org", 1);
        assert_eq!(board.note(further.clone(), at(19)), None);
        let both = Some(vec![live(), further.clone()]);
        assert_eq!(board.note(further.clone(), at(20)), both);
        assert_eq!(board.note(further.clone(), at(40)), None, "nothing new");
        board.over("claude");
        assert_eq!(board.note(further.clone(), at(41)), Some(vec![further]));
    }

    #[test]
    fn a_run_that_takes_long_is_shown_less_often() {
        for (took, wait) in [(0, 10), (100, 10), (300, 30), (600, 60), (36_000, 60)] {
            assert_eq!(stands(Span::seconds(took)), Span::seconds(wait), "{took} s");
        }
        // Of an hour in which there is always something new.
        let mut board = Board::default();
        let edits = (0..3_600).filter(|second| {
            let mut live = live();
            live.took = Span::seconds(*second);
            live.heard.actions = *second;
            let now = Timestamp::EPOCH.plus(live.took);
            board.note(live, now).is_some()
        });
        assert_eq!(edits.count(), 76);
    }

    #[test]
    fn time_alone_is_nothing_new() {
        let (before, mut after) = (live(), live());
        after.took = Span::seconds(80);
        assert!(!after.differs(&before));
        after.traffic.reach("example.org", 1);
        assert!(after.differs(&before));
    }
}
