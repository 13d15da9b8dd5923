//! What of a checkout an agent does not get to see.

use std::path::Path;

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::ports::fault::Class;
use prova::ports::sandbox::Spec;
use prova::ports::tree::{Layers, Tree};

use crate::bed::{Bed, text};
use crate::users::again_as_ordinary_user;

const HIDDEN: [&str; 4] = [".codex", "opencode.json", "missing", "removed"];

/// Writes what is to be hidden, and what is not.
fn fill(dir: &Path) {
    for (file, words) in [
        (".codex/config.toml", "evil"),
        ("opencode.json", "evil"),
        ("sub/.codex/config.toml", "further down"),
        ("kept", "kept"),
    ] {
        let at = dir.join(file);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, words).unwrap();
    }
}

fn hiding(bed: &Bed, script: &str) -> Spec {
    Spec {
        hide: HIDDEN.map(str::to_owned).to_vec(),
        ..bed.spec(&["sh", "-c", script])
    }
}

/// Shows everything, and tries to get behind what is empty.
const LOOK: &str = "find . ! -type d | sort; cat kept sub/.codex/config.toml opencode.json; \
    (echo x > .codex/x; echo x > opencode.json; rm -rf .codex opencode.json; mv .codex moved; \
    umount .codex) 2>/dev/null; ls -A";

const SEEN: &str = "./kept\n./opencode.json\n./sub/.codex/config.toml\nkeptfurther down\
    .codex\nkept\nopencode.json\nsub\n";

fn assert_untouched(dir: &Path) {
    for file in [".codex/config.toml", "opencode.json"] {
        assert_eq!(std::fs::read(dir.join(file)).unwrap(), b"evil", "{file}");
    }
    assert!(!dir.join("missing").exists());
}

pub(crate) async fn hides(bed: Bed) {
    fill(&bed.checkout());
    let outcome = bed.run(&hiding(&bed, LOOK)).await.unwrap();
    assert_eq!(text(&outcome), SEEN);
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert_untouched(&bed.checkout());
}

#[tokio::test]
async fn what_is_hidden_is_empty_inside_and_stays_as_it_is() {
    for bed in [Bed::new(), Bed::open()] {
        hides(bed).await;
    }
}

#[tokio::test]
async fn an_ordinary_user_hides_too() {
    if again_as_ordinary_user("hiding::an_ordinary_user_hides_too") {
        return;
    }
    hides(Bed::new()).await;
}

#[tokio::test]
async fn the_uppermost_layer_says_what_there_is() {
    let bed = Bed::new();
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| bed.make(name));
    fill(&lower);
    std::fs::write(lower.join("removed"), "").unwrap();
    if let Some((uid, gid)) = bed.sandbox.owner() {
        std::os::unix::fs::chown(lower.join("removed"), Some(uid), Some(gid)).unwrap();
    }
    let layered = |script: &str| Spec {
        tree: Tree::Layered(Layers {
            lower: vec![lower.clone()],
            upper: upper.clone(),
            work: work.clone(),
        }),
        ..hiding(&bed, script)
    };
    let remove = Spec {
        hide: Vec::new(),
        ..layered("rm removed")
    };
    let outcome = bed.run(&remove).await.unwrap();
    assert_eq!(outcome.ending, Ending::Exited(0), "{}", text(&outcome));
    let outcome = bed.run(&layered(LOOK)).await.unwrap();
    assert_eq!(text(&outcome), SEEN);
    assert_untouched(&lower);
    let written = std::fs::read_dir(&upper).unwrap();
    let written: Vec<_> = written.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, ["removed"], "nothing else was written");
}

#[tokio::test]
async fn what_cannot_be_hidden_is_not_shown() {
    let bed = Bed::new();
    fill(&bed.checkout());
    let link = bed.checkout().join("removed");
    std::os::unix::fs::symlink("sub/.codex", &link).unwrap();
    let fault = bed.run(&hiding(&bed, "cat removed/*")).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.cause.contains("removed is a link"), "{fault}");

    let bed = Bed::with(Settings {
        backend: Backend::None,
        ..Settings::default()
    });
    let empty = bed.run(&hiding(&bed, "echo seen")).await.unwrap();
    assert_eq!(text(&empty), "seen\n", "there is nothing to hide");
    fill(&bed.checkout());
    let fault = bed.run(&hiding(&bed, "cat .codex/*")).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.cause.contains("cannot hide"), "{fault}");
}
