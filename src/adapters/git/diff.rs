//! What a commit changes since it parted from its base, as text.

use std::path::Path;

use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::diff::Diff;
use crate::domain::ids::CommitSha;

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
    let args = [
        "-c",
        "core.quotePath=true",
        "-c",
        "diff.suppressBlankEmpty=false",
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--find-renames",
        // As GitHub shows it, on which lines of it a comment can stand.
        "--unified=3",
        "--inter-hunk-context=0",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--submodule=short",
        "--end-of-options",
    ];
    let since = since.to_string();
    let mut call = Call::new(mirror, args.into_iter().chain([&*since, &*head, "--"]));
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
