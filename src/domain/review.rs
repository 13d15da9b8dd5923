//! A review of a pull request: its verdict, and what it says of single lines.

use serde::{Deserialize, Serialize};

use crate::domain::blocks::blocks;
use crate::domain::ids::{CommentId, Login, ReviewId};

/// A review as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// What the reviewer decided.
    pub verdict: Verdict,
    /// What it says as a whole, as Markdown; may be empty.
    pub body: String,
    /// What it says of lines, oldest first. No delivery carries them, so they are read before a
    /// decision.
    pub comments: Vec<ReviewComment>,
}

/// What a reviewer decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The change may be merged.
    Approved,
    /// The change must change.
    ChangesRequested,
    /// Neither; GitHub reports a single comment on a line as a review, too.
    Commented,
}

/// What a review says of some lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewComment {
    /// Its id.
    pub id: CommentId,
    /// The comment that its conversation begins with, itself when it is the first. GitHub takes answers
    /// to that one alone.
    pub root: CommentId,
    /// Its Markdown.
    pub body: String,
    /// The file.
    pub path: String,
    /// Which part of the file.
    pub spot: Spot,
    /// The end of the part of the diff that it was written on, down to its line.
    pub hunk: String,
    /// What was said before in its conversation, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Said>,
}

/// Which part of a file a comment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// All of it.
    File,
    /// These lines, counted from 1, both included.
    Lines(u64, u64, Side),
    /// Lines that have changed since. They had these numbers then.
    Outdated(u64, u64),
}

/// A side of a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// As it was before the pull request.
    Before,
    /// As the pull request has it.
    After,
}

/// What somebody said before in a conversation about lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub author: Login,
    /// Whether GitHub says that the author belongs to the repository.
    pub insider: bool,
    /// Its Markdown.
    pub body: String,
}

/// A comment on lines as it stands on GitHub, by whomever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// What it says, without what was said before it.
    pub comment: ReviewComment,
    /// The review that it is part of; GitHub has none for some very old ones.
    pub review: Option<ReviewId>,
    /// Who wrote it.
    pub author: Login,
    /// Whether GitHub says that the author belongs to the repository.
    pub insider: bool,
    /// Whether the App wrote it.
    pub ours: bool,
}

impl Review {
    /// Returns the one comment that is all of it: what a person wrote at a line without beginning a
    /// review, or as an answer to another.
    #[must_use]
    pub fn lone(&self) -> Option<&ReviewComment> {
        match (self.verdict, self.comments.as_slice()) {
            (Verdict::Commented, [one]) if self.body.trim().is_empty() => Some(one),
            (Verdict::Approved | Verdict::ChangesRequested | Verdict::Commented, _) => None,
        }
    }
}

impl ReviewComment {
    /// Returns what the reviewer proposes to put in the place of the lines.
    #[must_use]
    pub fn suggestions(&self) -> usize {
        let found = blocks(&self.body);
        found.iter().filter(|b| b.language == "suggestion").count()
    }
}

/// Returns the comments of a review among all that stand on its pull request, each with what was said
/// before it in its conversation.
#[must_use]
pub fn comments_of(review: ReviewId, mut posted: Vec<Posted>) -> Vec<ReviewComment> {
    posted.sort_by_key(|one| one.comment.id);
    let ours = posted.iter().filter(|one| one.review == Some(review));
    ours.map(|one| {
        let mut comment = one.comment.clone();
        let before =
            |other: &&Posted| other.comment.root == comment.root && other.comment.id < comment.id;
        comment.earlier = posted.iter().filter(before).map(Posted::said).collect();
        comment
    })
    .collect()
}

impl Posted {
    fn said(&self) -> Said {
        Said {
            author: self.author.clone(),
            insider: self.insider,
            body: self.comment.body.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(id: u64, root: u64, review: u64) -> Posted {
        Posted {
            comment: ReviewComment {
                id: CommentId(id),
                root: CommentId(root),
                body: format!("comment {id}"),
                path: "a".to_owned(),
                spot: Spot::File,
                hunk: String::new(),
                earlier: Vec::new(),
            },
            review: Some(ReviewId(review)),
            author: Login::new("octo"),
            insider: true,
            ours: false,
        }
    }

    #[test]
    fn a_review_has_its_own_comments_with_what_was_said_before_them() {
        let all = vec![
            posted(5, 1, 8),
            posted(4, 4, 9),
            posted(3, 1, 9),
            posted(2, 2, 7),
            posted(1, 1, 7),
        ];
        let told: Vec<_> = comments_of(ReviewId(9), all)
            .into_iter()
            .map(|one| {
                (
                    one.id.0,
                    one.earlier.into_iter().map(|said| said.body).collect(),
                )
            })
            .collect::<Vec<(u64, Vec<String>)>>();
        let expected = vec![(3, vec!["comment 1".to_owned()]), (4, Vec::new())];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_comment_alone_is_told_from_a_review() {
        let review = |verdict, body: &str, comments: &[u64]| Review {
            id: ReviewId(1),
            verdict,
            body: body.to_owned(),
            comments: comments
                .iter()
                .map(|id| posted(*id, *id, 1).comment)
                .collect(),
        };
        for (review, lone) in [
            (review(Verdict::Commented, " \n", &[3]), true),
            (review(Verdict::Commented, "so", &[3]), false),
            (review(Verdict::Commented, "", &[3, 4]), false),
            (review(Verdict::Commented, "", &[]), false),
            (review(Verdict::ChangesRequested, "", &[3]), false),
            (review(Verdict::Approved, "", &[3]), false),
        ] {
            assert_eq!(review.lone().is_some(), lone, "{review:?}");
        }
    }

    #[test]
    fn suggestions_are_counted_and_quotes_of_them_are_not() {
        for (body, count) in [
            (
                "Shorter:\n\n```suggestion\nthe\n```\n\nor\n\n```suggestion\n```",
                2,
            ),
            ("> ```suggestion\n> the\n> ```\n\nNo.", 0),
            ("```rust\nthe\n```", 0),
        ] {
            let mut comment = posted(1, 1, 1).comment;
            comment.body = body.to_owned();
            assert_eq!(comment.suggestions(), count, "{body}");
        }
    }
}
