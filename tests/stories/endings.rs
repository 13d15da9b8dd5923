//! How a job can end, each with a truthful comment and state.

use prova::domain::time::Span;
use prova::ports::clock::Clock as _;

use crate::harness::{Bot, REPO, World};

/// Runs the work that a labelled issue asks for.
async fn worked(world: World) -> (Bot, u64) {
    let bot = world.start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    (bot, issue)
}

/// Asserts that there is no pull request and that the work is kept on the branch.
async fn assert_kept(bot: &Bot, issue: u64, state: &str) {
    assert_eq!(bot.state(issue).await, state);
    assert!(
        bot.sim.transcript(REPO, issue + 1).is_err(),
        "a pull request was opened"
    );
    let branch = bot.branches().remove(0);
    assert_eq!(branch, "prova/1-fix-the-typo-in-the-readme");
    assert!(
        bot.file(&branch, "README.md")
            .unwrap()
            .contains("the readme")
    );
    let link = format!("[`{branch}`](http://github.test/{REPO}/tree/{branch})");
    assert!(bot.thread(issue).contains(&link), "{}", bot.thread(issue));
    assert_eq!(bot.answers(issue).len(), 1);
}

/// Asserts that there is neither a branch nor a pull request.
async fn assert_nothing_kept(bot: &Bot, issue: u64) {
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.branches(), Vec::<String>::new());
    assert!(
        bot.sim.transcript(REPO, issue + 1).is_err(),
        "a pull request was opened"
    );
    assert_eq!(bot.answers(issue).len(), 1);
}

#[tokio::test]
async fn nothing_changed() {
    let (bot, issue) = worked(World::new().agent("idle", "echo I see nothing wrong")).await;
    assert_nothing_kept(&bot, issue).await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn an_agent_that_fails_halfway() {
    let script =
        "sed -i s/teh/the/ README.md; echo 'no network: cannot reach the model' >&2; exit 3";
    let (bot, issue) = worked(World::new().agent("failing", script)).await;
    assert_kept(&bot, issue, "blocked").await;
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.everything());
}

#[tokio::test]
async fn an_agent_that_fails_with_nothing_done() {
    let (bot, issue) = worked(World::new().agent("failing", "exit 1")).await;
    assert_nothing_kept(&bot, issue).await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn an_agent_that_cannot_be_started() {
    let (bot, issue) = worked(World::new().agent("missing", "no-such-agent --now")).await;
    assert_nothing_kept(&bot, issue).await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn an_agent_that_takes_too_long() {
    let script = "sed -i s/teh/the/ README.md; echo thinking; sleep 600";
    let world = World::new()
        .agent("slow", script)
        .tuned(|settings| settings.limits.timeout = Span::millis(700));
    let (bot, issue) = worked(world).await;
    assert_kept(&bot, issue, "blocked").await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn an_agent_that_is_killed() {
    let script = "sed -i s/teh/the/ README.md; kill -SEGV $$";
    let (bot, issue) = worked(World::new().agent("crashing", script)).await;
    assert_kept(&bot, issue, "blocked").await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn checks_that_fail() {
    let policy = "checks = [\"echo fine\", \"echo 'expected: THE'; grep THE README.md\"]\n";
    let (bot, issue) = worked(World::fixer().policy(policy)).await;
    assert_kept(&bot, issue, "blocked").await;
    let sent = bot.requests();
    assert!(
        sent.contains(&format!("POST /repos/{REPO}/check-runs -> 201")),
        "{sent:#?}"
    );
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn checks_see_the_change_and_not_what_the_agent_left_beside_it() {
    // The agent leaves a program in an ignored directory and a hook in `.git`; neither is there
    // when the server checks.
    let script =
        "sed -i s/teh/the/ README.md; mkdir -p build; echo x > build/cache; echo x > .git/planted";
    let world = World::new()
        .file(".gitignore", "build/\n")
        .agent("fixer", script)
        .policy("checks = [\"test ! -e build && test ! -e .git/planted && grep -q 'the readme' README.md\"]\n");
    let (bot, issue) = worked(world).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
}

#[tokio::test]
async fn setup_that_fails() {
    let policy = "setup = [\"true\", \"echo cannot install >&2; exit 7\"]\n";
    let (bot, issue) = worked(World::fixer().policy(policy)).await;
    assert_nothing_kept(&bot, issue).await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn setup_goes_before_the_agent_and_before_the_checks() {
    let world = World::new()
        .file(".gitignore", "tool\n")
        .agent("user", "cat tool > README.md")
        .policy("setup = [\"echo installed > tool\"]\nchecks = [\"grep installed tool\"]\n");
    let (bot, issue) = worked(world).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_eq!(
        bot.file(&bot.branches()[0], "README.md").unwrap(),
        "installed\n"
    );
}

#[tokio::test]
async fn a_protected_path_is_left_out_and_said() {
    let script = "sed -i s/teh/the/ README.md; mkdir -p .github/workflows; echo 'on: push' > .github/workflows/x.yml";
    let (bot, issue) = worked(World::new().agent("eager", script)).await;
    assert_kept(&bot, issue, "blocked").await;
    assert!(
        !bot.paths(&bot.branches()[0])
            .iter()
            .any(|path| path.contains("workflows"))
    );
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn what_cannot_be_taken_is_left_out_and_said() {
    let script = "sed -i s/teh/the/ README.md\n\
                  mkdir -p vendor/lib && git init -q vendor/lib\n\
                  ln -s /etc/passwd secrets\n\
                  ln -s ../../../../etc/shadow src/up\n\
                  mkfifo pipe";
    let (bot, issue) = worked(World::new().agent("messy", script)).await;
    assert_kept(&bot, issue, "blocked").await;
    assert_eq!(bot.paths(&bot.branches()[0]), ["README.md", "src/main.py"]);
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn a_claim_is_shown_and_has_no_effect() {
    let claim = r#"{"title": "Fixes #99 for @everyone", "summary": "Closes #99. <b>Done</b> by @octo, see https://evil.example\n\n<!-- hidden --># All checks passed", "notes": "cc @octo/all"}"#;
    let script =
        format!("sed -i s/teh/the/ README.md; cat > \"$PROVA_RESULT\" <<'END'\n{claim}\nEND");
    let (bot, issue) = worked(World::new().agent("boaster", &script)).await;
    insta::assert_snapshot!(bot.thread(issue + 1));
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_changes_nothing() {
    for claim in ["not json", "[]", "{\"title\": 7}", "\\377\\376", ""] {
        let script = format!("sed -i s/teh/the/ README.md; printf '{claim}' > \"$PROVA_RESULT\"");
        let (bot, issue) = worked(World::new().agent("odd", &script)).await;
        assert_eq!(
            bot.state(issue).await,
            "in review",
            "{claim}: {}",
            bot.thread(issue)
        );
        assert!(
            bot.thread(issue + 1)
                .starts_with("# Fix the typo in the readme (#2)")
        );
    }
}

#[tokio::test]
async fn stop_while_it_runs_keeps_what_is_done() {
    let script = "sed -i s/teh/the/ README.md; touch /prova/out/started; sleep 600";
    let bot = World::new().agent("slow", script).start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.decide().await;
    bot.clock.advance(1_000);
    let mut asked = None;
    bot.work_while(async {
        bot.agent_has_made("started").await;
        bot.decide().await;
        assert!(
            bot.thread(issue).contains("**Working on it**"),
            "{}",
            bot.thread(issue)
        );
        bot.alice().comment(REPO, issue, "@prova stop").unwrap();
        bot.decide().await;
        asked = Some(std::time::Instant::now());
    })
    .await;
    assert!(asked.unwrap().elapsed() < std::time::Duration::from_secs(3));
    bot.settle().await;
    assert_kept(&bot, issue, "stopped").await;
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn retry_after_a_failure_goes_on_where_it_ended() {
    // The first run fails after the first half, the second finds it and does the other.
    let script = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; exit 1; else echo more >> README.md; fi";
    let (bot, issue) = worked(World::new().agent("halves", script)).await;
    assert_kept(&bot, issue, "blocked").await;
    bot.clock.advance(60_000);
    bot.say("alice", issue, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review");
    let branch = bot.branches().remove(0);
    assert_eq!(
        bot.file(&branch, "README.md").unwrap(),
        "# Hello\n\nThis is the readme.\nmore\n"
    );
    insta::assert_snapshot!(bot.thread(issue));
    insta::assert_snapshot!(bot.thread(issue + 1));
}

#[tokio::test]
async fn retry_with_another_agent() {
    let world = World::new()
        .agent("failing", "exit 1")
        .agent("fixer", crate::harness::FIX)
        .policy("agent = \"failing\"\n");
    let (bot, issue) = worked(world).await;
    bot.say("alice", issue, "@prova retry with fixer").await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn an_agent_that_commits_is_harvested_too() {
    let script = "sed -i s/teh/the/ README.md; git add -A; git -c user.name=a -c user.email=a@b commit -qm 'my own'";
    let (bot, issue) = worked(World::new().agent("committer", script)).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert!(!bot.thread(issue + 1).contains("my own"));
}

#[tokio::test]
async fn a_pull_request_that_is_no_draft() {
    let (bot, issue) = worked(World::fixer().policy("draft = false\n")).await;
    assert!(
        bot.thread(issue + 1)
            .contains("prova/1-fix-the-typo-in-the-readme -> main\n")
    );
}

#[tokio::test]
async fn secrets_do_not_come_out_of_the_server() {
    // Neither by the environment nor by a file that the agent may read.
    let script = "env > env.txt; cat /proc/self/environ >> env.txt; sed -i s/teh/the/ README.md";
    let (bot, issue) = worked(World::new().agent("curious", script)).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    let seen = bot.file(&bot.branches()[0], "env.txt").unwrap();
    for secret in [bot.sim.webhook_secret(), "PRIVATE KEY", "ghs_", "CARGO"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
    assert!(bot.clock.now().as_millis() > 0);
}
