//! How an agent is started that has a home of its own.

use std::collections::BTreeMap;

use crate::adapters::agent::fill::{fill, filled};
use crate::adapters::agent::handover::{Handover, Inside};
use crate::adapters::agent::home::settled;
use crate::ports::agent::Request;
use crate::ports::fault::Fault;
use crate::ports::sandbox::Spec;

/// How an agent is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables. They are seen by the agent, so no secret is among them.
    pub env: BTreeMap<String, String>,
    /// Files of its home, by their path there.
    pub files: BTreeMap<String, String>,
    /// Names at the root of the checkout that it is not to see.
    pub hide: Vec<String>,
}

impl Launch {
    /// Returns the same with `values` in every text but the names.
    pub(super) fn filled(&self, values: &[(&str, String)]) -> Self {
        let words = self.command.iter();
        Self {
            command: words.map(|word| fill(word, values)).collect(),
            env: filled(&self.env, values),
            files: filled(&self.files, values),
            hide: self.hide.clone(),
        }
    }

    /// Describes the run for `request`, in the home that the task keeps for the agent.
    pub(super) fn spec(
        self,
        (handover, request): (&Handover, &Request<'_>),
        owner: Option<(u32, u32)>,
    ) -> Result<Spec, Fault> {
        let command = settled((handover, request), owner, &self.files, self.command)?;
        let mut env = self.env;
        env.insert("PROVA_RESULT".to_owned(), Inside::paths().result);
        Ok(Spec {
            hide: self.hide,
            home: Some(request.session.home.to_owned()),
            ..handover.spec(request, command, env)
        })
    }
}
