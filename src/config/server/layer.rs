//! One source of settings: the file, or the environment. Every key may be absent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::reader::Table;
use crate::config::server::builtin;
use crate::config::server::kubernetes;
use crate::config::server::models::{self, BudgetLayer};
use crate::config::server::preset;
use crate::config::server::{Agent, Backend, Permissions, Profile, RateLimits};
use crate::config::values;
use crate::domain::egress::HostRule;
use crate::domain::name::Name;
use crate::domain::reach::Reach;

/// Most agents that take over from others.
const MAX_FALLBACK: usize = 10;
/// Most agents, and most profiles.
const MAX_AGENTS: usize = 50;
/// Most directories for sandboxes, and words of a command.
pub(super) const MAX_LIST: usize = 100;
/// Most model endpoints.
pub(super) const MAX_ENDPOINTS: usize = 50;

/// What one source says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) listen: Option<SocketAddr>,
    pub(super) public_url: Option<String>,
    pub(super) dashboard: Option<bool>,
    pub(super) api_url: Option<String>,
    pub(super) web_url: Option<String>,
    pub(super) app_id: Option<u64>,
    pub(super) rate_limits: Option<RateLimits>,
    pub(super) private_key_file: Option<PathBuf>,
    pub(super) private_key: Option<String>,
    pub(super) webhook_secret_file: Option<PathBuf>,
    pub(super) webhook_secret: Option<String>,
    pub(super) previous_webhook_secret_file: Option<PathBuf>,
    pub(super) previous_webhook_secret: Option<String>,
    pub(super) store_url: Option<String>,
    pub(super) worker_listen: Option<SocketAddr>,
    pub(super) work_dir: Option<PathBuf>,
    pub(super) jobs: Option<u64>,
    pub(super) jobs_per_repository: Option<u64>,
    pub(super) jobs_per_installation: Option<u64>,
    pub(super) jobs_in_all: Option<u64>,
    pub(super) drain_seconds: Option<u64>,
    pub(super) lease_seconds: Option<u64>,
    pub(super) cache_gib: Option<u64>,
    pub(super) cache_days: Option<u64>,
    pub(super) log_days: Option<u64>,
    pub(super) agent: Option<Name>,
    pub(super) fallback: Option<Vec<Name>>,
    pub(super) backend: Option<Backend>,
    pub(super) mounts: Option<Vec<PathBuf>>,
    pub(super) profiles: BTreeMap<Name, Profile>,
    pub(super) image: Option<String>,
    pub(super) engine: Option<PathBuf>,
    pub(super) kubernetes: kubernetes::Source,
    pub(super) egress: Option<Reach>,
    pub(super) agents: BTreeMap<Name, Agent>,
    pub(super) models: BTreeMap<Name, models::Source>,
    pub(super) budget: BudgetLayer,
    pub(super) timeout_minutes: Option<u64>,
    pub(super) silent_minutes: Option<u64>,
    pub(super) repeated_actions: Option<u64>,
    pub(super) unanswered_minutes: Option<u64>,
    pub(super) fetch_minutes: Option<u64>,
    pub(super) output_mib: Option<u64>,
    pub(super) file_mib: Option<u64>,
    pub(super) processes: Option<u64>,
    pub(super) egress_mib: Option<u64>,
    pub(super) memory_mib: Option<u64>,
    pub(super) milli_cpus: Option<u32>,
    pub(super) disk_mib: Option<u64>,
    pub(super) changed_file_mib: Option<u64>,
    pub(super) changed_files: Option<u64>,
}

/// Whether a source may hold secrets themselves: the environment may, a file that is checked in
/// somewhere may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Only the names of files.
    ByFile,
    /// Also values.
    ByValue,
}

impl Layer {
    /// Reads every key that there is.
    pub(super) fn read(top: &mut Table<'_, '_>, secrets: Secrets) -> Self {
        let mut layer = Self::default();
        top.table("server", |table| layer.server(table));
        top.table("github", |table| layer.github(table, secrets));
        top.table("store", |table| {
            layer.store_url = table.text("url", store_url);
        });
        top.table("work", |table| layer.work(table));
        top.table("worker", |table| {
            layer.worker_listen = table.text("listen", address);
        });
        top.table("sandbox", |table| layer.sandbox(table));
        layer.models = top.named("models", MAX_ENDPOINTS, |table| {
            models::endpoint(table, secrets)
        });
        layer.budget = top.table("budget", BudgetLayer::read).unwrap_or_default();
        layer.agents = top.named("agents", MAX_AGENTS, agent);
        top.table("limits", |table| layer.limits(table));
        layer
    }

    fn server(&mut self, table: &mut Table<'_, '_>) {
        self.listen = table.text("listen", address);
        self.public_url = table.text("public_url", url);
        self.dashboard = table.flag("dashboard");
    }

    fn github(&mut self, table: &mut Table<'_, '_>, secrets: Secrets) {
        self.api_url = table.text("api_url", url);
        self.web_url = table.text("web_url", url);
        self.app_id = table.whole("app_id", 1..=u64::from(u32::MAX));
        let limits = [RateLimits::GitHub, RateLimits::None].map(|limits| (limits.word(), limits));
        self.rate_limits = table.choice("rate_limits", &limits);
        self.private_key_file = table.text("private_key_file", path);
        self.webhook_secret_file = table.text("webhook_secret_file", path);
        self.previous_webhook_secret_file = table.text("previous_webhook_secret_file", path);
        if secrets == Secrets::ByValue {
            self.private_key = table.text("private_key", any);
            self.webhook_secret = table.text("webhook_secret", any);
            self.previous_webhook_secret = table.text("previous_webhook_secret", any);
        }
    }

    fn work(&mut self, table: &mut Table<'_, '_>) {
        self.work_dir = table.text("dir", path);
        self.jobs = table.whole("jobs", 0..=256);
        self.jobs_per_repository = table.whole("jobs_per_repository", 1..=256);
        self.jobs_per_installation = table.whole("jobs_per_installation", 0..=65_536);
        self.jobs_in_all = table.whole("jobs_in_all", 0..=65_536);
        self.drain_seconds = table.whole("drain_seconds", 0..=24 * 60 * 60);
        self.lease_seconds = table.whole("lease_seconds", 5..=3600);
        self.cache_gib = table.whole("cache_gib", 0..=1024 * 1024);
        self.cache_days = table.whole("cache_days", 1..=3650);
        self.log_days = table.whole("log_days", 1..=3650);
        self.agent = table.text("agent", str::parse::<Name>);
        self.fallback = table.texts("fallback", MAX_FALLBACK, str::parse::<Name>);
    }

    fn sandbox(&mut self, table: &mut Table<'_, '_>) {
        let backends = [
            ("auto", Backend::Auto),
            ("bubblewrap", Backend::Bubblewrap),
            ("container", Backend::Container),
            ("kubernetes", Backend::Kubernetes),
            ("none", Backend::None),
        ];
        self.backend = table.choice("backend", &backends);
        self.mounts = table.texts("mounts", MAX_LIST, mount);
        self.profiles = table.named("profiles", MAX_AGENTS, |table| {
            Some(Profile {
                mounts: table.texts("mounts", MAX_LIST, mount).unwrap_or_default(),
                env: table.map("env", MAX_LIST, any).unwrap_or_default(),
                image: table.text("image", image),
            })
        });
        self.image = table.text("image", image);
        self.engine = table.text("engine", engine);
        let kubernetes = table.table("kubernetes", kubernetes::Source::read);
        self.kubernetes = kubernetes.unwrap_or_default();
        self.egress = table.texts("egress", MAX_LIST, host_or_any).map(reach);
    }

    fn limits(&mut self, table: &mut Table<'_, '_>) {
        self.timeout_minutes = table.whole("timeout_minutes", 1..=24 * 60);
        self.silent_minutes = table.whole("silent_minutes", 1..=24 * 60);
        self.repeated_actions = table.whole("repeated_actions", 2..=12);
        self.unanswered_minutes = table.whole("unanswered_minutes", 1..=24 * 60);
        self.fetch_minutes = table.whole("fetch_minutes", 1..=24 * 60);
        self.output_mib = table.whole("output_mib", 1..=1024);
        self.file_mib = table.whole("file_mib", 1..=1024 * 1024);
        self.processes = table.whole("processes", 8..=1_000_000);
        self.egress_mib = table.whole("egress_mib", 1..=1024 * 1024);
        self.memory_mib = table.whole("memory_mib", 64..=16 * 1024 * 1024);
        self.milli_cpus = table.number("cpus", milli_cpus);
        self.disk_mib = table.whole("disk_mib", 1..=16 * 1024 * 1024);
        self.changed_file_mib = table.whole("changed_file_mib", 1..=100);
        self.changed_files = table.whole("changed_files", 1..=3_000);
    }
}

#[derive(Clone, Copy)]
enum Driver {
    Exec,
    Acp,
    Builtin,
    Recipe,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:3000")
}

pub(super) fn image(text: &str) -> Result<String, &'static str> {
    // As in a path of the engine's API, so nothing that means something there.
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_/:@".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected the name of an image, such as docker.io/library/rust:1")
    }
}

fn engine(text: &str) -> Result<PathBuf, &'static str> {
    let path = text.strip_prefix("unix://").map(PathBuf::from);
    path.filter(|path| path.is_absolute())
        .ok_or("expected a socket of this machine, such as unix:///run/podman/podman.sock")
}

fn agent(table: &mut Table<'_, '_>) -> Option<Agent> {
    let drivers = [
        ("exec", Driver::Exec),
        ("acp", Driver::Acp),
        ("builtin", Driver::Builtin),
        ("recipe", Driver::Recipe),
    ];
    if table.has("preset") {
        return preset::read(table);
    }
    if !table.has("driver") {
        table.missing("driver", "one of exec, acp, builtin, recipe; or a preset");
        return None;
    }
    match table.choice("driver", &drivers)? {
        Driver::Exec => {
            let expected = "the program and its arguments, such as [\"my-agent\", \"{brief}\"]";
            let command = command(table, expected)?;
            let env = table.map("env", MAX_LIST, any).unwrap_or_default();
            let models = table.texts("models", MAX_ENDPOINTS, str::parse::<Name>);
            Some(Agent::Exec {
                command,
                env,
                models,
            })
        }
        Driver::Acp => {
            let expected = "the program and its arguments, such as [\"goose\", \"acp\"]";
            let command = command(table, expected);
            let answers = [("allow", Permissions::Allow), ("deny", Permissions::Deny)];
            Some(Agent::Acp {
                env: table.map("env", MAX_LIST, any).unwrap_or_default(),
                models: table.texts("models", MAX_ENDPOINTS, str::parse::<Name>),
                permissions: table.choice("permissions", &answers).unwrap_or_default(),
                mode: table.text("mode", any),
                authenticate: table.text("authenticate", any),
                command: command?,
            })
        }
        Driver::Builtin => builtin::read(table).map(Agent::Builtin),
        Driver::Recipe => {
            let expected = "a shell command, such as \"make format\"";
            Some(Agent::Recipe {
                run: table.required_text("run", expected, values::command)?,
            })
        }
    }
}

fn command(table: &mut Table<'_, '_>, expected: &'static str) -> Option<Vec<String>> {
    if !table.has("command") {
        table.missing("command", expected);
    }
    table.texts("command", MAX_LIST, any)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the reader's getters take parsers that may fail"
)]
pub(super) fn any(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.to_owned())
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("expected a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

fn mount(text: &str) -> Result<PathBuf, String> {
    let path = path(text)?;
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("expected an absolute path, such as /opt/agents".to_owned())
    }
}

/// Reads a host that policies may ask for; `None` is any.
fn host_or_any(text: &str) -> Result<Option<HostRule>, String> {
    if text == "*" {
        return Ok(None);
    }
    values::host(text).map(Some)
}

fn reach(hosts: Vec<Option<HostRule>>) -> Reach {
    let hosts: Option<Vec<_>> = hosts.into_iter().collect();
    hosts.map_or(Reach::Anywhere, Reach::Hosts)
}

/// Reads an address of the web without user, query or slash at its end.
pub(super) fn url(text: &str) -> Result<String, String> {
    let expected = || "expected an address such as https://github.com".to_owned();
    let trimmed = text.trim_end_matches('/');
    let uri: http::Uri = trimmed.parse().map_err(|_| expected())?;
    let scheme_is_web = matches!(uri.scheme_str(), Some("https" | "http"));
    let host_only = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    if scheme_is_web && host_only && uri.query().is_none() {
        Ok(trimmed.to_owned())
    } else {
        Err(expected())
    }
}

/// Reads a number of processors, such as `2` or `1.5`, as thousandths of one.
fn milli_cpus(text: &str) -> Result<u32, &'static str> {
    let expected = "expected a number of processors from 0.01 to 4096 with at most three decimals";
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return Err(expected);
    }
    let milli = format!("{whole}{part:0<3}").parse::<u32>();
    milli
        .ok()
        .filter(|milli| (10..=4_096_000).contains(milli))
        .ok_or(expected)
}

fn store_url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => Ok(text.to_owned()),
        Some(("postgres" | "postgresql", server)) if !server.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err("expected sqlite://PATH, such as sqlite://prova.db, or \
             postgres://USER@HOST/DATABASE"
            .to_owned()),
    }
}
