//! The only door out of a sandbox: model calls, with keys added outside and usage metered, and
//! allow-listed hosts.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::budget::{Cap, Denied, Scope};
use crate::domain::egress::HostRule;
use crate::domain::ids::JobId;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::time::Span;
use crate::domain::traffic::{Tokens, Traffic};
use crate::ports::door::Door;
use crate::ports::fault::Fault;

/// What the programs of one sandbox may reach, and at whose expense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The job, for logs.
    pub job: JobId,
    /// Model endpoints that may be called; none for setup and checks.
    pub models: Vec<Name>,
    /// Hosts that may be reached beside them.
    pub egress: Vec<HostRule>,
    /// Most bytes to and from those hosts together.
    pub egress_bytes: u64,
    /// What model calls may cost. A cap that several passes share is enforced over all of them, in
    /// whichever processes they are.
    pub caps: Vec<Cap>,
}

/// Makes doors.
#[async_trait::async_trait]
pub trait Gateway: Send + Sync {
    /// Opens a door. It must be closed when the sandbox has ended.
    async fn open(&self, pass: Pass) -> Result<Arc<dyn Passage>, Fault>;
}

/// An open door, from outside.
#[async_trait::async_trait]
pub trait Passage: Door {
    /// Fires when a budget is used up: the run is to end, since no further call would be answered.
    fn exhausted(&self) -> CancellationToken;

    /// Returns what has passed so far.
    fn so_far(&self) -> Traffic;

    /// Ends every connection and returns what passed. A second call returns the same.
    async fn close(&self) -> Traffic;
}

/// Money for one model call: the most that it can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Names the call, as its charge does; drawn at random.
    pub id: String,
    /// The job that calls.
    pub job: JobId,
    /// The endpoint that is to be called.
    pub endpoint: Name,
    /// The model, as the request names it.
    pub model: String,
    /// The most that it can cost.
    pub most: Usd,
}

/// What one model call cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Names the call, so that recording it twice can be told from two calls.
    pub id: String,
    /// The job that called.
    pub job: JobId,
    /// What it is counted against: the scopes of the pass's caps.
    pub scopes: Vec<Scope>,
    /// The endpoint that was called.
    pub endpoint: Name,
    /// The model, as the request named it.
    pub model: String,
    /// What it used; an estimate upwards when the API did not say.
    pub tokens: Tokens,
    /// What that costs by the settings' prices.
    pub cost: Usd,
}

/// How long money stays set aside without a word; then nobody is taken to know any more what the call
/// cost, and it is charged in full.
pub const HELD: Span = Span::minutes(2);

/// Keeps the accounts of all processes: what was spent, and what calls under way may still spend.
#[async_trait::async_trait]
pub trait Ledger: Send + Sync {
    /// Sets money aside for a call, for as long as [`HELD`], under every cap or under none. What the
    /// caps say of what was spent is old by then, and does not count.
    ///
    /// After a fault it is not known whether it was set aside.
    async fn set_aside(&self, hold: &Hold, caps: &[Cap]) -> Result<Result<(), Denied>, Fault>;

    /// Says that a call is still under way: what was set aside for it stays so, for [`HELD`] from now.
    async fn keep(&self, id: &str) -> Result<(), Fault>;

    /// Gives back what was set aside for a call that has reached no model.
    async fn free(&self, id: &str, scopes: &[Scope]) -> Result<(), Fault>;

    /// Records what a call cost, in the place of what was set aside for it, or of what it was charged
    /// meanwhile because nobody knew. A second record of the same id changes nothing.
    async fn record(&self, charge: &Charge) -> Result<(), Fault>;
}
