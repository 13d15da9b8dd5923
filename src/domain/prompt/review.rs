//! The review that a request was made by, comment by comment.

use std::fmt::Write as _;

use crate::domain::job::Request;
use crate::domain::policy::Untrusted;
use crate::domain::prompt::{room, said};
use crate::domain::review::{ReviewComment, Side, Spot, Verdict};
use crate::domain::sanitize::{neutral, visible};

/// Returns whether what was asked is what a comment of the review says.
pub(super) fn says(request: &Request) -> bool {
    let asked = request.text.trim();
    let review = request.review.as_ref();
    review.is_some_and(|review| review.comments.iter().any(|one| one.body.contains(asked)))
}

/// Writes the comments on lines; `first` is the number of the first of them.
pub(super) fn comments(
    out: &mut String,
    (first, request): (usize, &Request),
    untrusted: Untrusted,
) {
    let Some(review) = request
        .review
        .as_ref()
        .filter(|one| !one.comments.is_empty())
    else {
        return;
    };
    let by = &request.by.login;
    let verdict = match review.verdict {
        Verdict::Approved => " approves, and",
        Verdict::ChangesRequested => " wants changes, and",
        Verdict::Commented => "",
    };
    let _ = write!(
        out,
        "## What the review says of single lines\n\n@{by}{verdict} says of these places of the change:\n\n"
    );
    let (mut room, mut shown) = (room::Room::new(room::REVIEW), 0);
    for (number, one) in (first..).zip(&review.comments) {
        let text = comment((number, one), request.is_of_bot(), untrusted);
        if !room.take(&text) {
            break;
        }
        out.push_str(&text);
        shown += 1;
    }
    let skipped = review.comments.len().saturating_sub(shown);
    if skipped > 0 {
        let _ = write!(out, "({skipped} more comments are left out.)\n\n");
    }
}

fn comment(
    (number, comment): (usize, &ReviewComment),
    of_bot: bool,
    untrusted: Untrusted,
) -> String {
    let path = neutral::inline(&comment.path, 300);
    let mut text = format!("### Comment {number}, on {path}{}\n\n", place(comment.spot));
    for before in &comment.earlier {
        if before.insider || untrusted == Untrusted::Quote {
            let body = visible::visible(&before.body, room::HUNK / 5);
            let body = said(&body, before.insider, room::HUNK / 5);
            let _ = write!(text, "@{} said before:\n\n{body}", before.author);
        }
    }
    let body = visible::visible(&comment.body, room::REMARK);
    text.push_str(&said(body.trim(), !of_bot, room::REMARK));
    if comment.suggestions() > 0 {
        text.push_str(match comment.spot {
            Spot::Lines(..) => {
                "What stands in a `suggestion` block is proposed in the place of these lines, as it is.\n\n"
            }
            Spot::File | Spot::Outdated(..) => {
                "What stands in a `suggestion` block was proposed for lines that have changed since, so it \
                 cannot be put in as it is: do what it means, or say why not.\n\n"
            }
        });
    }
    if !comment.hunk.trim().is_empty() {
        let hunk = neutral::fenced(&last(&comment.hunk, room::HUNK / 3));
        let _ = write!(
            text,
            "It was written on this part of the change:\n\n{hunk}\n\n"
        );
    }
    text
}

fn place(spot: Spot) -> String {
    let lines = |from: u64, to: u64| {
        if from == to {
            format!("line {to}")
        } else {
            format!("lines {from} to {to}")
        }
    };
    match spot {
        Spot::File => ", the whole file".to_owned(),
        Spot::Lines(from, to, Side::After) => format!(", {}", lines(from, to)),
        Spot::Lines(from, to, Side::Before) => {
            format!(", {} of the file before the change", lines(from, to))
        }
        Spot::Outdated(from, to) => format!(
            ", {} when it was written; they have changed since",
            lines(from, to)
        ),
    }
}

/// Returns the end of a hunk: the line that is spoken of is the last one.
fn last(hunk: &str, chars: usize) -> String {
    let from = hunk.char_indices().rev().nth(chars).map_or(0, |(at, _)| at);
    let end = visible::visible(hunk.get(from..).unwrap_or_default(), chars);
    match end.split_once('\n') {
        Some((_, whole)) if from > 0 => format!("…\n{whole}"),
        Some(_) | None => end,
    }
}
