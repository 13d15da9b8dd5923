//! `prova deliveries`, `prova tasks` and `prova audit`: what is in the store.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::bootstrap::open_store;
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::log;
use crate::cli::missed::{self, MissedArgs};
use crate::cli::output::{Output, when};
use crate::cli::settings::ConfigArgs;
use crate::config::server::load::Need;
use crate::domain::budget::Scope;
use crate::domain::ids::{DeliveryId, JobId, TaskId, ThreadKey};
use crate::domain::money::Usd;
use crate::domain::schedule::WaitsFor;
use crate::ports::fault::Fault;
use crate::ports::store::{
    AuditLine, DeliveryLine, DeliveryState, JobLine, Store, StoredDelivery, Versioned,
};

/// `prova deliveries`.
#[derive(Debug, Subcommand)]
pub enum DeliveriesCommand {
    /// List deliveries, newest first.
    Ls {
        /// What every list takes.
        #[command(flatten)]
        list: ListArgs,
        /// Only those that could not be dispatched.
        #[arg(long)]
        parked: bool,
    },
    /// Show one delivery with its body.
    Show {
        /// Which settings.
        #[command(flatten)]
        config: ConfigArgs,
        /// Its id, as `prova deliveries ls` prints it.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List what GitHub could not bring and is not here; a running server fetches it by itself.
    Missed(MissedArgs),
    /// Dispatch a delivery again; the running server does it within a second.
    Replay {
        /// Which settings.
        #[command(flatten)]
        config: ConfigArgs,
        /// Its id, as `prova deliveries ls` prints it.
        id: String,
    },
}

/// `prova tasks`.
#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// List tasks, last changed first.
    Ls {
        /// What every list takes.
        #[command(flatten)]
        list: ListArgs,
        /// Only those that are not over.
        #[arg(long)]
        open: bool,
    },
    /// Show one task: its jobs, their steps, its audit trail.
    Show {
        /// Which settings.
        #[command(flatten)]
        config: ConfigArgs,
        /// Its id, as `prova tasks ls` prints it.
        id: TaskId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what one job printed: its setup commands, its agent, its checks.
    Log {
        /// Which settings.
        #[command(flatten)]
        config: ConfigArgs,
        /// Its id, as `prova tasks show` prints it.
        job: JobId,
        /// Only this log, without a heading: `setup`, `agent` or `checks`, of a race with the
        /// contestant before it (`codex/agent`).
        #[arg(long, value_name = "NAME", value_parser = log_name)]
        only: Option<String>,
    },
}

/// Reads the name of a log, in a race with the contestant before it.
fn log_name(text: &str) -> Result<String, String> {
    let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
    if ["setup", "agent", "checks"].contains(&name) {
        Ok(text.to_owned())
    } else {
        Err("expected `setup`, `agent` or `checks`, of a race with the contestant before it: `codex/agent`".to_owned())
    }
}

/// `prova audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only the thread of this task.
    #[arg(long)]
    task: Option<TaskId>,
}

/// What every list takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Most entries.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
}

/// Runs `prova deliveries`.
pub async fn deliveries(command: &DeliveriesCommand, output: &Output) -> u8 {
    let config = match command {
        DeliveriesCommand::Missed(args) => return missed::run(args, output).await,
        DeliveriesCommand::Ls { list, .. } => &list.config,
        DeliveriesCommand::Show { config, .. } | DeliveriesCommand::Replay { config, .. } => config,
    };
    with_store(config, output, async |store| match command {
        // It asks GitHub, and was answered above.
        DeliveriesCommand::Missed(_) => Ok(USAGE),
        DeliveriesCommand::Ls { list, parked } => {
            let lines = store.deliveries(*parked, list.limit).await?;
            if list.json {
                output.json(&lines.iter().map(delivery_json).collect());
            } else {
                let rows: Vec<_> = lines.iter().map(delivery_row).collect();
                output.table(
                    &["ID", "RECEIVED", "EVENT", "BYTES", "STATE", "NOTE"],
                    &rows,
                );
            }
            Ok(DONE)
        }
        DeliveriesCommand::Show { id, json, .. } => {
            match store.delivery(&DeliveryId::new(id)).await? {
                Some(stored) => {
                    show_delivery(&stored, *json, output);
                    Ok(DONE)
                }
                None => Ok(no_delivery(id, output)),
            }
        }
        DeliveriesCommand::Replay { id, .. } => {
            if store.replay(&DeliveryId::new(id)).await? {
                output.line(&format!("{id} will be dispatched again"));
                Ok(DONE)
            } else {
                Ok(no_delivery(id, output))
            }
        }
    })
    .await
}

/// Runs `prova tasks`.
pub async fn tasks(command: &TasksCommand, output: &Output) -> u8 {
    match command {
        TasksCommand::Ls { list, open } => {
            with_store(&list.config, output, async |store| {
                let tasks = store.tasks(*open, list.limit).await?;
                let tasks = priced(store, tasks).await?;
                if list.json {
                    output.json(&tasks.iter().map(task_json).collect());
                } else {
                    let rows: Vec<_> = tasks.iter().map(task_row).collect();
                    output.table(&TASK_COLUMNS, &rows);
                }
                Ok(DONE)
            })
            .await
        }
        TasksCommand::Show { config, id, json } => {
            with_store(config, output, async |store| {
                let Some(task) = store.task(*id).await? else {
                    output.error(&format!(
                        "there is no task {id}; `prova tasks ls` lists them"
                    ));
                    return Ok(FAILED);
                };
                let jobs = store.jobs(*id).await?;
                let audit = store.audit(Some(id.thread), 1_000).await?;
                for task in priced(store, vec![task]).await? {
                    show_task(&task, &jobs, &audit, (*json, output));
                }
                Ok(DONE)
            })
            .await
        }
        TasksCommand::Log { config, job, only } => {
            log::show(config, *job, (only.as_deref(), output)).await
        }
    }
}

/// Runs `prova audit`.
pub async fn audit(args: &AuditArgs, output: &Output) -> u8 {
    with_store(&args.list.config, output, async |store| {
        let thread: Option<ThreadKey> = args.task.map(|task| task.thread);
        let lines = store.audit(thread, args.list.limit).await?;
        if args.list.json {
            output.json(&lines.iter().map(audit_json).collect());
        } else {
            let rows: Vec<_> = lines.iter().map(audit_row).collect();
            output.table(&["AT", "WHO", "THREAD", "WHAT", "DETAIL"], &rows);
        }
        Ok(DONE)
    })
    .await
}

/// Opens the store that the settings name for `work`; what fails is told.
pub(super) async fn with_store(
    config: &ConfigArgs,
    output: &Output,
    work: impl AsyncFnOnce(&dyn Store) -> Result<u8, Fault>,
) -> u8 {
    let settings = match config.settings(Need::Local, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let store = match open_store(&settings).await {
        Ok(store) => store,
        Err(error) => {
            output.error(&error.to_string());
            return USAGE;
        }
    };
    match work(store.as_ref()).await {
        Ok(code) => code,
        Err(fault) => {
            output.error(&fault.to_string());
            FAILED
        }
    }
}

fn no_delivery(id: &str, output: &Output) -> u8 {
    output.error(&format!(
        "there is no delivery {id:?}; `prova deliveries ls` lists them"
    ));
    FAILED
}

fn state(state: &DeliveryState) -> (&'static str, &str) {
    match state {
        DeliveryState::Pending => ("pending", ""),
        DeliveryState::Done(note) => ("done", note),
        DeliveryState::Parked(note) => ("parked", note),
    }
}

fn delivery_row(line: &DeliveryLine) -> Vec<String> {
    let (word, note) = state(&line.state);
    vec![
        line.id.to_string(),
        when(line.received_at),
        line.event.clone(),
        line.bytes.to_string(),
        word.to_owned(),
        note.to_owned(),
    ]
}

fn delivery_json(line: &DeliveryLine) -> Value {
    let (word, note) = state(&line.state);
    json!({
        "id": line.id, "received_at": when(line.received_at), "event": line.event,
        "bytes": line.bytes, "state": word, "note": note, "attempts": line.attempts,
    })
}

fn show_delivery(stored: &StoredDelivery, as_json: bool, output: &Output) {
    let delivery = &stored.delivery;
    let (word, note) = state(&stored.state);
    let body: Value = serde_json::from_slice(&delivery.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&delivery.body).into_owned()));
    if as_json {
        output.json(&json!({
            "id": delivery.id, "received_at": when(delivery.received_at),
            "event": delivery.event, "state": word, "note": note,
            "attempts": stored.attempts, "body": body,
        }));
        return;
    }
    output.line(&format!("delivery  {}", delivery.id));
    output.line(&format!("received  {}", when(delivery.received_at)));
    output.line(&format!("event     {}", delivery.event.escape_debug()));
    output.line(&format!("state     {word} {note}"));
    output.line(&format!("attempts  {}", stored.attempts));
    output.line(&format!("\n{body:#}"));
}

const TASK_COLUMNS: [&str; 8] = [
    "ID", "THREAD", "STATE", "CHANGED", "COST", "PULL", "BRANCH", "TITLE",
];

/// A task and what its model calls cost.
type Priced = (Versioned, Usd);

async fn priced(store: &dyn Store, tasks: Vec<Versioned>) -> Result<Vec<Priced>, Fault> {
    let scopes: Vec<_> = tasks.iter().map(|read| Scope::Task(read.task.id)).collect();
    let costs = store.spent(&scopes).await?;
    Ok(tasks.into_iter().zip(costs).collect())
}

fn task_row((read, cost): &Priced) -> Vec<String> {
    let task = &read.task;
    vec![
        task.id.to_string(),
        format!("{}#{}", task.repo.name, task.id.thread.number),
        task.state.word().to_owned(),
        when(read.updated_at),
        told(*cost),
        task.pull
            .map_or_else(|| "-".to_owned(), |number| format!("#{number}")),
        task.branch.to_string(),
        task.work.request.thread.title.chars().take(60).collect(),
    ]
}

/// Returns a cost for people; most tasks of some servers have none.
fn told(cost: Usd) -> String {
    if cost == Usd::ZERO {
        "-".to_owned()
    } else {
        format!("${cost}")
    }
}

/// Returns a cost for programs: a number, exact to its six decimals.
fn dollars(cost: Usd) -> Value {
    json!(cost.to_string().parse::<f64>().unwrap_or_default())
}

fn task_json((read, cost): &Priced) -> Value {
    let task = &read.task;
    json!({
        "id": task.id, "repo": task.repo.name.to_string(), "thread": task.id.thread.number,
        "state": task.state.word(), "changed_at": when(read.updated_at),
        "pull": task.pull, "branch": task.branch, "head": task.head, "jobs": task.jobs,
        "asked_by": task.work.request.by.login, "title": task.work.request.thread.title,
        "cost_usd": dollars(*cost),
        "outcome": task.last.as_ref().map(|last| last.outcome.word()),
    })
}

fn job_json(job: &JobLine) -> Value {
    let journal: Vec<_> = job
        .journal
        .iter()
        .map(|(attempt, at, entry)| json!({ "attempt": attempt, "at": when(*at), "entry": entry }))
        .collect();
    json!({
        "id": job.id, "state": job.state, "attempts": job.attempts, "note": job.note,
        "waits_for": job.waits_for.map(WaitsFor::told), "cost_usd": dollars(job.cost),
        "journal": journal,
    })
}

fn audit_row(line: &AuditLine) -> Vec<String> {
    vec![
        when(line.at),
        line.actor.clone(),
        line.thread
            .map_or_else(|| "-".to_owned(), |thread| thread.to_string()),
        line.what.clone(),
        line.detail.clone(),
    ]
}

fn audit_json(line: &AuditLine) -> Value {
    json!({
        "at": when(line.at), "actor": line.actor, "what": line.what, "detail": line.detail,
        "thread": line.thread.map(|thread| thread.to_string()),
    })
}

fn show_task(read: &Priced, jobs: &[JobLine], audit: &[AuditLine], how: (bool, &Output)) {
    let (as_json, output) = how;
    if as_json {
        let mut task = task_json(read);
        if let Value::Object(fields) = &mut task {
            fields.insert("report".to_owned(), json!(read.0.task.last));
            fields.insert("job_list".to_owned(), jobs.iter().map(job_json).collect());
            fields.insert("audit".to_owned(), audit.iter().map(audit_json).collect());
        }
        output.json(&task);
        return;
    }
    output.table(&TASK_COLUMNS, &[task_row(read)]);
    for job in jobs {
        output.line(&format!(
            "\njob {}  {}  attempts {}  cost {}  {}",
            job.id,
            job.state,
            job.attempts,
            told(job.cost),
            job.note
        ));
        if let Some(waits_for) = job.waits_for {
            output.line(&format!("waits for {}", waits_for.told()));
        }
        let rows: Vec<_> = job
            .journal
            .iter()
            .map(|(attempt, at, entry)| vec![attempt.to_string(), when(*at), entry.told()])
            .collect();
        output.table(&["ATTEMPT", "AT", "STEP"], &rows);
    }
    output.line("");
    let rows: Vec<_> = audit.iter().map(audit_row).collect();
    output.table(&["AT", "WHO", "THREAD", "WHAT", "DETAIL"], &rows);
}
