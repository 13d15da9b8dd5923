//! The agent of our own: a small loop around one model, with a shell and a few tools.
//!
//! It keeps the `exec` contract as any other agent does, and what it is told beyond that stands in
//! [`builtin`](crate::domain::builtin). All calls of the model go to the door.

mod clip;
mod conversation;
mod failure;
mod history;
mod model;
mod prompt;
mod provider;
mod repeats;
mod report;
mod run;
mod settings;
mod tools;

use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::json;

use crate::inside::agent::clip::line;
use crate::inside::agent::model::Timer;
use crate::inside::agent::provider::Provider;
use crate::inside::agent::report::Report;
use crate::inside::agent::run::{End, Parts};
use crate::inside::agent::settings::Settings;
use crate::inside::agent::tools::{Finish, Toolbox};

/// Something went wrong: there was no answer, or none that makes sense.
const FAILED: u8 = 1;
/// A limit ended it: the steps, or going round in circles.
const LIMIT: u8 = 3;

/// Most characters of a title, and of the other members of a result.
const TITLE_CHARS: usize = 200;
const TEXT_CHARS: usize = 10_000;

/// Works on the brief that the variables name.
pub(super) fn main() -> ExitCode {
    let (code, message) = match start() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Limit(message)) => (LIMIT, message),
        Err(Failure::Other(message)) => (FAILED, message),
    };
    // The end of the output is what people see of a job that failed.
    let _ = writeln!(io::stderr(), "prova: {message}");
    ExitCode::from(code)
}

fn start() -> Result<(), Failure> {
    let settings = settings::read(variable)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let end = runtime.block_on(work(&settings))?;
    ended(end, &settings)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is that of the sandbox, which the server made for this program"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Why it was not finished.
enum Failure {
    Limit(String),
    Other(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Other(message)
    }
}

async fn work(settings: &Settings) -> Result<End, String> {
    let told = |path: &str| {
        let path = path.to_owned();
        move |error: io::Error| format!("{path}: {error}")
    };
    let brief = std::fs::read_to_string(&settings.brief).map_err(told(&settings.brief))?;
    let mut transcript = File::create(&settings.transcript).map_err(told(&settings.transcript))?;
    let root = std::env::current_dir().map_err(told("the working directory"))?;
    let provider = Provider::new(settings)?;
    let parts = Parts {
        model: &provider,
        patience: &Timer,
        tools: &Toolbox { root },
        told: &settings.told,
    };
    let mut progress = io::stdout();
    let mut report = Report::new(&mut progress, &mut transcript);
    let end = run::run(&parts, brief, &mut report).await;
    Ok(end)
}

fn ended(end: End, settings: &Settings) -> Result<(), Failure> {
    match end {
        End::Finished(finish) => {
            let result = result(&finish).to_string();
            std::fs::write(&settings.result, result)
                .map_err(|error| Failure::Other(format!("{}: {error}", settings.result)))
        }
        End::Steps => Err(Failure::Limit(format!(
            "all {} steps were used before the work was finished",
            settings.told.max_steps
        ))),
        End::Circle => Err(Failure::Limit(
            "the model made the same call with the same result again and again".to_owned(),
        )),
        End::Nonsense => Err(Failure::Other(
            "the model gave three answers in a row that make no sense".to_owned(),
        )),
        End::Refused(refused) => Err(Failure::Other(format!(
            "the model did not answer: {refused}"
        ))),
    }
}

/// Returns the result as the `exec` contract has it, within its 64 KiB.
fn result(finish: &Finish) -> serde_json::Value {
    let cut = |text: &Option<String>, most| text.as_ref().map(|text| line(text, most));
    json!(Finish {
        title: cut(&finish.title, TITLE_CHARS),
        summary: line(&finish.summary, TEXT_CHARS),
        notes: cut(&finish.notes, TEXT_CHARS),
    })
}
