//! `driver = "builtin"`: the agent of our own.

use crate::config::reader::Table;
use crate::config::server::Builtin;
use crate::config::server::layer::MAX_ENDPOINTS;
use crate::domain::builtin::Wire;
use crate::domain::name::Name;

/// Most answers that may be asked of a model.
const MAX_STEPS: u64 = 10_000;
/// Below this, the tools alone would fill a request.
const MIN_CONTEXT_TOKENS: u64 = 8_000;

/// Reads what is set for the agent of our own. Which model that is, the endpoint tells.
pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Builtin> {
    if !cfg!(feature = "builtin") {
        let why = "this program was built without the feature `builtin`; expected exec or recipe";
        table.refuse("driver", why);
    }
    let wires = [("chat", Wire::Chat), ("responses", Wire::Responses)];
    let model = table.text("model", model);
    let wire = table.choice("wire", &wires);
    let max_steps = table.whole("max_steps", 1..=MAX_STEPS);
    let context_tokens = table.whole("context_tokens", MIN_CONTEXT_TOKENS..=100_000_000);
    let expected = "one name of a [models.NAME], such as [\"claude\"]";
    if !table.has("models") {
        table.missing("models", expected);
    }
    let mut models = table.texts("models", MAX_ENDPOINTS, str::parse::<Name>)?;
    let endpoint = models.pop().filter(|_| models.is_empty());
    if endpoint.is_none() {
        table.refuse("models", format!("expected {expected}"));
    }
    Some(Builtin {
        endpoint: endpoint?,
        model,
        wire,
        max_steps: max_steps
            .and_then(|steps| u32::try_from(steps).ok())
            .unwrap_or(100),
        context_tokens,
    })
}

fn model(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text == "*" {
        return Err("expected the name of one model");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::config::report::Problems;
    use crate::config::server::load::{Need, load};
    use crate::config::server::{Agent, Builtin, ServerSettings};
    use crate::domain::builtin::Wire;
    use std::collections::BTreeMap;
    use std::path::Path;

    const ENDPOINTS: &str = "[models.main]\napi = \"openai\"\n[models.main.prices]\n\
        b = { input = 1, output = 1 }\n\"c-4.5\" = { input = 1, output = 1 }\n\
        [models.any]\napi = \"openai\"\n[models.any.prices.\"*\"]\ninput = 0\noutput = 0\n";

    fn read(agent: &str) -> Result<ServerSettings, Problems> {
        let text = format!("[agents.own]\ndriver = \"builtin\"\n{agent}\n{ENDPOINTS}");
        let variables = BTreeMap::new();
        load(
            "prova.toml",
            &text,
            Path::new(""),
            (&variables, Need::Local),
        )
    }

    fn agent(text: &str) -> (Builtin, String) {
        let settings = read(text).unwrap();
        let Some(Agent::Builtin(agent)) = settings.agents.into_values().next() else {
            panic!("{text} is no agent of our own");
        };
        let wished = agent.model.clone();
        let endpoint = &settings.models[&agent.endpoint];
        let model = endpoint.model(wished.as_deref()).unwrap().0.to_owned();
        (agent, model)
    }

    #[test]
    fn an_endpoint_is_enough() {
        let (read, model) = agent("models = [\"main\"]");
        let expected = Builtin {
            endpoint: "main".parse().unwrap(),
            model: None,
            wire: None,
            max_steps: 100,
            context_tokens: None,
        };
        assert_eq!((read, model.as_str()), (expected, "b"));
        let all = "models = [\"any\"]\nmodel = \"x\"\nwire = \"responses\"\nmax_steps = 7\n\
                   context_tokens = 9000";
        let (read, model) = agent(all);
        assert_eq!((read.wire, read.max_steps), (Some(Wire::Responses), 7));
        assert_eq!((read.context_tokens, model.as_str()), (Some(9_000), "x"));
    }

    #[test]
    fn what_is_shown_is_read_again() {
        let all = "models = [\"main\"]\nmodel = \"c-4.5\"\nwire = \"chat\"\ncontext_tokens = 9000";
        let first = read(all).unwrap();
        let text = format!(
            "[github]\napp_id = 1\n{}",
            first.shown().split_once("[store]").unwrap().1
        );
        let text = text.replacen("app_id = 1\n", "app_id = 1\n[store]\n", 1);
        let variables = BTreeMap::new();
        let again = load("x", &text, Path::new(""), (&variables, Need::Local)).unwrap();
        assert_eq!(again.agents, first.agents);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, told) in [
            ("", "agents.own.models: missing; expected one name"),
            ("models = []", "agents.own.models: found"),
            ("models = [\"main\", \"any\"]", "agents.own.models: found"),
            ("models = [\"other\"]", "models.other: missing"),
            (
                "models = [\"any\"]",
                "agents.own.model: missing; expected the name of a model that",
            ),
            (
                "models = [\"main\"]\nmodel = \"x\"",
                "agents.own.model: missing",
            ),
            (
                "models = [\"main\"]\nmodel = \"*\"",
                "agents.own.model: found",
            ),
            (
                "models = [\"main\"]\nwire = \"gemini\"",
                "expected one of chat, responses",
            ),
            (
                "models = [\"main\"]\nmax_steps = 0",
                "agents.own.max_steps: found",
            ),
            (
                "models = [\"main\"]\ncontext_tokens = 100",
                "agents.own.context_tokens: found",
            ),
            (
                "models = [\"main\"]\ncommand = [\"x\"]",
                "agents.own.command: unknown key",
            ),
        ] {
            let problems = read(text).unwrap_err().to_string();
            assert!(problems.contains(told), "{text}: {problems}");
        }
    }
}
