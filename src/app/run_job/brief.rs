//! The first step: choose the base, read policy and instructions from the default branch, write
//! the brief.

use sha2::{Digest, Sha256};

use crate::app::context::Context;
use crate::app::remote;
use crate::app::run_job::change::{Stand, change, stand};
use crate::app::run_job::conflicts;
use crate::app::surroundings;
use crate::config::policy;
use crate::domain::built_in::BuiltIn;
use crate::domain::diff::{Shown, shown};
use crate::domain::event::ThreadKind;
use crate::domain::fallback;
use crate::domain::home::Home;
use crate::domain::ids::{CommitSha, RepoId};
use crate::domain::job::{Briefed, Merging, PassedOver, Performer, Request, Restored};
use crate::domain::name::Name;
use crate::domain::policy::{POLICY_PATH, Policy, Recipe};
use crate::domain::prompt;
use crate::domain::reach::Reach;
use crate::domain::render::footing::merged_by_now;
use crate::domain::render::refusal::{
    Refusal, no_default_branch, nobody_left, refusal, unreachable_hosts,
};
use crate::domain::repo::Repo;
use crate::domain::report::Outcome;
use crate::ports::checkouts::Remote;
use crate::ports::fault::{Class, Fault};
use crate::ports::store::LeasedJob;

/// Largest policy file, in bytes.
const POLICY_BYTES: u64 = 64 * 1024;
/// Largest instruction file, in bytes.
const INSTRUCTION_BYTES: u64 = 256 * 1024;

/// Why there is no brief.
#[derive(Debug)]
pub enum Problem {
    /// A call failed.
    Fault(Fault),
    /// A person has to mend something first: what, as Markdown.
    Person(String),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What whoever does a job is told: in a race all are told the same.
#[derive(Clone, Debug)]
pub struct Brief {
    /// The commit that the checkout is made from.
    base: CommitSha,
    /// Whether that is the head of the task's own branch.
    on_branch: bool,
    /// The merge whose conflicts are to be resolved.
    merge: Option<Merging>,
    /// The lines that a review may comment on.
    shown: Shown,
    /// What of it steers agents and is put back.
    restored: Option<Restored>,
    /// The commit that policy and instructions were read from.
    policy_commit: CommitSha,
    /// The policy of the default branch.
    policy: Policy,
    /// The text.
    text: String,
    /// The job as JSON, as the `exec` contract gives it.
    job_json: String,
}

/// Everything that the run needs to know.
#[derive(Clone, Debug)]
pub struct Briefing {
    /// What goes into the journal.
    pub briefed: Briefed,
    /// The lines that a review may comment on; none where no review is wanted.
    pub shown: Shown,
    /// The policy of the default branch.
    pub policy: Policy,
    /// The brief.
    pub text: String,
    /// The job as JSON, as the `exec` contract gives it.
    pub job_json: String,
    /// Who does it.
    pub chosen: Chosen,
}

/// Who does a job, chosen by the request, policy and settings, in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// An agent of the server's settings.
    Agent(Name),
    /// A recipe of policy, with what a person gave it to work on.
    Recipe(Name, Recipe, Option<String>),
    /// A built-in recipe, with what it works on.
    BuiltIn(Name, BuiltIn, Option<String>),
}

impl Chosen {
    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        match self {
            Self::Agent(name) | Self::Recipe(name, _, _) | Self::BuiltIn(name, _, _) => name,
        }
    }
}

/// Chooses the base and writes the brief; `steered` is what was asked for since.
pub async fn write(
    ctx: &Context,
    leased: &LeasedJob,
    steered: &[Request],
) -> Result<Brief, Problem> {
    let task = &leased.task.task;
    let (repo, request) = (&task.repo, &leased.work.request);
    let (remote_of, policy_commit) = fetch_default(ctx, repo).await?;
    let Stand { base, on_branch } = stand(ctx, leased, (&remote_of, &policy_commit)).await?;
    let begun = match &leased.work.resolve {
        Some(onto) if on_branch => conflicts::begin(ctx, repo, (onto, &base)).await?,
        Some(_) | None => None,
    };
    if let (Some(onto), None, false) = (&leased.work.resolve, &begun, task.home.is_looked_after()) {
        // On a branch of ours it goes on with what was asked there; here that was all.
        return Err(Problem::Person(merged_by_now(onto)));
    }
    let start = begun.as_ref().map_or(&base, |(begun, _)| &begun.start);
    let diff = change(ctx, leased, &base).await?;
    let restored = if on_branch || base != policy_commit {
        let restored = ctx.checkouts.restore(repo.id, start, &policy_commit);
        restored.await?
    } else {
        None
    };
    let policy = read_policy(ctx, repo.id, &policy_commit).await?;
    within_reach(&policy, &ctx.settings.reach)?;
    let instructions = instructions(ctx, repo.id, &policy_commit, &policy).await?;
    let failed = match &task.last {
        Some(last) if on_branch && last.outcome == Outcome::ChecksFailed => {
            last.evidence.as_slice()
        }
        Some(_) | None => &[],
    };
    let on_head = on_branch || task.home == Home::Fork;
    // Of our own branches GitHub has told whether something fails.
    let may_fail = !task.home.is_looked_after() || task.red.as_ref() == Some(&base);
    let integration = if on_head && may_fail && task.pull.is_some() {
        surroundings::failed_checks(ctx, repo, &base).await?
    } else {
        Vec::new()
    };
    let text = prompt::brief(&prompt::Parts {
        repo: &repo.name,
        base: &base,
        branch: &task.branch,
        on_branch,
        home: task.home,
        restored: restored.as_ref().map_or(&[], |restored| &restored.files),
        conflicts: (leased.work.resolve.as_deref().zip(begun.as_ref())).map(
            |(onto, (begun, _))| prompt::conflicts::Conflicts {
                onto,
                paths: &begun.paths,
                said: &begun.said,
            },
        ),
        change: diff.as_ref(),
        request,
        steered,
        failed,
        integration: &integration,
        policy: &policy,
        instructions: &instructions,
    });
    let job_json = serde_json::json!({
        "repo": repo.name.to_string(),
        "thread": request.thread.number,
        "kind": match request.thread.kind {
            ThreadKind::Issue => "issue",
            ThreadKind::Pull => "pull_request",
        },
        "role": request.role().word(),
        "comments": prompt::to_answer(request, steered),
        "base": base,
        "branch": task.branch,
        "job": leased.lease.job,
    })
    .to_string();
    Ok(Brief {
        base,
        on_branch,
        shown: diff.map(|diff| shown(&diff.text)).unwrap_or_default(),
        merge: begun.map(|(begun, with)| Merging {
            with,
            start: begun.start,
            paths: begun.paths,
        }),
        restored,
        policy_commit,
        policy,
        text,
        job_json,
    })
}

impl Brief {
    /// Chooses who does a job by this brief; agents that were passed over do not get it again.
    pub fn give(
        &self,
        performer: &Performer,
        request: &Request,
        passed_over: &[PassedOver],
        ctx: &Context,
    ) -> Result<Briefing, Problem> {
        let chosen = choose((performer, request), passed_over, &self.policy, ctx)?;
        Ok(Briefing {
            briefed: Briefed {
                base: self.base.clone(),
                on_branch: self.on_branch,
                policy_commit: self.policy_commit.clone(),
                brief_digest: hex::encode(Sha256::digest(self.text.as_bytes())),
                agent: chosen.name().to_string(),
                restored: self.restored.clone(),
                wanted: request.wanted,
                merge: self.merge.clone(),
            },
            shown: self.shown.clone(),
            policy: self.policy.clone(),
            text: self.text.clone(),
            job_json: self.job_json.clone(),
            chosen,
        })
    }
}

/// Fetches the default branch.
async fn fetch_default(ctx: &Context, repo: &Repo) -> Result<(Remote, CommitSha), Problem> {
    match remote::fetch_default(ctx, repo).await {
        Ok(fetched) => Ok(fetched),
        Err(fault) if fault.class == Class::NotFound => {
            Err(Problem::Person(no_default_branch(&repo.default_branch)))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Reads the policy of a commit; none is the default one.
pub async fn read_policy(
    ctx: &Context,
    repo: RepoId,
    commit: &CommitSha,
) -> Result<Policy, Problem> {
    match ctx
        .checkouts
        .read(repo, commit, POLICY_PATH, POLICY_BYTES)
        .await?
    {
        None => Ok(Policy::default()),
        Some(bytes) => policy::parse_bytes(&bytes).map_err(|problems| {
            Problem::Person(format!(
                "I cannot use the policy of this repository:\n\n{}\n",
                problems.markdown()
            ))
        }),
    }
}

/// Refuses a policy that asks for hosts which the server does not let it have.
fn within_reach(policy: &Policy, reach: &Reach) -> Result<(), Problem> {
    let beyond = reach.beyond(&policy.egress);
    if beyond.is_empty() {
        return Ok(());
    }
    let hosts: Vec<_> = beyond.iter().map(ToString::to_string).collect();
    Err(Problem::Person(unreachable_hosts(&hosts)))
}

async fn instructions(
    ctx: &Context,
    repo: RepoId,
    commit: &CommitSha,
    policy: &Policy,
) -> Result<Vec<(String, String)>, Fault> {
    let mut found = Vec::new();
    for path in &policy.instructions {
        if let Some(bytes) = ctx
            .checkouts
            .read(repo, commit, path, INSTRUCTION_BYTES)
            .await?
        {
            found.push((path.clone(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(found)
}

fn choose(
    (performer, request): (&Performer, &Request),
    passed_over: &[PassedOver],
    policy: &Policy,
    ctx: &Context,
) -> Result<Chosen, Problem> {
    let recipe = |name: &Name, input: Option<&String>| {
        let recipe = policy.recipes.get(name)?.clone();
        Some(Chosen::Recipe(name.clone(), recipe, input.cloned()))
    };
    let agent = |name: &Name| ctx.roster.agent(name).map(|_| Chosen::Agent(name.clone()));
    let built_in = match performer {
        Performer::Recipe { name, .. } | Performer::Named(name) => {
            let found = ctx.settings.agents.built_in(name, policy);
            found.map(|built_in| (name, built_in))
        }
        Performer::DefaultAgent => None,
    };
    if let Some((name, built_in)) = built_in {
        return match built_in.input(performer, request) {
            Ok(input) => Ok(Chosen::BuiltIn(name.clone(), built_in, input)),
            Err(why) => {
                let refused = Refusal::NoRule(built_in, why);
                Err(Problem::Person(refusal(&refused, &ctx.settings.links)))
            }
        };
    }
    let lineup;
    let (chosen, wanted) = match performer {
        Performer::Recipe { name, input } => (recipe(name, input.as_ref()), name.as_str()),
        Performer::Named(name) => (recipe(name, None).or_else(|| agent(name)), name.as_str()),
        Performer::DefaultAgent => {
            let agents = &ctx.settings.agents;
            let default = agents.default.as_ref();
            lineup = fallback::lineup(policy, request.role(), default, &agents.fallback);
            let was_passed = |name: &Name| passed_over.iter().any(|one| one.agent == name.as_str());
            let name = lineup.iter().find(|name| !was_passed(name));
            if name.is_none() && !passed_over.is_empty() {
                return Err(Problem::Person(nobody_left(passed_over)));
            }
            (name.and_then(agent), name.map_or("(none)", Name::as_str))
        }
    };
    chosen.ok_or_else(|| {
        Problem::Person(format!(
            "The agent or recipe `{wanted}` is neither in the server's settings nor in `{POLICY_PATH}` (any more)."
        ))
    })
}
