//! What all passes share: endpoints, the way to them, and the ledger of what is spent.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Notify;

use crate::adapters::gateway::endpoint::Upstream;
use crate::adapters::gateway::outside::Outside;
use crate::adapters::gateway::settings::{InvalidSettings, Settings};
use crate::domain::name::Name;
use crate::ports::gateway::Ledger;

/// What one connection to an endpoint reads ahead, at most.
const READ_AHEAD: usize = 64 * 1024;
/// How long an unused connection to an endpoint is kept.
const KEPT: Duration = Duration::from_mins(1);

/// What all passes share.
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) upstreams: BTreeMap<Name, Arc<Upstream>>,
    pub(crate) client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Something that was set aside is free again.
    pub(crate) settled: Notify,
}

impl House {
    /// Checks the settings; connects to nothing.
    pub(crate) fn new(
        settings: Settings,
        ledger: Arc<dyn Ledger>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, InvalidSettings> {
        let upstreams = settings
            .endpoints
            .iter()
            .map(|(name, endpoint)| Ok((name.clone(), Arc::new(Upstream::new(name, endpoint)?))))
            .collect::<Result<BTreeMap<_, _>, InvalidSettings>>()?;
        let secure = upstreams
            .values()
            .any(|upstream: &Arc<Upstream>| upstream.is_secure());
        let client = client(settings.bounds.connect, secure)?;
        Ok(Self {
            settings,
            upstreams,
            client,
            outside,
            ledger,
            settled: Notify::new(),
        })
    }
}

/// Returns the way to the endpoints: HTTPS with the system's certificates, which are only read when
/// an endpoint needs them, or plain HTTP where the operator's own URL says so.
fn client(
    connect: Duration,
    secure: bool,
) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, InvalidSettings> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| InvalidSettings::Roots(io::Error::other(error)))?;
    let tls = if secure {
        tls.with_native_roots().map_err(InvalidSettings::Roots)?
    } else {
        tls.with_root_certificates(RootCertStore::empty())
    };
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .http1_max_buf_size(READ_AHEAD)
        .build(https))
}
