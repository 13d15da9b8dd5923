//! System calls that are refused inside, and programs that work all the same.

use crate::bed::Bed;

/// Makes a call by its number, as no library would, and prints the number of the error.
fn call(name: &str, number: i64, arguments: &str) -> String {
    format!(
        "$! = 0; my $r = syscall({number}, {arguments}); \
         print '{name} ', ($r == -1 ? $! + 0 : 'done'), \"\\n\";"
    )
}

#[tokio::test]
async fn what_namespaces_do_not_confine_is_refused() {
    let eperm = libc::EPERM;
    let no_family = libc::EAFNOSUPPORT;
    let calls = [
        // What would work, or fail otherwise, without the filter.
        ("keyctl", libc::SYS_keyctl, "0, -3, 0", eperm),
        ("add_key", libc::SYS_add_key, "0, 0, 0, 0, 0", eperm),
        ("io_uring_setup", libc::SYS_io_uring_setup, "1, 0", eperm),
        ("ptrace", libc::SYS_ptrace, "0, 0, 0, 0", eperm),
        (
            "ptrace of another",
            libc::SYS_ptrace,
            "16, getppid(), 0, 0",
            eperm,
        ),
        (
            "process_vm_readv",
            libc::SYS_process_vm_readv,
            "$$ + 0, 0, 0, 0, 0, 0",
            eperm,
        ),
        ("kcmp", libc::SYS_kcmp, "$$ + 0, $$ + 0, 2, 0, 0", eperm),
        ("fanotify_init", libc::SYS_fanotify_init, "0x200, 0", eperm),
        ("userfaultfd", libc::SYS_userfaultfd, "1", eperm),
        ("fsopen", libc::SYS_fsopen, "0, 0", eperm),
        ("open_tree", libc::SYS_open_tree, "-100, 0, 0", eperm),
        ("mount", libc::SYS_mount, "0, 0, 0, 0, 0", eperm),
        ("umount2", libc::SYS_umount2, "0, 0", eperm),
        (
            "open_by_handle_at",
            libc::SYS_open_by_handle_at,
            "-1, 0, 0",
            eperm,
        ),
        ("setns", libc::SYS_setns, "-1, 0", eperm),
        ("unshare of a user", libc::SYS_unshare, "0x10000000", eperm),
        (
            "clone of a network",
            libc::SYS_clone,
            "0x40000011, 0, 0, 0, 0",
            eperm,
        ),
        ("clone3", libc::SYS_clone3, "0, 0", libc::ENOSYS),
        ("personality", libc::SYS_personality, "0x0400000", eperm),
        (
            "typing into a terminal",
            libc::SYS_ioctl,
            "-1, 0x5412, 0",
            eperm,
        ),
        (
            "the same with a high bit",
            libc::SYS_ioctl,
            "-1, 0x100005412, 0",
            eperm,
        ),
        ("vsock", libc::SYS_socket, "40, 1, 0", no_family),
        ("alg", libc::SYS_socket, "38, 5, 0", no_family),
        ("packet", libc::SYS_socket, "17, 3, 0", no_family),
        ("netlink of audit", libc::SYS_socket, "16, 3, 9", no_family),
    ];
    let script: String = calls
        .iter()
        .map(|(name, number, arguments, _)| call(name, *number, arguments))
        .collect();
    let expected: String = calls
        .iter()
        .map(|(name, _, _, error)| format!("{name} {error}\n"))
        .collect();
    let bed = Bed::new();
    let outcome = bed.run(&bed.spec(&["perl", "-e", &script])).await.unwrap();
    assert_eq!(crate::bed::text(&outcome), expected);
}

#[tokio::test]
async fn what_programs_need_is_there() {
    let allowed = [
        ("inet", libc::SYS_socket, "2, 1, 0"),
        ("inet6", libc::SYS_socket, "10, 1, 0"),
        ("unix", libc::SYS_socket, "1, 1, 0"),
        ("routes", libc::SYS_socket, "16, 3, 0"),
        ("unshare of files", libc::SYS_unshare, "0x400"),
        ("personality", libc::SYS_personality, "0xffffffff"),
        ("pidfd_open", libc::SYS_pidfd_open, "$$ + 0, 0"),
        (
            "memfd_create",
            libc::SYS_memfd_create,
            "my $name = \"x\", 0",
        ),
    ];
    let script: String = allowed
        .iter()
        .map(|(name, number, arguments)| call(name, *number, arguments))
        .collect();
    let bed = Bed::new();
    let outcome = bed.run(&bed.spec(&["perl", "-e", &script])).await.unwrap();
    let expected: String = allowed
        .iter()
        .map(|(name, _, _)| format!("{name} done\n"))
        .collect();
    assert_eq!(crate::bed::text(&outcome), expected);

    let printed = bed
        .prints(
            "set -e; git init -q . 2>&1; git config user.name a; git config user.email a@b; \
             seq 100 | xargs -P 4 -I{} sh -c 'echo {} > f{}'; git add .; \
             git commit -qm one 2>&1; git log --format=%s; ls | wc -l; \
             getent hosts localhost | grep -c localhost; perl -e 'fork; wait' && echo forked",
        )
        .await;
    assert_eq!(printed, "one\n100\n1\nforked\n");
}

#[tokio::test]
async fn privileged_programs_give_nothing() {
    let bed = Bed::new();
    let printed = bed
        .prints(
            "cp /bin/sh own; chmod 6755 own; ./own -p -c 'id -u'; \
             for program in su passwd mount newgrp chsh sudo; do \
               path=$(command -v $program) && [ -u $path ] && \
               $path < /dev/null 2>&1 | grep -c '^uid=0'; \
             done | sort -u; \
             perl -e '$< = $> = 0; print \"$< $>\\n\"'; \
             grep -E 'CapEff|CapPrm|NoNewPrivs|Seccomp:' /proc/self/status",
        )
        .await;
    let lines: Vec<&str> = printed.lines().filter(|line| *line != "0").collect();
    assert_eq!(
        lines,
        [
            "1000",
            "1000 1000",
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2"
        ],
        "{printed}"
    );
}
