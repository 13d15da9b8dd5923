//! The options of bubblewrap, as a pure function: what isolates is all on this page.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use crate::adapters::sandbox::bubblewrap::view::{INSIDE_ID, Piece, SYNTHETIC};
use crate::adapters::sandbox::cover::Cover;
use crate::ports::sandbox::{INSIDE_CHECKOUT, INSIDE_HOME};

/// Something of the host that stands inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bind {
    /// Where it is on the host.
    pub(super) from: PathBuf,
    /// Where it stands inside.
    pub(super) at: PathBuf,
    /// Whether it may be written.
    pub(super) access: Access,
}

/// What may be done with a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    Writable,
}

/// All that one sandbox is made of.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    /// The system's view.
    pub(super) system: &'a [Piece],
    /// The operator's mounts, then what belongs to the job; later ones cover earlier ones.
    pub(super) binds: &'a [Bind],
    /// What is seen empty of the checkout.
    pub(super) covers: &'a [Cover],
    /// The whole environment.
    pub(super) env: &'a BTreeMap<String, String>,
    /// Bytes that each of the private directories may hold.
    pub(super) scratch_bytes: u64,
    /// The descriptors that bubblewrap inherits.
    pub(super) descriptors: &'a Descriptors,
}

/// Descriptors that bubblewrap inherits, by number. It closes them before it starts the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Where it reports the process id and the exit code.
    pub(super) status: RawFd,
    /// The seccomp filter of the command; see [`seccomp`](crate::adapters::sandbox::bubblewrap::seccomp).
    pub(super) filter: RawFd,
    /// The content of each of [`SYNTHETIC`], in its order.
    pub(super) synthetic: Vec<RawFd>,
    /// Nothing, for each of the files that are covered, in their order.
    pub(super) empty: Vec<RawFd>,
}

/// Returns the options that make the sandbox. The root is empty but for what is named here.
pub(super) fn options(layout: &Layout<'_>) -> Vec<OsString> {
    let mut options = Options(Vec::new());
    options.isolate(layout.descriptors);
    options.system(layout);
    options.private_places(layout.scratch_bytes);
    for bind in layout.binds {
        let kind = match bind.access {
            Access::ReadOnly => "--ro-bind",
            Access::Writable => "--bind",
        };
        options.add(kind, [bind.from.as_os_str(), bind.at.as_os_str()]);
    }
    options.covers(layout);
    // Last: until here the root is written to. It is memory, and without this line it would be
    // memory without a limit.
    options.add("--remount-ro", ["/"]);
    for (name, value) in layout.env {
        options.add("--setenv", [name, value]);
    }
    options.add("--chdir", [INSIDE_CHECKOUT]);
    options.0
}

struct Options(Vec<OsString>);

impl Options {
    fn add<T: AsRef<OsStr>>(&mut self, option: &str, values: impl IntoIterator<Item = T>) {
        self.0.push(option.into());
        self.0
            .extend(values.into_iter().map(|value| value.as_ref().to_owned()));
    }

    fn flag(&mut self, option: &str) {
        self.0.push(option.into());
    }

    fn isolate(&mut self, descriptors: &Descriptors) {
        self.flag("--unshare-all");
        // `--unshare-all` only tries the user namespace; without one the rest must not start.
        self.flag("--unshare-user");
        // A user namespace inside would give back the capabilities that reach most kernel bugs.
        self.flag("--disable-userns");
        self.add("--uid", [INSIDE_ID.to_string()]);
        self.add("--gid", [INSIDE_ID.to_string()]);
        self.add("--hostname", ["prova"]);
        self.add("--cap-drop", ["ALL"]);
        self.flag("--clearenv");
        self.flag("--die-with-parent");
        // Without a session of its own, a process could type into the server's terminal.
        self.flag("--new-session");
        self.add("--seccomp", [descriptors.filter.to_string()]);
        self.add("--json-status-fd", [descriptors.status.to_string()]);
    }

    fn system(&mut self, layout: &Layout<'_>) {
        // Parents that bubblewrap makes by itself are 0700.
        for dir in ["/etc", "/home", "/prova"] {
            self.add("--perms", ["0755"]);
            self.add("--dir", [dir]);
        }
        for piece in layout.system {
            match piece {
                Piece::Bind(at) => self.add("--ro-bind", [at, at]),
                Piece::Link { target, at } => self.add("--symlink", [target, at]),
                Piece::Hide(at) => self.scratch(at, "0500", 4096),
            }
        }
        for (file, descriptor) in SYNTHETIC.iter().zip(&layout.descriptors.synthetic) {
            self.add("--perms", ["0444"]);
            self.add("--ro-bind-data", [&descriptor.to_string(), file.at]);
        }
    }

    fn private_places(&mut self, bytes: u64) {
        self.add("--proc", ["/proc"]);
        self.add("--dev", ["/dev"]);
        self.scratch(Path::new("/dev/shm"), "1777", bytes);
        self.add("--remount-ro", ["/dev"]); // memory without a limit, like the root
        self.scratch(Path::new("/tmp"), "1777", bytes);
        self.scratch(Path::new(INSIDE_HOME), "0700", bytes);
    }

    fn covers(&mut self, layout: &Layout<'_>) {
        let mut empty = layout.descriptors.empty.iter();
        for cover in layout.covers {
            match cover {
                Cover::Directory(at) => {
                    self.scratch(Path::new(at), "0555", 4096);
                    self.add("--remount-ro", [at]);
                }
                Cover::File(at) => {
                    let nothing = empty.next().map(ToString::to_string).unwrap_or_default();
                    self.add("--perms", ["0444"]);
                    self.add("--ro-bind-data", [&nothing, at]);
                }
            }
        }
    }

    fn scratch(&mut self, at: &Path, mode: &str, bytes: u64) {
        self.add("--perms", [mode]);
        self.add("--size", [bytes.to_string()]);
        self.add("--tmpfs", [at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_these_and_no_others() {
        let bind = |from: &str, at: &str, access| Bind {
            from: from.into(),
            at: at.into(),
            access,
        };
        let layout = Layout {
            system: &[
                Piece::Bind("/usr".into()),
                Piece::Link {
                    target: "usr/bin".into(),
                    at: "/bin".into(),
                },
                Piece::Bind("/etc/ssl".into()),
                Piece::Hide("/etc/ssl/private".into()),
            ],
            binds: &[
                bind("/opt/agents", "/opt/agents", Access::ReadOnly),
                bind("/work/jobs/7/checkout", "/workspace", Access::Writable),
                bind("/work/jobs/7/in", "/prova/in", Access::ReadOnly),
            ],
            covers: &[
                Cover::Directory("/workspace/.x".to_owned()),
                Cover::File("/workspace/x.json".to_owned()),
            ],
            env: &BTreeMap::from(
                [("HOME", INSIDE_HOME), ("WORDS", "--bind / /")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
            scratch_bytes: 1024,
            descriptors: &Descriptors {
                status: 9,
                filter: 8,
                synthetic: vec![10, 11, 12, 13],
                empty: vec![14],
            },
        };
        let expected = "\
            --unshare-all --unshare-user --disable-userns --uid 1000 --gid 1000 --hostname prova \
            --cap-drop ALL --clearenv --die-with-parent --new-session --seccomp 8 --json-status-fd 9 \
            --perms 0755 --dir /etc --perms 0755 --dir /home --perms 0755 --dir /prova \
            --ro-bind /usr /usr --symlink usr/bin /bin --ro-bind /etc/ssl /etc/ssl \
            --perms 0500 --size 4096 --tmpfs /etc/ssl/private \
            --perms 0444 --ro-bind-data 10 /etc/passwd --perms 0444 --ro-bind-data 11 /etc/group \
            --perms 0444 --ro-bind-data 12 /etc/hosts \
            --perms 0444 --ro-bind-data 13 /etc/nsswitch.conf \
            --proc /proc --dev /dev --perms 1777 --size 1024 --tmpfs /dev/shm --remount-ro /dev \
            --perms 1777 --size 1024 --tmpfs /tmp --perms 0700 --size 1024 --tmpfs /home/prova \
            --ro-bind /opt/agents /opt/agents --bind /work/jobs/7/checkout /workspace \
            --ro-bind /work/jobs/7/in /prova/in \
            --perms 0555 --size 4096 --tmpfs /workspace/.x --remount-ro /workspace/.x \
            --perms 0444 --ro-bind-data 14 /workspace/x.json --remount-ro / --setenv HOME /home/prova \
            --setenv WORDS";
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.extend(["--bind / /", "--chdir", "/workspace"]);
        assert_eq!(options(&layout), expected);
    }
}
