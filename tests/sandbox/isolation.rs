//! What must not be reached from inside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::process::Command;

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::ports::sandbox::Profile;
use prova::ports::tree::Tree;

use crate::bed::{Bed, sandbox, text};

#[tokio::test]
async fn files_of_the_host_are_not_there() {
    let bed = Bed::open();
    let canary = bed.path().join("canary");
    std::fs::write(&canary, "canary").unwrap();
    std::fs::set_permissions(&canary, std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = canary.display();
    let printed = bed
        .prints(&format!(
            "cat {path} /workspace/../..{path} /proc/1/root{path} /proc/1/cwd/{path} \
             /etc/shadow /etc/machine-id /var/log/dpkg.log 2>&1; ls -A / /home /etc /prova"
        ))
        .await;
    assert!(!printed.contains("canary\n"), "{printed}");
    assert_eq!(printed.matches("No such file").count(), 7, "{printed}");
    for name in ["root", "var", "run", "sys", "srv", "mnt", "opt", "shadow"] {
        assert!(
            !printed.lines().any(|line| line == name),
            "{name} in {printed}"
        );
    }
}

#[tokio::test]
async fn users_are_made_up() {
    let printed = Bed::new()
        .prints("cut -d: -f1,3 /etc/passwd; id -un; id -G; echo ~; hostname")
        .await;
    let expected = "root:0\nprova:1000\nnobody:65534\nprova\n1000\n/home/prova\nprova\n";
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn other_jobs_are_not_there() {
    let (mine, other) = (Bed::open(), Bed::open());
    std::fs::write(other.checkout().join("secret-of-other"), "").unwrap();
    let reached = mine
        .prints(&format!(
            "ls -a {} /workspace/../checkout .. / /tmp 2>&1",
            other.checkout().display()
        ))
        .await;
    assert!(!reached.contains("secret-of-other"), "{reached}");
    assert!(reached.contains("workspace"), "{reached}");
}

#[tokio::test]
async fn the_environment_is_what_was_given() {
    assert!(
        std::env::vars_os().count() > 5,
        "the test's own must have something to leak"
    );
    let bed = Bed::new();
    let mut spec = bed.spec(&["cat", "/proc/self/environ"]);
    let odd = "a b\n--bind / / \"$HOME\" `id` ä";
    spec.env = BTreeMap::from([("GIVEN".to_owned(), odd.to_owned())]);
    let outcome = bed.run(&spec).await.unwrap();
    let printed = text(&outcome);
    let vars: BTreeMap<&str, &str> = printed
        .split_terminator('\0')
        .map(|var| var.split_once('=').unwrap())
        .collect();
    let names: BTreeSet<&str> = vars.keys().copied().collect();
    let expected = ["GIVEN", "HOME", "LANG", "PATH", "PWD", "TMPDIR"];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(vars["GIVEN"], odd);

    let first = bed
        .prints("tr '\\0' '\\n' < /proc/1/environ; tr '\\0' ' ' < /proc/1/cmdline")
        .await;
    assert!(
        !first.contains("CARGO") && !first.contains("GIVEN"),
        "{first}"
    );
    let job = bed.path().display().to_string();
    assert!(!first.contains(&job), "a path of the host is told: {first}");
}

#[tokio::test]
async fn no_descriptor_gets_in() {
    const NAME: &str = "isolation::no_descriptor_gets_in";
    const AGAIN: &str = "with-a-stray";
    if !std::env::args().any(|arg| arg == AGAIN) {
        // Again, started with a descriptor that nobody asked for, as careless supervisors do.
        let again = Command::new("bash")
            .args(["-c", "exec 77</ \"$@\"", "bash"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", NAME, AGAIN, "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(
            said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&again.stderr)
        );
        return;
    }
    let stray = std::fs::read_link("/proc/self/fd/77").unwrap();
    assert_eq!(stray, PathBuf::from("/"), "there must be something to leak");
    let printed = Bed::new().prints("exec ls -l /proc/self/fd").await;
    let open = printed.lines().filter_map(|line| line.split_once(" -> "));
    for (before, target) in open {
        let number: u32 = before.split(' ').next_back().unwrap().parse().unwrap();
        let output = (number == 1 || number == 2) && target.starts_with("pipe:");
        let input = number == 0 && target == "/dev/null";
        let listed = target.starts_with("/proc/"); // the directory that ls reads
        assert!(output || listed || input, "{number} is {target}");
    }
}

#[tokio::test]
async fn there_is_no_network() {
    let bed = Bed::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = |host: &str, port: u16| {
        format!("timeout 5 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>&1 && echo connected")
    };
    let local = connect("127.0.0.1", port);
    let outside = Command::new("sh").args(["-c", &local]).output().unwrap();
    assert_eq!(
        outside.stdout, b"connected\n",
        "the attempt itself must work"
    );

    let refused = bed.prints(&local).await;
    assert!(refused.contains("Connection refused"), "{refused}");
    for host in ["169.254.169.254", "1.1.1.1"] {
        let unreachable = bed.prints(&connect(host, 80)).await;
        assert!(
            unreachable.contains("Network is unreachable"),
            "{host}: {unreachable}"
        );
    }
}

#[tokio::test]
async fn abstract_sockets_of_the_host_are_not_there() {
    let name = format!("prova-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let script = format!(
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); \
         print connect(S, pack_sockaddr_un(\"\\0{name}\")) ? \"connected\" : \"refused\"'"
    );
    let outside = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(outside.stdout, b"connected", "the attempt itself must work");
    assert_eq!(Bed::new().prints(&script).await, "refused");
}

#[tokio::test]
async fn processes_of_the_host_are_not_there() {
    let mut outside = Command::new("sleep").arg("98761.5").spawn().unwrap();
    let pid = outside.id();
    let printed = Bed::new()
        .prints(&format!(
            "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c 9876[1]; \
             kill -0 {pid} 2>/dev/null && echo signalled; ls -d /proc/[0-9]* | wc -l"
        ))
        .await;
    let running = outside.try_wait().unwrap().is_none();
    outside.kill().unwrap();
    outside.wait().unwrap();
    assert!(running);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "0", "{printed}");
    let count: u32 = lines[1].trim().parse().unwrap();
    assert!(count <= 6, "{printed}");
}

#[tokio::test]
async fn nothing_of_the_system_can_be_written() {
    let printed = Bed::new()
        .prints(
            "for f in /x /usr/x /etc/x /etc/passwd /dev/x /prova/x /proc/sys/kernel/hostname; do \
               ( : >> $f ) 2>/dev/null && echo $f; \
             done; mount -o remount,rw /usr 2>/dev/null && echo mounted; \
             unshare -U true 2>/dev/null && echo unshared; \
             for d in /workspace /tmp /dev/shm $HOME; do : > $d/x || echo $d; done",
        )
        .await;
    assert_eq!(printed, "");
}

#[tokio::test]
async fn the_servers_program_is_there_when_asked_for_and_cannot_be_written() {
    let bed = Bed::new();
    let script = "/prova/bin/prova --version >/dev/null && echo runs; \
                  ( : >> /prova/bin/prova ) 2>/dev/null && echo written; ls /prova";
    let mut spec = bed.spec(&["sh", "-c", script]);
    spec.own = Some(env!("CARGO_BIN_EXE_prova").into());
    let with = text(&bed.run(&spec).await.unwrap());
    assert_eq!(with, "runs\nbin\n");
    spec.own = None;
    assert_eq!(
        text(&bed.run(&spec).await.unwrap()).trim(),
        "sh: 1: /prova/bin/prova: not found"
    );
}

#[tokio::test]
async fn memory_behind_private_places_is_limited() {
    let bed = Bed::with(Settings {
        scratch_bytes: 1024 * 1024,
        ..Settings::default()
    });
    let printed = bed
        .prints(
            "for d in /tmp /dev/shm $HOME; do \
               head -c 3000000 /dev/zero > $d/x 2>/dev/null && echo full $d; wc -c < $d/x; \
             done",
        )
        .await;
    assert_eq!(printed, "1048576\n1048576\n1048576\n");
}

#[tokio::test]
async fn each_of_the_jobs_directories_has_its_place_and_access() {
    for bed in [Bed::new(), Bed::open()] {
        let mut spec = bed.spec(&[
            "sh",
            "-c",
            "pwd; cat /prova/in/brief /prova/objects/pack; echo mine > made; echo out > /prova/out/o; \
             for d in /prova/in /prova/objects; do ( : > $d/x ) 2>/dev/null && echo wrote $d; done; \
             stat -c %u . made",
        ]);
        spec.input = Some(bed.make("in"));
        spec.output = Some(bed.make("out"));
        spec.objects = Some(bed.make("objects"));
        std::fs::write(bed.path().join("in/brief"), "brief ").unwrap();
        std::fs::write(bed.path().join("objects/pack"), "pack\n").unwrap();
        let outcome = bed.run(&spec).await.unwrap();
        assert_eq!(text(&outcome), "/workspace\nbrief pack\n1000\n1000\n");
        assert_eq!(outcome.ending, Ending::Exited(0));
        let made = bed.checkout().join("made");
        assert_eq!(std::fs::read(&made).unwrap(), b"mine\n");
        assert_eq!(std::fs::read(bed.path().join("out/o")).unwrap(), b"out\n");
        let server = rustix::process::geteuid().as_raw();
        let owner = bed.sandbox.owner().map_or(server, |(uid, _)| uid);
        assert_ne!(owner, 0, "bubblewrap must not run as root");
        assert_eq!(made.metadata().unwrap().uid(), owner);
    }
}

#[tokio::test]
async fn mounts_are_there_read_only_and_their_programs_are_found() {
    let tools = tempfile::tempdir().unwrap();
    let bin = tools.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for dir in [tools.path(), &bin] {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = bin.join("my-agent");
    std::fs::write(&program, "#!/bin/sh\necho agent; : > \"$0.x\"\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let bed = Bed::with(Settings {
        mounts: vec![tools.path().to_path_buf()],
        ..Settings::default()
    });
    let printed = bed.prints("my-agent").await;
    assert!(printed.starts_with("agent\n"), "{printed}");
    assert!(printed.contains("Read-only file system"), "{printed}");
}

#[tokio::test]
async fn a_mount_that_would_show_all_jobs_is_refused() {
    let work = tempfile::tempdir().unwrap();
    let bed = Bed::with(Settings {
        mounts: vec![work.path().to_path_buf()],
        ..Settings::default()
    });
    let mut spec = bed.spec(&["true"]);
    let checkout = work.path().join("jobs/7/checkout");
    std::fs::create_dir_all(&checkout).unwrap();
    spec.tree = Tree::Plain(checkout);
    let fault = bed.run(&spec).await.unwrap_err();
    let mount: PathBuf = work.path().into();
    assert!(
        fault.cause.contains(&mount.display().to_string()),
        "{fault}"
    );
}

#[tokio::test]
async fn a_profile_stands_inside_read_only_for_the_runs_that_pick_it() {
    let tools = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tools.path(), open.clone()).unwrap();
    std::fs::create_dir(tools.path().join("bin")).unwrap();
    let tool = tools.path().join("bin/prova-test-tool");
    std::fs::write(&tool, "#!/bin/sh\necho $FLAVOUR $OWN\n").unwrap();
    std::fs::set_permissions(&tool, open).unwrap();
    let profile = Profile {
        mounts: vec![tools.path().to_path_buf()],
        env: [("FLAVOUR", "sweet"), ("OWN", "overridden")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        image: None,
    };
    for backend in [Backend::Bubblewrap, Backend::None] {
        let bed = Bed::with(Settings {
            backend,
            profiles: vec![profile.clone()],
            ..Settings::default()
        });
        let mut spec = bed.spec(&["sh", "-c", "prova-test-tool"]);
        let without = bed.run(&spec).await.unwrap();
        assert_eq!(without.ending, Ending::Exited(127), "{}", text(&without));
        spec.profile = profile.clone();
        spec.env.insert("OWN".to_owned(), "own".to_owned());
        assert_eq!(text(&bed.run(&spec).await.unwrap()), "sweet own\n");
    }
    let bed = Bed::new();
    let mut spec = bed.spec(&["sh", "-c", &format!(": > {}/x", tools.path().display())]);
    spec.profile = profile;
    assert_ne!(bed.run(&spec).await.unwrap().ending, Ending::Exited(0));
}

#[test]
fn a_profile_that_covers_the_sandbox_itself_is_refused_at_the_start() {
    for mount in ["/usr/local", "/proc", "/workspace", "/opt/../etc"] {
        let profile = Profile {
            mounts: vec![mount.into()],
            ..Profile::default()
        };
        let unusable = sandbox(Settings {
            profiles: vec![profile],
            ..Settings::default()
        });
        let said = unusable.err().map(|error| error.to_string());
        assert!(said.unwrap_or_default().contains(mount), "{mount}");
    }
}
