//! Logs on standard error: lines for people on a terminal, JSON otherwise when asked.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging at `level` unless `PROVA_LOG` says otherwise (`info`, `prova=debug`, …);
/// `PROVA_LOG_FORMAT=json` gives one JSON object a line.
pub fn start(level: &str) {
    let filter = EnvFilter::try_from_env("PROVA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let json = std::env::var_os("PROVA_LOG_FORMAT").is_some_and(|format| format == "json");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // Something else may have started logging already; then that one stays.
    let _ = if json {
        builder.json().finish().try_init()
    } else {
        builder.finish().try_init()
    };
}
