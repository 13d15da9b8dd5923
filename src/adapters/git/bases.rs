//! Bases: the trees of commits, written once and shared by every job that starts from them, as the
//! read-only layers of overlays. No job sees a base but through an overlay, so none can change one.
//!
//! ```text
//! bases/REPO/TREE-UID-GID/files      every file; or what differs from the base it lies over
//!                         git/.git   what is the same in every throw-away .git: index, settings
//!                         facts      how old the files are, their size, which base it lies over
//!                         listing    every path of the tree, as the first harvest listed it
//!                         lease      held by every job that stands on it
//! ```
//!
//! A base lies over at most one other, which is full: however often the branch moves, a job stands
//! on two layers, and when too much differs the next base is full again.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::evict::{self, Shelved};
use crate::adapters::git::layer::{self, Below, Spot};
use crate::adapters::git::lease;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::removal;
use crate::adapters::git::settle::{Settled, settle};
use crate::adapters::git::skeleton;
use crate::adapters::git::turn::Turns;
use crate::adapters::git::working::Failure;
use crate::domain::ids::RepoId;
use crate::ports::sandbox::INSIDE_OBJECTS;
use crate::ports::tree::Tree;

/// Where a base is made before it gets its name; what a crash left there is removed by the next.
const MAKING: &str = ".making";

/// All bases of this server.
#[derive(Debug)]
pub(crate) struct Bases {
    dir: PathBuf,
    turns: Turns,
}

/// Which base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which {
    /// Of which repository.
    pub(crate) repo: RepoId,
    /// The tree that it has.
    pub(crate) tree: ObjectId,
    /// User and group id of its files, when they differ from the server's.
    pub(crate) owner: Option<(u32, u32)>,
}

impl Which {
    fn name(self) -> String {
        format!("{}{}", self.tree, suffix(self.owner))
    }
}

/// Returns what tells apart what belongs to different owners.
pub(crate) fn suffix(owner: Option<(u32, u32)>) -> String {
    owner.map_or_else(String::new, |(user, group)| format!("-{user}-{group}"))
}

/// A base that stays for as long as this is held.
#[derive(Debug)]
pub(crate) struct Stand {
    /// The layers of its files, the lowest first.
    pub(crate) lower: Vec<PathBuf>,
    /// The layer of its `.git`, to be laid over them.
    pub(crate) git: PathBuf,
    /// The base that has every file.
    pub(crate) full: Full,
    /// What keeps it.
    pub(crate) leases: Vec<OwnedFd>,
}

/// A base that has every file.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    /// Its tree.
    pub(crate) tree: ObjectId,
    /// Its index.
    pub(crate) index: PathBuf,
}

impl Full {
    /// Returns it as something to lie over.
    pub(crate) fn below(&self) -> Below<'_> {
        Below {
            tree: self.tree,
            index: &self.index,
        }
    }
}

impl Bases {
    /// Keeps bases below `dir`, which need not exist yet.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            turns: Turns::new(dir.clone()),
            dir,
        }
    }

    fn repository(&self, repo: RepoId) -> PathBuf {
        self.dir.join(repo.to_string())
    }

    /// Returns a base, which is made from `mirror` when there is none.
    pub(crate) async fn stand(&self, mirror: &Path, which: Which) -> Result<Stand, Failure> {
        if let Some(stand) = self.find(which).await? {
            return Ok(stand);
        }
        let turn = self.turns.take(which.repo).await?;
        // Whoever had the turn before may have made it.
        if let Some(stand) = self.find(which).await? {
            return Ok(stand);
        }
        self.make(mirror, which).await?;
        drop(turn);
        let gone = || io::Error::other("a base was removed as soon as it was made");
        Ok(self.find(which).await?.ok_or_else(gone)?)
    }

    async fn find(&self, which: Which) -> io::Result<Option<Stand>> {
        let repository = self.repository(which.repo);
        blocking(move || open(&repository, &which.name())).await
    }

    /// Returns the newest base that has every file, to lie over.
    pub(crate) async fn newest_full(
        &self,
        repo: RepoId,
        owner: Option<(u32, u32)>,
    ) -> io::Result<Option<Stand>> {
        let repository = self.repository(repo);
        blocking(move || newest_full(&repository, &suffix(owner))).await
    }

    /// Lists what can be taken away of a repository's. Nobody makes one meanwhile.
    pub(crate) async fn shelf(&self, repo: RepoId) -> io::Result<Vec<Shelved>> {
        let _turn = self.turns.take(repo).await?;
        let repository = self.repository(repo);
        blocking(move || {
            let dirs = evict::shelf(&repository)?;
            dirs.into_iter().map(shelved).collect()
        })
        .await
    }

    /// Lists the repositories that have bases.
    pub(crate) fn repositories(&self) -> io::Result<Vec<RepoId>> {
        let dirs = evict::shelf(&self.dir)?;
        let names = dirs.iter().filter_map(|dir| dir.file_name()?.to_str());
        Ok(names
            .filter_map(|name| name.parse().ok().map(RepoId))
            .collect())
    }

    async fn make(&self, mirror: &Path, which: Which) -> Result<(), Failure> {
        let repository = self.repository(which.repo);
        let making = repository.join(MAKING);
        let (files, git) = (making.join("files"), making.join("git"));
        let index = git.join(".git/index");
        let (place, inside) = (making.clone(), git.clone());
        blocking(move || {
            removal::remove_tree(&place)?;
            fs::create_dir_all(place.join("files"))?;
            skeleton::throw_away_common(&inside.join(".git"), Path::new(INSIDE_OBJECTS))?;
            lease::prepare(&place)
        })
        .await?;
        let spot = Spot {
            files: &files,
            index: &index,
        };
        let below = self.newest_full(which.repo, which.owner).await?;
        let over = match &below {
            Some(below) => {
                let below = below.full.below();
                let written = layer::write_difference(mirror, below, which.tree, spot).await?;
                written.then_some(below.tree)
            }
            None => None,
        };
        if over.is_none() {
            layer::write_full(mirror, which.tree, spot).await?;
        }
        let over = over.map(|tree| Which { tree, ..which }.name());
        blocking(move || {
            let Settled { dated, bytes } = settle(&files, which.owner, Some(&index))?;
            let bytes = bytes + fs::metadata(&index)?.len();
            settle(&git, which.owner, None)?;
            let facts = Facts { dated, bytes, over };
            fs::write(making.join(FACTS), facts.text())?;
            fs::rename(&making, repository.join(which.name()))
        })
        .await?;
        Ok(())
    }
}

fn shelved(dir: PathBuf) -> io::Result<Shelved> {
    let facts = Facts::read(&dir)?;
    Ok(Shelved {
        last: lease::last(&dir)?,
        beneath: facts.over.is_none(),
        bytes: facts.bytes,
        dir,
    })
}

/// Opens a base and what it lies over; `None` when one of them is not there.
fn open(repository: &Path, name: &str) -> io::Result<Option<Stand>> {
    let dir = repository.join(name);
    let Some(lease) = lease::take(&dir)? else {
        return Ok(None);
    };
    let mut leases = vec![lease];
    let mut lower = vec![dir.join("files")];
    let facts = Facts::read(&dir)?;
    let full = match facts.over {
        None => name.to_owned(),
        Some(over) => {
            let below = repository.join(&over);
            let Some(lease) = lease::take(&below)? else {
                return Ok(None);
            };
            leases.push(lease);
            lower.insert(0, below.join("files"));
            over
        }
    };
    let tree = full.as_bytes().get(..40).and_then(ObjectId::parse);
    let unnamed = || io::Error::other(format!("{full} is not the name of a base"));
    Ok(Some(Stand {
        lower,
        git: dir.join("git"),
        full: Full {
            tree: tree.ok_or_else(unnamed)?,
            index: repository.join(full).join("git/.git/index"),
        },
        leases,
    }))
}

fn newest_full(repository: &Path, suffix: &str) -> io::Result<Option<Stand>> {
    let mut full = Vec::new();
    for name in names(repository)? {
        let is_ours = name.get(40..) == Some(suffix);
        if let (true, Ok(facts)) = (is_ours, Facts::read(&repository.join(&name)))
            && facts.over.is_none()
        {
            full.push((facts.dated, name));
        }
    }
    full.sort();
    while let Some((_, name)) = full.pop() {
        if let Some(stand) = open(repository, &name)? {
            return Ok(Some(stand));
        }
    }
    Ok(None)
}

/// Lists the names of a repository's bases; none when there is no directory for them yet.
fn names(repository: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(repository) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns where the listing of a checkout's commit is kept: beside the base that it stands on.
pub(crate) fn listing(tree: &Tree) -> Option<PathBuf> {
    match tree {
        Tree::Plain(_) => None,
        Tree::Layered(layers) => {
            let git = layers.lower.iter().find(|layer| layer.ends_with("git"))?;
            Some(git.parent()?.join("listing"))
        }
    }
}

/// How old the files of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is a base.
    OfABase {
        /// How old its files are made, in seconds since the epoch.
        dated: i64,
        /// Whether it has every file of its tree.
        has_all: bool,
    },
    /// It was made for one job, after all that the job stands on.
    OfTheJob,
    /// It has nothing but a `.git`.
    NoFiles,
}

/// Finds out how old the files of a layer are.
pub(crate) fn age(layer: &Path) -> io::Result<Age> {
    let Some(dir) = layer.parent() else {
        return Ok(Age::OfTheJob);
    };
    if layer.ends_with("git") {
        return Ok(Age::NoFiles);
    }
    match Facts::read(dir) {
        Ok(Facts { dated, over, .. }) => Ok(Age::OfABase {
            dated,
            has_all: over.is_none(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && layer.exists() => {
            Ok(Age::OfTheJob)
        }
        Err(error) => Err(error),
    }
}

const FACTS: &str = "facts";

/// What is known of a base.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    /// How old its own files are made, in seconds since the epoch.
    dated: i64,
    /// About how much room it takes.
    bytes: u64,
    /// The base that it lies over; without one it has every file.
    over: Option<String>,
}

impl Facts {
    fn read(dir: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(dir.join(FACTS))?;
        Self::parse(&text).ok_or_else(|| {
            let said = format!("{}/{FACTS} says {text:?}", dir.display());
            io::Error::new(io::ErrorKind::InvalidData, said)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut facts = Self::default();
        for line in text.lines() {
            match line.split_once(' ')? {
                ("dated", value) => facts.dated = value.parse().ok()?,
                ("bytes", value) => facts.bytes = value.parse().ok()?,
                ("over", value) => facts.over = Some(value.to_owned()),
                (_, _) => return None,
            }
        }
        Some(facts)
    }

    fn text(&self) -> String {
        let Self { dated, bytes, over } = self;
        let over = over.as_ref();
        let over = over.map_or_else(String::new, |name| format!("over {name}\n"));
        format!("dated {dated}\nbytes {bytes}\n{over}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_are_written() {
        for over in [None, Some("a-1-2".to_owned())] {
            let facts = Facts {
                dated: -3,
                bytes: 4,
                over,
            };
            assert_eq!(Facts::parse(&facts.text()).unwrap(), facts);
        }
        assert_eq!(Facts::parse("dated x"), None);
        assert_eq!(Facts::parse("colour blue"), None);
    }
}
