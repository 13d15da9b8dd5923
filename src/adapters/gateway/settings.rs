//! What the operator says about the gateway, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::model::{Api, Model};
use crate::domain::name::Name;

/// What the gateway may do for any pass.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Model endpoints by name.
    pub endpoints: BTreeMap<Name, Endpoint>,
    /// Ports of other hosts that may be reached; 443 and 80 by default.
    pub ports: BTreeSet<u16>,
    /// Bounds of what one pass may hold.
    pub bounds: Bounds,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoints: BTreeMap::new(),
            ports: BTreeSet::from([80, 443]),
            bounds: Bounds::default(),
        }
    }
}

/// A model endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The language it speaks.
    pub api: Api,
    /// Its base URL, as the provider documents it: `https://api.anthropic.com`,
    /// `https://api.openai.com/v1`, `https://generativelanguage.googleapis.com`. Plain HTTP is for
    /// servers of one's own.
    pub url: String,
    /// The real key; a server of one's own may need none.
    pub key: Option<SecretString>,
    /// The models that may be called, by the name that requests use. `*` stands for every other.
    pub models: BTreeMap<String, Model>,
}

/// What one pass may hold, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections from inside at once; further ones wait to be accepted.
    pub connections: usize,
    /// Longest body of a model call, in bytes. Bodies of twice that are held at once; further ones
    /// wait.
    pub body_bytes: u32,
    /// How long the head of a request may take, and a connection idle between requests.
    pub head: Duration,
    /// How long a connection to another host may take, its name's resolution included.
    pub connect: Duration,
    /// How long a model, a request's body or a tunnel may be silent.
    pub silence: Duration,
    /// How often the ledger is told that a call is still under way; a fraction of
    /// [`HELD`](crate::ports::gateway::HELD).
    pub renewal: Duration,
    /// How often the ledger is asked again for money that calls under way may leave.
    pub look: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            body_bytes: 32 * 1024 * 1024,
            head: Duration::from_mins(2),
            connect: Duration::from_secs(15),
            // Models think for minutes before the first byte.
            silence: Duration::from_mins(10),
            renewal: Duration::from_secs(30),
            look: Duration::from_secs(1),
        }
    }
}

/// Why the gateway cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// An endpoint's base URL is none.
    #[error(
        "models.{0}.url: expected a URL such as https://api.example.com, without credentials, query or fragment"
    )]
    Url(Name),
    /// A key has characters that no header can carry.
    #[error(
        "models.{0}.key: the key has characters that cannot be sent; look for a line break or a space in it"
    )]
    Key(Name),
    /// The system's certificates cannot be read.
    #[error("cannot read the system's root certificates: {0}; install ca-certificates")]
    Roots(std::io::Error),
}
