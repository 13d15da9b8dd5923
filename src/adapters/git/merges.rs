//! Merging in memory: a base into the head of a branch, without a checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::restore::{compared, differences, own_commit};
use crate::adapters::git::revision::rev_parse;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::{Mode, RepoPath};
use crate::domain::footing::{Merge, Pair, Said};
use crate::domain::ids::{CommitSha, TreeSha};
use crate::ports::checkouts::Begun;
use crate::ports::github::TreeEntry;

/// Commits of the base that are read for what it wanted.
const COMMITS: &str = "-n30";
/// The most that the files of one merge may have, in bytes.
const MAX_FILES: usize = 1024 * 1024 * 1024;
/// What git says of one merge.
#[derive(Debug, PartialEq, Eq)]
struct Merged {
    tree: ObjectId,
    /// Paths with conflicts; with any, the tree holds markers.
    paths: Vec<RepoPath>,
}

/// Returns where each branch of a mirror points.
pub(crate) async fn heads(mirror: &Path) -> Result<BTreeMap<String, CommitSha>, Trouble> {
    let format = "--format=%(objectname) %(refname)";
    let list = Call::new(mirror, ["for-each-ref", format, "refs/heads/"]);
    let printed = process::run(&list).await?;
    let text = String::from_utf8_lossy(&printed);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines
        .filter_map(|(id, name)| {
            let name = name.strip_prefix("refs/heads/")?;
            Some((name.to_owned(), CommitSha::new(id)))
        })
        .collect())
}

/// Merges each pair, and keeps nothing of it.
pub(crate) async fn merges(mirror: &Path, pairs: &[Pair]) -> Result<Vec<Merge>, Trouble> {
    let mut has = BTreeSet::new();
    let mut heads_of: BTreeMap<&CommitSha, Vec<&CommitSha>> = BTreeMap::new();
    for pair in pairs {
        heads_of.entry(&pair.base).or_default().push(&pair.head);
    }
    for (base, heads) in heads_of {
        for head in having(mirror, expect(base)?, &heads).await? {
            has.insert((base.clone(), head));
        }
    }
    let is_in = |pair: &Pair| has.contains(&(pair.base.clone(), pair.head.clone()));
    let open: Vec<&Pair> = pairs.iter().filter(|pair| !is_in(pair)).collect();
    let scratch = tempfile::Builder::new()
        .prefix("merges-")
        .tempdir_in(mirror)?;
    let mut merged = batch(mirror, Some(scratch.path()), &open)
        .await?
        .into_iter();
    let each = pairs.iter().map(|pair| {
        if is_in(pair) {
            return Ok(Merge::UpToDate);
        }
        merged.next().map(Merge::from).ok_or_else(odd)
    });
    each.collect()
}

/// Merges one pair without conflicts, and returns the tree and what it has that the base has not.
pub(crate) async fn merge(
    mirror: &Path,
    pair: &Pair,
) -> Result<(TreeSha, TreeSha, Vec<TreeEntry>), Trouble> {
    related(mirror, pair).await?;
    let merged = one(mirror, pair).await?;
    if !merged.paths.is_empty() {
        return Err(Trouble::new(Kind::Lasting, "the two conflict".to_owned()));
    }
    let base = rev_parse(mirror, &format!("{}^{{tree}}", pair.base)).await?;
    let entries = differing(mirror, base, merged.tree).await?;
    let sha = |tree: ObjectId| TreeSha::new(tree.to_string());
    Ok((sha(merged.tree), sha(base), entries))
}

/// Makes the commit that a resolution of conflicts starts from: the merge of a pair, with markers, on no
/// branch; `None` when there are no conflicts. It says the same whenever it is made.
pub(crate) async fn begin(mirror: &Path, pair: &Pair) -> Result<Option<Begun>, Trouble> {
    related(mirror, pair).await?;
    let merged = one(mirror, pair).await?;
    if merged.paths.is_empty() {
        return Ok(None);
    }
    let tree = merged.tree.to_string();
    let parents = [pair.head.as_str(), pair.base.as_str()];
    let start = own_commit(mirror, &tree, &parents, "Merge with conflicts").await?;
    Ok(Some(Begun {
        start: CommitSha::new(start.to_string()),
        tree: TreeSha::new(merged.tree.to_string()),
        said: said(mirror, pair, &merged.paths).await?,
        paths: merged.paths,
    }))
}

/// Returns what `to` has that `from` has not, with its content. Both are in `git_dir`, or in what that
/// borrows from.
pub(crate) async fn differing(
    git_dir: &Path,
    from: ObjectId,
    to: ObjectId,
) -> Result<Vec<TreeEntry>, Trouble> {
    let printed = compared(git_dir, from, to).await?;
    let mut found = Vec::new();
    for one in differences(&printed)? {
        let path = String::from_utf8(one.path.to_vec()).map_err(|_| {
            let path = RepoPath::new(one.path);
            Trouble::new(Kind::Lasting, format!("{path} is not UTF-8"))
        })?;
        let put = match one.wanted {
            None => None,
            Some((mode, id)) => {
                let mode = mode_of(mode)
                    .ok_or_else(|| Trouble::new(Kind::Lasting, format!("{path} is a submodule")))?;
                Some((mode, id.to_owned()))
            }
        };
        found.push((path, put));
    }
    let ids: Vec<&str> = (found.iter())
        .filter_map(|(_, put)| Some(put.as_ref()?.1.as_str()))
        .collect();
    let mut blobs = blobs(git_dir, &ids).await?.into_iter();
    let entries = found.into_iter().map(|(path, put)| {
        let put = match put {
            None => None,
            Some((mode, _)) => Some((mode, blobs.next().ok_or_else(odd)?)),
        };
        Ok(TreeEntry { path, put })
    });
    entries.collect()
}

/// How many heads are asked for by one process: its arguments have a limit.
const ASKED: usize = 500;

/// Returns those of the heads that have a commit. Of other branches, be they as many as they may, git
/// looks at the names alone.
async fn having(
    mirror: &Path,
    commit: ObjectId,
    heads: &[&CommitSha],
) -> Result<Vec<CommitSha>, Trouble> {
    let mut having = Vec::new();
    for heads in heads.chunks(ASKED) {
        let mut args = vec![
            "for-each-ref".to_owned(),
            format!("--contains={commit}"),
            "--format=%(objectname)".to_owned(),
        ];
        for head in heads {
            args.push(format!("--points-at={}", expect(head)?));
        }
        args.push("refs/heads/".to_owned());
        let printed = process::run(&Call::new(mirror, args)).await?;
        let text = String::from_utf8_lossy(&printed);
        having.extend(text.lines().map(CommitSha::new));
    }
    Ok(having)
}

/// Fails where the two have no commit in common: one would bring a foreign history into the other.
async fn related(mirror: &Path, pair: &Pair) -> Result<(), Trouble> {
    let (base, head) = (expect(&pair.base)?, expect(&pair.head)?);
    let args = ["merge-base".to_owned(), base.to_string(), head.to_string()];
    if process::ask(&Call::new(mirror, args)).await?.is_some() {
        return Ok(());
    }
    let why = "the base and the branch have no commit in common";
    Err(Trouble::new(Kind::Lasting, why.to_owned()))
}

/// Merges one pair; what is new is in the mirror then. Only objects are written, which a fetch at the
/// same time does not mind.
async fn one(mirror: &Path, pair: &Pair) -> Result<Merged, Trouble> {
    let merged = batch(mirror, None, &[pair]).await?;
    merged.into_iter().next().ok_or_else(odd)
}

/// Merges pairs one after another in one process. New objects go to `objects`, if that is given.
async fn batch(
    mirror: &Path,
    objects: Option<&Path>,
    pairs: &[&Pair],
) -> Result<Vec<Merged>, Trouble> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let args = [
        "-c",
        "core.looseCompression=1",
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        // One without a common commit would end all.
        "--allow-unrelated-histories",
        "--stdin",
    ];
    let mut call = Call::new(mirror, args);
    call.objects = objects;
    for pair in pairs {
        // The first is "ours": the side above the markers.
        let line = format!("{} {}\n", expect(&pair.head)?, expect(&pair.base)?);
        call.stdin.extend(line.into_bytes());
    }
    let printed = process::run(&call).await?;
    let merged = read(&printed)?;
    if merged.len() == pairs.len() {
        Ok(merged)
    } else {
        Err(odd())
    }
}

/// Reads `STATUS\0TREE\0PATH\0…\0`, again and again. A path may stand there more than once.
fn read(printed: &[u8]) -> Result<Vec<Merged>, Trouble> {
    let mut fields = printed.split(|&byte| byte == 0);
    let mut found = Vec::new();
    while let Some(status) = fields.next().filter(|field| !field.is_empty()) {
        let tree = fields.next().and_then(ObjectId::parse).ok_or_else(odd)?;
        let paths: BTreeSet<RepoPath> = (fields.by_ref())
            .take_while(|path| !path.is_empty())
            .map(RepoPath::new)
            .collect();
        match (status, paths.is_empty()) {
            (b"0", false) | (b"1", true) => found.push(Merged {
                tree,
                paths: paths.into_iter().collect(),
            }),
            _ => return Err(odd()),
        }
    }
    Ok(found)
}

/// Returns what the commits of the base say that are not in the branch and touch those paths, the newest
/// first.
async fn said(mirror: &Path, pair: &Pair, paths: &[RepoPath]) -> Result<Vec<Said>, Trouble> {
    let range = format!("{}..{}", expect(&pair.head)?, expect(&pair.base)?);
    let args = [
        "log",
        "--no-merges",
        COMMITS,
        "-z",
        "--format=%s%n%b",
        &range,
        "--",
    ];
    let args = args.into_iter().map(OsString::from);
    let paths = paths
        .iter()
        .map(|path| OsString::from_vec(path.as_bytes().to_vec()));
    let printed = process::run(&Call::new(mirror, args.chain(paths))).await?;
    let text = String::from_utf8_lossy(&printed).into_owned();
    let each = text.split('\0').filter(|text| !text.trim().is_empty());
    Ok(each
        .map(|text| {
            let (subject, body) = text.split_once('\n').unwrap_or((text, ""));
            Said {
                subject: subject.trim().to_owned(),
                body: body.trim().to_owned(),
            }
        })
        .collect())
}

/// Reads blobs, in order.
async fn blobs(git_dir: &Path, ids: &[&str]) -> Result<Vec<Vec<u8>>, Trouble> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut call = Call::new(git_dir, ["cat-file", "--batch"]);
    call.stdin = ids.join("\n").into_bytes();
    call.stdin.push(b'\n');
    call.most = MAX_FILES;
    let printed = process::run(&call).await?;
    let (mut rest, mut found) = (printed.as_slice(), Vec::with_capacity(ids.len()));
    for _ in ids {
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(odd)?;
        let (header, content) = rest.split_at(end);
        let size = std::str::from_utf8(header).ok();
        let size = size.and_then(|header| header.split_once(" blob ")?.1.parse::<usize>().ok());
        let content = content.get(1..).unwrap_or_default();
        let (blob, after) = size
            .and_then(|size| content.split_at_checked(size))
            .ok_or_else(odd)?;
        found.push(blob.to_vec());
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(found)
}

fn mode_of(octal: &str) -> Option<Mode> {
    [Mode::File, Mode::Executable, Mode::Link]
        .into_iter()
        .find(|mode| mode.octal() == octal)
}

fn expect(commit: &CommitSha) -> Result<ObjectId, Trouble> {
    ObjectId::parse(commit.as_str().as_bytes())
        .ok_or_else(|| Trouble::new(Kind::Lasting, format!("{commit:?} is no object id")))
}

fn odd() -> Trouble {
    let said = "git printed what is no merge";
    Trouble::new(Kind::Lasting, said.to_owned())
}

impl From<Merged> for Merge {
    fn from(merged: Merged) -> Self {
        if merged.paths.is_empty() {
            Self::Clean(TreeSha::new(merged.tree.to_string()))
        } else {
            Self::Conflicting(merged.paths)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_are_read_with_any_path() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let printed = format!("0\0{one}\0a\nb\0c d\0a\nb\0\x001\0{two}\0\0");
        let found = read(printed.as_bytes()).unwrap();
        let paths: Vec<_> = found.iter().map(|one| one.paths.clone()).collect();
        let expected = [RepoPath::new("a\nb"), RepoPath::new("c d")];
        assert_eq!(paths, [expected.to_vec(), Vec::new()]);
        assert_eq!(found[1].tree, ObjectId::parse(two.as_bytes()).unwrap());
        assert!(read(b"").unwrap().is_empty());
        for bad in [
            "0",
            "1\0junk\0\0",
            &format!("0\0{one}\0\0"),
            &format!("1\0{one}\0a\0\0"),
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
