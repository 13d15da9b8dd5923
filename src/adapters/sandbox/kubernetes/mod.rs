//! A pod for each run, made as a Job of a Kubernetes cluster.
//!
//! What isolates is what `manifest` says, on one page; the cluster only carries it out. Server and
//! pod share no file system and no network: the checkout goes in and comes out as a stream
//! (`bundle`), and the door is reached over another (`mux`), both between the server and a
//! *keeper* of ours beside the command. A pod needs no network at all, and a policy lets it have none.

mod bundle;
pub mod cluster;
mod door;
mod follow;
mod landing;
mod manifest;
mod mux;
pub(super) mod pod;
mod probe;
mod run;
mod status;
mod talk;
mod transfer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::kubernetes::cluster::Cluster;
use crate::adapters::sandbox::server::{Host, Server};
use crate::adapters::sandbox::settings::{self, Settings};
use crate::ports::clock::Clock;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Outcome, Sandbox, Spec, Talk, Unenforced, Unusable};

const NAME: &str = "kubernetes";
const START: &str = "start the sandbox";

/// Calls that this process has made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The backend.
pub(super) struct Kubernetes {
    settings: settings::Kubernetes,
    image: String,
    scratch_bytes: u64,
    /// User and group id of everything inside.
    user: u32,
    host: Host,
    /// This process, in one word.
    server: String,
    cluster: OnceCell<Cluster>,
    clock: Arc<dyn Clock>,
}

impl Kubernetes {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Unusable> {
        let unusable = |reason: &str, remedy: &str| Unusable {
            backend: NAME,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        let Some(image) = settings.image else {
            let remedy = "Name one in `[sandbox] image` that the nodes can fetch";
            return Err(unusable("no image is set", remedy));
        };
        if settings.kubernetes.keeper.is_empty() {
            let remedy =
                "Name an image of Prova, of this version, in `[sandbox.kubernetes] keeper`";
            return Err(unusable(
                "no image is set for what stands beside the command",
                remedy,
            ));
        }
        if !settings.mounts.is_empty() {
            let remedy = "Take `[sandbox] mounts` out, and let the image have what is there";
            return Err(unusable(
                "a pod sees no directories of this machine",
                remedy,
            ));
        }
        if settings.uid == 0 {
            let remedy = "Set it to an unprivileged user's, such as 65534";
            return Err(unusable("`[sandbox] uid` is root's", remedy));
        }
        let found = Server::this().and_then(|server| Ok((server, Host::this()?)));
        let (server, host) = found.map_err(|error| Unusable {
            backend: NAME,
            reason: format!("the server cannot find itself in /proc: {error}"),
            remedy: "Mount /proc for the server".to_owned(),
        })?;
        Ok(Self {
            settings: settings.kubernetes,
            image,
            scratch_bytes: settings.scratch_bytes,
            user: settings.uid,
            server: host.word_of(&server),
            host,
            cluster: OnceCell::new(),
            clock,
        })
    }

    /// Returns the cluster, which is looked for at the first call.
    async fn cluster(&self) -> Result<&Cluster, Fault> {
        let meet = || {
            Cluster::meet(
                self.settings.kubeconfig.as_deref(),
                &self.settings.namespace,
            )
        };
        self.cluster.get_or_try_init(meet).await
    }

    /// Returns a word that no other call has.
    fn fresh_call(&self) -> String {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.server)
    }

    /// Returns the name of a run's Job. The same run has the same name when a server takes it up
    /// again: its log stands in the directory of a job's attempt.
    fn name_of(&self, spec: &Spec) -> String {
        let mut digest = Sha256::new();
        digest.update(self.host.name());
        digest.update(spec.log.as_os_str().as_encoded_bytes());
        digest.update(spec.tree.written().as_os_str().as_encoded_bytes());
        for word in &spec.command {
            digest.update([0]);
            digest.update(word);
        }
        let digest = hex::encode(digest.finalize());
        format!("prova-{}", digest.get(..24).unwrap_or_default())
    }

    /// Removes what servers of this machine left that are gone.
    async fn reclaim(&self, cluster: &Cluster) -> Result<(), Fault> {
        for (name, word) in cluster.made_by_servers().await? {
            if self.host.outlived(&word) {
                cluster.remove(&name).await?;
                tracing::info!(job = name, "removed a Job of a server that is no more");
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Sandbox for Kubernetes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn isolates(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<String, Unusable> {
        self.look().await
    }

    fn unenforced(&self) -> Vec<Unenforced> {
        if self.settings.user_namespaces {
            return Vec::new();
        }
        vec![Unenforced {
            setting: "processes",
            reason: "the kernel would count those of all pods on a node together".to_owned(),
            remedy: "Set `[sandbox.kubernetes] user_namespaces = true`, or `podPidsLimit` of the \
                     nodes' kubelet"
                .to_owned(),
        }]
    }

    fn owner(&self) -> Option<(u32, u32)> {
        None
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
