//! Containers whose server is no more.
//!
//! A container carries the name of the process that made it. When that process is gone, so is
//! whoever would read the outcome.

use std::io;
use std::path::Path;

use crate::adapters::sandbox::container::engine::Engine;
use crate::ports::fault::Fault;

/// The label that says which server a container is of.
pub(super) const LABEL: &str = "prova.server";

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
    fn parse(word: &str) -> Option<Self> {
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
    fn outlived(&self, other: &Self, proc: &Path) -> bool {
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

/// Removes what servers left that are gone, and returns how many containers that were.
pub(super) async fn remove(engine: &Engine, server: &Server) -> Result<usize, Fault> {
    let mut removed = 0;
    for (id, word) in engine.labelled(LABEL).await? {
        let gone =
            Server::parse(&word).is_some_and(|other| server.outlived(&other, Path::new("/proc")));
        if gone {
            engine.remove(&id).await?;
            removed += 1;
        }
    }
    Ok(removed)
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
}
