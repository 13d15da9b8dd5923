//! The Job of one run, as a pure function: what isolates is all on this page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::adapters::sandbox::cover::Cover;
use crate::adapters::sandbox::fence::Input;
use crate::adapters::sandbox::kubernetes::pod::POD;
use crate::adapters::sandbox::settings::Kubernetes;
use crate::ports::sandbox::{
    INSIDE_CHECKOUT, INSIDE_HOME, INSIDE_INPUT, INSIDE_OBJECTS, INSIDE_OUTPUT, Spec,
};

/// The container with the command, and the one beside it.
pub(super) const RUN: &str = "run";
pub(super) const KEEPER: &str = "keeper";

/// The label that the network policy selects, and those by which leftovers are found.
pub(super) const SANDBOX: &str = "prova.dev/sandbox";
pub(super) const SERVER: &str = "prova.dev/server";
pub(super) const CALL: &str = "prova.dev/call";

/// Prova's own program in the keeper's image.
pub(super) const PROGRAM: &str = "/usr/local/bin/prova";
/// The pipe at which the command waits.
pub(super) const GATE: &str = "/prova/gate/go";

/// Seconds that a finished Job is kept whose server is gone.
const KEPT_SECONDS: u64 = 300;
/// Seconds that bringing files in and out may take, on top of start and wall clock.
const MOVING_SECONDS: u64 = 900;

/// All that one Job is made of.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) spec: &'a Spec,
    /// What the command has for its input.
    pub(super) input: Input,
    /// What is seen empty of the checkout.
    pub(super) covers: &'a [Cover],
    pub(super) image: &'a str,
    pub(super) settings: &'a Kubernetes,
    /// User and group id inside.
    pub(super) user: u32,
    /// Bytes that each of the private directories may hold.
    pub(super) scratch_bytes: u64,
    pub(super) name: &'a str,
    /// Whose it is, and of which call.
    pub(super) server: &'a str,
    pub(super) call: &'a str,
}

/// Returns the directories that go in and, of those, the ones that come out, by the names of their
/// volumes: where the keeper sees them, and where the command does.
pub(super) const PLACES: [(&str, &str); 5] = [
    ("checkout", INSIDE_CHECKOUT),
    ("output", INSIDE_OUTPUT),
    ("home", INSIDE_HOME),
    ("input", INSIDE_INPUT),
    ("objects", INSIDE_OBJECTS),
];

/// Returns where the keeper sees a volume.
pub(super) fn kept(volume: &str) -> String {
    format!("/prova/keep/{volume}")
}

/// Returns what the cluster is asked to create.
pub(super) fn job(layout: &Layout<'_>) -> Value {
    let (settings, limits) = (layout.settings, &layout.spec.limits);
    let labels = json!({
        "app.kubernetes.io/managed-by": "prova",
        SANDBOX: "run",
        SERVER: layout.server,
        CALL: layout.call,
    });
    let seconds = limits.wall.as_millis().div_ceil(1000);
    let mut pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "hostUsers": !settings.user_namespaces,
        "hostNetwork": false,
        "hostPID": false,
        "hostIPC": false,
        "hostname": "prova",
        // The keeper runs until the pod is deleted, and is not asked twice.
        "terminationGracePeriodSeconds": 1,
        // Names are looked up by the gateway. The door is an address.
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": layout.user,
            "runAsGroup": layout.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [prepare(layout)],
        "containers": [run(layout), keeper(layout)],
        "volumes": volumes(layout),
    });
    if let Some(pod) = pod.as_object_mut() {
        if let Some(class) = &settings.runtime_class {
            pod.insert("runtimeClassName".to_owned(), json!(class));
        }
        if !settings.node_selector.is_empty() {
            pod.insert("nodeSelector".to_owned(), json!(settings.node_selector));
        }
        if !settings.pull_secrets.is_empty() {
            let secrets: Vec<_> = settings
                .pull_secrets
                .iter()
                .map(|name| json!({"name": name}))
                .collect();
            pod.insert("imagePullSecrets".to_owned(), json!(secrets));
        }
    }
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": layout.name, "labels": labels},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            // Whether to try again is decided elsewhere.
            "backoffLimit": 0,
            // Should the server be gone, the cluster ends and removes it.
            "activeDeadlineSeconds": settings.start.as_millis() / 1000 + seconds + MOVING_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}

/// What every container may not.
fn confined() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// The container with the command, which waits until everything around it is ready.
fn run(layout: &Layout<'_>) -> Value {
    let limits = &layout.spec.limits;
    let memory = limits.memory_bytes.to_string();
    let cpu = limits.milli_cpus.map(|milli| format!("{milli}m"));
    let most = match &cpu {
        Some(cpu) => json!({"memory": memory, "cpu": cpu}),
        None => json!({"memory": memory}),
    };
    let least = json!({"memory": memory, "cpu": cpu.as_deref().unwrap_or("100m")});
    let shell = ["sh", "-c", &script(layout), "prova"].map(escaped);
    let command: Vec<String> = shell
        .into_iter()
        .chain(layout.spec.command.iter().map(escaped))
        .collect();
    let talks = layout.input == Input::Talk;
    json!({
        "name": RUN,
        "image": layout.image,
        "command": command,
        "args": [],
        "workingDir": INSIDE_CHECKOUT,
        "env": environment(layout),
        "stdin": talks,
        "stdinOnce": talks,
        "tty": false,
        "resources": {"limits": most, "requests": least},
        "securityContext": confined(),
        "volumeMounts": mounts(layout),
    })
}

/// What the command's shell does first, and that it says nothing itself. It stays the first process: what it started can be ended
/// from inside, and the files then come out. No limit of the cluster bounds a file's size; and the
/// kernel counts processes of one sandbox only in a user namespace of its own.
fn script(layout: &Layout<'_>) -> String {
    let limits = &layout.spec.limits;
    let processes = if layout.settings.user_namespaces {
        let most = limits.processes;
        format!("{{ ulimit -u {most} || ulimit -p {most}; }} 2>/dev/null; ")
    } else {
        String::new()
    };
    let input = match layout.input {
        Input::Empty => " </dev/null",
        Input::Talk => "",
    };
    format!(
        "read -r _ < {GATE} || exit 125; ulimit -c 0; ulimit -f {}; {processes}\
         unset PWD OLDPWD SHLVL HOSTNAME KUBERNETES_PORT KUBERNETES_PORT_443_TCP \
         KUBERNETES_PORT_443_TCP_ADDR KUBERNETES_PORT_443_TCP_PORT KUBERNETES_PORT_443_TCP_PROTO \
         KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_SERVICE_PORT_HTTPS; \
         exec 3>&2 2>/dev/null; (exec \"$@\"{input} 2>&3 3>&-); exit $?",
        limits.file_bytes.div_ceil(512),
    )
}

fn prepare(layout: &Layout<'_>) -> Value {
    let mut command = vec![PROGRAM, POD, "prepare", GATE];
    let mut mounts = vec![json!({"name": "gate", "mountPath": "/prova/gate"})];
    if layout.spec.own.is_some() {
        command.push("/prova/bin/prova");
        mounts.push(json!({"name": "program", "mountPath": "/prova/bin"}));
    }
    json!({
        "name": "prepare",
        "image": layout.settings.keeper,
        "command": command,
        "resources": small(),
        "securityContext": confined(),
        "volumeMounts": mounts,
    })
}

fn keeper(layout: &Layout<'_>) -> Value {
    let places = PLACES
        .iter()
        .map(|(name, _)| json!({"name": name, "mountPath": kept(name)}));
    let gate = json!({"name": "gate", "mountPath": "/prova/gate"});
    json!({
        "name": KEEPER,
        "image": layout.settings.keeper,
        "command": [PROGRAM, POD, "keep"],
        "resources": small(),
        "securityContext": confined(),
        "volumeMounts": places.chain([gate]).collect::<Vec<_>>(),
    })
}

fn small() -> Value {
    json!({"limits": {"memory": "256Mi"}, "requests": {"memory": "64Mi", "cpu": "50m"}})
}

fn mounts(layout: &Layout<'_>) -> Vec<Value> {
    let places = PLACES.iter().map(|(name, at)| {
        let read_only = ["input", "objects"].contains(name);
        json!({"name": name, "mountPath": at, "readOnly": read_only})
    });
    let mut mounts: Vec<_> = places.collect();
    mounts.extend([
        json!({"name": "gate", "mountPath": "/prova/gate", "readOnly": true}),
        json!({"name": "temporary", "mountPath": "/tmp"}),
        json!({"name": "memory", "mountPath": "/dev/shm"}),
    ]);
    if layout.spec.own.is_some() {
        mounts.push(json!({"name": "program", "mountPath": "/prova/bin", "readOnly": true}));
    }
    mounts.extend(layout.covers.iter().map(|cover| match cover {
        Cover::Directory(at) => json!({"name": "nothing", "mountPath": at, "readOnly": true}),
        Cover::File(at) => {
            json!({"name": "empty", "mountPath": at, "subPath": "empty", "readOnly": true})
        }
    }));
    mounts
}

fn volumes(layout: &Layout<'_>) -> Vec<Value> {
    let disk = layout.spec.limits.disk_bytes.to_string();
    let scratch = layout.scratch_bytes.to_string();
    let on_disk = |name: &str| json!({"name": name, "emptyDir": {"sizeLimit": disk}});
    let in_memory =
        |name: &str| json!({"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": scratch}});
    let mut volumes: Vec<_> = PLACES
        .iter()
        .map(|(name, _)| match *name {
            "home" if layout.spec.home.is_none() => in_memory(name),
            // A repository's history is bounded by whoever fetched it.
            "objects" => json!({"name": name, "emptyDir": {}}),
            other => on_disk(other),
        })
        .collect();
    volumes.extend([
        in_memory("temporary"),
        in_memory("memory"),
        json!({"name": "gate", "emptyDir": {"sizeLimit": "1Mi"}}),
    ]);
    if layout.spec.own.is_some() {
        volumes.push(json!({"name": "program", "emptyDir": {"sizeLimit": "1Gi"}}));
    }
    if layout
        .covers
        .iter()
        .any(|cover| matches!(cover, Cover::Directory(_)))
    {
        volumes.push(json!({"name": "nothing", "emptyDir": {"sizeLimit": "1Mi"}}));
    }
    if layout
        .covers
        .iter()
        .any(|cover| matches!(cover, Cover::File(_)))
    {
        // The one kind of volume that holds an empty file without an object of its own.
        let field = json!({"fieldPath": "metadata.annotations['prova.dev/empty']"});
        let items = json!([{"path": "empty", "fieldRef": field}]);
        volumes.push(json!({"name": "empty", "downwardAPI": {"items": items}}));
    }
    volumes
}

/// Returns the variables; the image's own search path stays.
fn environment(layout: &Layout<'_>) -> Vec<Value> {
    let mut env = BTreeMap::from([
        ("HOME", INSIDE_HOME),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
    ]);
    let spec = layout.spec;
    let given = spec.profile.env.iter().chain(&spec.env);
    env.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
    let pairs = env.iter();
    pairs
        .map(|(name, value)| json!({"name": name, "value": escaped(value)}))
        .collect()
}

/// Keeps the cluster from reading `$(NAME)` in a text as a variable of its own.
fn escaped(text: impl AsRef<str>) -> String {
    text.as_ref().replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;
    use crate::ports::sandbox::{Limits, Profile};
    use crate::ports::tree::Tree;
    use k8s_openapi::api::batch::v1::Job;

    fn spec() -> Spec {
        Spec {
            command: vec!["make".to_owned(), "$(HOME) $x".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "$(B)".to_owned())]),
            tree: Tree::Plain("/work/checkout".into()),
            hide: Vec::new(),
            input: None,
            output: None,
            objects: None,
            home: None,
            own: Some("/proc/self/exe".into()),
            log: "/work/log".into(),
            limits: Limits {
                wall: Span::seconds(60),
                output_bytes: 1,
                file_bytes: 1024,
                processes: 30,
                memory_bytes: 1 << 30,
                milli_cpus: Some(1500),
                disk_bytes: 1 << 31,
            },
            profile: Profile::default(),
        }
    }

    fn manifest(spec: &Spec, settings: &Kubernetes) -> Value {
        job(&Layout {
            spec,
            input: Input::Empty,
            covers: &[
                Cover::Directory("/workspace/.agent".to_owned()),
                Cover::File("/workspace/AGENT.md".to_owned()),
            ],
            image: "example.org/tools:1",
            settings,
            user: 65_534,
            scratch_bytes: 1 << 20,
            name: "prova-1",
            server: "s",
            call: "c",
        })
    }

    fn settings() -> Kubernetes {
        Kubernetes {
            keeper: "example.org/prova:1".to_owned(),
            runtime_class: Some("gvisor".to_owned()),
            node_selector: BTreeMap::from([("pool".to_owned(), "agents".to_owned())]),
            pull_secrets: vec!["registry".to_owned()],
            ..Kubernetes::default()
        }
    }

    #[test]
    fn the_job_is_this_and_nothing_else() {
        insta::assert_snapshot!(
            serde_json::to_string_pretty(&manifest(&spec(), &settings())).unwrap()
        );
    }

    #[test]
    fn the_cluster_knows_every_word_of_it() {
        let wanted = manifest(&spec(), &settings());
        let read: Job = serde_json::from_value(wanted.clone()).unwrap();
        let mut read = serde_json::to_value(read).unwrap();
        // The library leaves out lists that are empty.
        read["spec"]["template"]["spec"]["containers"][0]["args"] = json!([]);
        assert_eq!(read, wanted);
    }

    #[test]
    fn every_container_is_confined() {
        let pod = &manifest(&spec(), &settings())["spec"]["template"]["spec"];
        for list in ["initContainers", "containers"] {
            for container in pod[list].as_array().unwrap() {
                assert_eq!(
                    container["securityContext"],
                    confined(),
                    "{}",
                    container["name"]
                );
            }
        }
        assert_eq!(pod["hostUsers"], false);
        let shared = manifest(
            &spec(),
            &Kubernetes {
                user_namespaces: false,
                ..settings()
            },
        );
        assert_eq!(shared["spec"]["template"]["spec"]["hostUsers"], true);
        assert!(!shared.to_string().contains("ulimit -u"));
    }
}
