//! What is laid out on the host for a hostile run to go for, and the traps that tell when it did.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::doctor::attempts::Targets;
use crate::config::server::{Secret, ServerSettings};

/// The host, as far as it is laid out.
pub(super) struct Scene {
    dir: TempDir,
    key: Option<PathBuf>,
    store: Option<PathBuf>,
    /// What no other process is called with, and no other socket.
    mark: String,
    port: u16,
    traps: Traps,
}

struct Traps {
    tcp: TcpListener,
    path: UnixListener,
    name: UnixListener,
}

/// A directory for one run.
pub(super) struct Bench {
    /// The working tree.
    pub(super) checkout: PathBuf,
    /// Where its output goes.
    pub(super) log: PathBuf,
}

impl Scene {
    /// Lays everything out below the work directory. Permissions are wide open, so that it is the
    /// sandbox that holds and nothing else.
    pub(super) fn set(settings: &ServerSettings) -> io::Result<Self> {
        let work = std::path::absolute(&settings.work.dir)?;
        fs::create_dir_all(&work)?;
        let dir = tempfile::Builder::new()
            .prefix("doctor-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(work)?;
        let mark = format!("97.{:09}", std::process::id());
        make(&dir.path().join("neighbour"), 0o777)?;
        make(&dir.path().join("open"), 0o777)?;
        fs::write(dir.path().join("neighbour/secret"), "of another job\n")?;
        let socket = dir.path().join("socket");
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        let name = SocketAddr::from_abstract_name(&mark)?;
        let traps = Traps {
            path: UnixListener::bind(&socket)?,
            name: UnixListener::bind_addr(&name)?,
            tcp,
        };
        fs::set_permissions(&socket, Permissions::from_mode(0o777))?;
        traps.tcp.set_nonblocking(true)?;
        traps.path.set_nonblocking(true)?;
        traps.name.set_nonblocking(true)?;
        let key = match &settings.github.private_key {
            Secret::File(path) => Some(path.clone()),
            Secret::Value(_) => None,
        };
        let store = settings.store.url.strip_prefix("sqlite://");
        Ok(Self {
            key: key.and_then(there),
            store: store.map(PathBuf::from).and_then(there),
            port: traps.tcp.local_addr()?.port(),
            mark,
            traps,
            dir,
        })
    }

    /// Runs `with` on what there is to go for.
    pub(super) fn targets<T>(&self, with: impl FnOnce(&Targets<'_>) -> T) -> T {
        let at = |name: &str| self.dir.path().join(name);
        with(&Targets {
            key: self.key.as_deref(),
            store: self.store.as_deref(),
            neighbour: &at("neighbour/secret"),
            open: &at("open"),
            socket: (&at("socket"), &self.mark),
            port: self.port,
            nap: &self.mark,
        })
    }

    /// Makes the directory of one run, which belongs to `owner`.
    pub(super) fn bench(&self, name: &str, owner: Option<(u32, u32)>) -> io::Result<Bench> {
        let dir = self.dir.path().join(format!("run-{name}"));
        let bench = Bench {
            checkout: dir.join("checkout"),
            log: dir.join("log"),
        };
        make(&dir, 0o755)?;
        make(&bench.checkout, 0o700)?;
        if let Some((uid, gid)) = owner {
            chown(&bench.checkout, Some(uid), Some(gid))?;
        }
        Ok(bench)
    }

    /// Looks into the traps and empties them: what a run left outside, if anything.
    pub(super) fn trace(&self) -> Option<String> {
        let Traps { tcp, path, name } = &self.traps;
        let ports = std::iter::from_fn(|| tcp.accept().ok()).count();
        let sockets = [path, name]
            .map(|trap| std::iter::from_fn(|| trap.accept().ok()).count())
            .iter()
            .sum::<usize>();
        if ports > 0 {
            return Some("it reached a port of the host".to_owned());
        }
        if sockets > 0 {
            return Some("it reached a socket of the host".to_owned());
        }
        let mut written = fs::read_dir(self.dir.path().join("open")).ok()?;
        if let Some(Ok(entry)) = written.next() {
            return Some(format!("it wrote {}", entry.path().display()));
        }
        is_running(&self.mark).then(|| "it still runs".to_owned())
    }
}

fn make(dir: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().create(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(mode))
}

/// Returns the whole path of a file that there is something to read in.
fn there(path: PathBuf) -> Option<PathBuf> {
    let facts = File::open(&path).and_then(|file| file.metadata()).ok()?;
    let path = std::path::absolute(path).ok()?;
    (facts.len() > 0).then_some(path)
}

/// Returns whether a process of the host has `word` among its arguments.
fn is_running(word: &str) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| {
            line.split(|byte| *byte == 0)
                .any(|arg| arg == word.as_bytes())
        })
}
