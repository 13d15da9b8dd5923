//! What model calls may cost: hard limits, each for something that many calls share.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{JobId, Login, RepoId, TaskId};
use crate::domain::money::Usd;

/// What a limit is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", content = "of", rename_all = "snake_case")]
pub enum Scope {
    /// One job, all its attempts.
    Job(JobId),
    /// One task, all its jobs.
    Task(TaskId),
    /// One repository, one day.
    Repository(RepoId, Day),
    /// One person who asks, one day.
    Person(Login, Day),
    /// The whole server, one day.
    Server(Day),
}

/// A day in UTC: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(pub i64);

/// A limit, and how much of it was used before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// What it is for.
    pub scope: Scope,
    /// The most that may be spent.
    pub most: Usd,
    /// What had been spent when it was read.
    pub spent: Usd,
}

/// Why a call was not let through: it could have passed a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceeded {
    /// The limit.
    pub cap: Cap,
    /// The most that the call could have cost.
    pub asked: Usd,
}
