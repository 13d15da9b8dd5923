//! People acting: each act changes the state and sends the webhooks that GitHub would send.

use serde_json::json;

use crate::simulator::Simulator;
use crate::simulator::error::SimError;
use crate::simulator::git::trees::Edit;
use crate::simulator::world::World;
use crate::simulator::world::accounts::{AccountKind, Role};
use crate::simulator::world::branches::Move;
use crate::simulator::world::pulls::PullDraft;
use crate::simulator::world::repositories::File;
use crate::simulator::world::reviews::{Line, ReviewDraft, Verdict};
use crate::simulator::world::threads::ThreadEdit;

/// Somebody with a login, at work. Every act is refused (with GitHub's status) to whoever has not
/// the role for it. Repositories are named `owner/name`, threads by number, comments by id.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    sim: &'a Simulator,
    login: &'a str,
}

type Done<T = ()> = Result<T, SimError>;

impl Simulator {
    /// Acts as somebody; an account of that login is created when there is none, a bot's if the
    /// login ends in `[bot]`.
    #[must_use]
    pub fn as_person<'a>(&'a self, login: &'a str) -> Person<'a> {
        let is_bot = login.ends_with("[bot]");
        let kind = if is_bot {
            AccountKind::Bot
        } else {
            AccountKind::User
        };
        self.world().account(login, kind);
        Person { sim: self, login }
    }
}

impl Person<'_> {
    /// Acts in a repository with at least that role.
    fn act<T>(
        &self,
        repo: &str,
        role: Role,
        act: impl FnOnce(&mut World, u64, &str) -> Done<T>,
    ) -> Done<T> {
        let mut world = self.sim.world();
        let repo = world.find_repository(repo)?;
        world.demand(repo, self.login, role)?;
        act(&mut world, repo, self.login)
    }

    /// Opens an issue and returns its number. Labels stick only with triage.
    ///
    /// # Errors
    ///
    /// As every act of a person: what GitHub would answer.
    pub fn open_issue(&self, repo: &str, title: &str, body: &str, labels: &[&str]) -> Done<u64> {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        self.act(repo, Role::Read, |world, repo, login| {
            world.open_issue(repo, login, (title, Some(body)), &labels)
        })
    }

    /// Edits title, body or both of an issue or pull request of one's own, or of anybody's with
    /// triage.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn edit(&self, repo: &str, number: u64, title: Option<&str>, body: Option<&str>) -> Done {
        let edit = ThreadEdit {
            title: title.map(str::to_owned),
            body: body.map(str::to_owned),
        };
        self.act(repo, Role::Read, |world, repo, login| {
            if world.thread(repo, number)?.author != login {
                world.demand(repo, login, Role::Triage)?;
            }
            world.edit_thread(repo, number, login, edit)
        })
    }

    /// Puts a label on.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn label(&self, repo: &str, number: u64, label: &str) -> Done {
        self.act(repo, Role::Triage, |world, repo, login| {
            world.add_labels(repo, number, login, &[label.to_owned()])
        })
    }

    /// Takes a label off.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn unlabel(&self, repo: &str, number: u64, label: &str) -> Done {
        self.act(repo, Role::Triage, |world, repo, login| {
            world.remove_label(repo, number, login, label)
        })
    }

    /// Assigns somebody.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn assign(&self, repo: &str, number: u64, login: &str) -> Done {
        self.act(repo, Role::Triage, |world, repo, actor| {
            world.assign(repo, number, actor, (login, true))
        })
    }

    /// Takes an assignment back.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn unassign(&self, repo: &str, number: u64, login: &str) -> Done {
        self.act(repo, Role::Triage, |world, repo, actor| {
            world.assign(repo, number, actor, (login, false))
        })
    }

    /// Comments in the conversation and returns the comment's id.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn comment(&self, repo: &str, number: u64, body: &str) -> Done<u64> {
        self.act(repo, Role::Read, |world, repo, login| {
            world.add_comment(repo, number, login, body)
        })
    }

    /// Edits a comment of one's own, or of anybody's with write access.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn edit_comment(&self, repo: &str, comment: u64, body: &str) -> Done {
        self.act(repo, Role::Read, |world, repo, login| {
            if world.find_comment(repo, comment)?.1.author != login {
                world.demand(repo, login, Role::Write)?;
            }
            world.edit_comment(repo, comment, login, body)
        })
    }

    /// Deletes a comment of one's own, or of anybody's with write access.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn delete_comment(&self, repo: &str, comment: u64) -> Done {
        self.act(repo, Role::Read, |world, repo, login| {
            if world.find_comment(repo, comment)?.1.author != login {
                world.demand(repo, login, Role::Write)?;
            }
            world.delete_comment(repo, comment, login)
        })
    }

    /// Closes an issue as completed, or a pull request without merging.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn close(&self, repo: &str, number: u64) -> Done {
        self.act(repo, Role::Read, |world, repo, login| {
            if world.thread(repo, number)?.author != login {
                world.demand(repo, login, Role::Triage)?;
            }
            world.set_closed(repo, number, login, Some("completed"))
        })
    }

    /// Opens it again.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn reopen(&self, repo: &str, number: u64) -> Done {
        self.act(repo, Role::Triage, |world, repo, login| {
            world.set_closed(repo, number, login, None)
        })
    }

    /// Locks the conversation, or unlocks it.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn lock(&self, repo: &str, number: u64, locked: bool) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.set_locked(repo, number, login, locked)
        })
    }

    /// Moves an issue to another repository and returns its number there.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn transfer(&self, repo: &str, number: u64, to: &str) -> Done<u64> {
        self.act(repo, Role::Write, |world, repo, login| {
            let to = world.find_repository(to)?;
            world.demand(to, login, Role::Write)?;
            world.transfer(repo, number, login, to)
        })
    }

    /// Deletes an issue.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn delete_issue(&self, repo: &str, number: u64) -> Done {
        self.act(repo, Role::Admin, |world, repo, login| {
            world.delete_thread(repo, number, login)
        })
    }

    /// Commits files to a branch, as one commit, and returns its id. A file without content in
    /// `removed` is deleted. A new branch starts at the default branch.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn push(&self, repo: &str, branch: &str, files: &[File], removed: &[&str]) -> Done<String> {
        self.act(repo, Role::Write, |world, repo, login| {
            world.writable(repo)?;
            let author = world.signature(login);
            let repository = world.repository(repo)?;
            let before = repository.branch(branch).cloned();
            let start = if before.is_some() {
                branch
            } else {
                &repository.default_branch
            };
            let mut edits = repository.edits(files)?;
            edits.extend(
                removed
                    .iter()
                    .map(|path| ((*path).to_owned(), Edit::Delete)),
            );
            let message = format!("Change {branch}");
            let commit = repository.commit_edits(start, &edits, author, &message)?;
            let after = commit.sha.clone();
            let moved = Move {
                name: format!("refs/heads/{branch}"),
                before,
                after: Some(after.clone()),
            };
            world.move_ref(repo, login, &moved)?;
            Ok(after)
        })
    }

    /// Points a branch at a commit by force (`None` deletes it).
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn force_push(&self, repo: &str, branch: &str, to: Option<&str>) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            let name = format!("refs/heads/{branch}");
            let before = world.repository(repo)?.refs.get(&name).cloned();
            let after = to.map(str::to_owned);
            world.move_ref(
                repo,
                login,
                &Move {
                    name,
                    before,
                    after,
                },
            )
        })
    }

    /// Opens a pull request between two branches and returns its number.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn open_pull(&self, repo: &str, head: &str, base: &str, title: &str) -> Done<u64> {
        let draft = PullDraft {
            title: title.to_owned(),
            body: None,
            head: head.to_owned(),
            base: base.to_owned(),
            draft: false,
            maintainer_can_modify: false,
        };
        self.act(repo, Role::Read, |world, repo, login| {
            world.open_pull(repo, login, draft)
        })
    }

    /// Opens a pull request to the default branch from a fork, with one commit that changes those files,
    /// and returns its number.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn open_pull_from_fork(&self, repo: &str, title: &str, files: &[File]) -> Done<u64> {
        self.act(repo, Role::Read, |world, repo, login| {
            let author = world.signature(login);
            let repository = world.repository(repo)?;
            let (edits, base) = (repository.edits(files)?, &repository.default_branch);
            let commit = repository.commit_edits(base, &edits, author, title)?;
            world.open_fork_pull(repo, login, (title, &commit.sha))
        })
    }

    /// Gives a pull request another base.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn retarget(&self, repo: &str, number: u64, base: &str) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.retarget(repo, number, login, base)
        })
    }

    /// Submits a review and returns its id.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn submit_review(
        &self,
        repo: &str,
        number: u64,
        verdict: Verdict,
        body: &str,
    ) -> Done<u64> {
        self.act(repo, Role::Read, |world, repo, login| {
            let draft = ReviewDraft {
                verdict,
                body,
                lines: &[],
            };
            Ok(world.submit_review(repo, number, login, draft)?.0)
        })
    }

    /// Submits a review with comments on lines, and returns its id and theirs.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn review(&self, repo: &str, number: u64, draft: ReviewDraft<'_>) -> Done<(u64, Vec<u64>)> {
        self.act(repo, Role::Read, |world, repo, login| {
            world.submit_review(repo, number, login, draft)
        })
    }

    /// Dismisses a review.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn dismiss_review(&self, repo: &str, number: u64, review: u64) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.dismiss_review(repo, number, login, review)
        })
    }

    /// Deletes a comment on a line, of one's own or with write access of anybody's.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn delete_review_comment(&self, repo: &str, comment: u64) -> Done {
        self.act(repo, Role::Read, |world, repo, login| {
            if world.find_review_comment(repo, comment)?.1.author != login {
                world.demand(repo, login, Role::Write)?;
            }
            world.delete_review_comment(repo, comment, login)
        })
    }

    /// Comments on a line (`path:line`) of a pull request and returns the comment's id.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn review_comment(&self, repo: &str, number: u64, line: &str, body: &str) -> Done<u64> {
        let line = Line::parse(line)?;
        self.act(repo, Role::Read, |world, repo, login| {
            world.comment_on_line(repo, number, login, (line, body))
        })
    }

    /// Answers a comment on a line and returns the answer's id.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn reply(&self, repo: &str, number: u64, to: u64, body: &str) -> Done<u64> {
        self.act(repo, Role::Read, |world, repo, login| {
            world.reply(repo, number, login, (to, body))
        })
    }

    /// Marks a draft as ready for review, or makes a draft of it again.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn set_draft(&self, repo: &str, number: u64, draft: bool) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.set_draft(repo, number, login, draft)
        })
    }

    /// Merges a pull request with a merge commit.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn merge_pull(&self, repo: &str, number: u64) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.merge(repo, number, login)
        })
    }

    /// Asks for a check to run again.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn rerequest_check(&self, repo: &str, check_run: u64) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.rerequest_run(repo, check_run, login)
        })
    }

    /// Presses `Re-run all` on the check runs that the App has on the tip of a branch.
    ///
    /// # Errors
    ///
    /// As every act of a person; 404 when there is no such branch, or no run on it.
    pub fn rerequest_suite(&self, repo: &str, branch: &str) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            world.rerequest_suite(repo, branch, login)
        })
    }

    /// Presses a button of a check run, named by its identifier.
    ///
    /// # Errors
    ///
    /// As every act of a person; 422 when the check run has no such button.
    pub fn press_button(&self, repo: &str, check_run: u64, identifier: &str) -> Done {
        self.act(repo, Role::Write, |world, repo, login| {
            let run = world.check_run(repo, check_run)?;
            if !run
                .actions
                .iter()
                .any(|action| action["identifier"] == identifier)
            {
                return Err(SimError::unprocessable(format!(
                    "there is no button {identifier}"
                )));
            }
            let action = json!({"identifier": identifier});
            let payload = json!({"action": "requested_action", "requested_action": action});
            world.emit_check_run(repo, check_run, login, payload)
        })
    }

    /// Renames a repository; its old name redirects.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn rename_repository(&self, repo: &str, name: &str) -> Done {
        self.act(repo, Role::Admin, |world, repo, login| {
            world.rename(repo, login, name)
        })
    }

    /// Archives a repository, or brings it back.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn archive(&self, repo: &str, yes: bool) -> Done {
        self.act(repo, Role::Admin, |world, repo, login| {
            world.archive(repo, login, yes)
        })
    }

    /// Deletes a repository.
    ///
    /// # Errors
    ///
    /// As every act of a person.
    pub fn delete_repository(&self, repo: &str) -> Done {
        self.act(repo, Role::Admin, World::delete_repository)
    }
}
