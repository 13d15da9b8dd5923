//! What the fuzz targets do with bytes, and what must then be true. `tests/fuzz` includes this file
//! and runs the same with arbitrary bytes, seeds and what once failed, on every test run.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use prova::adapters::gateway::untrusted as gateway;
use prova::adapters::git::untrusted;
use prova::domain::change::HarvestLimits;
use prova::domain::command::mention::Mention;
use prova::domain::command::parse::{MAX_COMMANDS, parse};
use prova::domain::egress::{HostRule, Target};
use prova::domain::model::Api;
use prova::domain::sanitize::{neutral, visible};

/// What stands outside of the directory that is walked.
const SECRET: &[u8] = b"the secret of the host";

/// Builds a directory as the bytes say and surveys it: nothing from outside is found, and what is
/// found is there.
pub fn walker(bytes: &[u8]) {
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
    let kept = surveyed.kept;
    let holds = kept.windows(SECRET.len()).any(|window| window == SECRET);
    assert!(!holds, "what stands outside was read");
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
    let mut depth = path.iter().filter(|&&byte| byte == b'/').count();
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
}

/// Reads the commands of a comment.
pub fn commands(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = parse(&text, &Mention::new("prova"));
    assert!(found.len() <= MAX_COMMANDS + 1, "a flood of commands");
    let named = text.to_lowercase().contains("@prova");
    assert!(named || found.is_empty(), "a command for nobody");
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
    let api = [Api::Anthropic, Api::OpenAi, Api::Gemini][usize::from(how % 3)];
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
