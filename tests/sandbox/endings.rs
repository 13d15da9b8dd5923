//! How runs end, and that a sandbox which did not come about is not mistaken for a command's end.

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::ports::fault::Class;
use prova::ports::tree::Tree;

use crate::bed::{Bed, text};

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    let bed = Bed::new();
    for (script, expected) in [
        ("true", Ending::Exited(0)),
        ("exit 7", Ending::Exited(7)),
        ("exit 255", Ending::Exited(255)),
        ("kill -9 $$", Ending::Signalled(9)),
        ("kill -TERM $$", Ending::Signalled(15)),
        ("exec >&- 2>&-; sleep 0.2; exit 3", Ending::Exited(3)),
        ("kill -9 1; kill -9 -1; exit 4", Ending::Exited(4)),
        ("no-such-program-here", Ending::Exited(127)),
        ("exec ./not-executable", Ending::Exited(126)),
    ] {
        std::fs::write(bed.checkout().join("not-executable"), "").unwrap();
        assert_eq!(bed.sh(script).await.ending, expected, "{script}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_in_the_output() {
    let bed = Bed::new();
    let outcome = bed
        .run(&bed.spec(&["my-missing-agent", "--brief"]))
        .await
        .unwrap();
    assert_eq!(outcome.ending, Ending::Exited(127));
    assert!(
        text(&outcome).contains("my-missing-agent"),
        "{}",
        text(&outcome)
    );
}

#[tokio::test]
async fn both_outputs_are_in_the_log_in_order() {
    let bed = Bed::new();
    let outcome = bed.sh("echo one; echo two >&2; echo three").await;
    assert_eq!(text(&outcome), "one\ntwo\nthree\n");
    bed.sh("echo four").await;
    let log = std::fs::read(bed.path().join("log")).unwrap();
    assert_eq!(log, b"one\ntwo\nthree\nfour\n");
}

#[tokio::test]
async fn input_is_at_its_end() {
    assert_eq!(Bed::new().prints("wc -c; tty").await, "0\nnot a tty\n");
}

#[tokio::test]
async fn an_option_cannot_be_smuggled_in() {
    let bed = Bed::new();
    let mut spec = bed.spec(&["true"]);
    spec.env
        .insert("TEXT".to_owned(), "x\0--bind\0/\0/".to_owned());
    let fault = bed.run(&spec).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(fault.cause.contains("TEXT"), "{fault}");
}

#[tokio::test]
async fn a_missing_checkout_is_a_fault() {
    let bed = Bed::new();
    let mut spec = bed.spec(&["true"]);
    spec.tree = Tree::Plain(bed.path().join("gone"));
    let fault = bed.run(&spec).await.unwrap_err();
    assert!(fault.to_string().contains("gone"), "{fault}");
    assert_eq!(fault.class, Class::Permanent);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_the_run() {
    let bed = Bed::new();
    let mut spec = bed.spec(&["sh", "-c", "yes; sleep 20"]);
    spec.log = "/dev/full".into();
    let fault = bed.run(&spec).await.unwrap_err();
    assert_eq!(fault.class, Class::Transient, "a full disk passes: {fault}");
    assert!(fault.doing.contains("/dev/full"), "{fault}");
}

#[tokio::test]
async fn a_failed_start_is_a_fault_with_its_reason_and_remedy() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let fake = crate::users::program(
        dir.path(),
        "bwrap",
        "#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n",
    );
    let bed = Bed::with(Settings {
        bwrap: fake,
        ..Settings::default()
    });
    let fault = bed.run(&bed.spec(&["true"])).await.unwrap_err();
    assert_eq!(fault.class, Class::Permanent);
    assert!(
        fault
            .cause
            .contains("Unknown option --disable-userns. This bubblewrap is older")
    );

    std::fs::write(bed.path().join("log"), "").unwrap();
    crate::users::program(dir.path(), "bwrap", "#!/bin/sh\nkill -9 $$\n");
    let fault = bed.run(&bed.spec(&["true"])).await.unwrap_err();
    assert_eq!(fault.class, Class::Transient, "{fault}");
}

#[tokio::test]
async fn relative_paths_are_those_of_the_server() {
    let up = "../".repeat(std::env::current_dir().unwrap().components().count() - 1);
    for backend in [Backend::Bubblewrap, Backend::None] {
        let bed = Bed::with(Settings {
            backend,
            ..Settings::default()
        });
        let mut spec = bed.spec(&["sh", "-c", "echo x > /workspace/made"]);
        let relative = format!("./{up}{}", bed.checkout().display()).replace("//", "/");
        spec.tree = Tree::Plain(relative.into());
        assert!(spec.tree.written().is_relative());
        let outcome = bed.run(&spec).await.unwrap();
        assert_eq!(outcome.ending, Ending::Exited(0), "{}", text(&outcome));
        assert!(bed.checkout().join("made").exists());
    }
}
