//! The agents of `scripts/setup agents`.

use std::env;
use std::path::PathBuf;

/// Where they are, by the same rule as the script.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no settings but the environment"
)]
pub(crate) fn directory() -> PathBuf {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let default = || {
        let cache = set("XDG_CACHE_HOME").map_or_else(
            || PathBuf::from(set("HOME").unwrap()).join(".cache"),
            PathBuf::from,
        );
        cache.join("prova/agents")
    };
    let directory = set("PROVA_AGENTS_DIR").map_or_else(default, PathBuf::from);
    assert!(
        directory.join("bin/node").exists(),
        "the agents are not installed: scripts/setup agents does it, or leave these tests out with \
         `--profile without-agents`"
    );
    directory
}
