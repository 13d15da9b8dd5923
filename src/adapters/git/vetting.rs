//! Having git's fsck judge changed `.gitmodules` and `.gitattributes` one by one, so that a bad one
//! is refused and the rest of the change survives.

use std::path::Path;

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::names::{self, Special};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::paths::last;
use crate::adapters::git::process;
use crate::adapters::git::removal;
use crate::adapters::git::store::Store;
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::{Change, ChangeKind, Refusal, RefusalReason};

/// Returns what of the changes git would not have in a tree.
pub(crate) async fn vet(store: &Store, changes: &[Change]) -> Result<Vec<Refusal>, Trouble> {
    let mut refused = Vec::new();
    for change in changes {
        let (ChangeKind::Added(entry) | ChangeKind::Modified(entry)) = &change.kind else {
            continue;
        };
        let name = last(change.path.as_bytes());
        let reason = match names::special(name) {
            Some(Special::Modules) => RefusalReason::HostileModules,
            // fsck refuses attributes for the length of a line or of the file.
            Some(Special::Attributes) => RefusalReason::TooLarge,
            Some(Special::Other) | None => continue,
        };
        let Some(blob) = ObjectId::parse(entry.blob.as_bytes()) else {
            continue;
        };
        let hides_return =
            reason == RefusalReason::HostileModules && has_lone_return(&store.blob(blob).await?);
        if hides_return || !passes(store, name, blob).await? {
            refused.push(Refusal {
                path: change.path.clone(),
                reason,
            });
        }
    }
    Ok(refused)
}

/// A carriage return that does not end a line makes git check a submodule out elsewhere than it
/// was written to be (CVE-2025-48384), in versions whose fsck lets it pass.
fn has_lone_return(text: &[u8]) -> bool {
    text.windows(2)
        .any(|pair| pair.starts_with(b"\r") && pair != b"\r\n")
        || text.ends_with(b"\r")
        || text.windows(3).any(|three| three == b"\r\r\n")
}

/// Has git check a tree of this one file, in an object directory of its own.
async fn passes(store: &Store, name: &[u8], blob: ObjectId) -> Result<bool, Trouble> {
    let objects = store.dir.join("vetting");
    let dir = objects.clone();
    blocking(move || {
        removal::remove_tree(&dir)?;
        std::fs::create_dir_all(&dir)
    })
    .await?;
    let here = |args: &[&str]| -> Call<'_> {
        let mut call = Call::new(&store.dir, args);
        call.objects = Some(Path::new(&objects));
        call
    };
    let mut mktree = here(&["mktree", "-z"]);
    mktree.stdin = format!("100644 blob {blob}\t{}\0", String::from_utf8_lossy(name)).into_bytes();
    process::run(&mktree).await?;
    let fsck = here(&[
        "fsck",
        "--no-full",
        "--strict",
        "--no-dangling",
        "--no-progress",
    ]);
    let passes = match process::run(&fsck).await {
        Ok(_) => true,
        Err(trouble) if trouble.kind == Kind::Passing || trouble.kind == Kind::DiskFull => {
            return Err(trouble);
        }
        Err(_) => false,
    };
    blocking(move || removal::remove_tree(&objects)).await?;
    Ok(passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_that_ends_no_line_is_seen() {
        assert!(!has_lone_return(b"[submodule]\r\n\tpath = x\r\n"));
        assert!(has_lone_return(b"path = \"x\r\"\n"));
        assert!(has_lone_return(b"path = x\r\r\n"));
        assert!(has_lone_return(b"path = x\r"));
    }
}
