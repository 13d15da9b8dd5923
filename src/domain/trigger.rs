//! What an event means: whether a person may be asking for something, before anything is read.

use crate::domain::button::Button;
use crate::domain::command::error::CommandError;
use crate::domain::command::label::{LabelRequest, label};
use crate::domain::command::mention::Mention;
use crate::domain::command::{Command, parse};
use crate::domain::event::{Happening, ThreadEvent, ThreadKind};
use crate::domain::ids::Login;
use crate::domain::job::{Performer, Sign};
use crate::domain::policy::Policy;
use crate::domain::repo::ActorKind;
use crate::domain::review::{Review, Verdict};

/// Who Prova is on GitHub: the App's slug gives both the mention and the bot's login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `@slug`.
    pub mention: Mention,
    /// `slug[bot]`.
    pub login: Login,
}

impl Identity {
    /// Builds it from the App's slug.
    #[must_use]
    pub fn new(slug: &str) -> Self {
        Self {
            mention: Mention::new(slug),
            login: Login::new(format!("{slug}[bot]")),
        }
    }

    /// Returns whether `login` is the bot, by either of its spellings.
    #[must_use]
    pub fn is(&self, login: &Login) -> bool {
        let name = login.as_str();
        name.eq_ignore_ascii_case(self.login.as_str())
            || name.eq_ignore_ascii_case(self.mention.slug())
    }
}

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing that is acted on, and why.
    Nothing(&'static str),
    /// A person may be asking; policy decides whether.
    Asked(Asked),
    /// A person has reviewed a pull request. What they ask for is known once their comments on lines
    /// are read: see [`asked_by`].
    Reviewed,
    /// A bot has said something about a pull request. Whether it is heard depends on whose that is,
    /// and on policy.
    Reported,
    /// The thread has ended.
    Ended(Ended),
}

/// How a thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Merged.
    Merged,
    /// Closed without merging.
    Closed,
    /// Deleted or moved to another repository.
    Gone,
}

/// How a person may be asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By opening an issue: its labels, and the commands in its text.
    Opening(Vec<String>, Vec<Result<Command, CommandError>>),
    /// By a label.
    Label(String),
    /// By assigning someone.
    Assignment(Login),
    /// By taking away what has asked for work: then no more is asked for.
    Withdrawal(Sign),
    /// By a button of a check run.
    Button(Button),
    /// By a comment.
    Comment(Vec<Result<Command, CommandError>>),
}

/// One thing that a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Work on the thread as it stands, asked by label or assignment, which GitHub may report
    /// several times.
    Start(Performer),
    /// No more work on what that sign has asked for.
    Withdraw(Sign),
    /// A command.
    Command(Command),
    /// Something that could not be read.
    Unreadable(CommandError),
}

/// Returns what an event means.
#[must_use]
pub fn meaning(event: &ThreadEvent, identity: &Identity) -> Meaning {
    // The end of a thread counts whoever brought it about: a merge queue is a bot too.
    match event.what {
        Happening::Merged => return Meaning::Ended(Ended::Merged),
        Happening::Closed => return Meaning::Ended(Ended::Closed),
        Happening::Gone => return Meaning::Ended(Ended::Gone),
        Happening::Opened
        | Happening::Labeled(_)
        | Happening::Assigned(_)
        | Happening::Unlabeled(_)
        | Happening::Unassigned(_)
        | Happening::Commented(_)
        | Happening::Reviewed(_)
        | Happening::Pressed(_)
        | Happening::Reopened => {}
    }
    if identity.is(&event.actor.login) {
        return Meaning::Nothing("our own doing");
    }
    if event.actor.kind == ActorKind::Bot {
        return match (&event.what, event.thread.kind) {
            (Happening::Commented(_) | Happening::Reviewed(_), ThreadKind::Pull) => {
                Meaning::Reported
            }
            (
                Happening::Commented(_)
                | Happening::Reviewed(_)
                | Happening::Pressed(_)
                | Happening::Opened
                | Happening::Labeled(_)
                | Happening::Assigned(_)
                | Happening::Unlabeled(_)
                | Happening::Unassigned(_)
                | Happening::Merged
                | Happening::Closed
                | Happening::Gone
                | Happening::Reopened,
                ThreadKind::Pull | ThreadKind::Issue,
            ) => Meaning::Nothing("a bot's doing"),
        };
    }
    match &event.what {
        Happening::Opened => {
            let labels = event.thread.labels.clone();
            let commands = parse::parse(&event.thread.body, &identity.mention);
            if labels.is_empty() && commands.is_empty() {
                Meaning::Nothing("a thread that does not speak to us")
            } else {
                Meaning::Asked(Asked::Opening(labels, commands))
            }
        }
        Happening::Labeled(name) => Meaning::Asked(Asked::Label(name.clone())),
        Happening::Assigned(login) => Meaning::Asked(Asked::Assignment(login.clone())),
        Happening::Unlabeled(name) => Meaning::Asked(Asked::Withdrawal(Sign::Label(name.clone()))),
        Happening::Unassigned(login) => {
            Meaning::Asked(Asked::Withdrawal(Sign::Assignment(login.clone())))
        }
        Happening::Commented(comment) => {
            let commands = parse::parse(&comment.body, &identity.mention);
            if commands.is_empty() {
                Meaning::Nothing("a comment that does not speak to us")
            } else {
                Meaning::Asked(Asked::Comment(commands))
            }
        }
        Happening::Reviewed(_) => Meaning::Reviewed,
        Happening::Pressed(press) => Meaning::Asked(Asked::Button(press.button)),
        Happening::Merged | Happening::Closed | Happening::Gone | Happening::Reopened => {
            Meaning::Nothing("a thread that was opened again")
        }
    }
}

/// Whose pull request is reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A task of ours has it.
    Ours,
    /// Somebody else's.
    Theirs,
}

/// Returns what a review asks for, empty when it asks for nothing: what its words command, and all that
/// it says of lines as one request. One that wants changes of a pull request of ours needs no mention.
#[must_use]
pub fn asked_by(
    review: &Review,
    whose: Whose,
    identity: &Identity,
) -> Vec<Result<Command, CommandError>> {
    let mention = &identity.mention;
    if let Some(comment) = review.lone() {
        return parse::parse(&comment.body, mention);
    }
    let mut commands = parse::parse(&review.body, mention);
    let implied = match (whose, review.verdict) {
        (Whose::Ours, Verdict::ChangesRequested) => commands.is_empty(),
        (Whose::Ours, Verdict::Approved | Verdict::Commented) | (Whose::Theirs, _) => false,
    };
    let text = if commands.is_empty() {
        review.body.trim().to_owned()
    } else {
        String::new()
    };
    let mut requested = implied.then_some(None);
    for comment in &review.comments {
        for command in parse::parse(&comment.body, mention) {
            match command {
                Ok(Command::Request { agent, .. }) => {
                    requested = Some(requested.flatten().or(agent));
                }
                other => commands.push(other),
            }
        }
    }
    let begins =
        |one: &Result<Command, CommandError>| matches!(one, Ok(command) if command.begins_work());
    if let (Some(agent), false) = (requested, commands.iter().any(begins)) {
        commands.push(Ok(Command::Request { agent, text }));
    }
    if commands.len() > parse::MAX_COMMANDS {
        commands.truncate(parse::MAX_COMMANDS);
        let limit = parse::MAX_COMMANDS;
        commands.push(Err(CommandError::TooMany { limit }));
    }
    commands
}

/// Returns what is wished for, by the repository's policy; empty when the label or the assignee is
/// none of ours.
#[must_use]
pub fn wishes(asked: &Asked, policy: &Policy, identity: &Identity) -> Vec<Wish> {
    match asked {
        Asked::Label(name) => by_label(name, policy).into_iter().collect(),
        Asked::Assignment(login) => {
            let configured = policy
                .assignees
                .iter()
                .any(|a| a.as_str().eq_ignore_ascii_case(login.as_str()));
            if configured || identity.is(login) {
                vec![Wish::Start(Performer::DefaultAgent)]
            } else {
                Vec::new()
            }
        }
        Asked::Withdrawal(sign) => vec![Wish::Withdraw(sign.clone())],
        Asked::Button(button) => vec![Wish::Command(button.command())],
        Asked::Comment(commands) => commands.iter().map(said).collect(),
        Asked::Opening(labels, commands) => {
            // Words first: what they ask for is more than what a label can say.
            let mut wishes: Vec<_> = commands.iter().map(said).collect();
            wishes.extend(labels.iter().filter_map(|label| by_label(label, policy)));
            wishes
        }
    }
}

fn by_label(name: &str, policy: &Policy) -> Option<Wish> {
    Some(match label(name, &policy.label)? {
        Ok(LabelRequest::Start) => Wish::Start(Performer::DefaultAgent),
        Ok(LabelRequest::StartWith(name)) => Wish::Start(Performer::Named(name)),
        Err(error) => Wish::Unreadable(error),
    })
}

fn said(command: &Result<Command, CommandError>) -> Wish {
    match command {
        Ok(command) => Wish::Command(command.clone()),
        Err(error) => Wish::Unreadable(error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{CommentId, ReviewId};
    use crate::domain::review::{ReviewComment, Spot};

    fn review(verdict: Verdict, body: &str, lines: &[&str]) -> Review {
        let comment = |(id, body): (u64, &&str)| ReviewComment {
            id: CommentId(id),
            root: CommentId(id),
            body: (*body).to_owned(),
            path: "a".to_owned(),
            spot: Spot::File,
            hunk: String::new(),
            earlier: Vec::new(),
        };
        Review {
            id: ReviewId(1),
            verdict,
            body: body.to_owned(),
            comments: (1..).zip(lines).map(comment).collect(),
        }
    }

    #[test]
    fn what_a_review_asks_for() {
        use Verdict::{Approved, ChangesRequested, Commented};
        let asks = |text: &str| {
            let text = text.to_owned();
            Ok(Command::Request { agent: None, text })
        };
        let stop = || Ok(Command::Stop);
        let with = |text: &str| {
            Ok(Command::Request {
                agent: Some("codex".parse().unwrap()),
                text: text.to_owned(),
            })
        };
        for (verdict, body, lines, ours, theirs) in [
            (
                ChangesRequested,
                "",
                vec!["no", "nor this"],
                vec![asks("")],
                vec![],
            ),
            (
                ChangesRequested,
                "Shorter.",
                vec![],
                vec![asks("Shorter.")],
                vec![],
            ),
            (
                ChangesRequested,
                "@prova shorter",
                vec!["a"],
                vec![asks("shorter")],
                vec![asks("shorter")],
            ),
            (
                ChangesRequested,
                "@prova stop",
                vec!["a"],
                vec![stop()],
                vec![stop()],
            ),
            (Commented, "Nice", vec!["a", "b"], vec![], vec![]),
            (
                Commented,
                "Nice",
                vec!["a", "@prova b"],
                vec![asks("Nice")],
                vec![asks("Nice")],
            ),
            (
                Commented,
                "",
                vec!["@prova b"],
                vec![asks("b")],
                vec![asks("b")],
            ),
            (Commented, "", vec!["b"], vec![], vec![]),
            (
                Commented,
                "",
                vec!["@prova a", "@prova with codex: b"],
                vec![with("")],
                vec![with("")],
            ),
            (
                Commented,
                "",
                vec!["@prova stop", "@prova b"],
                vec![stop(), asks("")],
                vec![stop(), asks("")],
            ),
            (Approved, "Good", vec!["well", "done"], vec![], vec![]),
            (
                Approved,
                "Good",
                vec!["@prova nit"],
                vec![asks("Good")],
                vec![asks("Good")],
            ),
            (
                Approved,
                "@prova a last thing",
                vec![],
                vec![asks("a last thing")],
                vec![asks("a last thing")],
            ),
        ] {
            let review = review(verdict, body, &lines);
            let of = |whose| asked_by(&review, whose, &Identity::new("prova"));
            assert_eq!(of(Whose::Ours), ours, "ours: {review:?}");
            assert_eq!(of(Whose::Theirs), theirs, "theirs: {review:?}");
        }
    }

    #[test]
    fn a_review_cannot_start_a_flood() {
        let lines = vec!["@prova status\n\n@prova stop"; 40];
        let found = asked_by(
            &review(Verdict::Commented, "", &lines),
            Whose::Ours,
            &Identity::new("prova"),
        );
        assert_eq!(found.len(), parse::MAX_COMMANDS + 1);
        assert!(matches!(
            found.last(),
            Some(Err(CommandError::TooMany { .. }))
        ));
    }
}
