//! Whether the server is alive, whether it can work, and what waits.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::domain::process::{Process, Role};
use crate::domain::time::Timestamp;
use crate::http::face::Vitals;

/// `GET /healthz`: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers, and this process may work on it.
pub async fn ready(State(vitals): State<Vitals>) -> impl IntoResponse {
    let no = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    if let Some(refusal) = vitals.standing.refusal() {
        return no(&refusal);
    }
    match vitals.store.counts().await {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            no("the store does not answer")
        }
    }
}

/// `GET /metrics`: what waits, in Prometheus' text format.
pub async fn metrics(State(vitals): State<Vitals>) -> impl IntoResponse {
    let (counts, processes) = (vitals.store.counts().await, vitals.store.processes().await);
    let (Ok(counts), Ok(processes)) = (counts, processes) else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "text/plain")],
            String::new(),
        );
    };
    let mut out = String::new();
    for (name, help, value) in [
        (
            "prova_deliveries_pending",
            "Deliveries that wait to be dispatched.",
            counts.deliveries_pending,
        ),
        (
            "prova_deliveries_parked",
            "Deliveries that could not be dispatched.",
            counts.deliveries_parked,
        ),
        (
            "prova_jobs_queued",
            "Jobs that wait for a worker.",
            counts.jobs_queued,
        ),
        ("prova_jobs_running", "Jobs that run.", counts.jobs_running),
        (
            "prova_effects_pending",
            "Writes to GitHub that wait.",
            counts.effects_pending,
        ),
        (
            "prova_effects_parked",
            "Writes to GitHub that were given up.",
            counts.effects_parked,
        ),
    ] {
        let _ = write!(
            out,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
        );
    }
    for (name, kind, help, value) in [
        (
            "prova_deliveries_refused_total",
            "counter",
            "Requests to /webhook that were refused.",
            vitals.refusals.total(),
        ),
        (
            "prova_github_requests_waiting",
            "gauge",
            "Requests to GitHub that wait for a moment, to keep its limits.",
            vitals.held_up.waiting(),
        ),
        (
            "prova_github_requests_put_off_total",
            "counter",
            "Requests to GitHub that were put off, to keep its limits.",
            vitals.held_up.put_off_so_far(),
        ),
    ] {
        let _ = write!(
            out,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
        );
    }
    running(&mut out, &processes, vitals.clock.now());
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        out,
    )
}

/// Writes how many processes run, of each role and version.
fn running(out: &mut String, processes: &[Process], now: Timestamp) {
    let mut kinds: BTreeMap<(Role, &str), usize> = BTreeMap::new();
    for one in processes.iter().filter(|one| one.runs(now)) {
        *kinds.entry((one.role, one.version.as_str())).or_default() += 1;
    }
    out.push_str("# HELP prova_processes Processes on the store.\n# TYPE prova_processes gauge\n");
    for ((role, version), count) in kinds {
        let role = role.word();
        let _ = writeln!(
            out,
            "prova_processes{{role=\"{role}\",version=\"{version}\"}} {count}"
        );
    }
}
