//! The home of an agent that remembers, kept from one run for a task to the next.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::adapters::agent::handover::{Handover, make, write};
use crate::ports::agent::Request;
use crate::ports::fault::Fault;
use crate::ports::sandbox::INSIDE_INPUT;

/// Below the input: what is put into the home before the agent starts.
const HOME_FILES: &str = "home";

/// Puts files into the home, inside, where what an earlier run left in their place leads nowhere; says
/// where it is, since some agents obey that and not the directory that they are started in; then
/// becomes the agent.
const SETTLE: &str = r#"(
cd "$0" &&
find . -type d -exec sh -c '
  for d; do [ -d "$HOME/$d" ] && [ ! -L "$HOME/$d" ] || { rm -f "$HOME/$d" && mkdir "$HOME/$d"; }; done
' sh {} + &&
find . -type f -exec sh -c 'for f; do rm -rf "$HOME/$f" && cp "$f" "$HOME/$f"; done' sh {} +
) && export PWD && exec "$@""#;

/// Makes the home where there is none yet, and returns what to start so that `files`, by their path
/// there, are in it when `command` begins. What is in a home is the agent's, and not looked at.
pub(super) fn settled(
    (handover, request): (&Handover, &Request<'_>),
    owner: Option<(u32, u32)>,
    files: &BTreeMap<String, String>,
    command: Vec<String>,
) -> Result<Vec<String>, Fault> {
    make_home(request.session.home, owner)
        .map_err(|error| Fault::io("make the agent's home", &error))?;
    put(&handover.input.join(HOME_FILES), owner, files)
        .map_err(|error| Fault::io("write the agent's settings", &error))?;
    let settle = ["sh", "-c", SETTLE].map(str::to_owned);
    let from = format!("{INSIDE_INPUT}/{HOME_FILES}");
    Ok(settle.into_iter().chain([from]).chain(command).collect())
}

fn make_home(home: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if home.is_dir() {
        return Ok(());
    }
    if let Some(above) = home.parent() {
        std::fs::create_dir_all(above)?;
    }
    make(home, owner)
}

/// Writes `files` below `dir`, which nobody inside can write.
fn put(dir: &Path, owner: Option<(u32, u32)>, files: &BTreeMap<String, String>) -> io::Result<()> {
    make(dir, owner)?;
    for (path, text) in files {
        let mut at = dir.to_owned();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            at.push(part);
            if parts.peek().is_some() && !at.is_dir() {
                make(&at, owner)?;
            }
        }
        write(&at, text, owner)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_home_is_made_for_its_owner_and_then_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("task/agent");
        make_home(&home, None).unwrap();
        let mode = std::fs::metadata(&home).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(home.join("note"), "kept").unwrap();
        make_home(&home, None).unwrap();
        assert_eq!(std::fs::read(home.join("note")).unwrap(), b"kept");
    }

    #[test]
    fn files_stand_where_their_paths_say() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("home");
        let files = [
            (".config/a/settings.json", "{}"),
            (".config/b", "2"),
            ("c", "3"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        put(&at, None, &BTreeMap::from(files.clone())).unwrap();
        for (path, text) in files {
            assert_eq!(std::fs::read_to_string(at.join(path)).unwrap(), text);
        }
    }
}
