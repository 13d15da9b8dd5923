//! Reading the names in a working tree that an agent wrote: what is there, without its content.

use std::rc::Rc;
use std::vec::IntoIter;

use crate::adapters::git::base::{Base, Tracked};
use crate::adapters::git::beneath::{Beneath, Standing};
use crate::adapters::git::ignored::{self, Rules};
use crate::adapters::git::names;
use crate::adapters::git::paths::join;
use crate::adapters::git::pattern::Effort;
use crate::domain::change::{HarvestLimits, Refusal, RefusalReason, RepoPath};

/// A file or link of the working tree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where.
    pub(crate) path: Vec<u8>,
    /// What: [`Standing::File`] or [`Standing::Link`].
    pub(crate) standing: Standing,
}

/// Everything that counts in a working tree.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Tracked files, and untracked ones that no rule ignores.
    pub(crate) found: Vec<Found>,
    /// What was not taken. Nothing is known of the paths at and below these.
    pub(crate) refused: Vec<Refusal>,
    /// Whether the walk ended early, so that a path that was not found may still be there.
    pub(crate) cut: bool,
}

/// Walks the working tree from its root. The top-level `.git` is not entered: it is the agent's.
pub(crate) fn list(root: &Beneath, base: &Base, limits: &HarvestLimits) -> Listing {
    let mut walk = Walk {
        base,
        limits,
        frames: Vec::new(),
        listing: Listing::default(),
        left: limits.entries,
        new_left: limits.changes,
        effort: Effort::for_a_harvest(),
    };
    match root.directory(b".") {
        Ok(dir) => walk.enter(dir, Vec::new(), false),
        Err(_) => walk.refuse(Vec::new(), RefusalReason::Unreadable),
    }
    while let Some(frame) = walk.frames.last_mut() {
        match frame.names.next() {
            Some(name) => walk.visit(&name),
            None => {
                walk.frames.pop();
            }
        }
    }
    walk.listing
}

struct Walk<'a> {
    base: &'a Base,
    limits: &'a HarvestLimits,
    /// The directories from the root to where the walk is.
    frames: Vec<Frame>,
    listing: Listing,
    /// How many more entries are taken.
    left: u64,
    /// How many more paths are taken that the base does not have.
    new_left: u64,
    /// How much more matching against `.gitignore` is done.
    effort: Effort,
}

struct Frame {
    dir: Rc<Beneath>,
    path: Vec<u8>,
    names: IntoIter<Vec<u8>>,
    rules: Option<Rules>,
    /// Whether the directory itself is ignored, so that only tracked files in it count.
    ignored: bool,
}

/// How much is refused one by one. Each refusal is kept and shown, and an agent can make as many
/// as it makes files.
const MOST_REFUSED: usize = 1_000;

impl Walk<'_> {
    fn refuse(&mut self, path: Vec<u8>, reason: RefusalReason) {
        if self.listing.refused.len() >= MOST_REFUSED {
            return self.cut(path);
        }
        self.note(path, reason);
    }

    fn note(&mut self, path: Vec<u8>, reason: RefusalReason) {
        self.listing.refused.push(Refusal {
            path: RepoPath::new(path),
            reason,
        });
    }

    /// Ends the walk at `path`.
    fn cut(&mut self, path: Vec<u8>) {
        self.note(path, RefusalReason::TooMany);
        self.listing.cut = true;
        self.frames.clear();
    }

    fn visit(&mut self, name: &[u8]) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        if frame.path.is_empty() && name == b".git" {
            return;
        }
        let (path, dir) = (join(&frame.path, name), Rc::clone(&frame.dir));
        if names::is_git(name) {
            return self.refuse(path, RefusalReason::NestedGit);
        }
        if self.effort.is_spent() {
            return self.cut(path);
        }
        match dir.standing(name) {
            Ok(Standing::Directory) => self.directory(&dir, path, name),
            Ok(standing) => self.entry(path, name, standing),
            Err(_) => self.refuse(path, RefusalReason::Unreadable),
        }
    }

    fn entry(&mut self, path: Vec<u8>, name: &[u8], standing: Standing) {
        match self.base.at(&path) {
            Some(Tracked::Submodule) => return self.refuse(path, RefusalReason::NestedGit),
            Some(Tracked::Blob { .. }) => {}
            None if self.is_ignored(&path, false) => return,
            None => {
                if let Some(reason) = names::refuse(&path, name) {
                    return self.refuse(path, reason);
                }
                // Every one of them is a change, and more would not be taken.
                if self.new_left == 0 {
                    return self.cut(path);
                }
                self.new_left -= 1;
            }
        }
        match standing {
            Standing::File { .. } | Standing::Link => {
                self.listing.found.push(Found { path, standing });
            }
            Standing::Special => self.refuse(path, RefusalReason::SpecialFile),
            Standing::Directory => {}
        }
    }

    fn directory(&mut self, parent: &Beneath, path: Vec<u8>, name: &[u8]) {
        if self.base.at(&path) == Some(&Tracked::Submodule) {
            // An empty directory is how a submodule is checked out; anything in it is not ours.
            return match parent.directory(name).and_then(|dir| dir.names(1)) {
                Ok((names, _)) if names.is_empty() => {}
                Ok(_) => self.refuse(path, RefusalReason::NestedGit),
                Err(_) => self.refuse(path, RefusalReason::Unreadable),
            };
        }
        let ignored = self.is_ignored(&path, true);
        if !self.base.has_below(&path) {
            if ignored {
                return;
            }
            if let Some(reason) = names::refuse(&path, name) {
                return self.refuse(path, reason);
            }
        }
        if self.frames.len() >= usize::try_from(self.limits.depth).unwrap_or(usize::MAX) {
            return self.refuse(path, RefusalReason::TooDeep);
        }
        match parent.directory(name) {
            Ok(dir) => self.enter(dir, path, ignored),
            Err(_) => self.refuse(path, RefusalReason::Unreadable),
        }
    }

    fn enter(&mut self, dir: Beneath, path: Vec<u8>, ignored: bool) {
        let Ok((names, more)) = dir.names(self.left) else {
            return self.refuse(path, RefusalReason::Unreadable);
        };
        if more {
            return self.cut(path);
        }
        self.left = self
            .left
            .saturating_sub(u64::try_from(names.len()).unwrap_or(u64::MAX));
        if self.is_new_repository(&path, &names) {
            return self.refuse(path, RefusalReason::NestedGit);
        }
        let rules = rules(&dir, &names);
        self.frames.push(Frame {
            dir: Rc::new(dir),
            path,
            names: names.into_iter(),
            rules,
            ignored,
        });
    }

    /// Returns whether the directory would be taken for a bare repository, whose configuration can
    /// run programs of whoever enters it.
    fn is_new_repository(&self, path: &[u8], names: &[Vec<u8>]) -> bool {
        let has = |name: &[u8]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        // In the root git finds the clone's own `.git` first.
        !path.is_empty()
            && has(b"HEAD")
            && has(b"objects")
            && has(b"refs")
            && self.base.at(&join(path, b"HEAD")).is_none()
    }

    fn is_ignored(&mut self, path: &[u8], is_directory: bool) -> bool {
        if self.frames.last().is_some_and(|frame| frame.ignored) {
            return true;
        }
        let effort = &mut self.effort;
        self.frames
            .iter()
            .rev()
            .find_map(|frame| {
                let below = match frame.path.len() {
                    0 => path,
                    length => path.get(length + 1..)?,
                };
                frame.rules.as_ref()?.verdict(below, is_directory, effort)
            })
            .unwrap_or(false)
    }
}

/// Reads the `.gitignore` of a directory. One that cannot be read is refused when its turn comes.
fn rules(dir: &Beneath, names: &[Vec<u8>]) -> Option<Rules> {
    const NAME: &[u8] = b".gitignore";
    names
        .binary_search_by(|name| name.as_slice().cmp(NAME))
        .ok()?;
    match dir.standing(NAME) {
        Ok(Standing::File { bytes, .. }) if bytes <= ignored::MAX_BYTES => {
            dir.read(NAME, bytes).ok().map(|text| Rules::parse(&text))
        }
        // Git does not follow a link here either.
        Ok(Standing::File { .. } | Standing::Link | Standing::Directory | Standing::Special)
        | Err(_) => None,
    }
}
