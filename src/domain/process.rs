//! The processes that share one store: who runs, and whether they fit together.

use crate::domain::time::{Span, Timestamp};

/// How often a process says that it runs.
pub const BEAT: Span = Span::seconds(5);
/// Who has said nothing for so long does not run any more.
pub const SILENT: Span = Span::seconds(20);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Receives webhooks and decides; may work as well.
    Serve,
    /// Only works.
    Worker,
}

impl Role {
    /// Returns the word that the store and people know it by.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Worker => "worker",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Serve, Self::Worker]
            .into_iter()
            .find(|role| role.word() == word)
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, for people.
    pub name: String,
    /// Which kernel it runs, since when: containers of one machine have it in common, and two
    /// machines never.
    pub kernel: String,
}

/// A process as it has said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The worker's name, which no other process that lives has.
    pub id: String,
    /// What it does.
    pub role: Role,
    /// Where.
    pub host: Host,
    /// Of which version it is.
    pub version: String,
    /// The newest schema that it knows.
    pub schema: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it said last that it runs.
    pub seen_at: Timestamp,
}

impl Process {
    /// Returns whether it has been heard of lately.
    #[must_use]
    pub fn runs(&self, now: Timestamp) -> bool {
        now.since(self.seen_at) < SILENT
    }
}

/// The schema of a store beside the one that this code knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The newest that this code knows.
    pub known: i64,
    /// The one that is there.
    pub found: i64,
    /// The oldest whose code can still run on what is there.
    pub oldest: i64,
    /// The version of Prova that brought it there, if it has said so.
    pub by: Option<String>,
}

impl Schema {
    /// Returns why code of `version` cannot run on it, and the remedy.
    #[must_use]
    pub fn refusal(&self, version: &str) -> Option<String> {
        if self.known >= self.oldest {
            return None;
        }
        let by = self.by.as_deref().unwrap_or("a newer version");
        Some(format!(
            "it was brought to schema {} by Prova {by}, and needs a version that knows schema {} at \
             least; this is Prova {version}, which knows up to {}: start Prova {by}, or restore a \
             backup from before the upgrade",
            self.found, self.oldest, self.known
        ))
    }
}

/// Returns the process of another machine that has the store open beside `own`, if there is one. A
/// machine that was started anew has another kernel than before; who ran on the old one is gone, and
/// was heard of before `own` began.
#[must_use]
pub fn elsewhere<'a>(own: &Process, all: &'a [Process], now: Timestamp) -> Option<&'a Process> {
    all.iter().find(|one| {
        let was_here = one.host.name == own.host.name && one.seen_at <= own.started_at;
        one.runs(now) && one.host.kernel != own.host.kernel && !was_here
    })
}

/// Returns what to say of processes that run in several versions: which ones, and what to do.
#[must_use]
pub fn skew(all: &[Process], now: Timestamp) -> Option<String> {
    let mut versions: Vec<_> = all
        .iter()
        .filter(|one| one.runs(now))
        .map(|one| one.version.as_str())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    (versions.len() > 1).then(|| {
        format!(
            "Prova runs in the versions {}: that is right during an upgrade; bring all processes to \
             the newest",
            versions.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(version: &str, host: (&str, &str), seen_at: i64) -> Process {
        Process {
            id: format!("worker-{version}-{}", host.0),
            role: Role::Worker,
            host: Host {
                name: host.0.to_owned(),
                kernel: host.1.to_owned(),
            },
            version: version.to_owned(),
            schema: 4,
            started_at: Timestamp::EPOCH,
            seen_at: Timestamp::from_millis(seen_at),
        }
    }

    #[test]
    fn a_role_reads_back() {
        for role in [Role::Serve, Role::Worker] {
            assert_eq!(Role::of(role.word()), Some(role));
        }
        assert_eq!(Role::of("manager"), None);
    }

    #[test]
    fn code_runs_on_every_schema_that_it_is_not_too_old_for() {
        for (known, found, oldest, runs) in [
            (4, 4, 1, true),
            (4, 6, 4, true),
            (4, 6, 5, false),
            (6, 6, 6, true),
        ] {
            let schema = Schema {
                known,
                found,
                oldest,
                by: Some("0.9.0".to_owned()),
            };
            assert_eq!(schema.refusal("0.7.0").is_none(), runs, "{schema:?}");
        }
        let schema = Schema {
            known: 4,
            found: 6,
            oldest: 5,
            by: None,
        };
        let told = schema.refusal("0.7.0").unwrap_or_default();
        assert!(told.contains("schema 6 by Prova a newer version"), "{told}");
        assert!(
            told.contains("this is Prova 0.7.0, which knows up to 4"),
            "{told}"
        );
    }

    #[test]
    fn another_machine_has_another_kernel_and_is_heard_of() {
        let now = Timestamp::from_millis(100_000);
        let own = Process {
            started_at: Timestamp::from_millis(98_000),
            ..process("1", ("a", "k1"), 99_000)
        };
        for (host, seen_at, found) in [
            (("a", "k1"), 99_000, false),
            // Another container.
            (("b", "k1"), 99_000, false),
            // Before this machine was started anew.
            (("a", "k0"), 97_000, false),
            // A machine of the same name.
            (("a", "k0"), 99_000, true),
            (("b", "k2"), 97_000, true),
            (("b", "k2"), 80_000, false),
            // Its clock is ahead.
            (("b", "k2"), 200_000, true),
        ] {
            let all = [own.clone(), process("1", host, seen_at)];
            assert_eq!(elsewhere(&own, &all, now).is_some(), found, "{host:?}");
        }
    }

    #[test]
    fn several_versions_are_told_while_they_run() {
        let now = Timestamp::from_millis(100_000);
        let [old, new, gone] = [("1", 99_000), ("2", 99_500), ("0", 1_000)]
            .map(|(version, seen_at)| process(version, ("a", "k"), seen_at));
        assert_eq!(skew(&[old.clone(), gone.clone()], now), None);
        let told = skew(&[new, gone, old], now).unwrap_or_default();
        assert!(
            told.starts_with("Prova runs in the versions 1 and 2:"),
            "{told}"
        );
    }
}
