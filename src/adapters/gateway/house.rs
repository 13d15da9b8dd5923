//! What all passes share: endpoints, the way to them, and the book of what is spent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;

use crate::adapters::gateway::endpoint::Upstream;
use crate::adapters::gateway::outside::Outside;
use crate::adapters::gateway::settings::{InvalidSettings, Settings};
use crate::domain::budget::{Book, Cap, Denied, Exceeded, Hold};
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::ports::gateway::Ledger;

/// What one connection to an endpoint reads ahead, at most.
const READ_AHEAD: usize = 64 * 1024;
/// How long an unused connection to an endpoint is kept.
const KEPT: Duration = Duration::from_secs(60);

/// What all passes share.
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) upstreams: BTreeMap<Name, Arc<Upstream>>,
    pub(crate) client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) ledger: Arc<dyn Ledger>,
    book: Mutex<Book>,
    settled: Notify,
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
            .collect::<Result<_, InvalidSettings>>()?;
        let client = client(settings.bounds.connect)?;
        Ok(Self {
            settings,
            upstreams,
            client,
            outside,
            ledger,
            book: Mutex::default(),
            settled: Notify::new(),
        })
    }

    /// Sets money aside; waits for calls under way when only they stand against it, but no longer
    /// than they may be silent.
    pub(crate) async fn admit(&self, caps: &[Cap], most: Usd) -> Result<Hold, Exceeded> {
        let patience = tokio::time::sleep(self.settings.bounds.silence);
        tokio::pin!(patience);
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // Before the book is read: what settles in between is not missed.
            settled.as_mut().enable();
            let exceeded = match self.book().admit(caps, most) {
                Ok(hold) => return Ok(hold),
                Err(Denied::Never(exceeded)) => return Err(exceeded),
                Err(Denied::NotYet(exceeded)) => exceeded,
            };
            tokio::select! {
                () = settled => {}
                () = &mut patience => return Err(exceeded),
            }
        }
    }

    /// Gives back what was set aside and charges what the call cost.
    pub(crate) fn settle(&self, hold: Hold, cost: Usd) {
        self.book().settle(hold, cost);
        self.settled.notify_waiters();
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Its numbers are whole after every step, whoever panicked.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pass that is counted in the book as long as this lives.
pub(crate) struct Seat {
    house: Arc<House>,
    caps: Vec<Cap>,
}

impl Seat {
    /// Counts a pass in.
    pub(crate) fn take(house: &Arc<House>, caps: &[Cap]) -> Self {
        house.book().open(caps);
        Self {
            house: house.clone(),
            caps: caps.to_vec(),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.book().close(&self.caps);
    }
}

/// Returns the way to the endpoints: HTTPS with the system's certificates, or plain HTTP where the
/// operator's own URL says so.
fn client(
    connect: Duration,
) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, InvalidSettings> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect));
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(InvalidSettings::Roots)?
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .http1_max_buf_size(READ_AHEAD)
        .build(https))
}
