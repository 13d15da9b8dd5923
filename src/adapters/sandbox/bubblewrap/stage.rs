//! How bubblewrap, started as an unprivileged user, gets at directories of a server that is root.
//!
//! bubblewrap must not be started as root: with root's real user id behind it, what runs inside can
//! mount the read-only root writable again. Started as another user it must be able to walk to what
//! it binds, and root's directories are often closed (`/root`, a temporary directory: 0700).
//! Opening them for everybody is not ours to do. So where the way is closed, root first binds the
//! few directories of this job below [`STAGE`], in a mount namespace that only this job has and that
//! ends with it, and then becomes that user.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::adapters::sandbox::bubblewrap::args::Bind;

/// An empty directory that only root can have made: nobody else can write to `/run`.
const STAGE: &str = "/run/prova";

/// Binds its arguments below the stage, then becomes the user and runs what follows `--`.
const SCRIPT: &str = r#"
set -eu
stage=$1 id=$2
shift 2
mount -t tmpfs -o mode=0711,size=1m,nosuid,nodev,noexec prova "$stage"
n=0
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir "$stage/$n"; else : > "$stage/$n"; fi
  mount --rbind -- "$1" "$stage/$n"
  n=$((n + 1))
  shift
done
shift
exec setpriv --reuid "$id" --regid "$id" --clear-groups -- "$@"
"#;

/// Returns whether the user and group `id` can walk to `path`. By the permission bits alone: where
/// more is granted by other means, staging does no harm.
pub(super) fn is_reachable(path: &Path, id: u32) -> io::Result<bool> {
    let real = path.canonicalize()?;
    for dir in real.ancestors().skip(1) {
        let meta = dir.metadata()?;
        let search = match (meta.uid() == id, meta.gid() == id) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        if meta.mode() & search == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the command that stages the sources of `binds` and becomes user `id`, ready for
/// bubblewrap's own command to be appended, and the binds with their staged sources.
pub(super) fn staged(binds: &[Bind], id: u32) -> (Vec<OsString>, Vec<Bind>) {
    let mut command: Vec<OsString> = [
        "unshare", "--mount", "--", "sh", "-c", SCRIPT, "prova", STAGE,
    ]
    .map(OsString::from)
    .to_vec();
    command.push(id.to_string().into());
    command.extend(binds.iter().map(|bind| bind.from.clone().into_os_string()));
    command.push("--".into());
    let binds = binds.iter().enumerate().map(|(n, bind)| Bind {
        from: PathBuf::from(STAGE).join(n.to_string()),
        ..bind.clone()
    });
    (command, binds.collect())
}

/// Makes the stage, which every job mounts over for itself alone.
pub(super) fn make() -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o711).create(STAGE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sandbox::bubblewrap::args::Access;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_closed_directory_on_the_way_is_found() {
        let top = tempfile::tempdir_in("/tmp").unwrap();
        let job = top.path().join("jobs/7");
        std::fs::create_dir_all(&job).unwrap();
        let stranger = 4_000_000_000;
        let mode = |mode| {
            std::fs::set_permissions(top.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o700);
        assert!(!is_reachable(&job, stranger).unwrap());
        assert!(
            is_reachable(top.path(), stranger).unwrap(),
            "its own mode is not on the way"
        );
        mode(0o711);
        assert!(is_reachable(&job, stranger).unwrap());
        is_reachable(&job.join("missing"), stranger).unwrap_err();
    }

    #[test]
    fn staged_binds_keep_their_place_and_access() {
        let bind = |from: &str, at: &str, access| Bind {
            from: from.into(),
            at: at.into(),
            access,
        };
        let binds = [
            bind("/root/a", "/workspace", Access::Writable),
            bind("/root/-- b", "/prova/in", Access::ReadOnly),
        ];
        let (command, staged) = staged(&binds, 99);
        let words = ["prova", "/run/prova", "99", "/root/a", "/root/-- b", "--"];
        assert!(command.ends_with(&words.map(OsString::from)), "{command:?}");
        let expected = [
            bind("/run/prova/0", "/workspace", Access::Writable),
            bind("/run/prova/1", "/prova/in", Access::ReadOnly),
        ];
        assert_eq!(staged, expected);
    }
}
