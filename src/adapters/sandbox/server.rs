//! Which process made a sandbox that outlives it, and whether that process is no more.

use std::io;
use std::path::Path;

/// A process, told from all others that had or will have its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The PID namespace by its number. Only in our own can be seen who lives.
    namespace: u64,
    pid: u32,
    /// When it started, in clock ticks since the boot.
    started: u64,
}

impl Server {
    /// Returns this process.
    pub(super) fn this() -> io::Result<Self> {
        let missing = || io::Error::other("/proc does not tell");
        let link = std::fs::read_link("/proc/self/ns/pid")?;
        let link = link.to_string_lossy().into_owned();
        let number = link.trim_matches(|c: char| !c.is_ascii_digit());
        let pid = std::process::id();
        Ok(Self {
            namespace: number.parse().map_err(|_| missing())?,
            pid,
            started: started(Path::new("/proc"), pid).ok_or_else(missing)?,
        })
    }

    /// Returns it in one word.
    pub(super) fn word(&self) -> String {
        format!("{}-{}-{}", self.namespace, self.pid, self.started)
    }

    /// Reads a word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('-');
        let server = Self {
            namespace: parts.next()?.parse().ok()?,
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(server)
    }

    /// Returns whether `other` is known to be gone. A server in another container is not seen from
    /// here, and counts as alive.
    pub(super) fn outlived(&self, other: &Self, proc: &Path) -> bool {
        self.namespace == other.namespace && started(proc, other.pid) != Some(other.started)
    }
}

/// Reads when process `pid` started; none when there is no such process.
fn started(proc: &Path, pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    // The second field is the program's name, which may hold anything; field 22 is what is wanted.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// A machine since it was started, told from all others. In a container it is the one below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    boot: String,
    server: Server,
}

impl Host {
    /// Returns this machine.
    pub(super) fn this() -> io::Result<Self> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let boot = id.trim().chars().filter(char::is_ascii_hexdigit).take(16);
        Ok(Self {
            boot: boot.collect(),
            server: Server::this()?,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.boot
    }

    /// Returns a process of this machine in one word, which fits into a label.
    pub(super) fn word_of(&self, server: &Server) -> String {
        format!("{}.{}", self.boot, server.word())
    }

    /// Returns whether the process of a word is known to be gone. One of another machine is not seen
    /// from here, and counts as alive.
    pub(super) fn outlived(&self, word: &str) -> bool {
        let Some((boot, server)) = word.split_once('.') else {
            return false;
        };
        let server = Server::parse(server);
        boot == self.boot
            && server.is_some_and(|server| self.server.outlived(&server, Path::new("/proc")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_back() {
        let this = Server::this().unwrap();
        assert_eq!(Server::parse(&this.word()), Some(this));
        for wrong in ["", "1-2", "1-2-3-4", "a-2-3"] {
            assert_eq!(Server::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_who_is_known_to_be_gone_is_outlived() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("7")).unwrap();
        let fields = "S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 100 200";
        let stat = format!("7 (a) b) {fields}\n");
        std::fs::write(proc.path().join("7/stat"), stat).unwrap();
        let server = |namespace, pid, started| Server {
            namespace,
            pid,
            started,
        };
        let this = server(1, 9, 1);
        for (other, gone) in [
            (server(1, 7, 4_242), false),
            (server(1, 7, 4_241), true),
            (server(1, 8, 4_242), true),
            (server(2, 8, 4_242), false),
        ] {
            assert_eq!(this.outlived(&other, proc.path()), gone, "{other:?}");
        }
    }

    #[test]
    fn only_processes_of_this_machine_are_judged() {
        let (host, this) = (Host::this().unwrap(), Server::this().unwrap());
        let gone = Server {
            started: this.started + 1,
            ..this.clone()
        };
        assert!(!host.outlived(&host.word_of(&this)));
        assert!(host.outlived(&host.word_of(&gone)));
        assert!(!host.outlived(&format!("other.{}", gone.word())));
        assert!(!host.outlived("nonsense"));
        assert!(host.word_of(&this).len() < 63);
    }
}
