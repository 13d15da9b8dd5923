//! Agents that many people use, driven as their preset says.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::claim;
use crate::adapters::agent::fill::fill;
use crate::adapters::agent::handover::{Handover, Inside, RESULT, make, write};
use crate::adapters::agent::listen::{hear, listen, tell};
use crate::config::presets::Preset;
use crate::config::server::brain::Brain;
use crate::domain::evidence::{Claim, Ending};
use crate::domain::progress::{Heard, Update};
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::door::INSIDE_DOOR;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, INSIDE_HOME, INSIDE_INPUT, Sandbox, Spec};

/// The longest brief that is passed as an argument, in bytes: the kernel takes 128 KiB.
const ARGUMENT_BYTES: usize = 100 * 1024;
/// Below the input: what is put into the home before the agent starts.
const HOME_FILES: &str = "home";

/// What an agent is told beside every brief.
const RULES: &str = "You work unattended, in a sandbox: nobody answers questions, and there is no \
    network but the model's and what the repository allows. Finish the work, or say clearly why you \
    cannot. Leave the result as files in the working directory.";

/// Puts the files of the preset into the home, inside, where what an earlier run left in their place
/// leads nowhere; then becomes the agent.
const SETTLE: &str = r#"(
cd "$0" &&
find . -type d -exec sh -c '
  for d; do [ -d "$HOME/$d" ] && [ ! -L "$HOME/$d" ] || { rm -f "$HOME/$d" && mkdir "$HOME/$d"; }; done
' sh {} + &&
find . -type f -exec sh -c 'for f; do rm -rf "$HOME/$f" && cp "$f" "$HOME/$f"; done' sh {} +
) && exec "$@""#;

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
        let claim = claim::read(&handover.output, RESULT).or_else(|| said_last(&heard));
        Ok((Run { outcome, claim }, heard))
    }

    fn spec(
        &self,
        handover: &Handover,
        (request, resume): (&Request<'_>, Option<&str>),
        owner: Option<(u32, u32)>,
    ) -> Result<Spec, Fault> {
        let base = format!("http://{INSIDE_DOOR}/models/{}", self.brain.endpoint);
        let env = request.door.map(|door| door.env()).unwrap_or_default();
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
        let home = handover.input.join(HOME_FILES);
        put(&home, owner, &self.preset.files, &values)
            .map_err(|error| Fault::io("write the agent's settings", &error))?;
        make_home(request.session.home, owner)
            .map_err(|error| Fault::io("make the agent's home", &error))?;
        let rest = match resume {
            Some(_) => &self.preset.resume,
            None => &self.preset.fresh,
        };
        let settle = ["sh", "-c", SETTLE].map(str::to_owned);
        let words = self.preset.command.iter().chain(rest);
        let command = settle
            .into_iter()
            .chain([format!("{INSIDE_INPUT}/{HOME_FILES}")])
            .chain(words.map(|word| fill(word, &values)))
            .collect();
        let mut env: BTreeMap<String, String> = self
            .preset
            .env
            .iter()
            .map(|(name, text)| (name.clone(), fill(text, &values)))
            .collect();
        // Some agents obey this and not the directory that they are started in.
        env.insert("PWD".to_owned(), INSIDE_CHECKOUT.to_owned());
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

/// What it said last is what it says it did.
fn said_last(heard: &Heard) -> Option<Claim> {
    let text = heard.message.trim();
    (!text.is_empty()).then(|| Claim {
        summary: Some(text.to_owned()),
        ..Claim::default()
    })
}

/// Writes `files` below `dir`, which nobody inside can write.
fn put(
    dir: &Path,
    owner: Option<(u32, u32)>,
    files: &BTreeMap<String, String>,
    values: &[(&str, &str)],
) -> io::Result<()> {
    make(dir, owner)?;
    for (path, text) in files {
        let mut at = dir.to_owned();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            at.push(part);
            if parts.peek().is_some() && !at.is_dir() {
                make(&at, owner)?;
            }
        }
        write(&at, &fill(text, values), owner)?;
    }
    Ok(())
}

/// Makes the home where there is none yet. What is in one is the agent's, and not looked at.
fn make_home(home: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if home.is_dir() {
        return Ok(());
    }
    if let Some(above) = home.parent() {
        std::fs::create_dir_all(above)?;
    }
    make(home, owner)
}
