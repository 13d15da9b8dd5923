//! One simulated GitHub: the state behind its lock, what is remembered of requests, and the handle
//! that everything else works through.

mod building;
pub mod faults;
mod integration;
pub mod limits;
mod looking;
mod options;
mod request;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::simulator::api::message::Incoming;
use crate::simulator::error::SimError;
use crate::simulator::instance::faults::{Fault, FaultKind, Faults};
use crate::simulator::instance::limits::Content;
use crate::simulator::key;
use crate::simulator::openapi::Description;
use crate::simulator::webhooks::OutboxFault;
use crate::simulator::world::installations::App;
use crate::simulator::world::{Clock, World};

pub use crate::simulator::instance::options::Options;
pub use crate::simulator::instance::request::Request;

/// A GitHub with state. Clones are handles to the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Simulator {
    shared: Arc<Shared>,
    /// `None` in the handles that its own loops hold, or they would never end.
    _guard: Option<Arc<DropGuard>>,
    stop: CancellationToken,
}

struct Shared {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    content: Mutex<Content>,
    requests: Mutex<Vec<Request>>,
    violations: Mutex<Vec<String>>,
    /// As the world has it, for those who need no more than the time.
    clock: Clock,
    descriptions: Vec<Description>,
    origin: String,
    private_key_pem: String,
    webhook_secret: String,
    /// Removed when dropped.
    _dir: TempDir,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("origin", &self.shared.origin)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// An empty world behind `origin`, not served yet. The handle does not keep it alive.
    pub(crate) fn of(options: Options, origin: String) -> Result<Self, SimError> {
        let key = key::shared(options.key_file.as_deref())?;
        let dir = tempfile::Builder::new()
            .prefix("github-simulator-")
            .tempdir()?;
        let app = App {
            id: options.app_id,
            slug: options.app_slug,
            webhook_secret: options.webhook_secret.clone(),
            permissions: options.permissions,
            events: options.events,
            public_key: key.public_der,
            created_at: (options.clock)(),
        };
        let clock = options.clock.clone();
        let git_root = dir.path().to_owned();
        let mut world = World::new(options.clock, git_root, app, options.hourly_limit);
        world.origin.clone_from(&origin);
        let shared = Shared {
            world: Mutex::new(world),
            faults: Mutex::default(),
            content: Mutex::default(),
            requests: Mutex::default(),
            violations: Mutex::default(),
            clock,
            descriptions: options.descriptions,
            origin,
            private_key_pem: key.private_pem,
            webhook_secret: options.webhook_secret,
            _dir: dir,
        };
        Ok(Self {
            shared: Arc::new(shared),
            _guard: None,
            stop: CancellationToken::new(),
        })
    }

    /// The handle to give away: the loops end with the last clone of it.
    pub(crate) fn guarded(self) -> Self {
        let guard = self.stop.clone().drop_guard();
        Self {
            _guard: Some(Arc::new(guard)),
            ..self
        }
    }

    /// A handle for a loop of its own, which must not keep the whole alive.
    pub(crate) fn unguarded(&self) -> Self {
        Self {
            _guard: None,
            ..self.clone()
        }
    }

    /// Cancelled when the last guarded handle is gone.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Now, in milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        (self.shared.clock)()
    }

    /// The armed fault that hits a request, if one does.
    pub(crate) fn strike(&self, method: &str, path: &str) -> Option<FaultKind> {
        lock(&self.shared.faults).strike(method, path)
    }

    /// Base address of the API. `{api_url}/api/v3` works too, as on GitHub Enterprise Server.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.shared.origin
    }

    /// Base address of git remotes (`{web_url}/owner/name.git`) and of pages for people.
    #[must_use]
    pub fn web_url(&self) -> &str {
        &self.shared.origin
    }

    /// The App's private key, as GitHub hands it out (PKCS#1 in PEM).
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        &self.shared.private_key_pem
    }

    /// The secret that webhooks are signed with.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.shared.webhook_secret
    }

    /// Arms a fault against requests.
    pub fn arm(&self, fault: Fault) {
        lock(&self.shared.faults).arm(fault);
    }

    /// Disarms every fault against requests.
    pub fn disarm(&self) {
        lock(&self.shared.faults).clear();
    }

    /// Arms a fault against webhooks.
    pub fn arm_outbox(&self, fault: OutboxFault) {
        self.world().outbox.arm(fault);
    }

    /// Lets every installation token expire now.
    pub fn expire_tokens(&self) {
        let mut world = self.world();
        let now = world.now();
        for token in world.tokens.values_mut() {
            token.expires_at = now;
        }
    }

    /// Every request so far, in order: the API's, git's and those that faults hit.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Forgets the requests so far, so that a test can count from here.
    pub fn forget_requests(&self) {
        lock(&self.shared.requests).clear();
    }

    /// Everything that was wrong with requests, by GitHub's own descriptions.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.violations).clone()
    }

    /// The state, until the guard is dropped.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }

    /// What was created, and how much may be, until the guard is dropped.
    pub(crate) fn content(&self) -> MutexGuard<'_, Content> {
        lock(&self.shared.content)
    }

    /// Notes a request that comes now.
    pub(crate) fn record(&self, request: Request) {
        let request = request.at(self.now());
        lock(&self.shared.requests).push(request);
    }

    /// Judges a request by GitHub's descriptions.
    pub(crate) fn judge(&self, incoming: &Incoming) {
        let found = self
            .shared
            .descriptions
            .iter()
            .flat_map(|one| one.judge(incoming));
        lock(&self.shared.violations).extend(found);
    }
}
