//! The `acp` driver: programs that speak the Agent Client Protocol on their standard input and output.
//!
//! Only this directory names the protocol's library. `lines` is what passes on the way to it, `ear`
//! what an update means, `talk` the order of words.

mod ear;
pub(super) mod lines;
mod permission;
mod talk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, duplex};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::adapters::agent::acp::lines::Tally;
use crate::adapters::agent::acp::talk::{End, Talker};
use crate::adapters::agent::claim;
use crate::adapters::agent::exec::BadAgent;
use crate::adapters::agent::fill::fill_json;
use crate::adapters::agent::fitting::Fitting;
use crate::adapters::agent::handover::{Handover, RESULT};
use crate::adapters::agent::launch::Launch;
use crate::config::presets::Preset;
use crate::config::server::Permissions;
use crate::config::server::brain::Brain;
use crate::domain::evidence::Ending;
use crate::domain::progress::Update;
use crate::ports::agent::{Agent, Request, Run, Watcher};
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, Sandbox, Talk};

/// How much is on its way at most, in bytes, each way.
const PIPE_BYTES: usize = 64 * 1024;

/// How an agent is talked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// What it is told when it asks whether it may.
    pub permissions: Permissions,
    /// The mode that its session is put into; none: the one that it begins in.
    pub mode: Option<String>,
    /// What its sessions are opened with beside what the protocol names.
    pub meta: Map<String, Value>,
    /// How its last message begins when it is an error that it takes for an answer; none: never so.
    pub trouble: Option<String>,
    /// What stands in the `_meta` of what it tells of its session, by JSON pointer, when a turn has
    /// failed that it ends in good order.
    pub failed: BTreeMap<String, Value>,
    /// How it is to log in, by its own name for that; none: not at all.
    pub authenticate: Option<String>,
    /// How long it is waited for.
    pub patience: Patience,
}

/// How long an agent is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For an answer that takes no work.
    pub answer: Duration,
    /// For the end of its work, when it is stopped.
    pub cancel: Duration,
    /// For its end, when nothing more is said to it.
    pub leave: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_mins(1),
            cancel: Duration::from_secs(2),
            leave: Duration::from_secs(5),
        }
    }
}

/// A program that speaks the protocol as an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acp {
    launch: Launch,
    manners: Manners,
    /// What the texts of a preset are filled in with; none: they stand as they are.
    fitting: Option<Fitting>,
}

impl Acp {
    /// Builds the driver.
    ///
    /// # Errors
    /// When there is no program, or a variable is one that the driver sets.
    pub fn new(launch: Launch, manners: Manners) -> Result<Self, BadAgent> {
        BadAgent::check(&launch.command, &launch.env)?;
        Ok(Self {
            launch,
            manners,
            fitting: None,
        })
    }

    /// Builds the driver of a preset; `env` goes over the preset's own variables, and is seen by the
    /// agent. `None` when the preset does not speak the protocol.
    #[must_use]
    pub fn known(preset: &Preset, brain: Brain, env: BTreeMap<String, String>) -> Option<Self> {
        let own = preset.acp.clone()?;
        let over = |base: &BTreeMap<String, String>, own| {
            let both = [base.clone(), own];
            both.into_iter().flatten().collect()
        };
        Some(Self {
            launch: Launch {
                command: own.command,
                env: over(&preset.env, own.env),
                files: over(&preset.files, own.files),
                hide: [preset.hide.as_slice(), &own.hide].concat(),
            },
            manners: Manners {
                mode: own.mode,
                meta: own.meta,
                trouble: own.trouble,
                failed: own.failed,
                ..Manners::default()
            },
            fitting: Some(Fitting::new(preset, brain, env)),
        })
    }

    /// Returns how it is started and talked with behind `door`.
    fn ready(&self, door: Option<&dyn Door>) -> (Launch, Manners) {
        let Some(fitting) = &self.fitting else {
            return (self.launch.clone(), self.manners.clone());
        };
        let values = fitting.values(door);
        let meta = self.manners.meta.iter();
        let fill = |(name, value): (&String, &Value)| (name.clone(), fill_json(value, &values));
        let manners = Manners {
            meta: meta.map(fill).collect(),
            ..self.manners.clone()
        };
        (fitting.fit(&self.launch, &values), manners)
    }
}

#[async_trait::async_trait]
impl Agent for Acp {
    fn thinks(&self) -> bool {
        true
    }

    fn can_be_steered(&self) -> bool {
        true
    }

    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let (launch, manners) = self.ready(request.door);
        let spec = launch.spec((&handover, request), sandbox.owner())?;
        let checkout = checkout(request, sandbox)?;
        let (spoken, input) = duplex(PIPE_BYTES);
        let (output, heard) = duplex(PIPE_BYTES);
        let talk = Talk {
            input: Some(Box::new(input)),
            output: Some(Box::new(output)),
            stirred: request.watcher.stirred(),
        };
        // Not a child of `cancel`: an agent that is stopped gets a moment to end what it began.
        let (stop, left) = (CancellationToken::new(), CancellationToken::new());
        let running = async {
            let outcome = sandbox
                .converse(&spec, request.door, Some(talk), &stop)
                .await;
            left.cancel();
            outcome
        };
        let talking = async {
            let talker = Talker::new(&manners, &checkout, request, cancel);
            let end = converse(&talker, spoken, heard).await;
            if end != End::Cancelled {
                tokio::select! {
                    _ = timeout(manners.patience.leave, left.cancelled()) => {}
                    () = cancel.cancelled() => {}
                }
            }
            stop.cancel();
            (end, talker.last_words())
        };
        let (outcome, (end, words)) = tokio::join!(running, talking);
        let mut outcome = outcome?;
        tell(request.watcher, &end, outcome.ending);
        outcome.ending = ending(&end, outcome.ending);
        let claim = claim::read(&handover.output, RESULT).or_else(|| claim::of_words(&words));
        Ok(Run { outcome, claim })
    }
}

/// Talks with an agent that reads `spoken` and prints what comes by `heard`; returns with both closed.
async fn converse(
    talker: &Talker<'_>,
    spoken: impl AsyncWrite + Send + Unpin + 'static,
    heard: impl AsyncRead + Send + Unpin + 'static,
) -> End {
    let tally = Arc::<Tally>::default();
    let spoken = lines::spoken(spoken, tally.clone());
    let heard = lines::heard(BufReader::with_capacity(PIPE_BYTES, heard), tally.clone());
    let end = talker.talk(spoken, heard).await;
    if tally.left_out() > 0 {
        tracing::debug!(
            lines = tally.left_out(),
            "an agent printed lines that are no messages"
        );
    }
    end
}

/// Returns where the checkout stands, as the agent sees it.
fn checkout(request: &Request<'_>, sandbox: &dyn Sandbox) -> Result<PathBuf, Fault> {
    if sandbox.isolates() {
        return Ok(Path::new(INSIDE_CHECKOUT).to_owned());
    }
    std::path::absolute(request.checkout.tree.written())
        .map_err(|error| Fault::io("find the checkout", &error))
}

/// Tells who follows the run what came of it, where nobody else can.
fn tell(watcher: &dyn Watcher, end: &End, ending: Ending) {
    match (end, ending) {
        (End::Finished, _) => watcher.heard(Update::Finished),
        (End::Unfinished(why), _) => watcher.heard(Update::Trouble(why.clone())),
        (End::Gone, Ending::Exited(_) | Ending::Signalled(_)) => {
            let text = "it ended in the middle of the work";
            watcher.heard(Update::Trouble(text.to_owned()));
        }
        (End::Gone, Ending::Cancelled) => {
            let text = "it stopped talking in the middle of the work";
            watcher.heard(Update::Trouble(text.to_owned()));
        }
        // The ending says it.
        (End::Gone, Ending::TimedOut | Ending::OutOfMemory | Ending::DiskFull)
        | (End::Cancelled, _) => {}
    }
}

/// Returns how a run ended, of how its processes did.
///
/// An agent that has said that it is done is ended by us, and how it takes that, be it by an error, a
/// signal or not at all, says nothing of its work. One that has not done its work has failed, however
/// politely its process ended. What the limits ended, they ended.
const fn ending(end: &End, process: Ending) -> Ending {
    match (end, process) {
        (_, Ending::TimedOut | Ending::OutOfMemory | Ending::DiskFull) => process,
        (End::Finished, Ending::Exited(_) | Ending::Signalled(_) | Ending::Cancelled) => {
            Ending::Exited(0)
        }
        (End::Cancelled, Ending::Exited(_) | Ending::Signalled(_) | Ending::Cancelled) => {
            Ending::Cancelled
        }
        (End::Unfinished(_), Ending::Exited(0) | Ending::Cancelled)
        | (End::Gone, Ending::Cancelled) => Ending::Exited(1),
        (End::Unfinished(_) | End::Gone, Ending::Exited(_) | Ending::Signalled(_)) => process,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_as_its_work_did() {
        let unfinished = || End::Unfinished("refused".to_owned());
        for (end, process, expected) in [
            (End::Finished, Ending::Exited(0), Ending::Exited(0)),
            (End::Finished, Ending::Exited(130), Ending::Exited(0)),
            (End::Finished, Ending::Cancelled, Ending::Exited(0)),
            (End::Finished, Ending::TimedOut, Ending::TimedOut),
            (unfinished(), Ending::Exited(0), Ending::Exited(1)),
            (unfinished(), Ending::Exited(7), Ending::Exited(7)),
            (unfinished(), Ending::Cancelled, Ending::Exited(1)),
            (unfinished(), Ending::DiskFull, Ending::DiskFull),
            (End::Gone, Ending::Exited(0), Ending::Exited(0)),
            (End::Gone, Ending::Signalled(9), Ending::Signalled(9)),
            (End::Gone, Ending::Cancelled, Ending::Exited(1)),
            (End::Cancelled, Ending::Exited(0), Ending::Cancelled),
            (End::Cancelled, Ending::Cancelled, Ending::Cancelled),
            (End::Cancelled, Ending::TimedOut, Ending::TimedOut),
        ] {
            assert_eq!(ending(&end, process), expected, "{end:?} {process:?}");
        }
    }
}
