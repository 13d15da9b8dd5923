//! Answers that start nothing: why not, and what to do instead.

use crate::domain::branch::BranchName;
use crate::domain::built_in::{BuiltIn, NoRule};
use crate::domain::event::ThreadKind;
use crate::domain::home::Unfit;
use crate::domain::ids::{CommitSha, ThreadNumber};
use crate::domain::job::PassedOver;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::render::parts::{Links, passed};
use crate::domain::repo::Permission;
use crate::domain::sanitize::neutral;
use crate::domain::suggest;

/// Why something that a person asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They may not start work.
    NoPermission(Permission),
    /// The policy file cannot be used; its problems as a Markdown list.
    BadPolicy(String),
    /// No agent was named and none is the default; what there is.
    NoAgent(Vec<Name>),
    /// The agent that policy names is not set up; what there is.
    UnknownDefault(Name, Vec<Name>),
    /// The profile that policy names is not set up; what there is.
    UnknownProfile(Name, Vec<Name>),
    /// There is neither an agent nor a recipe of that name; what there is.
    Unknown(Name, Vec<Name>),
    /// There is no recipe of that name; what there is.
    UnknownRecipe(Name, Vec<Name>),
    /// This build does not have that recipe.
    NotBuilt(BuiltIn),
    /// The recipe has nothing to work on.
    NoRule(BuiltIn, NoRule),
    /// The thread is closed; which kind it is.
    ThreadClosed(ThreadKind),
    /// Work is going on; another request has to wait.
    Busy,
    /// What is stopped by the same words has not ended yet.
    Stopping,
    /// As many requests wait as may: how many.
    TooManyWait(usize),
    /// There is nothing that could be stopped.
    NothingToStop,
    /// A button was pressed of a check run that is of another commit than the branch has now: which.
    OutdatedCheck(CommitSha),
    /// There is nothing that could be tried again.
    NothingToRetry,
    /// There is no plan that waits for a word.
    NoPlan,
    /// There is no task here whose budget could be set.
    NoTask,
    /// The server does not let a task spend that much: what was asked, and the most there is.
    OverBudget(Usd, Usd),
    /// There is no follow-up that could be taken back.
    NothingToUndo,
    /// There is no pull request whose branch could be brought up to date.
    NothingToRebase,
    /// The pull request comes from a fork, where nothing can be pushed: what it is for.
    ForkBehind(String),
    /// Nothing can be done for the pull request of a person: why.
    ForeignPull(Unfit),
    /// The task already has a pull request.
    HasPull(ThreadNumber),
    /// There is no pull request here to review; the one that was made of the issue.
    ReviewsPulls(Option<ThreadNumber>),
    /// A command that could not be read: why.
    Unreadable(String),
    /// The request was found late, and the text may be another by now.
    MayHaveChanged,
}

/// Returns the answer.
#[must_use]
pub fn refusal(refusal: &Refusal, links: &Links) -> String {
    match refusal {
        Refusal::NoPermission(has) => format!(
            "I start work only for people with write permission here, and you have {has} permission. Nothing was started; somebody who can push may ask in your place."
        ),
        Refusal::BadPolicy(problems) => format!(
            "I cannot use the policy of this repository, so nothing was started:\n\n{problems}\n\nMend `.github/prova.toml` on the default branch, then ask again."
        ),
        Refusal::NoAgent(known) if known.is_empty() => "This server has no agent yet, so nothing was started. Whoever runs it adds one as an `[agents.NAME]` table of its settings; recipes of `.github/prova.toml` work without.".to_owned(),
        Refusal::NoAgent(known) => format!(
            "This server has several agents and none of them is the default. Name one as `agent` in `.github/prova.toml`, or ask with {}. {}",
            links.command("with NAME …"), there_is(known)
        ),
        Refusal::UnknownDefault(name, known) => format!(
            "`.github/prova.toml` names the agent `{name}`, which this server does not have. {}", meant(name, known)
        ),
        Refusal::UnknownProfile(name, known) => unknown_profile(name, known),
        Refusal::Unknown(name, known) => format!(
            "There is neither an agent nor a recipe called `{name}`. {}", meant(name, known)
        ),
        Refusal::UnknownRecipe(name, known) => format!(
            "There is no recipe called `{name}`, neither in `.github/prova.toml` nor built in. {}", meant(name, known)
        ),
        Refusal::NotBuilt(built_in) => format!(
            "This server was built without the recipe `{built_in}`, so nothing was started. Whoever runs it can build it with the cargo feature `{built_in}`."
        ),
        Refusal::NoRule(built_in, why) => no_rule(*built_in, *why, links),
        Refusal::ThreadClosed(ThreadKind::Issue) => {
            "This issue is closed, so nothing was started. Reopen it and ask again.".to_owned()
        }
        Refusal::ThreadClosed(ThreadKind::Pull) => {
            "This pull request is closed, so nothing was started. Ask in an issue.".to_owned()
        }
        Refusal::Busy => format!(
            "I am still working on the last request here; the status comment says how far. Ask again when it has ended, or {} it first.",
            links.command("stop")
        ),
        Refusal::Stopping => {
            "What I was doing is only just being stopped, and what it has done so far goes to the branch. Ask again in a moment."
                .to_owned()
        }
        Refusal::TooManyWait(most) => format!(
            "{most} requests wait here already, which is as many as I keep. Ask again when the first of them has begun, or {} what runs and all of them.",
            links.command("stop")
        ),
        Refusal::NothingToStop => "Nothing runs here, so there is nothing to stop.".to_owned(),
        Refusal::OutdatedCheck(commit) => format!(
            "The button that was pressed is on a check run of `{}`, and my branch does not end with that commit any more, so nothing was done. Use the check run of the newest commit, or ask in a comment: {}.",
            commit.short(),
            links.command("retry")
        ),
        Refusal::NothingToRetry => format!(
            "Nothing was tried here yet. Ask for something with {}.", links.command("…")
        ),
        Refusal::NoTask => format!(
            "No task is open here, so there is no budget to set. {} begins one.", links.command("…")
        ),
        Refusal::OverBudget(asked, most) => format!(
            "The server's settings let a task spend ${most} at most (`budget.task_usd`), so I did not set ${asked}. Whoever runs the server can raise it."
        ),
        Refusal::NoPlan => format!(
            "There is no plan here that waits to be carried out. {} makes one.",
            links.command("plan")
        ),
        Refusal::NothingToUndo => "There is no follow-up at the head of the branch that I could take back: I take back what I did last for a request on a pull request, once, and nothing below commits of others.".to_owned(),
        Refusal::NothingToRebase => "There is no pull request here whose branch I could bring up to date.".to_owned(),
        Refusal::ForkBehind(base) => fork_behind(base),
        Refusal::ForeignPull(why) => foreign_pull(why, links),
        Refusal::HasPull(number) => format!(
            "My pull request for this is #{number}. Ask for changes there."
        ),
        Refusal::ReviewsPulls(None) => format!(
            "This is an issue, and I review pull requests: ask with {} on one.", links.command("review")
        ),
        Refusal::ReviewsPulls(Some(number)) => format!(
            "This is an issue, and I review pull requests. The one for this is #{number}; ask with {} there.", links.command("review")
        ),
        Refusal::Unreadable(why) => why.clone(),
        Refusal::MayHaveChanged => format!(
            "GitHub never told me of the request here, and now I cannot know whether the text is still what it was then. Read it once more and ask with {}, or take the label off and put it on again.",
            links.command("…")
        ),
    }
}

/// Tells that the branch of a fork cannot be brought up to date from here, and who can do that.
fn fork_behind(base: &str) -> String {
    format!(
        "This pull request comes from a fork, and GitHub lets an App push only to repositories that it is installed in, so nothing was done. Its author can bring it up to date: with the button **Update branch** of this page where there are no conflicts, else with `git merge` of {} and a push.",
        neutral::inline(base, 100)
    )
}

/// Tells why nothing can be done for the pull request of a person, and what can.
fn foreign_pull(why: &Unfit, links: &Links) -> String {
    let why = match why {
        Unfit::DefaultBranch => {
            "The head of this pull request is the default branch, which I never commit to"
        }
        Unfit::SourceGone => {
            "The repository that this pull request came from is gone, so nobody can put anything on it"
        }
        Unfit::Unseen => "GitHub does not show me where the head of this pull request is",
    };
    format!(
        "{why}; nothing was done. I can still read it: {} and {} work here.",
        links.command("review"),
        links.command("ask")
    )
}

/// Tells that the default branch is not there. GitHub names one for a repository without a commit,
/// too, so this is seen only when it is fetched.
#[must_use]
pub fn no_default_branch(branch: &str) -> String {
    format!(
        "There is no branch {} here yet, so there is nothing to work on. Push a first commit, then ask again.",
        neutral::inline(branch, 100)
    )
}

/// Tells that the branch of a person's pull request is gone.
#[must_use]
pub fn no_head_now(branch: &BranchName) -> String {
    format!(
        "The branch {} of this pull request is gone, and I do not make it anew: push it again, then ask again.",
        neutral::inline(branch.as_str(), 100)
    )
}

/// Tells that a pull request has no head that could be read.
#[must_use]
pub fn no_pull_head(number: ThreadNumber) -> String {
    format!("Git has no head of pull request #{number}, so there is nothing to read.")
}

/// Tells that the branch is gone that a pull request is for.
#[must_use]
pub fn no_base_now(branch: &str) -> String {
    format!(
        "The branch {} that this pull request is for is not there, so there is nothing to compare it with.",
        neutral::inline(branch, 100)
    )
}

/// Tells that policy picks a profile that the server's settings do not have.
#[must_use]
pub fn unknown_profile(name: &Name, known: &[Name]) -> String {
    format!(
        "`.github/prova.toml` picks the sandbox profile `{name}`, which this server does not have. {}",
        meant(name, known)
    )
}

/// Tells that a policy asks for hosts which the server's settings do not let it have.
#[must_use]
pub fn unreachable_hosts(hosts: &[String]) -> String {
    let hosts: Vec<_> = hosts
        .iter()
        .map(|host| neutral::inline(host, 100))
        .collect();
    format!(
        "The policy of this repository asks for hosts that this server does not allow: {}. Take them out of `egress` in `.github/prova.toml`, or ask the operator to add them to `sandbox.egress` in the server's settings.",
        hosts.join(", ")
    )
}

/// Returns the name that was probably meant, and all that there are.
fn meant(name: &Name, known: &[Name]) -> String {
    let all = there_is(known);
    match suggest::nearest(name.as_str(), known.iter().map(Name::as_str)) {
        Some(near) => format!("Did you mean `{near}`? {all}"),
        None => all,
    }
}

/// Tells why a recipe has no rule, and shows how one is written.
fn no_rule(built_in: BuiltIn, why: NoRule, links: &Links) -> String {
    let why = match why {
        NoRule::Missing => "there is none",
        NoRule::Several => "the text here has several, and I cannot tell which is meant",
        NoRule::Foreign => {
            "the one in this issue was written by somebody who does not belong to the repository"
        }
    };
    format!(
        "`{built_in}` applies one rule, and {why}, so nothing was started. Write the rule below the command, in the YAML of ast-grep and with a `fix`:\n\n\
         ````markdown\n@{} run {built_in}\n\n{EXAMPLE}````",
        links.slug
    )
}

/// A rule as a person writes it.
const EXAMPLE: &str = "```yaml
id: unwrap-or-default
language: rust
rule:
  pattern: $A.unwrap_or(String::new())
fix: $A.unwrap_or_default()
```
";

fn there_is(known: &[Name]) -> String {
    if known.is_empty() {
        return "None is set up here.".to_owned();
    }
    let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("Set up here: {}.", names.join(", "))
}

/// Tells that policy and settings name no agent that has not been found unable to work.
#[must_use]
pub fn nobody_left(passed_over: &[PassedOver]) -> String {
    format!(
        "No agent is left that could do this. {}",
        passed(passed_over)
    )
}
