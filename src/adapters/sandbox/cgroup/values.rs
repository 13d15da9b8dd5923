//! What is written into a group's files, and what is read from them.

use crate::adapters::sandbox::cgroup::find::{Controller, Version};
use crate::ports::sandbox::Limits;

/// How long the kernel counts processor time before it counts anew, in microseconds.
const PERIOD_US: u32 = 100_000;

/// What the sandbox itself needs beside the processes of the run: bubblewrap twice, and the starter.
const OWN_PROCESSES: u64 = 8;

/// One line for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) file: &'static str,
    pub(super) text: String,
    /// Whether the kernel may have no such file: older than it, or built without swap.
    pub(super) is_optional: bool,
}

impl Value {
    fn needed(file: &'static str, text: impl ToString) -> Self {
        Self {
            file,
            text: text.to_string(),
            is_optional: false,
        }
    }

    fn optional(file: &'static str, text: impl ToString) -> Self {
        Self {
            is_optional: true,
            ..Self::needed(file, text)
        }
    }
}

/// Returns what makes the kernel enforce `limits`, in the order in which it is to be written.
pub(super) fn values(version: Version, controller: Controller, limits: &Limits) -> Vec<Value> {
    let memory = limits.memory_bytes;
    let processes = limits.processes.saturating_add(OWN_PROCESSES);
    let quota = |milli: u32| milli.saturating_mul(PERIOD_US / 1000);
    match (version, controller) {
        (Version::Two, Controller::Memory) => vec![
            Value::needed("memory.max", memory),
            Value::optional("memory.swap.max", 0),
            // A compiler that lost one of its processes only looks broken: all or none.
            Value::optional("memory.oom.group", 1),
        ],
        (Version::One, Controller::Memory) => vec![
            Value::needed("memory.limit_in_bytes", memory),
            // Memory and swap together; it cannot be below the former, so it comes after it.
            Value::optional("memory.memsw.limit_in_bytes", memory),
        ],
        (Version::One | Version::Two, Controller::Pids) => {
            vec![Value::needed("pids.max", processes)]
        }
        (Version::Two, Controller::Cpu) => limits
            .milli_cpus
            .map(|milli| Value::needed("cpu.max", format!("{} {PERIOD_US}", quota(milli))))
            .into_iter()
            .collect(),
        (Version::One, Controller::Cpu) => limits.milli_cpus.map_or_else(Vec::new, |milli| {
            vec![
                Value::needed("cpu.cfs_period_us", PERIOD_US),
                Value::needed("cpu.cfs_quota_us", quota(milli)),
            ]
        }),
    }
}

/// Returns the file that counts what the kernel killed for want of memory.
pub(super) const fn kills_file(version: Version) -> &'static str {
    match version {
        Version::One => "memory.oom_control",
        Version::Two => "memory.events",
    }
}

/// Reads that count: both files have a line `oom_kill N`.
pub(super) fn kills(text: &str) -> u64 {
    let counts = text.lines().filter_map(|line| line.split_once(' '));
    let mut counts = counts.filter(|(name, _)| *name == "oom_kill");
    counts
        .next()
        .and_then(|(_, count)| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;

    fn written(version: Version, milli_cpus: Option<u32>) -> Vec<String> {
        let limits = Limits {
            wall: Span::seconds(1),
            output_bytes: 1,
            file_bytes: 1,
            processes: 100,
            memory_bytes: 1 << 30,
            milli_cpus,
            disk_bytes: 1,
        };
        let values = Controller::ALL
            .into_iter()
            .flat_map(|controller| values(version, controller, &limits));
        values
            .map(|value| {
                let mark = if value.is_optional { "?" } else { "" };
                format!("{}{mark} = {}", value.file, value.text)
            })
            .collect()
    }

    #[test]
    fn these_lines_are_written_and_no_others() {
        assert_eq!(
            written(Version::Two, Some(1500)),
            [
                "memory.max = 1073741824",
                "memory.swap.max? = 0",
                "memory.oom.group? = 1",
                "pids.max = 108",
                "cpu.max = 150000 100000",
            ]
        );
        assert_eq!(
            written(Version::One, Some(250)),
            [
                "memory.limit_in_bytes = 1073741824",
                "memory.memsw.limit_in_bytes? = 1073741824",
                "pids.max = 108",
                "cpu.cfs_period_us = 100000",
                "cpu.cfs_quota_us = 25000",
            ]
        );
        assert_eq!(written(Version::Two, None).len(), 4);
        assert_eq!(written(Version::One, None).len(), 3);
    }

    #[test]
    fn kills_are_counted() {
        let two = "low 0\nhigh 0\nmax 41\noom 2\noom_kill 3\noom_group_kill 1\n";
        assert_eq!(kills(two), 3);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 1\noom_kill 7\n"), 7);
        for none in ["", "oom_kill", "oom_kill x", "oom 4\n"] {
            assert_eq!(kills(none), 0, "{none}");
        }
    }
}
