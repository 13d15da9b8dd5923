//! What an event means: whether a person may be asking for something, before anything is read.

use crate::domain::command::error::CommandError;
use crate::domain::command::label::{LabelRequest, label};
use crate::domain::command::mention::Mention;
use crate::domain::command::{Command, parse};
use crate::domain::event::{Happening, ThreadEvent};
use crate::domain::ids::Login;
use crate::domain::job::Performer;
use crate::domain::policy::Policy;
use crate::domain::repo::ActorKind;

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
    /// By a comment.
    Comment(Vec<Result<Command, CommandError>>),
}

/// One thing that a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Work on the thread as it stands, asked by label or assignment, which GitHub may report
    /// several times.
    Start(Performer),
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
        | Happening::Commented(_)
        | Happening::Reopened => {}
    }
    if identity.is(&event.actor.login) {
        return Meaning::Nothing("our own doing");
    }
    if event.actor.kind == ActorKind::Bot {
        return Meaning::Nothing("a bot's doing");
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
        Happening::Commented(comment) => {
            let commands = parse::parse(&comment.body, &identity.mention);
            if commands.is_empty() {
                Meaning::Nothing("a comment that does not speak to us")
            } else {
                Meaning::Asked(Asked::Comment(commands))
            }
        }
        Happening::Merged | Happening::Closed | Happening::Gone | Happening::Reopened => {
            Meaning::Nothing("a thread that was opened again")
        }
    }
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
