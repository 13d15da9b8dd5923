//! The pages of a server, and the way to them from GitHub.

use crate::home::{Home, wait_for};
use crate::simulated::{REPO, ask, settle_in, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_leads_to_the_log_of_its_job_and_the_log_is_a_page() {
    let (home, sim) = (Home::new(), world().await);
    let say = "printf '\\033[31mred\\033[0m <script>alert(1)</script>\\n'; \
               echo \"key of $OPENAI_API_KEY\"; sed -i s/teh/the/ README.md";
    let agent = toml::Value::Array(["sh", "-c", say].map(toml::Value::from).to_vec());
    settle_in(
        &home,
        &sim,
        &format!("[agents.fixer]\ndriver = \"exec\"\ncommand = {agent}\n"),
    );
    home.shows_pages("https://prova.test/at/");
    let server = home.serve();
    sim.deliver_to(&home.webhook()).unwrap();
    ask(&sim);
    let told = wait_for(&home, "the review", || {
        let told = sim.transcript(REPO, 1).unwrap();
        told.contains("**In review**").then_some(told)
    });
    let (task, log) = ("/tasks/1003-1-1", "/jobs/1003-1-1.1/log");
    let link = format!("[log](https://prova.test/at{log})");
    let line = told.lines().find(|line| line.contains("<sub>")).unwrap();
    assert!(line.contains(&link) && line.contains("/checks)"), "{line}");
    let pull = wait_for(&home, "the check run", || {
        let pull = sim.transcript(REPO, 2).unwrap();
        pull.contains("prova: success").then_some(pull)
    });
    assert!(pull.contains(&link), "{pull}");

    let (status, page) = home.get(task);
    assert_eq!(status, 200);
    assert!(page.contains(&format!("<a href=\"{log}\">")), "{page}");
    let (status, page) = home.get(log);
    assert_eq!(status, 200, "{page}");
    let said = "<pre>red &lt;script&gt;alert(1)&lt;/script&gt;\n";
    assert!(page.contains(said), "{page}");
    for (path, status, told) in [
        ("/jobs/1003-1-1.2/log", 200, "Nothing of it is here"),
        ("/jobs/1003-1-1/log", 404, "no such page"),
        ("/jobs/..%2f..%2fapp.pem/log", 404, "no such page"),
    ] {
        let (was, page) = home.get(path);
        assert!(was == status && page.contains(told), "{path}: {was} {page}");
    }
    assert_eq!(server.terminate().code(), Some(0));
}
