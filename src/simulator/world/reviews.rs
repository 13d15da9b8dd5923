//! Reviews of pull requests and comments on their lines.

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::comments::Reaction;
use crate::simulator::world::render;
use crate::simulator::world::threads::{Thread, check_body};

/// What a reviewer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Only comments.
    Comment,
    /// Approved.
    Approve,
    /// Wants changes.
    RequestChanges,
}

impl Verdict {
    /// The `state` in GitHub's JSON (webhooks write it in lower case).
    pub(crate) fn state(self) -> &'static str {
        match self {
            Self::Comment => "COMMENTED",
            Self::Approve => "APPROVED",
            Self::RequestChanges => "CHANGES_REQUESTED",
        }
    }
}

/// A review.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) verdict: Verdict,
    pub(crate) commit: String,
    pub(crate) submitted_at: i64,
}

/// A comment on a line.
#[derive(Debug, Clone)]
pub(crate) struct ReviewComment {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) path: String,
    pub(crate) line: u64,
    pub(crate) commit: String,
    pub(crate) review: u64,
    pub(crate) in_reply_to: Option<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) reactions: Vec<Reaction>,
}

/// A line of a changed file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) path: &'a str,
    pub(crate) line: u64,
}

impl World {
    /// Submits a review and returns its id.
    pub(crate) fn submit_review(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        (verdict, body): (Verdict, &str),
    ) -> Result<u64, SimError> {
        self.writable(repo)?;
        check_body("PullRequestReview", body)?;
        let own = self.thread(repo, number)?.author == author;
        if own && verdict != Verdict::Comment {
            let what = if verdict == Verdict::Approve {
                "approve"
            } else {
                "request changes on"
            };
            return Err(SimError::unprocessable(format!(
                "Can not {what} your own pull request"
            )));
        }
        let id = self.insert_review(repo, number, author, (verdict, body))?;
        self.emit_review(repo, number, id, author)?;
        Ok(id)
    }

    fn insert_review(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        (verdict, body): (Verdict, &str),
    ) -> Result<u64, SimError> {
        let (id, now) = (self.next_id(), self.now());
        let pull = self.pull_mut(repo, number)?;
        pull.reviews.push(Review {
            id,
            author: author.to_owned(),
            body: body.to_owned(),
            verdict,
            commit: pull.head_sha.clone(),
            submitted_at: now,
        });
        Ok(id)
    }

    fn emit_review(
        &mut self,
        repo: u64,
        number: u64,
        id: u64,
        actor: &str,
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let thread = self.thread(repo, number)?;
        let review = thread.as_pull()?.review(id)?;
        let mut rendered = render::pulls::review(self, repository, thread, review);
        rendered.set("state", json!(review.verdict.state().to_lowercase()));
        let payload = json!({
            "action": "submitted",
            "review": rendered,
            "pull_request": render::pulls::short_pull(self, repository, thread),
        });
        self.emit(repo, actor, "pull_request_review", payload);
        Ok(())
    }

    /// Comments on a line of a pull request: a review of one comment, as GitHub makes of it.
    pub(crate) fn comment_on_line(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        (line, body): (Line<'_>, &str),
    ) -> Result<u64, SimError> {
        let pull = self.pull_mut(repo, number)?.clone();
        let contents = self
            .repository(repo)?
            .contents(&pull.base_sha, &pull.head_sha)?;
        if !contents
            .changes
            .iter()
            .any(|change| change.path == line.path)
        {
            return Err(SimError::field(
                "PullRequestReviewComment",
                "path",
                "invalid",
            ));
        }
        let comment = ReviewComment {
            id: 0,
            author: author.to_owned(),
            body: body.to_owned(),
            path: line.path.to_owned(),
            line: line.line,
            commit: pull.head_sha,
            review: 0,
            in_reply_to: None,
            created_at: 0,
            updated_at: 0,
            reactions: Vec::new(),
        };
        self.insert_review_comment(repo, number, comment)
    }

    /// Answers a comment on a line. An answer to an answer joins the first comment's thread.
    pub(crate) fn reply(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        (to, body): (u64, &str),
    ) -> Result<u64, SimError> {
        let pull = self.pull_mut(repo, number)?;
        let top = pull.review_comments.iter().find(|comment| comment.id == to);
        let top = top.ok_or_else(SimError::not_found)?.clone();
        let comment = ReviewComment {
            author: author.to_owned(),
            body: body.to_owned(),
            in_reply_to: Some(top.in_reply_to.unwrap_or(top.id)),
            reactions: Vec::new(),
            ..top
        };
        self.insert_review_comment(repo, number, comment)
    }

    /// Fills in id, times and review, stores the comment and sends both webhooks.
    fn insert_review_comment(
        &mut self,
        repo: u64,
        number: u64,
        mut comment: ReviewComment,
    ) -> Result<u64, SimError> {
        self.writable(repo)?;
        check_body("PullRequestReviewComment", &comment.body)?;
        let author = comment.author.clone();
        let review = self.insert_review(repo, number, &author, (Verdict::Comment, ""))?;
        let (id, now) = (self.next_id(), self.now());
        (comment.id, comment.review) = (id, review);
        (comment.created_at, comment.updated_at) = (now, now);
        self.pull_mut(repo, number)?.review_comments.push(comment);
        self.emit_review(repo, number, review, &author)?;
        self.emit_review_comment(repo, id, &author, json!({"action": "created"}))?;
        Ok(id)
    }

    /// Edits a comment on a line.
    pub(crate) fn edit_review_comment(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
        body: &str,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        check_body("PullRequestReviewComment", body)?;
        let now = self.now();
        let comment = self.review_comment_mut(repo, id)?;
        let from = std::mem::replace(&mut comment.body, body.to_owned());
        comment.updated_at = now;
        let changes = json!({"body": {"from": from}});
        self.emit_review_comment(
            repo,
            id,
            actor,
            json!({"action": "edited", "changes": changes}),
        )
    }

    /// Finds a comment on a line and the pull request it is in.
    pub(crate) fn find_review_comment(
        &self,
        repo: u64,
        id: u64,
    ) -> Result<(&Thread, &ReviewComment), SimError> {
        let mut threads = self.repository(repo)?.threads.values();
        threads
            .find_map(|thread| {
                let comments = &thread.pull.as_ref()?.review_comments;
                Some((thread, comments.iter().find(|comment| comment.id == id)?))
            })
            .ok_or_else(SimError::not_found)
    }

    pub(crate) fn review_comment_mut(
        &mut self,
        repo: u64,
        id: u64,
    ) -> Result<&mut ReviewComment, SimError> {
        let number = self.find_review_comment(repo, id)?.0.number;
        let comments = &mut self.pull_mut(repo, number)?.review_comments;
        comments
            .iter_mut()
            .find(|comment| comment.id == id)
            .ok_or_else(SimError::not_found)
    }

    fn emit_review_comment(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
        payload: Value,
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let (thread, comment) = self.find_review_comment(repo, id)?;
        let mut payload = payload;
        payload.set(
            "comment",
            render::pulls::review_comment(self, repository, thread, comment),
        );
        payload.set(
            "pull_request",
            render::pulls::short_pull(self, repository, thread),
        );
        self.emit(repo, actor, "pull_request_review_comment", payload);
        Ok(())
    }
}
