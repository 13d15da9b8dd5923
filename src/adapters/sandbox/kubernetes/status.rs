//! What a pod's status says about the run in it, as a pure function.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::adapters::sandbox::fence::without_memory;
use crate::adapters::sandbox::kubernetes::manifest::{KEEPER, RUN};
use crate::domain::evidence::Ending;
use crate::ports::fault::Class;

/// What is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It has not begun, for this reason if there is one.
    Pending(Option<String>),
    /// Both containers run.
    Ready,
    /// The command has ended, and the keeper still runs.
    Ended(Ending),
    /// The pod has ended, and what was written in it is lost.
    Over(Ending),
    /// It will never begin, or nobody can say how it ended.
    Broken(Class, String),
}

/// What keeps a container from starting for good. A pull that failed once is tried again.
const HOPELESS: [(&str, &str); 6] = [
    (
        "ImagePullBackOff",
        "see that the name is right and the nodes may fetch it, by `[sandbox.kubernetes] pull_secrets` where it needs a secret",
    ),
    ("InvalidImageName", "see that the name is right"),
    ("ErrImageNeverPull", "bring the image to the nodes"),
    (
        "CreateContainerConfigError",
        "the message says what does not fit",
    ),
    (
        "CreateContainerError",
        "see that the image has `sh`, and that the nodes know user namespaces (else `[sandbox.kubernetes] user_namespaces = false`)",
    ),
    (
        "RunContainerError",
        "see that the image has `sh`, and that the nodes know user namespaces (else `[sandbox.kubernetes] user_namespaces = false`)",
    ),
];

/// Reads the status of a pod.
pub(super) fn look(pod: &Pod) -> Sight {
    let Some(status) = &pod.status else {
        return Sight::Pending(None);
    };
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    match status.reason.as_deref() {
        Some("Evicted") => {
            let message = said(&status.message);
            return if ["EmptyDir", "emptyDir", "ephemeral"]
                .iter()
                .any(|word| message.contains(word))
            {
                Sight::Over(Ending::DiskFull)
            } else {
                let cause = format!("the pod was evicted: {message} Give the nodes more room");
                Sight::Broken(Class::Transient, cause)
            };
        }
        Some("DeadlineExceeded") => return Sight::Over(Ending::TimedOut),
        Some(_) | None => {}
    }
    let main = status.container_statuses.as_deref().unwrap_or_default();
    let before = status
        .init_container_statuses
        .as_deref()
        .unwrap_or_default();
    for container in before.iter().chain(main) {
        if let Some(cause) = hopeless(container) {
            return Sight::Broken(Class::Permanent, cause);
        }
    }
    for container in before {
        if let Some((code, reason)) = ended(container)
            && code != 0
        {
            let cause = format!(
                "the first container ended with {code} ({reason}); `[sandbox.kubernetes] keeper` must be an image of Prova"
            );
            return Sight::Broken(Class::Permanent, cause);
        }
    }
    let find = |name: &str| main.iter().find(|container| container.name == name);
    let (run, keeper) = (find(RUN), find(KEEPER));
    let over = keeper.and_then(ended);
    match (run.and_then(ended), over) {
        (Some((code, reason)), None) => Sight::Ended(ending(code, &reason)),
        (Some((code, reason)), Some(_)) => Sight::Over(ending(code, &reason)),
        (None, Some((code, reason))) => {
            let cause = format!("the keeper beside the command ended with {code} ({reason})");
            Sight::Broken(Class::Transient, cause)
        }
        (None, None) if [run, keeper].into_iter().all(|it| it.is_some_and(runs)) => Sight::Ready,
        (None, None) => Sight::Pending(waits_for(pod)),
    }
}

/// Reads from a Job whose pod is gone why that is.
pub(super) fn gone(job: Option<&Job>) -> Sight {
    let conditions = job.and_then(|job| job.status.as_ref()?.conditions.as_deref());
    let failed = conditions
        .unwrap_or_default()
        .iter()
        .find(|it| it.type_ == "Failed");
    match failed.and_then(|failed| failed.reason.as_deref()) {
        Some("DeadlineExceeded") => Sight::Over(Ending::TimedOut),
        Some(reason) => Sight::Broken(Class::Transient, format!("the pod is gone: {reason}")),
        None => Sight::Broken(
            Class::Transient,
            "the pod is gone: somebody deleted it, or its node was lost".to_owned(),
        ),
    }
}

fn hopeless(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let (_, remedy) = HOPELESS.iter().find(|(known, _)| *known == reason)?;
    let message = waiting.message.as_deref().unwrap_or_default();
    Some(format!(
        "{reason}: the image {}: {message}: {remedy}",
        container.image
    ))
}

fn ended(container: &ContainerStatus) -> Option<(i32, String)> {
    let ended = container.state.as_ref()?.terminated.as_ref()?;
    Some((ended.exit_code, ended.reason.clone().unwrap_or_default()))
}

fn runs(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
}

/// Reads how the command ended. Its shell tells death by signal *n* as 128 + *n*.
fn ending(code: i32, reason: &str) -> Ending {
    let ending = match code {
        129..=159 => Ending::Signalled(code - 128),
        other => Ending::Exited(other),
    };
    if reason == "OOMKilled" {
        without_memory(ending)
    } else {
        ending
    }
}

fn waits_for(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_deref();
    let conditions = conditions.unwrap_or_default();
    let unscheduled = conditions
        .iter()
        .find(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(unscheduled) = unscheduled {
        let reason = unscheduled.reason.as_deref().unwrap_or("not scheduled");
        let message = unscheduled.message.as_deref().unwrap_or_default();
        return Some(format!(
            "{reason}: {message}: let a node have `memory_mib` and `cpus` of `[limits]` free, and the labels of `node_selector`"
        ));
    }
    let all = pod.status.as_ref()?.container_statuses.as_deref()?;
    let waiting = all
        .iter()
        .find_map(|it| it.state.as_ref()?.waiting.as_ref());
    waiting.and_then(|waiting| waiting.reason.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: &Value) -> Sight {
        look(&serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap())
    }

    fn containers(run: &Value, keeper: &Value) -> Value {
        let one = |name, state| json!({"name": name, "image": "img", "imageID": "", "ready": true, "restartCount": 0, "state": state});
        json!({"containerStatuses": [one(RUN, run), one(KEEPER, keeper)]})
    }

    fn run(state: &Value) -> Sight {
        pod(&containers(state, &json!({"running": {}})))
    }

    #[test]
    fn endings_are_read_as_they_are() {
        let code = |code, reason| json!({"terminated": {"exitCode": code, "reason": reason}});
        for (state, expected) in [
            (code(0, "Completed"), Ending::Exited(0)),
            (code(7, "Error"), Ending::Exited(7)),
            (code(137, "Error"), Ending::Signalled(9)),
            (code(137, "OOMKilled"), Ending::OutOfMemory),
            (code(0, "OOMKilled"), Ending::Exited(0)),
        ] {
            assert_eq!(run(&state), Sight::Ended(expected));
            assert_eq!(
                pod(&containers(&state, &code(0, ""))),
                Sight::Over(expected)
            );
        }
        let evicted = |message| pod(&json!({"reason": "Evicted", "message": message}));
        let full = "Usage of EmptyDir volume \"checkout\" exceeds the limit \"1Gi\".";
        assert_eq!(evicted(full), Sight::Over(Ending::DiskFull));
        assert!(matches!(
            evicted("The node was low on resource: memory."),
            Sight::Broken(Class::Transient, _)
        ));
        assert_eq!(
            pod(&json!({"reason": "DeadlineExceeded"})),
            Sight::Over(Ending::TimedOut)
        );
    }

    #[test]
    fn what_will_never_begin_is_named_with_its_remedy() {
        for (reason, expected) in HOPELESS {
            let state = json!({"waiting": {"reason": reason, "message": "why"}});
            let Sight::Broken(Class::Permanent, cause) = run(&state) else {
                panic!("{reason}");
            };
            assert!(
                cause.contains(reason) && cause.contains(expected) && cause.contains("img"),
                "{cause}"
            );
        }
        let broken = pod(&containers(
            &json!({"running": {}}),
            &json!({"terminated": {"exitCode": 1}}),
        ));
        assert!(matches!(broken, Sight::Broken(Class::Transient, _)));
    }

    #[test]
    fn what_may_still_begin_is_waited_for() {
        assert_eq!(pod(&json!({})), Sight::Pending(None));
        assert_eq!(run(&json!({"running": {}})), Sight::Ready);
        assert_eq!(
            run(&json!({"waiting": {"reason": "ErrImagePull"}})),
            Sight::Pending(Some("ErrImagePull".to_owned()))
        );
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"});
        let Sight::Pending(Some(why)) = pod(&json!({"conditions": [condition]})) else {
            panic!("not pending");
        };
        assert!(
            why.contains("Unschedulable: 0/3 nodes") && why.contains("memory_mib"),
            "{why}"
        );
    }

    #[test]
    fn a_job_tells_why_its_pod_is_gone() {
        let job = |reason| {
            let failed = json!({"type": "Failed", "status": "True", "reason": reason});
            serde_json::from_value(json!({"metadata": {}, "status": {"conditions": [failed]}}))
                .unwrap()
        };
        assert_eq!(
            gone(Some(&job("DeadlineExceeded"))),
            Sight::Over(Ending::TimedOut)
        );
        for sight in [gone(Some(&job("BackoffLimitExceeded"))), gone(None)] {
            assert!(
                matches!(sight, Sight::Broken(Class::Transient, _)),
                "{sight:?}"
            );
        }
    }
}
