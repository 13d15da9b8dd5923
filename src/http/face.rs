//! What the handlers share.

use std::sync::Arc;

use crate::app::ingest::Ingest;
use crate::app::presence::Standing;
use crate::http::body::Desk;
use crate::http::refusals::Refusals;
use crate::http::signature::Secrets;
use crate::ports::clock::Clock;
use crate::ports::held_up::HeldUp;
use crate::ports::live::LiveSecrets;
use crate::ports::logs::Logs;
use crate::ports::store::Store;

/// What the handlers share.
#[derive(Clone)]
pub struct Face {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is shown.
    pub store: Arc<dyn Store>,
    /// What jobs have printed.
    pub logs: Arc<dyn Logs>,
    /// The way into the inbox.
    pub ingest: Ingest,
    /// What deliveries are signed with.
    pub secrets: Arc<Secrets>,
    /// Where bodies wait for their signature to be checked.
    pub desk: Arc<Desk>,
    /// What was refused.
    pub refusals: Arc<Refusals>,
    /// What is shown of its health.
    pub vitals: Vitals,
    /// Whether the pages for people are served.
    pub dashboard: bool,
    /// What no page may say.
    pub live: Arc<LiveSecrets>,
}

/// What health and metrics are made of.
#[derive(Clone)]
pub struct Vitals {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub store: Arc<dyn Store>,
    /// Whether this process may work.
    pub standing: Arc<Standing>,
    /// What was refused.
    pub refusals: Arc<Refusals>,
    /// What GitHub's limits hold up.
    pub held_up: Arc<HeldUp>,
}
