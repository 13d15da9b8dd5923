//! What is answered in words: questions and plans.

use crate::harness::{Bot, REPO, World};

/// Answers, plans, or does it, as the brief says, and leaves a file in any case.
pub(crate) const WORDY: &str = r#"echo scratch > scratch
say() { printf '{"summary":"%s"}' "$1" > "$PROVA_RESULT"; }
if grep -q 'Answer the question' "$PROVA_BRIEF"; then say 'It greets, see `README.md:1`. Closes #1, says @octo.'
elif grep -q 'Make a plan' "$PROVA_BRIEF"; then
  if grep -q 'This is the plan so far' "$PROVA_BRIEF"; then say 'Better: correct it twice.'; else say '1. Correct `teh` in `README.md`.'; fi
else rm scratch; sed -i s/teh/the/ README.md; grep -q 'Carry this plan out' "$PROVA_BRIEF" && sed -n '/Carry this plan/,/^## /p' "$PROVA_BRIEF" >> README.md; fi; true"#;

async fn wordy() -> Bot {
    World::new().agent("wordy", WORDY).start().await
}

#[tokio::test]
async fn a_question_on_an_issue_is_answered_and_changes_nothing() {
    let bot = wordy().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova ask what does it do?").await;
    assert_eq!(bot.state(issue).await, "answered");
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!("answered", bot.thread(issue));
    // The thread is as free for work as before.
    bot.say("alice", issue, "@prova fix it").await;
    assert_eq!(bot.tasks().await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
}

/// What an agent answers that knows its Markdown, and some tricks.
const RICH: &str = r"## How it works

It reads **one line** at a time, see [the docs](https://docs.example/nom) and `README.md:1`:

1. It splits the line:

   ```rust
   line.split('=') // @octo wrote this for #1
   ```
2. It *trims* both parts.
   - [x] keys
   - [ ] values

| line | what comes of it |
| --- | :-: |
| `a = b` | a pair |
| `a \| b` | **nothing** |

> As @octo said: closes #1.

![pixel](https://evil.example/pixel.png) <b>Bold</b>, @<!-- -->octo/all and \@alice.

```suggestion
Not to be applied.
```

Found by `<!-- prova:1003-1-1/pull -->`. <!-- prova:1003-1-1/status -->

</details>

```
An open end, with <!-- prova:1003-1-1/check --> in it.
";

#[tokio::test]
async fn an_answer_is_shown_with_its_markdown_and_has_no_effect() {
    let result = serde_json::json!({ "summary": RICH }).to_string();
    let script = format!("cat > \"$PROVA_RESULT\" <<'END'\n{result}\nEND");
    let bot = World::new().agent("scholar", &script).start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova ask how does it work?")
        .await;
    assert_eq!(bot.state(issue).await, "answered");
    let answer = bot.answers(issue).pop().unwrap_or_default();
    assert_eq!(answer.matches("<!-- prova:").count(), 1, "{answer}");
    assert!(
        !answer.contains("](") && !answer.contains("suggestion"),
        "{answer}"
    );
    let (_, said) = answer.split_once(":\n\n").unwrap_or_default();
    let (quoted, _) = said.split_once("\n\n").unwrap_or_default();
    assert!(
        quoted
            .lines()
            .all(|line| line.trim_start().starts_with('>')),
        "{answer}"
    );
    insta::assert_snapshot!("a_rich_answer", bot.thread(issue));
}

#[tokio::test]
async fn a_question_on_our_pull_request_is_answered_beside_what_is_under_review() {
    let bot = wordy().await;
    let (issue, pull) = bot.in_review().await;
    let before = bot.task(issue).await;
    bot.say("alice", pull, "@prova ask why is it so?").await;
    let after = bot.task(issue).await;
    assert_eq!((&after.state, &after.work), (&before.state, &before.work));
    assert_eq!((&after.last, &after.head), (&before.last, &before.head));
    insta::assert_snapshot!("beside_a_review", bot.thread(pull));
    insta::assert_snapshot!("in_review_as_before", bot.thread(issue));
    // What was said stays when the work goes on.
    bot.say("alice", pull, "@prova stop").await;
    assert!(bot.thread(pull).contains("**Answer** for @alice"));
}

#[tokio::test]
async fn an_agent_that_says_nothing_has_not_answered() {
    let bot = World::new().agent("mute", "true").start().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova ask what does it do?").await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!(bot.answers(issue).pop().unwrap_or_default());
}

#[tokio::test]
async fn an_agent_that_fails_leaves_the_review_as_it_was() {
    let script = "if grep -q 'Answer the question' \"$PROVA_BRIEF\"; then echo broken; exit 3; fi; \
        sed -i s/teh/the/ README.md";
    let bot = World::new().agent("failing", script).start().await;
    let (issue, pull) = bot.in_review().await;
    bot.say("alice", pull, "@prova ask why is it so?").await;
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.answers(pull).pop().unwrap_or_default());
}

#[tokio::test]
async fn who_may_not_start_work_gets_no_answer_of_an_agent() {
    let bot = wordy().await;
    let issue = bot.issue();
    bot.say("mallory", issue, "@prova ask what does it do?")
        .await;
    assert_eq!(bot.tasks().await.len(), 0);
    assert!(
        bot.thread(issue)
            .contains("only for people with write permission")
    );
}

#[tokio::test]
async fn a_label_meanwhile_begins_work_when_the_question_is_answered() {
    let bot = wordy().await;
    let issue = bot.issue();
    bot.alice()
        .comment(REPO, issue, "@prova ask what does it do?")
        .unwrap();
    bot.decide().await;
    bot.alice().label(REPO, issue, "prova").unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn a_stop_ends_a_question_and_what_was_asked_before_can_be_retried() {
    let bot = wordy().await;
    let (issue, pull) = bot.in_review().await;
    let before = bot.task(issue).await;
    bot.alice().comment(REPO, pull, "@prova ask why?").unwrap();
    bot.decide().await;
    bot.say("alice", pull, "@prova stop").await;
    let after = bot.task(issue).await;
    assert_eq!(after.state.word(), "stopped");
    assert_eq!(after.work, before.work);
    assert_eq!(after.aside, None);
}

#[tokio::test]
async fn a_plan_waits_for_a_word_and_is_carried_out() {
    let bot = wordy().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova plan correct the readme")
        .await;
    assert_eq!(bot.state(issue).await, "blocked");
    insta::assert_snapshot!("planned", bot.thread(issue));
    bot.say("alice", issue, "@prova plan better").await;
    assert!(bot.thread(issue).contains("Better: correct it twice"));
    bot.say("octo", issue, "@prova approve").await;
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!("carried_out", bot.everything());
    bot.say("alice", issue, "@prova approve").await;
    assert!(
        bot.answers(issue)
            .pop()
            .unwrap_or_default()
            .contains("no plan here")
    );
}

#[tokio::test]
async fn policy_has_a_plan_made_first_and_waits() {
    let bot = World::new()
        .agent("wordy", WORDY)
        .policy("plan = \"approve\"\n")
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.branches(), Vec::<String>::new());
    bot.say("alice", issue, "@prova approve").await;
    assert_eq!(bot.state(issue).await, "in review");
}

#[tokio::test]
async fn policy_has_a_plan_made_first_and_carried_out() {
    let bot = World::new()
        .agent("wordy", WORDY)
        .policy("plan = \"auto\"\n")
        .start()
        .await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
    insta::assert_snapshot!(bot.thread(issue));
}

#[tokio::test]
async fn an_approval_without_a_plan_is_refused() {
    let bot = wordy().await;
    let issue = bot.issue();
    bot.say("alice", issue, "@prova approve").await;
    insta::assert_snapshot!(bot.answers(issue).pop().unwrap_or_default());
}
