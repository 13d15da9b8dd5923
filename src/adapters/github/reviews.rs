//! What reviews say of lines, and the conversations about that.
//!
//! GitHub's list of a single review's comments leaves out the lines that they are on, so the list of all
//! comments of the pull request is read.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::adapters::github::association::is_insider;
use crate::adapters::github::client::{As, Client};
use crate::adapters::github::request::{Request, in_repo};
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{CommentId, Login, ReviewId, ThreadNumber};
use crate::domain::repo::Repo;
use crate::domain::review::{Posted, ReviewComment, Side, Spot};
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{App as _, NewReview, PostedReview, Reviews};

/// Pages of 100 comments that are read, the newest first.
const PAGES: u32 = 3;
/// Pages of 100 reviews that are read; GitHub has no order but the oldest first.
const REVIEW_PAGES: u32 = 10;

#[derive(Deserialize)]
struct LineComment {
    id: u64,
    #[serde(default)]
    pull_request_review_id: Option<u64>,
    #[serde(default)]
    in_reply_to_id: Option<u64>,
    /// `null` when the account was deleted.
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    author_association: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    path: Option<String>,
    /// `null` when the line has changed since, and of a comment on a whole file.
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    start_line: Option<u64>,
    #[serde(default)]
    original_line: Option<u64>,
    #[serde(default)]
    original_start_line: Option<u64>,
    #[serde(default)]
    side: Option<String>,
    #[serde(default)]
    subject_type: Option<String>,
    #[serde(default)]
    diff_hunk: Option<String>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Created {
    id: u64,
}

#[derive(Deserialize)]
struct Submitted {
    id: u64,
    /// `null` when the account was deleted.
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    body: Option<String>,
}

impl LineComment {
    fn spot(&self) -> Spot {
        let side = match self.side.as_deref() {
            Some("LEFT") => Side::Before,
            Some(_) | None => Side::After,
        };
        match (self.line, self.original_line) {
            (Some(line), _) => Spot::Lines(self.start_line.unwrap_or(line), line, side),
            (None, Some(line)) if self.subject_type.as_deref() != Some("file") => {
                Spot::Outdated(self.original_start_line.unwrap_or(line), line)
            }
            (None, _) => Spot::File,
        }
    }

    fn posted(self, app: Option<&Login>) -> Posted {
        let spot = self.spot();
        // An account that was deleted is a ghost.
        let author = (self.user).map_or_else(|| "ghost".to_owned(), |user| user.login);
        let author = Login::new(author);
        Posted {
            ours: app == Some(&author),
            author,
            insider: is_insider(self.author_association.as_deref()),
            review: self.pull_request_review_id.map(ReviewId),
            comment: ReviewComment {
                id: CommentId(self.id),
                root: CommentId(self.in_reply_to_id.unwrap_or(self.id)),
                body: self.body.unwrap_or_default(),
                path: self.path.unwrap_or_default(),
                spot,
                hunk: self.diff_hunk.unwrap_or_default(),
                earlier: Vec::new(),
            },
        }
    }
}

#[async_trait::async_trait]
impl Reviews for Client {
    async fn line_comments(&self, repo: &Repo, number: ThreadNumber) -> Result<Vec<Posted>, Fault> {
        // These comments do not tell which App wrote them.
        if self.login().is_none() {
            self.app().await?;
        }
        let doing = format!("read the comments on lines of {}#{number}", repo.name);
        let query = "sort=created&direction=desc&per_page=100";
        let path = in_repo(repo, &format!("/pulls/{number}/comments?{query}"));
        let request = Request::get(doing, path).of(Importance::Awaited);
        let found: Vec<LineComment> = self.list(As::InstallationOf(repo), request, PAGES).await?;
        let login = self.login();
        Ok(found.into_iter().map(|one| one.posted(login)).collect())
    }

    async fn reviews(&self, repo: &Repo, number: ThreadNumber) -> Result<Vec<PostedReview>, Fault> {
        if self.login().is_none() {
            self.app().await?;
        }
        let doing = format!("read the reviews of {}#{number}", repo.name);
        let path = in_repo(repo, &format!("/pulls/{number}/reviews?per_page=100"));
        let request = Request::get(doing, path).of(Importance::Awaited);
        let who = As::InstallationOf(repo);
        let found: Vec<Submitted> = self.list(who, request, REVIEW_PAGES).await?;
        let login = self.login();
        let each = found.into_iter().map(|one| PostedReview {
            id: ReviewId(one.id),
            ours: one.user.map(|user| Login::new(user.login)).as_ref() == login,
            body: one.body.unwrap_or_default(),
        });
        Ok(each.collect())
    }

    async fn post_review(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        review: &NewReview,
    ) -> Result<ReviewId, Fault> {
        let doing = format!("review {}#{number}", repo.name);
        let path = in_repo(repo, &format!("/pulls/{number}/reviews"));
        let comments = review.comments.iter().map(|one| {
            let mut comment =
                json!({ "path": one.path, "line": one.line, "side": "RIGHT", "body": one.body });
            if let (Some(start), Some(fields)) = (one.start, comment.as_object_mut()) {
                fields.insert("start_line".to_owned(), json!(start));
                fields.insert("start_side".to_owned(), json!("RIGHT"));
            }
            comment
        });
        // Without an event it would be a draft that nobody sees.
        let mut body = json!({
            "event": "COMMENT",
            "body": review.body,
            "comments": comments.collect::<Vec<_>>(),
        });
        if let (Some(commit), Some(fields)) = (&review.commit, body.as_object_mut()) {
            fields.insert("commit_id".to_owned(), json!(commit));
        }
        let request = Request::post(doing, path, &body).of(Importance::Awaited);
        let answer = self.send(repo, &request).await?;
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            return Err(answer.fault_of(Class::Conflict));
        }
        let created: Created = answer.json()?;
        Ok(ReviewId(created.id))
    }

    async fn reply(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        to: CommentId,
        body: &str,
    ) -> Result<CommentId, Fault> {
        let doing = format!("answer comment {to} on a line of {}#{number}", repo.name);
        let path = in_repo(repo, &format!("/pulls/{number}/comments/{to}/replies"));
        let request = Request::post(doing, path, &json!({ "body": body })).of(Importance::Awaited);
        let created: Created = self.send(repo, &request).await?.json()?;
        Ok(CommentId(created.id))
    }

    async fn edit_reply(&self, repo: &Repo, id: CommentId, body: &str) -> Result<(), Fault> {
        let doing = format!("edit comment {id} on a line in {}", repo.name);
        let path = in_repo(repo, &format!("/pulls/comments/{id}"));
        let request = Request::patch(doing, path, &json!({ "body": body }));
        self.send(repo, &request).await?.succeeded()?;
        Ok(())
    }

    async fn resolve(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        roots: &[CommentId],
    ) -> Result<(), Fault> {
        self.resolve_conversations(repo, number, roots).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_comment_stands_is_read_from_what_github_leaves_out() {
        for (told, spot) in [
            (json!({"line": 7}), Spot::Lines(7, 7, Side::After)),
            (
                json!({"line": 7, "start_line": 5, "side": "LEFT"}),
                Spot::Lines(5, 7, Side::Before),
            ),
            (
                json!({"line": null, "original_line": 9, "original_start_line": 8, "side": "RIGHT"}),
                Spot::Outdated(8, 9),
            ),
            (
                json!({"line": null, "original_line": 1, "subject_type": "file"}),
                Spot::File,
            ),
            (json!({"subject_type": "line", "line": null}), Spot::File),
        ] {
            let mut told = told;
            told["id"] = json!(3);
            let read: LineComment = serde_json::from_value(told).unwrap();
            assert_eq!(read.spot(), spot);
        }
    }
}
