//! Whether a backend says truthfully that it works.

use std::path::PathBuf;

use prova::adapters::sandbox::settings::{Backend, Settings};

use crate::bed::{Bed, sandbox};
use crate::users::program;

#[tokio::test]
async fn bubblewrap_isolates_here() {
    let bed = Bed::new();
    let line = bed.sandbox.probe().await.unwrap();
    assert!(line.starts_with("bubblewrap as"), "{line}");
    assert!(line.contains("no network"), "{line}");
    assert_eq!(
        (bed.sandbox.name(), bed.sandbox.isolates()),
        ("bubblewrap", true)
    );
}

#[test]
fn a_missing_program_is_named_with_its_remedy() {
    for backend in [Backend::Auto, Backend::Bubblewrap] {
        let missing = Settings {
            backend,
            bwrap: PathBuf::from("/nowhere/bwrap"),
            ..Settings::default()
        };
        let unusable = sandbox(missing).err().unwrap().to_string();
        assert!(unusable.contains("/nowhere/bwrap"), "{unusable}");
        assert!(
            unusable.contains("apt-get install bubblewrap"),
            "{unusable}"
        );
    }
}

#[tokio::test]
async fn a_program_that_does_not_isolate_is_found_out() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    // Reports as bubblewrap does, and runs the command as it is. Without its limits: outside of a
    // namespace they would count what other tests run.
    let liar = "#!/bin/bash\nfd=$(tr '\\0' '\\n' < /proc/self/fd/$2 | sed -n '/--json-status-fd/{n;p}')\n\
        shift 3\nwhile [ $1 != -- ]; do shift; done\nshift\n\"$@\"\necho \"{ \\\"exit-code\\\": $? }\" >&$fd\n";
    let liar = Settings {
        bwrap: program(dir.path(), "bwrap", liar),
        ..Settings::default()
    };
    let unusable = sandbox(liar).unwrap().probe().await.unwrap_err();
    assert!(
        unusable.reason.contains("namespace inside is not its own"),
        "{unusable}"
    );
}

#[tokio::test]
async fn a_refusal_of_the_kernel_is_told() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let refused = "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n";
    let refused = Settings {
        bwrap: program(dir.path(), "bwrap", refused),
        ..Settings::default()
    };
    let unusable = sandbox(refused).unwrap().probe().await.unwrap_err();
    assert!(unusable.reason.contains("setting up uid map"), "{unusable}");
    assert!(!unusable.remedy.is_empty());
}

#[test]
fn mounts_that_cannot_be_are_refused() {
    for (mount, expected) in [
        ("/", "mounted over"),
        ("/proc", "mounted over"),
        ("/opt/../etc", "mounted over"),
        ("opt", "mounted over"),
        ("/no/such/place", "/no/such/place does not exist"),
    ] {
        let settings = Settings {
            mounts: vec![PathBuf::from(mount)],
            ..Settings::default()
        };
        let unusable = sandbox(settings).err().unwrap().to_string();
        assert!(unusable.contains(expected), "{mount}: {unusable}");
    }
}

#[test]
fn root_is_nobody_inside() {
    let settings = Settings {
        uid: 0,
        ..Settings::default()
    };
    let refused = sandbox(settings).is_err();
    assert_eq!(refused, rustix::process::geteuid().is_root());
}
