//! The end of a container whose server ended.
//!
//! The engine does not know that the server died, and whoever runs inside would gain from it. So
//! beside each container stands a small process of our own, outside, where nothing inside can reach
//! it. It holds the other end of a pipe: when that closes without a word, the server is gone or has
//! dropped the run, and the container is removed.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// The first argument of the process.
const WATCH: &str = "sandbox-watch";

/// What is said to it when there is nothing to remove any more.
const DISMISSED: &[u8] = b".";

/// How often it tries. The first may come before the engine has made the container.
const TRIES: u32 = 20;
/// How long it waits in between.
const PAUSE: Duration = Duration::from_millis(500);
/// How long one call may take.
const CALL: Duration = Duration::from_secs(30);

/// The server's end. Dropped, it lets the dog loose.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Starts the process, which is `program`, for the container `name` of the engine at `socket`.
    pub(super) fn start(program: &Path, socket: &Path, name: &str) -> io::Result<Self> {
        let child = Command::new(program)
            .arg(WATCH)
            .arg(socket)
            .arg(name)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the server, which then needs it.
            .process_group(0)
            .spawn()?;
        Ok(Self(child))
    }

    /// Ends the process. The container is gone.
    pub(super) async fn dismiss(mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // Should it not hear, it removes what is not there.
            let _heard = pipe.write_all(DISMISSED).await;
        }
        let _ended = self.0.wait().await;
    }
}

/// Runs the process when `args`, the whole command line, asks for it.
#[must_use]
pub(in crate::adapters::sandbox) fn run(
    args: impl IntoIterator<Item = OsString>,
) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != WATCH {
        return None;
    }
    let (Some(socket), Some(name)) = (args.next(), args.next()) else {
        return Some(ExitCode::FAILURE);
    };
    let mut heard = Vec::new();
    let dismissed = io::stdin().read_to_end(&mut heard).is_ok() && heard == DISMISSED;
    if dismissed || remove(Path::new(&socket), &name.to_string_lossy()) {
        return Some(ExitCode::SUCCESS);
    }
    Some(ExitCode::FAILURE)
}

/// Removes the container, again and again until it was there once. Returns whether it was.
fn remove(socket: &Path, name: &str) -> bool {
    for _ in 0..TRIES {
        if matches!(ask(socket, name), Ok(200 | 204)) {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

/// Asks the engine to kill and remove the container, and returns the status of its answer.
///
/// By hand: this process must cost nothing while it waits, and holds no runtime.
fn ask(socket: &Path, name: &str) -> io::Result<u16> {
    let mut line = UnixStream::connect(socket)?;
    line.set_read_timeout(Some(CALL))?;
    line.set_write_timeout(Some(CALL))?;
    let request = format!(
        "DELETE /containers/{name}?force=true&v=true HTTP/1.1\r\nHost: engine\r\n\
         Connection: close\r\n\r\n"
    );
    line.write_all(request.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(line.take(1024)).read_line(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    status.ok_or_else(|| io::Error::other("no status"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_its_own_name_is_answered() {
        for words in [&["prova"][..], &["prova", "serve"]] {
            assert!(run(words.iter().map(OsString::from)).is_none(), "{words:?}");
        }
    }

    #[test]
    fn it_tries_until_the_container_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in ["404 Not Found", "500 Busy", "204 No Content"] {
                let (mut line, _) = listener.accept().unwrap();
                let mut first = String::new();
                let mut reader = BufReader::new(line.try_clone().unwrap());
                reader.read_line(&mut first).unwrap();
                asked.push(first);
                write!(line, "HTTP/1.1 {answer}\r\n\r\n").unwrap();
            }
            asked
        });
        assert!(remove(&socket, "prova-1"));
        let asked = engine.join().unwrap();
        let expected = "DELETE /containers/prova-1?force=true&v=true HTTP/1.1\r\n";
        assert_eq!(asked, [expected; 3]);
    }
}
