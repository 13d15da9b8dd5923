//! Requests that stand on an issue without GitHub ever having told of them: a label or an assignment
//! whose delivery was lost for good.

use crate::domain::event::{Happening, Thread};
use crate::domain::ids::{ActId, Login};
use crate::domain::policy::Policy;
use crate::domain::repo::Actor;
use crate::domain::time::{Span, Timestamp};
use crate::domain::trigger::{Asked, Identity, wishes};

/// What is older was not asked of this server.
pub const REMEMBERED: Span = Span::days(3);
/// How long the delivery of an act may be on its way.
const UNDER_WAY: Span = Span::minutes(1);
/// GitHub's times are whole seconds, and an act changes an issue a moment later.
const SAME_MOMENT: Span = Span::seconds(5);

/// An open issue as it stands on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The issue.
    pub thread: Thread,
    /// Who is assigned.
    pub assignees: Vec<Login>,
    /// When anything of it was last changed.
    pub updated_at: Timestamp,
}

/// What somebody did on an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Its number.
    pub id: ActId,
    /// Who did it.
    pub by: Actor,
    /// A label that was put on, or somebody who was assigned.
    pub what: Happening,
    /// When.
    pub at: Timestamp,
}

/// What becomes of an issue that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Nobody asks for anything.
    Nothing,
    /// This act asks for work.
    Asks(&'a Act),
    /// This act asks for work on a text that may be another by now.
    MayHaveChanged(&'a Act),
}

/// Returns whether anything on an issue can ask for work, so that it is worth a closer look.
#[must_use]
pub fn may_ask(standing: &Standing) -> bool {
    standing.thread.open && !(standing.thread.labels.is_empty() && standing.assignees.is_empty())
}

/// Returns what an issue asks for: the latest act that still stands and is one by the policy.
#[must_use]
pub fn judge<'a>(
    standing: &Standing,
    acts: &'a [Act],
    (policy, identity): (&Policy, &Identity),
    now: Timestamp,
) -> Verdict<'a> {
    let ours = |act: &&Act| {
        let asked = match &act.what {
            Happening::Labeled(name) if standing.thread.labels.contains(name) => {
                Asked::Label(name.clone())
            }
            Happening::Assigned(login) if standing.assignees.contains(login) => {
                Asked::Assignment(login.clone())
            }
            Happening::Labeled(_)
            | Happening::Assigned(_)
            | Happening::Unlabeled(_)
            | Happening::Unassigned(_)
            | Happening::Opened
            | Happening::Commented(_)
            | Happening::Reviewed(_)
            | Happening::Pressed(_)
            | Happening::Closed
            | Happening::Merged
            | Happening::Reopened
            | Happening::Gone => return false,
        };
        let age = now.since(act.at);
        (UNDER_WAY..=REMEMBERED).contains(&age) && !wishes(&asked, policy, identity).is_empty()
    };
    let Some(act) = acts.iter().filter(ours).max_by_key(|act| act.at) else {
        return Verdict::Nothing;
    };
    // What counts is the text as of the request. Who wrote it may have changed it since, and GitHub
    // does not tell; of an insider that is taken.
    let untouched = standing.updated_at <= act.at.plus(SAME_MOMENT);
    if standing.thread.insider || untouched {
        Verdict::Asks(act)
    } else {
        Verdict::MayHaveChanged(act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::ThreadKind;
    use crate::domain::ids::ThreadNumber;
    use crate::domain::repo::ActorKind;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    fn ago(span: Span) -> Timestamp {
        NOW.minus(span)
    }

    fn standing(labels: &[&str], assignees: &[&str]) -> Standing {
        Standing {
            thread: Thread {
                number: ThreadNumber(1),
                kind: ThreadKind::Issue,
                title: "t".to_owned(),
                body: String::new(),
                author: Login::new("ada"),
                insider: true,
                labels: labels.iter().map(|&label| label.to_owned()).collect(),
                open: true,
                locked: false,
                comments: 0,
            },
            assignees: assignees.iter().map(|&login| Login::new(login)).collect(),
            updated_at: ago(Span::minutes(1)),
        }
    }

    fn act(id: u64, what: Happening, span: Span) -> Act {
        Act {
            id: ActId(id),
            by: Actor {
                login: Login::new("ada"),
                id: 1,
                kind: ActorKind::Person,
            },
            what,
            at: ago(span),
        }
    }

    fn labeled(id: u64, label: &str, span: Span) -> Act {
        act(id, Happening::Labeled(label.to_owned()), span)
    }

    fn assigned(id: u64, login: &str, span: Span) -> Act {
        act(id, Happening::Assigned(Login::new(login)), span)
    }

    fn asks(standing: &Standing, acts: &[Act]) -> String {
        let (policy, identity) = (Policy::default(), Identity::new("prova"));
        match judge(standing, acts, (&policy, &identity), NOW) {
            Verdict::Nothing => "nothing".to_owned(),
            Verdict::Asks(act) => format!("asks {}", act.id),
            Verdict::MayHaveChanged(act) => format!("changed {}", act.id),
        }
    }

    #[test]
    fn the_latest_act_that_still_stands_asks() {
        let on = standing(&["bug", "prova", "prova:fmt"], &["prova[bot]", "bob"]);
        let hour = Span::minutes(60);
        let table: [(&[Act], &str); 8] = [
            (&[], "nothing"),
            (&[labeled(1, "bug", hour)], "nothing"),
            (&[labeled(1, "prova", hour)], "asks 1"),
            (&[labeled(1, "gone", hour)], "nothing"),
            (
                &[
                    labeled(1, "prova", hour),
                    labeled(2, "prova:fmt", Span::minutes(2)),
                ],
                "asks 2",
            ),
            (
                &[assigned(1, "bob", hour), assigned(2, "prova[bot]", hour)],
                "asks 2",
            ),
            (&[labeled(1, "prova", Span::days(4))], "nothing"),
            (&[labeled(1, "prova", Span::seconds(59))], "nothing"),
        ];
        for (acts, expected) in table {
            assert_eq!(asks(&on, acts), expected, "{acts:?}");
        }
        assert_eq!(
            asks(&standing(&[], &[]), &[labeled(1, "prova", hour)]),
            "nothing"
        );
    }

    #[test]
    fn an_outsiders_text_counts_only_as_it_was_at_the_request() {
        let mut on = standing(&["prova"], &[]);
        on.thread.insider = false;
        let act = [labeled(1, "prova", Span::minutes(5))];
        assert_eq!(asks(&on, &act), "changed 1");
        on.updated_at = act[0].at.plus(Span::seconds(1));
        assert_eq!(asks(&on, &act), "asks 1");
    }

    #[test]
    fn only_what_is_open_and_marked_is_looked_at() {
        assert!(!may_ask(&standing(&[], &[])));
        assert!(may_ask(&standing(&["x"], &[])) && may_ask(&standing(&[], &["x"])));
        let mut closed = standing(&["x"], &[]);
        closed.thread.open = false;
        assert!(!may_ask(&closed));
    }
}
