//! Agents that many people use, driven as their preset says.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::claim;
use crate::adapters::agent::fill::fill;
use crate::adapters::agent::handover::{Handover, Inside, RESULT};
use crate::adapters::agent::home::settled;
use crate::adapters::agent::listen::{hear, listen, tell};
use crate::config::presets::Preset;
use crate::config::server::brain::Brain;
use crate::domain::evidence::Ending;
use crate::domain::progress::{Heard, Update};
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::door::{Door, INSIDE_DOOR};
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, INSIDE_HOME, Sandbox, Spec};

/// The longest brief that is passed as an argument, in bytes: the kernel takes 128 KiB.
const ARGUMENT_BYTES: usize = 100 * 1024;

/// What an agent is told beside every brief.
const RULES: &str = "You work unattended, in a sandbox: nobody answers questions, and there is no \
    network but the model's and what the repository allows. Finish the work, or say clearly why you \
    cannot. Leave the result as files in the working directory.";

/// An agent by its preset.
#[derive(Clone, Debug)]
pub struct Known {
    preset: Preset,
    brain: Brain,
    env: BTreeMap<String, String>,
}

impl Known {
    /// Builds the driver; `env` goes over the preset's own variables, and is seen by the agent.
    #[must_use]
    pub const fn new(preset: Preset, brain: Brain, env: BTreeMap<String, String>) -> Self {
        Self { preset, brain, env }
    }

    /// Runs it, with a session to go on with if there is one, and returns what it said.
    async fn once(
        &self,
        (request, resume): (&Request<'_>, Option<&str>),
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<(Run, Heard), Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let spec = self.spec(&handover, (request, resume), sandbox.owner())?;
        let (talk, said) = hear(request);
        if let Some(session) = &self.preset.session {
            request.watcher.heard(Update::Session(session.clone()));
        }
        let run = sandbox.converse(&spec, request.door, Some(talk), cancel);
        let (outcome, mut heard) =
            tokio::join!(run, listen(&self.preset.stream, said, request.watcher));
        let outcome = outcome?;
        if let Ending::Exited(code) = outcome.ending
            && let Some(meaning) = self.preset.exits.get(&code.to_string())
        {
            tell(
                &mut heard,
                request.watcher,
                Update::Trouble(meaning.clone()),
            );
        }
        let claim =
            claim::read(&handover.output, RESULT).or_else(|| claim::of_words(&heard.message));
        Ok((Run { outcome, claim }, heard))
    }

    fn spec(
        &self,
        handover: &Handover,
        (request, resume): (&Request<'_>, Option<&str>),
        owner: Option<(u32, u32)>,
    ) -> Result<Spec, Fault> {
        let base = format!("http://{INSIDE_DOOR}/models/{}", self.brain.endpoint);
        let env = request.door.map(Door::env).unwrap_or_default();
        let key = env.get("PROVA_MODELS_KEY").map_or("", String::as_str);
        let sdk = self.preset.sdk.get(&self.brain.api);
        let prompt = if request.brief.len() <= ARGUMENT_BYTES {
            request.brief.to_owned()
        } else {
            let at = Inside::paths().brief;
            format!("Read the file {at} to its end, and do what it asks for.")
        };
        let values = [
            ("prompt", prompt.as_str()),
            ("rules", RULES),
            ("session", resume.unwrap_or_default()),
            ("model", &self.brain.model),
            ("api", self.brain.api.as_str()),
            ("base", &base),
            ("key", key),
            ("home", INSIDE_HOME),
            ("checkout", INSIDE_CHECKOUT),
            ("sdk", sdk.map_or("", String::as_str)),
        ];
        let rest = match resume {
            Some(_) => &self.preset.resume,
            None => &self.preset.fresh,
        };
        let words = self.preset.command.iter().chain(rest);
        let command = words.map(|word| fill(word, &values)).collect();
        let files = filled(&self.preset.files, &values);
        let command = settled((handover, request), owner, &files, command)?;
        let mut env = filled(&self.preset.env, &values);
        env.insert("PROVA_RESULT".to_owned(), Inside::paths().result);
        env.extend(self.env.clone());
        Ok(Spec {
            home: Some(request.session.home.to_owned()),
            ..handover.spec(request, command, env)
        })
    }
}

#[async_trait::async_trait]
impl Agent for Known {
    fn thinks(&self) -> bool {
        true
    }

    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault> {
        let remembers = request.session.home.is_dir() && !self.preset.resume.is_empty();
        let resume = request.session.resume.filter(|_| remembers);
        let (run, heard) = self.once((request, resume), sandbox, cancel).await?;
        // A session that cannot be gone on with is told at once, before anything is done.
        let refused = resume.is_some()
            && matches!(run.outcome.ending, Ending::Exited(code) if code != 0)
            && heard.actions == 0
            && heard.message.is_empty();
        if !refused {
            return Ok(run);
        }
        tracing::info!("the agent could not go on with its session and begins anew");
        self.once((request, None), sandbox, cancel)
            .await
            .map(|(run, _)| run)
    }
}

/// Fills in every value.
fn filled(texts: &BTreeMap<String, String>, values: &[(&str, &str)]) -> BTreeMap<String, String> {
    let fill = |(name, text): (&String, &String)| (name.clone(), fill(text, values));
    texts.iter().map(fill).collect()
}
