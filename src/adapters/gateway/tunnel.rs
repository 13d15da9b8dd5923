//! CONNECT: a tunnel to a host that may be reached, for TLS that names the same host.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::adapters::gateway::body::{AnyBody, whole};
use crate::adapters::gateway::passage::Pass;
use crate::adapters::gateway::reach::{self, Unreached};
use crate::domain::egress::{Host, Target};
use crate::domain::traffic::BlockReason;

/// The longest start of a TLS connection that is read.
const LONGEST_HELLO: usize = 64 * 1024;
/// What is read at once, in each direction.
const PIECE: usize = 32 * 1024;

/// Answers a CONNECT request. When it may go on, it does so by itself.
pub(super) async fn open(request: Request<Incoming>, pass: &Arc<Pass>) -> Response<AnyBody> {
    match begin(&request, pass).await {
        Err(unreached) => unreached.answer(),
        Ok((target, stream)) => {
            let (pass, tasks) = (pass.clone(), pass.tasks.clone());
            tasks.spawn(async move {
                let stop = pass.stop.clone();
                let tunnel = async {
                    if let Ok(inside) = hyper::upgrade::on(request).await {
                        run(TokioIo::new(inside), stream, &target, &pass).await;
                    }
                };
                stop.run_until_cancelled(tunnel).await;
            });
            Response::new(whole(""))
        }
    }
}

async fn begin(
    request: &Request<Incoming>,
    pass: &Arc<Pass>,
) -> Result<(Target, TcpStream), Unreached> {
    // A whole URL is not what CONNECT takes, so another parser may read another host.
    let uri = request.uri();
    let authority = match (uri.scheme(), uri.authority()) {
        (None, Some(authority)) => authority.as_str(),
        (Some(_), _) | (None, None) => uri.path(),
    };
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let host = host.map(String::from_utf8_lossy);
    let target = reach::allowed(authority, host.as_deref(), pass)?;
    let stream = reach::connect(&target, pass).await?;
    Ok((target, stream))
}

/// Passes bytes in both directions once the first are known to be TLS for the same host.
async fn run<I>(mut inside: I, mut outside: TcpStream, target: &Target, pass: &Pass)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let bounds = &pass.house.settings.bounds;
    let hello = match timeout(bounds.head, hello(&mut inside, &target.host)).await {
        Ok(Some(hello)) => hello,
        Ok(None) => return pass.block(&target.to_string(), BlockReason::Malformed),
        Err(_) => return,
    };
    let name = target.host.as_str();
    if !pass.moved(name, hello.len()) || outside.write_all(&hello).await.is_err() {
        return;
    }
    drop(hello);
    let alive = Notify::new();
    let (mut from_inside, mut to_inside) = tokio::io::split(inside);
    let (mut from_outside, mut to_outside) = outside.split();
    let moved = |bytes| {
        alive.notify_one();
        pass.moved(name, bytes)
    };
    let both = async {
        tokio::try_join!(
            relay(&mut from_inside, &mut to_outside, moved),
            relay(&mut from_outside, &mut to_inside, moved),
        )
    };
    let silent = async { while timeout(bounds.silence, alive.notified()).await.is_ok() {} };
    tokio::select! {
        ended = both => tracing::trace!(?ended, "a tunnel ended"),
        () = silent => tracing::debug!(%target, "a tunnel was silent for too long"),
    }
}

/// Passes bytes on until there are none, and says so to the other side; an error when no more may
/// pass, which ends both directions.
async fn relay<R, W>(from: &mut R, to: &mut W, moved: impl Fn(usize) -> bool) -> Result<(), ()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(drop)?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await.map_err(drop);
        }
        if !moved(read) {
            return Err(());
        }
        to.write_all(bytes).await.map_err(drop)?;
    }
}

/// Reads the start of a TLS connection and returns its bytes, when it names `host`.
async fn hello<R: AsyncRead + Unpin>(from: &mut R, host: &Host) -> Option<Vec<u8>> {
    let (mut read, mut acceptor) = (Vec::new(), Acceptor::default());
    let mut piece = vec![0; 4 * 1024];
    loop {
        let got = from.read(&mut piece).await.ok()?;
        let mut bytes = piece.get(..got).filter(|bytes| !bytes.is_empty())?;
        read.extend_from_slice(bytes);
        if read.len() > LONGEST_HELLO {
            return None;
        }
        while !bytes.is_empty() {
            acceptor
                .read_tls(&mut bytes)
                .ok()
                .filter(|read| *read > 0)?;
            if let Some(accepted) = acceptor.accept().ok()? {
                let named = accepted.client_hello().server_name().map(Host::parse);
                return (named == Some(Ok(host.clone()))).then_some(read);
            }
        }
    }
}
