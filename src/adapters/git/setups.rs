//! What setup commands left, kept as a layer for later jobs to stand on.
//!
//! ```text
//! setups/REPO/KEY/files    what setup made that no commit has: dependencies, build output
//!                 facts    when, over which layers, and where it made something
//!                 lease    held by every job that stands on it
//! ```
//!
//! The key is a digest of the commands, of what they run in, and of all lockfiles. A job cannot
//! poison it: it only ever sees such a layer through an overlay, and only what setup left on a
//! commit of the default branch is kept, before any agent has run there.
//!
//! Build tools compare times: output must not look newer than a source that has changed since. So a
//! layer is used again only where every file that differs from what setup has seen was written later.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::adapters::git::bases::{Age, age};
use crate::adapters::git::beneath::{Beneath, Standing};
use crate::adapters::git::evict::{self, Shelved};
use crate::adapters::git::layered;
use crate::adapters::git::lease;
use crate::adapters::git::leavings::Roots;
use crate::adapters::git::overlay::{Lower, Marks};
use crate::adapters::git::paths::join;
use crate::adapters::git::removal;
use crate::adapters::git::working::Target;
use crate::domain::ids::RepoId;
use crate::ports::tree::Layers;

/// All kept setups of this server.
#[derive(Clone, Debug)]
pub(crate) struct Setups {
    dir: PathBuf,
}

/// A layer that setup left, and what keeps it.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Its files.
    pub(crate) files: PathBuf,
    /// What keeps it; nothing for one that is the job's own.
    pub(crate) lease: Option<OwnedFd>,
}

impl Setups {
    /// Keeps setups below `dir`, which need not exist yet.
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Returns the directory of one repository's.
    pub(crate) fn repository(&self, repo: RepoId) -> PathBuf {
        self.dir.join(repo.to_string())
    }

    /// Lists what can be taken away.
    pub(crate) fn shelf(&self) -> io::Result<Vec<Shelved>> {
        let mut found = Vec::new();
        for repository in evict::shelf(&self.dir)? {
            for dir in evict::shelf(&repository)? {
                found.push(Shelved {
                    last: lease::last(&dir)?,
                    beneath: false,
                    bytes: evict::measure(&dir)?,
                    dir,
                });
            }
        }
        Ok(found)
    }

    /// Finds what setup left under `key`, if it can lie over `layers`.
    pub(crate) fn find(
        &self,
        repo: RepoId,
        key: &str,
        layers: &Layers,
    ) -> io::Result<Option<Layer>> {
        let dir = self.repository(repo).join(key);
        let Some(lease) = lease::take(&dir)? else {
            return Ok(None);
        };
        let facts = Facts::read(&dir)?;
        let marks = Marks::of(&self.dir)?;
        let fits =
            facts.roots.fit(&Lower::open(&layers.lower, marks)?)? && facts.is_current(layers)?;
        Ok(fits.then(|| Layer {
            files: dir.join("files"),
            lease: Some(lease),
        }))
    }

    /// Takes what was written to `layers`, those of the checkout `target`, for a layer of its own
    /// and returns the layers to go on with; with a key it is kept for other jobs, unless it changes
    /// what the commit has.
    pub(crate) fn settle(
        &self,
        repo_and_key: (RepoId, Option<&str>),
        layers: &Layers,
        target: &Target,
    ) -> io::Result<(Layers, Option<OwnedFd>)> {
        // The throw-away `.git` stays the job's own.
        let aside = target.dir.join("git");
        fs::rename(layers.upper.join(".git"), &aside)?;
        let kept = self.keep(repo_and_key, layers, &target.dir.join("setup"))?;
        let layers = layered::restart(layers, &kept.files, target)?;
        fs::rename(aside, layers.upper.join(".git"))?;
        Ok((layers, kept.lease))
    }

    /// Makes the upper layer a layer of its own, in the directory `own` of the job or with those of
    /// all jobs.
    fn keep(
        &self,
        (repo, key): (RepoId, Option<&str>),
        layers: &Layers,
        own: &Path,
    ) -> io::Result<Layer> {
        removal::remove_tree(own)?;
        fs::create_dir_all(own)?;
        let files = own.join("files");
        fs::rename(&layers.upper, &files)?;
        if let Some(key) = key
            && let Some(lease) = self.share((repo, key), layers, own)?
        {
            let files = self.repository(repo).join(key).join("files");
            return Ok(Layer {
                files,
                lease: Some(lease),
            });
        }
        Ok(Layer { files, lease: None })
    }

    fn share(
        &self,
        (repo, key): (RepoId, &str),
        layers: &Layers,
        own: &Path,
    ) -> io::Result<Option<OwnedFd>> {
        let repository = self.repository(repo);
        fs::create_dir_all(&repository)?;
        let lower = Lower::open(&layers.lower, Marks::of(own)?)?;
        let Some(roots) = Roots::strip(&own.join("files"), &lower)? else {
            return Ok(None);
        };
        lease::prepare(own)?;
        let facts = Facts {
            made: fs::metadata(own)?.mtime(),
            over: layers.lower.clone(),
            roots,
        };
        fs::write(own.join(FACTS), facts.text())?;
        // Held from before others can see it.
        let Some(lease) = lease::take(own)? else {
            return Ok(None);
        };
        let shared = repository.join(key);
        let old = own.with_extension("old");
        if lease::end(&shared, &old)? {
            removal::remove_tree(&old)?;
        }
        match fs::rename(own, &shared) {
            Ok(()) => Ok(Some(lease)),
            // Another job was faster, and somebody stands on its.
            Err(_) if shared.exists() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

const FACTS: &str = "facts";

/// What is known of a kept setup.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    /// When it was finished, in seconds since the epoch.
    made: i64,
    /// The layers that it was made over.
    over: Vec<PathBuf>,
    /// Where it made something.
    roots: Roots,
}

impl Facts {
    fn read(dir: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(dir.join(FACTS))?;
        Self::parse(&text).ok_or_else(|| {
            let said = format!("{}/{FACTS} cannot be read", dir.display());
            io::Error::new(io::ErrorKind::InvalidData, said)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut facts = Self::default();
        for line in text.lines() {
            match line.split_once(' ')? {
                ("made", value) => facts.made = value.parse().ok()?,
                ("over", value) => facts.over.push(value.into()),
                ("root", value) => facts.roots.0.push(hex::decode(value).ok()?),
                (_, _) => return None,
            }
        }
        Some(facts)
    }

    fn text(&self) -> String {
        let over = self.over.iter();
        let over: Vec<_> = over
            .map(|dir| format!("over {}\n", dir.display()))
            .collect();
        format!("made {}\n{}{}", self.made, over.concat(), self.roots.text())
    }

    /// Returns whether every file in which `layers` differ from those that setup has seen was
    /// written after it.
    fn is_current(&self, layers: &Layers) -> io::Result<bool> {
        let mut newer = Vec::new();
        for layer in &layers.lower {
            if self.over.contains(layer) {
                continue;
            }
            match age(layer)? {
                Age::OfABase { dated, .. } if dated <= self.made => return Ok(false),
                Age::OfABase { has_all: true, .. } => return Ok(true),
                Age::OfABase { .. } | Age::OfTheJob => newer.push(layer.as_path()),
                Age::NoFiles => {}
            }
        }
        // What setup has seen in a layer that is not there any more must be in one that is newer.
        for layer in self
            .over
            .iter()
            .filter(|layer| !layers.lower.contains(layer))
        {
            match age(layer) {
                Ok(Age::NoFiles) => {}
                Ok(Age::OfABase { has_all: false, .. }) if has_all_of(&newer, layer)? => {}
                // Or the layer is gone, and nobody knows what was in it.
                Ok(Age::OfABase { .. } | Age::OfTheJob) | Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Returns whether one of `layers` has something at every path at which `layer` has.
fn has_all_of(layers: &[&Path], layer: &Path) -> io::Result<bool> {
    let layers = layers.iter().map(|dir| Beneath::open(dir));
    let layers = layers.collect::<io::Result<Vec<_>>>()?;
    let root = Beneath::open(layer)?;
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let opened;
        let here = if path.is_empty() {
            &root
        } else {
            opened = root.directory(&path)?;
            &opened
        };
        for name in here.names(u64::MAX)?.0 {
            let below = join(&path, &name);
            if here.standing(&name)? == Standing::Directory {
                waiting.push(below);
            } else if !layers.iter().any(|layer| layer.is_there(&below)) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_are_written() {
        let facts = Facts {
            made: 7,
            over: vec!["/w/bases/1/a/files".into(), "/w/bases/1/b/files".into()],
            roots: Roots(vec![b"node_modules".to_vec(), b"a\nb".to_vec()]),
        };
        assert_eq!(Facts::parse(&facts.text()).unwrap(), facts);
        assert_eq!(Facts::parse("made x"), None);
    }
}
