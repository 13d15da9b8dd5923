//! What a commit changes since it parted from its base, as text.

use std::path::Path;

use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::diff::{Diff, Patch};
use crate::domain::ids::CommitSha;

/// How a difference is printed, whatever a repository says.
const PRINTED: [&str; 12] = [
    "-c",
    "core.quotePath=true",
    "-c",
    "diff.suppressBlankEmpty=false",
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    // As GitHub shows it, on which lines of it a comment can stand.
    "--unified=3",
    "--inter-hunk-context=0",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

/// Compares two trees of the store `dir` as `git apply` takes it, and returns at most `most` bytes.
pub(crate) async fn patch(
    dir: &Path,
    (from, to): (ObjectId, ObjectId),
    most: usize,
) -> Result<Patch, Trouble> {
    let (from, to) = (from.to_string(), to.to_string());
    let args = PRINTED.into_iter().chain(["--no-renames", "--binary"]);
    let mut call = Call::new(dir, args.chain(["--end-of-options", &*from, &*to, "--"]));
    call.most = most;
    let (printed, whole) = process::beginning(&call).await?;
    Ok(match String::from_utf8(printed) {
        Ok(text) => Patch { text, whole },
        Err(bytes) => Patch {
            text: String::from_utf8_lossy(bytes.as_bytes()).into_owned(),
            whole: false,
        },
    })
}

/// Compares `head` with where it parted from `base`, and returns at most `most` bytes of whole lines.
pub(crate) async fn diff(
    mirror: &Path,
    (base, head): (ObjectId, ObjectId),
    most: usize,
) -> Result<Diff, Trouble> {
    let (base, head) = (base.to_string(), head.to_string());
    let parted = process::ask(&Call::new(mirror, ["merge-base", &base, &head])).await?;
    let since = parted.as_deref().map(<[u8]>::trim_ascii_end);
    let since = since.and_then(ObjectId::parse).ok_or_else(|| {
        let why = "the base and the branch have no commit in common";
        Trouble::new(Kind::Lasting, why.to_owned())
    })?;
    let since = since.to_string();
    let args = PRINTED
        .into_iter()
        .chain(["--find-renames", "--submodule=short"]);
    let between = ["--end-of-options", &*since, &*head, "--"];
    let mut call = Call::new(mirror, args.chain(between));
    call.most = most;
    let (mut printed, whole) = process::beginning(&call).await?;
    if !whole {
        let end = printed.iter().rposition(|&byte| byte == b'\n');
        printed.truncate(end.map_or(0, |at| at + 1));
    }
    Ok(Diff {
        since: CommitSha::new(since),
        text: String::from_utf8_lossy(&printed).into_owned(),
        whole,
    })
}
