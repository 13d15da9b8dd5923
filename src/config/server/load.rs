//! File and environment, laid over each other and over the defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::environment;
use crate::config::reader::{Table, read};
use crate::config::report::Problems;
use crate::config::server::layer::{Layer, Secrets};
use crate::config::server::models;
use crate::config::server::{
    Agent, Backend, GitHub, Limits, RateLimits, Sandbox, Secret, Server, ServerSettings, Store,
    Work, Worker,
};
use crate::domain::name::Name;
use crate::domain::reach::Reach;
use crate::domain::time::Span;

/// How problems name the environment.
const ENVIRONMENT: &str = "environment";

/// Where policies may have packages from unless the settings say otherwise: the registries that
/// languages come with. What can be uploaded there by anybody can carry a repository away, so a
/// policy still has to ask.
const REGISTRIES: [&str; 14] = [
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "pypi.org",
    "files.pythonhosted.org",
    "crates.io",
    "index.crates.io",
    "static.crates.io",
    "proxy.golang.org",
    "sum.golang.org",
    "rubygems.org",
    "index.rubygems.org",
    "repo.maven.apache.org",
    "repo1.maven.org",
    "api.nuget.org",
];

fn registries() -> Reach {
    Reach::Hosts(
        REGISTRIES
            .iter()
            .filter_map(|host| host.parse().ok())
            .collect(),
    )
}

/// What is needed of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everything that a server needs: the App, its key, its secret.
    Server,
    /// What a worker needs: the App and its key, since no webhook comes to it.
    Worker,
    /// Only what work on this machine needs.
    Local,
}

/// Reads settings from the text of `file` and from the environment, which wins.
///
/// Relative paths are meant from `base`, the directory of the file.
pub fn load(
    file: &str,
    text: &str,
    base: &Path,
    (variables, need): (&BTreeMap<String, String>, Need),
) -> Result<ServerSettings, Problems> {
    let over = environment::to_toml(variables);
    let over = read(ENVIRONMENT, &over, |top| Layer::read(top, Secrets::ByValue))?;
    read(file, text, |top| {
        let under = Layer::read(top, Secrets::ByFile);
        match need {
            Need::Server => {
                app_required(top, &over, &under);
                secret_required(top, &over, &under);
            }
            Need::Worker => {
                app_required(top, &over, &under);
                job_required(top, &over, &under);
            }
            Need::Local => {}
        }
        settings(top, (over, under), base)
    })
}

/// Notes what nothing that speaks with GitHub can do without.
fn app_required(top: &mut Table<'_, '_>, over: &Layer, under: &Layer) {
    if over.app_id.or(under.app_id).is_none() {
        top.missing("github.app_id", "the App's id, from its settings page");
    }
    let key = over.private_key.is_some()
        || over
            .private_key_file
            .as_ref()
            .or(under.private_key_file.as_ref())
            .is_some();
    if !key {
        top.missing(
            "github.private_key_file",
            "the file with the App's private key",
        );
    }
}

/// Notes that a worker has to work.
fn job_required(top: &mut Table<'_, '_>, over: &Layer, under: &Layer) {
    if over.jobs.or(under.jobs) == Some(0) {
        top.absent(
            "work.jobs",
            "more than 0 jobs, since a worker does nothing else",
        );
    }
}

/// Notes what a server needs to know GitHub's webhooks by.
fn secret_required(top: &mut Table<'_, '_>, over: &Layer, under: &Layer) {
    let secret = over.webhook_secret.is_some()
        || over
            .webhook_secret_file
            .as_ref()
            .or(under.webhook_secret_file.as_ref())
            .is_some();
    if !secret {
        top.missing(
            "github.webhook_secret_file",
            "the file with the webhook's secret",
        );
    }
}

/// Notes agents that are to take over, and are nowhere.
fn fallback_known(top: &mut Table<'_, '_>, fallback: &[Name], agents: &BTreeMap<Name, Agent>) {
    for name in fallback.iter().filter(|name| !agents.contains_key(*name)) {
        let why = "this table, since `work.fallback` names it";
        top.absent(&format!("agents.{name}"), why);
    }
}

fn settings(top: &mut Table<'_, '_>, (over, under): (Layer, Layer), base: &Path) -> ServerSettings {
    let server = server(&over, &under);
    let limits = limits(&over, &under);
    let [jobs, per_repository, per_installation, in_all] = jobs(&over, &under);
    let mut agents = under.agents;
    agents.extend(over.agents);
    let profiles = under.profiles.into_iter().chain(over.profiles).collect();
    let models = models::merged(top, over.models, models::beside(under.models, base));
    models::known(top, &agents, &models);
    let fallback = over.fallback.or(under.fallback).unwrap_or_default();
    fallback_known(top, &fallback, &agents);
    models::priced(top, &agents, &models);
    let path = |path: PathBuf| base.join(path);
    let secret = |value: Option<String>, over: Option<PathBuf>, under: Option<PathBuf>| match value
    {
        Some(value) => Some(Secret::Value(value)),
        None => over.or_else(|| under.map(path)).map(Secret::File),
    };
    let none = || Secret::Value(String::new());
    let store = over
        .store_url
        .or_else(|| under.store_url.map(|url| beside(&url, base)));
    ServerSettings {
        server,
        github: GitHub {
            api_url: over
                .api_url
                .or(under.api_url)
                .unwrap_or_else(|| "https://api.github.com".to_owned()),
            web_url: over
                .web_url
                .or(under.web_url)
                .unwrap_or_else(|| "https://github.com".to_owned()),
            app_id: over.app_id.or(under.app_id).unwrap_or(0),
            rate_limits: over
                .rate_limits
                .or(under.rate_limits)
                .unwrap_or(RateLimits::GitHub),
            private_key: secret(
                over.private_key,
                over.private_key_file,
                under.private_key_file,
            )
            .unwrap_or_else(none),
            webhook_secret: secret(
                over.webhook_secret,
                over.webhook_secret_file,
                under.webhook_secret_file,
            )
            .unwrap_or_else(none),
            previous_webhook_secret: secret(
                over.previous_webhook_secret,
                over.previous_webhook_secret_file,
                under.previous_webhook_secret_file,
            ),
        },
        store: Store {
            url: store.unwrap_or_else(|| beside("sqlite://prova.db", base)),
        },
        work: Work {
            dir: over
                .work_dir
                .or_else(|| under.work_dir.map(path))
                .unwrap_or_else(|| base.join("work")),
            jobs,
            jobs_per_repository: per_repository,
            jobs_per_installation: per_installation,
            jobs_in_all: in_all,
            drain: Span::seconds(over.drain_seconds.or(under.drain_seconds).unwrap_or(0)),
            lease: Span::seconds(over.lease_seconds.or(under.lease_seconds).unwrap_or(60)),
            cache_bytes: over.cache_gib.or(under.cache_gib).unwrap_or(50) << 30,
            cache_idle: Span::days(over.cache_days.or(under.cache_days).unwrap_or(30)),
            logs_kept: Span::days(over.log_days.or(under.log_days).unwrap_or(30)),
            agent: over.agent.or(under.agent),
            fallback,
        },
        worker: Worker {
            listen: over.worker_listen.or(under.worker_listen),
        },
        sandbox: Sandbox {
            backend: over.backend.or(under.backend).unwrap_or(Backend::Auto),
            mounts: over.mounts.or(under.mounts).unwrap_or_default(),
            profiles,
            image: over.image.or(under.image),
            engine: over.engine.or(under.engine),
            kubernetes: over.kubernetes.over(under.kubernetes, base),
            stage: PathBuf::from("/proc/self/exe"),
            egress: over.egress.or(under.egress).unwrap_or_else(registries),
        },
        agents,
        models,
        budget: over.budget.over(under.budget),
        limits,
    }
}

fn server(over: &Layer, under: &Layer) -> Server {
    let public_url = over.public_url.as_ref().or(under.public_url.as_ref());
    Server {
        listen: over
            .listen
            .or(under.listen)
            .unwrap_or(([127, 0, 0, 1], 3000).into()),
        public_url: public_url.cloned(),
        dashboard: over.dashboard.or(under.dashboard).unwrap_or(false),
    }
}

fn limits(over: &Layer, under: &Layer) -> Limits {
    let mib = |over: Option<u64>, under: Option<u64>, default: u64| {
        over.or(under).unwrap_or(default) * 1024 * 1024
    };
    let minutes = |over: Option<u64>, under: Option<u64>, default: u64| {
        Span::minutes(over.or(under).unwrap_or(default))
    };
    Limits {
        timeout: minutes(over.timeout_minutes, under.timeout_minutes, 30),
        silent: minutes(over.silent_minutes, under.silent_minutes, 15),
        repeated: u32::try_from(
            over.repeated_actions
                .or(under.repeated_actions)
                .unwrap_or(8),
        )
        .unwrap_or(u32::MAX),
        unanswered: minutes(over.unanswered_minutes, under.unanswered_minutes, 5),
        fetch: minutes(over.fetch_minutes, under.fetch_minutes, 30),
        output_bytes: mib(over.output_mib, under.output_mib, 10),
        file_bytes: mib(over.file_mib, under.file_mib, 2048),
        egress_bytes: mib(over.egress_mib, under.egress_mib, 2048),
        processes: over.processes.or(under.processes).unwrap_or(2_000),
        memory_bytes: mib(over.memory_mib, under.memory_mib, 4096),
        milli_cpus: over.milli_cpus.or(under.milli_cpus),
        disk_bytes: mib(over.disk_mib, under.disk_mib, 10_240),
        changed_file_bytes: mib(over.changed_file_mib, under.changed_file_mib, 10),
        changed_files: over.changed_files.or(under.changed_files).unwrap_or(3_000),
    }
}

/// How many jobs run at once: in this process, of a repository, of an installation, in all.
fn jobs(over: &Layer, under: &Layer) -> [u32; 4] {
    let of = |key: fn(&Layer) -> Option<u64>, default| {
        let number = key(over).or_else(|| key(under)).unwrap_or(default);
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    [
        of(|layer| layer.jobs, 4),
        of(|layer| layer.jobs_per_repository, 2),
        of(|layer| layer.jobs_per_installation, 0),
        of(|layer| layer.jobs_in_all, 0),
    ]
}

/// Puts a relative database path beside the settings file.
fn beside(url: &str, base: &Path) -> String {
    match url.strip_prefix("sqlite://") {
        Some(path) => format!("sqlite://{}", base.join(path).display()),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(text: &str) -> Result<ServerSettings, Problems> {
        let text = format!("[github]\napp_id = 1\n[work]\n{text}");
        let variables = BTreeMap::new();
        load(
            "prova.toml",
            &text,
            Path::new(""),
            (&variables, Need::Local),
        )
    }

    #[test]
    fn limits_of_jobs_are_counts_and_none_is_none() {
        let work_of = |text| {
            let work = work(text).unwrap().work;
            (
                work.jobs_per_repository,
                work.jobs_per_installation,
                work.jobs_in_all,
            )
        };
        assert_eq!(work_of(""), (2, 0, 0));
        assert_eq!(
            work_of("jobs_per_installation = 8\njobs_in_all = 65536"),
            (2, 8, 65_536)
        );
        let (any, some) = ("from 0 to 65536", "from 1 to 256");
        for (key, value, expected) in [
            ("jobs_per_installation", "-1", any),
            ("jobs_in_all", "65537", any),
            ("jobs_in_all", "\"8\"", ""),
            ("jobs_per_repository", "0", some),
        ] {
            let problems = work(&format!("{key} = {value}")).unwrap_err().to_string();
            assert!(problems.contains(&format!("work.{key}: ")), "{problems}");
            let expected = format!("a whole number {expected}");
            assert!(problems.contains(expected.trim_end()), "{problems}");
        }
    }
}
