//! What is tried with every agent: the columns of the table in `docs/agents.md`.

/// Something that every agent meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Case {
    Change,
    FollowUp,
    Steered,
    KeyRefused,
    Limited,
    Broken,
    Budget,
    Stop,
    Crash,
    Hostile,
}

impl Case {
    /// All of them, in the order of the columns.
    pub(crate) const ALL: [Self; 10] = [
        Self::Change,
        Self::FollowUp,
        Self::Steered,
        Self::KeyRefused,
        Self::Limited,
        Self::Broken,
        Self::Budget,
        Self::Stop,
        Self::Crash,
        Self::Hostile,
    ];

    /// The head of its column.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::FollowUp => "follow-up",
            Self::Steered => "steered",
            Self::KeyRefused => "401",
            Self::Limited => "429",
            Self::Broken => "500",
            Self::Budget => "budget",
            Self::Stop => "stop",
            Self::Crash => "crash",
            Self::Hostile => "hostile",
        }
    }
}
