//! What the fuzz targets do with bytes, and what must then be true. `tests/fuzz` includes this file
//! and runs the same with arbitrary bytes, seeds and what once failed, on every test run.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use prova::adapters::agent::untrusted as agent;
use prova::adapters::gateway::untrusted as gateway;
use prova::adapters::git::untrusted;
use prova::adapters::github::Webhooks;
use prova::config::presets;
use prova::config::server::load::{Need, load};
use prova::domain::change::HarvestLimits;
use prova::domain::command::mention::Mention;
use prova::domain::command::parse::{MAX_COMMANDS, parse};
use prova::domain::egress::{HostRule, Target};
use prova::domain::model::Api;
use prova::domain::progress::Heard;
use prova::domain::redact::{MIN_VALUE, REDACTED, Redactor};
use prova::domain::sanitize::{neutral, said, visible};
use prova::domain::stream::{Lines, updates};
use prova::domain::time::Timestamp;
use prova::ports::github::Translate as _;
use serde_json::Value;

/// What stands outside of the directory that is walked.
const SECRET: &[u8] = b"the secret of the host";

/// Builds a directory as the bytes say and surveys it: nothing from outside is found, and what is
/// found is there.
pub fn walker(bytes: &[u8]) {
    let says = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET);
    // A fuzzer learns it from the comparison below; then it would stand inside.
    if says(bytes) {
        return;
    }
    let Ok(home) = tempfile::tempdir() else {
        return;
    };
    let (tree, job) = (home.path().join("tree"), home.path().join("job"));
    for dir in [&tree, &job] {
        fs::create_dir(dir).expect("a new directory has room");
    }
    fs::write(home.path().join("secret"), SECRET).expect("a new directory has room");
    plant(&tree, bytes);
    let limits = HarvestLimits {
        entries: 64,
        changes: 16,
        depth: 8,
        ..HarvestLimits::default()
    };
    let surveyed = untrusted::survey(&tree, &job, &limits).expect("the server's own files work");
    assert!(surveyed.found.len() <= 64, "more than the limit");
    for path in &surveyed.found {
        assert!(
            untrusted::name(path).is_none(),
            "{path:?} was found and is refused"
        );
    }
    assert!(!says(&surveyed.kept), "what stands outside was read");
}

/// Each line of a plan is one thing: a letter and a path; of a link, also a target.
fn plant(tree: &Path, plan: &[u8]) {
    for line in plan.split(|&byte| byte == b'\n').take(64) {
        let Some((&what, rest)) = line.split_first() else {
            continue;
        };
        let mut words = rest.splitn(2, |&byte| byte == b' ');
        let path = words.next().unwrap_or_default();
        let leaves = path.split(|&byte| byte == b'/').any(|part| part == b"..");
        if leaves || path.is_empty() || path.contains(&0) || path.starts_with(b"/") {
            continue;
        }
        let file = tree.join(std::ffi::OsStr::from_bytes(path));
        // A part of the path may be a link by now: this must stay inside as well.
        let stays = |dir: &Path| dir.canonicalize().is_ok_and(|dir| dir.starts_with(tree));
        let parent = file.parent().unwrap_or(tree);
        let nearest = parent
            .ancestors()
            .find(|dir| dir.symlink_metadata().is_ok());
        if !nearest.is_some_and(stays) || file.is_symlink() {
            continue;
        }
        let _ = fs::create_dir_all(parent);
        let content = words.next().unwrap_or_default();
        // What cannot be made is not there, which is as good a tree as any.
        let _ = match what {
            b'd' => fs::create_dir(&file),
            b'l' if !content.contains(&0) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(content), &file)
            }
            _ => fs::write(&file, content),
        };
    }
}

/// Judges paths and links, each `path` or `path -> target` on a line.
pub fn names(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').take(200).collect();
    for line in &lines {
        let mut parts = line.splitn(2, |&byte| byte == b'>');
        let (path, target) = (parts.next().unwrap_or_default(), parts.next());
        if untrusted::name(path).is_none() {
            let text = std::str::from_utf8(path).expect("only UTF-8 is taken");
            assert!(!text.chars().any(char::is_control), "{text:?}");
            for part in text.split('/') {
                let plain = part.trim_end_matches(['.', ' ']).to_lowercase();
                assert!(plain != ".git" && plain != "git~1", "{text:?}");
                assert!(!part.starts_with('-') && !part.is_empty(), "{text:?}");
            }
        }
        if let Some(target) = target
            && untrusted::stays_inside(path, target)
        {
            assert!(leads_inside(path, target), "{path:?} -> {target:?}");
        }
    }
    let colliding: HashSet<&[u8]> = untrusted::collisions(&lines).into_iter().collect();
    let left = lines.iter().filter(|line| !colliding.contains(*line));
    let mut seen = HashSet::new();
    for path in left.filter_map(|line| std::str::from_utf8(line).ok()) {
        if seen.insert(path) && path.is_ascii() {
            let same = seen.iter().filter(|other| other.eq_ignore_ascii_case(path));
            assert_eq!(same.count(), 1, "{path:?} is two");
        }
    }
}

/// Follows a target by its text, as if no part of it were a link.
fn leads_inside(path: &[u8], target: &[u8]) -> bool {
    let mut depth = path.split(|&byte| byte == b'/').count() - 1;
    for part in target.split(|byte| b"/\\".contains(byte)) {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return false,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    !target.starts_with(b"/") && !target.starts_with(b"\\")
}

/// Reads a `.gitignore`, all lines but the last, and holds the last against it.
pub fn patterns(bytes: &[u8]) {
    let end = bytes.iter().rposition(|&byte| byte == b'\n');
    let (rules, path) = bytes.split_at(end.unwrap_or(0));
    let path = path.strip_prefix(b"\n").unwrap_or(path);
    let (as_file, as_directory) = (
        untrusted::is_ignored(rules, path, false),
        untrusted::is_ignored(rules, path, true),
    );
    if rules.is_empty() {
        assert_eq!((as_file, as_directory), (None, None), "nothing is ignored");
    }
}

/// Cleans foreign text for a model, and neutralises it for GitHub.
pub fn sanitizer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let clean = visible::visible(&text, 4_096);
    assert!(clean.chars().count() <= 4_096, "longer than asked for");
    assert_eq!(visible::visible(&clean, 4_096), clean, "not clean yet");
    let line = neutral::inline(&text, 200);
    assert!(!line.contains('\n'), "{line:?} is two lines");
    let fenced = neutral::fenced(&text);
    let fence: String = fenced.chars().take_while(|&c| c == '`').collect();
    assert_eq!(
        fenced.matches(&fence).count(),
        2,
        "{fenced:?} ends its own fence"
    );
    let quoted = neutral::quote(&text);
    assert!(
        quoted.lines().all(|line| line.starts_with('>')),
        "{quoted:?}"
    );
    let said = said::quote(&text, 500);
    assert!(said.lines().all(|line| line.starts_with('>')), "{said:?}");
    assert!(said.chars().count() <= 1_000, "{said:?} is too long");
    for shown in [&line, &fenced, &quoted, &said] {
        assert!(!shown.contains(neutral::MARK), "{shown:?} has a mark");
    }
    let subject = neutral::subject(&text, 100);
    assert!(!subject.contains('\n') && subject.chars().count() <= 100);
    // Whatever is shown of others' words, nobody can speak to us through it.
    for shown in [line, fenced, quoted, said, subject] {
        let heard = parse(&shown, &Mention::new("prova"));
        assert_eq!(heard, [], "{shown:?}");
    }
}

/// Reads the commands of a comment.
pub fn commands(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = parse(&text, &Mention::new("prova"));
    assert!(found.len() <= MAX_COMMANDS + 1, "a flood of commands");
    let named = text.to_lowercase().contains("@prova");
    assert!(named || found.is_empty(), "a command for nobody");
    let code = format!("```\n{}\n```", text.replace('`', ""));
    assert_eq!(
        parse(&code, &Mention::new("prova")),
        [],
        "a command in code"
    );
}

/// Reads hosts, each on a line: what is taken for one is no address, and reads back as itself.
pub fn hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(100) {
        let Ok(target) = Target::parse(line) else {
            continue;
        };
        let host = target.host.as_str();
        assert!(host.parse::<std::net::IpAddr>().is_err(), "{line:?}");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(host.chars().all(plain) && !host.ends_with('.'), "{line:?}");
        assert_eq!(Target::parse(&target.to_string()), Ok(target.clone()));
        let rules = ["allowed.test", "*.allowed.test"].map(str::parse::<HostRule>);
        if rules.iter().flatten().any(|rule| rule.allows(&target.host)) {
            assert!(
                host == "allowed.test" || host.ends_with(".allowed.test"),
                "{line:?}"
            );
        }
    }
}

/// Reads a model's answer, of the API, in the form and in pieces of the size that the first byte
/// says: however it is cut, the same is counted.
pub fn usage(bytes: &[u8]) {
    let Some((&how, answer)) = bytes.split_first() else {
        return;
    };
    let api = match how % 3 {
        0 => Api::Anthropic,
        1 => Api::OpenAi,
        _ => Api::Gemini,
    };
    let (streamed, size) = (how & 0x80 != 0, usize::from(how % 29) + 1);
    let whole = gateway::usage(api, streamed, [answer]);
    let cut = gateway::usage(api, streamed, answer.chunks(size));
    assert_eq!(whole, cut, "pieces of {size} are counted otherwise");
}

/// Reads a policy.
pub fn policy(bytes: &[u8]) {
    match prova::config::policy::parse_bytes(bytes) {
        Ok(_) => assert!(std::str::from_utf8(bytes).is_ok(), "a policy of no text"),
        Err(problems) => assert!(!problems.to_string().is_empty(), "no reason is given"),
    }
}

/// Events whose payloads are read.
const EVENTS: [&str; 9] = [
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review",
    "installation",
    "installation_repositories",
    "repository",
    "push",
];

/// Reads a delivery's body as that of every event: what nobody has heard of changes nothing, and what
/// cannot be read is told in a few words.
pub fn deliveries(bytes: &[u8]) {
    let received = Timestamp::from_millis(1);
    let more = serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|body| {
            let plain = body.to_string();
            let Value::Object(mut members) = body else {
                return None;
            };
            members.insert(
                "unheard_of".to_owned(),
                serde_json::json!({ "action": [1] }),
            );
            Some((plain, Value::Object(members).to_string()))
        });
    for event in EVENTS {
        match Webhooks.translate(event, bytes, received) {
            Ok(_) => assert!(std::str::from_utf8(bytes).is_ok(), "an event of no text"),
            Err(unreadable) => {
                assert!(unreadable.reason.chars().count() <= 400, "{unreadable}");
            }
        }
        if let Some((plain, more)) = &more {
            let [plain, more] =
                [plain, more].map(|body| Webhooks.translate(event, body.as_bytes(), received).ok());
            assert_eq!(plain, more, "{event}");
        }
    }
}

/// Reads what agents print by the rules of every preset: however it is cut, it means the same, and
/// what is kept of a line is short.
pub fn streams(bytes: &[u8]) {
    // Lines are cut off here, so that the end of them is met as well.
    const CAP: usize = 2_048;
    let size = bytes.first().map_or(1, |&byte| usize::from(byte % 61) + 1);
    for name in presets::names() {
        let rules = presets::find(name).expect("every preset is read").stream;
        let mean = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut lines, mut means) = (Lines::new(CAP), Vec::new());
            let mut each = |line: &[u8]| {
                assert!(line.len() <= CAP, "a line of {}", line.len());
                means.extend(updates(&rules, line));
            };
            for piece in pieces {
                lines.take(piece, &mut each);
            }
            let left_out = lines.finish(&mut each);
            (left_out, means)
        };
        let whole = mean(&mut std::iter::once(bytes));
        let cut = mean(&mut bytes.chunks(size));
        assert_eq!(whole, cut, "{name} in pieces of {size}");
        let mut heard = Heard::default();
        for update in whole.1 {
            heard.take(update, Timestamp::EPOCH);
        }
    }
}

/// Sieves what an agent prints that should speak JSON-RPC: what passes is a message, on one line, and
/// passes again.
pub fn messages(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime of one thread needs nothing");
    let found = runtime.block_on(agent::messages(bytes));
    for message in &found {
        assert!(!message.contains('\n'), "{message:?} is two lines");
        let read: Value = serde_json::from_str(message).expect("a message is JSON");
        assert_eq!(read.get("jsonrpc"), Some(&Value::from("2.0")));
    }
    let again = found.join("\n");
    assert_eq!(runtime.block_on(agent::messages(again.as_bytes())), found);
}

/// Reads the body of a model call, of the API that the first byte says: what is passed on is understood
/// as what it was understood as before, and needs no other change.
pub fn requests(bytes: &[u8]) {
    let Some((&how, body)) = bytes.split_first() else {
        return;
    };
    let (api, path) = match how % 4 {
        0 => (Api::Anthropic, "/v1/messages"),
        1 => (Api::OpenAi, "/v1/chat/completions"),
        2 => (Api::OpenAi, "/v1/responses"),
        _ => (Api::Gemini, "/v1beta/models/g:generateContent"),
    };
    if let Some(first) = gateway::passed_on(api, path, body) {
        serde_json::from_slice::<serde::de::IgnoredAny>(&first.body).expect("still JSON");
        let again = gateway::passed_on(api, path, &first.body).expect("it was understood");
        assert_eq!(again.model, first.model);
        assert_eq!(again.body, first.body, "it is changed once more");
        assert_eq!(again.withheld, Vec::<String>::new(), "it still has them");
    }
    let query = gateway::query(&String::from_utf8_lossy(body));
    let plain = |c: char| c.is_ascii_alphanumeric() || "?&=-_.~".contains(c);
    assert!(query.chars().all(plain), "{query:?}");
    assert!(!query.contains("key="), "{query:?}");
}

/// A key in the environment of the server that settings are read for.
const KEY: &str = "the key of the host";

/// Reads the settings of a server: every problem is told, and no key is shown.
pub fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let nowhere = Path::new("/nonexistent");
    let variables = [("PROVA_MODELS__MAIN__KEY".to_owned(), KEY.to_owned())];
    for variables in [variables.into(), std::collections::BTreeMap::new()] {
        match load("prova.toml", &text, nowhere, (&variables, Need::Local)) {
            Ok(settings) => assert!(!format!("{settings:?}").contains(KEY), "a key is shown"),
            Err(problems) => {
                let told = problems.to_string();
                assert!(!told.is_empty() && !told.contains(KEY), "{told}");
            }
        }
    }
}

/// Takes the secret that the first line is out of the rest: it is not there any more, and neither is
/// any other text changed that holds none.
pub fn secrets(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (secret, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let redactor = Redactor::new([secret]);
    let redacted = redactor.redact(rest);
    let secret = secret.trim();
    if secret.len() >= MIN_VALUE {
        // What is put in its place may itself hold a part of it.
        let held = redacted.split(REDACTED).any(|kept| kept.contains(secret));
        assert!(!held, "{secret:?} is in {redacted:?}");
    } else {
        assert_eq!(redacted, Redactor::default().redact(rest));
    }
    if !redacted.contains(REDACTED) {
        assert_eq!(redacted, rest);
    }
}
