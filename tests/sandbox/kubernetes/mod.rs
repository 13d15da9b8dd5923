//! The Kubernetes backend: always against a scripted API server, whose pods are processes of this
//! machine; against a real cluster when `PROVA_TEST_KUBECONFIG` names one ([`real`]).

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod api;
mod endings;
mod kubelet;
mod real;
mod troubles;
mod ways;

use std::sync::Arc;

use prova::adapters::sandbox::settings::{Backend, Kubernetes, Settings};
use prova::domain::time::Span;

use crate::bed::Bed;
use crate::kubernetes::api::{Api, Script};

fn settings(api: &Api) -> Settings {
    Settings {
        backend: Backend::Kubernetes,
        image: Some("example.org/tools:1".to_owned()),
        kubernetes: Kubernetes {
            kubeconfig: Some(api.kubeconfig.clone()),
            keeper: "example.org/prova:1".to_owned(),
            // The pods are processes of this machine, and the limit would count all of them.
            user_namespaces: false,
            start: Span::seconds(20),
            ..Kubernetes::default()
        },
        ..Settings::default()
    }
}

async fn cluster(script: Script) -> (Arc<Api>, Bed) {
    let api = Api::start(script).await;
    let bed = Bed::with(settings(&api));
    (api, bed)
}
