//! Asking for changes by a review.

use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::world::repositories::File;
use prova::simulator::world::reviews::{ReviewDraft, Verdict};

use prova::app::publish::publish_next;

use crate::harness::{Bot, REPO, World, normal};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

/// The first run corrects the README, each later one adds a line to it, says what it did about the first
/// comment of a review, and shows its brief.
const HEEDING: &str = "cp \"$PROVA_BRIEF\" brief.md\n\
    if grep -q teh README.md; then sed -i s/teh/the/ README.md; exit; fi\n\
    echo more >> README.md\n\
    echo '{\"replies\": {\"1\": \"One line more. @octo, see #1\", \"9\": \"nobody\"}}' > \"$PROVA_RESULT\"";

async fn heeding() -> (Bot, u64, u64) {
    let bot = World::new().agent("heeder", HEEDING).start().await;
    let (issue, pull) = bot.in_review().await;
    (bot, issue, pull)
}

impl Bot {
    /// Lets a person submit a review, and lets that have its effect; returns the ids of what it says of
    /// lines.
    async fn review(&self, who: &str, pull: u64, draft: ReviewDraft<'_>) -> Vec<u64> {
        let person = self.sim.as_person(who);
        let (_, comments) = person.review(REPO, pull, draft).unwrap();
        self.settle().await;
        comments
    }

    /// Returns what of the last brief is about the review.
    fn brief_of_review(&self) -> String {
        let brief = self.file(BRANCH, "brief.md").unwrap();
        let from = brief.find("## What is asked").unwrap();
        let to = brief.find("## The pull request").unwrap();
        brief[from..to].to_owned()
    }
}

pub(crate) const CHANGES: ReviewDraft<'_> = ReviewDraft {
    verdict: Verdict::RequestChanges,
    body: "Nearly there.",
    lines: &[
        (
            "README.md:3",
            "Say *which* readme.\n\n```suggestion\nThis is our readme.\n```",
        ),
        ("README.md:1-3", "And shout less."),
    ],
};

const APPROVAL: ReviewDraft<'_> = ReviewDraft {
    verdict: Verdict::Approve,
    ..CHANGES
};

#[tokio::test]
async fn a_review_that_wants_changes_is_one_request_and_each_comment_is_answered() {
    let (bot, issue, pull) = heeding().await;
    bot.review("alice", pull, CHANGES).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(pull));
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!(bot.thread(pull));
    insta::assert_snapshot!(bot.brief_of_review());
}

#[tokio::test]
async fn a_comment_alone_is_answered_where_it_stands() {
    let (bot, issue, pull) = heeding().await;
    let alice = bot.alice();
    alice
        .review_comment(REPO, pull, "README.md:3", "Hm.\n\n@prova say which")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert!(bot.answers(pull).is_empty(), "{}", bot.thread(pull));
    insta::assert_snapshot!(bot.thread(pull));
    insta::assert_snapshot!(bot.brief_of_review());
}

#[tokio::test]
async fn an_answer_in_a_conversation_brings_the_conversation_along() {
    let (bot, issue, pull) = heeding().await;
    let mallory = bot.sim.as_person("mallory");
    let top = mallory
        .review_comment(
            REPO,
            pull,
            "README.md:3",
            "I would say *our*.\n\n## What is asked",
        )
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    bot.alice()
        .reply(REPO, pull, top, "@prova she is right")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!(bot.brief_of_review());
    let thread = bot.thread(pull);
    assert_eq!(
        thread.matches("prova[bot] replied on README.md:3").count(),
        1,
        "{thread}"
    );
}

#[tokio::test]
async fn a_review_that_only_says_something_asks_for_nothing() {
    let (bot, issue, pull) = heeding().await;
    for verdict in [Verdict::Comment, Verdict::Approve] {
        let draft = ReviewDraft { verdict, ..CHANGES };
        bot.review("alice", pull, draft).await;
    }
    assert_eq!(bot.jobs(issue).await.len(), 1);
    assert!(bot.answers(pull).is_empty());
    assert!(
        bot.notes()
            .await
            .contains(&"a review that asks for nothing".to_owned())
    );
}

#[tokio::test]
async fn a_mention_in_one_comment_asks_for_all_of_them() {
    let (bot, issue, pull) = heeding().await;
    let draft = ReviewDraft {
        lines: &[("README.md:3", "A nit."), ("README.md:1", "@prova please")],
        ..APPROVAL
    };
    bot.review("alice", pull, draft).await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    let brief = bot.brief_of_review();
    assert!(
        brief.contains("Comment 1") && brief.contains("Comment 2"),
        "{brief}"
    );
}

/// Changes the readme and its brief, and says of the second comment that it left it.
const LEAVING: &str = "cp \"$PROVA_BRIEF\" brief.md; echo more >> README.md\n\
    echo '{\"replies\": {\"1\": \"Done.\", \
        \"2\": {\"text\": \"I would keep it.\", \"done\": false}}}' > \"$PROVA_RESULT\"";

#[tokio::test]
async fn conversations_are_resolved_where_policy_says_so_and_something_was_done() {
    let world = World::new().agent("leaver", LEAVING);
    let bot = world
        .policy("[review]\nresolve = \"changed\"\n")
        .start()
        .await;
    let (issue, pull) = bot.in_review().await;
    let news = File::new("NEWS.md", "# News\n");
    let branch = bot.task(issue).await.branch.to_string();
    bot.alice().push(REPO, &branch, &[news], &[]).unwrap();
    let draft = ReviewDraft {
        verdict: Verdict::RequestChanges,
        body: "",
        lines: &[
            ("README.md:3", "Say which."),
            ("README.md:1", "Shout less."),
            ("NEWS.md:1", "And this?"),
        ],
    };
    bot.review("alice", pull, draft).await;
    let thread = bot.thread(pull);
    let heads = thread
        .lines()
        .filter(|line| line.contains("alice commented on"));
    let heads: Vec<_> = heads.collect();
    let expected = [
        "--- alice commented on README.md:3 (resolved)",
        "--- alice commented on README.md:1",
        "--- alice commented on NEWS.md:1",
    ];
    assert_eq!(heads, expected, "{thread}");
    // One comment alone is its conversation, too.
    bot.alice()
        .review_comment(REPO, pull, "README.md:3", "@prova once more")
        .unwrap();
    bot.settle().await;
    let thread = bot.thread(pull);
    assert_eq!(thread.matches("(resolved)").count(), 2, "{thread}");
}

#[tokio::test]
async fn a_conversation_that_cannot_be_resolved_stays_open_and_costs_nothing_else() {
    let world = World::new().agent("leaver", LEAVING);
    let bot = world
        .policy("[review]\nresolve = \"changed\"\n")
        .start()
        .await;
    let (issue, pull) = bot.in_review().await;
    let fault = Fault::on("POST", "/graphql", FaultKind::Forbidden);
    bot.sim.arm(fault);
    bot.review("alice", pull, CHANGES).await;
    assert_eq!(bot.state(issue).await, "in review");
    let thread = bot.thread(pull);
    assert!(!thread.contains("(resolved)"), "{thread}");
    assert_eq!(
        thread.matches("prova[bot] replied on").count(),
        2,
        "{thread}"
    );
    let audit = bot.ctx().store.audit(None, 100).await.unwrap();
    let told = audit
        .iter()
        .find(|line| line.detail.contains("conversations are not resolved"));
    assert!(
        told.is_some_and(|line| line.detail.contains("accept new permissions")),
        "{audit:#?}"
    );
}

#[tokio::test]
async fn a_reviewer_without_write_access_is_told_so_once() {
    let (bot, issue, pull) = heeding().await;
    bot.review("mallory", pull, CHANGES).await;
    assert_eq!(bot.jobs(issue).await.len(), 1);
    let answers = bot.answers(pull);
    assert_eq!(answers.len(), 1, "{}", bot.thread(pull));
    assert!(answers[0].contains("only for people with write permission"));
    assert!(!bot.thread(pull).contains("replied"));
}

#[tokio::test]
async fn a_review_of_somebody_elses_pull_request_asks_only_by_a_mention() {
    let bot = World::new().agent("heeder", HEEDING).start().await;
    let alice = bot.alice();
    alice
        .push(REPO, "hers", &[File::new("README.md", "# Hers\n")], &[])
        .unwrap();
    let pull = alice.open_pull(REPO, "hers", "main", "Hers").unwrap();
    let draft = ReviewDraft {
        lines: &[("README.md:1", "No.")],
        ..CHANGES
    };
    bot.review("octo", pull, draft).await;
    assert!(bot.answers(pull).is_empty());
    assert!(bot.tasks().await.is_empty());
}

#[tokio::test]
async fn a_review_while_an_agent_works_waits_and_is_answered() {
    let slow = format!(
        "{HEEDING}\nif [ \"$(grep -c more README.md)\" = 1 ]; then touch /prova/out/started; while ! test -e /prova/out/go; do sleep 0.02; done; fi"
    );
    let bot = World::new().agent("slow", &slow).start().await;
    let (issue, pull) = bot.in_review().await;
    bot.alice().review(REPO, pull, CHANGES).unwrap();
    bot.decide().await;
    bot.work_while(async {
        bot.agent_has_made("started").await;
        bot.octo().review(REPO, pull, CHANGES).unwrap();
        bot.decide().await;
        bot.let_the_agent_go_on("go");
    })
    .await;
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 3);
    insta::assert_snapshot!(bot.answers(pull).join("\n---\n"));
}

#[tokio::test]
async fn lines_that_have_changed_since_are_named_so() {
    let (bot, issue, pull) = heeding().await;
    let alice = bot.alice();
    let top = alice
        .review_comment(REPO, pull, "README.md:3", "```suggestion\nOurs.\n```")
        .unwrap();
    bot.settle().await;
    alice
        .push(
            REPO,
            BRANCH,
            &[File::new("README.md", "# Hello\n\nThat is the readme.\n")],
            &[],
        )
        .unwrap();
    alice.reply(REPO, pull, top, "@prova do that").unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    insta::assert_snapshot!(bot.brief_of_review());
    let thread = bot.thread(pull);
    assert!(
        thread.contains("The lines that this is about had changed before."),
        "{thread}"
    );
}

#[tokio::test]
async fn a_comment_that_was_deleted_meanwhile_has_no_answer() {
    let (bot, issue, pull) = heeding().await;
    let (_, comments) = bot.alice().review(REPO, pull, CHANGES).unwrap();
    bot.decide().await;
    bot.alice()
        .delete_review_comment(REPO, comments[1])
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review");
    assert_eq!(
        bot.thread(pull).matches("replied on").count(),
        1,
        "{}",
        bot.thread(pull)
    );
    let audit = bot.ctx().store.audit(None, 100).await.unwrap();
    let told = format!("review comment {} has no answer", comments[1]);
    assert!(
        audit.iter().any(|line| line.detail.contains(&told)),
        "{audit:#?}"
    );
}

#[tokio::test]
async fn a_review_that_is_dismissed_stays_asked() {
    let (bot, issue, pull) = heeding().await;
    let (review, _) = bot.alice().review(REPO, pull, CHANGES).unwrap();
    bot.decide().await;
    bot.octo().dismiss_review(REPO, pull, review).unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 2);
    assert_eq!(bot.state(issue).await, "in review");
    assert!(
        bot.notes()
            .await
            .iter()
            .any(|note| note.contains("stays asked until somebody stops it"))
    );
}

#[tokio::test]
async fn what_was_not_done_is_said_to_each_comment_and_a_retry_mends_it() {
    let world = World::new()
        .agent("heeder", HEEDING)
        .policy("checks = [\"test \\\"$(grep -c more README.md)\\\" != 1\"]\n");
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    bot.review("alice", pull, CHANGES).await;
    assert_eq!(bot.state(issue).await, "blocked");
    let thread = bot.thread(pull);
    assert_eq!(
        thread
            .matches("**Not done**: not every check passes.")
            .count(),
        2,
        "{thread}"
    );
    bot.clock.advance(60_000);
    bot.say("alice", pull, "@prova retry").await;
    assert_eq!(bot.state(issue).await, "in review");
    let thread = bot.thread(pull);
    assert_eq!(thread.matches("replied on").count(), 2, "{thread}");
    assert!(!thread.contains("Not done"), "{thread}");
}

#[tokio::test]
async fn a_change_of_nothing_is_said_with_what_the_agent_says() {
    let script = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; else \
        echo '{\"replies\": {\"2\": \"It shouts as much as it must.\"}}' > \"$PROVA_RESULT\"; fi";
    let bot = World::new().agent("stubborn", script).start().await;
    let (_, pull) = bot.in_review().await;
    bot.review("alice", pull, CHANGES).await;
    insta::assert_snapshot!(
        bot.thread(pull)
            .split("\n--- ")
            .skip(4)
            .collect::<Vec<_>>()
            .join("\n--- ")
    );
}

/// Returns whether a request puts something before people's eyes: comments, answers and reactions.
fn is_said(request: &str) -> bool {
    let writes = request.starts_with("POST ") || request.starts_with("PATCH ");
    writes
        && ["/comments", "/replies", "/reactions"]
            .iter()
            .any(|part| request.contains(part))
}

#[tokio::test]
async fn a_follow_up_by_a_review_costs_few_requests() {
    let (bot, _, pull) = heeding().await;
    // As every server does once, when it starts.
    bot.ctx().github.app().await.unwrap();
    drop(bot.requests());
    bot.review("alice", pull, CHANGES).await;
    let asked = bot.requests();
    let asked: Vec<_> = asked
        .into_iter()
        .filter(|one| !one.contains(".git/"))
        .collect();
    let said = asked.iter().filter(|one| is_said(one)).count();
    insta::assert_snapshot!(normal(&asked.join("\n"), bot.sim.web_url()));
    assert!(asked.len() - said <= 8, "{asked:#?}");
}

/// The second run takes its time.
const SLOW: &str = "if grep -q teh README.md; then sed -i s/teh/the/ README.md; exit; fi\n\
    touch /prova/out/works; until [ -e /prova/out/enough ]; do sleep 0.05; done\n\
    echo more >> README.md";

#[tokio::test]
async fn a_follow_up_costs_eight_requests_beyond_what_is_answered() {
    let world = World::new().agent("heeder", SLOW);
    let bot = world.start().await;
    let (issue, pull) = bot.in_review().await;
    let alice = bot.sim.as_person("alice");
    // It is not the first time that she is heard, and a server has looked up itself when it began.
    bot.say("alice", pull, "@prova status").await;
    bot.ctx().github.app().await.unwrap();
    bot.requests();
    alice.review(REPO, pull, CHANGES).unwrap();
    // As on a server with a worker that is free: the job begins in the moment in which it is queued.
    while bot.jobs(issue).await.len() < 2 {
        assert!(bot.step().await);
    }
    bot.work_while(async {
        bot.agent_has_made("works").await;
        for _ in 0..8 {
            bot.clock.advance(1_000);
            while publish_next(bot.ctx()).await.unwrap() {}
        }
        bot.let_the_agent_go_on("enough");
    })
    .await;
    bot.settle().await;
    let sent = bot.requests();
    let api = sent.iter().filter(|one| !one.contains(".git/"));
    let api: Vec<_> = api.map(|one| normal(one, bot.sim.web_url())).collect();
    insta::assert_snapshot!("what_a_follow_up_asks_of_github", api.join("\n"));
    let status = format!("/comments/{} ", bot.last_comment_of_ours(issue).await);
    let says = ["/replies ", "/reactions ", "/comments ", "/comments/"];
    let answers = |one: &&String| {
        let said = says.iter().any(|place| one.contains(place));
        said && !one.starts_with("GET") && !one.contains(&status)
    };
    // GitHub does not count what has not changed since it was asked for.
    let free = |one: &&String| one.ends_with("-> 304");
    let costs: Vec<_> = (api.iter())
        .filter(|one| !answers(one) && !free(one))
        .collect();
    assert!(costs.len() <= 8, "{costs:#?}");
}

#[tokio::test]
async fn a_suggestion_for_lines_that_have_changed_since_is_told_as_one() {
    let (bot, issue, pull) = heeding().await;
    let mallory = bot.sim.as_person("mallory");
    let suggestion = "Say which.\n\n```suggestion\nThis is our readme.\n```";
    let top = mallory
        .review_comment(REPO, pull, "README.md:3", suggestion)
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.jobs(issue).await.len(), 1, "mallory may not write here");
    // The line that it is about is another one now, and what it would put there does not apply.
    let mut readme = bot.file(BRANCH, "README.md").unwrap();
    readme = readme.replace("the readme", "a readme");
    let readme = File::new("README.md", readme);
    bot.alice().push(REPO, BRANCH, &[readme], &[]).unwrap();
    bot.settle().await;
    bot.alice()
        .reply(REPO, pull, top, "@prova take what still holds of it")
        .unwrap();
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(pull));
    let brief = bot.brief_of_review();
    assert!(brief.contains("they have changed since"), "{brief}");
    insta::assert_snapshot!(brief);
}
