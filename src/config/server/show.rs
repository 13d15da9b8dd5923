//! Settings as text, secrets named by where they come from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::server::{
    Agent, Backend, Builtin, Endpoint, Kubernetes, Limits, Permissions, Secret, ServerSettings,
    Work,
};
use crate::domain::model::Prices;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::reach::Reach;
use crate::domain::spend::Budgets;
use crate::domain::store_url;
use crate::domain::time::Span;

impl ServerSettings {
    /// Returns the settings as they are in force, as TOML. No secret is in it.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut out = String::new();
        let mut section = |name: &str, keys: &[(&str, Option<toml::Value>)]| {
            let _ = writeln!(out, "[{name}]");
            for (key, value) in keys {
                if let Some(value) = value {
                    let _ = writeln!(out, "{key} = {value}");
                }
            }
            out.push('\n');
        };
        let text = |text: &str| Some(toml::Value::String(text.to_owned()));
        let path = |path: &std::path::Path| text(&path.display().to_string());
        section(
            "server",
            &[
                ("listen", text(&self.server.listen.to_string())),
                (
                    "public_url",
                    self.server.public_url.as_deref().and_then(text),
                ),
                (
                    "dashboard",
                    Some(toml::Value::Boolean(self.server.dashboard)),
                ),
            ],
        );
        let github = &self.github;
        section(
            "github",
            &[
                ("api_url", text(&github.api_url)),
                ("web_url", text(&github.web_url)),
                ("app_id", whole(github.app_id)),
                ("rate_limits", text(github.rate_limits.word())),
                ("private_key_file", text(&shown(&github.private_key))),
                ("webhook_secret_file", text(&shown(&github.webhook_secret))),
                (
                    "previous_webhook_secret_file",
                    github
                        .previous_webhook_secret
                        .as_ref()
                        .and_then(|s| text(&shown(s))),
                ),
            ],
        );
        section(
            "store",
            &[("url", text(&store_url::shown(&self.store.url)))],
        );
        section("work", &work_keys(&self.work));
        if let Some(listen) = self.worker.listen {
            section("worker", &[("listen", text(&listen.to_string()))]);
        }
        let paths = |paths: &[std::path::PathBuf]| {
            toml::Value::Array(paths.iter().filter_map(|one| path(one)).collect())
        };
        section(
            "sandbox",
            &[
                ("backend", text(self.sandbox.backend.word())),
                ("mounts", Some(paths(&self.sandbox.mounts))),
                ("image", self.sandbox.image.as_deref().and_then(text)),
                (
                    "engine",
                    self.sandbox
                        .engine
                        .as_ref()
                        .and_then(|socket| text(&format!("unix://{}", socket.display()))),
                ),
                ("egress", Some(egress(&self.sandbox.egress))),
            ],
        );
        section(
            "sandbox.kubernetes",
            &kubernetes_keys(&self.sandbox.kubernetes),
        );
        for (name, profile) in &self.sandbox.profiles {
            section(
                &format!("sandbox.profiles.{name}"),
                &[
                    ("mounts", Some(paths(&profile.mounts))),
                    ("env", Some(veiled(&profile.env))),
                    ("image", profile.image.as_deref().and_then(text)),
                ],
            );
        }
        for (name, endpoint) in &self.models {
            section(&format!("models.{name}"), &endpoint_keys(endpoint));
            for (model, priced) in &endpoint.models {
                let model = toml::Value::String(model.clone());
                let table = format!("models.{name}.prices.{model}");
                section(&table, &price_keys(&priced.prices));
            }
        }
        for (name, agent) in &self.agents {
            section(&format!("agents.{name}"), &agent_keys(agent));
        }
        section("budget", &budget_keys(&self.budget));
        section("limits", &limit_keys(&self.limits));
        out
    }
}

impl Backend {
    /// Returns the word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bubblewrap => "bubblewrap",
            Self::Container => "container",
            Self::Kubernetes => "kubernetes",
            Self::None => "none",
        }
    }
}

impl Permissions {
    /// Returns the word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

fn kubernetes_keys(kubernetes: &Kubernetes) -> Keys {
    let text = |text: &str| Some(toml::Value::String(text.to_owned()));
    let labels = kubernetes.node_selector.iter();
    let labels: toml::Table = labels
        .map(|(name, value)| (name.clone(), toml::Value::String(value.clone())))
        .collect();
    vec![
        (
            "kubeconfig",
            kubernetes
                .kubeconfig
                .as_ref()
                .and_then(|path| text(&path.display().to_string())),
        ),
        ("namespace", text(&kubernetes.namespace)),
        ("keeper", kubernetes.keeper.as_deref().and_then(text)),
        (
            "runtime_class",
            kubernetes.runtime_class.as_deref().and_then(text),
        ),
        ("node_selector", Some(labels.into())),
        ("pull_secrets", Some(words(&kubernetes.pull_secrets))),
        (
            "user_namespaces",
            Some(toml::Value::Boolean(kubernetes.user_namespaces)),
        ),
        (
            "start_minutes",
            whole(kubernetes.start.as_millis() / 60_000),
        ),
    ]
}

fn work_keys(work: &Work) -> Keys {
    let text = |text: String| Some(toml::Value::String(text));
    vec![
        ("dir", text(work.dir.display().to_string())),
        ("jobs", whole(work.jobs.into())),
        (
            "jobs_per_repository",
            whole(work.jobs_per_repository.into()),
        ),
        (
            "jobs_per_installation",
            whole(work.jobs_per_installation.into()),
        ),
        ("jobs_in_all", whole(work.jobs_in_all.into())),
        ("drain_seconds", whole(work.drain.as_millis() / 1000)),
        ("lease_seconds", whole(work.lease.as_millis() / 1000)),
        ("cache_gib", whole(work.cache_bytes >> 30)),
        ("cache_days", whole(work.cache_idle.as_days())),
        ("log_days", whole(work.logs_kept.as_days())),
        (
            "agent",
            work.agent.as_ref().and_then(|name| text(name.to_string())),
        ),
        ("fallback", Some(names(&work.fallback))),
    ]
}

fn agent_keys(agent: &Agent) -> Vec<(&'static str, Option<toml::Value>)> {
    let text = |text: &str| toml::Value::String(text.to_owned());
    match agent {
        Agent::Exec {
            command,
            env,
            models,
        } => vec![
            ("driver", Some(text("exec"))),
            ("command", Some(words(command))),
            ("env", Some(veiled(env))),
            ("models", models.as_deref().map(names)),
        ],
        Agent::Acp {
            command,
            env,
            models,
            permissions,
            mode,
            authenticate,
        } => vec![
            ("driver", Some(text("acp"))),
            ("command", Some(words(command))),
            ("env", Some(veiled(env))),
            ("models", models.as_deref().map(names)),
            ("permissions", Some(text(permissions.word()))),
            ("mode", mode.as_deref().map(text)),
            ("authenticate", authenticate.as_deref().map(text)),
        ],
        Agent::Preset {
            preset,
            contract,
            models,
            model,
            env,
        } => vec![
            ("preset", Some(text(preset))),
            ("driver", Some(text(contract.word()))),
            ("models", models.as_deref().map(names)),
            ("model", model.as_deref().map(text)),
            ("env", Some(veiled(env))),
        ],
        Agent::Builtin(builtin) => builtin_keys(builtin),
        Agent::Recipe { run } => {
            vec![("driver", Some(text("recipe"))), ("run", Some(text(run)))]
        }
    }
}

fn words(words: &[String]) -> toml::Value {
    let text = |word: &String| toml::Value::String(word.clone());
    words.iter().map(text).collect::<Vec<_>>().into()
}

fn names(names: &[Name]) -> toml::Value {
    let text = |name: &Name| toml::Value::String(name.to_string());
    names.iter().map(text).collect::<Vec<_>>().into()
}

fn builtin_keys(builtin: &Builtin) -> Keys {
    let text = |text: &str| toml::Value::String(text.to_owned());
    vec![
        ("driver", Some(text("builtin"))),
        ("models", Some(vec![text(builtin.endpoint.as_str())].into())),
        ("model", builtin.model.as_deref().map(text)),
        ("wire", builtin.wire.map(|wire| text(wire.as_str()))),
        ("max_steps", whole(builtin.max_steps.into())),
        ("context_tokens", builtin.context_tokens.and_then(whole)),
    ]
}

/// Returns an environment without its values: it is no place for secrets, and people put them there.
fn veiled(env: &BTreeMap<String, String>) -> toml::Value {
    let names = env.keys().cloned();
    let veiled = names.map(|name| (name, toml::Value::String("…".to_owned())));
    veiled.collect::<toml::Table>().into()
}

type Keys = Vec<(&'static str, Option<toml::Value>)>;

fn endpoint_keys(endpoint: &Endpoint) -> Keys {
    let text = |text: &str| Some(toml::Value::String(text.to_owned()));
    let any = endpoint.models.values().next();
    vec![
        ("api", text(endpoint.api.as_str())),
        ("url", text(&endpoint.url)),
        (
            "key_file",
            endpoint.key.as_ref().and_then(|key| text(&shown(key))),
        ),
        (
            "max_output_tokens",
            any.and_then(|model| whole(model.max_output_tokens)),
        ),
        (
            "context_tokens",
            any.and_then(|model| whole(model.context_tokens?)),
        ),
    ]
}

fn price_keys(prices: &Prices) -> Keys {
    vec![
        ("input", dollars(prices.input)),
        ("cache_read", dollars(prices.cache_read)),
        ("cache_write", dollars(prices.cache_write)),
        ("output", dollars(prices.output)),
        ("reasoning", prices.reasoning.and_then(dollars)),
    ]
}

fn budget_keys(budget: &Budgets) -> Keys {
    vec![
        ("job_usd", dollars(budget.job)),
        ("task_usd", dollars(budget.task)),
        ("repository_day_usd", dollars(budget.repository_day)),
        ("person_day_usd", dollars(budget.person_day)),
        ("day_usd", dollars(budget.day)),
    ]
}

/// Returns an amount as TOML. It is shown as it was written, to six decimals.
fn dollars(amount: Usd) -> Option<toml::Value> {
    amount.to_string().parse().ok().map(toml::Value::Float)
}

fn egress(reach: &Reach) -> toml::Value {
    let hosts = match reach {
        Reach::Anywhere => vec!["*".to_owned()],
        Reach::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect(),
    };
    hosts.into()
}

fn cpus(milli: u32) -> toml::Value {
    toml::Value::Float(f64::from(milli) / 1000.0)
}

fn limit_keys(limits: &Limits) -> Keys {
    let minutes = |span: Span| whole(span.as_millis() / 60_000);
    let mib = |bytes: u64| whole(bytes / (1024 * 1024));
    vec![
        ("timeout_minutes", minutes(limits.timeout)),
        ("silent_minutes", minutes(limits.silent)),
        ("repeated_actions", whole(limits.repeated.into())),
        ("unanswered_minutes", minutes(limits.unanswered)),
        ("fetch_minutes", minutes(limits.fetch)),
        ("output_mib", mib(limits.output_bytes)),
        ("file_mib", mib(limits.file_bytes)),
        ("processes", whole(limits.processes)),
        ("egress_mib", mib(limits.egress_bytes)),
        ("memory_mib", mib(limits.memory_bytes)),
        ("cpus", limits.milli_cpus.map(cpus)),
        ("disk_mib", mib(limits.disk_bytes)),
        ("changed_file_mib", mib(limits.changed_file_bytes)),
        ("changed_files", whole(limits.changed_files)),
    ]
}

fn whole(number: u64) -> Option<toml::Value> {
    i64::try_from(number).ok().map(toml::Value::Integer)
}

fn shown(secret: &Secret) -> String {
    match secret {
        Secret::File(path) => path.display().to_string(),
        Secret::Value(value) if value.is_empty() => "(not set)".to_owned(),
        Secret::Value(_) => "(from the environment)".to_owned(),
    }
}
