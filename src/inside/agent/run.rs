//! The loop: ask the model, do what it calls, until it has finished or something ends it.

use crate::domain::builtin::Told;
use crate::inside::agent::conversation::{Answer, Call, Ended, Turn};
use crate::inside::agent::history::{History, tokens};
use crate::inside::agent::model::{Model, Patience, Refused, Why, ask};
use crate::inside::agent::prompt;
use crate::inside::agent::repeats::{Repeats, Verdict};
use crate::inside::agent::report::{Report, Status};
use crate::inside::agent::tools::{Finish, Outcome, Reply, Tools};

/// Answers in a row that make no sense, after which there is no hope of others.
const SLIPS: u32 = 3;
/// Calls of one answer that are done.
const CALLS: usize = 16;
/// So many steps before the last one the model is told.
const FEW: u32 = 5;
/// Requests that are too long although they should fit, after which they never will.
const SQUEEZES: u32 = 3;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The model says that it is done.
    Finished(Finish),
    /// All steps were used.
    Steps,
    /// It went round in circles, and did not stop when told.
    Circle,
    /// It wrote nothing that makes sense, several times in a row.
    Nonsense,
    /// There was no answer.
    Refused(Refused),
}

/// What a run works with.
pub(super) struct Parts<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) patience: &'a dyn Patience,
    pub(super) tools: &'a dyn Tools,
    pub(super) told: &'a Told,
}

/// Works on `brief` to the end.
pub(super) async fn run(parts: &Parts<'_>, brief: String, report: &mut Report<'_>) -> End {
    report.session(parts.told, prompt::SYSTEM, &brief);
    let mut run = Run {
        history: History::new(brief),
        repeats: Repeats::default(),
        slips: 0,
        calls: 0,
        end: Held::Not,
        report,
    };
    let (steps, end) = run.steps(parts).await;
    run.report.done(steps);
    match (end, run.end) {
        // The work was done, and only its result is not all that it could be.
        (End::Steps | End::Circle | End::Nonsense | End::Refused(_), Held::With(finish)) => {
            End::Finished(finish)
        }
        (end, Held::Not | Held::Once | Held::With(_)) => end,
    }
}

/// Whether the model was held back when it was about to end, which is done once.
enum Held {
    Not,
    Once,
    /// And it has done nothing since but hand in what was missing: that is what it said.
    With(Finish),
}

struct Run<'r, 'w> {
    history: History,
    repeats: Repeats,
    /// Answers in a row that made no sense.
    slips: u32,
    /// Calls so far.
    calls: u64,
    end: Held,
    report: &'r mut Report<'w>,
}

/// What one answer came to.
enum After {
    GoOn,
    End(End),
}

impl Run<'_, '_> {
    async fn steps(&mut self, parts: &Parts<'_>) -> (u32, End) {
        let offers = parts.tools.offers();
        let fixed: usize = offers
            .iter()
            .map(|offer| offer.description.len() + offer.schema.to_string().len() + 100)
            .sum();
        let told = parts.told;
        let mut room = room(told, tokens(fixed + prompt::SYSTEM.len()));
        let mut squeezes = 0;
        for step in 1..=told.max_steps {
            self.history.fit(room);
            let shown = self.history.shown(prompt::SYSTEM, &offers);
            let report = &mut *self.report;
            let mut pause = |message: &str| report.error(message);
            let answer = match ask(parts.model, parts.patience, &shown, &mut pause).await {
                Ok(answer) => answer,
                Err(refused) => {
                    let refused_for_length = refused.why == Why::TooLong;
                    let after = self.refused(refused, &mut squeezes);
                    match after {
                        // Our count was too low, so it is the count that gets smaller.
                        After::GoOn if refused_for_length => {
                            room = room.min(self.history.size()) / 10 * 6;
                        }
                        After::GoOn => {}
                        After::End(end) => return (step, end),
                    }
                    continue;
                }
            };
            self.report.answer(&answer);
            match self.answered(parts.tools, answer).await {
                After::GoOn => {}
                After::End(end) => return (step, end),
            }
            let left = told.max_steps - step;
            if left == FEW.min(told.max_steps / 2) && left > 0 {
                self.tell(&prompt::few_left(left));
            }
        }
        (told.max_steps, End::Steps)
    }

    fn refused(&mut self, refused: Refused, squeezes: &mut u32) -> After {
        match refused.why {
            Why::Garbled => {
                self.report.error(&refused.message);
                self.slip(&prompt::garbled(&refused.message))
            }
            Why::TooLong if *squeezes < SQUEEZES => {
                self.report.error(&refused.message);
                *squeezes += 1;
                After::GoOn
            }
            Why::TooLong | Why::Busy(_) | Why::Budget | Why::Lasting => {
                After::End(End::Refused(refused))
            }
        }
    }

    async fn answered(&mut self, tools: &dyn Tools, answer: Answer) -> After {
        if answer.calls.is_empty() {
            return self.said(tools, answer);
        }
        let (mut replies, mut made_sense) = (Vec::new(), false);
        let (mut finish, mut verdict) = (None, Verdict::Fine);
        let (mut worked, mut failed) = (false, false);
        for (index, call) in answer.calls.iter().enumerate() {
            let reply = if index < CALLS {
                self.call(tools, call).await
            } else {
                too_many()
            };
            made_sense |= reply.outcome != Outcome::Malformed;
            verdict = verdict.max(self.repeats.saw(call, &reply));
            match reply.outcome {
                Outcome::Done | Outcome::Edited => worked = true,
                Outcome::Handed => {}
                Outcome::Failed | Outcome::Malformed => failed = true,
                Outcome::Finished(said) => finish = Some(said),
            }
            replies.push(reply.text);
        }
        self.history.push(Turn {
            answer,
            replies,
            note: None,
        });
        if worked && matches!(self.end, Held::With(_)) {
            self.end = Held::Once;
        }
        if let Some(finish) = finish {
            self.slips = 0;
            let beside = failed.then(|| prompt::BESIDE.to_owned());
            return self.finished(finish, beside.or_else(|| tools.owed()));
        }
        if !made_sense {
            self.slips += 1;
            if self.slips == SLIPS {
                return After::End(End::Nonsense);
            }
            return After::GoOn;
        }
        self.slips = 0;
        match verdict {
            Verdict::Fine => After::GoOn,
            Verdict::Warn => {
                self.tell(prompt::CIRCLE);
                After::GoOn
            }
            Verdict::Stop => After::End(End::Circle),
        }
    }

    /// An answer without calls: the model is done, unless it was cut off or said nothing.
    fn said(&mut self, tools: &dyn Tools, answer: Answer) -> After {
        let (text, ended) = (answer.text.trim().to_owned(), answer.ended);
        self.history.push(Turn {
            answer,
            replies: Vec::new(),
            note: None,
        });
        match ended {
            Ended::Cut => self.slip(prompt::CUT),
            Ended::Whole if text.is_empty() => self.slip(prompt::EMPTY),
            Ended::Whole => {
                let finish = match &self.end {
                    // What it says now is of the result, and no more of the work.
                    Held::With(before) => before.clone(),
                    Held::Not | Held::Once => Finish {
                        summary: text,
                        ..Finish::default()
                    },
                };
                self.finished(finish, tools.owed())
            }
        }
    }

    /// The model says that it is done. It is held back once when there is something `open`.
    fn finished(&mut self, finish: Finish, open: Option<String>) -> After {
        match (open, &self.end) {
            (Some(open), Held::Not) => {
                self.end = Held::With(finish);
                self.tell(&open);
                After::GoOn
            }
            (Some(_), Held::Once | Held::With(_)) | (None, _) => After::End(End::Finished(finish)),
        }
    }

    fn slip(&mut self, note: &str) -> After {
        self.slips += 1;
        if self.slips == SLIPS {
            return After::End(End::Nonsense);
        }
        self.tell(note);
        After::GoOn
    }

    fn tell(&mut self, note: &str) {
        self.report.note(note);
        self.history.tell(note);
    }

    async fn call(&mut self, tools: &dyn Tools, call: &Call) -> Reply {
        self.calls += 1;
        let id = self.calls;
        let title = tools.title(call);
        self.report.tool((id, call), &title, Status::Started);
        let reply = tools.call(call).await;
        let status = match reply.outcome {
            Outcome::Done | Outcome::Edited | Outcome::Handed | Outcome::Finished(_) => {
                Status::Done
            }
            Outcome::Failed | Outcome::Malformed => Status::Failed,
        };
        self.report.tool((id, call), &title, status);
        self.report.reply(id, call, &reply.text);
        reply
    }
}

fn too_many() -> Reply {
    Reply {
        text: format!("not done: at most {CALLS} calls in one answer"),
        outcome: Outcome::Failed,
    }
}

/// Returns the tokens that task and turns may have, beside what is `fixed` and the answer.
fn room(told: &Told, fixed: u64) -> u64 {
    let context = told.context_tokens;
    let answer = told.output_tokens.min(context / 4);
    context.saturating_sub(answer + fixed).max(context / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::builtin::Wire;
    use crate::inside::agent::conversation::{Offer, Shown, Usage};
    use serde_json::{Value, json};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// A model that says what it was told to, and remembers what it was shown.
    struct Script {
        answers: Mutex<Vec<Result<Answer, Refused>>>,
        shown: Mutex<Vec<String>>,
    }

    #[async_trait::async_trait]
    impl Model for Script {
        async fn answer(&self, shown: &Shown<'_>) -> Result<Answer, Refused> {
            for turn in shown.turns {
                assert_eq!(turn.answer.calls.len(), turn.replies.len());
            }
            let turns = shown.turns.iter().map(|turn| {
                let note = turn.note.as_deref().unwrap_or_default();
                format!("{}|{note}", turn.replies.join("|"))
            });
            let text = turns.collect::<Vec<_>>().join("\n");
            let mut seen = self.shown.lock().unwrap();
            seen.push(format!("{}\n{text}", shown.task));
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            }
        }
    }

    struct NoTime;

    #[async_trait::async_trait]
    impl Patience for NoTime {
        async fn wait(&self, _: Duration) {}
    }

    /// Tools that answer by their arguments.
    #[derive(Default)]
    struct Echo {
        /// Whether a reply is owed.
        owes: AtomicBool,
    }

    #[async_trait::async_trait]
    impl Tools for Echo {
        fn offers(&self) -> Vec<Offer> {
            Vec::new()
        }

        fn title(&self, call: &Call) -> String {
            call.name.clone()
        }

        async fn call(&self, call: &Call) -> Reply {
            let size = call.arguments["size"].as_u64().unwrap_or(0);
            let outcome = match call.name.as_str() {
                "finish" => Outcome::Finished(Finish {
                    title: Some("t".to_owned()),
                    summary: "s".to_owned(),
                    notes: None,
                }),
                "edit" => Outcome::Edited,
                "reply" => {
                    self.owes.store(false, Ordering::SeqCst);
                    Outcome::Handed
                }
                "nonsense" => Outcome::Malformed,
                _ => Outcome::Done,
            };
            let text = format!("{}{}", call.arguments, "x".repeat(size.try_into().unwrap()));
            Reply { text, outcome }
        }

        fn owed(&self) -> Option<String> {
            let owes = self.owes.load(Ordering::SeqCst);
            owes.then(|| "a reply is owed".to_owned())
        }
    }

    fn told() -> Told {
        Told {
            endpoint: "e".to_owned(),
            model: "m".to_owned(),
            wire: Wire::Chat,
            max_steps: 20,
            context_tokens: 20_000,
            output_tokens: 1_000,
        }
    }

    fn words(text: &str, ended: Ended) -> Answer {
        Answer {
            text: text.to_owned(),
            calls: Vec::new(),
            ended,
            usage: Usage::default(),
            carried: Value::Null,
        }
    }

    fn calls(names: &[&str], argument: u64) -> Answer {
        let call = |name: &&str| Call {
            id: "id".to_owned(),
            name: (*name).to_owned(),
            arguments: json!({"size": argument}),
        };
        Answer {
            calls: names.iter().map(call).collect(),
            ..words("", Ended::Whole)
        }
    }

    fn refused(why: Why) -> Result<Answer, Refused> {
        let message = format!("{why:?}");
        Err(Refused { why, message })
    }

    /// Runs the script to its end. Its last answer is given for ever.
    async fn ended(answers: Vec<Result<Answer, Refused>>) -> (End, Vec<String>, String) {
        ended_with(&Echo::default(), answers).await
    }

    async fn ended_with(
        tools: &Echo,
        answers: Vec<Result<Answer, Refused>>,
    ) -> (End, Vec<String>, String) {
        let model = Script {
            answers: Mutex::new(answers),
            shown: Mutex::default(),
        };
        let (mut progress, mut transcript) = (Vec::new(), Vec::new());
        let mut report = Report::new(&mut progress, &mut transcript);
        let parts = Parts {
            model: &model,
            patience: &NoTime,
            tools,
            told: &told(),
        };
        let end = run(&parts, "brief".to_owned(), &mut report).await;
        let shown = model.shown.into_inner().unwrap();
        (end, shown, String::from_utf8(progress).unwrap())
    }

    #[tokio::test]
    async fn calls_are_done_until_it_finishes() {
        let script = vec![
            Ok(calls(&["shell", "edit"], 1)),
            refused(Why::Busy(None)),
            Ok(calls(&["shell", "finish"], 2)),
        ];
        let (end, shown, progress) = ended(script).await;
        let finish = Finish {
            title: Some("t".to_owned()),
            summary: "s".to_owned(),
            notes: None,
        };
        assert_eq!(end, End::Finished(finish));
        assert_eq!(shown.len(), 3);
        assert_eq!(shown[2], "brief\n{\"size\":1}x|{\"size\":1}x|");
        let types: Vec<_> = progress
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| {
                line["status"]
                    .as_str()
                    .or(line["type"].as_str())
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let expected = "session usage started done started done error usage started done started \
                        done done";
        assert_eq!(types.join(" "), expected);
    }

    #[tokio::test]
    async fn words_alone_are_an_end_unless_there_are_none() {
        let (end, shown, _) = ended(vec![
            Ok(words(" ", Ended::Whole)),
            Ok(words("half", Ended::Cut)),
            Ok(words("all done\n", Ended::Whole)),
        ])
        .await;
        let summary = "all done".to_owned();
        let finish = Finish {
            summary,
            ..Finish::default()
        };
        assert_eq!(end, End::Finished(finish));
        assert!(shown[1].contains("was empty") && shown[2].contains("cut off"));
    }

    #[tokio::test]
    async fn what_ends_it_is_told() {
        let budget = Refused {
            why: Why::Budget,
            message: "Budget".to_owned(),
        };
        for (script, expected, asked) in [
            (vec![refused(Why::Budget)], End::Refused(budget), 1),
            (vec![Ok(words("", Ended::Whole))], End::Nonsense, 3),
            (
                vec![Ok(calls(&["nonsense", "nonsense"], 0))],
                End::Nonsense,
                3,
            ),
            (vec![refused(Why::Garbled)], End::Nonsense, 3),
            (vec![Ok(calls(&["shell"], 0))], End::Circle, 6),
            (vec![Ok(calls(&["edit"], 0))], End::Steps, 20),
        ] {
            let (end, shown, _) = ended(script).await;
            assert_eq!((end, shown.len()), (expected, asked));
        }
        let (end, shown, _) = ended(vec![refused(Why::TooLong)]).await;
        assert!(matches!(end, End::Refused(_)), "{end:?}");
        assert_eq!(shown.len(), 4);
    }

    /// Runs a script whose model owes a reply, and returns what its end says and what it was shown.
    async fn owing(answers: Vec<Result<Answer, Refused>>) -> (Option<String>, Vec<String>) {
        let tools = Echo {
            owes: AtomicBool::new(true),
        };
        let (end, shown, _) = ended_with(&tools, answers).await;
        let said = match end {
            End::Finished(finish) => Some(finish.summary),
            End::Steps | End::Circle | End::Nonsense | End::Refused(_) => None,
        };
        (said, shown)
    }

    #[tokio::test]
    async fn who_owes_something_is_held_back_once() {
        let finish = || Ok(calls(&["finish"], 0));
        let said = |text: &str| Ok(words(text, Ended::Whole));
        let reply = || Ok(calls(&["reply"], 1));
        for (script, told, asked) in [
            (vec![finish(), Ok(calls(&["reply", "finish"], 1))], "s", 2),
            (vec![finish(), finish()], "s", 2),
            (
                vec![said("It is done."), reply(), said("Bye.")],
                "It is done.",
                3,
            ),
            (vec![said("It is done."), said("Bye.")], "It is done.", 2),
            (vec![said("It is done."), reply(), finish()], "s", 3),
        ] {
            let (said, shown) = owing(script).await;
            assert_eq!((said.as_deref(), shown.len()), (Some(told), asked));
            assert!(shown[1].contains("a reply is owed"), "{}", shown[1]);
        }
        let (said, shown) = owing(vec![reply(), finish()]).await;
        assert_eq!((said.as_deref(), shown.len()), (Some("s"), 2));
    }

    #[tokio::test]
    async fn work_that_was_done_before_it_was_held_back_counts_whatever_comes() {
        let finish = || Ok(calls(&["finish"], 0));
        let nonsense = Ok(calls(&["nonsense"], 0));
        let (said, _) = owing(vec![finish(), refused(Why::Budget)]).await;
        assert_eq!(said.as_deref(), Some("s"));
        let (said, shown) = owing(vec![finish(), nonsense]).await;
        assert_eq!((said.as_deref(), shown.len()), (Some("s"), 4));
        // Half a change is not what it said.
        let edit = Ok(calls(&["edit"], 0));
        let (said, _) = owing(vec![finish(), edit, refused(Why::Budget)]).await;
        assert_eq!(said, None);
    }

    #[tokio::test]
    async fn an_end_beside_something_that_failed_is_none() {
        let beside = || Ok(calls(&["nonsense", "finish"], 0));
        let (end, shown, _) = ended(vec![beside(), beside()]).await;
        assert!(matches!(end, End::Finished(_)));
        assert_eq!(shown.len(), 2);
        assert!(
            shown[1].contains("a call beside finish failed"),
            "{}",
            shown[1]
        );
    }

    #[tokio::test]
    async fn sense_between_makes_slips_good() {
        let slip = || Ok(calls(&["nonsense"], 0));
        let script = vec![
            slip(),
            slip(),
            Ok(calls(&["shell"], 0)),
            slip(),
            slip(),
            Ok(calls(&["finish"], 0)),
        ];
        assert!(matches!(ended(script).await.0, End::Finished(_)));
    }

    #[tokio::test]
    async fn it_is_warned_before_it_is_ended() {
        let (_, shown, _) = ended(vec![Ok(calls(&["shell"], 0))]).await;
        assert!(!shown[2].contains("same call") && shown[3].contains("same call"));
        let (_, shown, _) = ended(vec![Ok(calls(&["edit"], 0))]).await;
        assert!(shown[15].contains("5 steps are left"), "{}", shown[15]);
    }

    #[tokio::test]
    async fn what_is_shown_stays_within_the_context() {
        let (_, shown, _) = ended(vec![Ok(calls(&["edit"], 9_000))]).await;
        let longest = shown.iter().map(String::len).max().unwrap();
        assert!(longest < 60_000 && longest > 27_000, "{longest}");
        let (end, shown, _) = ended(vec![
            Ok(calls(&["edit"; 3], 9_000)),
            refused(Why::TooLong),
            Ok(calls(&["finish"], 0)),
        ])
        .await;
        assert!(matches!(end, End::Finished(_)));
        assert!(shown[2].len() < shown[1].len(), "it was shortened");
    }

    #[test]
    fn there_is_always_room() {
        let small = Told {
            context_tokens: 8_000,
            output_tokens: 16_000,
            ..told()
        };
        assert_eq!(room(&small, 3_000), 3_000);
        assert_eq!(room(&small, 30_000), 2_000);
        assert_eq!(room(&told(), 3_000), 16_000);
    }
}
