//! Agents that many people use, driven as their preset says.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::claim;
use crate::adapters::agent::fitting::Fitting;
use crate::adapters::agent::handover::{Handover, Inside, RESULT};
use crate::adapters::agent::launch::Launch;
use crate::adapters::agent::listen::{hear, listen, tell};
use crate::config::presets::Preset;
use crate::config::server::brain::Brain;
use crate::domain::evidence::Ending;
use crate::domain::progress::{Heard, Update};
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::fault::Fault;
use crate::ports::sandbox::Sandbox;

/// The longest brief that is passed as an argument, in bytes: the kernel takes 128 KiB.
const ARGUMENT_BYTES: usize = 100 * 1024;

/// An agent by its preset.
#[derive(Clone, Debug)]
pub struct Known {
    preset: Preset,
    fitting: Fitting,
}

impl Known {
    /// Builds the driver; `env` goes over the preset's own variables, and is seen by the agent.
    #[must_use]
    pub fn new(preset: Preset, brain: Brain, env: BTreeMap<String, String>) -> Self {
        let fitting = Fitting::new(&preset, brain, env);
        Self { preset, fitting }
    }

    /// Runs it, with a session to go on with if there is one, and returns what it said.
    async fn once(
        &self,
        (request, resume): (&Request<'_>, Option<&str>),
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<(Run, Heard), Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let launch = self.launch(request, resume);
        let spec = launch.spec((&handover, request), sandbox.owner())?;
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

    fn launch(&self, request: &Request<'_>, resume: Option<&str>) -> Launch {
        let prompt = if request.brief.len() <= ARGUMENT_BYTES {
            request.brief.to_owned()
        } else {
            let at = Inside::paths().brief;
            format!("Read the file {at} to its end, and do what it asks for.")
        };
        let mut values = self.fitting.values(request.door);
        values.push(("prompt", prompt));
        values.push(("session", resume.unwrap_or_default().to_owned()));
        let rest = match resume {
            Some(_) => &self.preset.resume,
            None => &self.preset.fresh,
        };
        let texts = Launch {
            command: [self.preset.command.as_slice(), rest].concat(),
            env: self.preset.env.clone(),
            files: self.preset.files.clone(),
            hide: self.preset.hide.clone(),
        };
        self.fitting.fit(&texts, &values)
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
