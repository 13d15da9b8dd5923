//! Comments in the conversation of a thread, and reactions to anything.

use serde_json::json;

use crate::simulator::error::{FieldError, SimError};
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::accounts::Role;
use crate::simulator::world::render;
use crate::simulator::world::reviews::ReviewComment;
use crate::simulator::world::threads::{Thread, check_body};

/// The reactions GitHub knows.
pub(crate) const REACTIONS: [&str; 8] = [
    "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes",
];

/// A comment in a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) reactions: Vec<Reaction>,
}

/// Somebody's reaction.
#[derive(Debug, Clone)]
pub(crate) struct Reaction {
    pub(crate) id: u64,
    pub(crate) content: String,
    pub(crate) user: String,
    pub(crate) created_at: i64,
}

/// What a reaction is to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// A thread, by number.
    Thread(u64),
    /// A comment in a conversation, by id.
    Comment(u64),
    /// A comment on a line of a pull request, by id.
    ReviewComment(u64),
}

impl World {
    /// Adds a comment and returns its id.
    pub(crate) fn add_comment(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        body: &str,
    ) -> Result<u64, SimError> {
        self.writable(repo)?;
        if body.trim().is_empty() {
            return Err(SimError::validation(FieldError {
                resource: "IssueComment",
                code: "unprocessable",
                field: Some("data"),
                message: Some("Body cannot be blank".to_owned()),
            }));
        }
        check_body("IssueComment", body)?;
        // A lock leaves only people with write access in the conversation; an App is not one of
        // them unless it was made a collaborator.
        if self.thread(repo, number)?.locked && self.role(repo, author) < Role::Write {
            return Err(SimError::Forbidden(
                "Unable to create comment because issue is locked.".to_owned(),
            ));
        }
        let (id, now) = (self.next_id(), self.now());
        let thread = self.thread_mut(repo, number)?;
        thread.updated_at = now;
        thread.comments.push(Comment {
            id,
            author: author.to_owned(),
            body: body.to_owned(),
            created_at: now,
            updated_at: now,
            reactions: Vec::new(),
        });
        self.emit_comment(repo, id, author, json!({"action": "created"}))?;
        Ok(id)
    }

    /// Edits a comment in place.
    pub(crate) fn edit_comment(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
        body: &str,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        check_body("IssueComment", body)?;
        let now = self.now();
        let (_, comment) = self.comment_mut(repo, id)?;
        if comment.body == body {
            return Ok(());
        }
        let from = std::mem::replace(&mut comment.body, body.to_owned());
        comment.updated_at = now;
        let changes = json!({"body": {"from": from}});
        self.emit_comment(
            repo,
            id,
            actor,
            json!({"action": "edited", "changes": changes}),
        )
    }

    /// Deletes a comment.
    pub(crate) fn delete_comment(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
    ) -> Result<(), SimError> {
        self.writable(repo)?;
        let number = self.find_comment(repo, id)?.0.number;
        self.emit_comment(repo, id, actor, json!({"action": "deleted"}))?;
        self.thread_mut(repo, number)?
            .comments
            .retain(|comment| comment.id != id);
        Ok(())
    }

    /// Finds a comment and the thread it is in.
    pub(crate) fn find_comment(&self, repo: u64, id: u64) -> Result<(&Thread, &Comment), SimError> {
        let mut threads = self.repository(repo)?.threads.values();
        threads
            .find_map(|thread| Some((thread, thread.comments.iter().find(|c| c.id == id)?)))
            .filter(|(thread, _)| thread.present(&self.origin).is_ok())
            .ok_or_else(SimError::not_found)
    }

    fn comment_mut(&mut self, repo: u64, id: u64) -> Result<(u64, &mut Comment), SimError> {
        let number = self.find_comment(repo, id)?.0.number;
        let thread = self.thread_mut(repo, number)?;
        let comment = thread.comments.iter_mut().find(|comment| comment.id == id);
        Ok((number, comment.ok_or_else(SimError::not_found)?))
    }

    fn emit_comment(
        &mut self,
        repo: u64,
        id: u64,
        actor: &str,
        payload: serde_json::Value,
    ) -> Result<(), SimError> {
        let repository = self.repository(repo)?;
        let (thread, comment) = self.find_comment(repo, id)?;
        let mut payload = payload;
        payload.set("issue", render::issue(self, repository, thread));
        payload.set(
            "comment",
            render::comment(self, repository, thread, comment),
        );
        self.emit(repo, actor, "issue_comment", payload);
        Ok(())
    }

    /// Adds a reaction; tells whether it is new. GitHub sends no webhook for it.
    pub(crate) fn react(
        &mut self,
        repo: u64,
        subject: Subject,
        user: &str,
        content: &str,
    ) -> Result<(Reaction, bool), SimError> {
        self.writable(repo)?;
        if !REACTIONS.contains(&content) {
            return Err(SimError::field("Reaction", "content", "invalid"));
        }
        let reaction = Reaction {
            id: self.next_id(),
            content: content.to_owned(),
            user: user.to_owned(),
            created_at: self.now(),
        };
        let reactions = self.reactions_mut(repo, subject)?;
        let same = reactions
            .iter()
            .find(|have| have.content == content && have.user == user);
        if let Some(have) = same {
            return Ok((have.clone(), false));
        }
        reactions.push(reaction.clone());
        Ok((reaction, true))
    }

    /// Takes a reaction away.
    pub(crate) fn unreact(&mut self, repo: u64, subject: Subject, id: u64) -> Result<(), SimError> {
        let reactions = self.reactions_mut(repo, subject)?;
        let before = reactions.len();
        reactions.retain(|reaction| reaction.id != id);
        if reactions.len() == before {
            Err(SimError::not_found())
        } else {
            Ok(())
        }
    }

    /// The reactions to something.
    pub(crate) fn reactions_mut(
        &mut self,
        repo: u64,
        subject: Subject,
    ) -> Result<&mut Vec<Reaction>, SimError> {
        match subject {
            Subject::Thread(number) => Ok(&mut self.thread_mut(repo, number)?.reactions),
            Subject::Comment(id) => Ok(&mut self.comment_mut(repo, id)?.1.reactions),
            Subject::ReviewComment(id) => {
                let comment: &mut ReviewComment = self.review_comment_mut(repo, id)?;
                Ok(&mut comment.reactions)
            }
        }
    }
}
