//! One open door: who may pass, at whose expense, and what did.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapters::gateway::endpoint::Upstream;
use crate::adapters::gateway::house::House;
use crate::adapters::gateway::{connection, variables};
use crate::domain::budget::{Cap, Exceeded};
use crate::domain::egress::HostRule;
use crate::domain::ids::JobId;
use crate::domain::name::Name;
use crate::domain::traffic::{BlockReason, Traffic};
use crate::ports::door::{Connection, Door};
use crate::ports::gateway::{self, Passage};

/// What the connections of one door share.
pub(crate) struct Pass {
    pub(crate) house: Arc<House>,
    pub(crate) job: JobId,
    /// The key that programs inside send; not the real one of any endpoint.
    pub(crate) key: String,
    /// Endpoints that may be called, in the order of the pass.
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) egress: Vec<HostRule>,
    pub(crate) caps: Vec<Cap>,
    /// Everything that runs for the pass.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    exhausted: CancellationToken,
    traffic: Mutex<Traffic>,
    left: Mutex<u64>,
    /// Bytes of bodies that may still be held.
    pub(crate) room: Semaphore,
    /// Connections that may still be served.
    pub(crate) places: Arc<Semaphore>,
    /// Tunnels that may still be opened; they outlive the connections that they were asked on.
    pub(crate) tunnels: Arc<Semaphore>,
}

impl Pass {
    /// Opens a pass with the key that was drawn for it.
    pub(crate) fn new(house: &Arc<House>, pass: gateway::Pass, key: String) -> Self {
        let upstream = |name: &Name| house.upstreams.get(name).cloned();
        Self {
            house: house.clone(),
            job: pass.job,
            key,
            upstreams: pass.models.iter().filter_map(upstream).collect(),
            egress: pass.egress,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            exhausted: CancellationToken::new(),
            traffic: Mutex::default(),
            left: Mutex::new(pass.egress_bytes),
            places: Arc::new(Semaphore::new(house.settings.bounds.connections)),
            tunnels: Arc::new(Semaphore::new(house.settings.bounds.connections)),
            room: Semaphore::new(2 * house.settings.bounds.body_bytes as usize),
            caps: pass.caps,
        }
    }

    /// Writes down what happened.
    pub(crate) fn note(&self, write: impl FnOnce(&mut Traffic)) {
        write(&mut self.traffic.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes down what was not let through.
    pub(crate) fn block(&self, place: &str, reason: BlockReason) {
        self.note(|traffic| traffic.block(place, reason));
    }

    /// A call would have passed a limit: nothing goes on from here.
    pub(crate) fn exhaust(&self, exceeded: &Exceeded) {
        self.note(|traffic| {
            traffic.exceeded.get_or_insert_with(|| exceeded.clone());
        });
        self.exhausted.cancel();
    }

    /// Counts bytes to or from a host; `false` when there are more than the pass may move.
    pub(crate) fn moved(&self, host: &str, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = left.checked_sub(bytes);
        *left = rest.unwrap_or(0);
        drop(left);
        match rest {
            Some(_) => self.note(|traffic| traffic.reach(host, bytes)),
            None => self.block(host, BlockReason::Bytes),
        }
        rest.is_some()
    }
}

/// The door itself.
pub(crate) struct Opened {
    pass: Arc<Pass>,
    closed: OnceCell<Traffic>,
}

impl Opened {
    pub(crate) fn new(pass: Pass) -> Self {
        Self {
            pass: Arc::new(pass),
            closed: OnceCell::new(),
        }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("job", &self.pass.job)
            .finish_non_exhaustive()
    }
}

impl Door for Opened {
    fn env(&self) -> BTreeMap<String, String> {
        variables::of(&self.pass.key, &self.pass.upstreams)
    }

    fn serve(&self, listener: TcpListener) -> io::Result<()> {
        if self.pass.stop.is_cancelled() {
            return Err(io::Error::other("the door is closed"));
        }
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let serving = connection::serve(listener, self.pass.clone());
        self.pass.tasks.spawn(serving);
        Ok(())
    }

    fn admit(&self, stream: Box<dyn Connection>) -> io::Result<()> {
        if self.pass.stop.is_cancelled() {
            return Err(io::Error::other("the door is closed"));
        }
        let place = self.pass.places.clone().try_acquire_owned();
        let place = place.map_err(|_full| io::Error::other("too many connections are open"))?;
        connection::begin(stream, place, &self.pass);
        Ok(())
    }
}

#[async_trait::async_trait]
impl Passage for Opened {
    fn exhausted(&self) -> CancellationToken {
        self.pass.exhausted.clone()
    }

    fn so_far(&self) -> Traffic {
        let mut traffic = Traffic::default();
        self.pass.note(|noted| traffic = noted.clone().sorted());
        traffic
    }

    async fn close(&self) -> Traffic {
        let close = async || {
            self.pass.stop.cancel();
            self.pass.tasks.close();
            self.pass.tasks.wait().await;
            self.so_far()
        };
        self.closed.get_or_init(close).await.clone()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.pass.stop.cancel();
    }
}
