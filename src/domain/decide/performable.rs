//! Whether there is who can do what is asked.

use crate::domain::built_in::BuiltIn;
use crate::domain::decide::Desk;
use crate::domain::fallback::lineup;
use crate::domain::job::{Performer, Request, Work};
use crate::domain::render::refusal::Refusal;

impl Desk<'_> {
    pub(super) fn performable(&self, work: &Work) -> Result<(), Refusal> {
        let policy = self.allowed()?;
        let profiles = self.snapshot.profiles;
        if let Some(name) = policy
            .profile
            .as_ref()
            .filter(|name| !profiles.contains(*name))
        {
            let known = profiles.iter().cloned().collect();
            return Err(Refusal::UnknownProfile(name.clone(), known));
        }
        let entrants = work.performers.entrants();
        entrants
            .iter()
            .try_for_each(|entrant| self.has(&entrant.performer, &work.request))
    }

    /// Returns whether there is who is to do the work.
    fn has(&self, performer: &Performer, request: &Request) -> Result<(), Refusal> {
        let (policy, agents) = (self.allowed()?, self.snapshot.agents);
        match performer {
            Performer::DefaultAgent => {
                let known = || agents.known.iter().cloned().collect();
                let default = agents.default.as_ref();
                let lineup = lineup(policy, request.role(), default, &agents.fallback);
                if lineup.is_empty() {
                    return Err(Refusal::NoAgent(known()));
                }
                match lineup.iter().find(|name| !agents.known.contains(*name)) {
                    None => Ok(()),
                    Some(name) => Err(Refusal::UnknownDefault(name.clone(), known())),
                }
            }
            Performer::Named(name) => {
                if policy.recipes.contains_key(name) || agents.known.contains(name) {
                    return Ok(());
                }
                if let Some(built_in) = agents.built_in(name, policy) {
                    return self.offered(built_in, (performer, request));
                }
                let known = agents.known.iter().cloned();
                let known = known.chain(agents.recipes(policy)).collect();
                Err(Refusal::Unknown(name.clone(), known))
            }
            Performer::Recipe { name, .. } => {
                if policy.recipes.contains_key(name) {
                    return Ok(());
                }
                match agents.built_in(name, policy) {
                    Some(built_in) => self.offered(built_in, (performer, request)),
                    None => Err(Refusal::UnknownRecipe(name.clone(), agents.recipes(policy))),
                }
            }
        }
    }

    /// Returns whether this build has a recipe, and the recipe what it works on.
    fn offered(
        &self,
        built_in: BuiltIn,
        (performer, request): (&Performer, &Request),
    ) -> Result<(), Refusal> {
        if !self.snapshot.agents.built_in.contains(&built_in) {
            return Err(Refusal::NotBuilt(built_in));
        }
        match built_in.input(performer, request) {
            Ok(_) => Ok(()),
            Err(why) => Err(Refusal::NoRule(built_in, why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::decide::agents::Agents;
    use crate::domain::decide::{Snapshot, decide};
    use crate::domain::event::{Happening, Thread, ThreadEvent, ThreadKind};
    use crate::domain::ids::{InstallationId, Login, RepoId, RepoName, ThreadNumber};
    use crate::domain::money::Usd;
    use crate::domain::name::Name;
    use crate::domain::policy::Policy;
    use crate::domain::render::parts::Links;
    use crate::domain::repo::{Actor, ActorKind, Permission, Repo};
    use crate::domain::time::Timestamp;
    use crate::domain::trigger::Wish;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn opened() -> ThreadEvent {
        let ada = Login::new("ada");
        ThreadEvent {
            repo: Repo {
                id: RepoId(1),
                name: RepoName {
                    owner: "acme".to_owned(),
                    name: "greeter".to_owned(),
                },
                installation: InstallationId(1),
                default_branch: "main".to_owned(),
                archived: false,
            },
            actor: Actor {
                login: ada.clone(),
                id: 1,
                kind: ActorKind::Person,
            },
            thread: Thread {
                number: ThreadNumber(1),
                kind: ThreadKind::Issue,
                title: "Tidy up".to_owned(),
                body: String::new(),
                author: ada,
                insider: true,
                labels: Vec::new(),
                open: true,
                locked: false,
                comments: 0,
            },
            what: Happening::Opened,
            at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn a_recipe_that_a_build_lacks_is_refused_with_a_reason() {
        let (policy, links) = (
            Policy::default(),
            Links {
                web_url: String::new(),
                slug: "prova".to_owned(),
                pages: None,
            },
        );
        for (built_in, started) in [(vec![], false), (vec![BuiltIn::Typos], true)] {
            let agents = Agents {
                built_in: built_in.into_iter().collect(),
                ..Agents::default()
            };
            let snapshot = Snapshot {
                policy: Ok(&policy),
                permission: Permission::Write,
                agents: &agents,
                profiles: &BTreeSet::new(),
                open: None,
                pull: None,
                count: 0,
                linked: &[],
                caps: &[],
                most_of_task: Usd::ZERO,
                remarks: &[],
                links: &links,
            };
            let wish = Wish::Start(Performer::Named(name("typos")));
            let decision = decide(&opened(), &[wish], &snapshot);
            let reasons = decision.reasons.join("\n");
            assert_eq!(decision.job.is_some(), started, "{reasons}");
            let refused = reasons.contains("built without the recipe `typos`");
            assert_eq!(refused, !started, "{reasons}");
        }
    }
}
