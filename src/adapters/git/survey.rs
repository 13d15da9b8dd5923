//! Comparing what a walk found with the base, by content.
//!
//! Everything that is read is bounded before it is opened: what the base has, once, and of what is
//! new no more than the limits say.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::adapters::git::base::{ATTRIBUTES, Base, Tracked};
use crate::adapters::git::beneath::{Beneath, Standing};
use crate::adapters::git::links;
use crate::adapters::git::names::{self, Special};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::paths::last;
use crate::adapters::git::spool::Spool;
use crate::adapters::git::walk::{self, Listing};
use crate::domain::change::{HarvestLimits, Mode, Refusal, RefusalReason, RepoPath};

/// What a survey found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Every path that was found and differs, or may differ once it is converted.
    pub(crate) differing: Vec<Differing>,
    /// Every path that was found, sorted.
    pub(crate) present: Vec<Vec<u8>>,
    /// What was not taken.
    pub(crate) refused: Vec<Refusal>,
    /// Whether a path that was not found may still be there.
    pub(crate) cut: bool,
}

/// A path whose content or mode differs from the base.
#[derive(Debug)]
pub(crate) struct Differing {
    /// Where.
    pub(crate) path: Vec<u8>,
    /// Its mode now.
    pub(crate) mode: Mode,
    /// Its size in the working tree.
    pub(crate) bytes: u64,
    /// Its content.
    pub(crate) content: Content,
}

/// Where the content of a differing path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// It is the base's; only the mode differs.
    Same(ObjectId),
    /// In the spool, under this number.
    Kept(usize),
    /// On the spool's desk, to be converted.
    OnDesk,
}

/// Surveys the working tree in `dir` and spools what differs. An error is one of the server's own
/// files; whatever is wrong with the agent's becomes a refusal.
pub(crate) fn survey(
    dir: &Path,
    base: &Base,
    limits: &HarvestLimits,
    spool: &Spool,
) -> io::Result<Survey> {
    let root = Beneath::open(dir)?;
    let Listing {
        found,
        refused,
        cut,
    } = walk::list(&root, base, limits);
    let old_links = (base.iter())
        .filter(|(_, tracked)| tracked.is_link())
        .map(|(path, _)| links::spelling(path))
        .collect();
    let mut surveyor = Surveyor {
        root,
        base,
        limits,
        spool,
        left: limits.total_bytes,
        kept: 0,
        old_links,
        survey: Survey {
            refused,
            cut,
            ..Survey::default()
        },
    };
    let most = usize::try_from(limits.changes).unwrap_or(usize::MAX);
    for found in found {
        if surveyor.certain() > most {
            surveyor.refuse(&found.path, RefusalReason::TooMany);
            surveyor.survey.cut = true;
            break;
        }
        match found.standing {
            Standing::File { bytes, executable } => {
                surveyor.file(&found.path, bytes, executable)?;
            }
            Standing::Link => surveyor.link(&found.path)?,
            Standing::Directory | Standing::Special => {}
        }
        surveyor.survey.present.push(found.path);
    }
    let mut survey = surveyor.survey;
    survey.present.sort_unstable();
    Ok(survey)
}

struct Surveyor<'a> {
    root: Beneath,
    base: &'a Base,
    limits: &'a HarvestLimits,
    spool: &'a Spool,
    /// How many more bytes of new content are taken.
    left: u64,
    /// How many contents the spool keeps by number.
    kept: usize,
    /// Links that were there before, as [`links::spelling`] writes them.
    old_links: HashSet<String>,
    survey: Survey,
}

impl Surveyor<'_> {
    fn refuse(&mut self, path: &[u8], reason: RefusalReason) {
        self.survey.refused.push(Refusal {
            path: RepoPath::new(path),
            reason,
        });
    }

    /// Counts the paths that differ for certain: those on the desk may turn out to be the base's.
    fn certain(&self) -> usize {
        self.kept
    }

    fn file(&mut self, path: &[u8], bytes: u64, executable: bool) -> io::Result<()> {
        let mode = if executable {
            Mode::Executable
        } else {
            Mode::File
        };
        let before = match self.base.at(path) {
            Some(&Tracked::Blob {
                mode: was,
                id,
                bytes,
            }) if was != Mode::Link => Some((was, id, bytes)),
            Some(Tracked::Blob { .. } | Tracked::Submodule) | None => None,
        };
        if let Some((was, id, size)) = before
            && size == bytes
        {
            match self.root.blob_id(path, bytes) {
                Ok(now) if now == id && was == mode => return Ok(()),
                Ok(now) if now == id => {
                    self.differing(path, mode, bytes, Content::Same(id));
                    return Ok(());
                }
                Ok(_) => {}
                Err(_) => {
                    self.refuse(path, RefusalReason::Unreadable);
                    return Ok(());
                }
            }
        }
        self.changed_file(path, bytes, mode, before.map_or(0, |(_, _, bytes)| bytes))
    }

    fn changed_file(
        &mut self,
        path: &[u8],
        bytes: u64,
        mode: Mode,
        bytes_before: u64,
    ) -> io::Result<()> {
        if std::str::from_utf8(path).is_err() {
            self.refuse(path, RefusalReason::NotUtf8);
            return Ok(());
        }
        let on_desk = self.base.has_attributes && last(path) != ATTRIBUTES;
        // What git converted at checkout is larger than its blob, at most twice, and no change.
        let free = if on_desk {
            bytes_before.saturating_mul(2)
        } else {
            0
        };
        let counted = bytes.saturating_sub(free);
        if counted > self.left || bytes > self.limits.file_bytes.max(free) {
            self.refuse(path, RefusalReason::TooLarge);
            return Ok(());
        }
        let Ok(content) = self.root.read(path, bytes) else {
            self.refuse(path, RefusalReason::Unreadable);
            return Ok(());
        };
        self.left -= counted;
        let content = if on_desk {
            match self.spool.put(path, &content, mode == Mode::Executable) {
                Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                    self.refuse(path, RefusalReason::HostileName);
                    return Ok(());
                }
                put => put?,
            }
            Content::OnDesk
        } else {
            self.keep(&content)?
        };
        self.differing(path, mode, bytes, content);
        Ok(())
    }

    fn link(&mut self, path: &[u8]) -> io::Result<()> {
        let Ok(target) = self.root.link_target(path) else {
            self.refuse(path, RefusalReason::Unreadable);
            return Ok(());
        };
        if let Some(Tracked::Blob {
            mode: Mode::Link,
            id,
            ..
        }) = self.base.at(path)
            && *id == ObjectId::of_blob(&target)
        {
            return Ok(());
        }
        let reason = match names::special(last(path)) {
            _ if std::str::from_utf8(path).is_err() => Some(RefusalReason::NotUtf8),
            Some(Special::Modules) => Some(RefusalReason::HostileModules),
            Some(Special::Attributes | Special::Other) => Some(RefusalReason::HostileName),
            None if links::stays_inside(path, &target, |path| self.is_old_link(path)) => None,
            None => Some(RefusalReason::EscapingLink),
        };
        if let Some(reason) = reason {
            self.refuse(path, reason);
            return Ok(());
        }
        let content = self.keep(&target)?;
        let bytes = u64::try_from(target.len()).unwrap_or(u64::MAX);
        self.differing(path, Mode::Link, bytes, content);
        Ok(())
    }

    /// Returns whether the base has a link there, by any name that some system takes for this one.
    fn is_old_link(&self, path: &[u8]) -> bool {
        self.old_links.contains(&links::spelling(path))
    }

    fn keep(&mut self, content: &[u8]) -> io::Result<Content> {
        let number = self.kept;
        self.spool.keep(number, content)?;
        self.kept += 1;
        Ok(Content::Kept(number))
    }

    fn differing(&mut self, path: &[u8], mode: Mode, bytes: u64, content: Content) {
        self.survey.differing.push(Differing {
            path: path.to_vec(),
            mode,
            bytes,
            content,
        });
    }
}
