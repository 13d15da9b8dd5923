//! Whether another host may be reached, and the one connection to it that was looked at.

use std::sync::Arc;

use http::{Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::adapters::gateway::body::{AnyBody, whole};
use crate::adapters::gateway::outside::is_public;
use crate::adapters::gateway::passage::Pass;
use crate::domain::egress::Target;
use crate::domain::traffic::BlockReason;

/// Why a host was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    /// It may not be.
    #[error("{}", why(*.0))]
    Blocked(BlockReason),
    /// It has no address, or does not answer.
    #[error("{0} cannot be reached: {1}")]
    Failed(Target, String),
}

const fn why(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::NotAllowed => "this host is not on the list of those that may be reached",
        BlockReason::Literal => "addresses are not reached, only names",
        BlockReason::Private => "this name leads to an address that is not public",
        BlockReason::Port => "this port is not on the list of those that may be reached",
        BlockReason::Malformed => "the request is malformed, or names one host and means another",
        BlockReason::Bytes => "this job has moved as many bytes as it may",
        BlockReason::Model => "this model may not be used",
    }
}

impl Unreached {
    /// Returns the answer, for whoever asked.
    pub(super) fn answer(&self) -> Response<AnyBody> {
        let mut response = Response::new(whole(format!("prova: {self}\n")));
        *response.status_mut() = match self {
            Self::Blocked(_) => StatusCode::FORBIDDEN,
            Self::Failed(..) => StatusCode::BAD_GATEWAY,
        };
        response
    }
}

/// Returns the target of a request when it may be reached; writes down that not, otherwise.
pub(super) fn allowed(asked: &str, host: Option<&str>, pass: &Pass) -> Result<Target, Unreached> {
    judge(asked, host, pass).map_err(|reason| {
        pass.block(asked, reason);
        Unreached::Blocked(reason)
    })
}

fn judge(asked: &str, host: Option<&str>, pass: &Pass) -> Result<Target, BlockReason> {
    let target = Target::parse(asked)?;
    if let Some(host) = host {
        let means = Target::parse(host)
            .or_else(|_| Target::parse(&format!("{host}:{}", target.port)))
            .map_err(|_| BlockReason::Malformed)?;
        if means != target {
            return Err(BlockReason::Malformed);
        }
    }
    if !pass.egress.iter().any(|rule| rule.allows(&target.host)) {
        return Err(BlockReason::NotAllowed);
    }
    if !pass.house.settings.ports.contains(&target.port) {
        return Err(BlockReason::Port);
    }
    Ok(target)
}

/// Connects to a target: its name is resolved once, and where one of its addresses may not be
/// reached none is.
pub(super) async fn connect(target: &Target, pass: &Arc<Pass>) -> Result<TcpStream, Unreached> {
    let failed = |why: String| Unreached::Failed(target.clone(), why);
    let (outside, within) = (&pass.house.outside, pass.house.settings.bounds.connect);
    let connecting = async {
        let addresses = outside
            .resolve(target)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if addresses.iter().any(|address| !is_public(address.ip())) {
            pass.block(&target.to_string(), BlockReason::Private);
            return Err(Unreached::Blocked(BlockReason::Private));
        }
        let mut last = failed("its name has no address".to_owned());
        for address in addresses {
            match outside.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = failed(error.to_string()),
            }
        }
        Err(last)
    };
    let stream = timeout(within, connecting)
        .await
        .unwrap_or_else(|_| Err(failed("it took too long".to_owned())))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
