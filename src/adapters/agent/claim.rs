//! The agent's claim, read from a file in a directory where the agent may have put anything.

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::adapters::agent::leftover;
use crate::domain::evidence::{
    Claim, FINDING_CHARS, FINDINGS, Finding, PATH_CHARS, REPLIES, REPLY_CHARS, RESULT_BYTES,
    Severity,
};

const TITLE_CHARS: usize = 200;
const TEXT_CHARS: usize = 20_000;

/// Reads `name` in `dir`. A claim is optional and never counted, so whatever is wrong with it is
/// logged and there is none.
pub(super) fn read(dir: &Path, name: &str) -> Option<Claim> {
    match leftover::read(dir, name, RESULT_BYTES as u64) {
        Ok(bytes) => parse(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::debug!(%error, "the agent's result file is not read");
            None
        }
    }
}

/// Makes a claim of an agent's last words.
pub(super) fn of_words(words: &str) -> Option<Claim> {
    let words = words.trim();
    (!words.is_empty()).then(|| Claim {
        summary: Some(words.chars().take(TEXT_CHARS).collect()),
        ..Claim::default()
    })
}

/// Takes what has the right shape and leaves the rest.
fn parse(bytes: &[u8]) -> Option<Claim> {
    let value = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => value,
        Err(error) => {
            tracing::debug!(%error, "the agent's result file is not JSON");
            return None;
        }
    };
    let claim = Claim {
        title: text(&value, "title", TITLE_CHARS),
        summary: text(&value, "summary", TEXT_CHARS),
        notes: text(&value, "notes", TEXT_CHARS),
        replies: replies(&value),
        left: left(&value),
        findings: findings(&value),
    };
    (claim != Claim::default()).then_some(claim)
}

fn text(value: &Value, key: &str, max_chars: usize) -> Option<String> {
    let found = value.get(key)?;
    let Some(text) = found.as_str() else {
        tracing::debug!(key, "the agent's result has something other than text here");
        return None;
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(max_chars).collect())
}

/// Reads what is said to each comment of a review, by its number in the brief.
fn replies(value: &Value) -> Vec<(usize, String)> {
    let Some(found) = value.get("replies").and_then(Value::as_object) else {
        return Vec::new();
    };
    let each = found.iter().filter_map(|(key, said)| {
        // What was done may be said with it.
        let said = if said.is_object() {
            text(said, "text", REPLY_CHARS)?
        } else {
            text(value.get("replies")?, key, REPLY_CHARS)?
        };
        Some((key.trim().parse().ok()?, said))
    });
    each.take(REPLIES).collect()
}

/// Reads which comments of a review nothing was done about: `{"1": {"text": "…", "done": false}}`.
fn left(value: &Value) -> Vec<usize> {
    let found = value.get("replies").and_then(Value::as_object);
    let each = found.into_iter().flatten().filter_map(|(key, said)| {
        let done = said.get("done").and_then(Value::as_bool)?;
        (!done).then(|| key.trim().parse().ok())?
    });
    each.take(REPLIES).collect()
}

/// Reads what was found in a review; of more than it may have, the worst.
fn findings(value: &Value) -> Vec<Finding> {
    let found = value.get("findings").and_then(Value::as_array);
    let each = found.into_iter().flatten().filter_map(|one| {
        let path = text(one, "path", PATH_CHARS).unwrap_or_default();
        let severity = text(one, "severity", PATH_CHARS).unwrap_or_default();
        Some(Finding {
            path: path.strip_prefix("./").unwrap_or(&path).to_owned(),
            line: one.get("line").and_then(Value::as_u64).unwrap_or(0),
            severity: Severity::of(&severity),
            body: text(one, "body", FINDING_CHARS)?,
        })
    });
    let mut findings: Vec<_> = each.collect();
    findings.sort_by_key(|one| one.severity);
    if findings.len() > FINDINGS {
        tracing::debug!(found = findings.len(), "the agent found more than is kept");
    }
    findings.truncate(FINDINGS);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn claim(title: &str) -> Claim {
        Claim {
            title: Some(title.to_owned()),
            ..Claim::default()
        }
    }

    #[test]
    fn what_has_the_right_shape_is_taken() {
        assert_eq!(
            parse(br#"{"title":" a ","summary":7,"more":[]}"#),
            Some(claim("a"))
        );
        for nothing in [
            &b""[..],
            b"null",
            b"[]",
            b"\"title\"",
            b"{}",
            b"{\"title\":\" \"}",
            b"{\"title\":\"\xff\"}",
        ] {
            assert_eq!(parse(nothing), None, "{nothing:?}");
        }
        let deep = "[".repeat(60_000);
        assert_eq!(parse(deep.as_bytes()), None);
    }

    #[test]
    fn answers_to_comments_are_read_by_their_numbers() {
        let said = br#"{"replies":{"1":" done ","2":7,"two":"no","3":" ","04":"yes"}}"#;
        let replies = parse(said).unwrap().replies;
        let expected = [(1, "done".to_owned()), (4, "yes".to_owned())];
        assert_eq!(replies, expected);
        assert_eq!(parse(br#"{"replies":["done"]}"#), None);
        let said =
            br#"{"replies":{"1":{"text":" kept ","done":false},"2":{"text":"done","done":true},
            "3":{"done":false},"4":{"text":"so so","done":"no"},"x":{"text":"y","done":false}}}"#;
        let claim = parse(said).unwrap();
        let replies = [(1, "kept"), (2, "done"), (4, "so so")];
        assert_eq!(
            claim.replies,
            replies.map(|(to, said)| (to, said.to_owned()))
        );
        assert_eq!(claim.left, [1, 3]);
    }

    #[test]
    fn findings_are_read_leniently_and_the_worst_come_first() {
        let said = br#"{"findings":[
            {"path":"./a.rs","line":3,"severity":"low","body":" a nit "},
            {"path":"b.rs","line":"7","severity":"URGENT","body":"two"},
            {"body":"anywhere","severity":"High"},
            {"path":"c.rs","line":1,"severity":"high"}, 7, {"body":""}]}"#;
        let finding = |path: &str, line, severity, body: &str| Finding {
            path: path.to_owned(),
            line,
            severity,
            body: body.to_owned(),
        };
        assert_eq!(
            parse(said).unwrap().findings,
            [
                finding("", 0, Severity::High, "anywhere"),
                finding("b.rs", 0, Severity::Medium, "two"),
                finding("a.rs", 3, Severity::Low, "a nit"),
            ]
        );
        assert_eq!(parse(br#"{"findings":{"body":"x"}}"#), None);
        let one = r#"{"body":"x","severity":"low"},"#;
        let many = format!(
            r#"{{"findings":[{}{{"body":"bad","severity":"high"}}]}}"#,
            one.repeat(80)
        );
        let kept = parse(many.as_bytes()).unwrap().findings;
        assert_eq!((kept.len(), kept[0].body.as_str()), (FINDINGS, "bad"));
    }

    #[test]
    fn last_words_are_a_summary() {
        assert_eq!(of_words(" \n"), None);
        let said = of_words(" done\n").unwrap();
        assert_eq!((said.title, said.summary.as_deref()), (None, Some("done")));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let title = "ä".repeat(300);
        let got = parse(format!(r#"{{"title":"{title}"}}"#).as_bytes()).unwrap();
        assert_eq!(got.title.unwrap().chars().count(), TITLE_CHARS);
    }

    #[test]
    fn only_a_regular_file_of_modest_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let good = r#"{"title":"x"}"#;
        std::fs::write(at("good"), good).unwrap();
        std::fs::write(at("large"), format!("{good}{}", " ".repeat(70_000))).unwrap();
        symlink("good", at("link")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        assert_eq!(read(dir.path(), "good"), Some(claim("x")));
        for name in ["large", "link", "directory", "missing"] {
            assert_eq!(read(dir.path(), name), None, "{name}");
        }
        symlink(dir.path(), at("linked-directory")).unwrap();
        assert_eq!(read(&at("linked-directory"), "good"), None);
    }
}
