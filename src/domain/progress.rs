//! What an agent says while it runs, in one vocabulary for all agents, and what of it is kept.
//!
//! **Invariant:** all of this is a claim. It is shown and looked at for stalls; nothing is decided by
//! it that evidence could decide. Whatever an agent prints, what is kept stays as small.

use std::collections::{BTreeSet, VecDeque};

use crate::domain::time::{Span, Timestamp};
use crate::domain::traffic::Tokens;

/// Longest text of one update that is kept, in characters.
pub const TEXT_CHARS: usize = 2_000;
/// Longest title of an action, in characters.
const TITLE_CHARS: usize = 200;
/// Longest name of a session, in bytes; a longer one is no name.
const SESSION_BYTES: usize = 200;
/// Most steps of a plan.
const STEPS: usize = 30;
/// Most files that are told apart.
const FILES: usize = 200;
/// How many actions are remembered, to see repetition.
const REMEMBERED: usize = 12;

/// One thing that an agent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The name under which it can be asked to go on where it left off.
    Session(String),
    /// Text for people. A piece continues the one before it.
    Message {
        /// The text.
        text: String,
        /// Whether it goes on with the message before it.
        continues: bool,
    },
    /// What it intends to do, as a whole: each update replaces the one before.
    Plan(Vec<PlanStep>),
    /// An action began, or one that began has ended.
    Action(Action),
    /// What it says it has used; the server's own count is the gateway's.
    Usage(Tokens),
    /// Something went wrong, in its words.
    Trouble(String),
    /// It waits for somebody's answer.
    Waiting(String),
    /// It says that it has finished.
    Finished,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// What is to be done.
    pub title: String,
    /// How far it is.
    pub state: StepState,
}

/// How far a step or an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Under way.
    Active,
    /// Done.
    Done,
    /// It failed.
    Failed,
}

/// One use of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Names it among the agent's actions; the same in the update that ends it. May be empty.
    pub id: String,
    /// What is done, in a line: the tool, and what it works on. Empty in an update of one that has
    /// been told.
    pub title: String,
    /// How far it is.
    pub state: StepState,
    /// Files that it touches, as the agent names them.
    pub files: Vec<String>,
}

/// What is known of a run from what the agent has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// See [`Update::Session`].
    pub session: Option<String>,
    /// The last message.
    pub message: String,
    /// The last plan.
    pub plan: Vec<PlanStep>,
    /// The last action.
    pub action: Option<String>,
    /// Actions that began.
    pub actions: u64,
    /// Files that it says it touched; at most 200.
    pub files: BTreeSet<String>,
    /// What it says it has used, as of the last time that it said so.
    pub tokens: Tokens,
    /// The last trouble, unless it went on after it.
    pub trouble: Option<String>,
    /// What it waits for, until it says something else.
    pub waiting: Option<String>,
    /// Whether it says that it has finished.
    pub finished: bool,
    /// When it last said anything.
    pub last: Option<Timestamp>,
    recent: VecDeque<Begun>,
    /// Whether the next piece of text begins a message: something else came in between.
    fresh: bool,
}

/// An action that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Begun {
    id: String,
    title: String,
    /// Whether it goes on.
    open: bool,
}

impl Heard {
    /// Takes an update.
    pub fn take(&mut self, update: Update, now: Timestamp) {
        self.last = Some(now);
        if !matches!(update, Update::Waiting(_)) {
            self.waiting = None;
        }
        if matches!(update, Update::Action(_) | Update::Message { .. }) {
            self.trouble = None;
        }
        match update {
            Update::Session(name) => {
                if !name.is_empty() && name.len() <= SESSION_BYTES {
                    self.session = Some(name);
                }
            }
            Update::Message { text, continues } => {
                if !continues || self.fresh {
                    self.message.clear();
                }
                self.fresh = false;
                let room = TEXT_CHARS.saturating_sub(self.message.chars().count());
                self.message.extend(text.chars().take(room));
            }
            Update::Plan(steps) => {
                self.plan = steps
                    .into_iter()
                    .take(STEPS)
                    .map(|step| PlanStep {
                        title: line(&step.title),
                        ..step
                    })
                    .collect();
            }
            Update::Action(action) => self.act(action),
            Update::Usage(tokens) => self.tokens = tokens,
            Update::Trouble(text) => self.trouble = Some(text.chars().take(TEXT_CHARS).collect()),
            Update::Waiting(text) => self.waiting = Some(line(&text)),
            Update::Finished => self.finished = true,
        }
    }

    fn act(&mut self, action: Action) {
        self.fresh = true;
        for file in action.files {
            if self.files.len() < FILES {
                self.files.insert(line(&file));
            }
        }
        let goes_on = matches!(action.state, StepState::Pending | StepState::Active);
        let (id, title) = (line(&action.id), line(&action.title));
        let same = |one: &&mut Begun| one.open && !id.is_empty() && one.id == id;
        match self.recent.iter_mut().rev().find(same) {
            // Agents begin many an action before they know what it works on, and say it again as it
            // goes on: that is no other action.
            Some(known) => {
                known.open = goes_on;
                if goes_on && !title.is_empty() {
                    known.title = title;
                }
            }
            None if goes_on && !title.is_empty() => {
                self.actions = self.actions.saturating_add(1);
                self.recent.push_back(Begun {
                    id,
                    title,
                    open: true,
                });
                if self.recent.len() > REMEMBERED {
                    self.recent.pop_front();
                }
            }
            None => {}
        }
        self.action = self.recent.back().map(|last| last.title.clone());
    }

    /// Returns how often the last action was the same in a row, as far back as is remembered.
    #[must_use]
    pub fn repeated(&self) -> usize {
        let Some(last) = self.recent.back() else {
            return 0;
        };
        self.recent
            .iter()
            .rev()
            .take_while(|one| one.title == last.title)
            .count()
    }

    /// Returns the step of the plan that is under way.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        let active = |step: &&PlanStep| step.state == StepState::Active;
        self.plan
            .iter()
            .find(active)
            .map(|step| step.title.as_str())
    }

    /// Returns how many steps of the plan are done, and how many there are.
    #[must_use]
    pub fn steps(&self) -> (usize, usize) {
        let done = |step: &&PlanStep| step.state == StepState::Done;
        (self.plan.iter().filter(done).count(), self.plan.len())
    }

    /// Returns how long it has been silent; `began` is when it was started.
    #[must_use]
    pub fn silent(&self, began: Timestamp, now: Timestamp) -> Span {
        now.since(self.last.unwrap_or(began))
    }
}

/// One line of printable text, cut.
fn line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let cut: String = text
        .trim()
        .chars()
        .map(plain)
        .take(TITLE_CHARS + 1)
        .collect();
    if cut.chars().count() <= TITLE_CHARS {
        return cut;
    }
    let mut cut: String = cut.chars().take(TITLE_CHARS - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn action(title: &str, state: StepState) -> Update {
        numbered("1", title, state)
    }

    fn numbered(id: &str, title: &str, state: StepState) -> Update {
        Update::Action(Action {
            id: id.to_owned(),
            title: title.to_owned(),
            state,
            files: vec![format!("{title}.rs")],
        })
    }

    fn heard(updates: impl IntoIterator<Item = Update>) -> Heard {
        let mut heard = Heard::default();
        for update in updates {
            heard.take(update, at(5));
        }
        heard
    }

    #[test]
    fn actions_are_counted_when_they_begin_and_repetition_is_seen() {
        use StepState::{Active, Done, Failed};
        let heard = heard([
            action("ls", Active),
            action("ls", Done),
            action("make", Active),
            action("", Failed),
            numbered("2", "make", Active),
            numbered("", "make", Active),
        ]);
        assert_eq!((heard.actions, heard.repeated()), (4, 3));
        assert_eq!(heard.action.as_deref(), Some("make"));
        assert_eq!(heard.files.len(), 3);
        assert_eq!(Heard::default().repeated(), 0);
    }

    #[test]
    fn an_action_that_is_told_again_is_the_same() {
        use StepState::{Active, Done, Pending};
        let heard = heard([
            numbered("1", "Terminal", Pending),
            numbered("2", "Read", Active),
            numbered("1", "make", Active),
            numbered("1", "make", Active),
            numbered("2", "Read a.rs", Active),
            numbered("2", "Read a.rs", Done),
            numbered("1", "", Done),
        ]);
        assert_eq!((heard.actions, heard.repeated()), (2, 1));
        assert_eq!(heard.action.as_deref(), Some("Read a.rs"));
    }

    #[test]
    fn pieces_make_one_message_and_the_next_takes_its_place() {
        let piece = |text: &str, continues| Update::Message {
            text: text.to_owned(),
            continues,
        };
        let one = heard([piece("Hel", false), piece("lo", true)]);
        assert_eq!(one.message, "Hello");
        let two = heard([piece("Hello", false), piece("Bye", false)]);
        assert_eq!(two.message, "Bye");
        let three = heard([
            piece("Hello", false),
            action("ls", StepState::Active),
            piece("Bye", true),
        ]);
        assert_eq!(three.message, "Bye");
    }

    #[test]
    fn trouble_counts_unless_the_agent_went_on() {
        let trouble = || Update::Trouble("401".to_owned());
        assert_eq!(
            heard([trouble(), Update::Finished]).trouble.as_deref(),
            Some("401")
        );
        assert_eq!(
            heard([trouble(), action("ls", StepState::Active)]).trouble,
            None
        );
    }

    #[test]
    fn waiting_ends_with_the_next_word_and_silence_is_told() {
        let mut one = heard([Update::Waiting("may I?".to_owned())]);
        assert_eq!(one.waiting.as_deref(), Some("may I?"));
        assert_eq!(one.silent(at(0), at(9)), Span::millis(4));
        one.take(Update::Usage(Tokens::default()), at(8));
        assert_eq!(one.waiting, None);
        assert_eq!(Heard::default().silent(at(2), at(9)), Span::millis(7));
    }

    #[test]
    fn the_plan_tells_where_it_is() {
        let step = |title: &str, state| PlanStep {
            title: title.to_owned(),
            state,
        };
        let steps = vec![
            step("read", StepState::Done),
            step("write\u{1b}[2J", StepState::Active),
            step("test", StepState::Pending),
        ];
        let heard = heard([Update::Plan(steps)]);
        assert_eq!((heard.step(), heard.steps()), (Some("write [2J"), (1, 3)));
    }

    /// Any characters, and many of them. Few are drawn: to draw each would take much longer than what is
    /// tested.
    fn long(most: usize) -> impl Strategy<Value = String> {
        (".{0,4}", 0..most).prop_map(|(text, times)| text.repeat(times))
    }

    proptest! {
        #[test]
        fn what_is_kept_is_bounded(
            titles in prop::collection::vec(long(200), 0..300),
            text in long(2_500),
        ) {
            let mut updates: Vec<Update> =
                titles.iter().map(|title| numbered(title, title, StepState::Active)).collect();
            updates.push(Update::Message { text: text.clone(), continues: true });
            updates.push(Update::Session(text.clone()));
            updates.push(Update::Trouble(text));
            let heard = heard(updates);
            prop_assert!(heard.files.len() <= FILES && heard.recent.len() <= REMEMBERED);
            prop_assert!(heard.recent.iter().all(|one| one.title.chars().count() <= TITLE_CHARS));
            prop_assert!(heard.message.chars().count() <= TEXT_CHARS);
            prop_assert!(heard.session.is_none_or(|one| one.len() <= SESSION_BYTES));
        }
    }
}
