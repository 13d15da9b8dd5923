//! Reviews of pull requests and comments on their lines.

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::git;
use crate::simulator::git::objects::Kind;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::comments::Reaction;
use crate::simulator::world::pulls::Pull;
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;
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
    pub(crate) dismissed: bool,
}

impl Review {
    /// The `state` in GitHub's JSON.
    pub(crate) fn state(&self) -> &'static str {
        if self.dismissed {
            "DISMISSED"
        } else {
            self.verdict.state()
        }
    }
}

/// A review to submit.
#[derive(Debug, Clone, Copy)]
pub struct ReviewDraft<'a> {
    /// What the reviewer decided.
    pub verdict: Verdict,
    /// What it says as a whole.
    pub body: &'a str,
    /// What it says of lines, each as (`path:line` or `path:first-last`, text).
    pub lines: &'a [(&'a str, &'a str)],
}

/// A comment on a line.
#[derive(Debug, Clone)]
pub(crate) struct ReviewComment {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) path: String,
    pub(crate) start: Option<u64>,
    pub(crate) line: u64,
    /// The part of the diff down to the line.
    pub(crate) hunk: String,
    pub(crate) commit: String,
    pub(crate) review: u64,
    pub(crate) in_reply_to: Option<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) reactions: Vec<Reaction>,
}

/// A line of a changed file, or the lines from `start` to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) path: &'a str,
    pub(crate) start: Option<u64>,
    pub(crate) end: u64,
}

impl<'a> Line<'a> {
    /// Reads `path:line` or `path:first-last`.
    pub(crate) fn parse(text: &'a str) -> Result<Self, SimError> {
        let (path, at) = text.rsplit_once(':').unwrap_or((text, "1"));
        let number = |text: &str| {
            text.parse().map_err(|_| {
                SimError::BadRequest(format!(
                    "{at}: want a path and a line, such as src/lib.rs:3"
                ))
            })
        };
        let (start, end) = match at.split_once('-') {
            Some((start, end)) => (Some(number(start)?), number(end)?),
            None => (None, number(at)?),
        };
        Ok(Self { path, start, end })
    }
}

impl Repository {
    /// The text of a line of a file in a commit.
    fn text_of(&self, commit: &str, path: &str, line: u64) -> Option<String> {
        let tree = self.objects.commit(commit).ok()??.tree;
        let entry = self.objects.entry_at(&tree, path).ok()??;
        let content = self.objects.read_as(&entry.sha, Kind::Blob).ok()??;
        let text = String::from_utf8_lossy(&content).into_owned();
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        text.lines().nth(at).map(str::to_owned)
    }

    /// Tells whether the line that a comment is on is another one at the head now.
    pub(crate) fn is_outdated(&self, pull: &Pull, comment: &ReviewComment) -> bool {
        let text = |commit: &str| self.text_of(commit, &comment.path, comment.line);
        comment.commit != pull.head_sha && text(&comment.commit) != text(&pull.head_sha)
    }

    /// The part of a pull request's diff that ends with that line.
    fn hunk(&self, pull: &Pull, line: Line<'_>) -> Result<String, SimError> {
        let number = line.end;
        let elsewhere = || format!("@@ -{number},1 +{number},1 @@");
        let diff = self.diff_of(pull, line.path)?;
        Ok(down_to(&diff, number).unwrap_or_else(elsewhere))
    }

    /// Tells whether the diff of a pull request shows that line of the newer side.
    pub(crate) fn shows(&self, pull: &Pull, path: &str, line: u64) -> Result<bool, SimError> {
        Ok(down_to(&self.diff_of(pull, path)?, line).is_some())
    }

    fn diff_of(&self, pull: &Pull, path: &str) -> Result<String, SimError> {
        let range = format!("{}...{}", pull.base_sha, pull.head_sha);
        let output = git::command(self.objects.dir())
            .args(["diff", "--no-color", "--no-ext-diff", &range, "--", path])
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The hunk with that line of the newer side, cut behind it.
fn down_to(diff: &str, line: u64) -> Option<String> {
    let (mut hunk, mut next) = (Vec::new(), None);
    for text in diff.lines() {
        if let Some(header) = text.strip_prefix("@@ ") {
            let (_, after) = header.split_once('+')?;
            let start = after.split([',', ' ']).next()?;
            (hunk, next) = (vec![text], Some(start.parse::<u64>().ok()?));
            continue;
        }
        let Some(number) = next else { continue };
        hunk.push(text);
        if text.starts_with('-') {
            continue;
        }
        if number == line {
            return Some(hunk.join("\n"));
        }
        next = Some(number + 1);
    }
    None
}

impl World {
    /// Submits a review and returns its id and those of its comments on lines.
    pub(crate) fn submit_review(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        draft: ReviewDraft<'_>,
    ) -> Result<(u64, Vec<u64>), SimError> {
        self.writable(repo)?;
        let ReviewDraft {
            verdict,
            body,
            lines,
        } = draft;
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
        let mut comments = Vec::new();
        for (line, text) in lines {
            let line = Line::parse(line)?;
            comments.push(self.on_line(repo, number, author, (line, text))?);
        }
        let id = self.insert_review(repo, number, author, (verdict, body))?;
        let mut ids = Vec::new();
        for comment in comments {
            ids.push(self.insert_review_comment(repo, number, comment, id)?);
        }
        self.emit_review(repo, number, id, (author, "submitted"))?;
        for id in &ids {
            self.emit_review_comment(repo, *id, author, json!({"action": "created"}))?;
        }
        Ok((id, ids))
    }

    /// Takes the verdict of a review back; what it says stays.
    pub(crate) fn dismiss_review(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        id: u64,
    ) -> Result<(), SimError> {
        let reviews = &mut self.pull_mut(repo, number)?.reviews;
        let review = reviews.iter_mut().find(|review| review.id == id);
        review.ok_or_else(SimError::not_found)?.dismissed = true;
        self.emit_review(repo, number, id, (actor, "dismissed"))
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
            dismissed: false,
        });
        Ok(id)
    }

    fn emit_review(
        &mut self,
        repo: u64,
        number: u64,
        id: u64,
        (actor, action): (&str, &str),
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let thread = self.thread(repo, number)?;
        let review = thread.as_pull()?.review(id)?;
        let mut rendered = render::pulls::review(self, repository, thread, review);
        rendered.set("state", json!(review.state().to_lowercase()));
        if review.body.is_empty() {
            rendered.set("body", json!(null));
        }
        let payload = json!({
            "action": action,
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
        let comment = self.on_line(repo, number, author, (line, body))?;
        self.insert_alone(repo, number, comment)
    }

    /// A comment on a line that is not there yet.
    fn on_line(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        (line, body): (Line<'_>, &str),
    ) -> Result<ReviewComment, SimError> {
        let pull = self.pull_mut(repo, number)?.clone();
        let repository = self.repository(repo)?;
        let contents = repository.contents(&pull.base_sha, &pull.head_sha)?;
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
        Ok(ReviewComment {
            id: 0,
            author: author.to_owned(),
            body: body.to_owned(),
            path: line.path.to_owned(),
            start: line.start,
            line: line.end,
            hunk: repository.hunk(&pull, line)?,
            commit: pull.head_sha,
            review: 0,
            in_reply_to: None,
            created_at: 0,
            updated_at: 0,
            reactions: Vec::new(),
        })
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
        self.insert_alone(repo, number, comment)
    }

    /// Makes a comment a review of its own, and sends both webhooks.
    fn insert_alone(
        &mut self,
        repo: u64,
        number: u64,
        comment: ReviewComment,
    ) -> Result<u64, SimError> {
        self.writable(repo)?;
        let author = comment.author.clone();
        let review = self.insert_review(repo, number, &author, (Verdict::Comment, ""))?;
        let id = self.insert_review_comment(repo, number, comment, review)?;
        self.emit_review(repo, number, review, (&author, "submitted"))?;
        self.emit_review_comment(repo, id, &author, json!({"action": "created"}))?;
        Ok(id)
    }

    /// Fills in id, times and review, and stores the comment.
    fn insert_review_comment(
        &mut self,
        repo: u64,
        number: u64,
        mut comment: ReviewComment,
        review: u64,
    ) -> Result<u64, SimError> {
        check_body("PullRequestReviewComment", &comment.body)?;
        let (id, now) = (self.next_id(), self.now());
        (comment.id, comment.review) = (id, review);
        (comment.created_at, comment.updated_at) = (now, now);
        self.pull_mut(repo, number)?.review_comments.push(comment);
        Ok(id)
    }

    /// Deletes a comment on a line; answers to it stay.
    pub(crate) fn delete_review_comment(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        let number = self.find_review_comment(repo, id)?.0.number;
        self.emit_review_comment(repo, id, actor, json!({"action": "deleted"}))?;
        let comments = &mut self.pull_mut(repo, number)?.review_comments;
        comments.retain(|comment| comment.id != id);
        Ok(())
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
