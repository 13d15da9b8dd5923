//! The sieve of an agent's lines, for those who throw bytes at it: the fuzz targets in `fuzz`, and the
//! tests that do the same on every run. Nothing else uses this.

use crate::adapters::agent::acp::lines;

/// Returns the messages in what an agent has printed, each as a line, as if each were answered at
/// once.
pub async fn messages(printed: &[u8]) -> Vec<String> {
    lines::all(printed).await
}
