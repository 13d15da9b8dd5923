//! What must be done for bubblewrap before it can start.
//!
//! bubblewrap must not be started as root: with root's real user id behind it, what runs inside can
//! mount the read-only root writable again. Started as another user it must be able to walk to what
//! it binds, and root's directories are often closed (`/root`, a temporary directory: 0700).
//! Opening them for everybody is not ours to do. So where the way is closed, root first binds the
//! few directories of this job at [`PLACE`], in a mount namespace that only this job has and that
//! ends with it, and then becomes that user.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use crate::adapters::sandbox::bubblewrap::args::Bind;
use crate::adapters::sandbox::stage::plan::{PLACE, Plan, place};

/// Returns whether the user and group `id` can walk to `path`. By the permission bits alone: where
/// more is granted by other means, showing it does no harm.
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

/// Adds the sources of `binds` to what `plan` shows, and returns the binds from where they stand
/// then.
pub(super) fn show(plan: &mut Plan, binds: Vec<Bind>) -> Vec<Bind> {
    let shown = binds.into_iter().enumerate().map(|(index, bind)| {
        plan.shown.push(bind.from);
        Bind {
            from: place(index),
            at: bind.at,
            access: bind.access,
        }
    });
    shown.collect()
}

/// Makes the place, which every job mounts over for itself alone.
pub(super) fn make_place() -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o711).create(PLACE) {
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
    fn shown_binds_keep_their_place_and_access() {
        let bind = |from: &str, at: &str, access| Bind {
            from: from.into(),
            at: at.into(),
            access,
        };
        let mut plan = Plan {
            user: Some(99),
            ..Plan::default()
        };
        let binds = vec![
            bind("/root/a", "/workspace", Access::Writable),
            bind("/root/-- b", "/prova/in", Access::ReadOnly),
        ];
        let binds = show(&mut plan, binds);
        let expected = [
            bind("/run/prova/0", "/workspace", Access::Writable),
            bind("/run/prova/1", "/prova/in", Access::ReadOnly),
        ];
        assert_eq!(binds, expected);
        let expected = Plan {
            keep: Vec::new(),
            overlay: None,
            shown: vec!["/root/a".into(), "/root/-- b".into()],
            user: Some(99),
        };
        assert_eq!(plan, expected);
    }
}
