//! The system calls that nothing inside may make, as engines read them.
//!
//! In the place of the engine's own filter, which is a list of what is allowed: older ones allow
//! `AF_VSOCK`, which no network namespace confines, `io_uring` and `ptrace`, and only one filter can
//! be given. This is the list that bubblewrap's sandboxes have; the other calls that engines refuse
//! need capabilities, of which there are none here.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::adapters::sandbox::container::engine::Kind;

/// Always refused, with `EPERM`.
const REFUSED: [&str; 57] = [
    // Kernel keyrings belong to users and not to namespaces: jobs share a user.
    "add_key",
    "keyctl",
    "request_key",
    // Its requests are made inside the kernel and pass no filter.
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    // Large machines of the kernel, and what its exploits are made with.
    "bpf",
    "fanotify_init",
    "perf_event_open",
    "userfaultfd",
    // Other processes: their memory, descriptors and registers. Debuggers do not work inside.
    "kcmp",
    "pidfd_getfd",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    // The view of files that the sandbox is made of.
    "chroot",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "pivot_root",
    "umount2",
    // Opens files by number, past the directories that lead to them.
    "open_by_handle_at",
    // Other namespaces; making new ones is below.
    "setns",
    // The machine. The kernel asks for privileges here, too.
    "acct",
    "adjtimex",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "finit_module",
    "init_module",
    "kexec_file_load",
    "kexec_load",
    "lookup_dcookie",
    "nfsservctl",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "vhangup",
    // Old ones, that only some architectures have.
    "_sysctl",
    "ioperm",
    "iopl",
    "modify_ldt",
    "sysfs",
    "uselib",
    "ustat",
];

/// Flags of `clone` and `unshare` that make a namespace: cgroup, IPC, network, mount, PID, user, UTS.
const NAMESPACES: [u64; 7] = [
    0x0200_0000,
    0x0800_0000,
    0x4000_0000,
    0x0002_0000,
    0x2000_0000,
    0x1000_0000,
    0x0400_0000,
];
/// `CLONE_NEWTIME`. In `clone` this bit is part of a signal's number.
const TIME_NAMESPACE: u64 = 0x80;

/// Socket families that a network namespace confines: `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_NETLINK`.
const FAMILIES: [u64; 4] = [1, 2, 10, NETLINK];
const NETLINK: u64 = 16;

/// Terminal requests: typing into it, the console's own, and loading line disciplines.
const TERMINAL: [u64; 3] = [0x5412, 0x541c, 0x5423];

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
const EAFNOSUPPORT: u32 = 97;

/// Returns the filter as JSON. Calls of another architecture than the engine's are not allowed.
fn profile() -> Value {
    let mut calls = vec![
        refuse(&REFUSED, EPERM, &[]),
        // `clone3` has its flags in memory, where no filter can look; libraries go back to `clone`.
        refuse(&["clone3"], ENOSYS, &[]),
    ];
    for flag in NAMESPACES {
        calls.push(refuse(
            &["clone", "unshare"],
            EPERM,
            &[masked(0, flag, flag)],
        ));
    }
    let time = masked(0, TIME_NAMESPACE, TIME_NAMESPACE);
    calls.push(refuse(&["unshare"], EPERM, &[time]));
    for request in TERMINAL {
        // The kernel looks at the lower half alone.
        let request = masked(1, 0xffff_ffff, request);
        calls.push(refuse(&["ioctl"], EPERM, &[request]));
    }
    let sockets = ["socket", "socketpair"];
    for family in (0..NETLINK).filter(|family| !FAMILIES.contains(family)) {
        let family = compare(0, "SCMP_CMP_EQ", family);
        calls.push(refuse(&sockets, EAFNOSUPPORT, &[family]));
    }
    let above = compare(0, "SCMP_CMP_GT", NETLINK);
    calls.push(refuse(&sockets, EAFNOSUPPORT, &[above]));
    // Of the kernel's own protocols only routes: libraries read there which addresses they have.
    let not_route = [
        compare(0, "SCMP_CMP_EQ", NETLINK),
        compare(2, "SCMP_CMP_NE", 0),
    ];
    calls.push(refuse(&["socket"], EAFNOSUPPORT, &not_route));
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls })
}

fn refuse(names: &[&str], errno: u32, args: &[Value]) -> Value {
    json!({ "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": args })
}

fn compare(index: u32, operation: &str, value: u64) -> Value {
    json!({ "index": index, "value": value, "valueTwo": 0, "op": operation })
}

fn masked(index: u32, mask: u64, value: u64) -> Value {
    json!({ "index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ" })
}

/// The filter, as an engine takes it.
#[derive(Debug)]
pub(super) struct Filter {
    value: String,
    /// Gone with the run.
    _file: Option<tempfile::NamedTempFile>,
}

impl Filter {
    /// Returns what stands after `seccomp=`.
    pub(super) fn value(&self) -> &str {
        &self.value
    }
}

/// Makes the filter: Docker wants it as text, Podman as a file.
pub(super) fn option(kind: Kind) -> io::Result<Filter> {
    let text = profile().to_string();
    Ok(match kind {
        Kind::Docker => Filter {
            value: text,
            _file: None,
        },
        Kind::Podman => {
            let mut file = tempfile::NamedTempFile::new()?;
            file.write_all(text.as_bytes())?;
            Filter {
                value: file.path().display().to_string(),
                _file: Some(file),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_that_no_namespace_confines_are_refused() {
        let profile = profile();
        let rules = profile["syscalls"].as_array().unwrap();
        let refused = |family: u64| {
            rules.iter().any(|rule| {
                let args = rule["args"].as_array().unwrap();
                let [only] = args.as_slice() else {
                    return false;
                };
                let is_socket = rule["names"].as_array().unwrap().contains(&json!("socket"));
                let value = only["value"].as_u64().unwrap();
                is_socket
                    && match only["op"].as_str().unwrap() {
                        "SCMP_CMP_EQ" => family == value,
                        "SCMP_CMP_GT" => family > value,
                        other => panic!("{other}"),
                    }
            })
        };
        for family in 0..64 {
            assert_eq!(refused(family), !FAMILIES.contains(&family), "{family}");
        }
    }

    #[test]
    fn podman_reads_a_file() {
        let filter = option(Kind::Podman).unwrap();
        let text = std::fs::read_to_string(filter.value()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), profile());
        let inline = option(Kind::Docker).unwrap();
        assert_eq!(inline.value(), text);
    }
}
