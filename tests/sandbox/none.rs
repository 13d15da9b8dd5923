//! No isolation: the same contract, and no more than it says.

use std::collections::BTreeMap;

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::domain::time::Span;

use crate::bed::{Bed, is_running, nap, text};

fn bed() -> Bed {
    Bed::with(Settings {
        backend: Backend::None,
        ..Settings::default()
    })
}

#[tokio::test]
async fn it_says_that_it_does_not_isolate() {
    let bed = bed();
    assert_eq!(
        (bed.sandbox.name(), bed.sandbox.isolates()),
        ("none", false)
    );
    assert_eq!(bed.sandbox.owner(), None);
    let line = bed.sandbox.probe().await.unwrap();
    assert!(line.contains("no isolation"), "{line}");
}

#[tokio::test]
async fn paths_inside_are_those_of_the_host() {
    let bed = bed();
    let mut spec = bed.spec(&[
        "sh",
        "-c",
        "cat \"$BRIEF\" /prova/in/brief; echo x > /workspace/made; pwd",
    ]);
    spec.input = Some(bed.make("in"));
    spec.env = BTreeMap::from([("BRIEF".to_owned(), "/prova/in/brief".to_owned())]);
    std::fs::write(bed.path().join("in/brief"), "brief\n").unwrap();
    let outcome = bed.run(&spec).await.unwrap();
    let expected = format!("brief\nbrief\n{}\n", bed.checkout().display());
    assert_eq!(text(&outcome), expected);
    assert!(bed.checkout().join("made").exists());
}

#[tokio::test]
async fn the_environment_is_what_was_given() {
    let bed = bed();
    let outcome = bed
        .run(&bed.spec(&["cat", "/proc/self/environ"]))
        .await
        .unwrap();
    let printed = text(&outcome);
    let names = printed
        .split_terminator('\0')
        .map(|var| var.split_once('=').unwrap().0);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TMPDIR"]);
    let home = bed.prints("cd; pwd; : > x; rm x").await;
    assert!(
        !std::path::Path::new(home.trim()).exists(),
        "{home} is gone after the run"
    );
}

#[tokio::test]
async fn endings_are_told_and_limits_hold() {
    let mut bed = bed();
    bed.limits.file_bytes = 1_000;
    for (script, expected) in [
        ("exit 7", Ending::Exited(7)),
        ("exit 137", Ending::Exited(137)),
        ("kill -9 $$", Ending::Signalled(9)),
        ("exec head -c 3000 /dev/zero > big", Ending::Signalled(25)),
    ] {
        assert_eq!(bed.sh(script).await.ending, expected, "{script}");
    }
    bed.limits.wall = Span::millis(500);
    let nap = nap(65);
    let outcome = bed.sh(&format!("sleep {nap} & sleep {nap}")).await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(!is_running(&nap));
}

#[tokio::test]
async fn a_process_that_got_away_with_the_output_does_not_hang_the_job() {
    let bed = bed();
    let outcome = bed.sh("setsid sleep 3.7 & echo $!").await;
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert!(outcome.took.as_millis() < 3_000, "{}", outcome.took);
}
