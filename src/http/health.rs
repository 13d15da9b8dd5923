//! Whether the server is alive, whether it can work, and what waits.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::http::face::Face;

/// `GET /healthz`: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers.
pub async fn ready(State(face): State<Face>) -> impl IntoResponse {
    match face.store.counts().await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the store does not answer\n",
            )
        }
    }
}

/// `GET /metrics`: what waits, in Prometheus' text format.
pub async fn metrics(State(face): State<Face>) -> impl IntoResponse {
    let Ok(counts) = face.store.counts().await else {
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
    let _ = write!(
        out,
        "# HELP prova_deliveries_refused_total Requests to /webhook that were refused.\n\
         # TYPE prova_deliveries_refused_total counter\n\
         prova_deliveries_refused_total {}\n",
        face.refusals.total()
    );
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        out,
    )
}
