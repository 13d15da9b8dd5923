//! `prova doctor`: what works here and what does not, with the remedy.

mod attempts;
mod sandbox;
mod scene;
mod webhooks;

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::bootstrap;
use crate::cli::exit::{DONE, FAILED};
use crate::cli::output::Output;
use crate::cli::settings::ConfigArgs;
use crate::config::presets;
use crate::config::server::load::Need;
use crate::config::server::{Agent, Backend, Secret, ServerSettings};
use crate::domain::process::{Role, skew};
use crate::domain::store_url;
use crate::domain::time::Span;
use crate::ports::clock::Clock;
use crate::ports::github::{AppFacts, GitHub};
use crate::ports::sandbox::Unenforced;
use crate::ports::store::{Queue as _, Store};

/// What to check.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Attack a sandbox of this host, as it is configured, and tell what holds.
    #[arg(long)]
    sandbox: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// GitHub refuses tokens that are off by more than a minute; beyond half of it is worth a word.
const CLOCK_OFF: Span = Span::seconds(30);
/// Less room than this and jobs will fail soon.
const LOW_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Warn,
    Bad,
}

struct Finding {
    what: &'static str,
    verdict: Verdict,
    detail: String,
}

/// Runs every check and shows what it found; fails when something keeps Prova from working.
pub async fn run(args: &DoctorArgs, output: &Output) -> u8 {
    let need = if args.sandbox {
        Need::Local
    } else {
        Need::Server
    };
    let settings = match args.config.settings(need, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let clock = bootstrap::system_clock();
    if args.sandbox {
        return sandbox::attack(&settings, clock, (args.json, output)).await;
    }
    let mut findings = vec![good("settings", args.config.config.display().to_string())];
    findings.push(secret("private key", &settings.github.private_key));
    findings.push(secret("webhook secret", &settings.github.webhook_secret));
    findings.extend(github(&settings, clock.clone()).await);
    findings.extend(isolation(&settings, clock.clone()).await);
    findings.extend(agents(&settings));
    findings.extend(store(&settings, clock.as_ref()).await);
    findings.push(disk(&settings.work.dir));
    show(&findings, args.json, output);
    if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Bad)
    {
        FAILED
    } else {
        DONE
    }
}

fn show(findings: &[Finding], as_json: bool, output: &Output) {
    let word = |verdict| match verdict {
        Verdict::Good => "ok",
        Verdict::Warn => "warning",
        Verdict::Bad => "FAILED",
    };
    if as_json {
        let list = findings.iter().map(|finding| {
            json!({
                "check": finding.what,
                "result": word(finding.verdict).to_ascii_lowercase(),
                "detail": finding.detail,
            })
        });
        output.json(&list.collect());
        return;
    }
    for finding in findings {
        output.line(&format!(
            "{:<8} {:<15} {}",
            word(finding.verdict),
            finding.what,
            finding.detail
        ));
    }
}

fn good(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        what,
        verdict: Verdict::Good,
        detail: detail.into(),
    }
}

fn bad(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        what,
        verdict: Verdict::Bad,
        detail: detail.into(),
    }
}

fn warn(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        what,
        verdict: Verdict::Warn,
        detail: detail.into(),
    }
}

/// A secret that others on the machine can read is one less.
fn secret(what: &'static str, secret: &Secret) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;
    let Secret::File(path) = secret else {
        return good(what, "from the environment");
    };
    match std::fs::metadata(path) {
        Err(error) => bad(what, format!("cannot read {}: {error}", path.display())),
        Ok(facts) if facts.permissions().mode() & 0o077 != 0 => warn(
            what,
            format!(
                "{0} can be read by others on this machine: chmod 600 {0}",
                path.display()
            ),
        ),
        Ok(_) => good(what, path.display().to_string()),
    }
}

async fn github(settings: &ServerSettings, clock: Arc<dyn Clock>) -> Vec<Finding> {
    let client = match bootstrap::open_github(settings, clock) {
        Ok(client) => client,
        Err(error) => return vec![bad("app", error.to_string())],
    };
    let facts = match client.app().await {
        Ok(facts) => facts,
        Err(fault) => return vec![bad("app", fault.to_string())],
    };
    let mut findings = vec![
        good(
            "app",
            format!("{} (@{}, id {})", facts.name, facts.slug, facts.id),
        ),
        permissions(&facts),
        events(&facts),
    ];
    findings.push(own_clock(&facts));
    findings.push(installations(client.as_ref()).await);
    findings.push(webhooks::deliveries(settings, client.as_ref()).await);
    findings
}

fn permissions(facts: &AppFacts) -> Finding {
    let (needed, _) = bootstrap::needs();
    let rank = |level: &str| {
        ["read", "write", "admin"]
            .iter()
            .position(|known| *known == level)
    };
    let granted = |name: &str| facts.permissions.iter().find(|(known, _)| known == name);
    let missing: Vec<_> = needed
        .iter()
        .filter(|(name, level)| granted(name).is_none_or(|(_, has)| rank(has) < rank(level)))
        .map(|(name, level)| format!("{name}: {level}"))
        .collect();
    let more: Vec<_> = facts
        .permissions
        .iter()
        .filter(|(name, _)| {
            let mut known = needed.iter().chain(bootstrap::optional());
            !known.any(|(known, _)| known == name)
        })
        .map(|(name, level)| format!("{name}: {level}"))
        .collect();
    let optional = bootstrap::optional().iter();
    let without: Vec<_> = optional
        .filter(|(name, level)| granted(name).is_none_or(|(_, has)| rank(has) < rank(level)))
        .map(|(name, level)| format!("{name}: {level}"))
        .collect();
    match (missing.is_empty(), more.is_empty()) {
        (false, _) => bad(
            "permissions",
            format!(
                "missing {}: add them on the App's settings page, then accept them for each installation",
                missing.join(", ")
            ),
        ),
        (true, false) => warn(
            "permissions",
            format!("more than needed: {}", more.join(", ")),
        ),
        (true, true) if without.is_empty() => good("permissions", "as in app.yml"),
        (true, true) => {
            let detail = format!("as in app.yml, without {}", without.join(", "));
            good("permissions", detail)
        }
    }
}

fn events(facts: &AppFacts) -> Finding {
    let (_, needed) = bootstrap::needs();
    let missing: Vec<_> = needed
        .iter()
        .filter(|event| !facts.events.iter().any(|known| known == *event))
        .copied()
        .collect();
    if missing.is_empty() {
        good("events", "as in app.yml")
    } else {
        let list = missing.join(", ");
        bad(
            "events",
            format!("not subscribed to {list}: subscribe on the App's settings page"),
        )
    }
}

fn own_clock(facts: &AppFacts) -> Finding {
    match facts.clock_offset_ms {
        Some(offset) if offset.unsigned_abs() > CLOCK_OFF.as_millis() => bad(
            "clock",
            format!(
                "this machine's clock is {} {} GitHub's, which then refuses our tokens: set it by NTP",
                Span::millis(offset.unsigned_abs()),
                if offset > 0 { "behind" } else { "ahead of" }
            ),
        ),
        Some(_) => good("clock", "agrees with GitHub's"),
        None => warn("clock", "GitHub did not tell its time"),
    }
}

async fn installations(client: &dyn GitHub) -> Finding {
    match client.installations().await {
        Ok(list) if list.is_empty() => warn(
            "installations",
            "none: install the App on the repositories it is to work in",
        ),
        Ok(list) => {
            let names: Vec<_> = list
                .iter()
                .take(10)
                .map(|(_, login)| login.to_string())
                .collect();
            good(
                "installations",
                format!("{}: {}", list.len(), names.join(", ")),
            )
        }
        Err(fault) => bad("installations", fault.to_string()),
    }
}

async fn isolation(settings: &ServerSettings, clock: Arc<dyn Clock>) -> Vec<Finding> {
    let sandbox = match bootstrap::open_sandbox(settings, clock) {
        Ok(sandbox) => sandbox,
        Err(error) => return vec![bad("sandbox", error.to_string())],
    };
    let seen = match sandbox.probe().await {
        Ok(seen) if sandbox.isolates() => good("sandbox", format!("{}: {seen}", sandbox.name())),
        Ok(_) => warn(
            "sandbox",
            "none: agents run with the server's rights and network",
        ),
        Err(unusable) => bad("sandbox", unusable.to_string()),
    };
    vec![seen, limits(settings, &sandbox.unenforced())]
}

/// What cannot be enforced keeps nothing from working, and one job can then starve the others.
fn limits(settings: &ServerSettings, unenforced: &[Unenforced]) -> Finding {
    let asked = |one: &&Unenforced| one.setting != "cpus" || settings.limits.milli_cpus.is_some();
    let missing: Vec<_> = unenforced.iter().filter(asked).collect();
    let Some(first) = missing.first() else {
        return good("limits", "memory, processes and processors are enforced");
    };
    let names: Vec<_> = missing.iter().map(|one| one.setting).collect();
    warn(
        "limits",
        format!(
            "nothing enforces {} for a whole run: {}. {}",
            names.join(", "),
            first.reason,
            first.remedy
        ),
    )
}

/// Looks for each agent's program where the sandbox would.
fn agents(settings: &ServerSettings) -> Vec<Finding> {
    if settings.agents.is_empty() {
        return vec![warn(
            "agents",
            "none is set; only recipes of policies can run",
        )];
    }
    let places = || {
        let system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(Into::into);
        settings
            .sandbox
            .mounts
            .iter()
            .map(|mount| mount.join("bin"))
            .chain(system)
    };
    let found = |program: &str| {
        let path = Path::new(program);
        if path.is_absolute() {
            path.exists()
        } else {
            places().any(|dir| dir.join(program).exists())
        }
    };
    let program = |agent: &Agent| match agent {
        Agent::Exec { command, .. } | Agent::Acp { command, .. } => Some(command.first().cloned()),
        Agent::Preset {
            preset, contract, ..
        } => {
            let preset = presets::find(preset);
            Some(preset.and_then(|preset| preset.program(*contract).map(str::to_owned)))
        }
        Agent::Builtin(_) | Agent::Recipe { .. } => None,
    };
    let one = |(name, agent): (&crate::domain::name::Name, &Agent)| match program(agent) {
        Some(program) => match program.as_deref() {
            Some(program) if found(program) => good("agent", format!("{name}: {program}")),
            Some(program)
                if matches!(
                    settings.sandbox.backend,
                    Backend::Container | Backend::Kubernetes
                ) =>
            {
                good(
                    "agent",
                    format!("{name}: {program}, which has to be in the image"),
                )
            }
            Some(program) => bad(
                "agent",
                format!(
                    "{name}: {program} is neither in the system nor in sandbox.mounts: install it, or mount the directory it is in"
                ),
            ),
            None => bad("agent", format!("{name}: its command is empty")),
        },
        None => good(
            "agent",
            format!("{name}: of our own, without a program of yours"),
        ),
    };
    settings.agents.iter().map(one).collect()
}

async fn store(settings: &ServerSettings, clock: &dyn Clock) -> Vec<Finding> {
    let store = match bootstrap::open_store(settings).await {
        Ok(store) => store,
        Err(error) => return vec![bad("store", error.to_string())],
    };
    let checked = match store.check().await {
        Ok(seen) => good(
            "store",
            format!("{}: {seen}", store_url::shown(&settings.store.url)),
        ),
        Err(fault) => bad("store", fault.to_string()),
    };
    vec![checked, processes(store.as_ref(), clock).await]
}

/// Who runs on the store; that nobody does is as it should be before the first start.
async fn processes(store: &dyn Store, clock: &dyn Clock) -> Finding {
    let now = clock.now();
    let all = match store.processes().await {
        Ok(all) => all,
        Err(fault) => return bad("processes", fault.to_string()),
    };
    if let Some(skewed) = skew(&all, now) {
        return warn("processes", skewed);
    }
    let running: Vec<_> = all.iter().filter(|one| one.runs(now)).collect();
    let of = |role: Role| running.iter().filter(|one| one.role == role).count();
    match running.first() {
        None => good("processes", "none runs"),
        Some(one) => good(
            "processes",
            format!(
                "{} serve, {} worker, all of version {}",
                of(Role::Serve),
                of(Role::Worker),
                one.version
            ),
        ),
    }
}

fn disk(dir: &Path) -> Finding {
    if let Err(error) = std::fs::create_dir_all(dir) {
        return bad("disk", format!("cannot make {}: {error}", dir.display()));
    }
    match rustix::fs::statvfs(dir) {
        Err(error) => bad("disk", format!("cannot look at {}: {error}", dir.display())),
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let told = format!("{} MiB free in {}", free / (1024 * 1024), dir.display());
            if free < LOW_BYTES {
                warn("disk", format!("{told}: checkouts need room"))
            } else {
                good("disk", told)
            }
        }
    }
}
