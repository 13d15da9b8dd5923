//! What stands around a request on GitHub and helps to understand it: threads that it names, and
//! what continuous integration says. Text of others, all of it.

use serde::{Deserialize, Serialize};

use crate::domain::event::Thread;
use crate::domain::ids::ThreadNumber;
use crate::domain::sanitize::visible;
use crate::domain::time::{Span, Timestamp};

/// GitHub marks a thread as updated when another names it, a moment after that.
const MOMENT: Span = Span::seconds(10);

/// How much of a thread's description is kept.
pub const BODY_CHARS: usize = 4_000;

/// A thread that the conversation names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// Its number.
    pub number: ThreadNumber,
    /// The thread as it was at the request; `None` when it may have been edited since.
    pub thread: Option<Thread>,
}

impl Linked {
    /// Freezes a thread that was read a little after the request; `None` when there was no such
    /// thread then.
    #[must_use]
    pub fn freeze(
        thread: Thread,
        (created, updated): (Timestamp, Timestamp),
        asked: Timestamp,
    ) -> Option<Self> {
        if created > asked {
            return None;
        }
        let unchanged = updated <= asked.plus(MOMENT);
        Some(Self {
            number: thread.number,
            thread: unchanged.then(|| Thread {
                body: visible::visible(&thread.body, BODY_CHARS),
                ..thread
            }),
        })
    }
}

/// A check run of another App that did not succeed, on the commit that the work goes on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedCheck {
    /// What it is called.
    pub name: String,
    /// How it ended, in GitHub's word.
    pub conclusion: String,
    /// Its title; may be empty.
    pub title: String,
    /// Its summary, as Markdown; may be empty.
    pub summary: String,
    /// What it says of single lines.
    pub annotations: Vec<Annotation>,
    /// The end of its log; empty where there is none to be read.
    pub log: String,
}

/// What a check run says of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The file.
    pub path: String,
    /// The line.
    pub line: u64,
    /// What it says.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::ThreadKind;
    use crate::domain::ids::Login;

    #[test]
    fn a_thread_counts_as_it_was_at_the_request() {
        let at = Timestamp::from_millis;
        let thread = || Thread {
            number: ThreadNumber(7),
            kind: ThreadKind::Issue,
            title: String::new(),
            body: String::new(),
            author: Login::new("octo"),
            insider: true,
            labels: Vec::new(),
            open: true,
            locked: false,
            comments: 0,
        };
        for (created, updated, expected) in [
            (10_000, 10_000, Some(true)),
            (10_000, 60_000, Some(true)),
            // The request itself names it, which GitHub writes down there.
            (10_000, 62_000, Some(true)),
            (10_000, 71_000, Some(false)),
            (61_000, 61_000, None),
        ] {
            let frozen = Linked::freeze(thread(), (at(created), at(updated)), at(60_000));
            let told = frozen.map(|linked| linked.thread.is_some());
            assert_eq!(told, expected, "{created} {updated}");
        }
    }
}
