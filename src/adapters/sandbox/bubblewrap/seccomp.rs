//! The system calls that nothing inside may make, as a pure function to the kernel's own form.
//!
//! Everything else is allowed: what runs here is any program of any repository, and a list of what
//! programs need would break some of them at each new kernel. So this takes away what namespaces do
//! not confine, what reaches much of the kernel for few programs, and what only serves to get out.
//! A refused call returns an error, as on a kernel that was built without it, and programs go on.

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Always refused with `EPERM`.
const REFUSED: &[c_long] = &[
    // Kernel keyrings belong to users and not to namespaces: jobs share a user.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // Its requests are made inside the kernel and pass no filter.
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    // Large machines of the kernel, and what its exploits are made with.
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Other processes: their memory, descriptors and registers. Debuggers do not work inside.
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    // The view of files that the sandbox is made of.
    libc::SYS_chroot,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_umount2,
    // Opens files by number, past the directories that lead to them.
    libc::SYS_open_by_handle_at,
    // Other namespaces; making new ones is below.
    libc::SYS_setns,
    // The machine. The kernel asks for privileges here, too.
    libc::SYS_acct,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_vhangup,
];

/// The same, of calls that only this architecture has: old ones.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS__sysctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Flags of `clone` and `unshare` that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// `CLONE_NEWTIME`. In `clone` this bit is part of a signal's number.
const TIME_NAMESPACE: u64 = 0x80;

/// Socket families that a network namespace confines. Others are not (`AF_VSOCK` talks to whatever
/// runs the virtual machine) or reach parts of the kernel that nobody here needs (`AF_ALG`).
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Terminal requests: typing into it, the console's own, and loading line disciplines.
const TERMINAL: [u64; 3] = [0x5412, 0x541c, 0x5423]; // TIOCSTI, TIOCLINUX, TIOCSETD

/// Ways to run that programs ask for: Linux, its old version number, without randomised addresses
/// (sanitizers), and to be told which it is. Others make memory executable behind a program's back.
const PERSONALITIES: [u64; 6] = [0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0xffff_ffff];

/// The bit that marks a call of the x32 ABI, which passes as the architecture it runs on and has
/// numbers of its own.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

type Rules = Vec<(c_long, Vec<SeccompRule>)>;

/// Returns the filter as `bwrap --seccomp` reads it. Programs of another architecture than the
/// server's are killed.
///
/// # Errors
/// When there is no filter for this architecture.
pub(super) fn filter() -> Result<Vec<u8>, BackendError> {
    let mut program = BpfProgram::new();
    foreign_numbers(&mut program);
    let groups = [
        (libc::EPERM, refused()?),
        (libc::EAFNOSUPPORT, sockets()?),
        // `clone3` has its flags in memory, where no filter can look; libraries go back to `clone`.
        (libc::ENOSYS, vec![(libc::SYS_clone3, Vec::new())]),
    ];
    for (errno, rules) in groups {
        // Each ends by allowing what none of its rules is about. The next one decides that instead.
        program.extend(compile(errno, rules)?);
        program.pop();
    }
    program.push(statement(RETURN, u32::from(SeccompAction::Allow)));
    Ok(program.iter().flat_map(bytes).collect())
}

fn compile(errno: i32, rules: Rules) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

fn refused() -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED
        .iter()
        .chain(REFUSED_HERE)
        .map(|call| (*call, Vec::new()))
        .collect();
    let flag = |bit: u64| rule([condition(0, SeccompCmpOp::MaskedEq(bit), bit)?]);
    let flags = || {
        NAMESPACES
            .map(|bit| u64::from(bit.unsigned_abs()))
            .into_iter()
    };
    let clone: Result<Vec<_>, _> = flags().map(flag).collect();
    rules.push((libc::SYS_clone, clone?));
    let unshare: Result<Vec<_>, _> = flags().chain([TIME_NAMESPACE]).map(flag).collect();
    rules.push((libc::SYS_unshare, unshare?));
    let terminal: Result<Vec<_>, _> = TERMINAL
        .iter()
        .map(|request| rule([condition(1, SeccompCmpOp::Eq, *request)?]))
        .collect();
    rules.push((libc::SYS_ioctl, terminal?));
    rules.push((libc::SYS_personality, vec![none_of(0, &PERSONALITIES)?]));
    Ok(rules)
}

fn sockets() -> Result<Rules, BackendError> {
    let families = FAMILIES.map(|family| u64::from(family.unsigned_abs()));
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    let foreign = || none_of(0, &families);
    // Of the kernel's own protocols only routes: libraries read there which addresses they have.
    let not_route = rule([
        condition(0, SeccompCmpOp::Eq, netlink)?,
        condition(
            2,
            SeccompCmpOp::Ne,
            u64::from(libc::NETLINK_ROUTE.unsigned_abs()),
        )?,
    ])?;
    Ok(vec![
        (libc::SYS_socket, vec![foreign()?, not_route]),
        (libc::SYS_socketpair, vec![foreign()?]),
    ])
}

/// A rule that an argument is none of `values`.
fn none_of(argument: u8, values: &[u64]) -> Result<SeccompRule, BackendError> {
    let conditions = values
        .iter()
        .map(|value| condition(argument, SeccompCmpOp::Ne, *value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

/// A condition on the lower half of an argument, which is all that the kernel looks at in these
/// calls: comparing the whole would let a bit in the upper half through.
fn condition(
    argument: u8,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)
}

/// `BPF_RET | BPF_K`
const RETURN: u16 = 0x06;

#[cfg(target_arch = "x86_64")]
fn foreign_numbers(program: &mut BpfProgram) {
    /// `BPF_LD | BPF_W | BPF_ABS`
    const LOAD: u16 = 0x20;
    /// `BPF_JMP | BPF_JGE | BPF_K`
    const AT_LEAST: u16 = 0x35;
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let mut compare = statement(AT_LEAST, X32);
    compare.jf = 1;
    program.push(statement(LOAD, 0)); // the call's number
    program.push(compare);
    program.push(statement(RETURN, u32::from(missing)));
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign_numbers(_program: &mut BpfProgram) {}

fn statement(code: u16, k: u32) -> seccompiler::sock_filter {
    seccompiler::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Lays an instruction out as the kernel's `struct sock_filter`.
fn bytes(instruction: &seccompiler::sock_filter) -> [u8; 8] {
    let [c0, c1] = instruction.code.to_ne_bytes();
    let [k0, k1, k2, k3] = instruction.k.to_ne_bytes();
    [c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ALLOW: u32 = 0x7fff_0000;
    const KILL: u32 = 0x8000_0000;

    fn errno(number: i32) -> u32 {
        0x0005_0000 | number.unsigned_abs()
    }

    /// What the kernel's own interpreter would answer.
    fn answer(number: u32, architecture: u32, arguments: [u64; 3]) -> u32 {
        let mut data = [number, architecture, 0, 0].to_vec();
        for argument in arguments {
            data.push(u32::try_from(argument & 0xffff_ffff).unwrap());
            data.push(u32::try_from(argument >> 32).unwrap());
        }
        let filter = filter().unwrap();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = &filter[at * 8..][..8];
            let code = u16::from_ne_bytes(instruction[..2].try_into().unwrap());
            let (yes, no) = (usize::from(instruction[2]), usize::from(instruction[3]));
            let k = u32::from_ne_bytes(instruction[4..].try_into().unwrap());
            let jump = |taken: bool| if taken { yes } else { no };
            at += 1;
            match code {
                0x06 => return k,
                0x20 => accumulator = data[k as usize / 4],
                0x54 => accumulator &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(accumulator == k),
                0x25 => at += jump(accumulator > k),
                0x35 => at += jump(accumulator >= k),
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    fn here() -> u32 {
        match std::env::consts::ARCH {
            "x86_64" => 0xc000_003e,
            "aarch64" => 0xc000_00b7,
            "riscv64" => 0xc000_00f3,
            other => panic!("{other}"),
        }
    }

    fn asked(number: c_long, arguments: [u64; 3]) -> u32 {
        answer(u32::try_from(number).unwrap(), here(), arguments)
    }

    #[test]
    fn what_is_refused_is_refused_whatever_it_says() {
        for call in REFUSED.iter().chain(REFUSED_HERE) {
            for arguments in [[0; 3], [u64::MAX; 3]] {
                assert_eq!(asked(*call, arguments), errno(libc::EPERM), "{call}");
            }
        }
        assert_eq!(asked(libc::SYS_clone3, [0; 3]), errno(libc::ENOSYS));
    }

    #[test]
    fn no_call_is_in_two_groups() {
        let groups = [refused().unwrap(), sockets().unwrap()];
        let calls: Vec<c_long> = groups.iter().flatten().map(|(call, _)| *call).collect();
        let distinct: BTreeSet<c_long> = calls.iter().copied().collect();
        assert_eq!(calls.len(), distinct.len());
        assert!(!distinct.contains(&libc::SYS_clone3));
    }

    #[test]
    fn everything_else_is_allowed() {
        let known: BTreeSet<c_long> = refused()
            .unwrap()
            .into_iter()
            .chain(sockets().unwrap())
            .map(|(call, _)| call)
            .chain([libc::SYS_clone3])
            .collect();
        for number in 0..600 {
            if !known.contains(&number) {
                assert_eq!(asked(number, [u64::MAX; 3]), ALLOW, "{number}");
            }
        }
    }

    #[test]
    fn arguments_decide() {
        let high = 1 << 32;
        let fork = 0x11; // SIGCHLD
        let thread = 0x003d_0f00; // as the C library starts one
        for (call, arguments, expected) in [
            (libc::SYS_clone, [fork, 0, 0], ALLOW),
            (libc::SYS_clone, [thread, 0, 0], ALLOW),
            (libc::SYS_clone, [0x80, 0, 0], ALLOW),
            (
                libc::SYS_clone,
                [fork | 0x1000_0000, 0, 0],
                errno(libc::EPERM),
            ),
            (libc::SYS_clone, [0x4000_0000, 0, 0], errno(libc::EPERM)),
            (libc::SYS_clone, [0x2_0000, 0, 0], errno(libc::EPERM)),
            (libc::SYS_unshare, [0x400, 0, 0], ALLOW),
            (libc::SYS_unshare, [0x80, 0, 0], errno(libc::EPERM)),
            (libc::SYS_unshare, [0x0800_0400, 0, 0], errno(libc::EPERM)),
            (libc::SYS_ioctl, [0, 0x5413, 0], ALLOW), // TIOCGWINSZ
            (libc::SYS_ioctl, [0, 0x5412, 0], errno(libc::EPERM)),
            (libc::SYS_ioctl, [0, high | 0x5412, 0], errno(libc::EPERM)),
            (libc::SYS_ioctl, [0, 0x541c, 0], errno(libc::EPERM)),
            (libc::SYS_personality, [0xffff_ffff, 0, 0], ALLOW),
            (libc::SYS_personality, [0, 0, 0], ALLOW),
            (libc::SYS_personality, [0x40_0000, 0, 0], errno(libc::EPERM)),
            (libc::SYS_socket, [1, 1, 0], ALLOW),
            (libc::SYS_socket, [2, 2, 17], ALLOW),
            (libc::SYS_socket, [10, 1, 6], ALLOW),
            (libc::SYS_socket, [16, 3, 0], ALLOW),
            (libc::SYS_socket, [16, 3, 9], errno(libc::EAFNOSUPPORT)),
            (libc::SYS_socket, [40, 1, 0], errno(libc::EAFNOSUPPORT)),
            (
                libc::SYS_socket,
                [high | 40, 1, 0],
                errno(libc::EAFNOSUPPORT),
            ),
            (libc::SYS_socket, [high | 1, 1, 0], ALLOW),
            (libc::SYS_socketpair, [1, 1, 0], ALLOW),
            (libc::SYS_socketpair, [30, 1, 0], errno(libc::EAFNOSUPPORT)),
        ] {
            assert_eq!(asked(call, arguments), expected, "{call} {arguments:x?}");
        }
    }

    #[test]
    fn other_architectures_do_not_get_past_it() {
        let i386 = 0x4000_0003;
        assert_eq!(answer(0, i386, [0; 3]), KILL);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(answer(0x4000_0000, here(), [0; 3]), errno(libc::ENOSYS));
            assert_eq!(answer(u32::MAX, here(), [0; 3]), errno(libc::ENOSYS));
        }
    }
}
