//! `prova serve` and `prova worker`: receive webhooks and do the work, or only do the work, until told
//! to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app;
use crate::app::serve::{Ends, Running};
use crate::bootstrap::{House, system_clock};
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::cli::telemetry;
use crate::config::server::ServerSettings;
use crate::config::server::load::Need;
use crate::domain::process::Role;
use crate::domain::time::Span;
use crate::http::connections;
use crate::http::router::{Routes, router, vital};
use crate::ports::live::LiveSecrets;

/// How long what runs may take to end after a stop; jobs go back to the queue.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait before GitHub is asked again who we are.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Runs a process of that role.
pub async fn run(role: Role, args: &ConfigArgs, output: &Output) -> u8 {
    let need = match role {
        Role::Serve => Need::Server,
        Role::Worker => Need::Worker,
    };
    let settings = match args.settings(need, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    telemetry::start("info", output.secrets());
    let ends = Ends::default();
    tokio::spawn(stop_on_signals(ends.clone(), settings.work.drain));
    let ended = match role {
        Role::Serve => serve(settings, &ends, output.secrets()).await,
        Role::Worker => work(settings, &ends, output.secrets()).await,
    };
    match ended {
        Ok(()) => DONE,
        Err(Failure::Settings(why)) => {
            output.error(&why);
            USAGE
        }
        Err(Failure::Running(why)) => {
            output.error(&why);
            FAILED
        }
    }
}

/// Why the process ended.
#[derive(Debug)]
pub enum Failure {
    /// It cannot start with these settings.
    Settings(String),
    /// Something it needs is gone or taken.
    Running(String),
}

/// Serves until told to end. What must not be logged is told to `live`.
pub async fn serve(
    settings: ServerSettings,
    ends: &Ends,
    live: Arc<LiveSecrets>,
) -> Result<(), Failure> {
    let listen = settings.server.listen;
    let house = open(Role::Serve, &settings, live).await?;
    let listener = bind("server.listen", listen).await?;
    let (face, writer) = house.face();
    let writer = tokio::spawn(writer);
    // Deliveries are accepted from the first moment; work begins when GitHub has told who we are.
    let answering = Some((listener, router(face)));
    live_through(&house, (Role::Serve, &settings), answering, ends).await?;
    let _ = tokio::time::timeout(GRACE, writer).await;
    house.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Works until told to end.
async fn work(
    settings: ServerSettings,
    ends: &Ends,
    live: Arc<LiveSecrets>,
) -> Result<(), Failure> {
    let house = open(Role::Worker, &settings, live).await?;
    let answering = match settings.worker.listen {
        Some(listen) => Some((bind("worker.listen", listen).await?, vital(house.vitals()))),
        None => None,
    };
    live_through(&house, (Role::Worker, &settings), answering, ends).await?;
    house.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn open(
    role: Role,
    settings: &ServerSettings,
    live: Arc<LiveSecrets>,
) -> Result<House, Failure> {
    House::open_as(role, settings.clone(), (system_clock(), live))
        .await
        .map_err(|error| Failure::Settings(error.to_string()))
}

async fn bind(key: &str, listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Failure::Running(format!("{key}: cannot listen on {listen}: {error}")))?;
    tracing::info!(address = %listen, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(listener)
}

/// Enters the process among those of the store, runs its loops, answers requests, and ends it all when
/// told to.
async fn live_through(
    house: &House,
    (role, settings): (Role, &ServerSettings),
    answering: Option<(TcpListener, Routes)>,
    ends: &Ends,
) -> Result<(), Failure> {
    let presence = house.presence(role).await;
    let presence = presence.map_err(|error| Failure::Settings(error.to_string()))?;
    let entered = presence.enter().await;
    entered.map_err(|fault| Failure::Settings(format!("store.url: {fault}")))?;
    let running = Running::default();
    let (present, stop) = (presence.clone(), ends.now.clone());
    running
        .loops
        .spawn(async move { present.keep(&stop).await });
    let jobs = settings.work.jobs as usize;
    let beginning = begin(house.clone(), (role, jobs), running.clone(), ends.clone());
    running.loops.spawn(beginning);
    tokio::spawn(drain(running.clone(), ends.clone(), settings.work.drain));
    match answering {
        Some((listener, router)) => connections::serve(listener, router, ends.now.clone()).await,
        None => ends.now.cancelled().await,
    }
    ends.drain.cancel();
    ends.now.cancel();
    if tokio::time::timeout(GRACE, running.wait()).await.is_err() {
        tracing::warn!("what runs did not end in time; its leases will run out");
    }
    presence.leave().await;
    Ok(())
}

/// Lets the jobs that run end when the process is to stop, for as long as they may; then everything
/// ends. Until then deliveries are accepted and effects sent as ever.
async fn drain(running: Running, ends: Ends, within: Span) {
    ends.drain.cancelled().await;
    running.jobs.close();
    let waited = tokio::select! {
        waited = tokio::time::timeout(within.to_std(), running.jobs.wait()) => waited,
        () = ends.now.cancelled() => return,
    };
    if waited.is_err() && !within.to_std().is_zero() {
        tracing::warn!(%within, "jobs did not end in time; they go back to the queue");
    }
    ends.now.cancel();
}

/// Asks GitHub who we are, again and again, checks the sandbox, and starts the loops.
async fn begin(house: House, (role, jobs): (Role, usize), running: Running, ends: Ends) {
    if jobs > 0 {
        match house.sandbox.probe().await {
            Ok(seen) => tracing::info!(backend = house.sandbox.name(), seen, "the sandbox works"),
            Err(unusable) => {
                tracing::error!(%unusable, "jobs would fail; mend it and start again");
            }
        }
    }
    let slug = loop {
        match house.github.app().await {
            Ok(app) => break app.slug,
            Err(fault) => tracing::error!(%fault, "cannot ask GitHub who we are; deliveries wait"),
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN) => {}
            () = ends.now.cancelled() => return,
        }
    };
    let ctx = house.context(&slug);
    tracing::info!(bot = %ctx.settings.identity.login, role = role.word(), jobs, "working");
    if let Err(fault) = app::recover::take_back(&ctx).await {
        tracing::warn!(%fault, "what was under way waits until its leases have run out");
    }
    app::serve::start(&ctx, (role, jobs), &running, &ends);
}

/// The first signal lets jobs end, the second ends everything.
async fn stop_on_signals(ends: Ends, drain: Span) {
    let mut terminated = signal(SignalKind::terminate()).ok();
    let mut interrupted = signal(SignalKind::interrupt()).ok();
    next(&mut terminated, &mut interrupted).await;
    tracing::info!(%drain, "stopping; another signal stops at once");
    ends.drain.cancel();
    next(&mut terminated, &mut interrupted).await;
    tracing::info!("stopping at once");
    ends.now.cancel();
}

async fn next(one: &mut Option<Signal>, other: &mut Option<Signal>) {
    async fn of(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
    tokio::select! {
        () = of(one) => {}
        () = of(other) => {}
    }
}
