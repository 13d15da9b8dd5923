//! Which address leads where.

use axum::Router;
use axum::routing::{get, post};

use crate::http::face::Face;
use crate::http::{dashboard, health, webhook};

/// Builds the router.
pub fn router(face: Face) -> Router {
    let mut router = Router::new()
        .route("/webhook", post(webhook::receive))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    if face.dashboard {
        router = router
            .route("/", get(dashboard::tasks))
            .route("/tasks/{id}", get(dashboard::task));
    }
    router.with_state(face)
}
