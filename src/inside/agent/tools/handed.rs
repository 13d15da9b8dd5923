//! What the model hands in beside its words: answers to comments of a review, and what a review found.
//!
//! Each is a call of its own. So a long result need not fit into one answer, and what was handed in is
//! there however the work ends.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::evidence::{
    FINDING_CHARS, FINDINGS, Finding, PATH_CHARS, REPLIES, REPLY_CHARS, Severity,
};
use crate::inside::agent::clip::line;
use crate::inside::agent::settings::Wants;

/// The most bytes of the result that all of it may take; the rest is for the words.
pub(in crate::inside::agent) const BYTES: usize = 36 * 1024;
/// The most numbers that are listed.
const LISTED: usize = 20;

/// What is said to one comment.
#[derive(Debug, Deserialize)]
pub(super) struct ToComment {
    comment: usize,
    text: String,
    #[serde(default = "done")]
    done: bool,
}

/// What of a reply is not said is that something was done.
const fn done() -> bool {
    true
}

impl ToComment {
    pub(super) fn title(&self) -> String {
        format!("reply to comment {}", self.comment)
    }
}

/// What was found.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    path: String,
    #[serde(default)]
    line: u64,
    severity: String,
    body: String,
}

impl Found {
    pub(super) fn title(&self) -> String {
        format!("finding {}:{}", self.path, self.line)
    }
}

/// All that was handed in.
#[derive(Debug, Default)]
pub(in crate::inside::agent) struct Handed {
    wants: Wants,
    /// The root of the checkout, with a slash behind it.
    root: String,
    replies: BTreeMap<usize, (String, bool)>,
    /// The worst first, and of the same severity the first.
    findings: Vec<Finding>,
}

impl Handed {
    pub(super) fn new(wants: Wants, root: &str) -> Self {
        Self {
            wants,
            root: format!("{root}/"),
            ..Self::default()
        }
    }

    /// Takes what is said to a comment, in the place of what was said to it before.
    pub(super) fn reply(&mut self, said: ToComment) -> Result<String, String> {
        let ToComment {
            comment,
            text,
            done,
        } = said;
        let most = self.wants.comments;
        if !(1..=most).contains(&comment) {
            return Err(format!(
                "there is no comment {comment}; the task numbers them from 1 to {most}"
            ));
        }
        let (text, cut) = cut(&text, REPLY_CHARS);
        if text.is_empty() {
            return Err("the text is empty".to_owned());
        }
        if self.replies.len() == REPLIES && !self.replies.contains_key(&comment) {
            return Err(format!("{REPLIES} replies are taken, and no more"));
        }
        let before = self.replies.insert(comment, (text, done));
        if self.bytes() > BYTES {
            match before {
                Some(before) => self.replies.insert(comment, before),
                None => self.replies.remove(&comment),
            };
            return Err(format!(
                "there is no room for it: {BYTES} bytes for all replies together, as JSON. Say it \
                 shorter, or shorten others"
            ));
        }
        Ok(format!("taken{cut}"))
    }

    /// Takes what was found. Where there is no room, what is milder makes it.
    pub(super) fn finding(&mut self, found: &Found) -> Result<String, String> {
        let path = found.path.trim();
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        let path = path.strip_prefix("./").unwrap_or(path);
        if path.chars().count() > PATH_CHARS {
            return Err(format!("a path has at most {PATH_CHARS} characters"));
        }
        let (body, cut) = cut(&found.body, FINDING_CHARS);
        if body.is_empty() {
            return Err("the body is empty".to_owned());
        }
        let new = Finding {
            path: path.to_owned(),
            line: found.line,
            severity: Severity::of(&found.severity),
            body,
        };
        let is_same =
            |one: &Finding| (&one.path, one.line, &one.body) == (&new.path, new.line, &new.body);
        if self.findings.iter().any(is_same) {
            return Ok("it was handed in before".to_owned());
        }
        let at = self
            .findings
            .partition_point(|one| one.severity <= new.severity);
        let before = self.findings.clone();
        let mut milder = self.findings.split_off(at);
        self.findings.push(new);
        let mut left_out = 0;
        self.findings.append(&mut milder);
        while self.findings.len() > FINDINGS || self.bytes() > BYTES {
            self.findings.pop();
            left_out += 1;
        }
        if self.findings.len() <= at {
            self.findings = before;
            return Err(format!(
                "there is no room for it beside what is as bad or worse: {FINDINGS} findings at most, and \
                 {BYTES} bytes for all together, as JSON"
            ));
        }
        Ok(match left_out {
            0 => format!("taken{cut}"),
            _ => format!("taken{cut}; {left_out} of what is milder had to make room"),
        })
    }

    /// Returns what is missing, for the model.
    pub(super) fn owed(&self) -> Option<String> {
        let most = self.wants.comments.min(REPLIES);
        let missing = (1..=most).filter(|number| !self.replies.contains_key(number));
        let missing: Vec<_> = missing.map(|number| number.to_string()).collect();
        let (first, rest) = missing.split_at(missing.len().min(LISTED));
        let more = match rest.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!first.is_empty()).then(|| {
            format!(
                "[It is not finished yet: what you did is kept, but of the comments of the review these have \
                 no reply from you: {}{more}. Call reply for each of them that the task shows, and then \
                 finish once more.]",
                first.join(", ")
            )
        })
    }

    /// Returns the members of the result that it makes.
    pub(in crate::inside::agent) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        if !self.replies.is_empty() {
            let replies = self.replies.iter().map(|(comment, (text, done))| {
                (comment.to_string(), json!({"text": text, "done": done}))
            });
            members.insert("replies".to_owned(), Value::Object(replies.collect()));
        }
        if !self.findings.is_empty() {
            members.insert("findings".to_owned(), json!(self.findings));
        }
        members
    }

    fn bytes(&self) -> usize {
        Value::Object(self.members()).to_string().len()
    }
}

/// Returns a text within so many characters, and what to say of that.
fn cut(text: &str, chars: usize) -> (String, String) {
    let text = text.trim();
    if text.chars().count() <= chars {
        return (text.to_owned(), String::new());
    }
    let said = format!(", but cut off after {chars} characters");
    (line(text, chars.saturating_sub(1)), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(comments: usize, findings: bool) -> Handed {
        Handed::new(Wants { comments, findings }, "/workspace")
    }

    fn said(comment: usize, text: &str) -> ToComment {
        ToComment {
            comment,
            text: text.to_owned(),
            done: true,
        }
    }

    fn found(path: &str, severity: &str, body: &str) -> Found {
        Found {
            path: path.to_owned(),
            line: 3,
            severity: severity.to_owned(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn each_comment_has_one_reply_and_what_is_owed_is_told() {
        let mut handed = handed(3, false);
        assert!(handed.owed().unwrap().contains(": 1, 2, 3."));
        assert_eq!(handed.reply(said(2, " old ")), Ok("taken".to_owned()));
        let left = ToComment {
            done: false,
            ..said(2, "new")
        };
        assert_eq!(handed.reply(left), Ok("taken".to_owned()));
        for (wrong, told) in [
            (said(0, "x"), "from 1 to 3"),
            (said(4, "x"), "there is no comment 4"),
            (said(1, " \n"), "empty"),
        ] {
            let error = handed.reply(wrong).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert!(handed.owed().unwrap().contains(": 1, 3."));
        handed.reply(said(1, "a")).unwrap();
        let long = handed.reply(said(3, &"ä".repeat(3_000))).unwrap();
        assert!(long.contains("cut off after 2000"), "{long}");
        assert_eq!(handed.owed(), None);
        let members = Value::Object(handed.members());
        assert_eq!(
            members["replies"]["2"],
            json!({"text": "new", "done": false})
        );
        let third = members["replies"]["3"]["text"].as_str().unwrap();
        assert_eq!(third.chars().count(), REPLY_CHARS);
        assert!(members.get("findings").is_none());
    }

    #[test]
    fn replies_stay_within_bounds() {
        let mut many = handed(150, false);
        for comment in 1..=REPLIES {
            many.reply(said(comment, "x")).unwrap();
        }
        assert!(many.reply(said(101, "x")).unwrap_err().contains("no more"));
        many.reply(said(100, "y")).unwrap();
        assert_eq!(many.owed(), None, "no more than are taken");

        let mut long = handed(30, false);
        let text = "\u{1}".repeat(REPLY_CHARS);
        let taken = (1..=30).filter(|n| long.reply(said(*n, &text)).is_ok());
        let taken = taken.count();
        assert!(long.bytes() <= BYTES && taken == 3, "{taken}");
        let error = long.reply(said(30, &text)).unwrap_err();
        assert!(error.contains("no room"), "{error}");
        assert!(long.owed().unwrap().contains(" and 7 more"));
        long.reply(said(1, "short")).unwrap();
        long.reply(said(30, &text)).unwrap();
    }

    #[test]
    fn what_is_refused_takes_nothing_with_it() {
        let mut handed = handed(0, true);
        let fill = "\u{1}".repeat(FINDING_CHARS);
        while handed.bytes() + 6 * FINDING_CHARS < BYTES {
            let path = format!("{}.rs", handed.findings.len());
            handed.finding(&found(&path, "high", &fill)).unwrap();
        }
        handed.finding(&found("a.rs", "low", "nit")).unwrap();
        let kept = handed.findings.clone();
        let error = handed.finding(&found("b.rs", "medium", &fill)).unwrap_err();
        assert!(error.contains("no room"), "{error}");
        assert_eq!(handed.findings, kept);
    }

    #[test]
    fn the_worst_findings_stay() {
        let mut handed = handed(0, true);
        for (path, severity, body) in [
            ("/workspace/a.rs", "low", "nit"),
            ("./b.rs", "HIGH", "first"),
            ("c.rs", "urgent", "middle"),
            ("d.rs", "high", "second"),
        ] {
            handed.finding(&found(path, severity, body)).unwrap();
        }
        let again = handed.finding(&found("a.rs", "high", "nit")).unwrap();
        assert!(again.contains("before"), "{again}");
        assert!(handed.finding(&found("a.rs", "high", " ")).is_err());
        let long = "p/".repeat(PATH_CHARS);
        assert!(handed.finding(&found(&long, "high", "x")).is_err());
        let members = Value::Object(handed.members());
        let line = |path, severity, body| json!({"path": path, "line": 3, "severity": severity, "body": body});
        assert_eq!(
            members["findings"],
            json!([
                line("b.rs", "high", "first"),
                line("d.rs", "high", "second"),
                line("c.rs", "medium", "middle"),
                line("a.rs", "low", "nit"),
            ])
        );
        for n in 0..FINDINGS {
            let said = handed.finding(&found("e.rs", "medium", &n.to_string()));
            // The fiftieth takes the place of the nit; the next ones find no milder one.
            match n {
                0..46 => assert_eq!(said.unwrap(), "taken"),
                46 => assert!(said.unwrap().contains("1 of what is milder")),
                _ => assert!(said.unwrap_err().contains("no room")),
            }
        }
        assert_eq!(handed.findings.len(), FINDINGS);
        let large = "\u{1}".repeat(FINDING_CHARS);
        let said = handed.finding(&found("f.rs", "high", &large)).unwrap();
        assert!(said.contains("milder"), "{said}");
        assert!(handed.bytes() <= BYTES);
        assert_eq!(handed.findings[2].path, "f.rs");
        assert_eq!(handed.owed(), None, "a review may find nothing");
    }
}
