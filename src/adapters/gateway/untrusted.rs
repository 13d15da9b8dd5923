//! What reads an agent's requests, and the meter, which reads what models answer, for those who throw
//! bytes at them: the fuzz targets in `fuzz`, and the tests that do the same on every run. Nothing
//! else uses this.

use bytes::Bytes;
use http::Method;

use crate::adapters::gateway::meter::Meter;
use crate::adapters::gateway::wire;
use crate::adapters::gateway::wire::request::apply;
use crate::adapters::gateway::wire::route;
use crate::domain::metering::Seen;
use crate::domain::model::Api;

/// What of a model call is passed on.
#[derive(Debug, PartialEq, Eq)]
pub struct PassedOn {
    /// The model that it asks.
    pub model: String,
    /// Its body.
    pub body: Bytes,
    /// Tools of the provider that were taken out.
    pub withheld: Vec<String>,
}

/// Returns what is passed on of a call, unless it is refused or has no body.
#[must_use]
pub fn passed_on(api: Api, path: &str, json: &[u8]) -> Option<PassedOn> {
    let call = route::call(api, &Method::POST, path)?;
    let asked = wire::read(&call, json).ok()??;
    Some(PassedOn {
        body: apply(Bytes::copy_from_slice(json), &asked.edits),
        model: asked.model,
        withheld: asked.withheld,
    })
}

/// Returns what of a query is passed on.
#[must_use]
pub fn query(text: &str) -> String {
    route::query(Some(text))
}

/// Returns what an answer that comes in pieces is said to have used.
pub fn usage<'a>(api: Api, streamed: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut meter = Meter::new(api, streamed);
    for piece in pieces {
        meter.feed(piece);
    }
    meter.seen()
}
