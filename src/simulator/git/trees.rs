//! Trees: reading, flattening, editing and comparing them.

use std::collections::BTreeMap;
use std::io;

use crate::simulator::git::history::Commit;
use crate::simulator::git::objects::{Kind, Objects};

/// The mode of a directory as git writes it (the API says `040000`).
const DIRECTORY: &str = "40000";

/// One entry of a tree object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As git writes it: `100644`, `100755`, `120000`, `160000` or `40000`.
    pub(crate) mode: String,
    pub(crate) sha: String,
}

impl Entry {
    pub(crate) fn new(mode: &str, sha: &str) -> Self {
        Self {
            mode: mode.trim_start_matches('0').to_owned(),
            sha: sha.to_owned(),
        }
    }

    pub(crate) fn is_tree(&self) -> bool {
        self.mode == DIRECTORY
    }

    /// The mode with six digits, as the API writes it.
    pub(crate) fn api_mode(&self) -> String {
        format!("{:0>6}", self.mode)
    }

    /// The kind of object it points to, as the API writes it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.mode.as_str() {
            DIRECTORY => "tree",
            "160000" => "commit",
            _ => "blob",
        }
    }
}

/// Entries by name. Names are bytes in git; a name that is no UTF-8 keeps its bytes only on disk and
/// is shown with replacement characters, as in GitHub's JSON.
pub(crate) type Tree = BTreeMap<String, Entry>;

/// What one path of a tree becomes.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Put(Entry),
    Delete,
}

/// One path in which two trees differ.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) before: Option<Entry>,
    pub(crate) after: Option<Entry>,
}

/// Why an edit could not be applied.
#[derive(Debug)]
pub(crate) enum EditError {
    Io(io::Error),
    /// A path to delete that is not there.
    Missing(String),
}

impl From<io::Error> for EditError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Objects {
    /// Reads one tree; an unknown id reads as `None`.
    pub(crate) fn tree(&self, sha: &str) -> io::Result<Option<Tree>> {
        Ok(self.read_as(sha, Kind::Tree)?.map(|data| parse(&data)))
    }

    /// Writes one tree.
    pub(crate) fn write_tree(&self, tree: &Tree) -> io::Result<String> {
        let mut entries: Vec<_> = tree.iter().collect();
        // Git sorts a directory as if its name ended in a slash.
        entries.sort_by_key(|(name, entry)| {
            let slash = if entry.is_tree() { "/" } else { "" };
            format!("{name}{slash}").into_bytes()
        });
        let mut data = Vec::new();
        for (name, entry) in entries {
            data.extend_from_slice(format!("{} {name}\0", entry.mode).as_bytes());
            data.extend_from_slice(&hex::decode(&entry.sha).unwrap_or_default());
        }
        self.write(Kind::Tree, &data)
    }

    /// Finds what is at a path; the empty path is the tree itself.
    pub(crate) fn entry_at(&self, tree: &str, path: &str) -> io::Result<Option<Entry>> {
        let mut found = Entry::new(DIRECTORY, tree);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let entries = self.tree(&found.sha)?.unwrap_or_default();
            match entries.get(name) {
                Some(entry) => found = entry.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Lists a tree; with `recursive`, also everything below, trees included as GitHub does.
    pub(crate) fn list(&self, tree: &str, recursive: bool) -> io::Result<Vec<(String, Entry)>> {
        let mut listed = Vec::new();
        self.list_below(tree, "", recursive, &mut listed)?;
        Ok(listed)
    }

    fn list_below(
        &self,
        tree: &str,
        above: &str,
        recursive: bool,
        listed: &mut Vec<(String, Entry)>,
    ) -> io::Result<()> {
        for (name, entry) in self.tree(tree)?.unwrap_or_default() {
            let path = format!("{above}{name}");
            listed.push((path.clone(), entry.clone()));
            if recursive && entry.is_tree() {
                self.list_below(&entry.sha, &format!("{path}/"), recursive, listed)?;
            }
        }
        Ok(())
    }

    /// Files only, by path.
    pub(crate) fn files(&self, tree: &str) -> io::Result<BTreeMap<String, Entry>> {
        let listed = self.list(tree, true)?;
        Ok(listed
            .into_iter()
            .filter(|(_, entry)| !entry.is_tree())
            .collect())
    }

    /// Applies edits to a tree (or to the empty one) and writes what comes out.
    ///
    /// Deletions come first, so that a directory whose files are deleted can become a file.
    pub(crate) fn edit_tree(
        &self,
        base: Option<&str>,
        edits: &[(String, Edit)],
    ) -> Result<String, EditError> {
        let (deletions, puts): (Vec<_>, Vec<_>) = edits
            .iter()
            .map(|(path, edit)| (path.as_str(), edit))
            .partition(|(_, edit)| matches!(edit, Edit::Delete));
        let mut tree = base.map(str::to_owned);
        for edits in [deletions, puts] {
            if !edits.is_empty() {
                tree = self.edit_level(tree.as_deref(), &edits)?;
            }
        }
        match tree {
            Some(sha) => Ok(sha),
            None => Ok(self.write_tree(&Tree::new())?),
        }
    }

    /// One directory of `edit_tree`; `None` when nothing is left in it, since git has no empty
    /// directories.
    fn edit_level(
        &self,
        base: Option<&str>,
        edits: &[(&str, &Edit)],
    ) -> Result<Option<String>, EditError> {
        let mut tree = match base {
            Some(sha) => self.tree(sha)?.unwrap_or_default(),
            None => Tree::new(),
        };
        let mut below: BTreeMap<&str, Vec<(&str, &Edit)>> = BTreeMap::new();
        for (path, edit) in edits {
            match (path.split_once('/'), edit) {
                (Some((name, rest)), _) => below.entry(name).or_default().push((rest, edit)),
                (None, Edit::Put(entry)) => {
                    tree.insert((*path).to_owned(), entry.clone());
                }
                (None, Edit::Delete) => {
                    tree.remove(*path)
                        .ok_or_else(|| EditError::Missing((*path).to_owned()))?;
                }
            }
        }
        for (name, edits) in below {
            let existing = tree.get(name).filter(|entry| entry.is_tree()).cloned();
            let sha = self.edit_level(existing.as_ref().map(|entry| entry.sha.as_str()), &edits)?;
            match sha {
                Some(sha) => tree.insert(name.to_owned(), Entry::new(DIRECTORY, &sha)),
                None => tree.remove(name),
            };
        }
        if tree.is_empty() {
            Ok(None)
        } else {
            Ok(Some(self.write_tree(&tree)?))
        }
    }

    /// What a commit changes against its first parent, as [`changes`](Self::changes).
    pub(crate) fn changes_of(&self, commit: &Commit) -> io::Result<Vec<Change>> {
        let before = match commit.parents.first() {
            Some(parent) => self.commit(parent)?.map(|parent| parent.tree),
            None => None,
        };
        self.changes(before.as_deref(), &commit.tree)
    }

    /// Compares two trees file by file, in path order, without rename detection.
    pub(crate) fn changes(&self, before: Option<&str>, after: &str) -> io::Result<Vec<Change>> {
        if before == Some(after) {
            return Ok(Vec::new());
        }
        let old = before.map_or_else(|| Ok(BTreeMap::new()), |sha| self.files(sha))?;
        let mut new = self.files(after)?;
        let mut changes = Vec::new();
        for (path, before) in old {
            let after = new.remove(&path);
            if after.as_ref() != Some(&before) {
                changes.push(Change {
                    path,
                    before: Some(before),
                    after,
                });
            }
        }
        let added = new.into_iter();
        changes.extend(added.map(|(path, after)| Change {
            path,
            before: None,
            after: Some(after),
        }));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }
}

fn parse(data: &[u8]) -> Tree {
    let mut tree = Tree::new();
    let mut rest = data;
    while let Some(nul) = rest.iter().position(|byte| *byte == 0) {
        let (head, tail) = rest.split_at(nul);
        let head = String::from_utf8_lossy(head);
        let (Some((mode, name)), Some((id, next))) = (
            head.split_once(' '),
            tail.get(1..).and_then(|tail| tail.split_at_checked(20)),
        ) else {
            break;
        };
        tree.insert(name.to_owned(), Entry::new(mode, &hex::encode(id)));
        rest = next;
    }
    tree
}
