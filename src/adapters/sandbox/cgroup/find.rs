//! Where this process stands in the hierarchies of control groups, from the kernel's own texts.

use std::path::{Path, PathBuf};

/// What limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// Returns the kernel's name for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }

    /// Returns the key of `[limits]` that it enforces.
    pub(super) const fn setting(self) -> &'static str {
        match self {
            Self::Memory => "memory_mib",
            Self::Pids => "processes",
            Self::Cpu => "cpus",
        }
    }
}

/// Reads the known ones of a list of names.
pub(super) fn controllers<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Controller> {
    let words: Vec<&str> = words.collect();
    let mut known = Controller::ALL.to_vec();
    known.retain(|controller| words.contains(&controller.word()));
    known
}

/// Which of the kernel's two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// One hierarchy for some controllers; there are several of them.
    One,
    /// The one for all controllers.
    Two,
}

/// A hierarchy, and this process's own group in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// The directory of the group that this process is in.
    pub(super) dir: PathBuf,
    /// The controllers that are bound to it. Version two says so in the directory itself, so there
    /// are none here.
    pub(super) controllers: Vec<Controller>,
}

/// Reads `/proc/self/mountinfo` and `/proc/self/cgroup` into the hierarchies that can be of use.
pub(super) fn hierarchies(mountinfo: &str, own: &str) -> Vec<Hierarchy> {
    let mounts = mountinfo.lines().filter_map(Mount::parse);
    mounts
        .filter_map(|mount| {
            let controllers = controllers(mount.options.split(','));
            if mount.version == Version::One && controllers.is_empty() {
                return None;
            }
            let inside = own_group(own, mount.version, &controllers)?;
            let below = Path::new(inside).strip_prefix(&mount.root).ok()?;
            Some(Hierarchy {
                version: mount.version,
                dir: mount.at.join(below),
                controllers: match mount.version {
                    Version::One => controllers,
                    Version::Two => Vec::new(),
                },
            })
        })
        .collect()
}

/// Finds the group of the hierarchy in lines such as `4:memory:/jobs` and `0::/jobs`.
fn own_group<'a>(own: &'a str, version: Version, bound: &[Controller]) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let (_number, rest) = line.split_once(':')?;
        let (names, group) = rest.split_once(':')?;
        let is_it = match version {
            Version::One => bound
                .iter()
                .all(|controller| names.split(',').any(|name| name == controller.word())),
            Version::Two => names.is_empty(),
        };
        is_it.then_some(group)
    })
}

/// A mount of a hierarchy.
struct Mount<'a> {
    version: Version,
    /// The group that stands at its root.
    root: PathBuf,
    at: PathBuf,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// Parses a line of `mountinfo`: `ID PARENT DEVICE ROOT AT OPTIONS [MORE…] - TYPE SOURCE SUPER`.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        let version = match system.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let mut mount = mount.split(' ').skip(3);
        Some(Self {
            version,
            root: unescaped(mount.next()?),
            at: unescaped(mount.next()?),
            options: system.nth(1)?,
        })
    }
}

/// Undoes the kernel's escapes of what would end a field: `\040` is a space.
fn unescaped(field: &str) -> PathBuf {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let plain = escapes
        .iter()
        .fold(field.to_owned(), |text, (escape, plain)| {
            text.replace(escape, plain)
        });
    PathBuf::from(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mountinfo: &str, own: &str) -> Vec<(Version, String, Vec<Controller>)> {
        let found = hierarchies(mountinfo, own).into_iter();
        found
            .map(|one| (one.version, one.dir.display().to_string(), one.controllers))
            .collect()
    }

    #[test]
    fn one_hierarchy_for_all() {
        let mountinfo = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "0::/system.slice/prova.service\n";
        let dir = "/sys/fs/cgroup/system.slice/prova.service".to_owned();
        assert_eq!(found(mountinfo, own), [(Version::Two, dir, vec![])]);
    }

    #[test]
    fn several_hierarchies_and_an_empty_new_one() {
        let mountinfo = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let own = "9:name=systemd:/init\n5:devices:/\n4:memory:/jobs/a\n2:cpu,cpuacct:/c\n0::/u\n";
        let expected = [
            (
                Version::One,
                "/sys/fs/cgroup/cpu,cpuacct/c",
                vec![Controller::Cpu],
            ),
            (
                Version::One,
                "/sys/fs/cgroup/memory/jobs/a",
                vec![Controller::Memory],
            ),
            (Version::Two, "/sys/fs/cgroup/unified/u", vec![]),
        ];
        let expected = expected.map(|(version, dir, list)| (version, dir.to_owned(), list));
        assert_eq!(found(mountinfo, own), expected);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let mountinfo =
            "35 31 0:32 /docker/a\\040b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let dir = |own| found(mountinfo, own).into_iter().map(|(_, dir, _)| dir);
        let at: Vec<_> = dir("4:memory:/docker/a b/x").collect();
        assert_eq!(at, ["/sys/fs/cgroup/memory/x"]);
        let elsewhere: Vec<_> = dir("4:memory:/../other").collect();
        assert!(elsewhere.is_empty(), "{elsewhere:?}");
    }

    #[test]
    fn what_is_no_hierarchy_is_passed_over() {
        for text in ["", "x", "1 2 3 - cgroup", "1 2 3 / /a rw - tmpfs tmpfs rw"] {
            assert!(hierarchies(text, "0::/").is_empty(), "{text}");
        }
        let two = "1 2 3 / /a rw - cgroup2 none rw";
        assert!(hierarchies(two, "4:memory:/").is_empty());
        assert_eq!(hierarchies(two, "0::/").len(), 1);
    }
}
