//! In which order the jobs of a lane are taken, and what one waits for.
//!
//! By the time at which they were queued, some with a head start: what is more urgent goes before what was
//! queued a little earlier. As the head start is a time and no rank, everything becomes the oldest in
//! the end, and nothing waits for ever behind what is more urgent.

use crate::domain::job::Work;
use crate::domain::policy::Role;
use crate::domain::repo::ActorKind;
use crate::domain::time::{Span, Timestamp};

/// The head start of what a person asks for on a pull request, and of what is answered in words.
pub const IN_CONVERSATION: Span = Span::minutes(60);

/// Returns how long before its arrival a job counts as queued.
///
/// Who asks for something on a pull request is in the middle of a conversation, and the work is there
/// already; a new task is begun with no one looking on. A job that is tried again stays where it was.
#[must_use]
pub const fn head_start(work: &Work) -> Span {
    if work.request.occasion.is_some() {
        // Nobody waits for it.
        return Span::ZERO;
    }
    match (work.request.role(), work.request.by.kind) {
        (Role::FollowUp, ActorKind::Person) => IN_CONVERSATION,
        // Whoever asks something reads the answer, wherever it was asked.
        (Role::Ask | Role::Plan | Role::Review, ActorKind::Person) => IN_CONVERSATION,
        (Role::FollowUp | Role::Ask | Role::Plan | Role::Review, ActorKind::Bot)
        | (Role::Work, ActorKind::Person | ActorKind::Bot) => Span::ZERO,
    }
}

/// What a job in the queue waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The time at which it may be tried again.
    Time(Timestamp),
    /// The end of another job of its repository, which runs as many as it may.
    Repository,
    /// The end of another job of its installation.
    Installation,
    /// The end of any other job.
    Any,
    /// Its turn, and a worker that is free.
    Worker,
}

impl WaitsFor {
    /// Says it in words, with the setting that is the reason.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Time(_) => "the time of its next attempt",
            Self::Repository => "another job of its repository (work.jobs_per_repository)",
            Self::Installation => "another job of its installation (work.jobs_per_installation)",
            Self::Any => "another job (work.jobs_in_all)",
            Self::Worker => "a free worker",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Thread, ThreadKind};
    use crate::domain::ids::{Login, ThreadNumber};
    use crate::domain::job::{Performer, Performers, Request, Wanted};
    use crate::domain::repo::Actor;

    fn work(kind: ThreadKind, by: ActorKind) -> Work {
        Work {
            resolve: None,
            steered: vec![],
            performers: Performers::One(Performer::DefaultAgent),
            request: Request {
                by: Actor {
                    login: Login::new("ada"),
                    id: 7,
                    kind: by,
                },
                at: Timestamp::EPOCH,
                text: String::new(),
                thread: Thread {
                    number: ThreadNumber(1),
                    kind,
                    title: String::new(),
                    body: String::new(),
                    author: Login::new("ada"),
                    insider: true,
                    labels: vec![],
                    open: true,
                    locked: false,
                    comments: 0,
                },
                remarks: vec![],
                linked: vec![],
                place: None,
                wanted: Wanted::Change,
                plan: None,
                occasion: None,
                sign: None,
                review: None,
                noted: None,
            },
        }
    }

    #[test]
    fn whoever_is_in_a_conversation_comes_first() {
        for (kind, by, minutes) in [
            (ThreadKind::Issue, ActorKind::Person, 0),
            (ThreadKind::Issue, ActorKind::Bot, 0),
            (ThreadKind::Pull, ActorKind::Person, 60),
            (ThreadKind::Pull, ActorKind::Bot, 0),
        ] {
            let expected = Span::minutes(minutes);
            assert_eq!(head_start(&work(kind, by)), expected, "{kind:?} by {by:?}");
        }
    }
}
