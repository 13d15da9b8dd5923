//! `prova run`: the whole way from an issue to a branch, on a repository of this machine and without
//! GitHub. For trying an agent or a policy before it is let near GitHub.

mod drive;
mod issue;
mod result;
mod setup;

use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::task::AbortOnDropHandle;

use crate::bootstrap::{House, open_repository, system_clock};
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::{Output, printable};
use crate::cli::progress::{Follower, Progress, frames};
use crate::cli::run::drive::{Interrupts, drive};
use crate::cli::run::issue::Issue;
use crate::cli::run::result::{Outcome, Run};
use crate::cli::run::setup::{Desk, Setup};
use crate::cli::telemetry;
use crate::domain::ids::TaskId;
use crate::domain::name::Name;
use crate::ports::fault::Fault;

/// What to try, on what.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The repository; work starts from its current branch, which stays as it is, like its files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repo: PathBuf,
    /// What is asked: a Markdown file, its first heading or line the title; `-` reads it from
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub issue: PathBuf,
    /// The agent of the settings that works; else the one that the repository's policy names.
    #[arg(long, value_name = "NAME", group = "performer")]
    pub agent: Option<Name>,
    /// A command that works as the agent: a shell runs it in the sandbox, in the checkout;
    /// `{brief}`, `{job}`, `{result}` and `{checkout}` stand for paths.
    #[arg(long, value_name = "COMMAND", group = "performer")]
    pub command: Option<String>,
    /// The recipe that works: one of the repository's policy, or a built-in one.
    #[arg(long, value_name = "NAME", group = "performer")]
    pub recipe: Option<Name>,
    /// A directory that the sandbox shows read-only beside the system's own, such as the one where
    /// the agent is installed.
    #[arg(long, value_name = "DIR")]
    pub mount: Vec<PathBuf>,
    /// The settings file, for its agents, sandbox and limits.
    #[arg(long, value_name = "FILE", env = "PROVA_CONFIG")]
    pub config: Option<PathBuf>,
    /// Prints the result as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Keeps the temporary directory, with the store and the mirror, and says where it is.
    #[arg(long)]
    pub keep: bool,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The command line, the settings or the repository have to be changed first.
    Usage(String),
    /// Something failed on the way.
    Failed(String),
}

impl Problem {
    /// A problem that the person who asked can mend.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "stands where an error is mapped"
    )]
    pub(crate) fn usage(why: impl ToString) -> Self {
        Self::Usage(why.to_string())
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

/// Runs the command and returns its exit code: 0 when a complete change with green checks stands on
/// a branch, 2 when it could not begin, else 1.
pub async fn run(args: RunArgs, output: &Output) -> u8 {
    // What goes wrong is told as progress and result; the log is for who looks for more.
    telemetry::start("off", output.secrets());
    let (code, why) = match rehearse(&args, output).await {
        Ok(Outcome::Proposed) => return DONE,
        Ok(Outcome::Otherwise) => return FAILED,
        Err(Problem::Usage(why)) => (USAGE, why),
        Err(Problem::Failed(why)) => (FAILED, why),
    };
    output.error(&printable(&why));
    code
}

async fn rehearse(args: &RunArgs, output: &Output) -> Result<Outcome, Problem> {
    let issue = issue::read(&args.issue).map_err(Problem::usage)?;
    let mut place = place()?;
    place.disable_cleanup(args.keep);
    let end = on(args, issue, place.path(), output).await;
    if args.keep {
        output.note(&format!("kept {}", place.path().display()));
    }
    end
}

async fn on(
    args: &RunArgs,
    issue: Issue,
    place: &Path,
    output: &Output,
) -> Result<Outcome, Problem> {
    let clock = system_clock();
    let mut progress = Progress::new(output, clock.clone());
    let mut settings = setup::settings(args, place)?;
    let forge = open_repository(&args.repo, &settings, &setup::variable, clock.clone())
        .await
        .map_err(Problem::usage)?;
    let repo = forge.repo().clone();
    let policy = setup::policy(forge.as_ref(), &repo).await?;
    let performer = setup::performer(args, &mut settings, &policy)?;
    let house = House::open_local(settings, (clock.clone(), output.secrets()), forge.clone());
    let house = house.await.map_err(Problem::usage)?;
    let sandbox = house.sandbox.clone();
    let probed = progress.during("trying the sandbox", sandbox.probe()).await;
    probed.map_err(Problem::usage)?;
    if !sandbox.isolates() {
        output.note("warning: the agent runs WITHOUT isolation, as `backend = \"none\"` asks for");
    }
    let ctx = house.context("prova");
    let taken = forge.taken(setup::THREAD, &issue.title).await?;
    let event = setup::event(&repo, forge.actor(), issue, clock.now());
    let desk = Desk { ctx, event };
    let task = desk
        .begin(&Setup {
            policy,
            performer,
            taken,
        })
        .await?;
    let end = watched(&desk, task, &mut progress).await;
    let read = desk.ctx.store.task(task).await?;
    house.store.close().await;
    end?;
    let read = read.ok_or_else(|| Problem::Failed("the task is not in the store".to_owned()))?;
    let run = Run {
        task: &read.task,
        root: forge.root(),
        kept: args.keep.then_some(place),
    };
    run.show(output, args.json);
    Ok(run.outcome())
}

/// Does the work while showing how far it is. The first Ctrl-C stops the job as a person's `stop`
/// does on GitHub; the second ends everything at once.
async fn watched(desk: &Desk, task: TaskId, progress: &mut Progress<'_>) -> Result<(), Problem> {
    let (ctx, store) = (desk.ctx.clone(), desk.ctx.store.as_ref());
    // A task of its own: it may hold the store's one writer, and must go on while a stop is written.
    let mut work = AbortOnDropHandle::new(tokio::spawn(async move { Box::pin(drive(&ctx)).await }));
    let mut follower = Follower::new(task);
    let mut interrupts = Interrupts::new();
    let mut stopping = false;
    let mut frames = frames();
    loop {
        tokio::select! {
            end = &mut work => {
                follower.look(store, progress).await;
                progress.end();
                return match end {
                    Ok(end) => Ok(end?),
                    Err(panicked) => Err(Problem::Failed(format!("the work broke off: {panicked}"))),
                };
            }
            _ = frames.tick() => follower.look(store, progress).await,
            () = interrupts.next() => {
                if stopping {
                    work.abort();
                    let _aborted = (&mut work).await;
                    let why = "ended at once; what the agent did is lost";
                    return Err(Problem::Failed(why.to_owned()));
                }
                stopping = true;
                progress.done("stopping: what is changed so far is kept; Ctrl-C again ends at once");
                desk.stop(task).await?;
            }
        }
    }
}

/// Makes the directory for what only this run needs.
fn place() -> Result<tempfile::TempDir, Problem> {
    let made = tempfile::Builder::new().prefix("prova-run-").tempdir();
    made.map_err(|error| {
        let within = std::env::temp_dir();
        Problem::Usage(format!(
            "cannot make a directory in {}: {error}; name another place with TMPDIR",
            within.display()
        ))
    })
}
