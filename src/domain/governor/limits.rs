//! What GitHub takes, and how much of it is for whom.

use crate::domain::time::Span;

/// What a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It changes nothing.
    Read,
    /// It changes something that nobody sees in a repository: a token is minted.
    Write,
    /// It changes something in a repository. GitHub does not list what counts as content, so all
    /// of this does.
    Content,
}

/// For whom a request is, from the least to the most important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Nobody waits for it now: comparing with GitHub, reading what is around a request.
    Bulk,
    /// A task goes on with it.
    Work,
    /// A person looks out for it: whether they may, that they were heard, what the answer is.
    Awaited,
}

impl Importance {
    /// Returns how much of a limit is kept free for what is more important.
    #[must_use]
    pub const fn leaves(self, limit: u32) -> u32 {
        match self {
            Self::Bulk => limit / 4,
            Self::Work => limit / 10,
            Self::Awaited => 0,
        }
    }

    /// Returns how far a limit may be used.
    #[must_use]
    pub const fn share(self, limit: u32) -> u32 {
        limit.saturating_sub(self.leaves(limit))
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// GitHub's points: 1 for a read, 5 for a write.
    Points,
    /// What creates content.
    Content,
}

impl Unit {
    /// Returns what a request of that kind costs.
    #[must_use]
    pub const fn cost(self, kind: Kind) -> u32 {
        match (self, kind) {
            (Self::Points, Kind::Read) => 1,
            (Self::Points, Kind::Write | Kind::Content) => 5,
            (Self::Content, Kind::Read | Kind::Write) => 0,
            (Self::Content, Kind::Content) => 1,
        }
    }
}

/// So much within such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub unit: Unit,
    /// The most of it.
    pub most: u32,
    /// Within any stretch of that length.
    pub within: Span,
    /// The same for people.
    pub words: &'static str,
}

/// The limits that are kept without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most requests under way at once.
    pub at_once: u32,
    /// What is limited by time.
    pub within: &'static [Limit],
}

impl Limits {
    /// GitHub's secondary limits, as <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>
    /// has them. They cannot be asked for, and what people do in the browser counts, too.
    pub const GITHUB: Self = Self {
        at_once: 100,
        within: &[
            Limit {
                unit: Unit::Points,
                most: 900,
                within: Span::minutes(1),
                words: "900 points a minute",
            },
            Limit {
                unit: Unit::Content,
                most: 80,
                within: Span::minutes(1),
                words: "80 changes a minute",
            },
            Limit {
                unit: Unit::Content,
                most: 500,
                within: Span::minutes(60),
                words: "500 changes an hour",
            },
        ],
    };

    /// None: GitHub Enterprise Server has no limits unless its operator sets some.
    pub const NONE: Self = Self {
        at_once: u32::MAX,
        within: &[],
    };
}
