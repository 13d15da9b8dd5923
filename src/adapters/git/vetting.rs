//! Having git's fsck judge changed `.gitmodules` and `.gitattributes` by themselves, so that a bad
//! one is refused and the rest of the change survives.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::halves::Halves;
use crate::adapters::git::names::{self, Special};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::paths::last;
use crate::adapters::git::process;
use crate::adapters::git::removal;
use crate::adapters::git::store::{FSCK, Store};
use crate::adapters::git::trouble::{Kind, Trouble};
use crate::domain::change::{Change, ChangeKind, Refusal, RefusalReason};

/// More different `.gitmodules` than this in one change are not looked at: git reads one.
const MOST_MODULES: usize = 32;

/// Returns what of the changes git would not have in a tree.
pub(crate) async fn vet(store: &Store, changes: &[Change]) -> Result<Vec<Refusal>, Trouble> {
    let (mut modules, mut attributes) = (Suspects::default(), Suspects::default());
    for change in changes {
        let (ChangeKind::Added(entry) | ChangeKind::Modified(entry)) = &change.kind else {
            continue;
        };
        let Some(blob) = ObjectId::parse(entry.blob.as_bytes()) else {
            continue;
        };
        match names::special(last(change.path.as_bytes())) {
            Some(Special::Modules) => modules.add(blob, change),
            Some(Special::Attributes) => attributes.add(blob, change),
            Some(Special::Other) | None => {}
        }
    }
    let hostile = bad_modules(store, modules.blobs()).await?;
    let mut refused = modules.refuse(&hostile, RefusalReason::HostileModules);
    // fsck refuses attributes for the length of a line or of the file.
    let long = bad(store, ".gitattributes", &attributes.blobs()).await?;
    refused.extend(attributes.refuse(&long, RefusalReason::TooLarge));
    Ok(refused)
}

/// Changed files that git reads, by their content: what stands in many places is judged once.
#[derive(Default)]
struct Suspects<'a>(HashMap<ObjectId, Vec<&'a Change>>);

impl<'a> Suspects<'a> {
    fn add(&mut self, blob: ObjectId, change: &'a Change) {
        self.0.entry(blob).or_default().push(change);
    }

    fn blobs(&self) -> Vec<ObjectId> {
        self.0.keys().copied().collect()
    }

    fn refuse(&self, bad: &HashSet<ObjectId>, reason: RefusalReason) -> Vec<Refusal> {
        let changes = bad.iter().filter_map(|blob| self.0.get(blob)).flatten();
        let refuse = |change: &&Change| Refusal {
            path: change.path.clone(),
            reason,
        };
        changes.map(refuse).collect()
    }
}

async fn bad_modules(store: &Store, modules: Vec<ObjectId>) -> Result<HashSet<ObjectId>, Trouble> {
    let (mut refused, mut judged) = (HashSet::new(), Vec::new());
    for (number, blob) in modules.into_iter().enumerate() {
        if number >= MOST_MODULES || has_lone_return(&store.blob(blob).await?) {
            refused.insert(blob);
        } else {
            judged.push(blob);
        }
    }
    refused.extend(bad(store, ".gitmodules", &judged).await?);
    Ok(refused)
}

/// Returns those of the blobs that git would not have under that name.
async fn bad(store: &Store, name: &str, blobs: &[ObjectId]) -> Result<HashSet<ObjectId>, Trouble> {
    let mut search = Halves::of(blobs.len());
    while let Some(range) = search.next() {
        let some = blobs.get(range.clone()).unwrap_or(&[]);
        if !pass(store, name, some).await? {
            search.fails(range);
        }
    }
    let failed = search.failed().into_iter();
    Ok(failed.filter_map(|at| blobs.get(at).copied()).collect())
}

/// A carriage return that does not end a line makes git check a submodule out elsewhere than it
/// was written to be (CVE-2025-48384), in versions whose fsck lets it pass.
fn has_lone_return(text: &[u8]) -> bool {
    text.windows(2)
        .any(|pair| pair.starts_with(b"\r") && pair != b"\r\n")
        || text.ends_with(b"\r")
        || text.windows(3).any(|three| three == b"\r\r\n")
}

/// Has git check trees of one file each, in an object directory of their own.
async fn pass(store: &Store, name: &str, blobs: &[ObjectId]) -> Result<bool, Trouble> {
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
    let mut mktree = here(&["mktree", "-z", "--batch"]);
    // An empty entry ends a tree.
    let trees = blobs
        .iter()
        .map(|blob| format!("100644 blob {blob}\t{name}\0\0"));
    mktree.stdin = trees.collect::<String>().into_bytes();
    process::run(&mktree).await?;
    let pass = match process::run(&here(&FSCK)).await {
        Ok(_) => true,
        Err(trouble) if trouble.kind == Kind::Passing || trouble.kind == Kind::DiskFull => {
            return Err(trouble);
        }
        Err(_) => false,
    };
    blocking(move || removal::remove_tree(&objects)).await?;
    Ok(pass)
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
