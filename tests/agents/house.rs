//! A server with one agent: its driver in the real sandbox, behind the real gateway, with a scripted
//! model at the other end.

use std::collections::BTreeMap;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prova::adapters::agent::acp::Acp;
use prova::adapters::agent::preset::Known;
use prova::adapters::gateway::{Endpoint, HttpGateway, Settings as GatewaySettings};
use prova::adapters::sandbox::select;
use prova::adapters::sandbox::settings::Settings;
use prova::adapters::system::SystemClock;
use prova::config::presets::{self, Preset};
use prova::config::server::brain::Brain;
use prova::domain::budget::{Cap, Day, Scope};
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::model::{Api, Model as Priced, Prices};
use prova::domain::money::Usd;
use prova::domain::outage::Outage;
use prova::domain::progress::{Heard, Update};
use prova::domain::stall::{Patience, Stall, stall};
use prova::domain::time::{Span, Timestamp};
use prova::domain::traffic::Traffic;
use prova::ports::agent::{Agent, Request, Run, Session, Steering, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::clock::Clock as _;
use prova::ports::door::Door;
use prova::ports::gateway::{Gateway as _, Pass, Passage};
use prova::ports::sandbox::{Limits, Profile, Sandbox};
use prova::ports::tree::Tree;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::installed::directory;
use crate::model::{Model, Script};
use crate::outcome::{Driver, Subject};
use crate::planted::{obeyed, plant};

/// What the server adds to requests; nothing inside may know it.
pub(crate) const REAL: &str = "sk-real-0123456789abcdef";

/// Follows a run as the server does.
#[derive(Debug, Default)]
struct Notes(Mutex<Heard>);

impl Watcher for Notes {
    fn heard(&self, update: Update) {
        self.0
            .lock()
            .unwrap()
            .take(update, Timestamp::from_millis(0));
    }

    fn stirred(&self) -> Arc<AtomicU64> {
        Arc::default()
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) run: Run,
    pub(crate) heard: Heard,
    pub(crate) traffic: Traffic,
    /// Why it was ended before its time.
    pub(crate) stall: Option<Stall>,
}

impl Ran {
    /// Whether the server takes it for failed, as `domain::conclude` does.
    pub(crate) fn failed(&self) -> bool {
        !self.run.outcome.ending.succeeded()
            || self.heard.trouble.is_some()
            || self.stall.is_some()
            || self.traffic.answered == 0
    }

    pub(crate) fn told(&self) -> String {
        let Self {
            run,
            heard,
            traffic,
            stall,
        } = self;
        let ending = run.outcome.ending;
        format!(
            "{ending:?} {stall:?}\n{heard:?}\n{traffic:?}\n{}",
            self.said()
        )
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.run.outcome.tail).into_owned()
    }
}

/// What an agent is told in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) brief: &'a str,
    /// The session that it is to go on with.
    pub(crate) resume: Option<&'a str>,
    /// Who has more for it when it has done that.
    pub(crate) steering: Option<&'a dyn Steering>,
}

/// A server with one agent.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    driver: Driver,
    pub(crate) preset: Preset,
    api: Api,
    sandbox: Arc<dyn Sandbox>,
    gateway: HttpGateway,
    pub(crate) model: Model,
}

impl House {
    pub(crate) async fn with(subject: Subject, script: Script) -> Self {
        let mut model = Model::new(script);
        let url = model.on_loopback().await;
        let preset = presets::find(subject.preset).unwrap();
        let api = preset.apis[0];
        let price = Usd::from_micros(1_000_000);
        let priced = Priced {
            prices: Prices {
                input: price,
                output: price,
                cache_read: price,
                cache_write: price,
                reasoning: None,
            },
            max_output_tokens: 32_000,
            context_tokens: Some(200_000),
        };
        let endpoint = Endpoint {
            api,
            url: match api {
                Api::OpenAi => format!("{url}/v1"),
                Api::Anthropic | Api::Gemini => url,
            },
            key: Some(REAL.to_owned().into()),
            models: BTreeMap::from([("*".to_owned(), priced)]),
        };
        let settings = GatewaySettings {
            endpoints: BTreeMap::from([("main".parse().unwrap(), endpoint)]),
            ..GatewaySettings::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let sandbox = select(
            Settings {
                mounts: vec![directory()],
                stage: PathBuf::from(env!("CARGO_BIN_EXE_prova")),
                ..Settings::default()
            },
            Arc::new(SystemClock),
        );
        let house = Self {
            gateway: HttpGateway::new(settings, Arc::new(Accounts::default())).unwrap(),
            sandbox: sandbox.unwrap(),
            dir,
            driver: subject.driver,
            preset,
            api,
            model,
        };
        house.make("checkout");
        house.make("objects");
        house.init();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn make(&self, name: &str) {
        let dir = self.path(name);
        std::fs::create_dir(&dir).unwrap();
        self.give(&dir);
    }

    /// Gives what is at a path to who runs inside.
    fn give(&self, at: &Path) {
        let Some((user, group)) = self.sandbox.owner() else {
            return;
        };
        chown(at, Some(user), Some(group)).unwrap();
        for below in std::fs::read_dir(at).into_iter().flatten() {
            self.give(&below.unwrap().path());
        }
    }

    /// Puts into the checkout what a hostile repository would have agents run.
    pub(crate) fn plant(&self) {
        plant(&self.path("checkout"));
        self.give(&self.path("checkout"));
    }

    /// Returns what of that was run.
    pub(crate) fn obeyed(&self) -> Vec<String> {
        obeyed(&self.path("checkout"))
    }

    /// Gemini CLI names the file of a session by the minute, and begins it anew when the session is
    /// loaded within the same one.
    pub(crate) fn a_minute_passes(&self) {
        let kept = self.path("sessions/1-2-3/agent/.gemini/tmp/workspace/chats");
        for file in std::fs::read_dir(&kept).into_iter().flatten() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let (_, id) = file.rsplit_once('-').unwrap();
            let older = format!("session-2026-01-01T00-00-{id}");
            std::fs::rename(kept.join(&file), kept.join(older)).unwrap();
        }
    }

    /// Makes the checkout a repository, as an agent finds it.
    fn init(&self) {
        let at = self.path("checkout");
        let mut git = std::process::Command::new("git");
        git.args(["init", "--quiet"]).arg(&at);
        assert!(git.status().unwrap().success());
        if let Some((user, group)) = self.sandbox.owner() {
            let mut chown = std::process::Command::new("chown");
            chown.arg("-R").arg(format!("{user}:{group}")).arg(&at);
            assert!(chown.status().unwrap().success());
        }
    }

    pub(crate) fn made(&self) -> String {
        std::fs::read_to_string(self.path("checkout/made.txt")).unwrap_or_default()
    }

    pub(crate) async fn run(&self, brief: &str, resume: Option<&str>) -> Ran {
        let told = Told {
            brief,
            resume,
            steering: None,
        };
        self.run_within(told, "100", &CancellationToken::new())
            .await
    }

    /// Runs it for at most so many dollars, until `cancel`.
    pub(crate) async fn run_within(
        &self,
        told: Told<'_>,
        most: &str,
        cancel: &CancellationToken,
    ) -> Ran {
        let cap = Cap {
            scope: Scope::Server(Day(1)),
            most: most.parse().unwrap(),
            spent: Usd::ZERO,
        };
        let passage = self.gateway.open(Pass {
            job: "1-2-3.1".parse().unwrap(),
            models: vec!["main".parse().unwrap()],
            egress: Vec::new(),
            egress_bytes: 0,
            caps: vec![cap],
        });
        let passage = passage.await.unwrap();
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let checkout = Checkout {
            tree: Tree::Plain(self.path("checkout")),
            objects: self.path("objects"),
            base: CommitSha::new(sha),
            base_tree: TreeSha::new(sha),
        };
        let notes = Notes::default();
        let door: &dyn Door = passage.as_ref();
        let home = self.path("sessions/1-2-3/agent");
        let request = Request {
            brief: told.brief,
            job_json: "{}",
            checkout: &checkout,
            job: self.dir.path(),
            limits: LIMITS,
            profile: &Profile::default(),
            door: Some(door),
            input: None,
            session: Session {
                home: &home,
                resume: told.resume,
            },
            watcher: &notes,
            steering: told.steering,
        };
        let agent = self.agent();
        let stop = cancel.child_token();
        let run = agent.run(&request, self.sandbox.as_ref(), &stop);
        let exhausted = passage.exhausted();
        let run = async {
            tokio::pin!(run);
            let stall = tokio::select! {
                done = &mut run => return (done, None),
                () = exhausted.cancelled() => None,
                stall = come_to_nothing(passage.as_ref(), &notes) => Some(stall),
            };
            stop.cancel();
            (run.await, stall)
        };
        let (run, stall) = run.await;
        let traffic = passage.close().await;
        let heard = notes.0.lock().unwrap().clone();
        Ran {
            run: run.unwrap(),
            heard,
            traffic,
            stall,
        }
    }

    /// The agent, by its driver.
    fn agent(&self) -> Box<dyn Agent> {
        let brain = Brain {
            endpoint: "main".parse().unwrap(),
            api: self.api,
            model: "scripted".to_owned(),
        };
        let env = BTreeMap::new();
        match self.driver {
            Driver::Exec => Box::new(Known::new(self.preset.clone(), brain, env)),
            Driver::Acp => Box::new(Acp::known(&self.preset, brain, env).unwrap()),
        }
    }
}

/// Looks at a run as the server does, until it has come to nothing.
async fn come_to_nothing(passage: &dyn Passage, notes: &Notes) -> Stall {
    let mut outage = Outage::default();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = SystemClock.now();
        outage.take(&passage.so_far(), now);
        let heard = notes.0.lock().unwrap().clone();
        if let Some(stall) = stall(&heard, (now, &outage), now, &PATIENCE) {
            return stall;
        }
    }
}

/// A server's patience, but for models: where that takes minutes, a test has seconds.
const PATIENCE: Patience = Patience {
    silent: Span::minutes(15),
    waiting: Span::minutes(1),
    repeated: 8,
    unanswered: Span::seconds(3),
    failed_calls: 2,
};

const LIMITS: Limits = Limits {
    wall: Span::seconds(100),
    output_bytes: 10 * 1024 * 1024,
    file_bytes: 1024 * 1024 * 1024,
    processes: 1_000,
    memory_bytes: 4 * 1024 * 1024 * 1024,
    milli_cpus: None,
    disk_bytes: 2 * 1024 * 1024 * 1024,
};
