//! The meter, which reads what models answer, for those who throw bytes at it: the fuzz targets in
//! `fuzz`, and the tests that do the same on every run. Nothing else uses this.

use crate::adapters::gateway::meter::Meter;
use crate::domain::metering::Seen;
use crate::domain::model::Api;

/// Returns what an answer that comes in pieces is said to have used.
pub fn usage<'a>(api: Api, streamed: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut meter = Meter::new(api, streamed);
    for piece in pieces {
        meter.feed(piece);
    }
    meter.seen()
}
