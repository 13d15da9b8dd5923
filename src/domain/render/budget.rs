//! What work on a thread may cost, and has cost.

use std::fmt::Write as _;

use crate::domain::budget::{Cap, Scope};
use crate::domain::money::Usd;

/// Returns the answer to whoever asks what may be spent, or has set it.
#[must_use]
pub fn budget(caps: &[Cap], set: Option<Usd>) -> String {
    let mut out = set.map_or_else(String::new, |limit| {
        format!("The model calls of this task may cost **${limit}** in all from now on. What runs already keeps the limit that it began with.\n\n")
    });
    out.push_str("| model calls | spent | may cost |\n| --- | --- | --- |\n");
    for cap in caps {
        let what = match &cap.scope {
            Scope::Job(_) => "the next job",
            Scope::Task(_) => "this task",
            Scope::Repository(_, _) => "this repository, today",
            Scope::Person(_, _) => "for you, today",
            // What others spend elsewhere is the operator's to know.
            Scope::Server(_) => continue,
        };
        let _ = writeln!(out, "| {what} | ${} | ${} |", cap.spent, cap.most);
    }
    out.push_str("\nDays are UTC days. The server's settings and `.github/prova.toml` say what may be spent.");
    out
}
