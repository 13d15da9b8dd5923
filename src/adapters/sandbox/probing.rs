//! What the probes of the backends share: a small run, and how its output is judged.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::time::Span;
use crate::ports::sandbox::{Limits, Profile, Spec};
use crate::ports::tree::Tree;

/// Facts of a command that has no rights beyond an ordinary user's, and what is wrong without each.
pub(super) const CONFINED: [(&str, &str); 4] = [
    ("NoNewPrivs: 1", "programs inside can gain privileges"),
    (
        "CapEff: 0000000000000000",
        "the command inside has capabilities",
    ),
    (
        "CapBnd: 0000000000000000",
        "the command inside can gain capabilities",
    ),
    ("Seccomp: 2", "no filter of system calls is in force"),
];

/// Returns the run of a probe in directories below `dir`: its words, and how long it may take.
pub(super) fn spec(dir: &Path, words: &[&str], wall: Span) -> Spec {
    Spec {
        command: words.iter().copied().map(str::to_owned).collect(),
        env: BTreeMap::new(),
        tree: Tree::Plain(dir.join("checkout")),
        hide: Vec::new(),
        input: None,
        output: None,
        objects: None,
        home: None,
        own: None,
        log: dir.join("log"),
        profile: Profile::default(),
        limits: Limits {
            wall,
            output_bytes: 16 * 1024,
            file_bytes: 1024 * 1024,
            processes: 64,
            memory_bytes: 256 * 1024 * 1024,
            milli_cpus: None,
            disk_bytes: 16 * 1024 * 1024,
        },
    }
}

/// Returns whether a line of the output is this fact.
pub(super) fn says(seen: &str, fact: &str) -> bool {
    seen.lines().any(|line| line == fact)
}

/// Holds that a script came to its end; what it printed says nothing otherwise.
pub(super) fn ended(seen: &str) -> Result<(), String> {
    if says(seen, "end of probe") {
        return Ok(());
    }
    let shown: String = seen.trim().chars().take(500).collect();
    Err(format!(
        "the probe did not get to its end; it printed {shown:?}"
    ))
}

/// Holds that each fact was seen. The first that was not is the one that is told.
pub(super) fn all_seen(seen: &str, facts: &[(&str, &str)]) -> Result<(), String> {
    match facts.iter().find(|(fact, _)| !says(seen, fact)) {
        Some((_, wrong)) => Err((*wrong).to_owned()),
        None => Ok(()),
    }
}
