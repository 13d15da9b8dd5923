//! How a call of git failed, read from what it says.

use crate::ports::fault::{Class, Fault};

/// What kind of failure git reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The remote did not take the token.
    Denied,
    /// The remote has no such repository, or the repository no such object.
    Missing,
    /// The repository has another address now.
    Moved,
    /// The network or the remote failed, or the call took too long.
    Passing,
    /// The disk is full.
    DiskFull,
    /// The repository on disk is broken.
    Damaged,
    /// Anything else.
    Lasting,
}

/// A failed call of git.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(crate) struct Trouble {
    /// What kind it is.
    pub(crate) kind: Kind,
    /// What git said, on one line, without the token.
    pub(crate) said: String,
}

/// What git says, most telling first. It has no error codes, and `LC_ALL=C` keeps the wording.
const SIGNS: &[(Kind, &[&str])] = &[
    (
        Kind::DiskFull,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        Kind::Moved,
        &[
            "returned error: 301",
            "returned error: 302",
            "returned error: 307",
            "returned error: 308",
        ],
    ),
    (
        Kind::Denied,
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "returned error: 401",
            "returned error: 403",
        ],
    ),
    (
        Kind::Passing,
        &[
            "could not resolve host",
            "failed to connect",
            "couldn't connect",
            "connection refused",
            "connection reset",
            "connection timed out",
            "operation timed out",
            "operation too slow",
            "returned error: 429",
            "returned error: 5",
            "early eof",
            "rpc failed",
            "hung up unexpectedly",
            "empty reply from server",
            "unexpected disconnect",
            "cannot allocate memory",
            "unable to create thread",
            "out of memory",
        ],
    ),
    (
        Kind::Missing,
        &[
            "returned error: 404",
            "repository not found",
            "' not found",
            "couldn't find remote ref",
            "does not appear to be a git repository",
            "not a valid object name",
            "does not exist",
        ],
    ),
    (
        Kind::Damaged,
        &[
            "is corrupt",
            "is garbage",
            "far too short to be a packfile",
            "not a git repository",
            "unable to read",
            "error: could not read",
            "cannot read object",
            "bad object",
            "bad tree object",
            "does not point to a valid object",
            "did not send all necessary objects",
            "index file",
            "invalid sha1 pointer",
            "missing blob object",
            "inflate: data stream error",
            "unable to unpack",
            "not a tree object",
            ".lock': file exists",
        ],
    ),
];

impl Trouble {
    /// Reads the kind of failure from what git wrote to its error stream.
    pub(crate) fn read(stderr: &[u8], secrets: &[String]) -> Self {
        let mut said = String::from_utf8_lossy(stderr).into_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            said = said.replace(secret.as_str(), "[token]");
        }
        let lower = said.to_lowercase();
        let kind = SIGNS
            .iter()
            .find(|(_, signs)| signs.iter().any(|sign| lower.contains(sign)))
            .map_or(Kind::Lasting, |&(kind, _)| kind);
        Self {
            kind,
            said: one_line(&said),
        }
    }

    /// Describes a failure that git did not report itself.
    pub(crate) fn new(kind: Kind, said: impl Into<String>) -> Self {
        Self {
            kind,
            said: said.into(),
        }
    }

    /// Turns it into the port's fault.
    pub(crate) fn fault(self, doing: impl Into<String>) -> Fault {
        let said = self.said;
        match self.kind {
            Kind::Denied => Fault::new(Class::AuthLost, doing, said),
            Kind::Missing => Fault::new(Class::NotFound, doing, said),
            Kind::Moved => Fault::new(
                Class::Conflict,
                doing,
                format_args!("the repository has moved: {said}"),
            ),
            Kind::Passing => Fault::transient(doing, said),
            Kind::DiskFull => Fault::transient(
                doing,
                format_args!("the disk of the work directory is full, make room: {said}"),
            ),
            Kind::Damaged => {
                Fault::transient(doing, format_args!("the copy on disk is damaged: {said}"))
            }
            Kind::Lasting => Fault::permanent(doing, said),
        }
    }
}

impl From<std::io::Error> for Trouble {
    /// A failure of the server's own file work around a call.
    fn from(error: std::io::Error) -> Self {
        let kind = match Fault::io("", &error).class {
            Class::Transient => Kind::Passing,
            Class::RateLimited(_)
            | Class::AuthLost
            | Class::Conflict
            | Class::NotFound
            | Class::Permanent => Kind::Lasting,
        };
        Self::new(kind, error.to_string())
    }
}

/// Keeps the lines that tell most, without control characters and within 400 characters.
fn one_line(said: &str) -> String {
    let telling = |line: &&str| {
        ["fatal:", "error:", "remote:"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let told: Vec<&str> = lines.iter().copied().filter(telling).collect();
    let kept = if told.is_empty() { lines } else { told };
    let line: String = kept
        .join("; ")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(400)
        .collect();
    if line.is_empty() {
        "git failed and said nothing".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_decides_what_happens_next() {
        for (said, class) in [
            (
                "fatal: Authentication failed for 'https://github.com/o/x.git/'",
                Class::AuthLost,
            ),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 403",
                Class::AuthLost,
            ),
            (
                "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
                Class::AuthLost,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://h/' not found",
                Class::NotFound,
            ),
            ("fatal: repository 'https://h/' not found", Class::NotFound),
            (
                "error: unable to read askpass response from '/bin/false'\nfatal: could not read Username for 'https://h': terminal prompts disabled",
                Class::AuthLost,
            ),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 301",
                Class::Conflict,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                Class::Transient,
            ),
            (
                "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502",
                Class::Transient,
            ),
            (
                "fatal: write error: No space left on device",
                Class::Transient,
            ),
            (
                "error: file ./objects/pack/p.pack is far too short to be a packfile",
                Class::Transient,
            ),
            (
                "fatal: detected dubious ownership in repository at '/x'\nfatal: Could not read from remote repository.",
                Class::Permanent,
            ),
            (
                "fatal: mismatched algorithms: client sha1; server sha256",
                Class::Permanent,
            ),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
                Class::Permanent,
            ),
        ] {
            let fault = Trouble::read(said.as_bytes(), &[]).fault("fetch");
            assert_eq!(fault.class, class, "{said}");
        }
    }

    #[test]
    fn the_token_and_control_characters_are_not_shown() {
        let said = b"hint: noise\nfatal: header \x1b[31mghs_secret\x07 refused";
        let trouble = Trouble::read(said, &["ghs_secret".to_owned()]);
        assert_eq!(trouble.said, "fatal: header  [31m[token]  refused");
    }

    #[test]
    fn what_is_said_is_cut() {
        let trouble = Trouble::read("fatal: é".repeat(1_000).as_bytes(), &[]);
        assert_eq!(trouble.said.chars().count(), 400);
        assert!(!Trouble::read(b"", &[]).said.is_empty());
    }
}
