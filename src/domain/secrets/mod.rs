//! Secrets in a change. A commit that has been pushed has been read: who takes a secret back after
//! that can only revoke it. So a change that adds one is not published at all.
//!
//! What counts: a secret that this server holds, in any form; what has the shape of one, whole
//! (`redact::shapes`); and a value that looks random and is called a password, key or token
//! (`assigned`). What the base already says is no news, wherever in the change it stands, and
//! placeholders are none (`doubt`). Nothing in the change itself can switch the scan off.

mod assigned;
mod doubt;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::domain::change::RepoPath;
use crate::domain::policy::Policy;
use crate::domain::redact::{Redactor, shapes};
use crate::domain::secrets::assigned::assigned;
use crate::domain::secrets::doubt::is_placeholder;

/// The most that is told of one change.
pub const MAX_LEAKS: usize = 100;

/// Bytes of a file in which values are judged by their names; what has a shape is found anywhere.
const MAX_NAMED: usize = 1024 * 1024;

const HELD: &str = "a secret of the server that Prova runs on";

/// Where a change says a secret, and what it is. Never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// In which file.
    pub path: RepoPath,
    /// In which line, from 1; `None` when the name of the file says it.
    pub line: Option<usize>,
    /// What it is, with its article.
    pub what: String,
}

/// A secret found in a text. Has no `Debug`: it holds the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Suspect {
    value: Vec<u8>,
    /// In which line, from 1.
    line: usize,
    what: &'static str,
}

/// Finds what a text says of secrets, ordered by line.
///
/// `live` is what the server holds. In a binary file only shapes are looked for; zero bytes are
/// passed over, as in UTF-16. Takes time linear in the text.
#[must_use]
pub fn suspects(content: &[u8], live: &Redactor) -> Vec<Suspect> {
    let binary = content.contains(&0);
    let dense: Vec<u8> = match binary {
        true => content.iter().copied().filter(|byte| *byte != 0).collect(),
        false => Vec::new(),
    };
    let bytes = if binary { &dense } else { content };
    let text = String::from_utf8_lossy(bytes);
    let whole = shapes::find(&text).into_iter().filter(|hit| hit.whole);
    let mut found: Vec<_> = whole
        .map(|hit| (hit.range, hit.what))
        .filter(|(range, _)| {
            text.get(range.clone())
                .is_some_and(|value| !is_placeholder(value))
        })
        .collect();
    if !binary {
        let named = text
            .get(..text.floor_char_boundary(MAX_NAMED))
            .unwrap_or(&text);
        found.extend(assigned(named));
    }
    // Not judged: whatever it looks like, it is one.
    found.extend(
        live.held(text.as_bytes())
            .into_iter()
            .map(|range| (range, HELD)),
    );
    found.sort_by_key(|(range, what)| (range.start, *what != HELD, std::cmp::Reverse(range.end)));
    let mut told: Vec<Suspect> = Vec::new();
    let (mut line, mut counted, mut covered) = (1, 0, 0);
    for (range, what) in found {
        // Of several kinds that one value may be, the first.
        if range.start < covered {
            continue;
        }
        covered = range.end;
        let between = text
            .as_bytes()
            .get(counted..range.start)
            .unwrap_or_default();
        line += between.iter().filter(|byte| **byte == b'\n').count();
        counted = range.start;
        let value = text.as_bytes().get(range).unwrap_or_default().to_vec();
        told.push(Suspect { value, line, what });
    }
    told
}

/// Returns whether a file's secrets may be published, as policy says. Those of the server never may.
#[must_use]
pub fn is_allowed(path: &RepoPath, suspect: &Suspect, policy: &Policy) -> bool {
    suspect.what != HELD && policy.secrets.allow.matches(path.as_bytes()).is_some()
}

/// Returns where a changed file says secrets that are news: `known` is what the base says, in this
/// file or in one that the change takes away.
#[must_use]
pub fn leaks(path: &RepoPath, found: &[Suspect], known: &[Suspect]) -> Vec<Leak> {
    let known: HashSet<&[u8]> = known
        .iter()
        .map(|suspect| suspect.value.as_slice())
        .collect();
    let news = found
        .iter()
        .filter(|suspect| !known.contains(suspect.value.as_slice()));
    news.map(|suspect| Leak {
        path: path.clone(),
        line: Some(suspect.line),
        what: suspect.what.to_owned(),
    })
    .collect()
}

/// Returns what the name of a file says of secrets. The path is kept without it.
#[must_use]
pub fn leak_in_name(path: &RepoPath, live: &Redactor) -> Option<Leak> {
    let suspect = suspects(path.as_bytes(), live).into_iter().next()?;
    let shown = live.redact(&path.to_string()).into_owned();
    Some(Leak {
        path: RepoPath::new(shown),
        line: None,
        what: suspect.what.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Put together, so that no scanner takes this file for a leak.
    fn token() -> String {
        ["ghp_", "x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi"].concat()
    }

    fn told(content: &str) -> Vec<(usize, &'static str)> {
        let found = suspects(
            content.as_bytes(),
            &Redactor::new(["the-key-of-this-server"]),
        );
        found
            .iter()
            .map(|suspect| (suspect.line, suspect.what))
            .collect()
    }

    #[test]
    fn what_a_file_says_is_told_with_its_line() {
        let text = format!("a\nkey = {}\n\nb the-key-of-this-server\n", token());
        assert_eq!(
            told(&text),
            [(2, "a GitHub personal access token"), (4, HELD)]
        );
        assert_eq!(told("nothing\nhere\n"), []);
        let key = format!(
            "x\n-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC".repeat(4)
        );
        assert_eq!(told(&key), [(2, "a private key")]);
        let url = ["postgres://app:", "q9Xv2LmZ7pRt@db.internal/app"].concat();
        assert_eq!(told(&url), [(1, "a password in a URL")]);
        assert_eq!(told("postgres://postgres:postgres@localhost/test"), []);
        assert_eq!(
            told(&["password = \"", "q9Xv2LmZ7pRt0aWs\""].concat()),
            [(1, "a value that is named like a secret")]
        );
    }

    #[test]
    fn a_key_of_the_server_is_one_in_any_form() {
        for form in [
            "dGhlLWtleS1vZi10aGlzLXNlcnZlcg",
            "7468652d6b65792d6f662d746869732d736572766572",
        ] {
            assert_eq!(told(&format!("x {form}")), [(1, HELD)]);
        }
    }

    #[test]
    fn wide_text_and_binary_files_are_read_by_shape() {
        let wide: Vec<u8> = format!("\u{feff}\n{}", token())
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let found = suspects(&wide, &Redactor::default());
        assert_eq!(
            found
                .iter()
                .map(|one| (one.line, one.what))
                .collect::<Vec<_>>(),
            [(2, "a GitHub personal access token")]
        );
        let named = ["\0password = \"", "q9Xv2LmZ7pRt0aWs\""].concat();
        assert_eq!(told(&named), []);
    }

    #[test]
    fn what_the_base_says_is_no_news() {
        let path = RepoPath::new("conf/app.ini");
        let live = Redactor::default();
        let other = ["glpat", "-x7Kq92LmZ0pRtV4sWb8N"].concat();
        let before = suspects(format!("key = {}", token()).as_bytes(), &live);
        let after = suspects(
            format!("moved\nkey: {}\nnew = {other}", token()).as_bytes(),
            &live,
        );
        let found = leaks(&path, &after, &before);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].line, found[0].what.as_str()),
            (Some(3), "a GitLab token")
        );
        assert_eq!(leaks(&path, &after, &[]).len(), 2);
    }

    #[test]
    fn a_name_can_say_one_too() {
        let live = Redactor::default();
        let path = RepoPath::new(format!("dump/{}.txt", token()));
        let leak = leak_in_name(&path, &live).unwrap();
        assert_eq!(
            (leak.path.to_string().as_str(), leak.line),
            ("dump/[redacted].txt", None)
        );
        assert_eq!(leak_in_name(&RepoPath::new("src/token.rs"), &live), None);
    }

    /// The files of this repository are as ordinary as any: nothing in them is refused.
    #[test]
    fn ordinary_files_say_none() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut waiting = vec![
            root.join("src"),
            root.join("docs"),
            root.join("Cargo.lock"),
            root.join("app.yml"),
        ];
        let mut read = 0;
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(
                    std::fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                // What the tests below `cfg(test)` make up is theirs.
                let text = text.split("#[cfg(test)]").next().unwrap();
                assert_eq!(told(text), [], "{}", path.display());
                read += 1;
            }
        }
        assert!(read > 100, "only {read} files were read");
    }

    proptest! {
        #[test]
        fn a_token_in_any_line_is_found_and_counted(
            before in "([a-z ]{0,20}\n){0,5}[a-z]{0,5}[ =\"':]",
            body in "[a-z]{6}[A-Z]{6}[0-9]{6}[a-zA-Z0-9]{18}",
            after in "([ ;\n][a-z ]{0,20}){0,3}",
        ) {
            prop_assume!(!is_placeholder(&body));
            let text = format!("{before}ghp_{body}{after}");
            let line = before.matches('\n').count() + 1;
            prop_assert_eq!(told(&text), [(line, "a GitHub personal access token")]);
        }

        #[test]
        fn any_bytes_are_read(content in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = suspects(&content, &Redactor::default());
        }
    }
}
