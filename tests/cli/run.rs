//! What becomes of an issue.

use std::fs::{File, read_dir, read_to_string};
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, FIX, ended};

const BRANCH: &str = "prova/1-fix-the-typo-in-the-readme";

#[test]
fn an_issue_becomes_a_branch_with_evidence() {
    let bench =
        Bench::new().policy("checks = [\"grep -q the README.md\", \"python3 src/main.py\"]\n");
    let ended = bench.run(&["--command", FIX]);
    assert_eq!(ended.code, 0, "{ended:?}");
    insta::assert_snapshot!(bench.normal(&ended.out));
    insta::assert_snapshot!(bench.normal(&ended.err));
    let changed = bench.git(&["diff", "--name-status", "main", BRANCH]);
    assert_eq!(changed, "M\tREADME.md");
    let format = "--format=%an <%ae>|%cn|%B";
    insta::assert_snapshot!(bench.git(&["log", "-1", format, BRANCH]));
    assert_eq!(
        bench.git(&["rev-parse", &format!("{BRANCH}^")]),
        bench.git(&["rev-parse", "main"])
    );
    assert_eq!(bench.git(&["fsck", "--strict"]), "");
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn the_result_as_json_says_the_same() {
    let policy = "checks = [\"false\", \"python3 src/main.py\"]\nprotect = [\"LICENSE\"]\n";
    let bench = Bench::new().policy(policy);
    let claim = r#"echo '{"title":"Mend it","summary":"All is well."}' > {result}"#;
    let ended = bench.run(&["--json", "--command", &format!("{FIX}; {claim}")]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let commit = bench.git(&["rev-parse", BRANCH]);
    assert_eq!(ended.json()["commit"], commit.as_str());
    insta::assert_snapshot!(bench.normal(&ended.out));
}

#[test]
fn red_checks_are_told_and_the_work_is_kept() {
    let bench = Bench::new().policy("checks = [\"echo why it fails; exit 7\"]\n");
    let ended = bench.run(&["--command", FIX]);
    assert_eq!(ended.code, 1, "{ended:?}");
    insta::assert_snapshot!(bench.normal(&ended.out));
    assert_eq!(
        bench.git(&["diff", "--name-only", "main", BRANCH]),
        "README.md"
    );
    let subject = bench.git(&["log", "-1", "--format=%s", BRANCH]);
    assert_eq!(
        subject,
        "Partial (checks failed): Fix the typo in the readme"
    );
}

#[test]
fn an_agent_that_changes_nothing_makes_no_branch() {
    let bench = Bench::new();
    let ended = bench.run(&["--command", "touch README.md"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    insta::assert_snapshot!(bench.normal(&ended.out));
    assert_eq!(bench.git(&["branch", "--list", "prova/*"]), "");
}

#[test]
fn an_agent_that_fails_leaves_its_partial_work() {
    let bench = Bench::new();
    let ended = bench.run(&["--command", &format!("{FIX}; echo so far >&2; exit 3")]);
    assert_eq!(ended.code, 1, "{ended:?}");
    insta::assert_snapshot!(bench.normal(&ended.out));
    assert_eq!(
        bench.git(&["diff", "--name-only", "main", BRANCH]),
        "README.md"
    );
}

#[test]
fn what_policy_protects_is_left_out_and_said() {
    let bench = Bench::new().policy("protect = [\"src/**\"]\n");
    let ended = bench.run(&["--command", &format!("{FIX}; echo x >> src/main.py")]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.out.contains("src/main.py  protected by src/**"),
        "{}",
        ended.out
    );
    assert_eq!(
        bench.git(&["diff", "--name-only", "main", BRANCH]),
        "README.md"
    );
}

#[test]
fn a_recipe_of_the_policy_works_without_an_agent() {
    let bench = Bench::new().policy(&format!("[recipes.spell]\nrun = \"{FIX}\"\n"));
    let ended = bench.run(&["--recipe", "spell"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("agent spell: exit 0"), "{}", ended.out);
    assert!(ended.out.contains("checks: none ran"), "{}", ended.out);
}

#[test]
fn a_built_in_recipe_works_without_policy_and_settings() {
    let bench = Bench::new();
    let ended = bench.run(&["--recipe", "typos"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("agent typos: exit 0"), "{}", ended.out);
    let readme = bench.git(&["show", &format!("{BRANCH}:README.md")]);
    assert_eq!(readme, "# Hello\n\nThis is the readme.");

    let refused = bench.run(&["--recipe", "ast-grep"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("Write the rule below"), "{refused:?}");
    let rule = "language: python\nrule: {pattern: print($A)}\nfix: log($A)";
    bench.issue(&format!("# Log\n\n```yaml\n{rule}\n```\n"));
    let ended = bench.run(&["--recipe", "ast-grep"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let main = bench.git(&["show", "prova/1-log:src/main.py"]);
    assert_eq!(main, "log('hello')");
}

#[test]
fn an_agent_of_the_settings_works_as_policy_or_the_person_names_it() {
    let bench = Bench::new().policy("agent = \"fixer\"\n");
    let agent = |name: &str, run: &str| {
        format!("[agents.{name}]\ndriver = \"exec\"\ncommand = [\"sh\", \"-c\", \"{run}\"]\n")
    };
    let settings = agent("fixer", FIX) + &agent("idle", "true");
    std::fs::write(bench.path("prova.toml"), settings).unwrap();
    let by_policy = bench.run(&["--config", "prova.toml"]);
    assert_eq!(by_policy.code, 0, "{by_policy:?}");
    assert!(
        by_policy.out.contains("agent fixer: exit 0"),
        "{by_policy:?}"
    );
    let by_person = bench.run(&["--config", "prova.toml", "--agent", "idle"]);
    assert_eq!(by_person.code, 1, "{by_person:?}");
    assert!(
        by_person.out.contains("agent idle: exit 0"),
        "{by_person:?}"
    );
}

#[test]
fn the_same_issue_again_goes_to_the_next_branch() {
    let bench = Bench::new();
    for branch in [BRANCH, &format!("{BRANCH}-2"), &format!("{BRANCH}-3")] {
        let ended = bench.run(&["--json", "--command", FIX]);
        assert_eq!(
            (ended.code, &ended.json()["branch"]),
            (0, &branch.into()),
            "{ended:?}"
        );
    }
    assert_eq!(
        bench.git(&["rev-list", "--count", &format!("{BRANCH}-3")]),
        "2"
    );
}

#[test]
fn an_issue_is_read_from_standard_input() {
    let bench = Bench::new();
    let mut command = bench.prova(&["--issue", "-", "--json", "--command", "cat {brief}; false"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let issue = "Say hello\n=========\n\nTo <!-- or not --> everybody.\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(issue.as_bytes())
        .unwrap();
    let ended = ended(child.wait_with_output().unwrap());
    let json = ended.json();
    let brief = json["agent"]["output_end"].as_str().unwrap();
    assert!(
        brief.contains("# `Say hello`") || brief.contains("# Say hello"),
        "{brief}"
    );
    assert!(
        brief.contains("everybody") && !brief.contains("or not"),
        "{brief}"
    );
}

/// The program while it runs, its notes in a file.
struct Running<'a> {
    bench: &'a Bench,
    child: Child,
}

impl<'a> Running<'a> {
    /// Starts an agent that corrects the README and then goes on for a minute; returns when it has.
    fn busy(bench: &'a Bench) -> Self {
        let script = format!("{FIX}; sleep 60");
        let child = bench
            .prova(&["--json", "--command", &script])
            .stdout(Stdio::piped())
            .stderr(File::create(bench.path("notes")).unwrap())
            .spawn()
            .unwrap();
        let running = Self { bench, child };
        wait_until("the agent works", || {
            let places = running.bench.left();
            let jobs = places
                .iter()
                .filter_map(|at| read_dir(at.join("work/jobs")).ok());
            jobs.flatten().flatten().any(|job| {
                let readme = read_to_string(job.path().join("checkout/upper/README.md"));
                readme.is_ok_and(|text| text.contains("the readme"))
            })
        });
        running
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    }

    fn notes(&self) -> String {
        read_to_string(self.bench.path("notes")).unwrap()
    }
}

fn wait_until(what: &str, there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "not within 30 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_stop_keeps_what_was_done_so_far() {
    let bench = Bench::new();
    let running = Running::busy(&bench);
    let begun = Instant::now();
    running.interrupt();
    let ended = ended(running.child.wait_with_output().unwrap());
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "it waited for the agent"
    );
    assert_eq!(
        (ended.code, &ended.json()["outcome"]),
        (1, &"stopped".into())
    );
    let kept = bench.git(&["diff", "--name-only", "main", BRANCH]);
    assert_eq!(kept, "README.md");
    let notes = read_to_string(bench.path("notes")).unwrap();
    assert!(
        notes.contains("stopping: what is changed so far is kept"),
        "{notes}"
    );
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_second_stop_ends_at_once() {
    let bench = Bench::new();
    let running = Running::busy(&bench);
    running.interrupt();
    wait_until("the stop is told", || running.notes().contains("stopping"));
    running.interrupt();
    let ended = ended(running.child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    let notes = read_to_string(bench.path("notes")).unwrap();
    assert!(
        notes.ends_with("error: ended at once; what the agent did is lost\n"),
        "{notes}"
    );
    assert_eq!(bench.git(&["branch", "--list", "prova/*"]), "");
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn what_is_kept_is_named() {
    let bench = Bench::new();
    let ended = bench.run(&["--keep", "--json", "--command", FIX]);
    let left = bench.left();
    assert_eq!(left.len(), 1, "{left:?}");
    let kept = left[0].to_str().unwrap();
    assert!(
        ended.err.ends_with(&format!("kept {kept}\n")),
        "{}",
        ended.err
    );
    assert_eq!(ended.json()["kept"], kept);
    assert!(left[0].join("prova.db").is_file());
}

#[test]
fn a_terminal_obeys_nothing_that_an_agent_says() {
    let bench = Bench::new();
    let says = r#"printf '{"title":"x","summary":"\\u001b[2J\\u202e gone"}' > {result}"#;
    let prints = r"printf '\033]0;owned\007'; touch $(printf 'a\033[2Jb'); exit 1";
    let ended = bench.run(&["--command", &format!("{says}; {prints}")]);
    assert!(ended.out.contains("gone"), "{}", ended.out);
    let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(
        !ended.out.contains(obeyed) && !ended.err.contains(obeyed),
        "{ended:?}"
    );
}
