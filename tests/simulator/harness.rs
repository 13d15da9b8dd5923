//! A world with one repository, a clock that stands still, and a client of the API.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prova::simulator::openapi::Description;
use prova::simulator::webhooks::Delivery;
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::{File, RepositorySpec};
use prova::simulator::{Options, Simulator};
use serde_json::{Value, json};

/// 2026-01-02T03:04:05Z.
pub(crate) const START: i64 = 1_767_323_045_000;

/// The repository of every test.
pub(crate) const REPO: &str = "acme/widgets";

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or_default()
    }
}

pub(crate) struct Github {
    pub(crate) sim: Simulator,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) installation: u64,
    pub(crate) token: String,
    /// How many violations a test has provoked on purpose.
    forgiven: AtomicUsize,
}

impl Github {
    /// `acme/widgets` with a README, an executable and a link; alice writes, carol only reads; the
    /// App is installed and holds a token.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// At the machine's own time, for clients that look at the machine's clock.
    pub(crate) async fn now() -> Self {
        let mut github = Self::new().await;
        let now = jiff::Timestamp::now().as_millisecond();
        github.clock.store(now, Ordering::SeqCst);
        github.token = github.mint(json!({})).await;
        github
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let reading = Arc::clone(&clock);
        let mut options = Options::new(Arc::new(move || reading.load(Ordering::SeqCst)));
        options.descriptions = descriptions();
        options.key_file = Some(format!("{}/app.pem", env!("CARGO_TARGET_TMPDIR")).into());
        change(&mut options);
        let sim = Simulator::start(options).await.unwrap();
        let files = vec![
            File::new("README.md", "# Widgets\n"),
            File::executable("bin/run", "#!/bin/sh\n"),
            File::new("src/lib.rs", "one\ntwo\nthree\n"),
            File::link("latest", "README.md"),
        ];
        sim.create_repository(&RepositorySpec::new(REPO, files))
            .unwrap();
        sim.set_role(REPO, "alice", Role::Write).unwrap();
        let _carol = sim.as_person("carol");
        let installation = sim.install_app("acme", None).unwrap();
        let mut github = Self {
            sim,
            clock,
            installation,
            token: String::new(),
            forgiven: AtomicUsize::new(0),
        };
        github.token = github.mint(json!({})).await;
        let _ = github.sim.take_deliveries();
        github
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) async fn mint(&self, narrow: Value) -> String {
        let path = format!("/app/installations/{}/access_tokens", self.installation);
        let answer = self.as_app("POST", &path, narrow).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json["token"].as_str().unwrap().to_owned()
    }

    /// A JSON Web Token with these claims beside the usual ones.
    pub(crate) fn jwt(&self, change: Value) -> String {
        let now = self.clock.load(Ordering::SeqCst) / 1000;
        let mut claims = json!({"iss": "12345", "iat": now - 60, "exp": now + 540});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let key = EncodingKey::from_rsa_pem(self.sim.private_key_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
    }

    pub(crate) async fn as_app(&self, method: &str, path: &str, body: Value) -> Answer {
        let jwt = format!("Bearer {}", self.jwt(json!({})));
        self.send(method, path, &[("authorization", &jwt)], body)
            .await
    }

    /// As the installation, with its token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_with(method, path, &[], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let token = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.send(method, path, &all, body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let mut request = http::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "user-agent") {
            request = request.header("user-agent", "test");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.sim.handle(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// The tip of a branch, as the API says it.
    pub(crate) async fn tip(&self, branch: &str) -> String {
        let answer = self
            .get(&format!("/repos/{REPO}/git/ref/heads/{branch}"))
            .await;
        answer.json["object"]["sha"].as_str().unwrap().to_owned()
    }

    /// Commits tree entries through the API on top of `main`, on a branch, and returns the commit.
    pub(crate) async fn commit(&self, branch: &str, entries: Value) -> Value {
        let parent = self.tip("main").await;
        let commit = self
            .get(&format!("/repos/{REPO}/git/commits/{parent}"))
            .await;
        let base = &commit.json["tree"]["sha"];
        let body = json!({"base_tree": base, "tree": entries});
        let tree = self
            .call("POST", &format!("/repos/{REPO}/git/trees"), body)
            .await;
        assert_eq!(tree.status, 201, "{}", tree.text);
        let body = json!({
            "message": "Change widgets", "tree": tree.json["sha"], "parents": [parent],
        });
        let commit = self
            .call("POST", &format!("/repos/{REPO}/git/commits"), body)
            .await;
        assert_eq!(commit.status, 201, "{}", commit.text);
        let body = json!({"ref": format!("refs/heads/{branch}"), "sha": commit.json["sha"]});
        let created = self
            .call("POST", &format!("/repos/{REPO}/git/refs"), body)
            .await;
        assert_eq!(created.status, 201, "{}", created.text);
        commit.json
    }

    /// Opens a pull request with one changed file, and returns its number.
    pub(crate) async fn pull(&self, branch: &str, body: &str) -> u64 {
        let entry = json!({
            "path": "src/lib.rs", "mode": "100644", "type": "blob", "content": "one\n2\nthree\n",
        });
        self.commit(branch, json!([entry])).await;
        let body = json!({
            "title": "Count right", "head": branch, "base": "main", "body": body, "draft": false,
        });
        let pull = self
            .call("POST", &format!("/repos/{REPO}/pulls"), body)
            .await;
        assert_eq!(pull.status, 201, "{}", pull.text);
        pull.json["number"].as_u64().unwrap()
    }

    /// Lets the violations so far pass: the test has looked at them.
    pub(crate) fn forgive(&self) {
        self.forgiven
            .store(self.sim.violations().len(), Ordering::SeqCst);
    }

    /// Webhooks that wait, as `event.action`.
    pub(crate) fn events(&self) -> Vec<String> {
        self.sim.take_deliveries().iter().map(name).collect()
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let forgiven = self.forgiven.load(Ordering::SeqCst);
            assert_eq!(
                self.sim.violations().split_off(forgiven),
                Vec::<String>::new()
            );
        }
    }
}

/// `event.action`, or the event alone.
pub(crate) fn name(delivery: &Delivery) -> String {
    match payload(delivery)["action"].as_str() {
        Some(action) => format!("{}.{action}", delivery.event),
        None => delivery.event.clone(),
    }
}

pub(crate) fn payload(delivery: &Delivery) -> Value {
    serde_json::from_slice(&delivery.body).unwrap()
}

/// Both versions of GitHub's API.
pub(crate) fn descriptions() -> Vec<Description> {
    ["2022-11-28", "2026-03-10"]
        .iter()
        .map(|version| description(version))
        .collect()
}

pub(crate) fn description(version: &str) -> Description {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = fs::read_to_string(format!("{root}/fixtures/openapi/requests-{version}.tsv"));
    Description::parse(version, &text.unwrap()).unwrap()
}
