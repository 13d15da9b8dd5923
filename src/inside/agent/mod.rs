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
mod result;
mod run;
mod settings;
mod tools;

use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::inside::agent::model::Timer;
use crate::inside::agent::provider::Provider;
use crate::inside::agent::report::Report;
use crate::inside::agent::run::{End, Parts};
use crate::inside::agent::settings::Settings;
use crate::inside::agent::tools::{Handed, Toolbox};

/// Something went wrong: there was no answer, or none that makes sense.
const FAILED: u8 = 1;
/// A limit ended it: the steps, or going round in circles.
const LIMIT: u8 = 3;

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
    let root =
        std::env::current_dir().map_err(|error| format!("the working directory: {error}"))?;
    let tools = Toolbox::new(root, settings.wants);
    let end = runtime.block_on(work(&settings, &tools))?;
    ended(end, &settings, &tools.handed())
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

async fn work(settings: &Settings, tools: &Toolbox) -> Result<End, String> {
    let told = |path: &str| {
        let path = path.to_owned();
        move |error: io::Error| format!("{path}: {error}")
    };
    let brief = std::fs::read_to_string(&settings.brief).map_err(told(&settings.brief))?;
    let mut transcript = File::create(&settings.transcript).map_err(told(&settings.transcript))?;
    let provider = Provider::new(settings)?;
    let parts = Parts {
        model: &provider,
        patience: &Timer,
        tools,
        told: &settings.told,
    };
    let mut progress = io::stdout();
    let mut report = Report::new(&mut progress, &mut transcript);
    let end = run::run(&parts, brief, &mut report).await;
    Ok(end)
}

/// Writes the result, also of work that was not finished, as far as there is one.
fn ended(end: End, settings: &Settings, handed: &Handed) -> Result<(), Failure> {
    let (finish, failure) = match end {
        End::Finished(finish) => (Some(finish), None),
        End::Steps => {
            let message = format!(
                "all {} steps were used before the work was finished",
                settings.told.max_steps
            );
            (None, Some(Failure::Limit(message)))
        }
        End::Circle => {
            let message = "the model made the same call with the same result again and again";
            (None, Some(Failure::Limit(message.to_owned())))
        }
        End::Nonsense => {
            let message = "the model gave three answers in a row that make no sense";
            (None, Some(Failure::Other(message.to_owned())))
        }
        End::Refused(refused) => {
            let message = format!("the model did not answer: {refused}");
            (None, Some(Failure::Other(message)))
        }
    };
    let written = result::result(finish.as_ref(), handed).map_or(Ok(()), |result| {
        std::fs::write(&settings.result, result.to_string())
            .map_err(|error| Failure::Other(format!("{}: {error}", settings.result)))
    });
    failure.map_or(written, Err)
}
