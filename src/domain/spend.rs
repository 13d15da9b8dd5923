//! What a job may spend: the server's limits, what policy takes off them, and what was spent before.
//!
//! Days are UTC days. A job counts towards the day it began on, however long it runs.

use serde::{Deserialize, Serialize};

use crate::domain::budget::{Cap, Day, Exceeded, Scope};
use crate::domain::ids::{JobId, Login};
use crate::domain::money::Usd;
use crate::domain::time::Timestamp;

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// The most that may be spent on model calls, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// By one job, all its attempts.
    pub job: Usd,
    /// By one task, all its jobs.
    pub task: Usd,
    /// By one repository in a day.
    pub repository_day: Usd,
    /// For one person in a day.
    pub person_day: Usd,
    /// By the whole server in a day.
    pub day: Usd,
}

impl Budgets {
    /// Returns the budgets with policy's limit for a job, which can lower the server's and not
    /// raise it.
    #[must_use]
    pub fn narrowed(self, job: Option<Usd>) -> Self {
        Self {
            job: job.map_or(self.job, |asked| asked.min(self.job)),
            ..self
        }
    }

    /// Returns the budgets with a person's limit for a task, which can lower the server's and not raise
    /// it.
    #[must_use]
    pub fn of_task(self, task: Option<Usd>) -> Self {
        Self {
            task: task.map_or(self.task, |asked| asked.min(self.task)),
            ..self
        }
    }

    /// Returns the most that may be spent on something.
    #[must_use]
    pub const fn most(&self, scope: &Scope) -> Usd {
        match scope {
            Scope::Job(_) => self.job,
            Scope::Task(_) => self.task,
            Scope::Repository(_, _) => self.repository_day,
            Scope::Person(_, _) => self.person_day,
            Scope::Server(_) => self.day,
        }
    }
}

impl Day {
    /// Returns the UTC day of a time.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis().div_euclid(DAY))
    }
}

impl Scope {
    /// Returns everything that a job's calls count towards, the narrowest first. Accounts are the
    /// same however their names are capitalised.
    #[must_use]
    pub fn of_job(job: JobId, person: &Login, now: Timestamp) -> [Self; 5] {
        let day = Day::of(now);
        let person = Login::new(person.as_str().to_ascii_lowercase());
        [
            Self::Job(job),
            Self::Task(job.task),
            Self::Repository(job.task.thread.repo, day),
            Self::Person(person, day),
            Self::Server(day),
        ]
    }
}

impl std::fmt::Display for Scope {
    /// Writes a key that no other scope has.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job:{job}"),
            Self::Task(task) => write!(f, "task:{task}"),
            Self::Repository(repo, Day(day)) => write!(f, "repository:{day}:{repo}"),
            Self::Person(login, Day(day)) => write!(f, "person:{day}:{login}"),
            Self::Server(Day(day)) => write!(f, "server:{day}"),
        }
    }
}

/// Returns the limits of a job, from what has been spent in each scope.
pub fn caps(budgets: &Budgets, spent: impl IntoIterator<Item = (Scope, Usd)>) -> Vec<Cap> {
    spent
        .into_iter()
        .map(|(scope, spent)| Cap {
            most: budgets.most(&scope),
            scope,
            spent,
        })
        .collect()
}

/// Returns the first limit with nothing left below it: a job that needs a model cannot begin. A limit
/// of nothing leaves models that are free.
#[must_use]
pub fn used_up(caps: &[Cap]) -> Option<Exceeded> {
    let is_used_up = |cap: &&Cap| cap.most > Usd::ZERO && cap.spent >= cap.most;
    let cap = caps.iter().find(is_used_up)?;
    Some(Exceeded {
        cap: cap.clone(),
        asked: Usd::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{RepoId, TaskId, ThreadKey, ThreadNumber};

    const BUDGETS: Budgets = Budgets {
        job: Usd::from_micros(5),
        task: Usd::from_micros(20),
        repository_day: Usd::from_micros(50),
        person_day: Usd::from_micros(40),
        day: Usd::from_micros(200),
    };

    fn job() -> JobId {
        JobId {
            task: TaskId {
                thread: ThreadKey {
                    repo: RepoId(77),
                    number: ThreadNumber(12),
                },
                ordinal: 2,
            },
            ordinal: 3,
        }
    }

    #[test]
    fn a_job_counts_towards_five_things() {
        let noon = Timestamp::from_millis(DAY * 20_000 + DAY / 2);
        let keys = Scope::of_job(job(), &Login::new("Octo"), noon).map(|scope| scope.to_string());
        assert_eq!(
            keys,
            [
                "job:77-12-2.3",
                "task:77-12-2",
                "repository:20000:77",
                "person:20000:octo",
                "server:20000"
            ]
        );
    }

    #[test]
    fn days_are_those_of_utc() {
        let day = |millis| Day::of(Timestamp::from_millis(millis)).0;
        assert_eq!([day(-1), day(0), day(DAY - 1), day(DAY)], [-1, 0, 0, 1]);
    }

    #[test]
    fn policy_lowers_the_budget_of_a_job_and_never_raises_it() {
        let narrowed = |micros| BUDGETS.narrowed(Some(Usd::from_micros(micros))).job;
        assert_eq!(narrowed(2), Usd::from_micros(2));
        assert_eq!(narrowed(9), BUDGETS.job);
        assert_eq!(BUDGETS.narrowed(None), BUDGETS);
    }

    #[test]
    fn the_narrowest_budget_that_is_used_up_is_named() {
        let scopes = Scope::of_job(job(), &Login::new("octo"), Timestamp::EPOCH);
        let spent = |micros: [u64; 5]| {
            let spent = micros.map(Usd::from_micros);
            used_up(&caps(&BUDGETS, scopes.clone().into_iter().zip(spent)))
        };
        assert_eq!(spent([4, 19, 49, 39, 199]), None);
        let exceeded = spent([0, 7, 60, 40, 0]).unwrap();
        assert_eq!(exceeded.cap.scope, scopes[2]);
        assert_eq!(exceeded.cap.most, BUDGETS.repository_day);
        assert_eq!(exceeded.cap.spent, Usd::from_micros(60));
        let nothing = Budgets {
            job: Usd::ZERO,
            ..BUDGETS
        };
        let free = scopes.into_iter().map(|scope| (scope, Usd::ZERO));
        assert_eq!(used_up(&caps(&nothing, free)), None);
    }
}
