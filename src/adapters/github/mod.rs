//! GitHub over its REST API, and its webhooks. octocrab is used here and nowhere else.
//!
//! octocrab carries requests and nothing more: its token cache, its retries, its redirects and its
//! payload types each break one of our promises (`tests/github` holds one test per trap). Nothing
//! in this room tries again on its own, with two exceptions that cannot repeat a write: a request that
//! was refused for its token, and one that was sent to a repository's old name. Nothing waits but for a
//! moment at the `gate`, which keeps every request within GitHub's limits.

mod allowance;
mod answer;
mod app;
mod app_key;
mod association;
mod census;
mod checks;
mod client;
mod commits;
mod conversations;
mod date;
mod failure;
mod gate;
mod graphql;
mod hooks;
mod known;
mod manifest;
mod outgoing;
mod pulls;
mod repositories;
mod request;
mod reviews;
mod settings;
mod threads;
mod tokens;
mod transport;
mod webhook;

pub use app_key::install_crypto;
pub use client::Client;
pub use manifest::{EVENTS, OPTIONAL, PERMISSIONS};
pub use settings::{InvalidSettings, Settings};
pub use webhook::Webhooks;

/// Returns at most `chars` characters of a foreign text, on one line.
fn bounded(text: &str, chars: usize) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(chars + 1)
        .collect();
    if let Some((cut, _)) = shown.char_indices().nth(chars) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}
