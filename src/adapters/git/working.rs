//! Working copies: for an agent to edit, and for the checks to run in.

use std::path::{Path, PathBuf};

use crate::adapters::git::blocking::blocking;
use crate::adapters::git::call::Call;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::adapters::git::removal;
use crate::adapters::git::settle::settle;
use crate::adapters::git::skeleton;
use crate::adapters::git::trouble::Trouble;
use crate::ports::fault::Fault;
use crate::ports::sandbox::INSIDE_OBJECTS;

/// Where a working copy is written, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The directory; what stands there is removed.
    pub(crate) dir: PathBuf,
    /// User and group id of its files, when they differ from the server's.
    pub(crate) owner: Option<(u32, u32)>,
}

/// The branch that a checkout's throw-away `.git` is on.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Its name, checked.
    pub(crate) name: String,
    /// The commit it points at.
    pub(crate) commit: ObjectId,
}

/// Writes `tree` from the repository `git_dir` to a fresh directory. No file shares anything with
/// the repository's own: content is copied.
///
/// Git reads attributes from the tree itself, so line ends and encodings are as the commit says.
/// Filters never run, since no configuration names any: files kept by LFS are pointers.
/// Submodules are empty directories.
pub(crate) async fn write(
    git_dir: &Path,
    tree: ObjectId,
    target: &Target,
    branch: Option<Branch>,
) -> Result<(), Failure> {
    let Target { dir, owner } = target.clone();
    // Without a `.git` to keep it, the index is thrown away.
    let index = match &branch {
        Some(_) => dir.join(".git/index"),
        None => dir.with_extension("index"),
    };
    let (place, named) = (dir.clone(), branch.clone());
    blocking(move || {
        removal::remove_tree(&place)?;
        std::fs::create_dir_all(&place)?;
        match named {
            Some(Branch { name, commit }) => skeleton::throw_away(
                &place.join(".git"),
                &name,
                &commit.to_string(),
                Path::new(INSIDE_OBJECTS),
            ),
            None => Ok(()),
        }
    })
    .await?;
    let mut call = Call::new(git_dir, ["read-tree", "--reset", "-u", &tree.to_string()]);
    call.work_tree = Some(&dir);
    call.index = Some(&index);
    process::run(&call).await?;
    blocking(move || {
        if branch.is_some() {
            return settle(&dir, owner, Some(&index)).map(drop);
        }
        std::fs::remove_file(index)?;
        match owner {
            Some(_) => settle(&dir, owner, None).map(drop),
            None => Ok(()),
        }
    })
    .await?;
    Ok(())
}

/// Why a working copy was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] Trouble),
    /// The server's own file work failed.
    #[error(transparent)]
    Files(#[from] std::io::Error),
}

impl Failure {
    /// Turns it into the port's fault.
    pub(crate) fn fault(self, doing: &str) -> Fault {
        match self {
            Self::Git(trouble) => trouble.fault(doing),
            Self::Files(error) => Fault::io(doing, &error),
        }
    }
}
