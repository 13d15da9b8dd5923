//! What a sandbox costs to start, over a plain process, in turn with it.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use prova::adapters::sandbox::{select, settings::Settings};
use prova::adapters::system::SystemClock;
use prova::domain::evidence::Ending;
use prova::domain::time::Span;
use prova::ports::door::{Connection, Door};
use prova::ports::sandbox::{Limits, Profile, Sandbox as Port, Spec};
use prova::ports::tree::{Layers, Tree};
use tokio_util::sync::CancellationToken;

use crate::Sandbox;
use crate::figures::{Rounds, millis};

/// Holds its listener and serves nobody: what serving costs is the gateway's.
#[derive(Debug, Default)]
struct Held(Mutex<Option<TcpListener>>);

impl Door for Held {
    fn env(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn serve(&self, listener: TcpListener) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(listener);
        Ok(())
    }

    fn admit(&self, _connection: Box<dyn Connection>) -> io::Result<()> {
        Ok(())
    }
}

/// What one run has.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    door: bool,
    layers: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "sandbox",
        door: false,
        layers: false,
    },
    Kind {
        name: "sandbox, door",
        door: true,
        layers: false,
    },
    Kind {
        name: "sandbox, layers",
        door: false,
        layers: true,
    },
    Kind {
        name: "sandbox, layers, door",
        door: true,
        layers: true,
    },
];

/// Measures, and prints.
pub(crate) async fn run(args: &Sandbox) {
    let settings = Settings {
        stage: env!("CARGO_BIN_EXE_prova").into(),
        ..Settings::default()
    };
    let sandbox = select(settings, Arc::new(SystemClock)).unwrap();
    println!("## Sandbox\n{}", sandbox.probe().await.unwrap());
    let mut plain = Rounds::default();
    let mut times = KINDS.map(|_| Rounds::default());
    for _ in 0..args.rounds {
        let began = Instant::now();
        let mut command = Command::new("/bin/true");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        plain.add(millis(began.elapsed()));
        for (kind, times) in KINDS.iter().zip(&mut times) {
            if kind.layers && !sandbox.layers() {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let spec = spec(kind, sandbox.as_ref(), dir.path());
            let held = Held::default();
            let door = kind.door.then_some(&held as &dyn Door);
            let began = Instant::now();
            let outcome = sandbox.run(&spec, door, &CancellationToken::new()).await;
            times.add(millis(began.elapsed()));
            assert_eq!(outcome.unwrap().ending, Ending::Exited(0));
            assert_eq!(held.0.lock().unwrap().is_some(), kind.door);
        }
    }
    println!("plain process: {}", plain.show("ms", 1));
    for (kind, times) in KINDS.iter().zip(&times) {
        if !times.is_empty() {
            let more = times.median() - plain.median();
            println!("{}: {}, {more:.1} ms more", kind.name, times.show("ms", 1));
        }
    }
}

/// Makes what a run needs below `dir`, to which only root can walk.
fn spec(kind: &Kind, sandbox: &dyn Port, dir: &Path) -> Spec {
    let make = |name: &str| {
        let made = dir.join(name);
        std::fs::create_dir(&made).unwrap();
        if let Some((uid, gid)) = sandbox.owner() {
            std::os::unix::fs::chown(&made, Some(uid), Some(gid)).unwrap();
        }
        made
    };
    let tree = if kind.layers {
        Tree::Layered(Layers {
            lower: vec![make("base"), make("delta")],
            upper: make("upper"),
            work: make("work"),
        })
    } else {
        Tree::Plain(make("checkout"))
    };
    Spec {
        command: vec!["/bin/true".to_owned()],
        env: BTreeMap::new(),
        tree,
        hide: Vec::new(),
        input: None,
        output: None,
        objects: None,
        home: None,
        own: None,
        log: dir.join("log"),
        limits: Limits {
            wall: Span::seconds(20),
            output_bytes: 1024,
            file_bytes: 1024 * 1024,
            processes: 64,
            memory_bytes: 256 * 1024 * 1024,
            milli_cpus: None,
            disk_bytes: 16 * 1024 * 1024,
        },
        profile: Profile::default(),
    }
}
