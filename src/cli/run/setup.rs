//! What a run begins with: settings, policy, who works, and the event that starts it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::app::context::Context;
use crate::app::dispatch::changes;
use crate::cli::run::issue::Issue;
use crate::cli::run::{Problem, RunArgs};
use crate::cli::settings::environment;
use crate::config::policy;
use crate::config::server::load::{Need, load};
use crate::config::server::{Agent, ServerSettings};
use crate::domain::built_in::BuiltIn;
use crate::domain::command::Command;
use crate::domain::decide::{Decision, Snapshot, decide};
use crate::domain::effect::Effect;
use crate::domain::event::{Happening, Thread, ThreadEvent, ThreadKind};
use crate::domain::ids::{TaskId, ThreadNumber};
use crate::domain::job::Performer;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::policy::{POLICY_PATH, Policy};
use crate::domain::repo::{Actor, Permission, Repo};
use crate::domain::retry::MAX_ATTEMPTS;
use crate::domain::suggest::nearest;
use crate::domain::time::Timestamp;
use crate::domain::trigger::Wish;
use crate::ports::fault::Class;
use crate::ports::github::Repositories;
use crate::ports::store::Versioned;

/// The number of the one issue: branches are `prova/1-…`.
pub(crate) const THREAD: ThreadNumber = ThreadNumber(1);

/// What the agent of `--command` is called.
const COMMAND: &str = "command";

/// Reads a variable of the environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// Reads the settings that `args` name, or takes the defaults; store and work go to `place`.
pub(crate) fn settings(args: &RunArgs, place: &Path) -> Result<ServerSettings, Problem> {
    let (file, text) = match &args.config {
        None => ("(defaults)".to_owned(), String::new()),
        Some(config) => {
            let file = config.display().to_string();
            match std::fs::read_to_string(config) {
                Ok(text) => (file, text),
                Err(error) => {
                    return Err(Problem::usage(format!("cannot read {file}: {error}")));
                }
            }
        }
    };
    let base = args.config.as_deref().and_then(Path::parent);
    let base = base.unwrap_or(Path::new(""));
    let mut settings =
        load(&file, &text, base, (&environment(), Need::Local)).map_err(Problem::usage)?;
    settings.store.url = format!("sqlite://{}", place.join("prova.db").display());
    settings.work.dir = place.join("work");
    for mount in &args.mount {
        let mount = std::fs::canonicalize(mount)
            .map_err(|error| Problem::usage(format!("--mount {}: {error}", mount.display())))?;
        settings.sandbox.mounts.push(mount);
    }
    Ok(settings)
}

/// Reads the policy of the current branch.
pub(crate) async fn policy(forge: &dyn Repositories, repo: &Repo) -> Result<Policy, Problem> {
    match forge.file(repo, POLICY_PATH).await? {
        None => Ok(Policy::default()),
        Some(bytes) => policy::parse_bytes(&bytes).map_err(|problems| {
            let branch = &repo.default_branch;
            Problem::usage(format!(
                "{problems}\nThe policy is read from the last commit of {branch}: mend it and commit"
            ))
        }),
    }
}

/// Finds out who works, and sets up the agent of `--command`.
pub(crate) fn performer(
    args: &RunArgs,
    settings: &mut ServerSettings,
    policy: &Policy,
) -> Result<Performer, Problem> {
    if let Some(name) = &args.recipe {
        if policy.recipes.contains_key(name) {
            let (name, input) = (name.clone(), None);
            return Ok(Performer::Recipe { name, input });
        }
        if !settings.agents.contains_key(name) && BuiltIn::of(name).is_some() {
            // By name, as a label asks for it: what it works on stands in the issue.
            return Ok(Performer::Named(name.clone()));
        }
        let place = format!("{POLICY_PATH} of the current branch's last commit");
        let there = listed(("recipe", name), &place, policy.recipes.keys());
        let built_in = BuiltIn::ALL.map(BuiltIn::name).join(", ");
        let there = format!("{there}; built in: {built_in}");
        return Err(Problem::Usage(there));
    }
    if let Some(command) = &args.command {
        let name: Name = COMMAND.parse().map_err(Problem::usage)?;
        if command.trim().is_empty() {
            return Err(Problem::usage("--command is empty; name a program to run"));
        }
        let words = ["/bin/sh", "-c", command];
        let agent = Agent::Exec {
            command: words.map(str::to_owned).to_vec(),
            env: BTreeMap::new(),
            models: None,
        };
        settings.agents.insert(name.clone(), agent);
        return named(name, policy);
    }
    if let Some(name) = &args.agent {
        if settings.agents.contains_key(name) {
            return named(name.clone(), policy);
        }
        return Err(unknown(name, args, settings));
    }
    match &policy.agent {
        Some(name) if !settings.agents.contains_key(name) => Err(unknown(name, args, settings)),
        Some(_) => Ok(Performer::DefaultAgent),
        None if settings.agents.len() == 1 || settings.work.agent.is_some() => {
            Ok(Performer::DefaultAgent)
        }
        None => Err(Problem::usage(format!(
            "no agent is named: use --agent NAME with --config, --command 'my-agent {{brief}}', or --recipe NAME, or set `agent` in {POLICY_PATH}"
        ))),
    }
}

/// Recipes come first where a name may be either, and this one is to be an agent.
fn named(name: Name, policy: &Policy) -> Result<Performer, Problem> {
    if policy.recipes.contains_key(&name) {
        return Err(Problem::usage(format!(
            "`{name}` is also a recipe in {POLICY_PATH}, and recipes come first; rename one of them"
        )));
    }
    Ok(Performer::Named(name))
}

fn unknown(name: &Name, args: &RunArgs, settings: &ServerSettings) -> Problem {
    match &args.config {
        Some(config) => {
            let place = config.display().to_string();
            Problem::Usage(listed(("agent", name), &place, settings.agents.keys()))
        }
        None => Problem::Usage(format!(
            "there is no agent called `{name}`: no settings file is named; name one with --config"
        )),
    }
}

/// Says that there is none of that name, and which there are.
fn listed<'a>(
    (kind, name): (&str, &Name),
    place: &str,
    known: impl Iterator<Item = &'a Name>,
) -> String {
    let known: Vec<&str> = known.map(Name::as_str).collect();
    let meant = nearest(name.as_str(), known.iter().copied())
        .map_or(String::new(), |meant| format!(" Did you mean `{meant}`?"));
    let there = match known.as_slice() {
        [] => "none at all".to_owned(),
        known => known.join(", "),
    };
    format!("there is no {kind} called `{name}` in {place}.{meant} It has {there}")
}

/// Builds the event that starts the work: the person has opened the issue.
pub(crate) fn event(repo: &Repo, actor: &Actor, issue: Issue, at: Timestamp) -> ThreadEvent {
    ThreadEvent {
        repo: repo.clone(),
        actor: actor.clone(),
        thread: Thread {
            number: THREAD,
            kind: ThreadKind::Issue,
            title: issue.title,
            body: issue.body,
            author: actor.login.clone(),
            insider: true,
            labels: Vec::new(),
            open: true,
            locked: false,
            comments: 0,
        },
        what: Happening::Opened,
        at,
    }
}

/// Who works, under which policy, and how many branches of the issue there are already.
pub(crate) struct Setup {
    /// The policy of the current branch.
    pub(crate) policy: Policy,
    /// Who works.
    pub(crate) performer: Performer,
    /// Branches of the issue that there are.
    pub(crate) taken: u32,
}

/// Where the person's wishes are decided, as a delivery's are.
pub(crate) struct Desk {
    /// The ports and settings.
    pub(crate) ctx: Context,
    /// What the person did.
    pub(crate) event: ThreadEvent,
}

impl Desk {
    /// Starts the task, or says why not.
    pub(crate) async fn begin(&self, setup: &Setup) -> Result<TaskId, Problem> {
        let wish = Wish::Start(setup.performer.clone());
        let decision = self.decide(&wish, &setup.policy, (None, setup.taken));
        let Some(task) = decision.task.as_ref().map(|task| task.id) else {
            return Err(Problem::Usage(answers(&decision)));
        };
        self.commit(decision, None).await?;
        Ok(task)
    }

    /// Stops the task, if it is not over already.
    pub(crate) async fn stop(&self, task: TaskId) -> Result<(), Problem> {
        let wish = Wish::Command(Command::Stop);
        for _ in 0..MAX_ATTEMPTS {
            let Some(read) = self.ctx.store.task(task).await? else {
                return Ok(());
            };
            if !read.task.state.is_busy() {
                return Ok(());
            }
            let open = (Some(&read), task.ordinal);
            let decision = self.decide(&wish, &Policy::default(), open);
            match self.commit(decision, Some(&read)).await {
                // Its job moved it along at the same moment.
                Err(fault) if fault.class == Class::Conflict => {}
                outcome => return Ok(outcome?),
            }
        }
        Ok(())
    }

    fn decide(
        &self,
        wish: &Wish,
        policy: &Policy,
        (open, count): (Option<&Versioned>, u32),
    ) -> Decision {
        let settings = &self.ctx.settings;
        let profiles = settings.profiles.keys().cloned().collect();
        let snapshot = Snapshot {
            policy: Ok(policy),
            permission: Permission::Admin,
            agents: &settings.agents,
            profiles: &profiles,
            open: open.map(|read| &read.task),
            pull: None,
            count,
            remarks: &[],
            linked: &[],
            caps: &[],
            most_of_task: Usd::ZERO,
            links: &settings.links,
        };
        decide(&self.event, std::slice::from_ref(wish), &snapshot)
    }

    async fn commit(
        &self,
        decision: Decision,
        read: Option<&Versioned>,
    ) -> Result<(), crate::ports::fault::Fault> {
        let event = &self.event;
        let actor = event.actor.login.as_str();
        let changes = changes(decision, &event.repo, read, actor, self.ctx.now());
        self.ctx.store.commit(&changes, self.ctx.now()).await
    }
}

/// Returns what the person would be answered on a thread.
fn answers(decision: &Decision) -> String {
    let said = decision
        .effects
        .iter()
        .filter_map(|(_, _, effect)| match effect {
            Effect::Comment { body } | Effect::ReviewReply { body, .. } => Some(body.as_str()),
            Effect::React { .. }
            | Effect::Branch { .. }
            | Effect::Undo { .. }
            | Effect::Update { .. }
            | Effect::Pull { .. }
            | Effect::Check { .. }
            | Effect::Conclude { .. }
            | Effect::Delete { .. }
            | Effect::Rerun { .. }
            | Effect::Resolve { .. }
            | Effect::Review { .. } => None,
        });
    said.collect::<Vec<_>>().join("\n")
}
