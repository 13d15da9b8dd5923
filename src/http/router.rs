//! Which address leads where.

use axum::Router;
use axum::routing::{get, post};

use crate::http::face::{Face, Vitals};
use crate::http::{dashboard, health, printed, webhook};

/// Addresses, and what answers there.
pub type Routes = Router;

/// Builds the router of a process that only works: its health, and nothing else.
pub fn vital(vitals: Vitals) -> Routes {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .with_state(vitals)
}

/// Builds the router of a server.
pub fn router(face: Face) -> Routes {
    let vital = vital(face.vitals.clone());
    let mut router = Router::new().route("/webhook", post(webhook::receive));
    if face.dashboard {
        router = router
            .route("/", get(dashboard::tasks))
            .route("/tasks/{id}", get(dashboard::task))
            .route("/jobs/{id}/log", get(printed::log));
    }
    router.with_state(face).merge(vital)
}
