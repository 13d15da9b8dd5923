//! Budgets are hard.

use std::time::Duration;

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::domain::time::Span;
use prova::ports::sandbox::TAIL_BYTES;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, is_running, nap, text};

#[tokio::test]
async fn the_wall_clock_kills_everything_inside() {
    let nap = nap(3);
    let mut bed = Bed::new();
    bed.limits.wall = Span::seconds(1);
    let outcome = bed
        .sh(&format!(
            "echo begun; (setsid sh -c 'sleep {nap}; echo late > late' &); \
             trap '' TERM INT HUP; setsid sleep {nap} & sleep {nap}; sleep {nap}"
        ))
        .await;
    assert!(!is_running(&nap), "dead when it returns");
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert_eq!(text(&outcome), "begun\n");
    let took = outcome.took.as_millis();
    assert!((900..2_900).contains(&took), "{took} ms");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!bed.checkout().join("late").exists());
}

#[tokio::test]
async fn what_is_left_in_the_background_is_dead_at_the_end() {
    let nap = nap(47);
    let bed = Bed::new();
    let outcome = bed
        .sh(&format!(
            "for i in 1 2 3 4 5 6 7 8; do setsid sleep {nap} & done; \
             exec >&- 2>&-; setsid sleep {nap} & exit 3"
        ))
        .await;
    assert!(!is_running(&nap));
    assert_eq!(outcome.ending, Ending::Exited(3));
    assert!(outcome.took.as_millis() < 5_000, "{}", outcome.took);
}

#[tokio::test]
async fn a_stopped_job_is_dead_within_two_seconds() {
    let nap = nap(58);
    let bed = Bed::new();
    let cancel = CancellationToken::new();
    let spec = bed.spec(&[
        "sh",
        "-c",
        &format!("trap '' TERM; echo begun; sleep {nap}; sleep {nap}"),
    ]);
    let stop = async {
        while !is_running(&nap) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
    };
    let run = async {
        let (outcome, ()) = tokio::join!(bed.sandbox.run(&spec, None, &cancel), stop);
        outcome.unwrap()
    };
    let outcome = tokio::time::timeout(Duration::from_secs(5), run)
        .await
        .unwrap();
    assert!(!is_running(&nap));
    assert_eq!(outcome.ending, Ending::Cancelled);
    assert_eq!(text(&outcome), "begun\n");
}

#[tokio::test]
async fn a_job_that_was_stopped_before_it_began_does_nothing() {
    let nap = nap(61);
    let bed = Bed::new();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let script = format!("sleep 0.05; : > made; sleep {nap}");
    for _ in 0..20 {
        let spec = bed.spec(&["sh", "-c", &script]);
        let outcome = bed.sandbox.run(&spec, None, &cancel).await.unwrap();
        assert_eq!(outcome.ending, Ending::Cancelled);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!is_running(&nap));
    assert!(!bed.checkout().join("made").exists());
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_nothing() {
    let nap = nap(59);
    let bed = Bed::new();
    let spec = bed.spec(&["sleep", &nap]);
    let given_up = tokio::time::timeout(Duration::from_millis(500), bed.run(&spec)).await;
    given_up.unwrap_err();
    for _ in 0..100 {
        if !is_running(&nap) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is still running");
}

#[tokio::test]
async fn a_flood_is_counted_and_neither_kept_nor_held() {
    let mut bed = Bed::new();
    bed.limits.output_bytes = 100_000;
    let before = peak_memory();
    let outcome = bed
        .sh("head -c 300000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero >&2")
        .await;
    let grown = peak_memory().saturating_sub(before);
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert_eq!(outcome.output_bytes, 301_000_000);
    assert_eq!(outcome.tail, vec![b'x'; TAIL_BYTES]);
    let log = std::fs::read(bed.path().join("log")).unwrap();
    assert_eq!(log, vec![b'x'; 100_000]);
    assert!(grown < 16 * 1024, "{grown} KiB");
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_fork_bomb_is_bounded_and_starves_nobody_else() {
    let nap = nap(62);
    let (mut bomb, other) = (Bed::new(), Bed::new());
    bomb.limits.processes = 40;
    bomb.limits.wall = Span::seconds(3);
    // bash goes on trying to fork where other shells give up.
    let script = format!("f() {{ sleep {nap} | f | f & }}; f; wait; sleep {nap}");
    let spec = bomb.spec(&["bash", "-c", &script]);
    let explode = async { bomb.run(&spec).await.unwrap() };
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let script = "for i in $(seq 100); do sleep 1 & done; wait; echo hundred";
        (other.prints(script).await, count(&nap))
    };
    let (outcome, (printed, naps)) = tokio::join!(explode, meanwhile);
    assert_eq!(printed, "hundred\n", "the other job has a count of its own");
    assert!((1..=40).contains(&naps), "{naps} of the bomb's processes");
    assert!(!is_running(&nap));
    assert_eq!(outcome.ending, Ending::TimedOut, "{}", text(&outcome));
}

fn count(word: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|p| std::fs::read_to_string(p.path().join("cmdline")).ok());
    lines
        .filter(|line| line.split('\0').any(|arg| arg == word))
        .count()
}

#[tokio::test]
async fn processes_are_counted() {
    let mut bed = Bed::new();
    bed.limits.processes = 20;
    let printed = bed
        .prints("for i in $(seq 60); do sleep 30 & done; echo no limit")
        .await;
    assert!(printed.contains("Cannot fork"), "{printed}");
    assert!(!printed.contains("no limit"), "{printed}");
}

#[tokio::test]
async fn files_end_at_their_limit() {
    let mut bed = Bed::new();
    bed.limits.file_bytes = 1_000_000;
    let outcome = bed
        .run(&bed.spec(&["head", "-c", "3000000", "/dev/zero"]))
        .await
        .unwrap();
    assert_eq!(outcome.ending, Ending::Exited(0), "output is no file");
    let outcome = bed.sh("exec head -c 3000000 /dev/zero > big").await;
    assert_eq!(outcome.ending, Ending::Signalled(25), "SIGXFSZ");
    let size = bed.checkout().join("big").metadata().unwrap().len();
    assert_eq!(size, 1_000_000);
    assert!(!bed.checkout().join("core").exists());
}

/// A script that fills memory outside of the private directories, a mebibyte at a time.
const FILL_MEMORY: &str = "import time\nheld = []\nfor n in range(4096):\n    \
    held.append(b'x' * (1 << 20))\n    if n % 64 == 63: print(n + 1, flush=True)\n";

/// Returns whether the host enforces the limit of that name, as the backend says.
fn is_enforced(bed: &Bed, setting: &str) -> bool {
    let unenforced = bed.sandbox.unenforced();
    unenforced.iter().all(|one| one.setting != setting)
}

/// Where the host gives no control groups, the backend says so and the run goes on.
#[tokio::test]
async fn memory_ends_at_its_limit_or_is_said_not_to() {
    let mut bed = Bed::new();
    bed.limits.memory_bytes = 128 << 20;
    let outcome = bed
        .run(&bed.spec(&["python3", "-c", FILL_MEMORY]))
        .await
        .unwrap();
    if is_enforced(&bed, "memory_mib") {
        assert_eq!(outcome.ending, Ending::OutOfMemory, "{}", text(&outcome));
        assert_eq!(text(&outcome), "64\n", "it had less than 128 MiB");
    } else {
        assert_eq!(outcome.ending, Ending::Exited(0), "{}", text(&outcome));
    }
}

#[tokio::test]
async fn private_directories_are_memory_and_count() {
    let mut bed = Bed::new();
    if !is_enforced(&bed, "memory_mib") {
        return;
    }
    bed.limits.memory_bytes = 128 << 20;
    bed.limits.file_bytes = 1 << 30;
    let outcome = bed
        .sh("head -c 64M /dev/zero > /tmp/a && echo half; head -c 200M /dev/zero > ~/b && echo all")
        .await;
    assert_eq!(outcome.ending, Ending::OutOfMemory, "{}", text(&outcome));
    assert!(!text(&outcome).contains("all"), "{}", text(&outcome));
}

#[tokio::test]
async fn who_has_enough_is_not_touched() {
    let mut bed = Bed::new();
    bed.limits.memory_bytes = 256 << 20;
    bed.limits.milli_cpus = Some(2_000);
    let outcome = bed.sh("head -c 50M /dev/zero > /tmp/a; exit 3").await;
    assert_eq!(outcome.ending, Ending::Exited(3));
}

#[tokio::test]
async fn a_processor_is_shared_as_it_is_said() {
    let mut bed = Bed::new();
    if !is_enforced(&bed, "cpus") {
        return;
    }
    bed.limits.milli_cpus = Some(200);
    // `times` tells in its second line what the children took: `0m0.4s 0m0.0s`.
    let script = "timeout 2 sh -c 'while :; do :; done & while :; do :; done'; times";
    let printed = bed.prints(script).await;
    let children = printed.lines().last().unwrap_or_default();
    let user = children.split(['m', 's']).nth(1);
    let seconds = user.and_then(|user| user.parse::<f64>().ok());
    assert!(
        seconds.is_some_and(|seconds| seconds < 1.0),
        "a fifth of two seconds: {printed}"
    );
}

#[tokio::test]
async fn a_full_share_of_the_disk_ends_the_run() {
    let nap = nap(63);
    let mut bed = Bed::new();
    bed.limits.disk_bytes = 32 << 20;
    let script = format!(
        "mkdir -p a/b; for i in $(seq 1000); do head -c 1M /dev/zero | tr '\\0' x > a/b/$i; done; sleep {nap}"
    );
    let outcome = bed.sh(&script).await;
    assert_eq!(outcome.ending, Ending::DiskFull, "{}", text(&outcome));
    assert!(outcome.took.as_millis() < 20_000, "{}", outcome.took);
    assert!(!is_running(&nap));
}

#[tokio::test]
async fn what_is_left_as_output_counts_too() {
    let mut bed = Bed::new();
    bed.limits.disk_bytes = 16 << 20;
    let output = bed.make("out");
    let mut spec = bed.spec(&[
        "sh",
        "-c",
        "head -c 40M /dev/zero | tr '\\0' x > /prova/out/result.json; sleep 20",
    ]);
    spec.output = Some(output);
    let outcome = bed.run(&spec).await.unwrap();
    assert_eq!(outcome.ending, Ending::DiskFull, "{}", text(&outcome));
}

/// What was deleted is in no directory, and still takes room while it is open: the floor is for that.
#[tokio::test]
async fn the_last_of_the_disk_is_nobodys() {
    let bed = Bed::with(Settings {
        floor_bytes: u64::MAX,
        ..Settings::default()
    });
    let outcome = bed.sh("sleep 20").await;
    assert_eq!(outcome.ending, Ending::DiskFull);
    assert!(outcome.took.as_millis() < 10_000, "{}", outcome.took);
}

#[tokio::test]
async fn nothing_of_a_run_is_left_in_the_control_groups() {
    let bed = Bed::new();
    bed.sh("sleep 0.1").await;
    let inside = bed.prints("cat /proc/self/cgroup").await;
    assert!(
        !inside.contains("prova-run"),
        "its names are its own: {inside}"
    );
    let left = groups();
    assert!(left.is_empty(), "{left:?}");
}

/// Without namespaces, control groups are what holds a process that has left.
#[tokio::test]
async fn who_leaves_an_unisolated_run_is_caught_by_its_groups() {
    let nap = nap(64);
    let bed = Bed::with(Settings {
        backend: Backend::None,
        ..Settings::default()
    });
    if !is_enforced(&bed, "processes") {
        return;
    }
    let outcome = bed
        .sh(&format!("setsid sleep {nap} >/dev/null 2>&1 & exit 0"))
        .await;
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert!(!is_running(&nap));
}

/// Lists the groups that runs of this process have.
fn groups() -> Vec<std::path::PathBuf> {
    let own = format!("prova-run-{}-", std::process::id());
    let mut left = Vec::new();
    let mut dirs = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(dir) = dirs.pop() {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name().to_string_lossy().starts_with(&own) {
                left.push(entry.path());
            }
            dirs.push(entry.path());
        }
    }
    left
}
