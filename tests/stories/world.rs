//! What a story begins with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prova::config::server::ServerSettings;
use prova::config::server::load::{Need, load};
use prova::domain::time::Timestamp;
use prova::ports::clock::Clock;
use prova::simulator::openapi::Description;
use prova::simulator::world::accounts::{AccountKind, Role};
use prova::simulator::world::repositories::{File, RepositorySpec};
use prova::simulator::{Options, Simulator};

use crate::gateway::Script;
use crate::harness::{Bot, Parts};

/// The repository of every story.
pub(crate) const REPO: &str = "octo/hello";

/// Corrects the spelling mistake of the README.
pub(crate) const FIX: &str = "sed -i s/teh/the/ README.md";

/// Puts the brief into the change, to be looked at.
pub(crate) const SHOW_BRIEF: &str = "cp \"$PROVA_BRIEF\" brief.md";

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.now().as_millis() / 1_000
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What a story begins with.
pub(crate) struct World {
    files: Vec<File>,
    settings: String,
    gateway: Option<Arc<Script>>,
    key: Option<&'static str>,
    tune: fn(&mut ServerSettings),
    skew: i64,
}

impl World {
    /// A repository with a README and a script, and no policy. `octo` owns it, `alice` may write,
    /// `tina` may sort issues, and `mallory` is an outsider.
    pub(crate) fn new() -> Self {
        Self {
            files: vec![
                File::new("README.md", "# Hello\n\nThis is teh readme.\n"),
                File::new("src/main.py", "print('hello')\n"),
            ],
            settings: String::new(),
            gateway: None,
            key: None,
            tune: |_| {},
            skew: 0,
        }
    }

    /// With an agent that corrects the README.
    pub(crate) fn fixer() -> Self {
        Self::new().agent("fixer", FIX)
    }

    /// Without any commit.
    pub(crate) fn empty(mut self) -> Self {
        self.files.clear();
        self
    }

    /// With that file on the default branch.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.put(File::new(path, content))
    }

    /// With that file on the default branch.
    pub(crate) fn put(mut self, file: File) -> Self {
        self.files.push(file);
        self
    }

    /// With that policy.
    pub(crate) fn policy(self, text: &str) -> Self {
        self.file(".github/prova.toml", text)
    }

    /// With an agent that runs a shell script in the `exec` contract.
    pub(crate) fn agent(mut self, name: &str, script: &str) -> Self {
        let script = toml::Value::String(script.to_owned());
        let command = format!("[\"sh\", \"-c\", {script}]");
        self.settings += "\n[agents.";
        self.settings += name;
        self.settings += "]\ndriver = \"exec\"\ncommand = ";
        self.settings += &command;
        self.settings += "\n";
        self
    }

    /// With these settings too.
    pub(crate) fn settings(mut self, text: &str) -> Self {
        self.settings += text;
        self
    }

    /// With that key for the model endpoint `main`.
    pub(crate) fn keyed(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }

    /// With a gateway that does as it is told.
    pub(crate) fn gateway(mut self, script: &Arc<Script>) -> Self {
        self.gateway = Some(script.clone());
        self
    }

    /// With settings changed.
    pub(crate) fn tuned(mut self, tune: fn(&mut ServerSettings)) -> Self {
        self.tune = tune;
        self
    }

    /// With a GitHub whose clock is so many milliseconds ahead of ours.
    pub(crate) fn skewed(mut self, millis: i64) -> Self {
        self.skew = millis;
        self
    }

    pub(crate) async fn start(self) -> Bot {
        // A fixed moment; what is signed with it only has to agree with the simulator's.
        let clock = Arc::new(ManualClock(AtomicI64::new(1_790_000_000_000)));
        let (ticking, skew) = (clock.clone(), self.skew);
        let mut options = Options::new(Arc::new(move || ticking.now().as_millis() + skew));
        options.descriptions = descriptions();
        options.key_file = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("app-key.pem"));
        let sim = Simulator::start(options).await.unwrap();
        sim.create_repository(&RepositorySpec::new(REPO, self.files))
            .unwrap();
        sim.set_role(REPO, "alice", Role::Write).unwrap();
        sim.set_role(REPO, "tina", Role::Triage).unwrap();
        sim.create_account("mallory", AccountKind::User);
        let installation = sim.install_app("octo", None).unwrap();
        let dir = tempfile::Builder::new()
            .prefix("prova-story-")
            .tempdir()
            .unwrap();
        let text = format!(
            "[github]\napi_url = \"{api}\"\nweb_url = \"{web}\"\napp_id = 12345\n\
             private_key_file = \"{dir}/key.pem\"\nwebhook_secret_file = \"{dir}/secret\"\n\
             [store]\nurl = \"sqlite://{dir}/prova.db\"\n[work]\ndir = \"{dir}/work\"\n{more}",
            api = sim.api_url(),
            web = sim.web_url(),
            dir = dir.path().display(),
            more = self.settings,
        );
        std::fs::write(dir.path().join("key.pem"), sim.private_key_pem()).unwrap();
        std::fs::write(dir.path().join("secret"), sim.webhook_secret()).unwrap();
        let key = |key: &str| ("PROVA_MODELS__MAIN__KEY".to_owned(), key.to_owned());
        let variables: BTreeMap<_, _> = self.key.map(key).into_iter().collect();
        let environment = (&variables, Need::Server);
        let mut settings = load("prova.toml", &text, dir.path(), environment).unwrap();
        // This program is the test's, and cannot set the stage of a sandbox.
        settings.sandbox.stage = env!("CARGO_BIN_EXE_prova").into();
        (self.tune)(&mut settings);
        let mut bot = Bot::new(Parts {
            sim,
            installation,
            clock,
            settings,
            gateway: self.gateway,
            dir,
        });
        bot.restart().await;
        let _installation = bot.sim.take_deliveries();
        bot
    }
}

fn descriptions() -> Vec<Description> {
    ["2022-11-28", "2026-03-10"]
        .into_iter()
        .map(|version| {
            let path = format!(
                "{}/fixtures/openapi/requests-{version}.tsv",
                env!("CARGO_MANIFEST_DIR")
            );
            Description::parse(version, &std::fs::read_to_string(path).unwrap()).unwrap()
        })
        .collect()
}
