//! The base brought into the branch of a pull request that a person opened, where that is the first
//! thing that is asked for.

use prova::app::bases::compare_next;
use prova::app::dispatch::dispatch_next;
use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, REPO, World};
use crate::words::WORDY;

const HERS: &str = "# Hello\n\nThis is teh readme.\nMore of it.\n";
const OURS: &str = "# Hello\n\nThis is our readme.\n";

/// Corrects the spelling mistake; where it finds conflicts, it takes both sides.
const HELPER: &str = "if grep -q '^<<<<<<<' README.md; then \
    printf '# Hello\\n\\nThis is our readme.\\nMore of it.\\n' > README.md; \
    else sed -i s/teh/the/ README.md; fi";

/// Does as the helper, and answers questions; it ends with `end` where it is asked one.
fn answering(end: &str) -> String {
    let says = "echo '{\"summary\":\"Because.\"}' > \"$PROVA_RESULT\"";
    format!(
        "if grep -q 'Answer the question' \"$PROVA_BRIEF\"; then {says}; {end}; else {HELPER}; fi"
    )
}

/// Somebody pushes a file to a branch.
fn push(bot: &Bot, branch: &str, path: &str, content: &str) {
    let file = File::new(path, content);
    bot.alice().push(REPO, branch, &[file], &[]).unwrap();
}

/// Lets Alice open a pull request of her own.
fn hers(bot: &Bot) -> u64 {
    push(bot, "hers", "README.md", HERS);
    let pull = bot.alice().open_pull(REPO, "hers", "main", "Say more");
    pull.unwrap()
}

async fn helped(world: World) -> (Bot, u64) {
    let bot = world.start().await;
    let pull = hers(&bot);
    (bot, pull)
}

fn helper() -> World {
    World::new().agent("helper", HELPER)
}

fn readme(bot: &Bot) -> String {
    bot.file("hers", "README.md").unwrap()
}

/// What the branch has of the base.
fn news(bot: &Bot) -> Option<String> {
    bot.file("hers", "NEWS.md")
}

#[tokio::test]
async fn a_base_that_merges_becomes_a_commit_on_their_branch() {
    let (bot, pull) = helped(helper()).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    assert_eq!(readme(&bot), HERS);
    assert_eq!(bot.branches(), Vec::<String>::new());
    assert_eq!(bot.state(pull).await, "in review");
    assert_eq!(bot.jobs(pull).await.len(), 0);
    // What is asked for next is done on top, and answered below.
    bot.say("alice", pull, "@prova mend the spelling").await;
    assert_eq!(readme(&bot), HERS.replace("teh", "the"));
    assert_eq!(bot.tasks().await.len(), 1);
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn nothing_is_merged_later_that_nobody_asked_for() {
    let world = helper().policy("[branch]\nupdate = \"clean\"\nconflict = \"resolve\"\n");
    let (bot, pull) = helped(world).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.say("alice", pull, "@prova rebase").await;
    push(&bot, "main", "NEWS.md", "# Newer\n");
    bot.settle().await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot).as_deref(), Some("# Newer\n"));
}

#[tokio::test]
async fn where_there_is_nothing_to_merge_that_is_said() {
    let (bot, pull) = helped(helper()).await;
    bot.say("alice", pull, "@prova rebase").await;
    bot.say("alice", pull, "@prova retry").await;
    bot.say("alice", pull, "@prova status").await;
    assert_eq!(readme(&bot), HERS);
    assert_eq!(bot.jobs(pull).await.len(), 0);
    insta::assert_snapshot!(bot.thread(pull));
    // The status comment is where the first work is asked for.
    bot.say("alice", pull, "@prova mend the spelling").await;
    assert_eq!(readme(&bot), HERS.replace("teh", "the"));
    assert_eq!(bot.answers(pull).len(), 4, "{}", bot.thread(pull));
}

#[tokio::test]
async fn where_there_was_nothing_to_merge_nothing_is_said_unasked() {
    let (bot, pull) = helped(helper()).await;
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(bot.state(pull).await, "answered");
    push(&bot, "main", "README.md", OURS);
    bot.settle().await;
    assert_eq!(bot.answers(pull).len(), 1, "{}", bot.thread(pull));
    let (bot, pull) = helped(helper()).await;
    bot.say("alice", pull, "@prova rebase").await;
    bot.octo().merge_pull(REPO, pull).unwrap();
    bot.settle().await;
    assert_eq!(bot.answers(pull).len(), 1, "{}", bot.thread(pull));
}

#[tokio::test]
async fn a_base_that_was_brought_in_is_no_work_to_try_again() {
    let (bot, pull) = helped(World::new().agent("wordy", &answering("true"))).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.say("alice", pull, "@prova rebase").await;
    bot.say("alice", pull, "@prova ask why?").await;
    assert_eq!(bot.jobs(pull).await.len(), 1);
    bot.say("alice", pull, "@prova retry").await;
    let told = bot.answers(pull).pop().unwrap_or_default();
    assert!(told.contains("Nothing was tried here yet"), "{told}");
    assert_eq!(bot.jobs(pull).await.len(), 1);
    push(&bot, "main", "NEWS.md", "# Newer\n");
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot).as_deref(), Some("# Newer\n"));
    assert_eq!(readme(&bot), HERS);
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn what_was_planned_stays_a_plan() {
    let (bot, pull) = helped(World::new().agent("wordy", WORDY)).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.say("alice", pull, "@prova plan mend the spelling")
        .await;
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    // An agent plans once more; nothing is done before somebody approves.
    bot.say("alice", pull, "@prova retry").await;
    assert_eq!(bot.jobs(pull).await.len(), 2);
    assert_eq!(readme(&bot), HERS);
    insta::assert_snapshot!(bot.thread(pull));
    bot.say("alice", pull, "@prova approve").await;
    let done = readme(&bot);
    assert!(done.contains("This is the readme"), "{done}");
    assert_eq!(bot.tasks().await.len(), 1);
}

#[tokio::test]
async fn a_question_that_failed_is_tried_again_as_one() {
    let (bot, pull) = helped(World::new().agent("dumb", &answering("exit 1"))).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.say("alice", pull, "@prova ask why?").await;
    bot.say("alice", pull, "@prova rebase").await;
    bot.say("alice", pull, "@prova retry").await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    assert_eq!(readme(&bot), HERS);
    assert_eq!(bot.jobs(pull).await.len(), 2);
    assert_eq!(bot.state(pull).await, "blocked");
    // What resolves conflicts is a change, whatever was asked before.
    push(&bot, "main", "README.md", OURS);
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(readme(&bot), format!("{OURS}More of it.\n"));
    assert_eq!(bot.state(pull).await, "in review");
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn whoever_asks_just_before_a_question_is_answered_after_it() {
    let (bot, pull) = helped(World::new().agent("wordy", &answering("true"))).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    for text in ["@prova rebase", "@prova ask why?"] {
        bot.alice().comment(REPO, pull, text).unwrap();
        while bot.deliver().await || dispatch_next(bot.ctx()).await.unwrap() {}
    }
    // Nothing is done while the agent reads.
    assert!(compare_next(bot.ctx()).await.unwrap());
    assert_eq!(bot.state(pull).await, "queued");
    bot.settle().await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    assert_eq!(bot.jobs(pull).await.len(), 1);
}

#[tokio::test]
async fn one_that_is_too_far_back_to_be_listed_is_looked_at() {
    let (bot, pull) = helped(helper()).await;
    for number in 0..300 {
        let mallory = bot.sim.as_person("mallory");
        let file = File::new("more.md", format!("{number}\n"));
        mallory.open_pull_from_fork(REPO, "More", &[file]).unwrap();
    }
    let _told = bot.sim.take_deliveries();
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.settle().await;
    assert_eq!(bot.answers(pull).len(), 0);
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    let told = bot.answers(pull).pop().unwrap_or_default();
    assert!(told.contains("was merged into the branch"), "{told}");
}

#[tokio::test]
async fn conflicts_are_resolved_by_an_agent() {
    let world = helper().policy("checks = [\"grep our README.md\"]\n");
    let (bot, pull) = helped(world).await;
    push(&bot, "main", "README.md", OURS);
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(readme(&bot), format!("{OURS}More of it.\n"));
    assert_eq!(bot.state(pull).await, "in review");
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn what_was_resolved_is_not_begun_again() {
    let (bot, pull) = helped(helper()).await;
    push(&bot, "main", "README.md", OURS);
    bot.say("alice", pull, "@prova rebase").await;
    let merged = readme(&bot);
    // There is nothing left to merge, and nothing else was ever asked for here.
    bot.say("alice", pull, "@prova retry").await;
    assert_eq!(readme(&bot), merged);
    assert_eq!(bot.state(pull).await, "blocked");
    let told = bot.thread(pull);
    assert!(told.contains("has everything of `main` by now"), "{told}");
}

#[tokio::test]
async fn what_is_not_whole_stays_off_their_branch() {
    for (script, checks, kept) in [
        // Conflict markers are left: nothing of the merge is published.
        ("echo done > done.md", "true", None),
        // A check fails: it is kept beside.
        (HELPER, "! grep our README.md", Some("prova/1-kept-1-1")),
        // The agent fails.
        (
            "echo half > README.md; exit 1",
            "true",
            Some("prova/1-kept-1-1"),
        ),
    ] {
        let world = World::new().agent("helper", script);
        let world = world.policy(&format!("checks = [\"{checks}\"]\n"));
        let (bot, pull) = helped(world).await;
        push(&bot, "main", "README.md", OURS);
        bot.say("alice", pull, "@prova rebase").await;
        assert_eq!(readme(&bot), HERS, "{script}");
        assert_eq!(bot.state(pull).await, "blocked", "{script}");
        let branches: Vec<_> = kept.into_iter().collect();
        assert_eq!(bot.branches(), branches, "{script}");
    }
}

#[tokio::test]
async fn what_they_push_meanwhile_is_never_written_over() {
    let (bot, pull) = helped(helper()).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.alice().comment(REPO, pull, "@prova rebase").unwrap();
    while bot.deliver().await || dispatch_next(bot.ctx()).await.unwrap() {}
    assert!(compare_next(bot.ctx()).await.unwrap());
    assert_eq!(bot.state(pull).await, "publishing");
    push(&bot, "hers", "more.md", "more\n");
    bot.settle().await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    assert_eq!(bot.file("hers", "more.md").as_deref(), Some("more\n"));
    assert_eq!(bot.state(pull).await, "in review");
}

#[tokio::test]
async fn where_github_takes_no_push_its_words_are_said() {
    let (bot, pull) = helped(helper()).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    let refused = FaultKind::FailWith(403);
    bot.sim
        .arm(Fault::on("PATCH", "*/git/refs/heads/hers", refused).always());
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot), None);
    insta::assert_snapshot!(bot.thread(pull));
}

#[tokio::test]
async fn what_is_heard_of_twice_is_done_once() {
    let (bot, pull) = helped(helper()).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.alice().comment(REPO, pull, "@prova rebase").unwrap();
    let deliveries = bot.sim.take_deliveries();
    for _ in 0..2 {
        bot.deliver_these(&deliveries).await;
        bot.settle().await;
    }
    let thread = bot.thread(pull);
    assert_eq!(
        thread.matches("Merge main into hers").count(),
        1,
        "{thread}"
    );
    assert_eq!(bot.tasks().await.len(), 1);
}

#[tokio::test]
async fn after_a_question_it_is_a_task_of_its_own() {
    let words = "echo '{\"summary\":\"Because.\"}' > \"$PROVA_RESULT\"";
    let (bot, pull) = helped(World::new().agent("wordy", words)).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.alice().comment(REPO, pull, "@prova ask why?").unwrap();
    bot.decide().await;
    // An agent is at work.
    bot.alice().comment(REPO, pull, "@prova rebase").unwrap();
    bot.settle().await;
    assert_eq!(news(&bot), None);
    let told = bot.answers(pull).pop().unwrap_or_default();
    assert!(told.contains("still working on the last request"), "{told}");
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(news(&bot).as_deref(), Some("# News\n"));
    assert_eq!(bot.tasks().await.len(), 2);
}

#[tokio::test]
async fn what_is_not_an_agents_to_merge_is_refused() {
    let (bot, pull) = helped(helper()).await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.say("mallory", pull, "@prova rebase").await;
    let told = bot.answers(pull).pop().unwrap_or_default();
    assert!(told.contains("only for people with write"), "{told}");
    let mallory = bot.sim.as_person("mallory");
    let files = [File::new("README.md", HERS)];
    let fork = mallory.open_pull_from_fork(REPO, "More", &files).unwrap();
    bot.say("alice", fork, "@prova rebase").await;
    insta::assert_snapshot!(bot.answers(fork).pop().unwrap_or_default());
    assert_eq!(bot.tasks().await.len(), 0);
    assert_eq!(news(&bot), None);
}
