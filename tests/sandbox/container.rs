//! The container backend on a real engine. Which one, `PROVA_TEST_ENGINE` says;
//! `scripts/test-container` starts one, makes the image and runs these.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::domain::time::Span;
use prova::ports::door::INSIDE_DOOR;
use prova::ports::fault::Class;
use prova::ports::sandbox::Profile;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, is_running, nap, nap_of, sandbox, text, wait_until};
use crate::door::Porter;
use crate::hiding::hides;

const IMAGE: &str = "localhost/prova-test";

#[expect(
    clippy::disallowed_methods,
    reason = "which engine there is, only who runs the test can say"
)]
fn settings() -> Settings {
    let engine = std::env::var("PROVA_TEST_ENGINE").unwrap();
    Settings {
        backend: Backend::Container,
        engine: Some(engine.strip_prefix("unix://").unwrap().into()),
        image: Some(IMAGE.to_owned()),
        stage: env!("CARGO_BIN_EXE_prova").into(),
        scratch_bytes: 16 * 1024 * 1024,
        ..Settings::default()
    }
}

fn bed() -> Bed {
    Bed::with(settings())
}

#[test]
fn without_an_image_it_says_so() {
    let settings = Settings {
        backend: Backend::Container,
        engine: Some("/run/nowhere.sock".into()),
        ..Settings::default()
    };
    let unusable = sandbox(settings).err().unwrap();
    assert_eq!(unusable.backend, "container");
    assert!(unusable.remedy.contains("[sandbox] image"), "{unusable}");
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_named() {
    let bed = Bed::with(Settings {
        backend: Backend::Container,
        engine: Some("/run/nowhere.sock".into()),
        image: Some(IMAGE.to_owned()),
        ..Settings::default()
    });
    let unusable = bed.sandbox.probe().await.unwrap_err();
    assert!(unusable.reason.contains("/run/nowhere.sock"), "{unusable}");
    let fault = bed.run(&bed.spec(&["true"])).await.unwrap_err();
    assert_eq!(fault.class, Class::Transient, "{fault}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn the_probe_sees_that_it_isolates() {
    let bed = bed();
    assert!(bed.sandbox.isolates());
    assert!(!bed.sandbox.layers());
    let line = bed.sandbox.probe().await.unwrap();
    assert!(
        line.contains(IMAGE) && line.contains("no network"),
        "{line}"
    );
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn an_image_that_is_not_there_is_not_fetched() {
    let bed = Bed::with(Settings {
        image: Some("localhost/prova-missing".to_owned()),
        ..settings()
    });
    let unusable = bed.sandbox.probe().await.unwrap_err();
    let remedy = "podman pull localhost/prova-missing";
    assert!(unusable.remedy.contains(remedy), "{unusable}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn a_profile_names_the_image() {
    let bed = bed();
    let mut spec = bed.spec(&["true"]);
    spec.profile = Profile {
        image: Some("localhost/prova-missing".to_owned()),
        ..Profile::default()
    };
    let fault = bed.run(&spec).await.unwrap_err();
    assert!(fault.to_string().contains("prova-missing"), "{fault}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn what_is_hidden_is_empty_inside_and_stays_as_it_is() {
    hides(bed()).await;
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn endings_are_told() {
    let bed = bed();
    for (script, expected) in [
        ("true", Ending::Exited(0)),
        ("exit 7", Ending::Exited(7)),
        ("kill -9 $$", Ending::Signalled(9)),
        ("no-such-program", Ending::Exited(127)),
        ("exec >&- 2>&-; sleep 0.3; exit 3", Ending::Exited(3)),
    ] {
        assert_eq!(bed.sh(script).await.ending, expected, "{script}");
    }
    // Only words: no shell reads them, and input is empty.
    let words = bed
        .run(&bed.spec(&["printf", "<%s>", "a b", "$HOME", ";x"]))
        .await
        .unwrap();
    assert_eq!(text(&words), "<a b><$HOME><;x>");
    assert_eq!(bed.prints("cat; echo end").await, "end\n");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn each_of_the_jobs_directories_has_its_place_and_access() {
    let bed = bed();
    let mut spec = bed.spec(&[
        "sh",
        "-c",
        "pwd; cat /prova/in/brief /prova/objects/pack; echo mine > made; echo out > /prova/out/o; \
         for d in /prova/in /prova/objects; do ( : > $d/x ) 2>/dev/null && echo wrote $d; done; true",
    ]);
    spec.input = Some(bed.make("in"));
    spec.output = Some(bed.make("out"));
    spec.objects = Some(bed.make("objects"));
    std::fs::write(bed.path().join("in/brief"), "brief ").unwrap();
    std::fs::write(bed.path().join("objects/pack"), "pack\n").unwrap();
    let outcome = bed.run(&spec).await.unwrap();
    assert_eq!(text(&outcome), "/workspace\nbrief pack\n");
    assert_eq!(outcome.ending, Ending::Exited(0));
    let made = bed.checkout().join("made");
    assert_eq!(std::fs::read(&made).unwrap(), b"mine\n");
    let server = rustix::process::geteuid().as_raw();
    let owner = bed.sandbox.owner().map_or(server, |(uid, _)| uid);
    assert_ne!(owner, 0, "nothing inside is root");
    assert_eq!(made.metadata().unwrap().uid(), owner);
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn the_environment_is_what_was_given() {
    let bed = bed();
    let mut spec = bed.spec(&["cat", "/proc/self/environ"]);
    spec.env = BTreeMap::from([("GIVEN".to_owned(), "a b\n$HOME ä".to_owned())]);
    let printed = text(&bed.run(&spec).await.unwrap());
    let vars: BTreeMap<&str, &str> = printed
        .split_terminator('\0')
        .map(|var| var.split_once('=').unwrap())
        .collect();
    let names: BTreeSet<&str> = vars.keys().copied().collect();
    // The engine's own name for the container, and the shell's.
    let mut expected = BTreeSet::from(["GIVEN", "HOME", "LANG", "PATH", "TMPDIR"]);
    let engines = BTreeSet::from(["HOSTNAME", "PWD", "SHLVL", "OLDPWD", "container", "TERM"]);
    expected.extend(names.intersection(&engines));
    assert_eq!(names, expected);
    assert_eq!(vars["GIVEN"], "a b\n$HOME ä");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn nothing_of_the_host_can_be_read() {
    let (bed, other) = (bed(), bed());
    let canary = bed.path().join("canary");
    std::fs::write(&canary, "canary").unwrap();
    std::fs::write(other.checkout().join("secret-of-other"), "").unwrap();
    let socket = settings().engine.unwrap();
    let mut outside = Command::new("sleep").arg("98763.5").spawn().unwrap();
    let pid = outside.id();
    let printed = bed
        .prints(&format!(
            "cat {canary} /workspace/../..{canary} /proc/1/root{canary} /proc/1/cwd{canary} \
             /proc/1/environ /proc/1/mem /proc/kcore /etc/shadow 2>/dev/null; \
             ls -a {other} /workspace/.. {socket} /var/run /run 2>/dev/null; \
             cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep 9876[3]; \
             kill -0 {pid} 2>/dev/null && echo signalled; echo done",
            canary = canary.display(),
            other = other.checkout().display(),
            socket = socket.display(),
        ))
        .await;
    let running = outside.try_wait().unwrap().is_none();
    outside.kill().unwrap();
    outside.wait().unwrap();
    assert!(running);
    for leak in [
        "canary",
        "secret-of-other",
        ".sock",
        "98763",
        "signalled",
        "CARGO",
    ] {
        assert!(!printed.contains(leak), "{leak} in {printed}");
    }
    assert!(printed.ends_with("done\n"), "{printed}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn nothing_of_the_system_can_be_written() {
    let printed = bed()
        .prints(
            "for f in /x /usr/x /etc/x /etc/passwd /prova/x /proc/sys/kernel/hostname \
                 /proc/sys/kernel/core_pattern /sys/x /sys/fs/cgroup/x /dev/x; do \
               ( : >> $f ) 2>/dev/null && echo $f; \
             done; mount -o remount,rw / 2>/dev/null && echo mounted; \
             mount -t tmpfs x /tmp 2>/dev/null && echo mounted; \
             unshare -U true 2>/dev/null && echo unshared; \
             mknod /tmp/disk b 8 0 2>/dev/null && echo device; \
             chown 0 /workspace 2>/dev/null && echo owner; \
             for d in /workspace /tmp /dev/shm $HOME; do : > $d/x || echo $d; done",
        )
        .await;
    assert_eq!(printed, "");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn privileges_cannot_be_gained() {
    let printed = bed()
        .prints(
            "stat -c %A /bin/busybox; id -u; /bin/su -c id 2>/dev/null; \
             cp /bin/busybox /tmp/own; chmod u+s /tmp/own; /tmp/own id -u; \
             grep -E 'CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status",
        )
        .await;
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].contains('s'),
        "there must be a setuid program: {printed}"
    );
    assert!(!printed.contains("uid=0"), "{printed}");
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
    assert!(printed.contains("Seccomp:\t2"), "{printed}");
    assert!(!lines.contains(&"0"), "{printed}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn there_is_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect =
        |host: &str, port: u16| format!("nc -w 2 {host} {port} </dev/null 2>&1 && echo got out; ");
    let script = connect("127.0.0.1", port)
        + &connect("169.254.169.254", 80)
        + &connect("1.1.1.1", 53)
        + "grep ':' /proc/net/dev | cut -d: -f1 | tr -d ' '";
    let printed = bed().prints(&script).await;
    assert!(!printed.contains("got out"), "{printed}");
    assert!(
        printed.contains("refused"),
        "the attempt itself must work: {printed}"
    );
    assert!(printed.ends_with("\nlo\n"), "{printed}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn what_is_inside_reaches_its_door_and_no_other() {
    let (first, second) = (bed(), bed());
    let (door, other) = (Porter::new("first"), Porter::new("second"));
    let knock = "echo $DOOR_URL; (echo hello; sleep 1) | nc 127.0.0.1 8790 2>&1";
    let run = async |bed: &Bed, door: &Porter| {
        let spec = bed.spec(&["sh", "-c", knock]);
        let cancel = CancellationToken::new();
        text(&bed.sandbox.run(&spec, Some(door), &cancel).await.unwrap())
    };
    // Both run at once, at the same address, and each finds its own.
    let (one, two) = tokio::join!(run(&first, &door), run(&second, &other));
    assert_eq!(one, format!("http://{INSIDE_DOOR}/first\nfirsthello\n"));
    assert_eq!(two, format!("http://{INSIDE_DOOR}/second\nsecondhello\n"));
    assert_eq!((door.visits(), other.visits()), (1, 1));
    // Without a door there is none.
    let printed = first.prints(knock).await;
    assert!(!printed.contains("hello"), "{printed}");
}

/// Calls by number; the first is allowed, so that the attempt itself is seen to work.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn system_calls_that_are_not_confined_are_refused() {
    let attempts = [
        ("socket(AF_UNIX)", "41, 1, 1, 0", "worked"),
        ("socket(AF_NETLINK, ROUTE)", "41, 16, 3, 0", "worked"),
        ("socket(AF_NETLINK, AUDIT)", "41, 16, 3, 9", "97"),
        ("socket(AF_VSOCK)", "41, 40, 1, 0", "97"),
        ("socket(AF_ALG)", "41, 38, 5, 0", "97"),
        ("socket(AF_PACKET)", "41, 17, 3, 0", "97"),
        ("io_uring_setup", "425, 8, 0", "1"),
        ("keyctl", "250, 0, -3, 0", "1"),
        ("ptrace", "101, 0, 0, 0, 0", "1"),
        ("bpf", "321, 0, 0, 0", "1"),
        ("userfaultfd", "323, 0", "1"),
        ("perf_event_open", "298, 0, 0, -1, -1, 0", "1"),
        ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0", "1"),
        ("open_by_handle_at", "304, 0, 0, 0", "1"),
        ("unshare(NEWUSER)", "272, 0x10000000", "1"),
        ("unshare(NEWNET)", "272, 0x40000000", "1"),
        ("setns", "308, 0, 0", "1"),
        ("mount", "165, 0, 0, 0, 0, 0", "1"),
        ("clone3", "435, 0, 0", "38"),
        ("ioctl(TIOCSTI)", "16, 0, 0x5412, 0", "1"),
        (
            "ioctl(TIOCSTI) with a higher bit",
            "16, 0, 0x100005412, 0",
            "1",
        ),
    ];
    let lines: Vec<_> = attempts
        .iter()
        .map(|(_, call, _)| {
            format!("$! = 0; $r = syscall({call}); print $r < 0 ? $! + 0 : 'worked', \"\\n\";")
        })
        .collect();
    let script = lines.concat();
    let bed = bed();
    let mut spec = bed.spec(&["perl", "-e", &script]);
    spec.env = BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]);
    let outcome = bed.run(&spec).await.unwrap();
    let printed = text(&outcome);
    let got: Vec<&str> = printed.lines().collect();
    assert_eq!(got.len(), attempts.len(), "{printed}");
    for ((name, _, expected), got) in attempts.iter().zip(got) {
        assert_eq!(got, *expected, "{name}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn output_is_capped_and_counted() {
    let mut bed = bed();
    bed.limits.output_bytes = 1_000;
    let outcome = bed.sh("head -c 30000000 /dev/zero; echo err >&2").await;
    assert_eq!(outcome.output_bytes, 30_000_004);
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert_eq!(bed.path().join("log").metadata().unwrap().len(), 1_000);
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn processes_memory_files_and_scratch_are_limited() {
    let mut bed = bed();
    bed.limits.processes = 40;
    bed.limits.memory_bytes = 64 * 1024 * 1024;
    bed.limits.file_bytes = 1_000_000;
    bed.limits.wall = Span::seconds(20);
    let forks = bed
        .prints("i=0; while [ $i -lt 100 ]; do sleep 5 & i=$((i+1)); done 2>&1; ls -d /proc/[0-9]* | wc -l")
        .await;
    assert!(forks.contains("can't fork"), "{forks}");

    let eats = "perl -e 'my $x = \"x\" x (200 * 1024 * 1024); print length $x'";
    let outcome = bed.sh(eats).await;
    assert_eq!(outcome.ending, Ending::OutOfMemory, "{}", text(&outcome));

    let big = bed.sh("exec head -c 3000000 /dev/zero > big").await;
    assert_eq!(big.ending, Ending::Signalled(25));
    assert_eq!(
        bed.checkout().join("big").metadata().unwrap().len(),
        1_000_000
    );

    bed.limits.file_bytes = 1 << 30;
    bed.limits.memory_bytes = 256 * 1024 * 1024;
    let full = bed
        .prints("for d in /tmp /dev/shm $HOME; do head -c 30000000 /dev/zero 2>/dev/null > $d/x; wc -c < $d/x; rm $d/x; done")
        .await;
    assert_eq!(full, "16777216\n16777216\n16777216\n");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn a_full_share_of_the_disk_ends_it() {
    let mut bed = bed();
    bed.limits.disk_bytes = 20_000_000;
    let outcome = bed
        .sh("i=0; while [ $i -lt 300 ]; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); sleep 0.02; done")
        .await;
    assert_eq!(outcome.ending, Ending::DiskFull);
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn its_wall_clock_and_a_cancellation_kill_everything() {
    let mut bed = bed();
    bed.limits.wall = Span::seconds(2);
    let first = nap(71);
    let script = format!("echo begun; setsid sleep {first} & trap '' TERM; sleep {first}");
    let outcome = bed.sh(&script).await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert_eq!(text(&outcome), "begun\n");
    assert!(!is_running(&first));

    bed.limits.wall = Span::seconds(60);
    let second = nap(72);
    let cancel = CancellationToken::new();
    let spec = bed.spec(&[
        "sh",
        "-c",
        &format!("setsid sleep {second} & sleep {second}"),
    ]);
    let (outcome, ()) = tokio::join!(bed.sandbox.run(&spec, None, &cancel), async {
        wait_until(|| is_running(&second)).await;
        cancel.cancel();
    });
    assert_eq!(outcome.unwrap().ending, Ending::Cancelled);
    assert!(!is_running(&second));
    // What is left when the command has ended goes with it.
    let third = nap(73);
    bed.sh(&format!("setsid sleep {third} & true")).await;
    assert!(!is_running(&third));
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn a_dropped_run_is_removed() {
    let bed = bed();
    let nap = nap(74);
    let spec = bed.spec(&["sleep", &nap]);
    tokio::select! {
        _ = bed.run(&spec) => panic!("it sleeps for longer"),
        () = wait_until(|| is_running(&nap)) => {}
    }
    wait_until(|| !is_running(&nap)).await;
}

/// The tests' own process stands for a server, and is killed.
async fn killed_server(test: &str, which: u32, stage: Option<&Path>) -> String {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test])
        .env("PROVA_TEST_IS_SERVER", "1")
        .envs(stage.map(|stage| ("PROVA_TEST_STAGE", stage)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let nap = nap_of(which, server.id());
    wait_until(|| is_running(&nap)).await;
    server.kill().unwrap();
    server.wait().unwrap();
    nap
}

fn is_server() -> bool {
    std::env::var_os("PROVA_TEST_IS_SERVER").is_some()
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn a_sandbox_dies_with_its_server() {
    if is_server() {
        let nap = nap(75);
        bed()
            .sh(&format!(
                "trap '' TERM HUP; setsid sleep {nap} & sleep {nap}"
            ))
            .await;
        return;
    }
    let nap = killed_server("container::a_sandbox_dies_with_its_server", 75, None).await;
    wait_until(|| !is_running(&nap)).await;
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/test-container"]
async fn what_a_killed_server_left_is_removed_at_the_next_start() {
    if is_server() {
        let stage = PathBuf::from(std::env::var_os("PROVA_TEST_STAGE").unwrap());
        let bed = Bed::with(Settings {
            stage,
            ..settings()
        });
        bed.run(&bed.spec(&["sleep", &nap(76)])).await.unwrap();
        return;
    }
    // A watchdog that was killed, too, as by a supervisor that kills the whole group.
    let blind = Path::new("/bin/true");
    let test = "container::what_a_killed_server_left_is_removed_at_the_next_start";
    let left = killed_server(test, 76, Some(blind)).await;
    let bed = bed();
    let mine = nap(77);
    let spec = bed.spec(&["sleep", &mine]);
    tokio::select! {
        _ = bed.run(&spec) => panic!("it sleeps for longer"),
        () = async {
            wait_until(|| is_running(&mine)).await;
            // Another backend of the same server, as `doctor` beside it.
            self::bed().sandbox.probe().await.unwrap();
            assert!(!is_running(&left));
            assert!(is_running(&mine), "its server lives");
        } => {}
    }
    wait_until(|| !is_running(&mine)).await;
}
