//! What the kernel says about a process.

use std::time::Duration;

/// Ticks a second in `/proc/PID/stat`: 100 on every architecture that Linux shows to programs.
const TICKS: u64 = 100;

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// CPU time of all its threads, in user and kernel mode; not that of its children.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes: now, and the most there ever was.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Usage {
    /// Returns the CPU time since an earlier look.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }
}

/// Looks at a process that runs.
pub(crate) fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The program's name, in parentheses, may hold anything.
    let (_, after) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks: u64 = fields[11..=12]
        .iter()
        .map(|f| f.parse::<u64>().unwrap())
        .sum();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kilobytes = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.unwrap().parse::<u64>().unwrap() * 1024
    };
    Usage {
        cpu: Duration::from_millis(ticks * 1_000 / TICKS),
        resident: kilobytes("VmRSS:"),
        peak: kilobytes("VmHWM:"),
    }
}
