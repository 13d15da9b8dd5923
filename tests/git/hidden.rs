//! What was hidden from an agent, after it: the harvest reads the checkout and not what was seen.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use prova::adapters::sandbox::select;
use prova::adapters::sandbox::settings::Settings;
use prova::adapters::system::SystemClock;
use prova::domain::evidence::Ending;
use prova::domain::time::Span;
use prova::ports::checkouts::{Checkouts as _, Place};
use prova::ports::sandbox::{Limits, Profile, Spec};
use tokio_util::sync::CancellationToken;

use crate::support::{REPO, World, changes};

/// An agent that commits all that it sees, and so what it does not see as removed.
const COMMITS: &str = "echo one > made.txt && git add -A && \
    git -c user.name=A -c user.email=a@example.com commit -qm all && git show --stat --format=";

#[tokio::test]
async fn what_was_hidden_is_not_taken_for_removed() {
    let settings = Settings {
        stage: PathBuf::from(env!("CARGO_BIN_EXE_prova")),
        ..Settings::default()
    };
    let sandbox = select(settings, Arc::new(SystemClock)).unwrap();
    sandbox.probe().await.unwrap();
    assert!(sandbox.layers());
    for layers in [true, false] {
        let world = World::with(&[
            ("README.md", "# hello\n"),
            (".codex/config.toml", "evil\n"),
            ("opencode.json", "{}\n"),
        ]);
        let base = world.fetch("main").await.unwrap();
        let place = Place {
            owner: sandbox.owner(),
            layers,
            ..world.place()
        };
        let checkout = world.git.checkout(REPO, &base, "prova/7-work", &place);
        let checkout = checkout.await.unwrap();
        let spec = Spec {
            command: ["sh", "-c", COMMITS].map(str::to_owned).to_vec(),
            env: BTreeMap::new(),
            tree: checkout.tree.clone(),
            hide: [".codex", "opencode.json"].map(str::to_owned).to_vec(),
            input: None,
            output: None,
            objects: Some(checkout.objects.clone()),
            home: None,
            own: None,
            log: world.outside("log"),
            limits: LIMITS,
            profile: Profile::default(),
        };
        let never = CancellationToken::new();
        let outcome = sandbox.run(&spec, None, &never).await.unwrap();
        let said = String::from_utf8_lossy(&outcome.tail);
        assert_eq!(outcome.ending, Ending::Exited(0), "{said}");
        assert!(said.contains(".codex/config.toml | 1 -"), "{said}");
        let harvest = world.harvest(&checkout).await;
        assert_eq!(changes(&harvest), ["+made.txt"]);
        assert!(harvest.refused.is_empty(), "{:?}", harvest.refused);
        assert_eq!(world.content(&harvest, ".codex/config.toml"), "evil");
    }
}

const LIMITS: Limits = Limits {
    wall: Span::seconds(30),
    output_bytes: 1024 * 1024,
    file_bytes: 64 * 1024 * 1024,
    processes: 200,
    memory_bytes: 1024 * 1024 * 1024,
    milli_cpus: None,
    disk_bytes: 256 * 1024 * 1024,
};
