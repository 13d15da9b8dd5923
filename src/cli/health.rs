//! `prova health`: asks the running server on this machine whether it is alive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::exit::{DONE, FAILED, USAGE};
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::config::server::load::Need;

/// Longer is not healthy.
const WITHIN: Duration = Duration::from_secs(5);

/// Whom to ask.
#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Ask the worker, at `worker.listen`.
    #[arg(long)]
    worker: bool,
}

/// Asks `/healthz` at the address of the settings.
pub async fn run(args: &HealthArgs, output: &Output) -> u8 {
    let settings = match args.config.settings(Need::Local, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let listen = match (args.worker, settings.worker.listen) {
        (false, _) => settings.server.listen,
        (true, Some(listen)) => listen,
        (true, None) => {
            output.error("worker.listen is not set: a worker without it answers nobody");
            return USAGE;
        }
    };
    let address = reachable(listen);
    match tokio::time::timeout(WITHIN, ask(address)).await {
        Ok(Ok(true)) => {
            output.line("alive");
            DONE
        }
        Ok(Ok(false)) => {
            output.error(&format!(
                "{address} answers, and not as a healthy server would"
            ));
            FAILED
        }
        Ok(Err(error)) => {
            output.error(&format!("{address} does not answer: {error}"));
            FAILED
        }
        Err(_) => {
            output.error(&format!(
                "{address} does not answer within {} s",
                WITHIN.as_secs()
            ));
            FAILED
        }
    }
}

/// A server that listens everywhere is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}
