//! The recipes that every server has, without a line of policy or settings.

use crate::domain::blocks::blocks;
use crate::domain::event::ThreadKind;
use crate::domain::job::{Performer, Request};
use crate::domain::name::Name;

/// A recipe that comes with Prova.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// Applies one rule of ast-grep to every file of its language.
    AstGrep,
    /// Corrects the words that are misspelt and have one correction.
    Typos,
}

/// Why a recipe has nothing to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRule {
    /// Nobody wrote one.
    Missing,
    /// The text has several, and one is meant.
    Several,
    /// It stands in the text of somebody who may not give it.
    Foreign,
}

impl BuiltIn {
    /// All of them, as lists show them.
    pub const ALL: [Self; 2] = [Self::AstGrep, Self::Typos];

    /// Returns what people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AstGrep => "ast-grep",
            Self::Typos => "typos",
        }
    }

    /// Returns the hidden command of the server's program that does it, inside a sandbox.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::AstGrep => "inside-ast-grep",
            Self::Typos => "inside-typos",
        }
    }

    /// Finds the one that people call so.
    #[must_use]
    pub fn of(name: &Name) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == name.as_str())
    }

    /// Finds what the recipe works on: the block under the command, else the one block of the
    /// request's text, else that of the issue as it was at the trigger. A rule of the issue counts
    /// only when its author belongs to the repository: whoever put the label on may not have read it.
    ///
    /// # Errors
    /// When it needs something and there is not exactly one.
    pub fn input(self, performer: &Performer, request: &Request) -> Result<Option<String>, NoRule> {
        match (self, performer) {
            (Self::Typos, _) => Ok(None),
            (Self::AstGrep, Performer::Recipe { input, .. }) => {
                input.clone().map(Some).ok_or(NoRule::Missing)
            }
            (Self::AstGrep, Performer::Named(_) | Performer::DefaultAgent) => {
                let thread = &request.thread;
                match the_rule(&request.text) {
                    // A pull request's text is ours and quotes others.
                    Err(NoRule::Missing) if thread.kind == ThreadKind::Issue => {
                        let rule = the_rule(&thread.body)?;
                        let ours = thread.insider;
                        ours.then_some(Some(rule)).ok_or(NoRule::Foreign)
                    }
                    rule => rule.map(Some),
                }
            }
        }
    }
}

impl std::fmt::Display for BuiltIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns the one block of a text that calls itself a rule.
fn the_rule(text: &str) -> Result<String, NoRule> {
    let mut rules = blocks(text)
        .into_iter()
        .filter(|block| ["yaml", "yml", "ast-grep"].contains(&block.language.as_str()));
    match (rules.next(), rules.next()) {
        (None, _) => Err(NoRule::Missing),
        (Some(rule), None) => Ok(rule.text),
        (Some(_), Some(_)) => Err(NoRule::Several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Thread;
    use crate::domain::ids::{Login, ThreadNumber};
    use crate::domain::job::Wanted;
    use crate::domain::repo::{Actor, ActorKind};
    use crate::domain::time::Timestamp;

    fn request(kind: ThreadKind, insider: bool, body: &str, text: &str) -> Request {
        Request {
            by: Actor {
                id: 1,
                login: Login::new("ada"),
                kind: ActorKind::Person,
            },
            at: Timestamp::EPOCH,
            text: text.to_owned(),
            thread: Thread {
                number: ThreadNumber(1),
                kind,
                title: String::new(),
                body: body.to_owned(),
                author: Login::new("bob"),
                insider,
                labels: Vec::new(),
                open: true,
                locked: false,
                comments: 0,
            },
            linked: Vec::new(),
            remarks: Vec::new(),
            place: None,
            wanted: Wanted::Change,
            plan: None,
            occasion: None,
            sign: None,
            noted: None,
            review: None,
        }
    }

    #[test]
    fn a_rule_comes_from_who_asks_or_from_an_insiders_issue() {
        const RULE: &str = "```yaml\nid: a\n```\n";
        const OTHER: &str = "```ast-grep\nid: b\n```\n";
        let rule = |text: &str| Ok(Some(text.to_owned()));
        let (issue, pull) = (ThreadKind::Issue, ThreadKind::Pull);
        let two = format!("{RULE}\n{OTHER}");
        for (kind, insider, body, text, expected) in [
            (issue, true, RULE, "", rule("id: a\n")),
            (issue, false, RULE, "", Err(NoRule::Foreign)),
            (issue, false, "nothing", "", Err(NoRule::Missing)),
            (issue, true, two.as_str(), "", Err(NoRule::Several)),
            (issue, false, RULE, OTHER, rule("id: b\n")),
            (issue, true, RULE, "please", rule("id: a\n")),
            (issue, true, "```sh\nrm\n```", "", Err(NoRule::Missing)),
            (
                issue,
                true,
                "> ```yaml\n> id: a\n> ```",
                "",
                Err(NoRule::Missing),
            ),
            (pull, true, RULE, "", Err(NoRule::Missing)),
            (pull, true, RULE, OTHER, rule("id: b\n")),
        ] {
            let named = Performer::Named("ast-grep".parse().unwrap());
            let request = request(kind, insider, body, text);
            let found = BuiltIn::AstGrep.input(&named, &request);
            assert_eq!(found, expected, "{kind:?} {insider} {body:?} {text:?}");
            assert_eq!(BuiltIn::Typos.input(&named, &request), Ok(None));
        }
    }

    #[test]
    fn a_command_brings_its_own() {
        let issue = request(ThreadKind::Issue, true, "```yaml\nid: a\n```\n", "");
        let run = |input: Option<&str>| Performer::Recipe {
            name: "ast-grep".parse().unwrap(),
            input: input.map(str::to_owned),
        };
        let input = |performer| BuiltIn::AstGrep.input(&performer, &issue);
        assert_eq!(input(run(Some("id: b\n"))), Ok(Some("id: b\n".to_owned())));
        assert_eq!(input(run(None)), Err(NoRule::Missing));
    }

    #[test]
    fn all_are_found_by_their_names() {
        for one in BuiltIn::ALL {
            assert_eq!(BuiltIn::of(&one.name().parse().unwrap()), Some(one));
        }
        assert_eq!(BuiltIn::of(&"fmt".parse().unwrap()), None);
    }
}
