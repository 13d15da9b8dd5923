//! What came of each case, kept where `make conformance` makes its table from.

use std::path::PathBuf;
use std::{env, fs};

use prova::config::presets;
use serde_json::json;

use crate::case::Case;
use crate::model::{Script, Toolless, Turn};

/// How an agent is driven.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Driver {
    Exec,
    Acp,
}

impl Driver {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Acp => "acp",
        }
    }
}

/// An agent by its preset, and how it is driven: a row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) preset: &'static str,
    pub(crate) driver: Driver,
}

impl Subject {
    pub(crate) const fn exec(preset: &'static str) -> Self {
        Self {
            preset,
            driver: Driver::Exec,
        }
    }

    pub(crate) const fn acp(preset: &'static str) -> Self {
        Self {
            preset,
            driver: Driver::Acp,
        }
    }

    /// The program that is asked for its version.
    fn program(self) -> String {
        let preset = presets::find(self.preset).unwrap();
        match self.driver {
            Driver::Exec => preset.program,
            Driver::Acp => preset.acp.unwrap().command[0].clone(),
        }
    }

    /// Whether what it prints is understood while it works.
    pub(crate) fn is_heard(self) -> bool {
        self.driver != Driver::Exec || !presets::find(self.preset).unwrap().stream.is_empty()
    }

    /// Whether it can go on with a session.
    pub(crate) fn remembers(self) -> bool {
        self.driver != Driver::Exec || !presets::find(self.preset).unwrap().resume.is_empty()
    }

    /// What its model says: one that edits by text is offered no tools.
    pub(crate) fn script(self, turns: impl IntoIterator<Item = Turn>) -> Script {
        let mut script = Script::of(turns);
        if self.preset == "aider" {
            script.toolless = Toolless::Work;
        }
        script
    }

    /// What its model says when the work is done: words, but for an agent that wants a command.
    pub(crate) fn ends(self, words: &str) -> Turn {
        match self.preset {
            "mini-swe-agent" => Turn::shell("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
            _ => Turn::say(words),
        }
    }

    /// Tries a case: unless the test gets to the point where what this returns is dropped, the agent
    /// has failed it.
    pub(crate) fn tries(self, case: Case) -> Trial {
        self.tries_part(case, "whole")
    }

    /// Tries a part of a case that takes several tests; it is passed when all of them are.
    pub(crate) fn tries_part(self, case: Case, part: &'static str) -> Trial {
        let trial = Trial {
            subject: self,
            case,
            part,
        };
        // A test that is killed leaves it so.
        trial.keep("failed");
        trial
    }
}

/// A case that is being tried.
#[derive(Debug)]
pub(crate) struct Trial {
    subject: Subject,
    case: Case,
    part: &'static str,
}

impl Trial {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no settings but the environment"
    )]
    fn keep(&self, outcome: &str) {
        let Ok(dir) = env::var("PROVA_CONFORMANCE").map(PathBuf::from) else {
            return;
        };
        let (preset, driver) = (self.subject.preset, self.subject.driver.name());
        let (case, part) = (self.case.name(), self.part);
        let kept = json!({
            "agent": preset,
            "driver": driver,
            "program": self.subject.program(),
            "case": case,
            "cases": Case::ALL.map(Case::name),
            "outcome": outcome,
        });
        fs::write(
            dir.join(format!("{preset}.{driver}.{case}.{part}.json")),
            kept.to_string(),
        )
        .unwrap();
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.keep("passed");
        }
    }
}
