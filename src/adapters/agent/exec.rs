//! The `exec` driver: any program that reads a brief and edits its working directory.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::claim;
use crate::adapters::agent::fill::fill;
use crate::adapters::agent::handover::{Handover, Inside, RESULT, unheard};
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, Sandbox};

/// A program as an agent.
///
/// It is started in the checkout with `PROVA_BRIEF` (path of the brief), `PROVA_JOB` (the job as
/// JSON) and `PROVA_RESULT` (path where it may leave `{"title","summary","notes","replies"}`). Its arguments
/// may hold `{brief}`, `{job}` (path of a file with the same JSON), `{result}` and `{checkout}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    command: Vec<String>,
    env: BTreeMap<String, String>,
}

/// Why a program cannot be an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAgent {
    /// There is nothing to run.
    #[error("`command` is empty; expected a program and its arguments")]
    NoCommand,
    /// A variable that is the driver's own.
    #[error("`env` sets {0}; names that begin with PROVA_ are set for each job")]
    Reserved(String),
}

impl Exec {
    /// Builds the driver from a command and variables that are the same for every job. They are
    /// seen by the agent, so there must be no secret among them.
    ///
    /// # Errors
    /// When there is no program, or a variable is one that the driver sets.
    pub fn new(command: Vec<String>, env: BTreeMap<String, String>) -> Result<Self, BadAgent> {
        BadAgent::check(&command, &env)?;
        Ok(Self { command, env })
    }
}

impl BadAgent {
    /// Judges what every program that is an agent needs.
    pub(super) fn check(command: &[String], env: &BTreeMap<String, String>) -> Result<(), Self> {
        if command.first().is_none_or(String::is_empty) {
            return Err(Self::NoCommand);
        }
        match env.keys().find(|name| name.starts_with("PROVA_")) {
            Some(name) => Err(Self::Reserved(name.clone())),
            None => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Agent for Exec {
    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let inside = Inside::paths();
        let command = self
            .command
            .iter()
            .map(|word| fill(word, &places(&inside)))
            .collect();
        let mut env = self.env.clone();
        env.insert("PROVA_RESULT".to_owned(), inside.result);
        let spec = handover.spec(request, command, env);
        let outcome = sandbox
            .converse(&spec, request.door, Some(unheard(request)), cancel)
            .await?;
        Ok(Run {
            outcome,
            claim: claim::read(&handover.output, RESULT),
        })
    }
}

/// What placeholders of arguments stand for. Other braces stay as they are: arguments may be JSON.
fn places(inside: &Inside) -> [(&'static str, &str); 4] {
    [
        ("brief", inside.brief.as_str()),
        ("job", inside.job.as_str()),
        ("result", inside.result.as_str()),
        ("checkout", INSIDE_CHECKOUT),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_wherever_they_stand() {
        let filled = [
            "{brief}",
            "--job={job}",
            "{result}{checkout}",
            "{\"a\":{}}",
            "{Brief}",
        ]
        .map(|word| fill(word, &places(&Inside::paths())));
        let expected = [
            "/prova/in/brief.md",
            "--job=/prova/in/job.json",
            "/prova/out/result.json/workspace",
            "{\"a\":{}}",
            "{Brief}",
        ];
        assert_eq!(filled, expected);
    }

    #[test]
    fn a_program_is_needed_and_our_variables_are_ours() {
        let env = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        assert_eq!(Exec::new(vec![], env("A")), Err(BadAgent::NoCommand));
        assert_eq!(
            Exec::new(vec![String::new()], env("A")),
            Err(BadAgent::NoCommand)
        );
        let reserved = Err(BadAgent::Reserved("PROVA_JOB".to_owned()));
        assert_eq!(Exec::new(vec!["a".to_owned()], env("PROVA_JOB")), reserved);
        Exec::new(vec!["a".to_owned()], env("EDITOR")).unwrap();
    }
}
