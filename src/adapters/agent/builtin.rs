//! The `builtin` driver: the agent of our own, which is this very program, started inside.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::adapters::agent::handover::{Handover, Inside, RESULT};
use crate::adapters::agent::listen::{hear, listen};
use crate::adapters::agent::{claim, leftover};
use crate::domain::builtin::{COMMAND, TOLD, TRANSCRIPT, Told};
use crate::domain::stream::{Rule, rules};
use crate::ports::agent::{Agent, Request, Run};
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_OUTPUT, INSIDE_PROGRAM, Sandbox, Spec};

/// The transcript's name, in the output directory and then in the job's.
const NAME: &str = "transcript.jsonl";
/// The largest transcript that is kept. What writes it inside stops long before.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The agent of our own. It calls one model through the door and works in the checkout, as any
/// other program would: inside, with what is inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtin {
    program: PathBuf,
    told: Told,
    rules: Vec<Rule>,
}

/// What the lines of its progress mean; `inside/agent/report.rs` writes them.
const PROGRESS: &str = r#"
[[stream]]
when = { "/type" = "message" }
means = { message = "/text" }

[[stream]]
when = { "/type" = "tool", "/status" = "started" }
means = { begins = { id = "/id", title = ["/name", "/title"] } }

[[stream]]
when = { "/type" = "tool", "/status" = "failed" }
means = { fails = { id = "/id" } }

[[stream]]
when = { "/type" = "usage" }
means = { usage = { input = "/input", cache_read = "/cached", output = "/output" } }

[[stream]]
when = { "/type" = "error" }
means = { trouble = "/message" }

[[stream]]
when = { "/type" = "done" }
means = { finished = "/type" }
"#;

impl Builtin {
    /// Builds the driver. `program` is this program, by a path that stays good while it runs.
    #[must_use]
    pub fn new(program: PathBuf, told: Told) -> Self {
        Self {
            program,
            told,
            // A test reads them, so they can be read.
            rules: rules(PROGRESS).unwrap_or_default(),
        }
    }

    fn spec(&self, handover: &Handover, request: &Request<'_>) -> Result<Spec, Fault> {
        let told = serde_json::to_string(&self.told)
            .map_err(|error| Fault::permanent("describe the agent", error))?;
        let env = BTreeMap::from(
            [
                (TOLD, told),
                (TRANSCRIPT, format!("{INSIDE_OUTPUT}/{NAME}")),
                ("PROVA_RESULT", Inside::paths().result),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let command = [INSIDE_PROGRAM, COMMAND].map(str::to_owned).to_vec();
        Ok(Spec {
            own: Some(self.program.clone()),
            ..handover.spec(request, command, env)
        })
    }
}

#[async_trait::async_trait]
impl Agent for Builtin {
    fn thinks(&self) -> bool {
        true
    }

    async fn run(
        &self,
        request: &Request<'_>,
        sandbox: &dyn Sandbox,
        cancel: &CancellationToken,
    ) -> Result<Run, Fault> {
        let handover = Handover::prepare(request, sandbox.owner())?;
        let spec = self.spec(&handover, request)?;
        let (talk, said) = hear(request);
        let run = sandbox.converse(&spec, request.door, Some(talk), cancel);
        let (outcome, _heard) = tokio::join!(run, listen(&self.rules, said, request.watcher));
        let outcome = outcome?;
        keep(&handover.output, request.job);
        Ok(Run {
            outcome,
            claim: claim::read(&handover.output, RESULT),
        })
    }
}

/// Puts the transcript from `output` beside the job's log. It is for people to read and nothing
/// depends on it, so one that cannot be kept is logged and left.
fn keep(output: &Path, job: &Path) {
    let kept = leftover::read(output, NAME, MAX_BYTES)
        .and_then(|transcript| write(&job.join(NAME), &transcript));
    match kept {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "the agent's transcript is not kept"),
    }
}

fn write(file: &Path, transcript: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)?.write_all(transcript)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::progress::Update;
    use crate::domain::stream::updates;
    use std::os::unix::fs::symlink;

    #[test]
    fn its_progress_is_understood() {
        let rules = rules(PROGRESS).unwrap();
        let line = br#"{"type":"tool","id":1,"name":"shell","title":"ls","status":"started"}"#;
        let said = updates(&rules, line);
        let [Update::Action(action)] = said.as_slice() else {
            panic!("it is an action: {said:?}");
        };
        assert_eq!(
            (action.id.as_str(), action.title.as_str()),
            ("1", "shell ls")
        );
        let said = updates(&rules, br#"{"type":"error","message":"no"}"#);
        assert_eq!(said, [Update::Trouble("no".to_owned())]);
    }

    #[test]
    fn only_a_real_transcript_is_kept() {
        let job = tempfile::tempdir().unwrap();
        let output = job.path().join("out");
        std::fs::create_dir(&output).unwrap();
        let kept = || std::fs::read(job.path().join(NAME)).ok();
        keep(&output, job.path());
        assert_eq!(kept(), None);
        symlink("/etc/hostname", output.join(NAME)).unwrap();
        keep(&output, job.path());
        assert_eq!(kept(), None);
        std::fs::remove_file(output.join(NAME)).unwrap();
        for text in ["{\"a\":1}\n", "{}\n"] {
            std::fs::write(output.join(NAME), text).unwrap();
            keep(&output, job.path());
            assert_eq!(kept().unwrap(), text.as_bytes());
        }
    }
}
