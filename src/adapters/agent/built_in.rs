//! The built-in recipes: hidden commands of the server's own program, run inside the sandbox. What
//! they read is the repository's, and hostile, so it is never read out here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::handover::Handover;
use crate::domain::built_in::BuiltIn;
use crate::domain::policy::protected::Protected;
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_PROGRAM, Sandbox, Spec};

/// A built-in recipe as an agent. It makes no claim: what it did is what it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltInRecipe {
    own: PathBuf,
    command: Vec<String>,
}

impl BuiltInRecipe {
    /// Builds the driver; `own` is the server's program, by its whole path. A change of a path that
    /// is `protected` would be left out, and the rest refused for it, so such paths are spared.
    #[must_use]
    pub fn new(own: PathBuf, built_in: BuiltIn, protected: &Protected) -> Self {
        let spared = protected.patterns().iter();
        let spared = spared.flat_map(|pattern| ["--exclude", pattern]);
        let command = [INSIDE_PROGRAM, built_in.program()];
        Self {
            own,
            command: command
                .into_iter()
                .chain(spared)
                .map(str::to_owned)
                .collect(),
        }
    }
}

#[async_trait::async_trait]
impl Agent for BuiltInRecipe {
    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let input = request.input.unwrap_or_default().to_owned();
        let env = BTreeMap::from([("PROVA_INPUT".to_owned(), input)]);
        let spec = Spec {
            own: Some(self.own.clone()),
            ..handover.spec(request, self.command.clone(), env)
        };
        Ok(Run {
            outcome: sandbox.run(&spec, request.door, cancel).await?,
            claim: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_paths_are_passed_on() {
        let protected = Protected::new(vec!["/docs/**".to_owned(), "LICENSE".to_owned()]).unwrap();
        let made = BuiltInRecipe::new("/bin/prova".into(), BuiltIn::Typos, &protected);
        let expected = [
            "/prova/bin/prova",
            "inside-typos",
            "--exclude",
            "/docs/**",
            "--exclude",
            "LICENSE",
        ];
        assert_eq!(made.command, expected);
    }
}
