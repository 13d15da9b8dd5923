//! Real git repositories: objects and refs on disk, history read from them, and smart HTTP.

pub(crate) mod history;
pub(crate) mod objects;
pub(crate) mod refs;
pub(crate) mod smart_http;
pub(crate) mod trees;

use std::path::Path;
use std::process::{Command, Stdio};

/// A `git` that sees nothing of the machine's configuration, in the repository `dir`.
pub(crate) fn command(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("--git-dir")
        .arg(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_OBJECT_DIRECTORY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    git
}
