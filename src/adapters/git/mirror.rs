//! Bare mirrors, one a repository: what every checkout of it borrows its objects from.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapters::git::address::Address;
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::{Access, Call};
use crate::adapters::git::evict::{self, Shelved};
use crate::adapters::git::lease;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::refname;
use crate::adapters::git::removal;
use crate::adapters::git::revision::rev_parse;
use crate::adapters::git::skeleton;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::adapters::git::turn::{Turn, Turns};
use crate::domain::ids::{RepoId, ThreadNumber};
use crate::ports::checkouts::Remote;
use crate::ports::fault::{Class, Fault};

/// Stands in a mirror while a fetch runs; found before one, the last was killed on its way.
const UNDER_WAY: &str = "prova-fetching";

/// Every fetch that brings something makes a pack; this many are gathered.
const MANY_PACKS: usize = 20;

/// The other side of a fetch on this machine. It refuses repositories of other users, whose settings
/// nobody of ours can lift; the person who named the directory trusts it, whoever owns it.
const TRUSTING: &str = "--upload-pack=git -c safe.directory=* upload-pack";

/// What is wanted of a repository.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Point<'a> {
    /// The head of a branch.
    Branch(&'a str),
    /// The head of a pull request, which may come from another repository. GitHub keeps it in a
    /// reference that is in none of the branches.
    Pull(ThreadNumber),
}

impl Point<'_> {
    /// Returns the reference in the mirror; `None` for what is no name of a branch.
    fn reference(self) -> Option<String> {
        match self {
            Self::Branch(name) => refname::is_branch(name).then(|| format!("refs/heads/{name}")),
            Self::Pull(number) => Some(format!("refs/pull/{number}/head")),
        }
    }

    /// Returns what is fetched beside all branches.
    fn beside(self) -> Option<String> {
        match self {
            Self::Branch(_) => None,
            Self::Pull(_) => self.reference().map(|name| format!("+{name}:{name}")),
        }
    }

    /// Says that it is not there.
    fn missing(self) -> String {
        match self {
            Self::Branch(name) => format!("the repository has no branch {name:?}"),
            Self::Pull(number) => format!("the repository has no pull request #{number}"),
        }
    }
}

/// All mirrors of this server.
#[derive(Debug)]
pub(crate) struct Mirrors {
    dir: PathBuf,
    limit: Duration,
    turns: Turns,
}

impl Mirrors {
    pub(crate) fn new(dir: PathBuf, limit: Duration) -> Self {
        Self {
            turns: Turns::new(dir.clone()),
            dir,
            limit,
        }
    }

    /// Returns where a repository's mirror stands.
    pub(crate) fn path(&self, repo: RepoId) -> PathBuf {
        self.dir.join(format!("{repo}.git"))
    }

    /// Returns where a repository's objects stand.
    pub(crate) fn objects(&self, repo: RepoId) -> PathBuf {
        self.path(repo).join("objects")
    }

    /// Brings the mirror up to date and returns the commit of `point`. A damaged mirror is built
    /// anew, once.
    pub(crate) async fn fetch(
        &self,
        remote: &Remote,
        address: &Address,
        point: Point<'_>,
    ) -> Result<ObjectId, Fault> {
        let doing = format!("fetch {}", remote.url);
        let turn = self
            .turns
            .take(remote.repo)
            .await
            .map_err(|error| Fault::io(&doing, &error))?;
        let mirror = self.path(remote.repo);
        let found = match self.update(&mirror, remote, address, point).await {
            Err(trouble) if trouble.kind == Kind::Damaged => {
                tracing::warn!(repo.id = %remote.repo, %trouble, "mirror damaged, building it anew");
                discard(&mirror, turn)
                    .await
                    .map_err(|error| Fault::io(&doing, &error))?;
                let _turn = self
                    .turns
                    .take(remote.repo)
                    .await
                    .map_err(|error| Fault::io(&doing, &error))?;
                self.update(&mirror, remote, address, point).await
            }
            found => found,
        };
        found
            .map_err(|trouble| trouble.fault(&doing))?
            .ok_or_else(|| Fault::new(Class::NotFound, doing, point.missing()))
    }

    /// Takes a damaged mirror away, so that the next fetch builds it anew.
    pub(crate) async fn set_aside(&self, repo: RepoId) -> io::Result<()> {
        let turn = self.turns.take(repo).await?;
        discard(&self.path(repo), turn).await
    }

    /// Lists what can be taken away.
    pub(crate) async fn shelf(&self) -> io::Result<Vec<Shelved>> {
        let dir = self.dir.clone();
        blocking(move || shelf(&dir)).await
    }

    /// Takes a lease on a mirror; `None` when there is none.
    pub(crate) fn lease(&self, repo: RepoId) -> io::Result<Option<OwnedFd>> {
        lease::take(&self.path(repo))
    }

    /// Takes a mirror away unless it is in use.
    pub(crate) async fn take_away(&self, dir: PathBuf) -> io::Result<bool> {
        let name = dir.file_stem().and_then(|stem| stem.to_str());
        let Some(repo) = name.and_then(|name| name.parse().ok()) else {
            return Ok(false);
        };
        let turn = self.turns.take(RepoId(repo)).await?;
        blocking(move || {
            let gone = evict::take_away(&dir);
            drop(turn);
            gone
        })
        .await
    }

    /// Puts many small packs into few, since every lookup goes through all of them. Nothing is ever
    /// pruned: a running job may work on what the remote has dropped.
    async fn gather_packs(&self, mirror: &Path) {
        let place = mirror.to_owned();
        let packs = blocking(move || count_packs(&place)).await;
        if packs.is_ok_and(|packs| packs < MANY_PACKS) {
            return;
        }
        let mut repack = Call::new(mirror, ["repack", "-d", "-q", "--geometric=2"]);
        repack.limit = self.limit;
        if let Err(trouble) = process::run(&repack).await {
            tracing::warn!(mirror = %mirror.display(), %trouble, "packs were not gathered");
        }
    }

    async fn update(
        &self,
        mirror: &Path,
        remote: &Remote,
        address: &Address,
        point: Point<'_>,
    ) -> Result<Option<ObjectId>, Trouble> {
        let place = mirror.to_owned();
        blocking(move || prepare(&place)).await?;
        let fetching = [
            "fetch",
            "--quiet",
            "--prune",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        ];
        let what = [
            "--end-of-options",
            &remote.url,
            "+refs/heads/*:refs/heads/*",
        ];
        let trusting = match address {
            Address::Local => Some(TRUSTING),
            Address::Https(_) | Address::Http(_) => None,
        };
        let beside = point.beside();
        let args = (fetching.into_iter().chain(trusting))
            .chain(what)
            .chain(beside.as_deref());
        let mut fetch = Call::new(mirror, args);
        fetch.limit = self.limit;
        fetch.access = Some(Access {
            address,
            token: remote.token.as_ref(),
        });
        let fetched = process::run(&fetch).await;
        // Reached only when git has ended: a fetch that was given up leaves the mark for the next.
        if !matches!(&fetched, Err(trouble) if trouble.kind == Kind::Passing) {
            let mark = mirror.join(UNDER_WAY);
            blocking(move || fs::remove_file(mark)).await?;
        }
        match fetched {
            // No pull request has that number, or never had a head.
            Err(trouble) if trouble.kind == Kind::Missing && beside.is_some() => return Ok(None),
            fetched => fetched?,
        };
        self.gather_packs(mirror).await;
        let Some(reference) = point.reference() else {
            return Ok(None);
        };
        let show = Call::new(mirror, ["show-ref", "--verify", "--quiet", &reference]);
        if process::ask(&show).await?.is_none() {
            return Ok(None);
        }
        // Not from show-ref: this also reads the commit and its tree, so damage is found here.
        let commit = rev_parse(mirror, &format!("{reference}^{{commit}}")).await?;
        rev_parse(mirror, &format!("{commit}^{{tree}}")).await?;
        Ok(Some(commit))
    }
}

fn shelf(dir: &Path) -> io::Result<Vec<Shelved>> {
    let mut found = Vec::new();
    for dir in evict::shelf(dir)? {
        // One that is being made has no lease yet, nor has one of an older server.
        if let Ok(last) = lease::last(&dir) {
            found.push(Shelved {
                last,
                beneath: true,
                bytes: evict::measure(&dir)?,
                dir,
            });
        }
    }
    Ok(found)
}

fn count_packs(mirror: &Path) -> io::Result<usize> {
    let packs = fs::read_dir(mirror.join("objects/pack"))?;
    Ok(packs
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"))
        .count())
}

async fn discard(mirror: &Path, turn: Turn) -> io::Result<()> {
    let mirror = mirror.to_owned();
    blocking(move || {
        let removed = removal::remove_tree(&mirror);
        drop(turn);
        removed
    })
    .await
}

/// Makes the mirror when there is none, cleans up after a fetch that was killed, and marks the
/// next.
fn prepare(mirror: &Path) -> io::Result<()> {
    if !mirror.exists() {
        let making = mirror.with_extension("making");
        removal::remove_tree(&making)?;
        fs::create_dir_all(&making)?;
        skeleton::bare(&making, None)?;
        fs::rename(&making, mirror)?;
    }
    if lease::take(mirror)?.is_none() {
        lease::prepare(mirror)?;
    }
    let mark = mirror.join(UNDER_WAY);
    if mark.exists() {
        sweep(mirror)?;
    }
    fs::write(mark, "")
}

/// Removes what a killed fetch leaves and git never looks at again: locks, which block every later
/// fetch, and half a pack, which can be gigabytes.
fn sweep(mirror: &Path) -> io::Result<()> {
    let mut waiting = vec![mirror.join("refs")];
    let leftover = |name: &str| {
        Path::new(name).extension().is_some_and(|end| end == "lock")
            || name.starts_with("tmp_")
            || name.starts_with("incoming-")
    };
    for dir in ["", "objects", "objects/pack"] {
        remove_children(&mirror.join(dir), leftover)?;
    }
    while let Some(dir) = waiting.pop() {
        remove_children(&dir, leftover)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

fn remove_children(dir: &Path, leftover: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&leftover) {
            removal::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_fetch_left_is_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        let mirror = dir.path().join("1.git");
        prepare(&mirror).unwrap();
        let left = [
            "packed-refs.lock",
            "refs/heads/main.lock",
            "objects/pack/tmp_pack_x",
            "objects/incoming-x/y",
        ];
        for path in left {
            let path = mirror.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let kept = mirror.join("objects/pack/pack-1.pack");
        fs::write(&kept, "x").unwrap();
        prepare(&mirror).unwrap();
        for path in left {
            assert!(!mirror.join(path).exists(), "{path}");
        }
        assert!(kept.exists() && mirror.join("HEAD").exists());
    }
}
