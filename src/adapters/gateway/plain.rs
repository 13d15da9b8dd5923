//! Plain HTTP to hosts that may be reached: GET and HEAD by their whole URL, as package tools ask
//! their proxy. The host that is named is the one that is asked, which a tunnel could not promise
//! without TLS.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::adapters::gateway::body::{AnyBody, Watch, Watched};
use crate::adapters::gateway::headers;
use crate::adapters::gateway::passage::Pass;
use crate::adapters::gateway::reach::{self, Unreached};
use crate::domain::egress::Target;
use crate::domain::metering::End;
use crate::domain::traffic::BlockReason;

/// Answers a request whose target is a whole URL.
pub(super) async fn fetch(request: Request<Incoming>, pass: &Arc<Pass>) -> Response<AnyBody> {
    passed(&request, pass)
        .await
        .unwrap_or_else(|unreached| unreached.answer())
}

async fn passed(
    request: &Request<Incoming>,
    pass: &Arc<Pass>,
) -> Result<Response<AnyBody>, Unreached> {
    let target = target(request, pass)?;
    let name = target.host.as_str();
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let kept = headers::end_to_end(request.headers());
    let head: usize = kept
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let failed = |why: String| Unreached::Failed(target.clone(), why);
    let stream = reach::connect(&target, pass).await?;
    if !pass.moved(name, path.len() + head) {
        return Err(Unreached::Blocked(BlockReason::Bytes));
    }
    let mut sent = Request::new(Empty::<Bytes>::new());
    *sent.method_mut() = request.method().clone();
    *sent.uri_mut() = path
        .parse()
        .map_err(|_| failed("its path is none".to_owned()))?;
    *sent.headers_mut() = kept;
    let host = HeaderValue::from_str(name).map_err(|error| failed(error.to_string()))?;
    sent.headers_mut().insert(HOST, host);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.to_string()))?;
    let stop = pass.stop.clone();
    pass.tasks.spawn(async move {
        stop.run_until_cancelled(connection).await;
    });
    let silence = pass.house.settings.bounds.silence;
    let answer = timeout(silence, sender.send_request(sent))
        .await
        .map_err(|_| failed("it did not answer in time".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    let (head, body) = answer.into_parts();
    let counted = Counted {
        host: name.to_owned(),
        pass: pass.clone(),
    };
    let mut response = Response::new(Watched::new(body, counted, silence));
    *response.status_mut() = head.status;
    *response.headers_mut() = headers::end_to_end(&head.headers);
    Ok(response)
}

/// Returns whom a request is for, when that may be asked so.
fn target(request: &Request<Incoming>, pass: &Pass) -> Result<Target, Unreached> {
    let uri = request.uri();
    let asked = asked(uri);
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let host = host.map(String::from_utf8_lossy);
    let target = reach::allowed(&asked, host.as_deref(), pass)?;
    let reads = *request.method() == Method::GET || *request.method() == Method::HEAD;
    // Port 443 in clear would reach a host past the names in its certificates.
    if reads && uri.scheme() == Some(&Scheme::HTTP) && target.port == 80 {
        return Ok(target);
    }
    pass.block(&asked, BlockReason::Malformed);
    Err(Unreached::Blocked(BlockReason::Malformed))
}

/// Returns host and port of a URL.
fn asked(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let has_port = uri.port().is_some();
    if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    }
}

/// Counts what comes from a host.
struct Counted {
    host: String,
    pass: Arc<Pass>,
}

impl Watch for Counted {
    fn pass(&mut self, bytes: &[u8]) -> bool {
        self.pass.moved(&self.host, bytes.len())
    }

    fn end(&mut self, _: End) {}
}
