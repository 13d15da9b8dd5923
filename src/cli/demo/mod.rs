//! `prova demo`: the whole way on a GitHub of our own, with the server's own code.
//!
//! GitHub is the simulator on a loopback port, with real git behind it and signed webhooks; the
//! server is `prova serve` with settings as an operator would write them. The issue is worked on by a
//! built-in recipe; only the people, and the agent for the follow-up, play a part.

mod sample;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::app::serve::Ends;
use crate::bootstrap::{open_store, system_clock};
use crate::cli::exit::{DONE, FAILED};
use crate::cli::output::Output;
use crate::cli::progress::{Progress, running};
use crate::cli::serve::{Failure, serve};
use crate::cli::settings::environment;
use crate::cli::telemetry;
use crate::config::server::ServerSettings;
use crate::config::server::load::{Need, load};
use crate::domain::effect::EffectKey;
use crate::domain::ids::{JobId, RepoId, TaskId, ThreadKey, ThreadNumber};
use crate::domain::task::State;
use crate::domain::time::{Span, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::store::Store;
use crate::simulator::error::SimError;
use crate::simulator::world::accounts::Role;
use crate::simulator::world::repositories::RepositorySpec;
use crate::simulator::{Options, Simulator};

/// How long each part may take before the demo is given up.
const PATIENCE: Span = Span::seconds(120);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// How to show it.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the last step instead of leaving the pages open to look at.
    #[arg(long)]
    once: bool,
}

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the simulated GitHub: {0}")]
    GitHub(#[from] SimError),
    #[error("{0}")]
    Files(#[from] std::io::Error),
    #[error("the settings: {0}")]
    Settings(String),
    #[error("the store: {0}")]
    Store(#[from] crate::ports::fault::Fault),
    #[error("the server did not start: {0}")]
    NoServer(String),
    #[error("{what} did not happen within {PATIENCE}; the task is {state}")]
    TooLong { what: &'static str, state: String },
    #[error("this build lacks the recipe that the demo runs: build it with the feature `typos`")]
    NoRecipe,
    #[error("the task ended {state} before {what}; PROVA_LOG=debug says more")]
    Ended { what: &'static str, state: String },
}

/// Shows the demo.
pub async fn run(args: &DemoArgs, output: &Output) -> u8 {
    telemetry::start("error", output.secrets());
    match show(args, output).await {
        Ok(()) => DONE,
        Err(broken) => {
            output.error(&broken.to_string());
            FAILED
        }
    }
}

async fn show(args: &DemoArgs, output: &Output) -> Result<(), Broken> {
    if !cfg!(feature = "typos") {
        return Err(Broken::NoRecipe);
    }
    let dir = tempfile::Builder::new().prefix("prova-demo-").tempdir()?;
    let stage = Stage::set(dir.path(), output).await?;
    let (repo, sim) = (sample::REPO, &stage.sim);
    stage.say(
        "GitHub",
        &format!("a simulated one, with real git, at {}", sim.web_url()),
    );
    stage.say(
        "server",
        &format!("prova serve at {}, webhooks signed", stage.url),
    );

    let issue = sim
        .as_person("ada")
        .open_issue(repo, sample::TITLE, sample::BODY, &[])?;
    stage.say("ada", &format!("opens issue #{issue}: {}", sample::TITLE));
    let label = sample::LABEL;
    sim.as_person("ada").label(repo, issue, label)?;
    stage.say(
        "ada",
        &format!(
            "labels it `{label}`: {}/{repo}/issues/{issue}",
            sim.web_url()
        ),
    );
    let task = TaskId {
        thread: ThreadKey {
            repo: RepoId(stage.repo),
            number: ThreadNumber(issue),
        },
        ordinal: 1,
    };
    stage.follow(task, 1, "the pull request").await?;
    let pull = stage.pull(task).await?;
    stage.say(
        "prova",
        &format!(
            "opens pull request #{pull}: {}/{repo}/pull/{pull}",
            sim.web_url()
        ),
    );
    stage.quote(pull, Part::Description)?;

    sim.as_person("ada")
        .review_comment(repo, pull, "greet.sh:2", sample::REVIEW)?;
    stage.say(
        "ada",
        &format!("comments on line 2 of greet.sh: {}", sample::REVIEW),
    );
    stage.follow(task, 2, "the follow-up commit").await?;
    stage.say("prova", &format!("puts a follow-up commit on #{pull}"));
    stage.quote(pull, Part::Commits)?;

    sim.as_person("ada").set_draft(repo, pull, false)?;
    sim.as_person("ada").merge_pull(repo, pull)?;
    stage.say("ada", &format!("marks #{pull} as ready and merges it"));
    stage
        .until(task, "the end of the task", |state| *state == State::Merged)
        .await?;
    stage.say("prova", "ends the task: merged");

    if args.once || !output.is_terminal() {
        output
            .line("\nThat was the whole way. Without --once, on a terminal, the pages stay open.");
    } else {
        output.line(&format!("\nLook around: tasks at {}/", stage.url));
        output.line(&format!(
            "  the issue at {}/{repo}/issues/{issue}",
            sim.web_url()
        ));
        output.line(&format!(
            "  the pull request at {}/{repo}/pull/{pull}",
            sim.web_url()
        ));
        output.line("Ctrl-C ends it and leaves nothing behind.");
        let _ = tokio::signal::ctrl_c().await;
    }
    stage.clear().await;
    Ok(())
}

/// What is shown of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Description,
    Commits,
}

/// GitHub, the server, and what both are about.
struct Stage<'a> {
    sim: Simulator,
    store: Arc<dyn Store>,
    repo: u64,
    url: String,
    ends: Ends,
    server: tokio::task::JoinHandle<Result<(), Failure>>,
    clock: Arc<dyn Clock>,
    began: Timestamp,
    output: &'a Output,
}

impl<'a> Stage<'a> {
    async fn set(dir: &Path, output: &'a Output) -> Result<Self, Broken> {
        let clock = system_clock();
        let ticking = clock.clone();
        let time = Arc::new(move || ticking.now().as_millis());
        let sim = Simulator::start(Options::new(time)).await?;
        let repo = sim.create_repository(&RepositorySpec::new(sample::REPO, sample::files()))?;
        sim.set_role(sample::REPO, "ada", Role::Write)?;
        sim.install_app("acme", None)?;
        let settings = settings(&sim, dir)?;
        let listen = settings.server.listen;
        let url = format!("http://{listen}");
        let store = open_store(&settings)
            .await
            .map_err(|e| Broken::Settings(e.to_string()))?;
        let ends = Ends::default();
        let until = ends.clone();
        let live = output.secrets();
        let server = tokio::spawn(async move { serve(settings, &until, live).await });
        // As the real one, this GitHub does not send again what nobody took.
        let deadline = clock.now().plus(PATIENCE);
        while tokio::net::TcpStream::connect(listen).await.is_err() {
            if server.is_finished() || clock.now() > deadline {
                return Err(Broken::NoServer(outcome(server).await));
            }
            tokio::time::sleep(LOOK).await;
        }
        sim.deliver_to(&format!("{url}/webhook"))?;
        Ok(Self {
            began: clock.now(),
            clock,
            sim,
            store,
            repo,
            url,
            ends,
            server,
            output,
        })
    }

    fn say(&self, who: &str, what: &str) {
        let elapsed = Duration::as_secs_f64(&self.clock.now().since(self.began).to_std());
        self.output
            .line(&format!("[{elapsed:>5.1} s] {who:<7} {what}"));
    }

    /// Shows a part of the pull request, as GitHub's page would.
    fn quote(&self, pull: u64, part: Part) -> Result<(), Broken> {
        let text = self.sim.transcript(sample::REPO, pull)?;
        let (from, to) = match part {
            Part::Description => ("", "files:"),
            Part::Commits => ("commits:", "checks:"),
        };
        let lines = text.lines().skip_while(|line| !line.starts_with(from));
        for line in lines
            .take_while(|line| *line != to)
            .filter(|line| !line.contains("<!--"))
        {
            self.output.line(format!("          | {line}").trim_end());
        }
        Ok(())
    }

    /// Shows the steps of the task's job of that number as they are done, until its result is on
    /// GitHub.
    async fn follow(&self, task: TaskId, job: usize, what: &'static str) -> Result<(), Broken> {
        let mut shown = 0;
        let deadline = self.clock.now().plus(PATIENCE);
        let mut progress = Progress::new(self.output, self.clock.clone());
        loop {
            let jobs = self.store.jobs(task).await?;
            let read = self.store.task(task).await?;
            if let Some(job) = jobs.get(job - 1) {
                for (_, _, entry) in job.journal.iter().skip(shown) {
                    self.say("prova", &format!("  {}", entry.told()));
                    shown += 1;
                }
            }
            progress.step(jobs.get(job - 1).map_or("webhook", running));
            progress.tick();
            let state = read.map(|read| read.task.state);
            let told = state.as_ref().map_or("not there", State::word).to_owned();
            match state {
                Some(State::InReview) if jobs.len() >= job && shown > 0 => {
                    // The last of what is published; comments may be edited still.
                    let ordinal = u32::try_from(job).unwrap_or(u32::MAX);
                    let check = EffectKey::check(JobId { task, ordinal });
                    if self.store.sent(&check).await?.is_some() {
                        progress.end();
                        return Ok(());
                    }
                }
                Some(
                    State::Blocked
                    | State::Stopped
                    | State::Closed
                    | State::Merged
                    | State::Answered,
                ) => {
                    return Err(Broken::Ended { what, state: told });
                }
                Some(State::Queued | State::Running | State::Publishing | State::InReview)
                | None => {}
            }
            self.patience(deadline, what, told).await?;
        }
    }

    async fn until(
        &self,
        task: TaskId,
        what: &'static str,
        is_there: impl Fn(&State) -> bool,
    ) -> Result<(), Broken> {
        let deadline = self.clock.now().plus(PATIENCE);
        loop {
            let state = self.store.task(task).await?.map(|read| read.task.state);
            if state.as_ref().is_some_and(&is_there) {
                return Ok(());
            }
            let told = state.as_ref().map_or("not there", State::word).to_owned();
            self.patience(deadline, what, told).await?;
        }
    }

    async fn patience(
        &self,
        deadline: Timestamp,
        what: &'static str,
        state: String,
    ) -> Result<(), Broken> {
        if self.server.is_finished() {
            let state = format!("{state}, and the server has ended");
            return Err(Broken::Ended { what, state });
        }
        if self.clock.now() > deadline {
            return Err(Broken::TooLong { what, state });
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }

    async fn pull(&self, task: TaskId) -> Result<u64, Broken> {
        let read = self.store.task(task).await?;
        let pull = read.and_then(|read| read.task.pull);
        pull.map(|number| number.0).ok_or(Broken::Ended {
            what: "the pull request",
            state: "without one".to_owned(),
        })
    }

    async fn clear(self) {
        self.ends.now.cancel();
        let _ = self.server.await;
    }
}

/// Returns why a server ended.
async fn outcome(server: tokio::task::JoinHandle<Result<(), Failure>>) -> String {
    server.abort();
    match server.await {
        Ok(Err(Failure::Settings(why) | Failure::Running(why))) => why,
        Ok(Ok(())) => "it ended".to_owned(),
        Err(_) => "it does not answer".to_owned(),
    }
}

/// Writes key, secret and settings as an operator would, and reads them as the server does.
fn settings(sim: &Simulator, dir: &Path) -> Result<ServerSettings, Broken> {
    std::fs::write(dir.join("prova.pem"), sim.private_key_pem())?;
    std::fs::write(dir.join("webhook.secret"), sim.webhook_secret())?;
    let listen = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let text = sample::settings(&listen.to_string(), sim.api_url());
    let variables = environment()
        .into_iter()
        .filter(|(name, _)| name.starts_with("PROVA_SANDBOX__"))
        .collect();
    load(
        "the demo's prova.toml",
        &text,
        dir,
        (&variables, Need::Server),
    )
    .map_err(|problems| Broken::Settings(problems.to_string()))
}
