//! What GitHub would keep beside git, kept for as long as the program runs.

use bytes::Bytes;
use secrecy::SecretString;

use crate::adapters::git::base::Base;
use crate::adapters::git::call::Call;
use crate::adapters::git::local::LocalForge;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::process;
use crate::domain::annotation::Mark;
use crate::domain::branch::BranchName;
use crate::domain::drift::Proposal;
use crate::domain::effect::{Conclusion, ReactionTarget};
use crate::domain::home::PullNow;
use crate::domain::ids::{
    AttemptId, CheckRunId, CheckSuiteId, CommentId, CommitSha, InstallationId, Login, RepoId,
    ReviewId, ThreadNumber,
};
use crate::domain::integration::CheckRun;
use crate::domain::job::Remark;
use crate::domain::missed::Stretch;
use crate::domain::overlooked::{Act, Standing};
use crate::domain::repo::{Permission, Repo};
use crate::domain::review::Posted;
use crate::domain::surroundings::{Annotation, FailedCheck};
use crate::domain::time::Timestamp;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{
    App, AppFacts, Census, Checks, Commits, Covered, Hooks, NewCheck, NewPull, NewReview,
    PostedCheck, PostedComment, PostedPull, PostedReview, PostedThread, Pulls, Repositories,
    Reviews, ThreadNow, Threads,
};

/// The largest file that is read of the current branch, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Comments, pull requests and check runs, each numbered by its place from 1.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    comments: Vec<(ThreadNumber, PostedComment)>,
    pulls: Vec<NewPull>,
    checks: Vec<NewCheck>,
}

#[async_trait::async_trait]
impl Repositories for LocalForge {
    /// Returns that the person may do everything: it is their own machine.
    async fn permission(&self, _repo: &Repo, _login: &Login) -> Result<Permission, Fault> {
        Ok(Permission::Admin)
    }

    /// Reads from the commit that was checked out when the repository was opened, never from the
    /// working tree.
    async fn file(&self, _repo: &Repo, path: &str) -> Result<Option<Vec<u8>>, Fault> {
        let doing = format!("read {path} of {}", self.repo.default_branch);
        let head = ObjectId::expect(self.head.as_str(), &doing)?;
        let git_dir = &self.place.git_dir;
        let found = Base::find_file(git_dir, head, path).await;
        let Some((blob, bytes)) = found.map_err(|trouble| trouble.fault(&doing))? else {
            return Ok(None);
        };
        if bytes > MAX_FILE {
            let why = format!("it has {bytes} bytes, more than the {MAX_FILE} allowed");
            return Err(Fault::permanent(doing, why));
        }
        let call = Call::new(git_dir, ["cat-file", "blob", &blob.to_string()]);
        let content = process::run(&call).await;
        content.map(Some).map_err(|trouble| trouble.fault(doing))
    }

    /// Returns an empty token: git shows none to a repository of the same machine.
    async fn fetch_token(&self, _repo: &Repo) -> Result<SecretString, Fault> {
        Ok(SecretString::from(""))
    }
}

#[async_trait::async_trait]
impl Threads for LocalForge {
    async fn thread(&self, _repo: &Repo, _number: ThreadNumber) -> Result<ThreadNow, Fault> {
        Ok(ThreadNow {
            open: true,
            locked: false,
            merged: false,
        })
    }

    async fn text(&self, _repo: &Repo, number: ThreadNumber) -> Result<PostedThread, Fault> {
        let doing = format!("read #{number}");
        Err(Fault::new(Class::NotFound, doing, "there is none here"))
    }

    async fn comments(
        &self,
        _repo: &Repo,
        number: ThreadNumber,
    ) -> Result<Vec<PostedComment>, Fault> {
        let memory = self.memory();
        let on_thread = memory.comments.iter().filter(|(on, _)| *on == number);
        Ok(on_thread.map(|(_, comment)| comment.clone()).collect())
    }

    async fn react(
        &self,
        _repo: &Repo,
        _number: ThreadNumber,
        _target: ReactionTarget,
    ) -> Result<(), Fault> {
        Ok(())
    }

    async fn comment(
        &self,
        _repo: &Repo,
        number: ThreadNumber,
        body: &str,
    ) -> Result<CommentId, Fault> {
        let now = self.clock.now();
        let mut memory = self.memory();
        let id = CommentId(nth(memory.comments.len()));
        let comment = PostedComment {
            id,
            ours: true,
            created_at: now,
            updated_at: now,
            remark: Remark {
                author: Login::new("prova[bot]"),
                insider: true,
                body: body.to_owned(),
            },
        };
        memory.comments.push((number, comment));
        Ok(id)
    }

    async fn edit_comment(&self, _repo: &Repo, id: CommentId, body: &str) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut memory = self.memory();
        let comments = memory.comments.iter_mut().map(|(_, comment)| comment);
        let Some(comment) = comments.into_iter().find(|comment| comment.id == id) else {
            let doing = format!("edit comment {id}");
            return Err(Fault::new(Class::NotFound, doing, "there is none"));
        };
        body.clone_into(&mut comment.remark.body);
        comment.updated_at = now;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Pulls for LocalForge {
    async fn open_pull(&self, repo: &Repo, pull: &NewPull) -> Result<PostedPull, Fault> {
        let doing = format!("propose {}", pull.head);
        let Some(head) = self.branch(repo, &pull.head).await? else {
            return Err(Fault::permanent(doing, "there is no such branch"));
        };
        let mut memory = self.memory();
        if memory.pulls.iter().any(|open| open.head == pull.head) {
            return Err(Fault::new(Class::Conflict, doing, "it is proposed already"));
        }
        memory.pulls.push(pull.clone());
        // Issues and pull requests share their numbers, and the one issue has the first.
        let number = ThreadNumber(nth(memory.pulls.len()));
        Ok(PostedPull { number, head })
    }

    async fn pull_from(&self, repo: &Repo, head: &BranchName) -> Result<Option<PostedPull>, Fault> {
        let at = self.memory().pulls.iter().position(|p| p.head == *head);
        let (Some(at), Some(commit)) = (at, self.branch(repo, head).await?) else {
            return Ok(None);
        };
        Ok(Some(PostedPull {
            number: ThreadNumber(nth(at + 1)),
            head: commit,
        }))
    }

    async fn pull(&self, _repo: &Repo, number: ThreadNumber) -> Result<PullNow, Fault> {
        let doing = format!("read pull request #{number}");
        Err(Fault::new(Class::NotFound, doing, "there is none here"))
    }

    async fn proposals(&self, repo: &Repo, _us: &Login) -> Result<Vec<Proposal>, Fault> {
        let heads: Vec<_> = (self.memory().pulls.iter())
            .map(|pull| (pull.head.clone(), pull.base.clone()))
            .collect();
        let mut proposals = Vec::new();
        for (at, (branch, base)) in heads.into_iter().enumerate().rev() {
            if let Some(head) = self.branch(repo, &branch).await? {
                let number = ThreadNumber(nth(at + 1));
                proposals.push(Proposal {
                    number,
                    branch,
                    head,
                    base,
                    ours: true,
                });
            }
        }
        Ok(proposals)
    }
}

/// Nobody reviews here.
#[async_trait::async_trait]
impl Reviews for LocalForge {
    async fn line_comments(
        &self,
        _repo: &Repo,
        _number: ThreadNumber,
    ) -> Result<Vec<Posted>, Fault> {
        Ok(Vec::new())
    }

    async fn reviews(
        &self,
        _repo: &Repo,
        _number: ThreadNumber,
    ) -> Result<Vec<PostedReview>, Fault> {
        Ok(Vec::new())
    }

    async fn post_review(
        &self,
        _repo: &Repo,
        number: ThreadNumber,
        _review: &NewReview,
    ) -> Result<ReviewId, Fault> {
        let doing = format!("review #{number}");
        Err(Fault::new(
            Class::NotFound,
            doing,
            "there are no reviews here",
        ))
    }

    async fn reply(
        &self,
        _repo: &Repo,
        _number: ThreadNumber,
        to: CommentId,
        _body: &str,
    ) -> Result<CommentId, Fault> {
        Err(no_review(to))
    }

    async fn edit_reply(&self, _repo: &Repo, id: CommentId, _body: &str) -> Result<(), Fault> {
        Err(no_review(id))
    }

    async fn resolve(
        &self,
        _repo: &Repo,
        _number: ThreadNumber,
        _roots: &[CommentId],
    ) -> Result<(), Fault> {
        Ok(())
    }
}

fn no_review(comment: CommentId) -> Fault {
    let doing = format!("answer comment {comment} on a line");
    Fault::new(Class::NotFound, doing, "there are no reviews here")
}

#[async_trait::async_trait]
impl Checks for LocalForge {
    async fn create_check(&self, _repo: &Repo, check: &NewCheck) -> Result<CheckRunId, Fault> {
        let mut memory = self.memory();
        memory.checks.push(check.clone());
        Ok(CheckRunId(nth(memory.checks.len() - 1)))
    }

    async fn annotate(
        &self,
        _repo: &Repo,
        _run: CheckRunId,
        _check: &NewCheck,
        _batch: &[Mark],
    ) -> Result<(), Fault> {
        // Nobody looks at single lines here, and what is created is kept whole.
        Ok(())
    }

    async fn is_concluded(&self, _repo: &Repo, _suite: CheckSuiteId) -> Result<bool, Fault> {
        // Nobody asks for one again here.
        Ok(true)
    }

    async fn conclusions(
        &self,
        _repo: &Repo,
        _suite: CheckSuiteId,
    ) -> Result<Vec<(CheckRunId, Conclusion)>, Fault> {
        Ok(Vec::new())
    }

    async fn conclude(
        &self,
        _repo: &Repo,
        run: CheckRunId,
        _conclusion: Conclusion,
    ) -> Result<(), Fault> {
        let doing = format!("conclude check run {run}");
        Err(Fault::permanent(doing, "it was concluded when it was made"))
    }

    async fn failed_checks(
        &self,
        _repo: &Repo,
        _commit: &CommitSha,
    ) -> Result<Vec<FailedCheck>, Fault> {
        Ok(Vec::new())
    }

    async fn check_runs(&self, _repo: &Repo, _commit: &CommitSha) -> Result<Vec<CheckRun>, Fault> {
        Ok(Vec::new())
    }

    async fn annotations(&self, _repo: &Repo, _run: CheckRunId) -> Result<Vec<Annotation>, Fault> {
        Ok(Vec::new())
    }

    async fn rerun(&self, _repo: &Repo, _workflow: u64) -> Result<(), Fault> {
        Err(Fault::permanent(
            "run a workflow once more",
            "there is none here",
        ))
    }

    async fn was_rerun(&self, _repo: &Repo, _workflow: u64) -> Result<bool, Fault> {
        Ok(false)
    }

    async fn check(
        &self,
        _repo: &Repo,
        commit: &CommitSha,
        external_id: &str,
    ) -> Result<Option<PostedCheck>, Fault> {
        let memory = self.memory();
        let found = memory
            .checks
            .iter()
            .position(|check| check.commit == *commit && check.external_id == external_id);
        Ok(found.map(|at| PostedCheck {
            id: CheckRunId(nth(at)),
            annotations: memory.checks.get(at).map_or(0, |one| one.annotations.len()),
        }))
    }
}

#[async_trait::async_trait]
impl App for LocalForge {
    async fn app(&self) -> Result<AppFacts, Fault> {
        Ok(AppFacts {
            id: 0,
            slug: "prova".to_owned(),
            name: "Prova".to_owned(),
            permissions: Vec::new(),
            events: Vec::new(),
            clock_offset_ms: None,
        })
    }

    async fn installations(&self) -> Result<Vec<(InstallationId, Login)>, Fault> {
        let owner = Login::new(self.repo.name.owner.clone());
        Ok(vec![(self.repo.installation, owner)])
    }

    fn forget(&self, _repo: RepoId) {}
}

/// Nobody sends webhooks here.
#[async_trait::async_trait]
impl Hooks for LocalForge {
    async fn attempts(&self, _page: Option<&str>) -> Result<Stretch, Fault> {
        Ok(Stretch::default())
    }

    async fn redeliver(&self, attempt: AttemptId) -> Result<(), Fault> {
        Err(no_webhooks(attempt))
    }

    async fn carried(&self, attempt: AttemptId) -> Result<(String, Bytes), Fault> {
        Err(no_webhooks(attempt))
    }
}

fn no_webhooks(attempt: AttemptId) -> Fault {
    let doing = format!("look for attempt {attempt} at a delivery");
    Fault::new(
        Class::NotFound,
        doing,
        "a repository of this machine sends no webhooks",
    )
}

/// Nobody marks issues here: the one that is worked on was handed over.
#[async_trait::async_trait]
impl Census for LocalForge {
    async fn repositories(
        &self,
        _installation: InstallationId,
        _page: u32,
    ) -> Result<Covered, Fault> {
        Ok(Covered::default())
    }

    async fn standing(&self, _repo: &Repo, _since: Timestamp) -> Result<Vec<Standing>, Fault> {
        Ok(Vec::new())
    }

    async fn acts(&self, _repo: &Repo, _number: ThreadNumber) -> Result<Vec<Act>, Fault> {
        Ok(Vec::new())
    }
}

/// Numbers what stands at an index.
fn nth(index: usize) -> u64 {
    u64::try_from(index).map_or(u64::MAX, |index| index.saturating_add(1))
}
