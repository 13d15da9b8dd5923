//! From a label to a merged pull request against a GitHub that knows nothing of us.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::home::{Account, Home, wait_for};
use crate::octocat::Octocat;

/// An agent as a person would write one: it has the contract's variables, and nothing else of ours.
const AGENT: &str = r#"#!/bin/sh
set -eu
[ "$1" = --brief ] && [ "$2" = "$PROVA_BRIEF" ] && [ "$PWD" = /workspace ]
echo "$PROVA_JOB" | grep -q '"repo":"octo/greeter"'
grep -q -e 'says .Helo.' -e louder "$PROVA_BRIEF"
sed -i 's/Helo/Hello/' greet.sh
rm -f old.txt
if grep -q 'louder' "$PROVA_BRIEF"; then sed -i 's/world/world!/' greet.sh; fi
printf '#!/bin/sh\nexec ./greet.sh\n' > again.sh && chmod +x again.sh
echo "edited with @octo watching"
cat > "$PROVA_RESULT" <<'RESULT'
{"title": "Greet in English", "summary": "Mended the greeting.\n\ncc @octo", "notes": null}
RESULT
"#;

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not text"))
}

/// Returns the state, and fails at once when a task waits for a person.
fn look(github: &mut Octocat) -> Value {
    let state = github.state();
    for comment in state["comments"].as_array().unwrap() {
        let told = text(&comment["body"]);
        assert!(!told.contains("Waits for a person"), "{told}");
    }
    state
}

#[test]
fn a_label_becomes_a_pull_request_on_a_github_of_other_making() {
    let home = Home::new();
    let mut github = Octocat::start(home.path());
    let bin = home.path().join("agents/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("mender"), AGENT).unwrap();
    for path in [bin.join("mender"), bin, home.path().join("agents")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let account = Account {
        api_url: text(&github.facts["api_url"]),
        web_url: text(&github.facts["web_url"]),
        app_id: github.facts["app_id"].as_u64().unwrap(),
    };
    let agent = format!(
        "[sandbox]\nmounts = [\"{}/agents\"]\n\
         [agents.mender]\ndriver = \"exec\"\ncommand = [\"mender\", \"--brief\", \"{{brief}}\"]\n",
        home.path().display()
    );
    home.settings(&account, &agent);
    let server = home.serve();

    let hook = home.webhook();
    let issue = github.tell(&json!({
        "do": "issue", "webhook": hook, "label": "prova",
        "title": "The greeting is misspelt", "body": "It says `Helo`.\n\n<!-- rm -rf / -->",
    }));
    assert_eq!(issue["answers"], json!([202, 202]));
    let number = issue["number"].as_u64().unwrap();
    let state = wait_for(&home, "the pull request", || {
        let state = look(&mut github);
        let told = state["comments"][0]["body"].as_str().unwrap_or_default();
        (!state["checks"][0].is_null() && told.starts_with("**In review**")).then_some(state)
    });
    the_pull_request_is_whole(&state, number);

    // The mention is the App's slug, whatever the program is called.
    let pull = state["pulls"][0]["number"].as_u64().unwrap();
    let said = "@rehearsal say it louder, please";
    github.tell(&json!({ "do": "comment", "webhook": hook, "number": pull, "body": said }));
    let state = wait_for(&home, "the follow-up commit", || {
        let state = look(&mut github);
        (state["checks"].as_array().unwrap().len() == 2).then_some(state)
    });
    let commit = &state["pulls"][0]["commit"];
    assert_eq!(commit["count"], 2);
    assert!(text(&commit["files"]["greet.sh"][1]).contains("Hello, world!"));
    assert_eq!(state["checks"][1]["head_sha"], commit["sha"]);
    assert!(
        state["reactions"]
            .as_array()
            .unwrap()
            .contains(&json!([format!("comment on {pull}"), "eyes"]))
    );

    github.tell(&json!({ "do": "merge", "webhook": hook, "number": pull }));
    wait_for(&home, "the end of the task", || {
        let tasks = home.json(&["tasks", "ls", "--json"]);
        (tasks[0]["state"] == "merged").then_some(())
    });
    let state = github.state();
    assert_eq!(state["complaints"], json!([]), "GitHub refused something");
    assert_eq!(server.terminate().code(), Some(0), "{}", home.log());
}

fn the_pull_request_is_whole(state: &Value, number: u64) {
    assert_eq!(state["pulls"].as_array().unwrap().len(), 1);
    let pull = &state["pulls"][0];
    assert_eq!(pull["title"], "Greet in English");
    assert_eq!(
        pull["head"],
        format!("prova/{number}-the-greeting-is-misspelt")
    );
    assert_eq!(
        (&pull["base"], &pull["draft"]),
        (&json!("main"), &json!(true))
    );
    let body = text(&pull["body"]);
    for expected in [
        format!("Closes #{number}\n").as_str(),
        "@ada asked in",
        "| `./greet.sh` | ✅ exit 0 |",
        "Hello, world",
        "- added `again.sh` (executable)",
        "- deleted `old.txt`",
        "What the agent says (not verified)",
        "sandbox `bubblewrap`",
    ] {
        assert!(
            body.contains(expected),
            "{expected:?} is missing in:\n{body}"
        );
    }
    // What the agent says reaches nobody's notifications.
    assert!(!body.contains("cc @octo"), "{body}");

    let commit = &pull["commit"];
    assert_eq!(commit["count"], 1);
    assert_eq!(
        commit["files"],
        json!({
            ".github/prova.toml": ["100644", "checks = [\"./greet.sh\"]"],
            "again.sh": ["100755", "#!/bin/sh\nexec ./greet.sh"],
            "greet.sh": ["100755", "#!/bin/sh\necho \"Hello, world\""],
        })
    );
    assert!(text(&commit["message"]).starts_with("Greet in English\n\n"));
    assert_eq!(
        commit["trailers"],
        json!([
            format!("Prova-Task: 598114027-{number}-1"),
            "Co-authored-by: ada <1024025+ada@users.noreply.127.0.0.1>",
        ])
    );

    let check = &state["checks"][0];
    assert_eq!(
        (&check["name"], &check["conclusion"]),
        (&json!("prova"), &json!("success"))
    );
    assert_eq!(check["head_sha"], commit["sha"]);
    assert_eq!(
        state["reactions"],
        json!([[format!("issue {number}"), "eyes"]])
    );
    let comments = state["comments"].as_array().unwrap();
    assert_eq!(comments.len(), 1, "one status comment, edited in place");
    assert!(text(&comments[0]["body"]).contains("<!-- prova:"));
}
