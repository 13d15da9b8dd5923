//! The only way out of a sandbox.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;

use tokio::io::{AsyncRead, AsyncWrite};

/// Where a sandbox that has a door finds it: an address of its own loopback. Model endpoints and the
/// proxy are both there.
pub const INSIDE_DOOR: &str = "127.0.0.1:8790";

/// A connection of a program inside that came another way than by a listener of this machine.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// What serves the programs of one sandbox, from outside it.
pub trait Door: Send + Sync + std::fmt::Debug {
    /// Returns the variables that tell programs inside where the door is. There is no secret in them.
    fn env(&self) -> BTreeMap<String, String>;

    /// Serves whatever connects to `listener`, until the door is closed. The sandbox makes it at
    /// [`INSIDE_DOOR`] in the network of what runs inside; only that can connect to it.
    ///
    /// # Errors
    /// When the listener cannot be used.
    fn serve(&self, listener: TcpListener) -> io::Result<()>;

    /// Serves one connection, until it ends or the door is closed. It was made at [`INSIDE_DOOR`], in
    /// a network that is not on this machine.
    ///
    /// # Errors
    /// When the door is closed, or serves as many as it can.
    fn admit(&self, connection: Box<dyn Connection>) -> io::Result<()>;
}
