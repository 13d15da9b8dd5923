//! `[models.NAME]` and `[budget]`: what the gateway may call, what that costs, and how much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::presets;
use crate::config::reader::Table;
use crate::config::server::brain::{Brain, Choice, brain};
use crate::config::server::layer::{Secrets, any, path, url};
use crate::config::server::{Agent, Endpoint, Secret};
use crate::domain::model::{Api, Model, Prices};
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::spend::Budgets;

/// Most models of one endpoint.
const MAX_MODELS: usize = 200;
/// What most models can write at once.
const OUTPUT_TOKENS: u64 = 32_000;

/// What one source says of an endpoint: all of it, or, in the environment, only its key.
#[derive(Debug)]
pub(super) enum Source {
    Whole(Endpoint),
    Key(Secret),
}

/// Reads `[models.NAME]`.
pub(super) fn endpoint(table: &mut Table<'_, '_>, secrets: Secrets) -> Option<Source> {
    let key = match secrets {
        Secrets::ByValue => table.text("key", any).map(Secret::Value),
        Secrets::ByFile => None,
    };
    let file = table.text("key_file", path).map(Secret::File);
    let key = key.or(file);
    let only_a_key = !["api", "url", "prices"].iter().any(|key| table.has(key));
    match (secrets, key) {
        (Secrets::ByValue, Some(key)) if only_a_key => Some(Source::Key(key)),
        (_, key) => whole(table, key).map(Source::Whole),
    }
}

fn whole(table: &mut Table<'_, '_>, key: Option<Secret>) -> Option<Endpoint> {
    if !table.has("api") {
        table.missing("api", "one of anthropic, openai, gemini");
    }
    let api = table.choice("api", &Api::ALL.map(|api| (api.as_str(), api)));
    let url = table.text("url", url);
    let max_output_tokens = table.whole("max_output_tokens", 1..=10_000_000);
    let context_tokens = table.whole("context_tokens", 1..=100_000_000);
    if !table.has("prices") {
        table.missing(
            "prices",
            "a table [models.NAME.prices.\"MODEL\"] for each model that may be called",
        );
    }
    let prices = table.keyed("prices", MAX_MODELS, prices);
    let api = api?;
    let model = |prices| Model {
        prices,
        max_output_tokens: max_output_tokens.unwrap_or(OUTPUT_TOKENS),
        context_tokens,
    };
    Some(Endpoint {
        api,
        url: url.unwrap_or_else(|| usual_url(api).to_owned()),
        key,
        models: prices
            .into_iter()
            .map(|(name, prices)| (name, model(prices)))
            .collect(),
    })
}

/// Reads what a million tokens cost. What is not said of a cache is taken as what providers charge
/// at most, so that no budget is passed by it.
fn prices(table: &mut Table<'_, '_>) -> Option<Prices> {
    for key in ["input", "output"] {
        if !table.has(key) {
            table.missing(key, "US dollars for a million tokens, such as 3 or 0.25");
        }
    }
    let input = table.number("input", str::parse::<Usd>);
    let cache_read = table.number("cache_read", str::parse::<Usd>);
    let cache_write = table.number("cache_write", str::parse::<Usd>);
    let output = table.number("output", str::parse::<Usd>);
    let reasoning = table.number("reasoning", str::parse::<Usd>);
    let input = input?;
    Some(Prices {
        input,
        cache_read: cache_read.unwrap_or(input),
        cache_write: cache_write.unwrap_or(input.plus(input)),
        output: output?,
        reasoning,
    })
}

/// Where the API's own provider serves it.
const fn usual_url(api: Api) -> &'static str {
    match api {
        Api::Anthropic => "https://api.anthropic.com",
        Api::OpenAi => "https://api.openai.com/v1",
        Api::Gemini => "https://generativelanguage.googleapis.com",
    }
}

/// What one source says of budgets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BudgetLayer {
    job: Option<Usd>,
    task: Option<Usd>,
    repository_day: Option<Usd>,
    person_day: Option<Usd>,
    day: Option<Usd>,
}

impl BudgetLayer {
    /// Reads `[budget]`.
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        let mut usd = |key| table.number(key, str::parse::<Usd>);
        Self {
            job: usd("job_usd"),
            task: usd("task_usd"),
            repository_day: usd("repository_day_usd"),
            person_day: usd("person_day_usd"),
            day: usd("day_usd"),
        }
    }

    /// Lays this over another source and over the defaults.
    pub(super) fn over(self, under: Self) -> Budgets {
        let dollars = |over: Option<Usd>, under: Option<Usd>, default: u64| {
            over.or(under)
                .unwrap_or(Usd::from_micros(default * 1_000_000))
        };
        Budgets {
            job: dollars(self.job, under.job, 5),
            task: dollars(self.task, under.task, 20),
            repository_day: dollars(self.repository_day, under.repository_day, 50),
            person_day: dollars(self.person_day, under.person_day, 50),
            day: dollars(self.day, under.day, 200),
        }
    }
}

/// Puts relative files of keys beside the settings file.
pub(super) fn beside(models: BTreeMap<Name, Source>, base: &Path) -> BTreeMap<Name, Source> {
    let mut models = models;
    for source in models.values_mut() {
        let key = match source {
            Source::Whole(endpoint) => endpoint.key.as_mut(),
            Source::Key(key) => Some(key),
        };
        if let Some(Secret::File(file)) = key {
            *file = base.join(&*file);
        }
    }
    models
}

/// Notes endpoints that agents name and that nobody has set up.
pub(super) fn known(
    top: &mut Table<'_, '_>,
    agents: &BTreeMap<Name, Agent>,
    models: &BTreeMap<Name, Endpoint>,
) {
    let named = agents.values().flat_map(|agent| match agent {
        Agent::Exec { models, .. } | Agent::Acp { models, .. } | Agent::Preset { models, .. } => {
            models.as_deref().unwrap_or_default()
        }
        Agent::Builtin(builtin) => std::slice::from_ref(&builtin.endpoint),
        Agent::Recipe { .. } => &[],
    });
    let unknown: BTreeSet<_> = named.filter(|name| !models.contains_key(name)).collect();
    for name in unknown {
        top.absent(
            &format!("models.{name}"),
            "this table, since an agent names it in its `models`",
        );
    }
    for (name, agent) in agents {
        if let Some(Err((key, expected))) = brain_of(agent, models) {
            top.absent(&format!("agents.{name}.{key}"), expected);
        }
    }
}

/// Returns the model that an agent works by, or what is wrong with it; none for agents whose own
/// matter that is.
#[must_use]
pub fn brain_of(
    agent: &Agent,
    endpoints: &BTreeMap<Name, Endpoint>,
) -> Option<Result<Brain, (&'static str, String)>> {
    match agent {
        Agent::Preset {
            preset,
            models,
            model,
            ..
        } => {
            let preset = presets::find(preset)?;
            let choice = Choice {
                apis: &preset.apis,
                models: models.as_deref(),
                model: model.as_deref(),
            };
            Some(brain(&choice, endpoints))
        }
        Agent::Exec { .. } | Agent::Acp { .. } | Agent::Builtin(_) | Agent::Recipe { .. } => None,
    }
}

/// Notes agents of our own whose model has no price: the gateway would refuse every call.
pub(super) fn priced(
    top: &mut Table<'_, '_>,
    agents: &BTreeMap<Name, Agent>,
    models: &BTreeMap<Name, Endpoint>,
) {
    for (name, agent) in agents {
        let builtin = match agent {
            Agent::Builtin(builtin) => builtin,
            Agent::Exec { .. }
            | Agent::Acp { .. }
            | Agent::Preset { .. }
            | Agent::Recipe { .. } => continue,
        };
        let Some(endpoint) = models.get(&builtin.endpoint) else {
            continue;
        };
        if endpoint.model(builtin.model.as_deref()).is_none() {
            top.absent(
                &format!("agents.{name}.model"),
                "the name of a model that its endpoint has a price for",
            );
        }
    }
}

/// Lays the environment's endpoints over the file's, and notes what does not fit together.
pub(super) fn merged(
    top: &mut Table<'_, '_>,
    over: BTreeMap<Name, Source>,
    under: BTreeMap<Name, Source>,
) -> BTreeMap<Name, Endpoint> {
    let whole = |(name, source)| match source {
        Source::Whole(endpoint) => Some((name, endpoint)),
        Source::Key(_) => None,
    };
    let mut endpoints: BTreeMap<_, _> = under.into_iter().filter_map(whole).collect();
    for (name, source) in over {
        match (source, endpoints.get_mut(&name)) {
            (Source::Whole(endpoint), _) => {
                endpoints.insert(name, endpoint);
            }
            (Source::Key(key), Some(endpoint)) => endpoint.key = Some(key),
            (Source::Key(_), None) => top.absent(
                &format!("models.{name}"),
                "this table, since the environment has its key",
            ),
        }
    }
    endpoints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::report::Problems;
    use crate::config::server::ServerSettings;
    use crate::config::server::load::{Need, load};
    use crate::domain::reach::Reach;

    const ENDPOINT: &str = "[models.main]\napi = \"anthropic\"\nkey_file = \"keys/main\"\n\
        [models.main.prices.\"large-4.5\"]\ninput = 3\noutput = 15\n";

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<ServerSettings, Problems> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = variables.iter().map(owned).collect();
        load(
            "prova.toml",
            text,
            Path::new("/etc"),
            (&variables, Need::Local),
        )
    }

    fn problems(text: &str, variables: &[(&str, &str)]) -> String {
        read(text, variables).unwrap_err().to_string()
    }

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_said_of_an_endpoint_is_taken_to_be_dear() {
        let settings = read(ENDPOINT, &[]).unwrap();
        let main = &settings.models[&"main".parse().unwrap()];
        assert_eq!(main.url, "https://api.anthropic.com");
        assert_eq!(main.key, Some(Secret::File("/etc/keys/main".into())));
        let model = Model {
            prices: Prices {
                input: usd("3"),
                cache_read: usd("3"),
                cache_write: usd("6"),
                output: usd("15"),
                reasoning: None,
            },
            max_output_tokens: 32_000,
            context_tokens: None,
        };
        assert_eq!(main.models, [("large-4.5".to_owned(), model)].into());
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let text = "[models.a]\napi = \"grpc\"\nurl = \"ftp://x\"\nkey = \"sk-1\"\n\
                    [models.a.prices.m]\ninput = -3\n\
                    [models.b]\nprices = 3\n\
                    [agents.x]\ndriver = \"exec\"\ncommand = [\"x\"]\nmodels = [\"b\", \"c\"]\n\
                    [budget]\njob_usd = \"5\"\n\
                    [sandbox]\negress = [\"*\", \"10.0.0.1\"]\n";
        let told = problems(text, &[]);
        for key in [
            "models.a.api",
            "models.a.url",
            "models.a.key",
            "models.a.prices.m.input",
            "models.a.prices.m.output",
            "models.b.api",
            "models.b.prices",
            "models.c",
            "budget.job_usd",
            "sandbox.egress[1]",
        ] {
            assert!(
                told.contains(&format!(": {key}: ")),
                "{key} is not in\n{told}"
            );
        }
    }

    #[test]
    fn a_key_of_the_environment_goes_with_the_endpoint_of_the_file() {
        let key = ("PROVA_MODELS__MAIN__KEY", "sk-1.2-secret");
        let settings = read(ENDPOINT, &[key]).unwrap();
        let main = &settings.models[&"main".parse().unwrap()];
        assert_eq!(main.key, Some(Secret::Value("sk-1.2-secret".to_owned())));
        let shown = settings.shown();
        assert!(!shown.contains("sk-1.2"), "{shown}");
        assert!(
            shown.contains("key_file = \"(from the environment)\""),
            "{shown}"
        );
        assert!(!format!("{settings:?}").contains("sk-1.2"));
        assert_eq!(
            problems("", &[key]),
            "prova.toml: models.main: missing; expected this table, since the environment has its key"
        );
        // What is shown is read again as it is.
        let first = read(&format!("[github]\napp_id = 1\n{ENDPOINT}"), &[]).unwrap();
        let again = read(&first.shown(), &[]).unwrap();
        assert_eq!(
            (again.models, again.budget, again.limits),
            (first.models, first.budget, first.limits)
        );
    }

    #[test]
    fn an_endpoint_is_taken_whole_from_one_place() {
        let variables = [
            ("PROVA_MODELS__MAIN__API", "openai"),
            ("PROVA_MODELS__MAIN__PRICES__FAST__INPUT", "0.25"),
            ("PROVA_MODELS__MAIN__PRICES__FAST__OUTPUT", "1"),
            ("PROVA_BUDGET__JOB_USD", "0.50"),
        ];
        let settings = read(ENDPOINT, &variables).unwrap();
        let main = &settings.models[&"main".parse().unwrap()];
        assert_eq!((main.api, &main.key), (Api::OpenAi, &None));
        assert_eq!(main.models["fast"].prices.input, usd("0.25"));
        assert_eq!(settings.budget.job, usd("0.5"));
        assert_eq!(settings.budget.task, usd("20"));
    }

    #[test]
    fn policies_may_ask_for_some_hosts_for_none_or_for_all() {
        let reach = |list: &str| {
            let text = format!("[sandbox]\negress = {list}");
            read(&text, &[]).unwrap().sandbox.egress
        };
        assert_eq!(reach("[]"), Reach::Hosts(Vec::new()));
        assert_eq!(reach("[\"pypi.org\", \"*\"]"), Reach::Anywhere);
        let rules = vec!["*.example.org".parse().unwrap()];
        assert_eq!(reach("[\"*.Example.org\"]"), Reach::Hosts(rules));
    }
}
