//! Logs on standard error: lines for people on a terminal, JSON otherwise when asked.

use std::io::{IsTerminal as _, Write};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::ports::live::LiveSecrets;

/// Starts logging at `level` unless `PROVA_LOG` says otherwise (`info`, `prova=debug`, …);
/// `PROVA_LOG_FORMAT=json` gives one JSON object a line. No line says what is in `live`.
pub fn start(level: &str, live: Arc<LiveSecrets>) {
    let filter = EnvFilter::try_from_env("PROVA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // It shows lines of ~/.pgpass that it cannot read.
    let filter = match "sqlx_postgres::options=off".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    let json = std::env::var_os("PROVA_LOG_FORMAT").is_some_and(|format| format == "json");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Redacted::new(std::io::stderr(), Arc::clone(&live)))
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // Something else may have started logging already; then that one stays.
    let _ = if json {
        builder.json().finish().try_init()
    } else {
        builder.finish().try_init()
    };
}

/// A writer for one event, which arrives in one piece or several and leaves in one, redacted: a
/// secret that is cut in two would be found in neither half.
struct Redacted<W: Write> {
    sink: W,
    live: Arc<LiveSecrets>,
    held: Vec<u8>,
}

impl<W: Write> Redacted<W> {
    const fn new(sink: W, live: Arc<LiveSecrets>) -> Self {
        Self {
            sink,
            live,
            held: Vec::new(),
        }
    }
}

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let text = String::from_utf8_lossy(&held);
        self.sink.write_all(self.live.redact(&text).as_bytes())?;
        self.sink.flush()
    }
}

impl<W: Write> Drop for Redacted<W> {
    fn drop(&mut self) {
        // A log that cannot be written has nobody to tell.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_in_pieces_is_redacted_whole() {
        let live = Arc::new(LiveSecrets::default());
        live.learn("the-key-of-this-server");
        let mut written = Vec::new();
        let mut event = Redacted::new(&mut written, live);
        for piece in ["a the-key-", "of-this", "-server b\n"] {
            event.write_all(piece.as_bytes()).unwrap();
        }
        drop(event);
        assert_eq!(String::from_utf8(written).unwrap(), "a [redacted] b\n");
    }

    #[test]
    fn a_log_of_the_whole_subscriber_says_no_secret() {
        let live = Arc::new(LiveSecrets::default());
        live.learn("the-key\"of-this-server");
        let path = tempfile::NamedTempFile::new().unwrap();
        for json in [false, true] {
            let (file, known) = (path.reopen().unwrap(), Arc::clone(&live));
            let writer = move || Redacted::new(file.try_clone().unwrap(), Arc::clone(&known));
            let builder = tracing_subscriber::fmt()
                .with_writer(writer)
                .with_ansi(false);
            let log = || {
                tracing::error!(
                    token = "the-key\"of-this-server",
                    "cannot use the-key\"of-this-server"
                );
            };
            if json {
                tracing::subscriber::with_default(builder.json().finish(), log);
            } else {
                tracing::subscriber::with_default(builder.finish(), log);
            }
        }
        let log = std::fs::read_to_string(path.path()).unwrap();
        assert!(log.matches("[redacted]").count() >= 2, "{log}");
        assert!(!log.contains("of-this-server"), "{log}");
    }
}
