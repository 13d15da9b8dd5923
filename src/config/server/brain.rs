//! Which model an agent works by, where its driver has to know.

use std::collections::BTreeMap;

use crate::config::server::Endpoint;
use crate::domain::model::Api;
use crate::domain::name::Name;

/// The model that an agent works by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brain {
    /// The endpoint.
    pub endpoint: Name,
    /// Its language.
    pub api: Api,
    /// The model, as requests name it.
    pub model: String,
}

/// What an operator says of it.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The languages that the agent speaks, best first.
    pub apis: &'a [Api],
    /// The endpoints that it may call; none: every one.
    pub models: Option<&'a [Name]>,
    /// The model; none: the first that the endpoint names.
    pub model: Option<&'a str>,
}

/// Returns the model for a choice.
///
/// # Errors
/// What is expected instead, for the key that it is told of.
pub fn brain(
    choice: &Choice<'_>,
    endpoints: &BTreeMap<Name, Endpoint>,
) -> Result<Brain, (&'static str, String)> {
    let allowed = |name: &Name| choice.models.is_none_or(|names| names.contains(name));
    let speaks = |api: Api| {
        let mut those = endpoints
            .iter()
            .filter(move |(_, endpoint)| endpoint.api == api);
        those.find(|(name, _)| allowed(name))
    };
    let Some((name, endpoint)) = choice.apis.iter().find_map(|api| speaks(*api)) else {
        let apis: Vec<_> = choice
            .apis
            .iter()
            .map(|api| format!("api = \"{api}\""))
            .collect();
        let expected = format!(
            "a [models.NAME] with {}, which the agent speaks",
            apis.join(" or ")
        );
        return Err(("models", expected));
    };
    let any = endpoint.models.contains_key("*");
    let model = match choice.model {
        Some(model) if any || endpoint.models.contains_key(model) => model.to_owned(),
        Some(_) => {
            let known: Vec<_> = endpoint.models.keys().cloned().collect();
            let expected = format!(
                "a model with prices in [models.{name}]: {}",
                known.join(", ")
            );
            return Err(("model", expected));
        }
        None => match endpoint.models.keys().find(|model| *model != "*") {
            Some(model) => model.clone(),
            None => {
                return Err(("model", format!("the model to ask of [models.{name}]")));
            }
        },
    };
    Ok(Brain {
        endpoint: name.clone(),
        api: endpoint.api,
        model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::{Model, Prices};

    fn endpoints() -> BTreeMap<Name, Endpoint> {
        let endpoint = |name: &str, api, models: &[&str]| {
            let model = Model {
                prices: Prices::default(),
                max_output_tokens: 1,
                context_tokens: None,
            };
            let endpoint = Endpoint {
                api,
                url: String::new(),
                key: None,
                models: models
                    .iter()
                    .map(|name| ((*name).to_owned(), model))
                    .collect(),
            };
            (name.parse().unwrap(), endpoint)
        };
        BTreeMap::from([
            endpoint("local", Api::OpenAi, &["*"]),
            endpoint("main", Api::Anthropic, &["large", "small"]),
            endpoint("other", Api::OpenAi, &["*", "four"]),
        ])
    }

    fn chosen(apis: &[Api], models: Option<&[&str]>, model: Option<&str>) -> String {
        let names: Option<Vec<Name>> =
            models.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
        let choice = Choice {
            apis,
            models: names.as_deref(),
            model,
        };
        match brain(&choice, &endpoints()) {
            Ok(Brain {
                endpoint, model, ..
            }) => format!("{endpoint}: {model}"),
            Err((key, expected)) => format!("{key}: expected {expected}"),
        }
    }

    #[test]
    fn the_first_endpoint_of_the_best_language_is_taken() {
        let both = [Api::Anthropic, Api::OpenAi];
        for (apis, models, model, expected) in [
            (&both[..], None, None, "main: large"),
            (&both, None, Some("small"), "main: small"),
            (&both, Some(&["other"][..]), None, "other: four"),
            (&[Api::OpenAi], None, Some("seven"), "local: seven"),
        ] {
            assert_eq!(chosen(apis, models, model), expected);
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        for (apis, model, expected) in [
            (
                &[Api::Gemini][..],
                None,
                "models: expected a [models.NAME] with api = \"gemini\", which the agent speaks",
            ),
            (
                &[Api::Anthropic],
                Some("huge"),
                "model: expected a model with prices in [models.main]: large, small",
            ),
            (
                &[Api::OpenAi],
                None,
                "model: expected the model to ask of [models.local]",
            ),
        ] {
            assert_eq!(chosen(apis, None, model), expected);
        }
    }
}
