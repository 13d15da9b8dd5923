//! Each agent as a job has it: by its preset, in the real sandbox, behind the real gateway, with a
//! scripted model at the other end.

use std::collections::BTreeMap;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prova::adapters::agent::preset::Known;
use prova::adapters::gateway::{Endpoint, HttpGateway, Settings as GatewaySettings};
use prova::adapters::sandbox::select;
use prova::adapters::sandbox::settings::Settings;
use prova::adapters::system::SystemClock;
use prova::config::presets;
use prova::config::server::brain::Brain;
use prova::domain::budget::{Cap, Day, Scope};
use prova::domain::evidence::Ending;
use prova::domain::ids::{CommitSha, TreeSha};
use prova::domain::model::{Api, Model as Priced, Prices};
use prova::domain::money::Usd;
use prova::domain::progress::{Heard, Update};
use prova::domain::time::{Span, Timestamp};
use prova::domain::traffic::Traffic;
use prova::ports::agent::{Agent as _, Request, Run, Session, Watcher};
use prova::ports::checkouts::Checkout;
use prova::ports::door::Door;
use prova::ports::fault::Fault;
use prova::ports::gateway::{Charge, Gateway as _, Ledger, Pass};
use prova::ports::sandbox::{Limits, Profile, Sandbox};
use prova::ports::tree::Tree;
use tokio_util::sync::CancellationToken;

use crate::installed::directory;
use crate::model::{Asked, Kind, Model, Reply, Script, Turn, Usage};

const FIRST: &str = "Write one into the file made.txt.";
const SECOND: &str = "Write two into it as well.";
/// What the server adds to requests; nothing inside may know it.
const REAL: &str = "sk-real-0123456789abcdef";

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

/// Forgets every charge.
struct Nothing;

#[async_trait::async_trait]
impl Ledger for Nothing {
    async fn record(&self, _: &Charge) -> Result<(), Fault> {
        Ok(())
    }
}

/// What came of a run.
#[derive(Debug)]
struct Ran {
    run: Run,
    heard: Heard,
    traffic: Traffic,
}

impl Ran {
    /// Whether the server takes it for failed, as `domain::conclude` does.
    fn failed(&self) -> bool {
        !self.run.outcome.ending.succeeded()
            || self.heard.trouble.is_some()
            || self.traffic.models.is_empty()
    }

    fn told(&self) -> String {
        let Self { heard, traffic, .. } = self;
        format!("{heard:?}\n{traffic:?}\n{}", self.said())
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.run.outcome.tail).into_owned()
    }
}

/// A server with one agent.
struct House {
    dir: tempfile::TempDir,
    preset: &'static str,
    api: Api,
    sandbox: Arc<dyn Sandbox>,
    gateway: HttpGateway,
    model: Model,
}

impl House {
    async fn with(preset: &'static str, script: Script) -> Self {
        let mut model = Model::new(script);
        let url = model.on_loopback().await;
        let api = presets::find(preset).unwrap().apis[0];
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
            gateway: HttpGateway::new(settings, Arc::new(Nothing)).unwrap(),
            sandbox: sandbox.unwrap(),
            dir,
            preset,
            api,
            model,
        };
        house.make("checkout");
        house.make("objects");
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn make(&self, name: &str) {
        let dir = self.path(name);
        std::fs::create_dir(&dir).unwrap();
        if let Some((user, group)) = self.sandbox.owner() {
            chown(&dir, Some(user), Some(group)).unwrap();
        }
    }

    fn made(&self) -> String {
        std::fs::read_to_string(self.path("checkout/made.txt")).unwrap_or_default()
    }

    async fn run(&self, brief: &str, resume: Option<&str>) -> Ran {
        let never = CancellationToken::new();
        self.run_within((brief, resume), "100", &never).await
    }

    /// Runs it for at most so many dollars, until `cancel`.
    async fn run_within(
        &self,
        (brief, resume): (&str, Option<&str>),
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
            brief,
            job_json: "{}",
            checkout: &checkout,
            job: self.dir.path(),
            limits: LIMITS,
            profile: &Profile::default(),
            door: Some(door),
            input: None,
            session: Session {
                home: &home,
                resume,
            },
            watcher: &notes,
        };
        let brain = Brain {
            endpoint: "main".parse().unwrap(),
            api: self.api,
            model: "scripted".to_owned(),
        };
        let preset = presets::find(self.preset).unwrap();
        let agent = Known::new(preset, brain, BTreeMap::new());
        let stop = cancel.child_token();
        let run = agent.run(&request, self.sandbox.as_ref(), &stop);
        let exhausted = passage.exhausted();
        let run = async {
            tokio::pin!(run);
            tokio::select! {
                done = &mut run => return done,
                () = exhausted.cancelled() => stop.cancel(),
            }
            run.await
        };
        let run = run.await.unwrap();
        let traffic = passage.close().await;
        let heard = notes.0.lock().unwrap().clone();
        Ran {
            run,
            heard,
            traffic,
        }
    }
}

const LIMITS: Limits = Limits {
    wall: Span::seconds(100),
    output_bytes: 10 * 1024 * 1024,
    file_bytes: 1024 * 1024 * 1024,
    processes: 1_000,
    memory_bytes: 4 * 1024 * 1024 * 1024,
    milli_cpus: None,
    disk_bytes: 2 * 1024 * 1024 * 1024,
};

/// Whether the last request for the work has a text.
fn heard(asked: &[Asked], text: &str) -> bool {
    let mut work = asked
        .iter()
        .rev()
        .filter(|one| matches!(one.kind, Kind::Work(_)));
    work.next()
        .is_some_and(|one| one.body.to_string().contains(text))
}

async fn works_and_goes_on(preset: &'static str) {
    let script = [
        Turn::shell("echo one >> made.txt"),
        Turn::say("I wrote one."),
    ];
    let house = House::with(preset, Script::of(script)).await;
    let first = house.run(FIRST, None).await;
    assert_eq!(house.made(), "one\n", "{}", first.said());
    assert!(!first.failed(), "{}", first.told());
    assert!(first.heard.finished, "{}", first.said());
    assert_eq!(first.heard.message.trim(), "I wrote one.");
    let action = first.heard.action.clone().unwrap_or_default();
    assert!(action.contains("echo one"), "{action}");
    assert!(
        first.traffic.models[0].tokens.output > 0,
        "{:?}",
        first.traffic
    );
    let asked = house.model.asked();
    assert!(asked.iter().any(|one| {
        one.headers
            .values()
            .any(|value| value.to_str().is_ok_and(|value| value.contains(REAL)))
    }));
    assert!(!first.said().contains(REAL));

    let session = first.heard.session.clone().unwrap();
    let script = [
        Turn::shell("echo two >> made.txt"),
        Turn::say("I wrote two."),
    ];
    house.model.goes_on(Script::of(script));
    let second = house.run(SECOND, Some(&session)).await;
    assert_eq!(house.made(), "one\ntwo\n", "{}", second.said());
    assert!(!second.failed(), "{}", second.told());
    let asked = house.model.asked();
    assert!(
        heard(&asked, FIRST),
        "it has forgotten what was asked first"
    );
    assert!(heard(&asked, SECOND));
}

async fn fails_truthfully(preset: &'static str, turn: Turn) {
    let house = House::with(preset, Script::of([turn])).await;
    let ran = house.run(FIRST, None).await;
    assert!(ran.failed(), "{}", ran.told());
    assert_eq!(house.made(), "");
}

/// Two answers are paid for at most, and nothing is left for the next.
async fn ends_with_its_budget(preset: &'static str) {
    let dear = |command: &str| {
        Turn::Reply(Reply {
            usage: Usage {
                input: 100_000,
                cached: 0,
                output: 20,
            },
            ..Reply::shell(command)
        })
    };
    let script = [dear("echo one >> made.txt"), dear("echo two >> made.txt")];
    let house = House::with(preset, Script::of(script)).await;
    let never = CancellationToken::new();
    let ran = house.run_within((FIRST, None), "0.27", &never).await;
    assert!(ran.traffic.exceeded.is_some(), "{:?}", ran.traffic);
    assert_eq!(ran.run.outcome.ending, Ending::Cancelled, "{}", ran.said());
    assert!(house.made().starts_with("one\n"));
}

async fn stops_at_once(preset: &'static str) {
    let script = [Turn::shell("echo one >> made.txt; exec sleep 86399")];
    let house = House::with(preset, Script::of(script)).await;
    let cancel = CancellationToken::new();
    let stop = async {
        let deadline = Instant::now() + Duration::from_secs(90);
        while house.made().is_empty() {
            assert!(
                Instant::now() < deadline,
                "it never came to run the command"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cancel.cancel();
        Instant::now()
    };
    let run = house.run_within((FIRST, None), "100", &cancel);
    let (ran, stopped) = tokio::join!(run, stop);
    assert_eq!(ran.run.outcome.ending, Ending::Cancelled);
    assert!(stopped.elapsed() < Duration::from_secs(2));
    assert_eq!(house.made(), "one\n");
}

/// Everything inside is killed while the agent works, it among them.
async fn crashes(preset: &'static str) {
    let script = [
        Turn::shell("echo one >> made.txt; kill -9 -1"),
        Turn::say("Done."),
    ];
    let house = House::with(preset, Script::of(script)).await;
    let ran = house.run(FIRST, None).await;
    assert!(ran.failed(), "{}", ran.told());
    assert_eq!(house.made(), "one\n");
}

/// A model that was taken over looks for what it can take and where it can send it.
async fn tells_nothing(preset: &'static str) {
    let look = "env > made.txt; cat /etc/shadow /proc/1/environ >> made.txt 2>&1; ls -A / /root >> made.txt 2>&1; \
        (exec 3<>/dev/tcp/169.254.169.254/80) 2>> made.txt || echo unreached >> made.txt; \
        curl -sS -m 5 https://example.org >> made.txt 2>&1 || echo refused >> made.txt";
    let script = [
        Turn::shell(&format!("bash -c '{look}'")),
        Turn::say("I looked."),
    ];
    let house = House::with(preset, Script::of(script)).await;
    let ran = house.run(FIRST, None).await;
    let made = house.made();
    assert!(made.contains("HOME=/home/prova"), "{made}\n{}", ran.said());
    assert!(made.contains("unreached"), "{made}");
    for secret in [
        REAL,
        "root:x:",
        "CARGO_BIN",
        &house.dir.path().display().to_string(),
    ] {
        assert!(!made.contains(secret), "{secret} in {made}");
    }
    assert!(!Path::new("/workspace/made.txt").exists());
}

macro_rules! agents {
    ($($module:ident = $preset:literal;)*) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn works_and_goes_on_in_its_session() {
                works_and_goes_on($preset).await;
            }

            #[tokio::test]
            async fn fails_when_its_key_is_refused() {
                fails_truthfully($preset, Turn::fail(401)).await;
            }

            #[tokio::test]
            async fn ends_when_its_budget_is_used_up() {
                ends_with_its_budget($preset).await;
            }

            #[tokio::test]
            async fn stops_with_its_children() {
                stops_at_once($preset).await;
            }

            #[tokio::test]
            async fn that_crashes_has_failed() {
                crashes($preset).await;
            }

            #[tokio::test]
            async fn finds_no_secret_and_no_network() {
                tells_nothing($preset).await;
            }
        }
    )*};
}

agents! {
    goose = "goose";
    claude = "claude-code";
    codex = "codex";
    opencode = "opencode";
    gemini = "gemini-cli";
}

/// The two others ask on for as long as they may: what ends them is the wall clock.
mod models_that_refuse {
    use super::*;

    #[tokio::test]
    async fn end_goose() {
        fails_truthfully("goose", Turn::limited(1)).await;
        fails_truthfully("goose", Turn::fail(500)).await;
    }

    #[tokio::test]
    async fn end_claude() {
        fails_truthfully("claude-code", Turn::limited(1)).await;
        fails_truthfully("claude-code", Turn::fail(500)).await;
    }

    #[tokio::test]
    async fn end_codex() {
        fails_truthfully("codex", Turn::limited(1)).await;
        fails_truthfully("codex", Turn::fail(500)).await;
    }
}
