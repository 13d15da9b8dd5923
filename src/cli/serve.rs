//! `prova serve`: receive webhooks and do the work, until told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app;
use crate::bootstrap::{House, system_clock};
use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::cli::telemetry;
use crate::config::server::ServerSettings;
use crate::config::server::load::Need;
use crate::http::connections;
use crate::http::router::router;
use crate::ports::live::LiveSecrets;

/// How long what runs may take to end after a stop; jobs go back to the queue.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait before GitHub is asked again who we are.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Runs the server.
pub async fn run(args: &ConfigArgs, output: &Output) -> u8 {
    let settings = match args.settings(Need::Server, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    telemetry::start("info", output.secrets());
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    match serve(settings, &stop, output.secrets()).await {
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

/// Why the server ended.
#[derive(Debug)]
pub enum Failure {
    /// It cannot start with these settings.
    Settings(String),
    /// Something it needs is gone or taken.
    Running(String),
}

/// Serves until `stop` fires. What must not be logged is told to `live`.
pub async fn serve(
    settings: ServerSettings,
    stop: &CancellationToken,
    live: Arc<LiveSecrets>,
) -> Result<(), Failure> {
    let (listen, jobs) = (settings.server.listen, settings.work.jobs as usize);
    let house = House::open_with(settings, system_clock(), live)
        .await
        .map_err(|error| Failure::Settings(error.to_string()))?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::Running(format!("server.listen: cannot listen on {listen}: {error}"))
    })?;
    tracing::info!(address = %listen, version = env!("CARGO_PKG_VERSION"), "listening");
    let tracker = TaskTracker::new();
    let (face, writer) = house.face();
    let writer = tokio::spawn(writer);
    // Deliveries are accepted from the first moment; work begins when GitHub has told who we are.
    tracker.spawn(begin(house.clone(), jobs, tracker.clone(), stop.clone()));
    connections::serve(listener, router(face), stop.clone()).await;
    stop.cancel();
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!("what runs did not end in time; its leases will run out");
    }
    let _ = tokio::time::timeout(GRACE, writer).await;
    house.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Asks GitHub who we are, again and again, checks the sandbox, and starts the loops.
async fn begin(house: House, jobs: usize, tracker: TaskTracker, stop: CancellationToken) {
    match house.sandbox.probe().await {
        Ok(seen) => tracing::info!(backend = house.sandbox.name(), seen, "the sandbox works"),
        Err(unusable) => {
            tracing::error!(%unusable, "jobs would fail; mend it and start again");
        }
    }
    let slug = loop {
        match house.github.app().await {
            Ok(app) => break app.slug,
            Err(fault) => tracing::error!(%fault, "cannot ask GitHub who we are; deliveries wait"),
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN) => {}
            () = stop.cancelled() => return,
        }
    };
    let ctx = house.context(&slug);
    tracing::info!(bot = %ctx.settings.identity.login, jobs, "working");
    if let Err(fault) = app::recover::take_back(&ctx).await {
        tracing::warn!(%fault, "what was under way waits until its leases have run out");
    }
    app::cleanup::remove_orphans(&ctx).await;
    app::serve::start(&ctx, jobs, &tracker, &stop);
}

async fn stop_on_signal(stop: CancellationToken) {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    tracing::info!("stopping");
    stop.cancel();
}
