//! A base that moves while a pull request is open.

use prova::app::dispatch::dispatch_next;
use prova::domain::footing::Stand;
use prova::simulator::world::repositories::File;

use crate::harness::{Bot, FIX, REPO, World};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";
const FIXED: &str = "# Hello\n\nThis is the readme.\n";
const UPDATES: &str = "[branch]\nupdate = \"clean\"\n";

/// Somebody pushes a file to a branch.
fn push(bot: &Bot, branch: &str, path: &str, content: &str) -> String {
    let file = File::new(path, content);
    bot.alice().push(REPO, branch, &[file], &[]).unwrap()
}

/// A pull request, and a base that has moved on beside it.
async fn behind(world: World) -> (Bot, u64, u64) {
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.settle().await;
    (bot, issue, pull)
}

/// A pull request, and a base that changes the same line.
async fn conflicting(world: World) -> (Bot, u64, u64) {
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    push(
        &bot,
        "main",
        "README.md",
        "# Hello\n\nThis is our readme.\n",
    );
    bot.settle().await;
    (bot, issue, pull)
}

#[tokio::test]
async fn a_base_that_moves_on_changes_nothing_until_somebody_asks() {
    let (bot, issue, pull) = behind(World::fixer()).await;
    let before = bot.thread(issue);
    assert_eq!(bot.file(BRANCH, "NEWS.md"), None);
    assert!(!before.contains("edited by prova[bot] 2"));
    bot.say("alice", pull, "@prova status").await;
    insta::assert_snapshot!(bot.answers(pull).pop().unwrap_or_default());
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(bot.file(BRANCH, "NEWS.md").unwrap(), "# News\n");
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIXED);
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(pull));
    bot.say("alice", pull, "@prova rebase").await;
    insta::assert_snapshot!(bot.answers(pull).pop().unwrap_or_default());
}

#[tokio::test]
async fn policy_has_branches_follow_their_base() {
    let world = World::fixer().policy(UPDATES);
    let (bot, issue, _) = behind(world).await;
    assert_eq!(bot.file(BRANCH, "NEWS.md").unwrap(), "# News\n");
    assert_eq!(bot.state(issue).await, "in review");
    // A merge, on which the next is made, and the first of which is the branch.
    push(&bot, "main", "MORE.md", "more\n");
    bot.settle().await;
    assert!(bot.paths(BRANCH).contains(&"MORE.md".to_owned()));
    let task = bot.task(issue).await;
    assert_eq!(task.footing.updates, 2);
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn many_pushes_come_to_one_comparison() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let (issue, _) = bot.in_review().await;
    for n in 0..5 {
        push(&bot, "main", &format!("{n}.md"), "x\n");
    }
    bot.requests();
    bot.settle().await;
    let lists = bot.requests();
    let lists = lists
        .iter()
        .filter(|one| one.starts_with("GET") && one.contains("/pulls "));
    // One for the pushes, and one to see that nothing came in between.
    assert_eq!(lists.count(), 2);
    assert_eq!(bot.task(issue).await.footing.updates, 1);
    assert!(bot.paths(BRANCH).contains(&"4.md".to_owned()));
}

#[tokio::test]
async fn pushes_to_other_branches_cost_nothing() {
    let bot = World::fixer().policy(UPDATES).start().await;
    bot.in_review().await;
    bot.requests();
    push(&bot, "feature", "x.md", "x\n");
    bot.settle().await;
    assert!(bot.requests().is_empty());
    let notes = bot.notes().await;
    assert!(notes.contains(&"no task is open on this branch".to_owned()));
}

#[tokio::test]
async fn conflicts_are_said_once_and_taken_back_when_they_are_gone() {
    let (bot, issue, _) = conflicting(World::fixer()).await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIXED);
    insta::assert_snapshot!(bot.thread(issue));
    let told = bot.thread(issue);
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.settle().await;
    assert_eq!(bot.thread(issue), told, "nothing new, and said again");
    push(
        &bot,
        "main",
        "README.md",
        "# Hello\n\nThis is teh readme.\n",
    );
    bot.settle().await;
    assert!(!bot.thread(issue).contains("Conflicts"));
}

#[tokio::test]
async fn a_base_that_was_forced_back_is_compared_by_where_they_part_now() {
    let bot = World::fixer().start().await;
    let (issue, _) = bot.in_review().await;
    let ours = "# Hello\n\nThis is our readme.\n";
    push(&bot, "main", "NEWS.md", "# News\n");
    let before = bot.task(issue).await.last.unwrap().run.unwrap().base;
    push(&bot, "main", "README.md", ours);
    bot.settle().await;
    assert!(bot.thread(issue).contains("**Conflicts**"));
    bot.alice()
        .force_push(REPO, "main", Some(before.as_str()))
        .unwrap();
    bot.settle().await;
    assert!(!bot.thread(issue).contains("**Conflicts**"));
    let notes = bot.notes().await.join("\n");
    assert!(notes.contains("main was forced to"), "{notes}");
}

#[tokio::test]
async fn commits_of_people_are_merged_with_and_never_written_over() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let (issue, _) = bot.in_review().await;
    push(&bot, BRANCH, "ours.md", "ours\n");
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.settle().await;
    let paths = bot.paths(BRANCH);
    assert!(paths.contains(&"ours.md".to_owned()) && paths.contains(&"NEWS.md".to_owned()));
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_push_between_the_look_and_the_merge_is_kept() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let (issue, _) = bot.in_review().await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.decide().await;
    bot.clock.advance(5_000);
    assert!(prova::app::bases::compare_next(bot.ctx()).await.unwrap());
    assert_eq!(bot.state(issue).await, "publishing");
    push(&bot, BRANCH, "ours.md", "ours\n");
    bot.settle().await;
    let paths = bot.paths(BRANCH);
    assert!(paths.contains(&"ours.md".to_owned()) && paths.contains(&"NEWS.md".to_owned()));
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn nothing_is_merged_while_a_job_runs() {
    let slow = format!("if test -e NEWS.md; then exit 1; fi; {FIX}; echo more >> README.md");
    let bot = World::new()
        .agent("slow", &slow)
        .policy(UPDATES)
        .start()
        .await;
    let (issue, pull) = bot.in_review().await;
    bot.alice().comment(REPO, pull, "@prova one more").unwrap();
    bot.decide().await;
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.decide().await;
    bot.clock.advance(5_000);
    bot.decide().await;
    assert_eq!(bot.state(issue).await, "queued");
    assert!(!bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
}

#[tokio::test]
async fn a_base_that_moves_before_there_is_a_pull_request_is_not_forgotten() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    let started = bot.ctx().store.next_bases(bot.ctx().now()).await.unwrap();
    assert_eq!(started, None);
    let meanwhile = async {
        push(&bot, "main", "NEWS.md", "# News\n");
        bot.decide().await;
        bot.clock.advance(5_000);
        bot.decide().await;
    };
    bot.work_while(meanwhile).await;
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
}

#[tokio::test]
async fn a_push_that_no_delivery_told_of_is_found() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let (issue, _) = bot.in_review().await;
    bot.sim
        .arm_outbox(prova::simulator::webhooks::OutboxFault::Swallow);
    push(&bot, "main", "NEWS.md", "# News\n");
    bot.settle().await;
    assert!(!bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
    bot.clock.advance(2 * 3_600_000);
    prova::app::reconcile::threads::step(bot.ctx())
        .await
        .unwrap();
    bot.settle().await;
    assert!(bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_pull_request_is_compared_with_the_base_that_it_has_now() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let (issue, pull) = bot.in_review().await;
    push(&bot, "next", "NEXT.md", "next\n");
    bot.settle().await;
    assert!(!bot.paths(BRANCH).contains(&"NEXT.md".to_owned()));
    bot.alice().retarget(REPO, pull, "next").unwrap();
    bot.settle().await;
    assert!(bot.paths(BRANCH).contains(&"NEXT.md".to_owned()));
    assert!(
        bot.thread(issue)
            .contains("`next` was merged into the branch")
    );
    // From now on it is the pushes to this one that count.
    push(&bot, "next", "MORE.md", "more\n");
    bot.settle().await;
    assert!(bot.paths(BRANCH).contains(&"MORE.md".to_owned()));
}

#[tokio::test]
async fn a_pull_request_that_ends_with_its_base_ends_the_task() {
    let bot = World::fixer().policy(UPDATES).start().await;
    let (issue, pull) = bot.in_review().await;
    push(&bot, "next", "NEXT.md", "next\n");
    bot.alice().retarget(REPO, pull, "next").unwrap();
    bot.settle().await;
    bot.alice().force_push(REPO, "next", None).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "closed");
}

#[tokio::test]
async fn undo_takes_no_merge_back() {
    let (bot, _, pull) = behind(World::fixer().policy(UPDATES)).await;
    bot.say("alice", pull, "@prova undo").await;
    assert!(bot.answers(pull)[0].contains("There is no follow-up"));
    assert!(bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
}

#[tokio::test]
async fn outsiders_bring_nothing_up_to_date() {
    let (bot, _, pull) = behind(World::fixer()).await;
    bot.say("mallory", pull, "@prova rebase").await;
    assert!(bot.answers(pull)[0].contains("only for people with write permission"));
    assert!(!bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
}

#[tokio::test]
async fn without_a_pull_request_there_is_nothing_to_bring_up_to_date() {
    let bot = World::fixer().start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova rebase").await;
    assert!(bot.answers(issue)[0].contains("There is no pull request here"));
}

/// The first run corrects the README, one that finds conflicts takes both sides.
const RESOLVER: &str = "if grep -q '^<<<<<<<' README.md; then \
    printf '# Hello\\n\\nThis is our readme, mended.\\n' > README.md; \
    else sed -i s/teh/the/ README.md; fi";

/// Leaves the markers where they are, and says something beside them.
const CARELESS: &str = "if grep -q '^<<<<<<<' README.md; then echo done > done.md; else sed -i s/teh/the/ README.md; fi";

#[tokio::test]
async fn two_who_ask_at_once_are_both_answered() {
    let (bot, issue, pull) = behind(World::fixer()).await;
    bot.alice().comment(REPO, pull, "@prova rebase").unwrap();
    bot.octo().comment(REPO, pull, "@prova rebase").unwrap();
    while bot.deliver().await || dispatch_next(bot.ctx()).await.unwrap() {}
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert!(bot.paths(BRANCH).contains(&"NEWS.md".to_owned()));
    insta::assert_snapshot!(bot.answers(pull).join("\n"));
}

#[tokio::test]
async fn conflicts_are_resolved_by_an_agent_when_somebody_asks() {
    let world = World::new()
        .agent("resolver", RESOLVER)
        .policy("checks = [\"grep mended README.md || grep the README.md\"]\n");
    let (bot, issue, pull) = conflicting(world).await;
    bot.say("alice", pull, "@prova rebase").await;
    assert_eq!(bot.state(issue).await, "in review");
    let readme = bot.file(BRANCH, "README.md").unwrap();
    assert_eq!(readme, "# Hello\n\nThis is our readme, mended.\n");
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(pull));
    // The base is in the branch: there is nothing left to merge, and nothing to take back.
    assert_eq!(bot.task(issue).await.footing.stand, Stand::UpToDate);
    bot.say("alice", pull, "@prova undo").await;
    assert!(
        bot.answers(pull)
            .pop()
            .unwrap()
            .contains("There is no follow-up")
    );
    bot.octo().set_draft(REPO, pull, false).unwrap();
    bot.octo().merge_pull(REPO, pull).unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "merged");
}

#[tokio::test]
async fn the_brief_says_what_both_sides_want() {
    let world = World::new().agent("shower", SHOWER);
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    push(&bot, "main", "NEWS.md", "# News\n");
    push(
        &bot,
        "main",
        "README.md",
        "# Hello\n\nThis is our readme.\n",
    );
    bot.settle().await;
    bot.say("alice", pull, "@prova rebase").await;
    insta::assert_snapshot!(normal_brief(&bot.file(BRANCH, "README.md").unwrap()));
    assert_eq!(bot.state(issue).await, "in review");
}

/// Puts the brief where the conflict was.
const SHOWER: &str = "if grep -q '^<<<<<<<' README.md; then cat \"$PROVA_BRIEF\" > README.md; \
    else sed -i s/teh/the/ README.md; fi";

/// Returns a brief with what differs from run to run made the same.
fn normal_brief(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n', ',']);
    words
        .map(|word| {
            let hex = word.trim_end_matches([' ', '\n', ',']);
            if hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                word.replace(hex, "HEX")
            } else {
                word.to_owned()
            }
        })
        .collect()
}

#[tokio::test]
async fn policy_has_conflicts_resolved() {
    let world = World::new()
        .agent("resolver", RESOLVER)
        .policy("[branch]\nconflict = \"resolve\"\n");
    let (bot, issue, _) = conflicting(world).await;
    assert_eq!(bot.state(issue).await, "in review");
    let readme = bot.file(BRANCH, "README.md").unwrap();
    assert_eq!(readme, "# Hello\n\nThis is our readme, mended.\n");
    assert_eq!(bot.jobs(issue).await.len(), 2);
}

#[tokio::test]
async fn markers_that_are_left_are_not_published() {
    let world = World::new()
        .agent("careless", CARELESS)
        .policy("[branch]\nconflict = \"resolve\"\n");
    let (bot, issue, _) = conflicting(world).await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIXED);
    insta::assert_snapshot!(bot.thread(issue));
    assert_eq!(bot.jobs(issue).await.len(), 2, "it is not tried for ever");
}

#[tokio::test]
async fn a_resolution_that_breaks_checks_is_kept_and_mended_on_top() {
    let fails_once = "if grep -q '^<<<<<<<' README.md; then echo broken > README.md; \
        elif grep -q broken README.md; then printf '# Hello\\n\\nmended\\n' > README.md; \
        else sed -i s/teh/the/ README.md; fi";
    let world = World::new()
        .agent("twice", fails_once)
        .policy("checks = [\"! grep broken README.md\"]\n[branch]\nconflict = \"resolve\"\n");
    let (bot, issue, pull) = conflicting(world).await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), "broken\n");
    bot.say("alice", pull, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        bot.file(BRANCH, "README.md").unwrap(),
        "# Hello\n\nmended\n"
    );
}

#[tokio::test]
async fn a_push_while_conflicts_are_resolved_is_kept() {
    let world = World::new()
        .agent("resolver", RESOLVER)
        .policy("[branch]\nconflict = \"resolve\"\n");
    let bot = world.start().await;
    let (issue, _) = bot.in_review().await;
    push(
        &bot,
        "main",
        "README.md",
        "# Hello\n\nThis is our readme.\n",
    );
    bot.decide().await;
    bot.clock.advance(5_000);
    bot.decide().await;
    assert_eq!(bot.state(issue).await, "queued");
    bot.work().await;
    push(&bot, BRANCH, "ours.md", "ours\n");
    bot.settle().await;
    assert!(bot.paths(BRANCH).contains(&"ours.md".to_owned()));
    assert_eq!(bot.file(BRANCH, "README.md").unwrap(), FIXED);
    assert_eq!(bot.state(issue).await, "blocked");
    assert!(bot.thread(issue).contains("Somebody has pushed"));
}
