//! Labels that start a task: `prova`, and `prova:NAME` for an agent or recipe.

use crate::domain::command::error::{CommandError, Named};
use crate::domain::name::Name;

/// What a label asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelRequest {
    /// Start with the policy's agent.
    Start,
    /// Start with the agent or recipe of this name.
    StartWith(Name),
}

/// Reads a label; `wanted` is the policy's. `None`: the label is not ours.
///
/// GitHub treats labels that differ only in case as the same, so the comparison does too.
#[must_use]
pub fn label(label: &str, wanted: &str) -> Option<Result<LabelRequest, CommandError>> {
    let head = label.get(..wanted.len())?;
    if !head.eq_ignore_ascii_case(wanted) {
        return None;
    }
    let rest = label.get(wanted.len()..)?;
    if rest.is_empty() {
        return Some(Ok(LabelRequest::Start));
    }
    let name = rest.strip_prefix(':')?.trim();
    Some(match name.to_ascii_lowercase().parse() {
        Ok(name) => Ok(LabelRequest::StartWith(name)),
        Err(_) => Err(CommandError::BadName {
            what: Named::AgentOrRecipe,
            found: name.to_owned(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_start_tasks() {
        let named = |name: &str| Some(Ok(LabelRequest::StartWith(name.parse().unwrap())));
        assert_eq!(label("prova", "prova"), Some(Ok(LabelRequest::Start)));
        assert_eq!(label("Prova", "prova"), Some(Ok(LabelRequest::Start)));
        assert_eq!(label("prova:fmt", "prova"), named("fmt"));
        assert_eq!(label("prova: FMT", "prova"), named("fmt"));
        assert_eq!(label("ai/do it:codex", "ai/do it"), named("codex"));
        for other in [
            "",
            "prov",
            "provas",
            "prova-x",
            "bug",
            "not prova",
            "pröva",
            "prova fmt",
        ] {
            assert_eq!(label(other, "prova"), None, "{other:?}");
        }
    }

    #[test]
    fn a_bad_name_is_answered() {
        for bad in ["prova:", "prova:a b", "prova:-x", "prova:\n", "prova:\"'`"] {
            let error = label(bad, "prova").unwrap().unwrap_err().to_string();
            assert!(
                error.contains(
                    "is not the name of an agent or a recipe: expected a name of 1 to 64"
                ),
                "{error}"
            );
        }
    }
}
