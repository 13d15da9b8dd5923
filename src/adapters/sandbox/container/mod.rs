//! A container for each run, made by Docker or Podman through their common API.
//!
//! What isolates is what [`options`] says, on one page; the engine only carries it out. It runs
//! beside the server and outlives it, so each container has a watchdog ([`watchdog`]), and what even
//! that missed is removed at the next start ([`leftovers`]).

mod door;
mod engine;
mod leftovers;
mod options;
mod probe;
mod remedy;
mod run;
mod seccomp;
pub(super) mod watchdog;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::container::engine::Engine;
use crate::adapters::sandbox::probing;
use crate::adapters::sandbox::server::Server;
use crate::adapters::sandbox::settings::Settings;
use crate::domain::time::Span;
use crate::ports::clock::Clock;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Outcome, Sandbox, Spec, Talk, Unenforced, Unusable};

const NAME: &str = "container";
const START: &str = "start the sandbox";

/// Containers that this process has made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The backend.
pub(super) struct Container {
    socket: PathBuf,
    image: String,
    mounts: Vec<PathBuf>,
    scratch_bytes: u64,
    floor_bytes: u64,
    /// User and group id of everything inside.
    user: u32,
    /// Whether that is not the server's own user.
    hands_over: bool,
    /// This program, which is also its containers' watchdog.
    stage: PathBuf,
    server: Server,
    engine: OnceCell<Engine>,
    clock: Arc<dyn Clock>,
}

impl Container {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Unusable> {
        let user = rustix::process::geteuid();
        let unusable = |reason: &str, remedy: &str| Unusable {
            backend: NAME,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        let Some(socket) = settings
            .engine
            .or_else(|| engine::usual_socket(user.as_raw()))
        else {
            return Err(unusable("no engine's socket was found", remedy::INSTALL));
        };
        let Some(image) = settings.image else {
            return Err(unusable("no image is set", remedy::IMAGE));
        };
        if user.is_root() && settings.uid == 0 {
            let remedy = "Set it to an unprivileged user's, such as 65534";
            return Err(unusable("`[sandbox] uid` is root's", remedy));
        }
        let server = Server::this().map_err(|error| Unusable {
            backend: NAME,
            reason: format!("the server cannot find itself in /proc: {error}"),
            remedy: "Mount /proc for the server".to_owned(),
        })?;
        Ok(Self {
            socket,
            image,
            mounts: settings.mounts,
            scratch_bytes: settings.scratch_bytes,
            floor_bytes: settings.floor_bytes,
            user: if user.is_root() {
                settings.uid
            } else {
                user.as_raw()
            },
            hands_over: user.is_root(),
            stage: settings.stage,
            server,
            engine: OnceCell::new(),
            clock,
        })
    }

    /// Returns the engine, which is asked what it is at the first call.
    async fn engine(&self) -> Result<&Engine, Fault> {
        let meet = || Engine::meet(&self.socket, self.hands_over);
        self.engine.get_or_try_init(meet).await
    }

    /// Returns a name that no other container has.
    fn fresh_name(&self) -> String {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        format!("prova-{}-{number}", self.server.word())
    }

    /// Runs the probe in directories below `dir` and returns what it printed.
    async fn look_inside(&self, dir: &Path) -> Result<String, Fault> {
        let io = |error: io::Error| Fault::io("prepare the probe", &error);
        let checkout = dir.join("checkout");
        let canary = dir.join("canary");
        std::fs::create_dir(&checkout).map_err(io)?;
        std::fs::write(&canary, "seen").map_err(io)?;
        if let Some((uid, gid)) = self.owner() {
            std::os::unix::fs::chown(&checkout, Some(uid), Some(gid)).map_err(io)?;
        }
        let canary = canary.display().to_string();
        let words = ["sh", "-c", probe::SCRIPT, "sh", &canary];
        let spec = probing::spec(dir, &words, Span::seconds(60));
        let outcome = self.run(&spec, None, &CancellationToken::new()).await?;
        Ok(String::from_utf8_lossy(&outcome.tail).into_owned())
    }
}

#[async_trait::async_trait]
impl Sandbox for Container {
    fn name(&self) -> &'static str {
        NAME
    }

    fn isolates(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<String, Unusable> {
        let unusable = |fault: Fault| Unusable {
            backend: NAME,
            remedy: remedy::remedy(&fault.cause, &self.image),
            reason: fault.to_string(),
        };
        let engine = self.engine().await.map_err(unusable)?;
        // Before anything new is made, and by whoever looks first: a server that starts.
        let removed = leftovers::remove(engine, &self.server)
            .await
            .map_err(unusable)?;
        if removed > 0 {
            tracing::info!(removed, "removed containers of a server that is no more");
        }
        let dir = tempfile::tempdir()
            .map_err(|error| unusable(Fault::io("make a directory for the probe", &error)))?;
        let seen = self.look_inside(dir.path()).await.map_err(unusable)?;
        let host = probe::host();
        let saw = probe::verify(&seen, &host, self.user).map_err(|reason| Unusable {
            backend: NAME,
            reason,
            remedy: format!(
                "It runs commands and does not isolate them as asked: compare the settings of {}",
                engine.facts()
            ),
        })?;
        Ok(format!("{}, image {}: {saw}", engine.facts(), self.image))
    }

    fn unenforced(&self) -> Vec<Unenforced> {
        // Known once the engine has been asked, which the probe does.
        let engine = self.engine.get();
        engine.map(Engine::unenforced).unwrap_or_default()
    }

    fn owner(&self) -> Option<(u32, u32)> {
        self.hands_over.then_some((self.user, self.user))
    }

    async fn converse(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        self.run_one(spec, door, talk, cancel).await
    }
}
