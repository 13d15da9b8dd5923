//! Commits and how they hang together.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::str;

use crate::simulator::git;
use crate::simulator::git::objects::{Kind, Objects};

/// A name, an address and a moment, as commits carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    /// Seconds since the epoch.
    pub(crate) seconds: i64,
}

impl Signature {
    fn line(&self) -> String {
        // Git cannot hold these characters in an identity; GitHub drops them too.
        let clean = |text: &str| text.replace(['<', '>', '\n', '\0'], "");
        format!(
            "{} <{}> {} +0000",
            clean(&self.name),
            clean(&self.email),
            self.seconds
        )
    }

    fn parse(line: &str) -> Self {
        let (name, rest) = line.split_once('<').unwrap_or((line, ""));
        let (email, moment) = rest.split_once('>').unwrap_or((rest, ""));
        let seconds = moment
            .split_whitespace()
            .next()
            .and_then(|text| text.parse().ok());
        Self {
            name: name.trim().to_owned(),
            email: email.to_owned(),
            seconds: seconds.unwrap_or(0),
        }
    }
}

/// One commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

impl Objects {
    /// Reads a commit; an unknown id, or one of another kind, reads as `None`.
    pub(crate) fn commit(&self, sha: &str) -> io::Result<Option<Commit>> {
        let data = self.read_as(sha, Kind::Commit)?;
        Ok(data.map(|data| parse(sha, &String::from_utf8_lossy(&data))))
    }

    /// Writes a commit (its `sha` is ignored) and returns it with its id.
    pub(crate) fn write_commit(&self, mut commit: Commit) -> io::Result<Commit> {
        let mut lines = vec![format!("tree {}", commit.tree)];
        lines.extend(
            commit
                .parents
                .iter()
                .map(|parent| format!("parent {parent}")),
        );
        lines.push(format!("author {}", commit.author.line()));
        lines.push(format!("committer {}", commit.committer.line()));
        let text = format!("{}\n\n{}", lines.join("\n"), commit.message);
        commit.sha = self.write(Kind::Commit, text.as_bytes())?;
        Ok(commit)
    }

    /// Everything reachable from a commit, itself first, breadth first.
    pub(crate) fn ancestors(&self, from: &str) -> io::Result<Vec<String>> {
        let mut seen = HashSet::from([from.to_owned()]);
        let mut queue = VecDeque::from([from.to_owned()]);
        let mut order = Vec::new();
        while let Some(sha) = queue.pop_front() {
            let parents = self
                .commit(&sha)?
                .map(|commit| commit.parents)
                .unwrap_or_default();
            order.push(sha);
            for parent in parents {
                if seen.insert(parent.clone()) {
                    queue.push_back(parent);
                }
            }
        }
        Ok(order)
    }

    /// Tells whether `old` is reachable from `new`, that is, whether the update fast-forwards.
    pub(crate) fn is_ancestor(&self, old: &str, new: &str) -> io::Result<bool> {
        // The usual update adds one commit on top; only others walk the history.
        if self
            .commit(new)?
            .is_some_and(|commit| commit.parents.iter().any(|p| p == old))
        {
            return Ok(true);
        }
        Ok(self.ancestors(new)?.iter().any(|sha| sha == old))
    }

    /// Commits reachable from `head` but not from `base`, oldest first.
    pub(crate) fn commits_between(&self, base: &str, head: &str) -> io::Result<Vec<Commit>> {
        let known: HashSet<String> = self.ancestors(base)?.into_iter().collect();
        let mut found = Vec::new();
        for sha in self.ancestors(head)? {
            if !known.contains(&sha) {
                found.extend(self.commit(&sha)?);
            }
        }
        found.reverse();
        Ok(found)
    }

    /// The nearest commit that both sides have.
    pub(crate) fn merge_base(&self, one: &str, other: &str) -> io::Result<Option<String>> {
        let known: HashSet<String> = self.ancestors(one)?.into_iter().collect();
        Ok(self
            .ancestors(other)?
            .into_iter()
            .find(|sha| known.contains(sha)))
    }

    /// Merges two commits into a tree; `None` when they conflict.
    pub(crate) fn merge_tree(&self, ours: &str, theirs: &str) -> io::Result<Option<String>> {
        if self.is_ancestor(ours, theirs)? {
            return Ok(self.commit(theirs)?.map(|commit| commit.tree));
        }
        let output = git::command(self.dir())
            .args(["merge-tree", "--write-tree", "--no-messages", ours, theirs])
            .output()?;
        let tree = str::from_utf8(&output.stdout)
            .unwrap_or_default()
            .lines()
            .next();
        Ok(tree.filter(|_| output.status.success()).map(str::to_owned))
    }
}

fn parse(sha: &str, text: &str) -> Commit {
    let (head, message) = text.split_once("\n\n").unwrap_or((text, ""));
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or("")
    };
    let parents = head.lines().filter_map(|line| line.strip_prefix("parent "));
    Commit {
        sha: sha.to_owned(),
        tree: field("tree").to_owned(),
        parents: parents.map(str::to_owned).collect(),
        author: Signature::parse(field("author")),
        committer: Signature::parse(field("committer")),
        message: message.to_owned(),
    }
}
