//! Putting back what steers agents, before one starts.

use std::fmt::Write as _;
use std::path::Path;

use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::revision::rev_parse;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::RepoPath;
use crate::domain::ids::{CommitSha, TreeSha};
use crate::domain::job::{PutBack, Restored};
use crate::domain::steering::steers;

/// The most that a comparison of two trees may print: half a million paths.
pub(crate) const MAX_DIFF: usize = 128 * 1024 * 1024;

/// One path in which two commits differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference<'d> {
    pub(crate) path: &'d [u8],
    /// What stands on the base: a blob's id, or `None`.
    base: Option<&'d str>,
    /// What is to stand there: mode and id, or `None`.
    pub(crate) wanted: Option<(&'d str, &'d str)>,
}

/// Returns what git prints of the paths in which two commits or trees differ.
pub(crate) async fn compared(
    git_dir: &Path,
    from: ObjectId,
    to: ObjectId,
) -> Result<Vec<u8>, Trouble> {
    let (from, to) = (from.to_string(), to.to_string());
    let args = [
        "diff-tree",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--full-index",
        &from,
        &to,
    ];
    let mut call = Call::new(git_dir, args);
    call.most = MAX_DIFF;
    process::run(&call).await
}

/// Makes a commit of the server's own, which is on no branch and says the same whenever it is made.
pub(crate) async fn own_commit(
    mirror: &Path,
    tree: &str,
    parents: &[&str],
    subject: &str,
) -> Result<ObjectId, Trouble> {
    let mut text = format!("tree {tree}\n");
    for parent in parents {
        let _ = writeln!(text, "parent {parent}");
    }
    text.push_str(
        "author prova <prova@localhost> 0 +0000\ncommitter prova <prova@localhost> 0 +0000\n\n",
    );
    text.push_str(subject);
    text.push('\n');
    let mut commit = Call::new(mirror, ["hash-object", "-t", "commit", "-w", "--stdin"]);
    commit.stdin = text.into_bytes();
    printed_id(&process::run(&commit).await?)
}

/// Makes the commit on top of `base` that has what steers agents as `from` has it; `None` when the
/// base has it so already.
///
/// The commit is in the mirror and on no branch. It says the same whenever it is made, so that it is
/// made once. Only objects are written, which a fetch at the same time does not mind.
pub(crate) async fn restore(
    mirror: &Path,
    base: ObjectId,
    from: ObjectId,
) -> Result<Option<Restored>, Trouble> {
    let printed = compared(mirror, base, from).await?;
    let (base, from) = (base.to_string(), from.to_string());
    let differing = differences(&printed)?;
    let steering: Vec<_> = differing
        .iter()
        .filter(|difference| steers(&RepoPath::new(difference.path)))
        .collect();
    if steering.is_empty() {
        return Ok(None);
    }
    let base_tree = rev_parse(mirror, &format!("{base}^{{tree}}")).await?;
    let tree = build(mirror, &base, index_info(&steering)).await?;
    let parents = [base.as_str()];
    let subject = format!("Put what steers agents back to {from}");
    let start = own_commit(mirror, &tree.to_string(), &parents, &subject).await?;
    Ok(Some(Restored {
        start: CommitSha::new(start.to_string()),
        base_tree: TreeSha::new(base_tree.to_string()),
        files: steering
            .into_iter()
            .map(|difference| PutBack {
                path: RepoPath::new(difference.path),
                base: difference.base.map(str::to_owned),
            })
            .collect(),
    }))
}

/// Builds the tree that is that of `base` with what `index_info` says.
async fn build(mirror: &Path, base: &str, index_info: Vec<u8>) -> Result<ObjectId, Trouble> {
    let scratch = tempfile::Builder::new()
        .prefix("restore-")
        .tempdir_in(mirror)?;
    let index = scratch.path().join("index");
    let with_index = |args: &[&str]| {
        let mut call = Call::new(mirror, args);
        call.index = Some(&index);
        call
    };
    process::run(&with_index(&["read-tree", base])).await?;
    let mut update = with_index(&["update-index", "-z", "--index-info"]);
    update.stdin = index_info;
    process::run(&update).await?;
    printed_id(&process::run(&with_index(&["write-tree"])).await?)
}

/// Writes differences as `update-index --index-info` reads them: what goes first, so that a directory
/// has made room before a file takes its name, and the other way round.
fn index_info(differences: &[&Difference<'_>]) -> Vec<u8> {
    type Side<'s, 'd> = Vec<&'s &'s Difference<'d>>;
    let (gone, put): (Side<'_, '_>, Side<'_, '_>) =
        differences.iter().partition(|one| one.wanted.is_none());
    let mut lines = Vec::new();
    for one in gone.into_iter().chain(put) {
        let header = match one.wanted {
            Some((mode, id)) => format!("{mode} {id}\t"),
            None => format!("0 {}\t", "0".repeat(40)),
        };
        lines.extend(header.into_bytes());
        lines.extend(one.path);
        lines.push(0);
    }
    lines
}

/// Reads `:MODE MODE ID ID STATUS\0PATH\0`, again and again.
pub(crate) fn differences(printed: &[u8]) -> Result<Vec<Difference<'_>>, Trouble> {
    let mut fields = printed.split(|&byte| byte == 0);
    let mut found = Vec::new();
    while let (Some(header), Some(path)) = (
        fields.next().filter(|header| !header.is_empty()),
        fields.next(),
    ) {
        let difference = difference(header, path).ok_or_else(|| {
            let line = String::from_utf8_lossy(header).into_owned();
            Trouble::new(
                Kind::Lasting,
                format!("git printed what is no difference: {line:?}"),
            )
        })?;
        found.push(difference);
    }
    Ok(found)
}

fn difference<'d>(header: &'d [u8], path: &'d [u8]) -> Option<Difference<'d>> {
    let mut words = std::str::from_utf8(header)
        .ok()?
        .strip_prefix(':')?
        .split(' ');
    let (base_mode, mode) = (words.next()?, words.next()?);
    let (base, id) = (words.next()?, words.next()?);
    ObjectId::parse(base.as_bytes())?;
    ObjectId::parse(id.as_bytes())?;
    Some(Difference {
        path,
        base: (base_mode != "000000").then_some(base),
        wanted: (mode != "000000").then_some((mode, id)),
    })
}

pub(crate) fn printed_id(printed: &[u8]) -> Result<ObjectId, Trouble> {
    ObjectId::parse(printed.trim_ascii()).ok_or_else(|| {
        let text = String::from_utf8_lossy(printed).into_owned();
        Trouble::new(Kind::Lasting, format!("git printed no object id: {text:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_read_with_any_path() {
        let (zero, one, two) = ("0".repeat(40), "1".repeat(40), "2".repeat(40));
        let printed = format!(
            ":100644 120000 {one} {two} M\0a\tb\nc\0:000000 100755 {zero} {one} A\0x\0:160000 000000 {two} {zero} D\0y\0"
        );
        let found = differences(printed.as_bytes()).unwrap();
        let paths: Vec<_> = found.iter().map(|one| one.path).collect();
        assert_eq!(paths, [&b"a\tb\nc"[..], b"x", b"y"]);
        assert_eq!(found[0].wanted, Some(("120000", two.as_str())));
        assert_eq!((found[1].base, found[2].wanted), (None, None));
        assert!(differences(b"").unwrap().is_empty());
        assert!(differences(b"junk\0x\0").is_err());
        let lines = index_info(&found.iter().collect::<Vec<_>>());
        assert!(lines.starts_with(format!("0 {zero}\ty\0120000").as_bytes()));
    }
}
