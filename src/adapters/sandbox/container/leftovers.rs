//! Containers whose server is no more.
//!
//! A container carries the name of the process that made it. When that process is gone, so is
//! whoever would read the outcome.

use std::path::Path;

use crate::adapters::sandbox::container::engine::Engine;
use crate::adapters::sandbox::server::Server;
use crate::ports::fault::Fault;

/// The label that says which server a container is of.
pub(super) const LABEL: &str = "prova.server";

/// Removes what servers left that are gone, and returns how many containers that were.
pub(super) async fn remove(engine: &Engine, server: &Server) -> Result<usize, Fault> {
    let mut removed = 0;
    for (id, word) in engine.labelled(LABEL).await? {
        let gone =
            Server::parse(&word).is_some_and(|other| server.outlived(&other, Path::new("/proc")));
        if gone {
            engine.remove(&id).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
