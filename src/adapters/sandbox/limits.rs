//! Resource limits, set by util-linux's `prlimit` on the command alone.

use std::ffi::OsString;

use crate::ports::sandbox::Limits;

/// The program. Named by its path: inside a sandbox, `PATH` may begin with directories of others.
pub(super) const PRLIMIT: &str = "/usr/bin/prlimit";

/// Whose processes the kernel counts against the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Those of the sandbox. The kernel counts per user *and user namespace*, so a limit that is set
    /// inside one counts that sandbox alone, although all of them run as the same user outside.
    /// (A limit set outside would be shared by all jobs, and one job could starve the rest. Linux
    /// before 5.14 counts by user alone, so there it is shared.)
    InNamespace,
    /// Those of the server's user, the server among them: no number fits, so none is set.
    OfUser,
}

/// Returns `command` under `limits`. A command that cannot be started ends as in a shell: 127 when
/// there is none, 126 when it is not executable, with the reason in the output.
///
/// Core dumps are off: they would be written to the checkout.
pub(super) fn limited(command: &[String], limits: &Limits, counted: Counted) -> Vec<OsString> {
    let mut words = vec![
        PRLIMIT.to_owned(),
        "--core=0".to_owned(),
        format!("--fsize={}", limits.file_bytes),
    ];
    match counted {
        Counted::InNamespace => words.push(format!("--nproc={}", limits.processes)),
        Counted::OfUser => {}
    }
    words.push("--".to_owned());
    words.extend_from_slice(command);
    words.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;

    #[test]
    fn limits_stand_before_the_command() {
        let limits = Limits {
            wall: Span::seconds(1),
            output_bytes: 1,
            file_bytes: 2_000,
            processes: 30,
            memory_bytes: 1,
            milli_cpus: None,
            disk_bytes: 1,
        };
        let command = ["sh".to_owned(), "--nproc=9".to_owned()];
        assert_eq!(
            limited(&command, &limits, Counted::InNamespace),
            [
                PRLIMIT,
                "--core=0",
                "--fsize=2000",
                "--nproc=30",
                "--",
                "sh",
                "--nproc=9"
            ]
        );
        assert_eq!(
            limited(&command, &limits, Counted::OfUser),
            [PRLIMIT, "--core=0", "--fsize=2000", "--", "sh", "--nproc=9"]
        );
    }
}
