//! The manifests in `deploy` grant what the code asks for, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prova::adapters::sandbox::kubernetes::cluster::NEEDS;
use prova::config::server::Backend;
use prova::config::server::load::{Need, load};
use serde_json::Value;

use crate::page::text_of;

/// The objects of one file.
fn objects(file: &str) -> Vec<Value> {
    let text = text_of(&format!("deploy/kubernetes/{file}"));
    let parse = |part: &str| {
        serde_saphyr::from_str::<Value>(part).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    text.split("\n---\n").map(parse).collect()
}

fn find(file: &str, kind: &str) -> Value {
    let found = objects(file)
        .into_iter()
        .find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("{file} has no {kind}"))
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

#[test]
fn the_role_is_what_the_code_asks_for() {
    let role = find("account.yaml", "Role");
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    granted.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    let asked = NEEDS
        .map(|(group, resource, verb)| (group.to_owned(), resource.to_owned(), verb.to_owned()));
    assert_eq!(granted, BTreeSet::from(asked));
}

#[test]
fn the_account_of_the_server_has_that_role_and_sandboxes_have_none() {
    let binding = find("account.yaml", "RoleBinding");
    let server = find("server.yaml", "Deployment");
    assert_eq!(
        binding["subjects"][0]["name"],
        server["spec"]["template"]["spec"]["serviceAccountName"]
    );
    assert_eq!(
        binding["subjects"][0]["namespace"],
        server["metadata"]["namespace"]
    );
    assert_eq!(binding["subjects"].as_array().map(Vec::len), Some(1));
    assert_ne!(
        binding["metadata"]["namespace"],
        server["metadata"]["namespace"]
    );
}

#[test]
fn nothing_goes_in_or_out_of_the_namespace() {
    let policy = find("network.yaml", "NetworkPolicy");
    let spec = &policy["spec"];
    assert_eq!(spec["podSelector"], serde_json::json!({}));
    assert_eq!(words(&spec["policyTypes"]), ["Ingress", "Egress"]);
    assert!(spec.get("ingress").is_none() && spec.get("egress").is_none());
    let spaces = objects("namespaces.yaml");
    let sandboxes = spaces
        .iter()
        .find(|space| space["metadata"]["name"] == policy["metadata"]["namespace"]);
    let labels = sandboxes.map(|space| &space["metadata"]["labels"]);
    let level = labels.map(|labels| &labels["pod-security.kubernetes.io/enforce"]);
    assert_eq!(level, Some(&Value::from("restricted")));
}

#[test]
fn the_settings_of_the_server_are_read_and_mean_this_namespace() {
    let map = find("server.yaml", "ConfigMap");
    let text = map["data"]["prova.toml"].as_str().unwrap_or_default();
    let read = load(
        "prova.toml",
        text,
        Path::new("/"),
        (&BTreeMap::new(), Need::Server),
    );
    let settings = read.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.sandbox.backend, Backend::Kubernetes);
    let policy = find("network.yaml", "NetworkPolicy");
    assert_eq!(
        policy["metadata"]["namespace"],
        settings.sandbox.kubernetes.namespace.as_str()
    );
    let pod = &find("server.yaml", "Deployment")["spec"]["template"]["spec"];
    let image = pod["containers"][0]["image"].as_str().map(str::to_owned);
    assert_eq!(image, settings.sandbox.kubernetes.keeper);
}

#[test]
fn workers_share_the_settings_of_the_server_and_nothing_else() {
    let front = find("workers.yaml", "Deployment");
    let workers = find("workers.yaml", "StatefulSet");
    let server = find("server.yaml", "Deployment");
    let variable = |object: &Value, name: &str| {
        let env = &object["spec"]["template"]["spec"]["containers"][0]["env"];
        let all = env.as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["name"] == name)
    };
    // It takes the place of the other, under its name.
    assert_eq!(front["metadata"], server["metadata"]);
    assert_eq!(front["spec"]["selector"], server["spec"]["selector"]);
    assert_eq!(
        variable(&front, "PROVA_WORK__JOBS").map(|one| one["value"].clone()),
        Some("0".into())
    );
    let store = variable(&front, "PROVA_STORE__URL");
    assert!(store.is_some() && store == variable(&workers, "PROVA_STORE__URL"));

    let pod = |object: &Value| object["spec"]["template"]["spec"].clone();
    for key in ["serviceAccountName", "securityContext"] {
        assert_eq!(pod(&workers)[key], pod(&server)[key], "{key}");
        assert_eq!(pod(&front)[key], pod(&server)[key], "{key}");
    }
    for object in [&front, &workers] {
        let (one, other) = (
            &pod(object)["containers"][0],
            &pod(&server)["containers"][0],
        );
        assert_eq!(one["image"], other["image"]);
        assert_eq!(one["securityContext"], other["securityContext"]);
        assert_eq!(one["livenessProbe"], other["livenessProbe"]);
    }
    // The webhook secret is the servers' alone.
    let secrets = pod(&workers)["volumes"][1]["secret"].clone();
    assert_eq!(secrets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(secrets["items"][0]["key"], "prova.pem");
    // It has its time to drain before it is killed.
    let drain = variable(&workers, "PROVA_WORK__DRAIN_SECONDS").unwrap_or_default();
    let drain: i64 = drain["value"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let patience = pod(&workers)["terminationGracePeriodSeconds"].as_i64();
    assert!(patience >= Some(drain + 30), "{patience:?}");
}
