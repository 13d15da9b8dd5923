//! What of the host's system is seen inside.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::ports::sandbox::INSIDE_HOME;

/// One piece of the system's view, at the same path as on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bound read-only.
    Bind(PathBuf),
    /// A link of the host, made anew: `/bin` is one to `usr/bin` on most distributions.
    Link {
        /// What it says.
        target: PathBuf,
        /// Where it stands.
        at: PathBuf,
    },
    /// Covered by an empty directory.
    Hide(PathBuf),
}

/// Where programs and libraries are.
const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What of `/etc` programs need and every user of the host may read.
const ETC: [&str; 9] = [
    "etc/alternatives",
    "etc/ca-certificates",
    "etc/crypto-policies",
    "etc/ld.so.cache",
    "etc/localtime",
    "etc/pki/ca-trust",
    "etc/pki/tls/certs",
    "etc/ssl",
    "etc/timezone",
];

/// What lies in the above and is not for every user; a server may be in the group that reads it.
const PRIVATE: [&str; 1] = ["etc/ssl/private"];

/// Looks which of the system's usual places exist below `root` (`/`, outside tests).
pub(super) fn system(root: &Path) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for name in PROGRAMS {
        let at = Path::new("/").join(name);
        let here = root.join(name);
        if let Ok(target) = std::fs::read_link(&here) {
            pieces.push(Piece::Link { target, at });
        } else if here.is_dir() {
            pieces.push(Piece::Bind(at));
        }
    }
    let there = |names: &[&str]| {
        let there = names.iter().filter(|name| root.join(name).exists());
        there
            .map(|name| Path::new("/").join(name))
            .collect::<Vec<_>>()
    };
    pieces.extend(there(&ETC).into_iter().map(Piece::Bind));
    pieces.extend(there(&PRIVATE).into_iter().map(Piece::Hide));
    pieces
}

/// A file of `/etc` that is ours and not the host's, which lists real people and machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Synthetic {
    /// Where it stands inside.
    pub(super) at: &'static str,
    /// Its whole content.
    pub(super) text: &'static str,
}

/// User and group id inside, whatever they are outside. Not 0, since some agents refuse to work as
/// root; not 65534, which is how files of everybody else show inside.
pub(super) const INSIDE_ID: u32 = 1000;

/// The synthetic files.
pub(super) const SYNTHETIC: [Synthetic; 4] = [
    Synthetic {
        at: "/etc/passwd",
        text: "root:x:0:0:root:/root:/usr/sbin/nologin\n\
               prova:x:1000:1000:Prova:/home/prova:/bin/sh\n\
               nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    },
    Synthetic {
        at: "/etc/group",
        text: "root:x:0:\nprova:x:1000:\nnogroup:x:65534:\n",
    },
    Synthetic {
        at: "/etc/hosts",
        text: "127.0.0.1 localhost prova\n::1 localhost\n",
    },
    Synthetic {
        at: "/etc/nsswitch.conf",
        text: "passwd: files\ngroup: files\nhosts: files dns\n",
    },
];

/// Returns whether something of the sandbox's own stands at `path`, below it or above it.
pub(super) fn is_taken(path: &Path) -> bool {
    let own = [
        "/proc",
        "/dev",
        "/tmp",
        "/etc",
        "/workspace",
        "/prova",
        INSIDE_HOME,
    ];
    let programs = PROGRAMS.iter().map(|name| Path::new("/").join(name));
    // Below /tmp and the home directory is free: those are made before the mounts.
    let open = |own: &OsStr| own == "/tmp" || own == INSIDE_HOME || own == "/etc";
    own.iter()
        .map(PathBuf::from)
        .chain(programs)
        .any(|own| own.starts_with(path) || (path.starts_with(&own) && !open(own.as_os_str())))
}

/// Returns whether `path` is absolute and has no `.` or `..` in it, so that comparing it with other
/// paths by their components means something.
pub(super) fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, create_dir_all, write};
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_made_anew_and_what_is_missing_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        create_dir_all(root.path().join("etc/ssl/private")).unwrap();
        create_dir(root.path().join("usr")).unwrap();
        create_dir(root.path().join("sbin")).unwrap();
        symlink("usr/bin", root.path().join("bin")).unwrap();
        symlink("/nowhere", root.path().join("etc/localtime")).unwrap();
        write(root.path().join("etc/shadow"), "").unwrap();
        write(root.path().join("etc/ld.so.cache"), "").unwrap();
        let link = Piece::Link {
            target: "usr/bin".into(),
            at: "/bin".into(),
        };
        assert_eq!(
            system(root.path()),
            [
                Piece::Bind("/usr".into()),
                link,
                Piece::Bind("/sbin".into()),
                Piece::Bind("/etc/ld.so.cache".into()),
                Piece::Bind("/etc/ssl".into()),
                Piece::Hide("/etc/ssl/private".into()),
            ]
        );
    }

    #[test]
    fn mounts_keep_clear_of_what_is_the_sandboxs_own() {
        for taken in [
            "/",
            "/proc",
            "/dev/shm",
            "/workspace/x",
            "/prova",
            "/usr/lib",
            "/etc",
            "/home",
        ] {
            assert!(is_taken(Path::new(taken)), "{taken}");
        }
        for free in [
            "/opt/agents",
            "/home/ann/tools",
            "/tmp/tools",
            "/etc/java",
            "/nix/store",
        ] {
            assert!(!is_taken(Path::new(free)), "{free}");
        }
    }

    #[test]
    fn a_plain_path_goes_one_way() {
        assert!(is_plain(Path::new("/opt/agents")));
        for crooked in ["opt", "/opt/../etc", "../opt", ""] {
            assert!(!is_plain(Path::new(crooked)), "{crooked}");
        }
    }
}
