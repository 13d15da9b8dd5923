//! A checkout with everything around it that an attack could reach, and a canary for each way to
//! be hit.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use prova::ports::checkouts::Checkout;

use crate::corpus::attack::{Attack, Step};
use crate::corpus::steps;
use crate::support::{World, chmod, git, write};

/// What the host knows and no tree may hold.
pub(crate) const SECRET: &str = "the secret of the host";

/// Which words stand for what in the texts and paths of an attack.
pub(crate) struct Words(Vec<(&'static str, String)>);

impl Words {
    /// Puts the words in; `{0xff}` is that byte.
    pub(crate) fn expand(&self, text: &str) -> Vec<u8> {
        let mut text = text.to_owned();
        for (word, meaning) in &self.0 {
            text = text.replace(word, meaning);
        }
        let mut bytes = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{0x") {
            bytes.extend(before.bytes());
            bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
            rest = &after[3..];
        }
        bytes.extend(rest.bytes());
        bytes
    }
}

/// A checkout about to be attacked.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) checkout: Checkout,
    pub(crate) words: Words,
    listener: TcpListener,
}

impl Scene {
    /// Makes the checkout and lets the agent do its steps.
    pub(crate) async fn of(attack: &Attack) -> Self {
        let world = World::with(&[
            ("README.md", "# hello\n"),
            ("src/lib.rs", "//! lib\n"),
            ("src/main.rs", "fn main() {}\n"),
            (".gitattributes", "*.txt text\n"),
            // For those who race with the harvest.
            ("raced/file", "tracked\n"),
            ("raced/dir/file", "tracked\n"),
        ]);
        // The host is known before the checkout is: a base may point at it.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let words = surroundings(&world, &listener);
        if !attack.base.is_empty() {
            perform(&attack.base, &world.upstream(), &words);
            world.commit();
        }
        let checkout = world.checkout().await;
        // The agent finds the mirror elsewhere, inside its sandbox.
        let borrowed = format!("{}\n", checkout.objects.display());
        write(
            checkout.tree.written(),
            ".git/objects/info/alternates",
            borrowed,
        );
        let scene = Self {
            world,
            checkout,
            words,
            listener,
        };
        shares_nothing(scene.dir());
        perform(&attack.steps, scene.dir(), &scene.words);
        scene
    }

    pub(crate) fn dir(&self) -> &Path {
        self.checkout.tree.written()
    }

    pub(crate) fn canary(&self) -> PathBuf {
        self.world.outside("canary")
    }

    /// Returns whether anything has connected to the agent's server since the last look.
    pub(crate) fn was_called(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// An agent that shared a file with the server's mirror could change it there.
fn shares_nothing(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            shares_nothing(&entry.path());
        } else {
            assert_eq!(meta.nlink(), 1, "{}", entry.path().display());
        }
    }
}

fn perform(steps: &[Step], dir: &Path, words: &Words) {
    for step in steps {
        steps::perform(step, dir, words);
    }
}

/// Builds what is on the host beside the checkout.
fn surroundings(world: &World, listener: &TcpListener) -> Words {
    let home = world.outside("host");
    let canary = world.outside("canary");
    let payload = home.join("payload.sh");
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    write(
        &home,
        "payload.sh",
        format!("#!/bin/sh\ntouch {}\ncat\n", canary.display()),
    );
    chmod(&payload, 0o755);
    write(&home, "secret", SECRET);
    // Where a checkout that is led here finds a file of the same name.
    write(&home, "lib.rs", SECRET);
    write(
        &home,
        "included",
        format!("[core]\n\tfsmonitor = {}\n", payload.display()),
    );
    for hook in ["pre-commit", "post-checkout", "post-index-change"] {
        write(&home, &format!("hooks/{hook}"), "");
        std::fs::copy(&payload, home.join("hooks").join(hook)).unwrap();
    }
    // Another job's checkout, or another repository of this server.
    git(&home, ["init", "-q", "other"]);
    let other = home.join("other");
    write(&other, "secret", SECRET);
    git(&other, ["add", "-A"]);
    git(&other, ["commit", "-q", "-m", "private"]);
    let blob = git(&other, ["rev-parse", "HEAD:secret"]);
    let commit = git(&other, ["rev-parse", "HEAD"]);
    git(&other, ["config", "core.fsmonitor", &shown(&payload)]);
    Words(vec![
        ("{payload}", shown(&payload)),
        ("{canary}", shown(&canary)),
        ("{host}", shown(&home)),
        ("{secret}", shown(&home.join("secret"))),
        ("{secret_blob}", blob),
        ("{other}", shown(&other)),
        ("{other_commit}", commit),
        ("{listener}", listener.local_addr().unwrap().to_string()),
    ])
}
