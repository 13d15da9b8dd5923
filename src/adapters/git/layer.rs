//! Writing the layers that working copies stand on: every file of a tree, or only what differs from
//! a layer that is there already.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::adapters::git::base::ATTRIBUTES;
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::index;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::overlay::white_out;
use crate::adapters::git::paths::{last, prefixes};
use crate::adapters::git::process;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::adapters::git::working::Failure;

/// More paths than this make no layer on top of another: every file is written anew.
const MOST_PATHS: usize = 5_000;

/// A tree that a full layer has, to write a second layer on top of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Below<'a> {
    /// The tree.
    pub(crate) tree: ObjectId,
    /// The index of that layer, with the state of its files in it.
    pub(crate) index: &'a Path,
}

/// Where a layer is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    /// The empty directory for its files.
    pub(crate) files: &'a Path,
    /// The file for the index of the whole tree.
    pub(crate) index: &'a Path,
}

/// Writes every file of `tree`, from a repository of ours.
pub(crate) async fn write_full(
    git_dir: &Path,
    tree: ObjectId,
    spot: Spot<'_>,
) -> Result<(), Failure> {
    let mut call = Call::new(git_dir, ["read-tree", "--reset", "-u", &tree.to_string()]);
    call.work_tree = Some(spot.files);
    call.index = Some(spot.index);
    process::run(&call).await?;
    Ok(())
}

/// Writes what differs between a full layer and `tree`, as a layer to be laid over it; `false`, and
/// nothing of use, when that is too much, or when attributes differ: then files may have to be
/// written in another way although their content is the same.
pub(crate) async fn write_difference(
    git_dir: &Path,
    below: Below<'_>,
    tree: ObjectId,
    spot: Spot<'_>,
) -> Result<bool, Failure> {
    let (old, new) = (below.tree.to_string(), tree.to_string());
    let compare = ["diff-tree", "-r", "-z", "--name-status", "--no-renames"];
    let compare = compare.into_iter().chain([&*old, &*new]);
    let listing = process::run(&Call::new(git_dir, compare)).await?;
    let Difference { paths, deleted } = Difference::parse(&listing)
        .ok_or_else(|| Trouble::new(Kind::Lasting, "git listed what is no difference"))?;
    if paths.len() > MOST_PATHS || paths.iter().any(|path| last(path) == ATTRIBUTES) {
        return Ok(false);
    }
    let (from, to) = (below.index.to_owned(), spot.index.to_owned());
    blocking(move || fs::copy(from, to).map(drop)).await?;
    // Of two trees git writes what differs. It takes the files that are not there for deleted, which
    // is no change that it would have to keep.
    let mut call = Call::new(git_dir, ["read-tree", "-m", "-u", &old, &new]);
    call.work_tree = Some(spot.files);
    call.index = Some(spot.index);
    process::run(&call).await?;
    if !deleted.is_empty() {
        let deleted: Vec<Vec<u8>> = deleted.into_iter().map(<[u8]>::to_vec).collect();
        let (files, index) = (spot.files.to_owned(), spot.index.to_owned());
        blocking(move || hide(&files, &fs::read(index)?, &deleted)).await?;
    }
    Ok(true)
}

/// Hides what is deleted, at the highest directory that has nothing left in it.
fn hide(files: &Path, index: &[u8], deleted: &[Vec<u8>]) -> io::Result<()> {
    let left = index::paths(index)
        .ok_or_else(|| io::Error::other("git wrote an index of a version that is not known"))?;
    for path in topmost(&left, deleted) {
        white_out(files, path)?;
    }
    Ok(())
}

/// Returns the highest directories, or the paths themselves, at and below which nothing is `left`.
/// What another entry has taken the place of is hidden by that.
fn topmost<'a>(left: &[&[u8]], deleted: &'a [Vec<u8>]) -> BTreeSet<&'a [u8]> {
    let has_below = |dir: &[u8]| {
        let start = [dir, b"/"].concat();
        let at = left.partition_point(|path| *path < start.as_slice());
        left.get(at).is_some_and(|path| path.starts_with(&start))
    };
    let stands = |path: &[u8]| left.binary_search(&path).is_ok();
    deleted
        .iter()
        .filter_map(|path| prefixes(path).find(|prefix| !has_below(prefix)))
        .filter(|path| !stands(path))
        .collect()
}

/// The paths in which two trees differ.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference<'a> {
    paths: Vec<&'a [u8]>,
    /// Those of them that the second tree has not.
    deleted: Vec<&'a [u8]>,
}

impl<'a> Difference<'a> {
    /// Reads `STATUS\0PATH\0`.
    fn parse(listing: &'a [u8]) -> Option<Self> {
        let mut difference = Self::default();
        let mut fields = listing.split(|&byte| byte == 0);
        while let Some(status) = fields.next().filter(|status| !status.is_empty()) {
            let path = fields.next()?;
            difference.paths.push(path);
            if status == b"D" {
                difference.deleted.push(path);
            }
        }
        Some(difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_hidden_at_the_highest_place() {
        let left: [&[u8]; 5] = [b"a-b", b"a/x", b"b", b"c/d/e", b"f"];
        let deleted =
            ["a/y", "b/x", "c/d/f", "c/g/h", "c/g/i", "k/l/m", "z"].map(|p| p.as_bytes().to_vec());
        let hidden: Vec<&[u8]> = topmost(&left, &deleted).into_iter().collect();
        let expected: [&[u8]; 5] = [b"a/y", b"c/d/f", b"c/g", b"k", b"z"];
        assert_eq!(hidden, expected);
    }

    #[test]
    fn a_difference_is_read() {
        let read = Difference::parse(b"M\0a\nb\0D\0c\0T\0d\0A\0e\0").unwrap();
        let paths: [&[u8]; 4] = [b"a\nb", b"c", b"d", b"e"];
        assert_eq!(read.paths, paths);
        assert_eq!(read.deleted, [b"c"]);
        assert_eq!(Difference::parse(b"").unwrap(), Difference::default());
        assert!(Difference::parse(b"M").is_none());
    }
}
