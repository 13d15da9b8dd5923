//! GitHub, as narrow traits in our own words. Each method names the permission it needs, and
//! `tests` hold their union against `app.yml`.
//!
//! A write whose answer is lost may have been applied: callers look before they write again.

use bytes::Bytes;
use secrecy::SecretString;

use crate::domain::annotation::Mark;
use crate::domain::branch::BranchName;
use crate::domain::button::Button;
use crate::domain::change::Mode;
use crate::domain::drift::Proposal;
use crate::domain::effect::{Conclusion, ReactionTarget};
use crate::domain::event::Thread;
use crate::domain::home::PullNow;
use crate::domain::ids::{
    AttemptId, CheckRunId, CheckSuiteId, CommentId, CommitSha, InstallationId, Login, RepoId,
    ReviewId, ThreadNumber, TreeSha,
};
use crate::domain::integration::CheckRun;
use crate::domain::job::Remark;
use crate::domain::missed::Stretch;
use crate::domain::overlooked::{Act, Standing};
use crate::domain::repo::{Permission, Repo};
use crate::domain::review::Posted;
use crate::domain::surroundings::{Annotation, FailedCheck};
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;

/// Questions about a repository.
#[async_trait::async_trait]
pub trait Repositories: Send + Sync {
    /// Returns what `login` may do there now: GitHub is asked each time, with the `ETag` of the last answer.
    /// (metadata: read)
    async fn permission(&self, repo: &Repo, login: &Login) -> Result<Permission, Fault>;

    /// Returns a file of the default branch; `None` when there is no such file or the repository is
    /// empty. Asked again with the `ETag` of the last answer. (contents: read)
    async fn file(&self, repo: &Repo, path: &str) -> Result<Option<Vec<u8>>, Fault>;

    /// Returns a token that git can fetch the repository with, valid for at least ten minutes.
    /// (contents: read, that repository only)
    async fn fetch_token(&self, repo: &Repo) -> Result<SecretString, Fault>;
}

/// A comment as it stands on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedComment {
    /// Its id.
    pub id: CommentId,
    /// Whether the App wrote it.
    pub ours: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// Author and text.
    pub remark: Remark,
}

/// An issue or pull request as it stands on GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadNow {
    /// Whether it is open.
    pub open: bool,
    /// Whether the conversation is locked.
    pub locked: bool,
    /// Whether it is a pull request that was merged.
    pub merged: bool,
}

/// The text of an issue or pull request as it stands on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedThread {
    /// What it says.
    pub thread: Thread,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When anything of it was last changed, by a comment too.
    pub updated_at: Timestamp,
}

/// Reads and writes on a thread.
#[async_trait::async_trait]
pub trait Threads: Send + Sync {
    /// Returns the thread; `NotFound` when it was deleted or moved away. (issues: read)
    async fn thread(&self, repo: &Repo, number: ThreadNumber) -> Result<ThreadNow, Fault>;

    /// Returns the thread with its text; `NotFound` when there is none of that number. (issues: read)
    async fn text(&self, repo: &Repo, number: ThreadNumber) -> Result<PostedThread, Fault>;

    /// Returns the thread's comments, oldest first, at most the first 1,000. (issues: read)
    async fn comments(
        &self,
        repo: &Repo,
        number: ThreadNumber,
    ) -> Result<Vec<PostedComment>, Fault>;

    /// Adds 👀; harmless when it is there already. (issues: write, pull requests: write)
    async fn react(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        target: ReactionTarget,
    ) -> Result<(), Fault>;

    /// Writes a comment. (issues: write)
    async fn comment(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        body: &str,
    ) -> Result<CommentId, Fault>;

    /// Replaces a comment's text; `NotFound` when it was deleted. (issues: write)
    async fn edit_comment(&self, repo: &Repo, id: CommentId, body: &str) -> Result<(), Fault>;
}

/// A commit to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The whole message with trailers.
    pub message: String,
    /// What it follows, the branch that it goes to first.
    pub parents: Vec<CommitSha>,
    /// A tree that is there, which the entries are laid over.
    pub base_tree: TreeSha,
    /// What differs.
    pub entries: Vec<TreeEntry>,
    /// The tree that must come out; anything else is a permanent fault and no commit.
    pub tree: TreeSha,
}

/// One path of a new tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The path.
    pub path: String,
    /// Mode and content, or `None` to delete it.
    pub put: Option<(Mode, Vec<u8>)>,
}

/// A commit that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCommit {
    /// Its tree.
    pub tree: TreeSha,
    /// What it follows.
    pub parents: Vec<CommitSha>,
}

/// Commits and branches by the Git data API, so that GitHub signs what the App commits.
#[async_trait::async_trait]
pub trait Commits: Send + Sync {
    /// Creates a commit that no branch points at yet. Repeating it is harmless. (contents: write)
    async fn commit(&self, repo: &Repo, commit: &NewCommit) -> Result<CommitSha, Fault>;

    /// Returns where a branch points; `None` when there is none. (contents: read)
    async fn branch(&self, repo: &Repo, branch: &BranchName) -> Result<Option<CommitSha>, Fault>;

    /// Creates a branch; `Conflict` when there is one of that name. (contents: write)
    async fn create_branch(
        &self,
        repo: &Repo,
        branch: &BranchName,
        at: &CommitSha,
    ) -> Result<(), Fault>;

    /// Returns what a commit holds and follows. (contents: read)
    async fn made(&self, repo: &Repo, commit: &CommitSha) -> Result<MadeCommit, Fault>;

    /// Moves a branch forward; `Conflict` when that is not a fast-forward, `NotFound` when the
    /// branch is gone. Never forces. (contents: write)
    async fn move_branch(
        &self,
        repo: &Repo,
        branch: &BranchName,
        to: &CommitSha,
    ) -> Result<(), Fault>;

    /// Deletes a branch, wherever it points; `NotFound` when it is gone. (contents: write)
    async fn delete_branch(&self, repo: &Repo, branch: &BranchName) -> Result<(), Fault>;
}

/// A pull request to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPull {
    /// The branch with the change, in the same repository.
    pub head: BranchName,
    /// The branch that it is for.
    pub base: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Whether it is a draft.
    pub draft: bool,
}

/// A pull request as it stands on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedPull {
    /// Its number.
    pub number: ThreadNumber,
    /// The commit at its head.
    pub head: CommitSha,
}

/// Pull requests.
#[async_trait::async_trait]
pub trait Pulls: Send + Sync {
    /// Opens a pull request; `Conflict` when one is open for that head. Plans without drafts get
    /// an ordinary one. (pull requests: write)
    async fn open_pull(&self, repo: &Repo, pull: &NewPull) -> Result<PostedPull, Fault>;

    /// Returns the open pull request from `head`, if there is one. (pull requests: read)
    async fn pull_from(&self, repo: &Repo, head: &BranchName) -> Result<Option<PostedPull>, Fault>;

    /// Returns a pull request, whoever opened it; `NotFound` when there is none of that number. (pull
    /// requests: read)
    async fn pull(&self, repo: &Repo, number: ThreadNumber) -> Result<PullNow, Fault>;

    /// Returns the open pull requests from branches of the repository itself, with whether `us` opened
    /// them, the newest first; those among the newest 300 of the repository. (pull requests: read)
    async fn proposals(&self, repo: &Repo, us: &Login) -> Result<Vec<Proposal>, Fault>;
}

/// A review to post. There is nothing in it that could approve, or ask for changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReview {
    /// The commit that it is of; `None`: the head, wherever that is by now.
    pub commit: Option<CommitSha>,
    /// What it says of the whole.
    pub body: String,
    /// What it says of lines of the newer side.
    pub comments: Vec<NewLineComment>,
}

/// A comment on a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLineComment {
    /// The file.
    pub path: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The first of several lines of which that is the last.
    pub start: Option<u64>,
    /// What it says.
    pub body: String,
}

/// A review as it stands on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedReview {
    /// Its id.
    pub id: ReviewId,
    /// Whether the App wrote it.
    pub ours: bool,
    /// What it says of the whole.
    pub body: String,
}

/// What reviews say of lines of a pull request, and the conversations about that.
#[async_trait::async_trait]
pub trait Reviews: Send + Sync {
    /// Returns the comments on lines of a pull request, whoever wrote them, the newest 300. (pull
    /// requests: read)
    async fn line_comments(&self, repo: &Repo, number: ThreadNumber) -> Result<Vec<Posted>, Fault>;

    /// Returns the reviews of a pull request, whoever wrote them, the first 1,000. (pull requests: read)
    async fn reviews(&self, repo: &Repo, number: ThreadNumber) -> Result<Vec<PostedReview>, Fault>;

    /// Posts a review that is a comment; `Conflict` when GitHub does not take the commit or one of the
    /// lines, and then nothing is posted. (pull requests: write)
    async fn post_review(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        review: &NewReview,
    ) -> Result<ReviewId, Fault>;

    /// Answers in the conversation that begins with a comment; `NotFound` when that was deleted. (pull
    /// requests: write)
    async fn reply(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        to: CommentId,
        body: &str,
    ) -> Result<CommentId, Fault>;

    /// Replaces the text of an answer; `NotFound` when it was deleted. (pull requests: write)
    async fn edit_reply(&self, repo: &Repo, id: CommentId, body: &str) -> Result<(), Fault>;

    /// Resolves the conversations of a pull request that begin with these comments. Those that are
    /// resolved, or gone, stay as they are. (contents: write, pull requests: write)
    async fn resolve(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        roots: &[CommentId],
    ) -> Result<(), Fault>;
}

/// A completed check run to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheck {
    /// The commit it is on.
    pub commit: CommitSha,
    /// Its own key, by which it is found again.
    pub external_id: String,
    /// What it concludes.
    pub conclusion: Conclusion,
    /// Its one-line title.
    pub title: String,
    /// Its Markdown summary, at most 65,535 characters.
    pub summary: String,
    /// What it says of single lines, all of it.
    pub annotations: Vec<Mark>,
    /// The buttons that it has, at most three.
    pub buttons: Vec<Button>,
}

/// A check run of ours as it stands on GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostedCheck {
    /// Its id.
    pub id: CheckRunId,
    /// How many annotations are on it.
    pub annotations: usize,
}

/// How many annotations GitHub takes by one request.
pub const BATCH: usize = 50;

/// Check runs; ours are all called `prova`.
#[async_trait::async_trait]
pub trait Checks: Send + Sync {
    /// Creates a completed check run with the first [`BATCH`] of its annotations. (checks: write)
    async fn create_check(&self, repo: &Repo, check: &NewCheck) -> Result<CheckRunId, Fault>;

    /// Adds at most [`BATCH`] annotations to a check run that is there, after those that it has.
    /// Repeating it adds them once more. (checks: write)
    async fn annotate(
        &self,
        repo: &Repo,
        run: CheckRunId,
        check: &NewCheck,
        batch: &[Mark],
    ) -> Result<(), Fault>;

    /// Returns whether a suite of check runs waits for nothing. (checks: read)
    async fn is_concluded(&self, repo: &Repo, suite: CheckSuiteId) -> Result<bool, Fault>;

    /// Returns what the check runs of a suite of ours conclude, the newest of each name. (checks: read)
    async fn conclusions(
        &self,
        repo: &Repo,
        suite: CheckSuiteId,
    ) -> Result<Vec<(CheckRunId, Conclusion)>, Fault>;

    /// Says what a check run of ours concludes, and changes nothing else of it. (checks: write)
    async fn conclude(
        &self,
        repo: &Repo,
        run: CheckRunId,
        conclusion: Conclusion,
    ) -> Result<(), Fault>;

    /// Returns the check runs of other Apps on `commit` that have failed, the newest of each name, at
    /// most five; of each at most ten annotations, and the end of its log, where it has one that can be
    /// read. (checks: read; actions: read, where the App has it)
    async fn failed_checks(
        &self,
        repo: &Repo,
        commit: &CommitSha,
    ) -> Result<Vec<FailedCheck>, Fault>;

    /// Returns the check runs of other Apps on `commit`, the newest of each name of a suite, at most 300.
    /// (checks: read)
    async fn check_runs(&self, repo: &Repo, commit: &CommitSha) -> Result<Vec<CheckRun>, Fault>;

    /// Returns what a check run says of single lines, at most ten. (checks: read)
    async fn annotations(&self, repo: &Repo, run: CheckRunId) -> Result<Vec<Annotation>, Fault>;

    /// Has GitHub Actions run once more what failed in a run of a workflow; `Conflict` while it runs.
    /// (actions: write, where the App has it)
    async fn rerun(&self, repo: &Repo, workflow: u64) -> Result<(), Fault>;

    /// Returns whether a run of a workflow has begun more than once. (actions: write)
    async fn was_rerun(&self, repo: &Repo, workflow: u64) -> Result<bool, Fault>;

    /// Returns the check run on `commit` with that external id, if there is one. (checks: read)
    async fn check(
        &self,
        repo: &Repo,
        commit: &CommitSha,
        external_id: &str,
    ) -> Result<Option<PostedCheck>, Fault>;
}

/// The App as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFacts {
    /// Its id.
    pub id: u64,
    /// Its slug: the mention is `@slug`, the bot's login `slug[bot]`.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it was granted, as (permission, level).
    pub permissions: Vec<(String, String)>,
    /// The events it is subscribed to.
    pub events: Vec<String>,
    /// GitHub's clock minus ours, in milliseconds, from the answer's `Date` header.
    pub clock_offset_ms: Option<i64>,
}

/// The App itself, asked with its key.
#[async_trait::async_trait]
pub trait App: Send + Sync {
    /// Returns the App that the key belongs to.
    async fn app(&self) -> Result<AppFacts, Fault>;

    /// Returns the installations, at most the first 1,000, as (id, account).
    async fn installations(&self) -> Result<Vec<(InstallationId, Login)>, Fault>;

    /// Forgets cached tokens and answers of a repository whose access changed.
    fn forget(&self, repo: RepoId);
}

/// GitHub's own list of its attempts to bring deliveries, read with the App's key.
#[async_trait::async_trait]
pub trait Hooks: Send + Sync {
    /// Returns a page of at most 100 attempts that have ended, newest first: the first page, or the
    /// one that a stretch has named as the next.
    async fn attempts(&self, page: Option<&str>) -> Result<Stretch, Fault>;

    /// Asks for another attempt; it comes with the same delivery id. Repeating it is harmless.
    async fn redeliver(&self, attempt: AttemptId) -> Result<(), Fault>;

    /// Returns what an attempt carried, as `X-GitHub-Event` and body; not byte for byte.
    async fn carried(&self, attempt: AttemptId) -> Result<(String, Bytes), Fault>;
}

/// One page of the repositories of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// The repositories, each with the number of its open issues and pull requests.
    pub repositories: Vec<(Repo, u64)>,
    /// Whether there is another page.
    pub more: bool,
}

/// What stands in repositories, for what no delivery told of.
#[async_trait::async_trait]
pub trait Census: Send + Sync {
    /// Returns the repositories of an installation, at most 100 a page, pages counted from 1.
    /// (metadata: read, all repositories of the installation and nothing else)
    async fn repositories(&self, installation: InstallationId, page: u32)
    -> Result<Covered, Fault>;

    /// Returns the open issues of a repository that were changed since then, the last changed first,
    /// at most 300. (issues: read)
    async fn standing(&self, repo: &Repo, since: Timestamp) -> Result<Vec<Standing>, Fault>;

    /// Returns who has put labels on an issue and assigned people, oldest first, of its first 1,000
    /// entries. (issues: read)
    async fn acts(&self, repo: &Repo, number: ThreadNumber) -> Result<Vec<Act>, Fault>;
}

/// Everything that Prova asks of GitHub.
pub trait GitHub:
    Repositories + Threads + Commits + Pulls + Reviews + Checks + App + Hooks + Census
{
}

impl<T: Repositories + Threads + Commits + Pulls + Reviews + Checks + App + Hooks + Census> GitHub
    for T
{
}

/// A delivery whose body cannot be understood; it is parked with this and can be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event}: {reason}")]
pub struct Unreadable {
    /// `X-GitHub-Event`.
    pub event: String,
    /// Where in the body, and what was expected there.
    pub reason: String,
}

/// Puts GitHub's words into ours.
pub trait Translate: Send + Sync {
    /// Translates one delivery, received at that time. Lenient: what is not needed is not read.
    fn translate(
        &self,
        event: &str,
        body: &[u8],
        received: Timestamp,
    ) -> Result<crate::domain::event::Event, Unreadable>;

    /// Says of an act what its delivery would have said, as `X-GitHub-Event` and body; `None` for an
    /// act that no delivery tells of.
    fn tell(&self, repo: &Repo, standing: &Standing, act: &Act) -> Option<(String, Bytes)>;

    /// Says what a delivery would of the end of a suite of checks, as `X-GitHub-Event` and body.
    fn tell_checked(&self, repo: &Repo, branch: &BranchName, commit: &CommitSha)
    -> (String, Bytes);
}
