//! A gateway with one open door, and programs inside that talk to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prova::adapters::gateway::{Bounds, Endpoint, HttpGateway, Settings};
use prova::domain::budget::{Cap, Day, Scope};
use prova::domain::model::{Api, Model, Prices};
use prova::domain::name::Name;
use prova::ports::gateway::{Gateway as _, Pass, Passage};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::accounts::Accounts;
use crate::endpoint::Server;
use crate::network::Network;

/// The key of every endpoint; must never be seen inside.
pub(crate) const REAL: &str = "sk-real-0123456789abcdef";

/// Three dollars a million tokens read, fifteen written; 1,000 tokens an answer at most.
pub(crate) const MODEL: Model = Model {
    prices: Prices {
        input: prova::domain::money::Usd::from_micros(3_000_000),
        cache_read: prova::domain::money::Usd::from_micros(300_000),
        cache_write: prova::domain::money::Usd::from_micros(3_750_000),
        output: prova::domain::money::Usd::from_micros(15_000_000),
        reasoning: None,
    },
    max_output_tokens: 1_000,
    context_tokens: Some(200_000),
};

/// The gateway of a test.
pub(crate) struct Bed {
    pub(crate) gateway: HttpGateway,
    pub(crate) ledger: Arc<Accounts>,
    pub(crate) network: Arc<Network>,
}

impl Bed {
    /// A gateway before three endpoints, one an API, that are all `server`.
    pub(crate) fn before(server: &Server) -> Self {
        Self::new(server.address, Network::default(), Bounds::default())
    }

    pub(crate) fn new(endpoint: SocketAddr, network: Network, bounds: Bounds) -> Self {
        Self::on(Arc::default(), (endpoint, network, bounds))
    }

    /// A gateway of another process, which shares a ledger.
    pub(crate) fn beside(&self, server: &Server, bounds: Bounds) -> Self {
        let there = (server.address, Network::default(), bounds);
        Self::on(self.ledger.clone(), there)
    }

    fn on(
        ledger: Arc<Accounts>,
        (endpoint, network, bounds): (SocketAddr, Network, Bounds),
    ) -> Self {
        let named = Api::ALL.map(|api| {
            let endpoint = Endpoint {
                api,
                url: format!("http://{endpoint}"),
                key: Some(REAL.to_owned().into()),
                models: BTreeMap::from([("m".to_owned(), MODEL), ("n".to_owned(), MODEL)]),
            };
            (name(api.as_str()), endpoint)
        });
        let settings = Settings {
            endpoints: BTreeMap::from(named),
            bounds,
            ..Settings::default()
        };
        let network = Arc::new(network);
        let gateway = HttpGateway::with_outside(settings, ledger.clone(), network.clone()).unwrap();
        Self {
            gateway,
            ledger,
            network,
        }
    }

    /// Opens a door for a pass to all endpoints.
    pub(crate) async fn open(&self, pass: Pass) -> Inside {
        let door = self.gateway.open(pass).await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        door.serve(listener).unwrap();
        let env = door.env();
        Inside {
            key: env.get("PROVA_MODELS_KEY").cloned().unwrap_or_default(),
            env,
            door,
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }
}

/// A pass to all endpoints and to what `egress` names, with a dollar to spend.
pub(crate) fn pass(egress: &[&str]) -> Pass {
    Pass {
        job: "1-2-3.1".parse().unwrap(),
        models: Api::ALL.map(|api| name(api.as_str())).to_vec(),
        egress: egress.iter().map(|host| host.parse().unwrap()).collect(),
        egress_bytes: 1_000_000,
        caps: vec![cap("1")],
    }
}

/// A limit of the server's day.
pub(crate) fn cap(most: &str) -> Cap {
    Cap {
        scope: Scope::Server(Day(1)),
        most: most.parse().unwrap(),
        spent: "0".parse().unwrap(),
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// What is inside the sandbox: the door's address and its key.
pub(crate) struct Inside {
    pub(crate) door: Arc<dyn Passage>,
    pub(crate) address: SocketAddr,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) key: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Inside {
    /// Sends a call with the job's key; the answer's body is still to come.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Response<Incoming> {
        let request = Request::post(format!("http://{}{path}", self.address))
            .header("x-api-key", &self.key)
            .header("content-type", "application/json")
            .body(body.to_owned().into())
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.client.request(request));
        answer.await.unwrap().unwrap()
    }

    /// Sends a call and reads the whole answer.
    pub(crate) async fn ask(&self, path: &str, body: &str) -> (u16, String) {
        read(self.post(path, body).await).await
    }

    /// Sends bytes as they are and reads until the door closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        let in_time = read.await.is_ok();
        let sent = String::from_utf8_lossy(bytes);
        assert!(in_time, "{sent:?} is still open after {answer:?}");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub(crate) async fn read(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Returns an answer as JSON.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
