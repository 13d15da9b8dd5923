//! A network outside that lies: names have the addresses that a test says, and connections to any
//! of them end at a server of the test.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use prova::adapters::gateway::Outside;
use prova::domain::egress::Target;
use tokio::net::TcpStream;

/// What everything public is reached at.
#[derive(Default)]
pub(crate) struct Network {
    /// Addresses by name.
    pub(crate) names: BTreeMap<String, Vec<&'static str>>,
    /// Where connections end.
    pub(crate) server: Option<SocketAddr>,
    /// What was done.
    pub(crate) log: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Outside for Network {
    async fn resolve(&self, target: &Target) -> io::Result<Vec<SocketAddr>> {
        self.log
            .lock()
            .unwrap()
            .push(format!("resolve {}", target.host));
        let addresses = self
            .names
            .get(target.host.as_str())
            .ok_or(io::ErrorKind::NotFound)?;
        let parse = |address: &&str| SocketAddr::new(address.parse().unwrap(), target.port);
        Ok(addresses.iter().map(parse).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.log.lock().unwrap().push(format!("connect {address}"));
        TcpStream::connect(self.server.ok_or(io::ErrorKind::ConnectionRefused)?).await
    }
}
