//! Trees in layers.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use prova::domain::evidence::Ending;
use prova::ports::sandbox::Spec;
use prova::ports::tree::{Layers, Tree};

use crate::bed::{Bed, is_running, nap, nap_of, text};
use crate::users::{again_as_ordinary_user, wait_until};

/// Makes the directories of a tree of two layers and returns them. What is in the lower layers is
/// `base` and `both`, then `delta` and `both`.
fn layers(bed: &Bed) -> Layers {
    // As an option, every character of this would mean something.
    let lower = ["base", "delta:a,b\\ c"].map(|name| bed.make(name));
    for (dir, name) in lower.iter().zip(["base", "delta"]) {
        for file in [name, "both"] {
            std::fs::write(dir.join(file), format!("{name}\n")).unwrap();
        }
    }
    std::fs::create_dir(lower[0].join("dir")).unwrap();
    std::fs::write(lower[0].join("dir/deep"), "deep\n").unwrap();
    symlink("base", lower[0].join("link")).unwrap();
    for dir in &lower {
        give_all(bed, dir);
    }
    Layers {
        lower: lower.into(),
        upper: bed.make("upper"),
        work: bed.make("work"),
    }
}

fn give_all(bed: &Bed, dir: &Path) {
    let Some((uid, gid)) = bed.sandbox.owner() else {
        return;
    };
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        chown(&path, Some(uid), Some(gid)).unwrap();
        if path.is_dir() {
            give_all(bed, &path);
        }
    }
}

fn on(bed: &Bed, layers: &Layers, script: &str) -> Spec {
    Spec {
        tree: Tree::Layered(layers.clone()),
        ..bed.spec(&["sh", "-c", script])
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

async fn writes_land_in_the_upper_layer(bed: Bed) {
    let layers = layers(&bed);
    let before: Vec<_> = layers.lower.iter().map(|dir| names(dir)).collect();
    let script = "cat base delta both link dir/deep; pwd; ls; \
        echo new > new; echo changed >> both; rm base; mv delta moved; rm -r dir; mkdir dir; \
        chmod +x link 2>/dev/null; stat -c %u new both";
    let outcome = bed.run(&on(&bed, &layers, script)).await.unwrap();
    assert_eq!(
        text(&outcome),
        "base\ndelta\ndelta\nbase\ndeep\n/workspace\nbase\nboth\ndelta\ndir\nlink\n1000\n1000\n"
    );
    assert_eq!(outcome.ending, Ending::Exited(0));

    let upper = &layers.upper;
    assert_eq!(
        names(upper),
        ["base", "both", "delta", "dir", "moved", "new"]
    );
    let read = |name: &str| std::fs::read_to_string(upper.join(name)).unwrap();
    assert_eq!(
        [read("new"), read("both"), read("moved")],
        ["new\n", "delta\nchanged\n", "delta\n"]
    );
    for gone in ["base", "delta"] {
        let meta = upper.join(gone).symlink_metadata().unwrap();
        let whiteout = meta.file_type().is_char_device() && meta.rdev() == 0;
        assert!(whiteout, "{gone} is marked as removed");
    }
    assert!(names(&upper.join("dir")).is_empty());
    let owner = bed
        .sandbox
        .owner()
        .map_or(rustix::process::geteuid().as_raw(), |(uid, _)| uid);
    assert_eq!(upper.join("new").metadata().unwrap().uid(), owner);

    let after: Vec<_> = layers.lower.iter().map(|dir| names(dir)).collect();
    assert_eq!(before, after);
    let both = std::fs::read_to_string(layers.lower[1].join("both")).unwrap();
    assert_eq!(both, "delta\n", "the lower layers are untouched");

    // The next command of the job finds what the first one left.
    let script = "ls; cat both";
    let outcome = bed.run(&on(&bed, &layers, script)).await.unwrap();
    assert_eq!(
        text(&outcome),
        "both\ndir\nlink\nmoved\nnew\ndelta\nchanged\n"
    );
    assert_unmounted(bed.path());
}

/// Nothing below `dir` is mounted where the host can see it.
fn assert_unmounted(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = dir.display().to_string();
    assert!(!mounts.contains(&dir), "{mounts}");
    assert!(!mounts.contains("/run/prova"), "{mounts}");
}

#[tokio::test]
async fn a_tree_in_layers_is_one_tree() {
    for bed in [Bed::new(), Bed::open()] {
        writes_land_in_the_upper_layer(bed).await;
    }
}

#[tokio::test]
async fn an_ordinary_user_shows_layers_too() {
    if again_as_ordinary_user("layers::an_ordinary_user_shows_layers_too") {
        return;
    }
    let bed = Bed::new();
    assert!(!bed.sandbox.layers(), "nothing is known before the probe");
    let line = bed.sandbox.probe().await.unwrap();
    assert!(bed.sandbox.layers(), "{line}");
    writes_land_in_the_upper_layer(bed).await;
}

#[tokio::test]
async fn the_layers_themselves_are_not_there() {
    let bed = Bed::open();
    let layers = layers(&bed);
    let paths: Vec<&PathBuf> = layers
        .lower
        .iter()
        .chain([&layers.upper, &layers.work])
        .collect();
    for path in &paths {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    // Nor are their names: what is mounted can be read by everybody inside.
    let script = "cat /proc/self/mountinfo /proc/1/mountinfo; ls -a .. / /run /prova; \
        setfattr -n user.overlay.redirect -v /etc base; setfattr -n trusted.overlay.opaque -v y dir; \
        mount -o remount,rw / ; umount /workspace; :";
    let outcome = bed.run(&on(&bed, &layers, script)).await.unwrap();
    let printed = text(&outcome);
    for path in paths {
        assert!(!printed.contains(&path.display().to_string()), "{printed}");
    }
    assert!(!printed.contains("upper\n"), "{printed}");
}

#[tokio::test]
async fn many_layers_fit() {
    let bed = Bed::new();
    let mut layers = layers(&bed);
    for n in 0..60 {
        let dir = bed.make(&format!(
            "a-delta-of-a-name-that-is-rather-long-as-digests-are-{n}"
        ));
        std::fs::write(dir.join("last"), format!("{n}")).unwrap();
        std::fs::write(dir.join(n.to_string()), "").unwrap();
        layers.lower.push(dir);
    }
    let outcome = bed
        .run(&on(&bed, &layers, "cat last; ls | wc -l"))
        .await
        .unwrap();
    assert_eq!(text(&outcome).trim(), "5966");
}

#[tokio::test]
async fn a_missing_layer_is_named() {
    let bed = Bed::new();
    let mut layers = layers(&bed);
    layers.lower.push(bed.path().join("evicted"));
    let fault = bed.run(&on(&bed, &layers, "ls")).await.unwrap_err();
    assert!(fault.cause.contains("evicted"), "{fault}");
}

#[tokio::test]
async fn nothing_is_left_of_a_server_that_was_killed() {
    const NAME: &str = "layers::nothing_is_left_of_a_server_that_was_killed";
    const AS_SERVER: &str = "as-the-server";
    if std::env::args().any(|arg| arg == AS_SERVER) {
        let nap = nap(66);
        let bed = Bed::new();
        let layers = layers(&bed);
        let script = format!("setsid sleep {nap} & sleep {nap}");
        bed.run(&on(&bed, &layers, &script)).await.unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, AS_SERVER])
        .env("TMPDIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let nap = nap_of(66, server.id());
    wait_until(|| is_running(&nap)).await;
    assert_unmounted(dir.path());
    server.kill().unwrap();
    server.wait().unwrap();
    wait_until(|| !is_running(&nap)).await;
    assert_unmounted(dir.path());
}
