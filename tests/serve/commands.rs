//! What the commands say, and how they end: 0 done, 1 failed, 2 usage or settings.

use prova::simulator::Simulator;
use prova::simulator::world::accounts::Role;
use prova::simulator::world::repositories::{File, RepositorySpec};

use crate::home::{Account, Home, Said, wait_for};
use crate::simulated::{options, settle_in};

const NOWHERE: Account<'static> = Account {
    api_url: "http://127.0.0.1:1",
    web_url: "http://127.0.0.1:1",
    app_id: 12345,
};

/// Shows a command's end as a person sees it.
fn shown(said: &Said, home: &Home) -> String {
    let text = format!(
        "exit {}\n--- out\n{}--- err\n{}",
        said.code, said.out, said.err
    );
    text.replace(&home.port.to_string(), "PORT")
}

fn code(home: &Home, args: &[&str]) -> i32 {
    home.run(args).code
}

#[test]
fn the_settings_in_force_are_shown_without_their_secrets() {
    let home = Home::new();
    home.settings(
        &NOWHERE,
        "agent = \"claude\"\n[agents.claude]\ndriver = \"exec\"\ncommand = [\"claude\", \"-p\"]\n\
         env = { TOKEN = \"hush\" }\n[agents.fmt]\ndriver = \"recipe\"\nrun = \"make format\"\n",
    );
    let mut command = home.prova();
    command
        .arg("check-config")
        .env("PROVA_GITHUB__WEBHOOK_SECRET", "hush-hush")
        .env("PROVA_WORK__JOBS", "7");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("hush"), "{said}");
    insta::assert_snapshot!(said.replace(&home.port.to_string(), "PORT"));
    // What is shown can be read again.
    std::fs::write(
        home.path().join("shown.toml"),
        said.replace("\"(from the environment)\"", "\"a\""),
    )
    .unwrap();
    assert_eq!(code(&home, &["check-config", "--config", "shown.toml"]), 0);
}

#[test]
fn every_mistake_in_the_settings_is_named_at_once() {
    let home = Home::new();
    let text = "[server]\nlisten = \"localhost\"\ndashbord = true\n\
        [github]\napp_id = 12345\nprivate_key = \"hush\"\nprivate_key_file = \"app.pem\"\n\
        webhook_secret_file = \"webhook.secret\"\n[store]\nurl = \"mysql://me:hunter2@db/prova\"\n\
        [agents.claude]\ndriver = \"builtin\"\n[agents.other]\ndriver = \"exec\"\n\
        [sandbox]\nmounts = [\"opt\"]\n[limits]\nprocesses = 1\n";
    std::fs::write(home.path().join("prova.toml"), text).unwrap();
    insta::assert_snapshot!(shown(&home.run(&["check-config"]), &home));
}

#[test]
fn exit_codes_tell_failure_from_misuse() {
    let home = Home::new();
    for (args, expected) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["help", "deliveries"], 0),
        (&[], 2),
        (&["surve"], 2),
        (&["tasks", "show", "not-an-id"], 2),
        (&["tasks", "log", "1-1-1"], 2),
        (&["tasks", "log", "1-1-1.1", "--only", "passwd"], 2),
        // There are no settings yet.
        (&["serve"], 2),
        (&["check-config"], 2),
        (&["doctor"], 2),
    ] {
        assert_eq!(code(&home, args), expected, "{args:?}");
    }
    let missing = home.run(&["serve"]);
    assert!(
        missing.err.contains("there is no prova.toml"),
        "{}",
        missing.err
    );

    home.settings(&NOWHERE, "");
    let no_key = home.run(&["serve"]);
    assert_eq!(no_key.code, 2);
    assert!(
        no_key
            .err
            .contains("github.private_key_file: cannot read app.pem"),
        "{}",
        no_key.err
    );
    for (args, expected) in [
        (&["tasks", "ls"][..], 0),
        (&["deliveries", "ls", "--parked"], 0),
        (&["audit"], 0),
        (&["tasks", "show", "1-1-1"], 1),
        (&["tasks", "log", "1-1-1.1"], 1),
        (&["deliveries", "show", "none"], 1),
        (&["deliveries", "replay", "none"], 1),
        (&["health"], 1),
    ] {
        let said = home.run(args);
        assert_eq!(said.code, expected, "{args:?}: {said:?}");
        assert_eq!(said.err.is_empty(), expected == 0, "{args:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_a_failure_with_its_name() {
    let home = Home::new();
    let sim = Simulator::start(options(0)).await.unwrap();
    settle_in(&home, &sim, "");
    let _taken = std::net::TcpListener::bind(("127.0.0.1", home.port)).unwrap();
    let said = home.run(&["serve"]);
    assert_eq!(said.code, 1);
    let expected = format!("server.listen: cannot listen on 127.0.0.1:{}", home.port);
    assert!(said.err.contains(&expected), "{}", said.err);
}

/// What was printed outlives the job; a terminal does not obey it, and tokens are taken out.
fn log_is_shown(home: &Home, job: &str) {
    let log = wait_for(home, "the log", || {
        let log = home.run(&["tasks", "log", job]);
        (log.code == 0).then_some(log.out)
    });
    assert!(log.starts_with("== agent ==\n\\u{1b}[2Jdone: "), "{log}");
    assert!(!log.contains("0123456789abcdefghij"), "{log}");
    let only = home.run(&["tasks", "log", job, "--only", "agent"]);
    assert_eq!(format!("== agent ==\n{}", only.out), log);
    let none = home.run(&["tasks", "log", job, "--only", "checks"]);
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(
        none.err.contains("there is no log `checks` of job"),
        "{}",
        none.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_shown_and_replayed() {
    let home = Home::new();
    let sim = Simulator::start(options(0)).await.unwrap();
    let policy = File::new(
        ".github/prova.toml",
        "[recipes.touch]\nrun = '''echo x > new.txt; \
         printf '\\033[2Jdone: %s_%s\\n' ghp 0123456789abcdefghijABCDEFGHIJ012345'''\n",
    );
    sim.create_repository(&RepositorySpec::new("octo/hello", vec![policy]))
        .unwrap();
    sim.set_role("octo/hello", "ada", Role::Write).unwrap();
    sim.install_app("octo", None).unwrap();
    settle_in(&home, &sim, "");
    let server = home.serve();
    assert_eq!(code(&home, &["health"]), 0);

    // One that nobody can read is parked, is told of, and holds nobody up.
    let secret = sim.webhook_secret();
    assert_eq!(
        home.deliver(("broken-1", "issues", secret), b"{\"action\": \"opened\""),
        202
    );
    assert_eq!(
        home.deliver(("broken-1", "issues", secret), b"{\"action\": \"opened\""),
        202
    );
    assert_eq!(
        home.deliver(("forged-1", "issues", "not the secret"), b"{}"),
        401
    );
    sim.deliver_to(&home.webhook()).unwrap();
    sim.as_person("ada")
        .open_issue("octo/hello", "Touch it", "", &["prova:touch"])
        .unwrap();
    wait_for(&home, "the pull request", || {
        sim.transcript("octo/hello", 1)
            .unwrap()
            .contains("**In review**")
            .then_some(())
    });
    let parked = home.json(&["deliveries", "ls", "--parked", "--json"]);
    assert_eq!(parked.as_array().unwrap().len(), 1, "{parked:#}");
    assert_eq!(
        (&parked[0]["id"], &parked[0]["state"]),
        (&"broken-1".into(), &"parked".into())
    );
    assert!(
        parked[0]["note"].as_str().unwrap().contains("EOF"),
        "{parked:#}"
    );
    let metrics = home.get("/metrics").1;
    assert!(metrics.contains("prova_deliveries_parked 1\n"), "{metrics}");
    assert!(
        metrics.contains("prova_deliveries_refused_total 1\n"),
        "{metrics}"
    );
    let shown = home.run(&["deliveries", "show", "broken-1"]);
    assert!(shown.out.contains("state     parked"), "{}", shown.out);
    assert!(shown.out.contains("{\\\"action\\\""), "{}", shown.out);

    // Replaying what was done before changes nothing on GitHub.
    let all = home.json(&["deliveries", "ls", "--json", "--limit", "500"]);
    let is_labelled = |one: &&serde_json::Value| one["note"].as_str().unwrap().contains("queued");
    let first = all.as_array().unwrap().iter().find(is_labelled).unwrap();
    let before = sim.final_state("octo/hello").unwrap();
    for id in ["broken-1", first["id"].as_str().unwrap()] {
        let said = home.run(&["deliveries", "replay", id]);
        assert_eq!(
            (said.code, said.out),
            (0, format!("{id} will be dispatched again\n"))
        );
        wait_for(&home, "the replay", || {
            let shown = home.json(&["deliveries", "show", id, "--json"]);
            (shown["state"] != "pending").then_some(())
        });
    }
    assert_eq!(sim.final_state("octo/hello").unwrap(), before);

    let tasks = home.json(&["tasks", "ls", "--json"]);
    assert_eq!(tasks.as_array().unwrap().len(), 1);
    let id = tasks[0]["id"].as_str().unwrap();
    let task = home.json(&["tasks", "show", id, "--json"]);
    assert_eq!(
        (&task["state"], &task["outcome"]),
        (&"in review".into(), &"proposed".into())
    );
    assert_eq!(task["job_list"][0]["state"], "over");
    let steps = task["job_list"][0]["journal"].as_array().unwrap();
    assert!(
        steps
            .iter()
            .any(|step| step["entry"]["step"] == "committed"),
        "{task:#}"
    );
    let text = home.run(&["tasks", "show", id]).out;
    assert!(
        text.contains("octo/hello#1") && text.contains("harvest: 1 changed, 0 left out"),
        "{text}"
    );
    log_is_shown(&home, &format!("{id}.1"));
    let audit = home.run(&["audit", "--task", id]).out;
    assert!(audit.contains(&format!("job {id}.1 queued")), "{audit}");
    assert_eq!(server.terminate().code(), Some(0));
}
