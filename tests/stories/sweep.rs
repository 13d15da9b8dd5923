//! Every call through a port, cut in every way: what GitHub shows in the end is what it shows after a
//! run in which nothing was cut.
//!
//! A run takes a few calls out of each scenario, the same ones each time. `make sweep` takes all.

use std::sync::Arc;

use prova::app::bases::compare_next;
use prova::app::cleanup::remove_orphans;
use prova::app::dispatch::dispatch_next;
use prova::app::publish::publish_next;
use prova::app::worker::{lease_next, work};
use prova::domain::budget::Scope;
use prova::domain::task::Task;
use prova::ports::clock::Clock as _;
use prova::simulator::world::repositories::File;
use prova::simulator::world::reviews::{ReviewDraft, Verdict};
use tokio_util::sync::CancellationToken;

use crate::assessments::{REVIEWER, hers};
use crate::check_run::{newest, pages, wrong};
use crate::gateway::Script;
use crate::handing::handed;
use crate::harness::{Bot, FIX, REPO, World};
use crate::integration::{GREEN, mender, until_green};
use crate::knife::{Blow, Knife};
use crate::spending::MODELS;
use crate::suites::hanging;
use crate::words::WORDY;

/// Calls that are cut in a run that does not take all.
const SAMPLE: usize = 4;

/// What people do.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    /// An issue is labelled.
    Label,
    /// A review asks for a change.
    Review,
    /// A single comment on a line does.
    Line,
    /// A request is taken back.
    Cancel,
    /// What was done for a review is taken back.
    Undo,
    /// The base moves on, and is merged into the branch.
    Update,
    /// The base conflicts with the branch, and somebody asks to have that resolved.
    Conflict,
    /// Two agents race, and one of them breaks what is checked.
    Race,
    /// The budget is used up while an agent works.
    Budget,
    /// Something is asked for while another request is done.
    Waits,
    /// Something is asked for, and handed to the agent that does another request.
    Steer,
    /// A plan is made and carried out.
    Plan,
    /// A question is asked about what is under review.
    Answer,
    /// A review of somebody's pull request is asked for.
    Assessment,
    /// A change of somebody's pull request is asked for.
    Theirs,
    /// A change of a pull request from a fork is.
    Fork,
    /// The base is to be brought into somebody's branch, for which nothing was done before.
    TheirBase,
    /// Checks of others fail on what was done, run once more, and are mended.
    Checks,
    /// They are not mended, and a person is asked.
    Question,
    /// A label that has asked for work is taken off again.
    Unlabel,
    /// A pull request is merged, and its branch goes.
    Delete,
    /// A bot that policy lists wants a change.
    Linter,
    /// A check says much of single lines, and somebody has it run again.
    Rerun,
    /// An agent works for longer than a heartbeat takes.
    Slow,
}

/// The first run corrects the README, each later one adds a line to it.
const GROWING: &str =
    "if grep -q teh README.md; then sed -i s/teh/the/ README.md; else echo more >> README.md; fi";

/// The first run corrects the README, one that finds conflicts takes both sides.
const RESOLVER: &str = "if grep -q '^<<<<<<<' README.md; then echo both > README.md; \
    else sed -i s/teh/the/ README.md; fi";

async fn labelled(world: World) -> Bot {
    let bot = Box::pin(world.start()).await;
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot
}

/// What an agent did, under review; the number of the pull request.
async fn in_review(agent: &str, script: &str) -> (Bot, u64) {
    let bot = Box::pin(World::new().agent(agent, script).start()).await;
    let (_, pull) = Box::pin(bot.in_review()).await;
    (bot, pull)
}

/// Two agents are asked to race.
async fn racing() -> Bot {
    let world = World::new()
        .agent("codex", "sed -i s/teh/the/ README.md; rm src/main.py")
        .agent("claude", FIX)
        .policy("checks = [\"test -f src/main.py\"]\n");
    let bot = world.start().await;
    let issue = bot.issue();
    bot.alice()
        .comment(REPO, issue, "@prova race codex claude")
        .unwrap();
    bot
}

/// A budget ends while an agent works.
async fn spending() -> Bot {
    let script = Arc::new(Script {
        ends_at: Some(|scope| matches!(scope, Scope::Job(_))),
        ..Script::default()
    });
    let world = World::fixer().settings(MODELS).gateway(&script);
    labelled(world).await
}

/// A pull request was merged, and policy has its branch deleted.
async fn merged() -> Bot {
    let world = World::fixer().policy("[branch]\ndelete = \"merged\"\n");
    let bot = world.start().await;
    let (_, pull) = Box::pin(bot.in_review()).await;
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
    bot
}

/// A bot that policy lists has said something.
async fn linted() -> Bot {
    let world = World::new().agent("grower", GROWING);
    let bot = world
        .policy("[bots]\nallow = [\"lint[bot]\"]\n")
        .start()
        .await;
    let (_, pull) = Box::pin(bot.in_review()).await;
    let linter = bot.sim.as_person("lint[bot]");
    linter.comment(REPO, pull, "One more line.").unwrap();
    bot
}

/// A branch conflicts with its base, and somebody asks for more.
async fn conflicting() -> Bot {
    let (bot, pull) = in_review("resolver", RESOLVER).await;
    let readme = File::new("README.md", "# Hello\n\nThis is our readme.\n");
    bot.alice().push(REPO, "main", &[readme], &[]).unwrap();
    Box::pin(bot.settle()).await;
    bot.alice().comment(REPO, pull, "@prova rebase").unwrap();
    bot
}

impl Scenario {
    /// Comes to the point from which calls are cut.
    async fn set(self) -> Bot {
        match self {
            Self::Label => {
                let world = World::fixer().policy("checks = [\"grep the README.md\"]\n");
                labelled(world).await
            }
            Self::Review => {
                let (bot, pull) = in_review("grower", GROWING).await;
                let draft = ReviewDraft {
                    verdict: Verdict::RequestChanges,
                    body: "One more line.",
                    lines: &[("README.md:3", "Here?"), ("README.md:1", "Not there.")],
                };
                bot.alice().review(REPO, pull, draft).unwrap();
                bot
            }
            Self::Line => {
                let (bot, pull) = in_review("grower", GROWING).await;
                bot.alice()
                    .review_comment(REPO, pull, "README.md:3", "@prova one more line")
                    .unwrap();
                bot
            }
            Self::Cancel => {
                let bot = World::fixer().start().await;
                let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
                bot.alice().comment(REPO, issue, "@prova stop").unwrap();
                bot
            }
            Self::Undo => {
                let (bot, pull) = in_review("grower", GROWING).await;
                bot.say("alice", pull, "@prova one more line").await;
                bot.alice().comment(REPO, pull, "@prova undo").unwrap();
                bot
            }
            Self::Unlabel => {
                let bot = labelled(World::fixer()).await;
                bot.alice().unlabel(REPO, 1, "prova").unwrap();
                bot
            }
            Self::Delete => merged().await,
            Self::Linter => linted().await,
            Self::Waits => {
                let (bot, pull) = in_review("grower", GROWING).await;
                for text in ["@prova one more line", "@prova another one"] {
                    bot.alice().comment(REPO, pull, text).unwrap();
                }
                bot
            }
            Self::Steer => {
                let bot = Box::pin(handed("").start()).await;
                let (_, pull) = Box::pin(bot.in_review()).await;
                for text in ["@prova add the line one", "@prova add the line two"] {
                    bot.alice().comment(REPO, pull, text).unwrap();
                }
                bot
            }
            Self::Plan => {
                let world = World::new().agent("wordy", WORDY);
                labelled(world.policy("plan = \"auto\"\n")).await
            }
            Self::Answer => {
                let (bot, pull) = in_review("wordy", WORDY).await;
                bot.alice().comment(REPO, pull, "@prova ask why?").unwrap();
                bot
            }
            Self::Assessment => assessed().await,
            Self::Theirs => asked_of(hers).await,
            Self::Fork => asked_of(from_fork).await,
            Self::TheirBase => behind().await,
            Self::Update => {
                let world = World::fixer().policy("[branch]\nupdate = \"clean\"\n");
                let bot = world.start().await;
                Box::pin(bot.in_review()).await;
                let news = File::new("NEWS.md", "# News\n");
                bot.alice().push(REPO, "main", &[news], &[]).unwrap();
                bot
            }
            Self::Conflict => conflicting().await,
            Self::Race => racing().await,
            Self::Budget => spending().await,
            Self::Checks => checked(GREEN).await,
            Self::Question => checked("echo more >> ci.txt").await,
            Self::Rerun => {
                let lint = File::executable("lint.sh", wrong(60));
                let world = World::new().agent("grower", GROWING).put(lint);
                let bot = labelled(world.policy("checks = [\"./lint.sh\"]\n")).await;
                Box::pin(bot.settle()).await;
                bot.alice().rerequest_check(REPO, newest(&bot)).unwrap();
                bot
            }
            Self::Slow => {
                let slow = format!("sleep 1.5; {FIX}");
                labelled(World::new().agent("slow", &slow)).await
            }
        }
    }
}

/// A pull request of a person that is to be reviewed.
async fn assessed() -> Bot {
    let bot = World::new().agent("reviewer", REVIEWER).start().await;
    let pull = hers(&bot);
    bot.alice().comment(REPO, pull, "@prova review").unwrap();
    bot
}

/// A pull request of a person whose base has moved on.
async fn behind() -> Bot {
    let bot = World::fixer().start().await;
    let pull = hers(&bot);
    let news = File::new("NEWS.md", "# News\n");
    bot.alice().push(REPO, "main", &[news], &[]).unwrap();
    bot.alice().comment(REPO, pull, "@prova rebase").unwrap();
    bot
}

/// A pull request of a person on which a change is asked for.
async fn asked_of(opened: fn(&Bot) -> u64) -> Bot {
    let bot = World::fixer().start().await;
    let pull = opened(&bot);
    bot.alice().comment(REPO, pull, "@prova mend it").unwrap();
    bot
}

fn from_fork(bot: &Bot) -> u64 {
    let readme = File::new("README.md", "# Hello\n\nThis is teh readme.\nMore.\n");
    let mallory = bot.sim.as_person("mallory");
    mallory
        .open_pull_from_fork(REPO, "More", &[readme])
        .unwrap()
}

/// An issue whose pull request has checks of others, and an agent that does that when they fail.
async fn checked(mend: &str) -> Bot {
    let world = World::new().agent("mender", &mender(mend));
    let bot = world.policy("[ci]\nrounds = 1\n").start().await;
    bot.sim.integrate(REPO, until_green("test")).unwrap();
    let _initial = bot.sim.take_deliveries();
    bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot
}

impl Scenario {
    /// Leaves out of what was seen in the end what may well differ: a review and the status comment are
    /// both news when the job has ended, and whichever waited for nothing comes first.
    fn told(self, seen: String) -> String {
        if !matches!(self, Self::Fork) {
            return seen;
        }
        let mut lines: Vec<_> = seen.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    }
}

/// What GitHub shows, and how the tasks stand.
async fn end(bot: &Bot) -> String {
    let mut told = bot.everything().replace(" (edited)", "");
    told.push_str(&pages(bot));
    for task in bot.tasks().await {
        told.push_str(&format_of(&task));
    }
    told
}

fn format_of(task: &Task) -> String {
    format!(
        "\n{} {} after {} jobs",
        task.id,
        task.state.word(),
        task.jobs
    )
}

/// Does as the loops of the server do: a step that fails is logged, and the next one is made.
async fn live(bot: &Bot) {
    for _ in 0..2_000 {
        let ctx = bot.ctx();
        let mut busy = bot.deliver().await;
        for step in [
            dispatch_next(ctx).await,
            publish_next(ctx).await,
            compare_next(ctx).await,
        ] {
            busy |= step.unwrap_or(true);
        }
        if busy {
            continue;
        }
        // A stop that is put off must not lose a race against the job, as it well may: what GitHub
        // shows in the end would be right, and another.
        let waiting = ctx.store.counts().await.unwrap().deliveries_pending > 0;
        match if waiting {
            Ok(None)
        } else {
            lease_next(ctx).await
        } {
            Err(_) => continue,
            Ok(Some(leased)) => {
                // What it could not end waits for its lease to run out.
                let _ended = Box::pin(work(ctx, &leased, &CancellationToken::new())).await;
                continue;
            }
            Ok(None) => {}
        }
        let now = bot.clock.now();
        match ctx.store.next_due(now).await.unwrap() {
            Some(due) => {
                let wait = i64::try_from(due.since(now).as_millis()).unwrap();
                bot.clock.advance(wait.max(1));
            }
            None => return,
        }
    }
    panic!("it does not settle:\n{}", bot.everything());
}

/// A check run is there whole or not at all: whoever dies leaves none that people would wait for.
fn no_check_hangs(bot: &Bot, told: &str) {
    let seen = bot.everything();
    for state in ["queued", "in_progress"] {
        let hangs = format!("  prova: {state}");
        assert!(!seen.contains(&hangs), "{told}:\n{seen}");
    }
}

async fn sweep(scenario: Scenario, blow: Blow) {
    let mut clean = Box::pin(scenario.set()).await;
    let knife = Arc::new(Knife::default());
    clean.take_up(&knife);
    live(&clean).await;
    let (calls, expected) = (knife.calls(), scenario.told(end(&clean).await));
    assert!(calls.len() > 20, "{calls:?}");
    let all = std::env::var_os("PROVA_SWEEP").is_some();
    let stride = if all { 1 } else { calls.len().div_ceil(SAMPLE) };
    // Different ways of cutting are tried at different calls.
    let first = if all { 0 } else { blow as usize % stride };
    for (at, call) in calls.iter().enumerate().skip(first).step_by(stride) {
        let told = format!(
            "{scenario:?}, {blow:?} at call {at} of {}, {call}",
            calls.len()
        );
        let mut bot = Box::pin(scenario.set()).await;
        let knife = Knife::aimed(at, blow);
        bot.take_up(&knife);
        let died = tokio::select! {
            biased;
            () = knife.killed() => true,
            () = live(&bot) => false,
        };
        assert!(knife.calls().len() > at, "it never came to it: {told}");
        assert_eq!(
            died,
            matches!(blow, Blow::DeadBefore | Blow::DeadAfter),
            "{told}"
        );
        no_check_hangs(&bot, &told);
        bot.restart().await;
        live(&bot).await;
        // As every start does.
        remove_orphans(bot.ctx()).await;
        assert_eq!(scenario.told(end(&bot).await), expected, "{told}");
        assert_eq!(hanging(&bot), Vec::<String>::new(), "{told}");
    }
}

/// Cuts the first heartbeat of a job, in each way.
async fn sweep_of_heartbeats(blow: Blow) {
    let mut clean = Box::pin(Scenario::Slow.set()).await;
    clean.take_up(&Arc::new(Knife::default()));
    live(&clean).await;
    let expected = end(&clean).await;
    let mut bot = Box::pin(Scenario::Slow.set()).await;
    let knife = Knife::at_a_heartbeat(blow);
    bot.take_up(&knife);
    let died = tokio::select! {
        biased;
        () = knife.killed() => true,
        () = live(&bot) => false,
    };
    assert!(knife.has_cut_a_heartbeat(), "{blow:?}: there was none");
    let deadly = matches!(blow, Blow::DeadBefore | Blow::DeadAfter);
    assert_eq!(died, deadly, "{blow:?} at a heartbeat");
    bot.restart().await;
    live(&bot).await;
    remove_orphans(bot.ctx()).await;
    assert_eq!(end(&bot).await, expected, "{blow:?} at a heartbeat");
}

macro_rules! heartbeats {
    ($($name:ident: $blow:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            Box::pin(sweep_of_heartbeats(Blow::$blow)).await;
        })*
    };
}

heartbeats! {
    death_before_a_heartbeat: DeadBefore;
    death_after_a_heartbeat: DeadAfter;
    a_heartbeat_that_fails: Fails;
    a_heartbeat_whose_answer_is_lost: Unanswered;
    a_heartbeat_that_is_made_twice: Twice;
}

macro_rules! sweeps {
    ($($name:ident: $scenario:ident $blow:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            Box::pin(sweep(Scenario::$scenario, Blow::$blow)).await;
        })*
    };
}

sweeps! {
    a_label_and_death_before_a_call: Label DeadBefore;
    a_label_and_death_after_a_call: Label DeadAfter;
    a_label_and_a_call_that_fails: Label Fails;
    a_label_and_an_answer_that_is_lost: Label Unanswered;
    a_label_and_a_call_that_is_made_twice: Label Twice;
    a_review_and_death_before_a_call: Review DeadBefore;
    a_review_and_death_after_a_call: Review DeadAfter;
    a_review_and_a_call_that_fails: Review Fails;
    a_review_and_an_answer_that_is_lost: Review Unanswered;
    a_review_and_a_call_that_is_made_twice: Review Twice;
    a_comment_on_a_line_and_death_before_a_call: Line DeadBefore;
    a_comment_on_a_line_and_death_after_a_call: Line DeadAfter;
    a_comment_on_a_line_and_a_call_that_fails: Line Fails;
    a_comment_on_a_line_and_an_answer_that_is_lost: Line Unanswered;
    a_comment_on_a_line_and_a_call_that_is_made_twice: Line Twice;
    a_stop_and_death_before_a_call: Cancel DeadBefore;
    a_stop_and_death_after_a_call: Cancel DeadAfter;
    a_stop_and_a_call_that_fails: Cancel Fails;
    a_stop_and_an_answer_that_is_lost: Cancel Unanswered;
    a_stop_and_a_call_that_is_made_twice: Cancel Twice;
    an_undo_and_death_before_a_call: Undo DeadBefore;
    an_undo_and_death_after_a_call: Undo DeadAfter;
    an_undo_and_a_call_that_fails: Undo Fails;
    an_undo_and_an_answer_that_is_lost: Undo Unanswered;
    an_undo_and_a_call_that_is_made_twice: Undo Twice;
    a_request_that_waits_and_death_before_a_call: Waits DeadBefore;
    a_request_that_waits_and_death_after_a_call: Waits DeadAfter;
    a_request_that_waits_and_a_call_that_fails: Waits Fails;
    a_request_that_waits_and_an_answer_that_is_lost: Waits Unanswered;
    a_request_that_waits_and_a_call_that_is_made_twice: Waits Twice;
    a_request_that_is_handed_on_and_death_before_a_call: Steer DeadBefore;
    a_request_that_is_handed_on_and_death_after_a_call: Steer DeadAfter;
    a_request_that_is_handed_on_and_a_call_that_fails: Steer Fails;
    a_request_that_is_handed_on_and_an_answer_that_is_lost: Steer Unanswered;
    a_request_that_is_handed_on_and_a_call_that_is_made_twice: Steer Twice;
    a_plan_and_death_before_a_call: Plan DeadBefore;
    a_plan_and_death_after_a_call: Plan DeadAfter;
    a_plan_and_a_call_that_fails: Plan Fails;
    a_plan_and_an_answer_that_is_lost: Plan Unanswered;
    a_plan_and_a_call_that_is_made_twice: Plan Twice;
    an_ask_and_death_before_a_call: Answer DeadBefore;
    an_ask_and_death_after_a_call: Answer DeadAfter;
    an_ask_and_a_call_that_fails: Answer Fails;
    an_ask_and_an_answer_that_is_lost: Answer Unanswered;
    an_ask_and_a_call_that_is_made_twice: Answer Twice;
    an_assessment_and_death_before_a_call: Assessment DeadBefore;
    an_assessment_and_death_after_a_call: Assessment DeadAfter;
    an_assessment_and_a_call_that_fails: Assessment Fails;
    an_assessment_and_an_answer_that_is_lost: Assessment Unanswered;
    an_assessment_and_a_call_that_is_made_twice: Assessment Twice;
    a_request_on_somebodys_pull_request_and_death_before_a_call: Theirs DeadBefore;
    a_request_on_somebodys_pull_request_and_death_after_a_call: Theirs DeadAfter;
    a_request_on_somebodys_pull_request_and_a_call_that_fails: Theirs Fails;
    a_request_on_somebodys_pull_request_and_an_answer_that_is_lost: Theirs Unanswered;
    a_request_on_somebodys_pull_request_and_a_call_that_is_made_twice: Theirs Twice;
    a_request_on_a_fork_and_death_before_a_call: Fork DeadBefore;
    a_request_on_a_fork_and_death_after_a_call: Fork DeadAfter;
    a_request_on_a_fork_and_a_call_that_fails: Fork Fails;
    a_request_on_a_fork_and_an_answer_that_is_lost: Fork Unanswered;
    a_request_on_a_fork_and_a_call_that_is_made_twice: Fork Twice;
    the_base_of_somebodys_branch_and_death_before_a_call: TheirBase DeadBefore;
    the_base_of_somebodys_branch_and_death_after_a_call: TheirBase DeadAfter;
    the_base_of_somebodys_branch_and_a_call_that_fails: TheirBase Fails;
    the_base_of_somebodys_branch_and_an_answer_that_is_lost: TheirBase Unanswered;
    the_base_of_somebodys_branch_and_a_call_that_is_made_twice: TheirBase Twice;
    an_update_and_death_before_a_call: Update DeadBefore;
    an_update_and_death_after_a_call: Update DeadAfter;
    an_update_and_a_call_that_fails: Update Fails;
    an_update_and_an_answer_that_is_lost: Update Unanswered;
    an_update_and_a_call_that_is_made_twice: Update Twice;
    a_conflict_and_death_before_a_call: Conflict DeadBefore;
    a_conflict_and_death_after_a_call: Conflict DeadAfter;
    a_conflict_and_a_call_that_fails: Conflict Fails;
    a_conflict_and_an_answer_that_is_lost: Conflict Unanswered;
    a_conflict_and_a_call_that_is_made_twice: Conflict Twice;
    a_race_and_death_before_a_call: Race DeadBefore;
    a_race_and_death_after_a_call: Race DeadAfter;
    a_race_and_a_call_that_fails: Race Fails;
    a_race_and_an_answer_that_is_lost: Race Unanswered;
    a_race_and_a_call_that_is_made_twice: Race Twice;
    a_ci_loop_and_death_before_a_call: Checks DeadBefore;
    a_ci_loop_and_death_after_a_call: Checks DeadAfter;
    a_ci_loop_and_a_call_that_fails: Checks Fails;
    a_ci_loop_and_an_answer_that_is_lost: Checks Unanswered;
    a_ci_loop_and_a_call_that_is_made_twice: Checks Twice;
    a_question_and_death_before_a_call: Question DeadBefore;
    a_question_and_death_after_a_call: Question DeadAfter;
    a_question_and_a_call_that_fails: Question Fails;
    a_question_and_an_answer_that_is_lost: Question Unanswered;
    a_question_and_a_call_that_is_made_twice: Question Twice;
    a_label_taken_off_and_death_before_a_call: Unlabel DeadBefore;
    a_label_taken_off_and_death_after_a_call: Unlabel DeadAfter;
    a_label_taken_off_and_a_call_that_fails: Unlabel Fails;
    a_label_taken_off_and_an_answer_that_is_lost: Unlabel Unanswered;
    a_label_taken_off_and_a_call_that_is_made_twice: Unlabel Twice;
    a_deletion_and_death_before_a_call: Delete DeadBefore;
    a_deletion_and_death_after_a_call: Delete DeadAfter;
    a_deletion_and_a_call_that_fails: Delete Fails;
    a_deletion_and_an_answer_that_is_lost: Delete Unanswered;
    a_deletion_and_a_call_that_is_made_twice: Delete Twice;
    a_linter_and_death_before_a_call: Linter DeadBefore;
    a_linter_and_death_after_a_call: Linter DeadAfter;
    a_linter_and_a_call_that_fails: Linter Fails;
    a_linter_and_an_answer_that_is_lost: Linter Unanswered;
    a_linter_and_a_call_that_is_made_twice: Linter Twice;
    a_rerun_and_death_before_a_call: Rerun DeadBefore;
    a_rerun_and_death_after_a_call: Rerun DeadAfter;
    a_rerun_and_a_call_that_fails: Rerun Fails;
    a_rerun_and_an_answer_that_is_lost: Rerun Unanswered;
    a_rerun_and_a_call_that_is_made_twice: Rerun Twice;
    a_budget_and_death_before_a_call: Budget DeadBefore;
    a_budget_and_death_after_a_call: Budget DeadAfter;
    a_budget_and_a_call_that_fails: Budget Fails;
    a_budget_and_an_answer_that_is_lost: Budget Unanswered;
    a_budget_and_a_call_that_is_made_twice: Budget Twice;
}
