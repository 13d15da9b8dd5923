//! The agents that the server's settings name, and what a name stands for.

use std::collections::BTreeSet;

use crate::domain::built_in::BuiltIn;
use crate::domain::name::Name;
use crate::domain::policy::Policy;

/// The agents that the server's settings name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// The one that works when nobody names another.
    pub default: Option<Name>,
    /// Those that take over, in this order, when that one cannot work.
    pub fallback: Vec<Name>,
    /// All of them.
    pub known: BTreeSet<Name>,
    /// Those that can be handed more while they run.
    pub steerable: BTreeSet<Name>,
    /// The recipes that this build has.
    pub built_in: BTreeSet<BuiltIn>,
}

impl Agents {
    /// Returns the built-in recipe that a name stands for, whether this build has it or not. Who
    /// gives the name to something else, in policy or settings, means that.
    #[must_use]
    pub fn built_in(&self, name: &Name, policy: &Policy) -> Option<BuiltIn> {
        let taken = policy.recipes.contains_key(name) || self.known.contains(name);
        BuiltIn::of(name).filter(|_| !taken)
    }

    /// Returns the names of the recipes that can be run here: policy's, and what this build has.
    #[must_use]
    pub fn recipes(&self, policy: &Policy) -> Vec<Name> {
        let built_in = self.built_in.iter().map(|one| one.name().parse::<Name>());
        let built_in = built_in
            .flatten()
            .filter(|name| self.built_in(name, policy).is_some());
        policy.recipes.keys().cloned().chain(built_in).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Recipe;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_means_what_policy_or_settings_give_it_to() {
        let mut policy = Policy::default();
        let mut agents = Agents {
            built_in: BuiltIn::ALL.into(),
            ..Agents::default()
        };
        let typos = name("typos");
        assert_eq!(agents.built_in(&typos, &policy), Some(BuiltIn::Typos));
        assert_eq!(agents.recipes(&policy), [name("ast-grep"), typos.clone()]);
        let recipe = Recipe {
            run: "true".to_owned(),
            title: None,
        };
        policy.recipes.insert(typos.clone(), recipe);
        assert_eq!(agents.built_in(&typos, &policy), None);
        assert_eq!(agents.recipes(&policy), [typos, name("ast-grep")]);
        agents.known.insert(name("ast-grep"));
        assert_eq!(agents.recipes(&policy), [name("typos")]);
    }
}
