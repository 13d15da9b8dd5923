//! Which issues and pull requests of the same repository a text names, as GitHub would link them:
//! `#12`, `owner/name#12`, or by their whole address. Code names none, and neither does what is
//! hidden.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::domain::event::ThreadEvent;
use crate::domain::ids::{RepoName, ThreadNumber};
use crate::domain::job::Remark;
use crate::domain::markdown::dialect;
use crate::domain::policy::Untrusted;
use crate::domain::surroundings::Linked;
use crate::domain::task::Task;

/// How many of the threads that a conversation names are read.
pub const LINKED: usize = 5;
/// No thread has a longer number.
const MOST_DIGITS: usize = 10;

/// Returns the threads that a text names, in order, each once.
#[must_use]
pub fn references(markdown: &str, repo: &RepoName, web_url: &str) -> Vec<ThreadNumber> {
    let mut reader = Reader {
        repo: repo.to_string().to_ascii_lowercase(),
        page: format!("{web_url}/{repo}/").to_ascii_lowercase(),
        found: Vec::new(),
    };
    // The parser cuts text at brackets and underscores.
    let mut run = String::new();
    let mut in_code = false;
    for event in Parser::new_ext(markdown, dialect()) {
        match event {
            Event::Text(text) if !in_code => {
                run.push_str(&text);
                continue;
            }
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::Link { dest_url, .. }) => reader.address(&dest_url),
            Event::Text(_)
            | Event::Start(_)
            | Event::End(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
        reader.text(&std::mem::take(&mut run));
    }
    reader.text(&run);
    reader.found
}

/// Returns what was said when something was asked for.
fn asked(event: &ThreadEvent) -> Vec<&str> {
    let what = &event.what;
    let comment = what.comment().map(|comment| comment.body.as_str());
    let review = what.review().into_iter().flat_map(|review| {
        let lines = review.comments.iter().map(|one| one.body.as_str());
        std::iter::once(review.body.as_str()).chain(lines)
    });
    comment.into_iter().chain(review).collect()
}

/// Returns the issue that a task began with, as it was when it was asked for, for a request on the pull
/// request that does not speak of it: that one is known, and need not be read once more.
#[must_use]
pub fn known(
    event: &ThreadEvent,
    task: &Task,
    number: ThreadNumber,
    web_url: &str,
) -> Option<Linked> {
    let spoken_of = |text: &&str| references(text, &event.repo.name, web_url).contains(&number);
    if number != task.id.thread.number || asked(event).iter().any(spoken_of) {
        return None;
    }
    let request = &task.work.request;
    if request.thread.number == number {
        return Linked::freeze(request.thread.clone(), (request.at, request.at), request.at);
    }
    let linked = request.linked.iter().find(|one| one.number == number)?;
    linked.thread.is_some().then(|| linked.clone())
}

/// Returns the threads that a request and its conversation name, most relevant first: what was
/// asked, then the thread, then the newest comments. What policy leaves out names nothing.
#[must_use]
pub fn named(
    event: &ThreadEvent,
    remarks: &[Remark],
    untrusted: Untrusted,
    web_url: &str,
) -> Vec<ThreadNumber> {
    let heard = |insider: bool| insider || untrusted == Untrusted::Quote;
    let thread = &event.thread;
    let asked = asked(event);
    let own = heard(thread.insider).then_some([thread.title.as_str(), thread.body.as_str()]);
    let said = remarks.iter().rev().filter(|remark| heard(remark.insider));
    let texts = asked
        .into_iter()
        .chain(own.into_iter().flatten())
        .chain(said.map(|remark| remark.body.as_str()));
    let mut found = Vec::new();
    for number in texts.flat_map(|text| references(text, &event.repo.name, web_url)) {
        if found.len() < LINKED && number != thread.number && !found.contains(&number) {
            found.push(number);
        }
    }
    found
}

struct Reader {
    /// `owner/name` in lower case.
    repo: String,
    /// What the addresses of its pages begin with, in lower case.
    page: String,
    found: Vec<ThreadNumber>,
}

impl Reader {
    fn text(&mut self, text: &str) {
        for word in text.split(|c: char| c.is_whitespace() || "()[]{}<>,;\"'".contains(c)) {
            if word.contains("://") {
                self.address(word);
            } else if let Some((before, after)) = word.split_once('#') {
                let before = before.trim_start_matches(['.', ':', '*', '_', '!', '?']);
                if before.is_empty() || before.eq_ignore_ascii_case(&self.repo) {
                    self.number(after);
                }
            }
        }
    }

    /// Reads the address of a page.
    fn address(&mut self, address: &str) {
        let address = address.to_ascii_lowercase();
        let below = address.find(&self.page);
        let below = below.and_then(|at| address.get(at + self.page.len()..));
        let number = below.and_then(|below| {
            ["issues/", "pull/", "pulls/"]
                .iter()
                .find_map(|kind| below.strip_prefix(kind))
        });
        if let Some(number) = number {
            self.number(number);
        }
    }

    /// Reads the number that a text begins with.
    fn number(&mut self, text: &str) {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let goes_on = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let number = match digits.parse() {
            Ok(number) if number > 0 && digits.len() <= MOST_DIGITS && !goes_on => number,
            Ok(_) | Err(_) => return,
        };
        let number = ThreadNumber(number);
        if !self.found.contains(&number) {
            self.found.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<u64> {
        let repo = "octo/he_llo".parse().unwrap();
        let numbers = references(text, &repo, "https://github.test");
        numbers.into_iter().map(|number| number.0).collect()
    }

    #[test]
    fn what_github_links_is_found() {
        let cases: [(&str, &[u64]); 7] = [
            ("#12", &[12]),
            ("As in #12, (#3) and **#4**: see #12.", &[12, 3, 4]),
            ("octo/he_llo#5 and Octo/He_llo#6", &[5, 6]),
            ("https://github.test/octo/he_llo/issues/7", &[7]),
            (
                "<https://github.test/octo/he_llo/pull/8#discussion_r1>",
                &[8],
            ),
            ("[x](https://github.test/Octo/he_llo/issues/9?x=1)", &[9]),
            ("> quoted #10\n\n- listed #11", &[10, 11]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn what_it_does_not_link_is_not() {
        for text in [
            "",
            "# 12",
            "#0",
            "#12a",
            "#12345678901",
            "word#12",
            "other/repo#12",
            "`#12`",
            "```\n#12\n```",
            "    #12",
            "<!-- #12 -->",
            "https://github.test/octo/other/issues/12",
            "https://evil.test/octo/he_llo/issues/12",
            "https://github.test/octo/he_llo/issues/",
            "https://github.test/octo/he_llo/commit/12",
        ] {
            assert_eq!(found(text), Vec::<u64>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(#|1|/|octo|he_llo|https://github.test/|issues/|`|<|>| |\\PC){0,60}") {
            let _ = found(&text);
        }
    }
}
