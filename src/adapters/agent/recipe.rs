//! The `recipe` driver: a shell line of the repository's policy, without a model.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::handover::{Handover, unheard};
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::fault::Fault;
use crate::ports::sandbox::Sandbox;

/// A recipe as an agent. It makes no claim: what it did is what it changed.
///
/// What a person gave it to work on is in `PROVA_INPUT`, empty when there is none, and nowhere in the
/// line itself: the line is policy's, the input is anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    run: String,
}

impl Recipe {
    /// Builds the driver of the line `run`, as it stands in the policy of the default branch.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into() }
    }
}

#[async_trait::async_trait]
impl Agent for Recipe {
    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let command = ["sh", "-c", &self.run].map(str::to_owned).to_vec();
        let input = request.input.unwrap_or_default().to_owned();
        let env = BTreeMap::from([("PROVA_INPUT".to_owned(), input)]);
        let spec = handover.spec(request, command, env);
        Ok(Run {
            outcome: sandbox
                .converse(&spec, request.door, Some(unheard(request)), cancel)
                .await?,
            claim: None,
        })
    }
}
