//! The second step: a fresh checkout, the setup commands, and the agent in its sandbox.

use std::collections::BTreeMap;

use crate::app::run_job::brief::Chosen;
use crate::app::run_job::setup::{Keep, Ready};
use crate::app::run_job::steer::Steer;
use crate::app::run_job::watch::Watch;
use crate::app::run_job::way::{Reachable, Way};
use crate::app::run_job::{Attempt, Stuck};
use crate::domain::annotation::places;
use crate::domain::egress::HostRule;
use crate::domain::evidence::{Claim, Ending, Evidence};
use crate::domain::excerpt::{excerpt, plain};
use crate::domain::job::{Entry, Ran, Told, Wanted};
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::render::refusal::unknown_profile;
use crate::domain::time::Span;
use crate::ports::agent;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{INSIDE_CHECKOUT, Limits, Outcome, Profile, Spec};
use crate::ports::tree::Tree;

/// What the commands of a job run with.
#[derive(Clone, Debug)]
pub struct Room {
    /// The working tree.
    pub tree: Tree,
    /// What each may use.
    pub limits: Limits,
    /// What stands inside beside the system.
    pub profile: Profile,
    /// Hosts that each may reach.
    pub egress: Vec<HostRule>,
}

impl Attempt<'_> {
    /// Runs the agent on a fresh checkout.
    pub async fn run(&mut self) -> Result<Entry, Stuck> {
        let Some(briefing) = self.briefing.clone() else {
            return Err(Fault::permanent("run the agent", "there is no brief").into());
        };
        let task = &self.leased.task.task;
        let briefed = &briefing.briefed;
        let base = briefed.start();
        let mut checkout = self
            .ctx
            .checkouts
            .checkout(task.repo.id, base, task.branch.as_str(), &self.place())
            .await?;
        self.checkout = Some(checkout.clone());
        if self.is_cancelled() {
            return Ok(self.ran(None, None));
        }
        // What stands on the code of anybody else is for nobody else.
        let keep = if briefed.on_branch || briefed.base != briefed.policy_commit {
            Keep::ForThisJob
        } else {
            Keep::ForAll
        };
        let room = self.room(&briefing.policy, checkout.tree.clone())?;
        let Ready { room, failed } = self
            .set_up(
                &briefing.policy.setup,
                (room, &checkout.base_tree),
                (keep, "setup.log"),
            )
            .await?;
        checkout.tree = room.tree.clone();
        self.checkout = Some(checkout.clone());
        if let Some(failed) = failed {
            return Ok(self.ran(None, Some(failed)));
        }
        let (agent, input) = match &briefing.chosen {
            Chosen::Agent(name) => (self.ctx.roster.agent(name), None),
            Chosen::Recipe(_, recipe, input) => {
                (Some(self.ctx.roster.recipe(recipe)), input.as_deref())
            }
            Chosen::BuiltIn(_, built_in, input) => {
                let protected = &briefing.policy.protect;
                let agent = self.ctx.roster.built_in(*built_in, protected);
                (Some(agent), input.as_deref())
            }
        };
        let agent = agent.ok_or_else(|| Fault::permanent("run the agent", "it is not set up"))?;
        let reachable = self.reachable(&briefing.chosen, &briefing.policy).await?;
        let way = self.way(reachable).await?;
        let watch = Watch::begin(self.ctx);
        let name = briefing.chosen.name().as_str();
        let home = self.ctx.settings.sessions(task.id).join(name);
        let untrusted = briefing.policy.text.untrusted;
        let steer = Steer::new((self.ctx, self.leased), self.work(), untrusted);
        let request = agent::Request {
            brief: &briefing.text,
            job_json: &briefing.job_json,
            checkout: &checkout,
            job: &self.dir,
            limits: room.limits,
            profile: &room.profile,
            door: way.door(),
            input,
            session: agent::Session {
                home: &home,
                resume: self.session(name),
            },
            watcher: &watch,
            steering: agent.can_be_steered().then_some(&steer),
        };
        let run = agent.run(&request, self.ctx.sandbox.as_ref(), way.stop());
        let run = self.watched((&watch, name), &way, way.during(run));
        let (run, stall) = run.await;
        let thoughtless = agent.thinks() && way.so_far().answered == 0;
        self.passed(way).await;
        for request in steer.over()? {
            // It is in the journal already.
            self.progress.apply(Entry::Steered(Box::new(request)));
        }
        let told = self.told(watch.so_far(), stall, thoughtless);
        Ok(self.ran(Some((run?, told)), None))
    }

    /// Returns the session in which the same agent ended its last run for the task, if it said. Whoever
    /// reviews begins anew: what the author had in mind is not in the change.
    fn session(&self, agent: &str) -> Option<&str> {
        match self.leased.work.request.wanted {
            Wanted::Review => return None,
            Wanted::Change | Wanted::Plan | Wanted::PlanFirst | Wanted::Answer => {}
        }
        let run = self.leased.task.task.last.as_ref()?.run.as_ref()?;
        (run.agent == agent).then_some(run.told.session.as_deref()?)
    }

    fn ran(&mut self, run: Option<(agent::Run, Told)>, failed_setup: Option<Evidence>) -> Entry {
        let stopped = Outcome {
            ending: Ending::Cancelled,
            took: Span::ZERO,
            tail: Vec::new(),
            output_bytes: 0,
            log_digest: String::new(),
        };
        let ending = failed_setup.as_ref().map(|evidence| evidence.ending);
        let (outcome, claim, told) = match run {
            Some((run, told)) => (run.outcome, run.claim, told),
            None => (stopped, None, Told::default()),
        };
        let claim = claim.map(|claim| self.redacted(claim));
        Entry::Ran(Box::new(Ran {
            on_lines: self.on_lines(claim.as_ref()),
            ending: ending.unwrap_or(outcome.ending),
            took: outcome.took,
            log_digest: outcome.log_digest,
            output_bytes: outcome.output_bytes,
            excerpt: self.shown(&outcome.tail),
            failed_setup,
            claim,
            told,
            sandbox: self.ctx.sandbox.name().to_owned(),
            traffic: std::mem::take(&mut self.traffic),
        }))
    }

    /// Returns which findings of a review lie on lines that the diff shows.
    fn on_lines(&self, claim: Option<&Claim>) -> Vec<usize> {
        let (Some(claim), Some(briefing)) = (claim, &self.briefing) else {
            return Vec::new();
        };
        let found = claim.findings.iter().enumerate();
        let on_lines = found.filter(|(_, one)| briefing.shown.has(&one.path, one.line));
        on_lines.map(|(at, _)| at).collect()
    }

    /// Returns what commands on `tree` run with.
    pub fn room(&self, policy: &Policy, tree: Tree) -> Result<Room, Stuck> {
        Ok(Room {
            tree,
            limits: self.limits(policy),
            profile: match &policy.profile {
                Some(name) => self.profile(name)?,
                None => Profile::default(),
            },
            egress: policy.egress.clone(),
        })
    }

    /// Returns a profile of the server's settings; it may have been there when the job was queued.
    fn profile(&self, name: &Name) -> Result<Profile, Stuck> {
        let profiles = &self.ctx.settings.profiles;
        profiles.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = profiles.keys().cloned().collect();
            Stuck::Person(unknown_profile(name, &known))
        })
    }

    /// Returns what one run may use: policy may take less time than the server allows, never more.
    fn limits(&self, policy: &Policy) -> Limits {
        let allowed = self.ctx.settings.limits;
        let asked = policy
            .limits
            .timeout_minutes
            .map(|n| Span::minutes(n.into()));
        Limits {
            wall: asked.map_or(allowed.wall, |asked| asked.min(allowed.wall)),
            ..allowed
        }
    }

    /// Closes a way out and counts what passed.
    async fn passed(&mut self, way: Way) {
        let passed = way.close().await;
        self.traffic = std::mem::take(&mut self.traffic).with(passed);
    }

    /// Runs one command of policy in a sandbox of its own, on a working tree. It reaches no model.
    pub async fn command(
        &mut self,
        command: &str,
        room: &Room,
        log: &str,
    ) -> Result<Evidence, Fault> {
        let spec = Spec {
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), command.to_owned()],
            env: BTreeMap::from([("CI".to_owned(), "true".to_owned())]),
            tree: room.tree.clone(),
            hide: Vec::new(),
            input: None,
            output: None,
            objects: None,
            home: None,
            own: None,
            log: self.dir.join(log),
            limits: room.limits,
            profile: room.profile.clone(),
        };
        let reachable = Reachable {
            egress: room.egress.clone(),
            ..Reachable::default()
        };
        let way = self.way(reachable).await?;
        let run = self.ctx.sandbox.run(&spec, way.door(), way.stop());
        let outcome = way.during(run).await;
        self.passed(way).await;
        let outcome = outcome?;
        let redactor = &self.ctx.settings.redactor;
        let places = if outcome.ending.succeeded() {
            Vec::new()
        } else {
            places(&redactor.redact(&plain(&outcome.tail)), INSIDE_CHECKOUT)
        };
        Ok(Evidence {
            command: command.to_owned(),
            ending: outcome.ending,
            took: outcome.took,
            log_digest: outcome.log_digest,
            excerpt: self.shown(&outcome.tail),
            places,
        })
    }

    fn shown(&self, tail: &[u8]) -> String {
        self.ctx
            .settings
            .redactor
            .redact(&excerpt(tail))
            .into_owned()
    }
}
