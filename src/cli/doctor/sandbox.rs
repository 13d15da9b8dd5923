//! `prova doctor --sandbox`: attacks a sandbox of this host as an agent would, and tells what holds.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::bootstrap;
use crate::cli::doctor::attempts::{Attempt, Observed, Verdict, attempts, judge};
use crate::cli::doctor::scene::Scene;
use crate::cli::exit::{DONE, FAILED};
use crate::cli::output::Output;
use crate::config::server::ServerSettings;
use crate::ports::clock::Clock;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Profile, Sandbox, Spec, Unenforced};
use crate::ports::tree::Tree;

/// An attempt, and how it came out.
struct Line {
    attempt: Attempt,
    result: Result,
    detail: String,
}

/// How an attempt came out, in view of what this host can enforce at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Result {
    Held,
    Through,
    Unenforced,
    Untried,
    Broken,
}

impl Result {
    const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Through => "THROUGH",
            Self::Unenforced => "unenforced",
            Self::Untried => "not tried",
            Self::Broken => "FAILED",
        }
    }

    /// Returns whether an operator can let agents run all the same.
    const fn is_bearable(self) -> bool {
        match self {
            Self::Held | Self::Unenforced | Self::Untried => true,
            Self::Through | Self::Broken => false,
        }
    }
}

/// Makes every attempt, one after another, and fails when one gets through.
pub(super) async fn attack(
    settings: &ServerSettings,
    clock: Arc<dyn Clock>,
    (as_json, output): (bool, &Output),
) -> u8 {
    let sandbox = match bootstrap::open_sandbox(settings, clock) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            output.error(&error.to_string());
            return FAILED;
        }
    };
    let scene = match Scene::set(settings) {
        Ok(scene) => scene,
        Err(error) => {
            let dir = settings.work.dir.display();
            output.error(&format!("cannot prepare the attempts in {dir}: {error}"));
            return FAILED;
        }
    };
    let unenforced = sandbox.unenforced();
    let mut lines = Vec::new();
    for attempt in scene.targets(attempts) {
        let verdict = match run(&attempt, &scene, sandbox.as_ref()).await {
            Ok(observed) => judge(attempt.proof, &observed),
            Err(fault) => Verdict::Broken(fault.to_string()),
        };
        let line = line(attempt, verdict, &unenforced);
        if !as_json {
            show(&line, output);
        }
        lines.push(line);
    }
    if as_json {
        output.json(&lines.iter().map(as_value).collect());
    }
    if lines.iter().all(|line| line.result.is_bearable()) {
        DONE
    } else {
        FAILED
    }
}

async fn run(
    attempt: &Attempt,
    scene: &Scene,
    sandbox: &dyn Sandbox,
) -> std::result::Result<Observed, Fault> {
    let io = |error: io::Error| Fault::io("prepare the attempt", &error);
    let bench = scene.bench(attempt.name, sandbox.owner()).map_err(io)?;
    let script = format!("echo begun; {}", attempt.script);
    let mut command = ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    command.extend(attempt.words.iter().cloned());
    let spec = Spec {
        command,
        env: BTreeMap::new(),
        tree: Tree::Plain(bench.checkout),
        hide: Vec::new(),
        input: None,
        output: None,
        objects: None,
        home: None,
        own: None,
        log: bench.log.clone(),
        limits: attempt.limits,
        profile: Profile::default(),
    };
    let outcome = sandbox.run(&spec, None, &CancellationToken::new()).await?;
    // From the beginning of the log: its end may be a flood.
    let log = std::fs::read(&bench.log).map_err(io)?;
    Ok(Observed {
        ending: outcome.ending,
        kept: log.len() as u64,
        said: String::from_utf8_lossy(&log).into_owned(),
        trace: scene.trace(),
    })
}

/// Puts a verdict into words.
fn line(attempt: Attempt, verdict: Verdict, unenforced: &[Unenforced]) -> Line {
    let missing = unenforced
        .iter()
        .find(|one| Some(one.setting) == attempt.setting);
    let (result, detail) = match (verdict, missing) {
        (Verdict::Held, _) => (Result::Held, String::new()),
        (Verdict::Through(_), Some(missing)) => (
            Result::Unenforced,
            format!("{}. {}", missing.reason, missing.remedy),
        ),
        (Verdict::Through(how), None) => (Result::Through, how),
        (Verdict::Untried(why), _) => (Result::Untried, why),
        (Verdict::Broken(why), _) => (Result::Broken, why),
    };
    Line {
        attempt,
        result,
        detail,
    }
}

fn show(line: &Line, output: &Output) {
    let tried = &line.attempt.tried;
    let told = match line.detail.as_str() {
        "" => tried.clone(),
        detail => format!("{tried}: {detail}"),
    };
    let (result, name) = (line.result.word(), line.attempt.name);
    output.line(&format!("{result:<10} {name:<15} {told}"));
}

fn as_value(line: &Line) -> serde_json::Value {
    json!({
        "attempt": line.attempt.name,
        "result": line.result.word().to_ascii_lowercase(),
        "tried": line.attempt.tried,
        "detail": line.detail,
    })
}
