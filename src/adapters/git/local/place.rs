//! Finding a repository, as git would from the same directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::adapters::git::call::Call;
use crate::adapters::git::local::BadRepository;
use crate::adapters::git::process;

/// Where the parts of a repository are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The top of the working tree, or the bare repository itself.
    pub(crate) root: PathBuf,
    /// What `HEAD` is read from: of a linked working tree its own.
    pub(crate) git_dir: PathBuf,
    /// The object store, an absolute path.
    pub(crate) objects: PathBuf,
    /// What is fetched from: where branches and objects are.
    pub(crate) remote: String,
}

impl Place {
    /// Finds the repository that `dir`, an absolute path, is in.
    pub(crate) async fn find(dir: &Path) -> Result<Self, BadRepository> {
        let (root, git_dir) = dir
            .ancestors()
            .find_map(|at| Some((at.to_owned(), git_dir_at(at)?)))
            .ok_or_else(|| BadRepository::NotARepository(dir.to_owned()))?;
        let facts = [
            "rev-parse",
            "--path-format=absolute",
            "--git-common-dir",
            "--git-path",
            "objects",
            "--is-shallow-repository",
            "--show-object-format",
        ];
        let refused = |said: String| BadRepository::Git(root.clone(), said);
        let printed = process::run(&Call::new(&git_dir, facts))
            .await
            .map_err(|trouble| refused(trouble.said))?;
        // Paths become lines of files and arguments of calls, so they have to be text.
        let printed = String::from_utf8(printed)
            .map_err(|_| refused("its path is not UTF-8; move it".to_owned()))?;
        let lines: Vec<&str> = printed.lines().collect();
        let &[common, objects, shallow, format] = lines.as_slice() else {
            return Err(refused(format!(
                "git describes it in a way that is not known: {printed:?}"
            )));
        };
        if shallow == "true" {
            return Err(BadRepository::Shallow(root));
        }
        if format != "sha1" {
            return Err(BadRepository::ObjectFormat(root, format.to_owned()));
        }
        Ok(Self {
            objects: PathBuf::from(objects),
            remote: common.to_owned(),
            root,
            git_dir,
        })
    }
}

/// Returns the repository that has its working tree at `dir`, or that is `dir`.
fn git_dir_at(dir: &Path) -> Option<PathBuf> {
    let inner = dir.join(".git");
    if is_git_dir(&inner) {
        return Some(inner);
    }
    // Of a linked working tree or a submodule it is a file that names the place.
    if let Ok(text) = fs::read_to_string(&inner)
        && let Some(named) = text.strip_prefix("gitdir: ")
    {
        let named = dir.join(named.trim_end_matches(['\r', '\n']));
        return is_git_dir(&named).then_some(named);
    }
    is_git_dir(dir).then(|| dir.to_owned())
}

fn is_git_dir(dir: &Path) -> bool {
    // A linked working tree's has its objects and branches elsewhere and says so.
    let has_own = dir.join("objects").is_dir() && dir.join("refs").is_dir();
    dir.join("HEAD").is_file() && (has_own || dir.join("commondir").is_file())
}
