//! A change that says a secret is not published, and no text that leaves says one.

use crate::harness::{Bot, REPO, World};

/// An agent that writes a token, put together so that no scanner takes this file for a leak.
const LEAKING: &str = "printf '# config\\n\\ntoken = %s%s\\n' ghp_ x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi > conf.ini; \
    sed -i s/teh/the/ README.md; echo wrote ghp_x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi";

async fn worked(world: World) -> (Bot, u64) {
    let bot = world.start().await;
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    (bot, issue)
}

/// Asserts that neither GitHub nor the store has the body of the token.
async fn assert_untold(bot: &Bot, issue: u64) {
    let body = "x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi";
    assert!(!bot.everything().contains(body), "{}", bot.everything());
    let jobs = format!("{:?}", bot.jobs(issue).await);
    assert!(!jobs.contains(body), "{jobs}");
}

#[tokio::test]
async fn a_token_in_a_file_stops_the_change() {
    let (bot, issue) = worked(World::new().agent("leaker", LEAKING)).await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(
        bot.branches(),
        Vec::<String>::new(),
        "a pushed secret is a lost one"
    );
    insta::assert_snapshot!(bot.thread(issue));
    assert_untold(&bot, issue).await;
    let requests = bot.requests();
    let wrote = |request: &&String| {
        ["/git/blobs", "/git/trees", "/git/commits"]
            .iter()
            .any(|path| request.contains(path))
    };
    assert_eq!(
        requests.iter().find(wrote),
        None,
        "not even an object reached GitHub"
    );
}

#[tokio::test]
async fn what_an_agent_that_failed_leaves_is_looked_through_too() {
    let script = format!("{LEAKING}; exit 3");
    let (bot, issue) = worked(World::new().agent("leaker", &script)).await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.branches(), Vec::<String>::new());
    insta::assert_snapshot!(bot.thread(issue));
    assert_untold(&bot, issue).await;
}

#[tokio::test]
async fn policy_can_allow_test_data_and_never_the_servers_own() {
    let world = World::new().agent("leaker", LEAKING);
    let (bot, issue) = worked(world.policy("[secrets]\nallow = [\"*.ini\"]\n")).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert!(
        bot.paths(&bot.branches()[0])
            .contains(&"conf.ini".to_owned())
    );

    // As if the agent had come by it: the story hands it over as the task's text.
    let world = World::new().agent("copier", "cp \"$PROVA_BRIEF\" data.ini");
    let bot = world
        .policy("[secrets]\nallow = [\"*.ini\"]\n")
        .start()
        .await;
    let secret = bot.sim.webhook_secret().to_owned();
    let issue = bot.labelled_issue("Copy this", &format!("The text is {secret}."));
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "blocked");
    assert_eq!(bot.branches(), Vec::<String>::new());
    let told = bot.answers(issue).join("\n");
    assert!(told.contains("`data.ini`, line "), "{told}");
    assert!(
        told.contains("a secret of the server that Prova runs on"),
        "{told}"
    );
    assert!(!told.contains(&secret), "{told}");
}

#[tokio::test]
async fn what_the_base_says_already_is_no_news() {
    let token = ["glpat", "-x7Kq92LmZ0pRtV4sWb8N"].concat();
    let script = "git mv -f conf/old.ini new.ini 2>/dev/null || mv conf/old.ini new.ini; sed -i s/teh/the/ README.md";
    let world = World::new()
        .agent("mover", script)
        .file("conf/old.ini", &format!("key = {token}\n"));
    let (bot, issue) = worked(world).await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
}

#[tokio::test]
async fn texts_that_leave_are_redacted() {
    let claim =
        "{\"title\": \"Use ghp_x7Kq92LmZ0pRtV4sWb8NcY3dHfJ6gA1eUoQi\", \"summary\": \"SECRET\"}";
    let script = format!(
        "sed -i s/teh/the/ README.md; printf '%s' '{claim}' > \"$PROVA_RESULT\"; echo done SECRET",
    );
    let bot = World::new().agent("chatty", &script).start().await;
    // Whatever way it came there: the server's own secret in title, text and claim.
    let issue = bot.labelled_issue("Fix the typo in the readme", "It says `teh`.");
    bot.settle().await;
    assert_eq!(bot.state(issue).await, "in review", "{}", bot.thread(issue));
    assert_untold(&bot, issue).await;
    insta::assert_snapshot!(bot.thread(issue + 1));

    let secret = bot.sim.webhook_secret().to_owned();
    let second = bot
        .octo()
        .open_issue(REPO, &format!("Say {secret}"), "", &["prova"])
        .unwrap();
    bot.settle().await;
    let pull = bot.task(second).await.pull;
    let texts = [Some(second), pull.map(|number| number.0)]
        .into_iter()
        .flatten();
    for number in texts {
        let ours = bot.answers(number).join("\n");
        assert!(!ours.contains(&secret), "{ours}");
    }
}
