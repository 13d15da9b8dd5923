//! How runs end.

use std::time::Duration;

use prova::domain::evidence::Ending;
use prova::domain::time::Span;
use prova::ports::fault::Class;
use prova::ports::sandbox::Profile;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::bed::{is_running, nap, wait_until};
use crate::kubernetes::api::Script;
use crate::kubernetes::cluster;

#[tokio::test]
async fn a_command_ends_as_it_says() {
    let (_api, bed) = cluster(Script::default()).await;
    for (script, expected) in [
        ("exit 7", Ending::Exited(7)),
        ("kill -9 $$", Ending::Signalled(9)),
        ("no-such-program", Ending::Exited(127)),
    ] {
        assert_eq!(bed.sh(script).await.ending, expected, "{script}");
    }
}

#[tokio::test]
async fn what_the_cluster_saw_of_the_end_counts() {
    let full = json!({"phase": "Failed", "reason": "Evicted", "message": "Usage of EmptyDir volume \"checkout\" exceeds the limit \"1\"."});
    let deadline = json!({"phase": "Failed", "reason": "DeadlineExceeded"});
    for (script, expected) in [
        (
            Script {
                reason: Some("OOMKilled"),
                ..Script::default()
            },
            Ending::OutOfMemory,
        ),
        (
            Script {
                pod_over: Some(full),
                ..Script::default()
            },
            Ending::DiskFull,
        ),
        (
            Script {
                pod_over: Some(deadline),
                ..Script::default()
            },
            Ending::TimedOut,
        ),
        (
            Script {
                job_failed: Some("DeadlineExceeded"),
                ..Script::default()
            },
            Ending::TimedOut,
        ),
    ] {
        let (api, bed) = cluster(script).await;
        assert_eq!(bed.sh("echo x > made; exit 1").await.ending, expected);
        assert_eq!(
            bed.checkout().join("made").exists(),
            expected == Ending::OutOfMemory
        );
        assert!(api.jobs().is_empty());
    }
}

#[tokio::test]
async fn at_the_end_of_its_wall_clock_it_is_killed_and_its_files_come_out() {
    let (api, mut bed) = cluster(Script::default()).await;
    bed.limits.wall = Span::seconds(1);
    let nap = nap(71);
    let outcome = bed
        .sh(&format!("echo begun; echo x > made; sleep {nap}"))
        .await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert_eq!(outcome.tail, b"begun\n");
    assert!(bed.checkout().join("made").exists());
    assert!(!is_running(&nap) && api.jobs().is_empty());
}

#[tokio::test]
async fn a_run_that_is_stopped_is_gone_and_its_files_come_out() {
    let (api, bed) = cluster(Script::default()).await;
    let (cancel, nap) = (CancellationToken::new(), nap(72));
    let script = format!("echo x > made; sleep {nap}");
    let spec = bed.spec(&["sh", "-c", &script]);
    let stop = async {
        wait_until(|| is_running(&nap)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(bed.sandbox.run(&spec, None, &cancel), stop);
    assert_eq!(outcome.unwrap().ending, Ending::Cancelled);
    assert!(bed.checkout().join("made").exists());
    assert!(!is_running(&nap) && api.jobs().is_empty());
}

#[tokio::test]
async fn a_run_that_is_stopped_before_it_began_is_gone() {
    let (api, bed) = cluster(Script {
        stuck: Some(json!({"phase": "Pending"})),
        ..Script::default()
    })
    .await;
    let cancel = CancellationToken::new();
    let spec = bed.spec(&["true"]);
    let stop = async {
        wait_until(|| api.count("watch") > 0).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(bed.sandbox.run(&spec, None, &cancel), stop);
    assert_eq!(outcome.unwrap().ending, Ending::Cancelled);
    assert!(api.jobs().is_empty());
}

#[tokio::test]
async fn a_run_that_is_dropped_is_removed() {
    let (api, bed) = cluster(Script::default()).await;
    let nap = nap(73);
    let script = format!("sleep {nap}");
    let spec = bed.spec(&["sh", "-c", &script]);
    let cancel = CancellationToken::new();
    tokio::select! {
        _ = bed.sandbox.run(&spec, None, &cancel) => panic!("it ended"),
        () = wait_until(|| is_running(&nap)) => {}
    }
    wait_until(|| api.jobs().is_empty() && !is_running(&nap)).await;
}

#[tokio::test]
async fn what_does_not_start_is_named_with_its_remedy() {
    let waiting = |reason: &str| {
        let one = |name: &str| json!({"name": name, "image": "example.org/tools:1", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "why"}}});
        json!({"phase": "Pending", "containerStatuses": [one("run"), one("keeper")]})
    };
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    let stuck = |status: Value| Script {
        stuck: Some(status),
        ..Script::default()
    };
    let no_pod = |message: &str| Script {
        no_pod: Some(message.to_owned()),
        ..Script::default()
    };
    for (script, class, told) in [
        (
            stuck(waiting("ImagePullBackOff")),
            Class::Permanent,
            "example.org/tools:1",
        ),
        (
            stuck(waiting("CreateContainerError")),
            Class::Permanent,
            "user_namespaces",
        ),
        (stuck(evicted), Class::Transient, "more room"),
        (
            no_pod("pods \"x\" is forbidden: exceeded quota: few"),
            Class::Transient,
            "quota",
        ),
        (
            no_pod("violates PodSecurity \"restricted\""),
            Class::Permanent,
            "Label the namespace",
        ),
    ] {
        let (api, bed) = cluster(script).await;
        let fault = bed.run(&bed.spec(&["true"])).await.unwrap_err();
        assert_eq!(fault.class, class, "{fault}");
        assert!(fault.cause.contains(told), "{fault}");
        assert!(api.jobs().is_empty());
    }
}

#[tokio::test]
async fn a_pod_that_finds_no_node_in_time_says_why() {
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient memory."});
    let script = Script {
        stuck: Some(json!({"phase": "Pending", "conditions": [condition]})),
        ..Script::default()
    };
    let api = crate::kubernetes::api::Api::start(script).await;
    let mut settings = crate::kubernetes::settings(&api);
    settings.kubernetes.start = Span::seconds(1);
    let bed = crate::bed::Bed::with(settings);
    let fault = bed.run(&bed.spec(&["true"])).await.unwrap_err();
    assert_eq!(fault.class, Class::Transient);
    assert!(
        fault.cause.contains("Insufficient memory") && fault.cause.contains("memory_mib"),
        "{fault}"
    );
}

#[tokio::test]
async fn a_slow_start_costs_none_of_the_wall_clock() {
    let (_api, mut bed) = cluster(Script {
        slow: 12,
        ..Script::default()
    })
    .await;
    bed.limits.wall = Span::seconds(2);
    let outcome = bed.sh("echo here").await;
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert!(outcome.took.to_std() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_profile_names_the_image_and_no_directory() {
    let (api, bed) = cluster(Script::default()).await;
    let mut spec = bed.spec(&["true"]);
    spec.profile = Profile {
        image: Some("example.org/other:1".to_owned()),
        ..Profile::default()
    };
    bed.run(&spec).await.unwrap();
    assert!(
        api.made.lock().unwrap()[0]
            .to_string()
            .contains("example.org/other:1")
    );
    spec.profile.mounts = vec!["/opt".into()];
    let fault = bed.run(&spec).await.unwrap_err();
    assert!(fault.cause.contains("image"), "{fault}");
}

#[tokio::test]
async fn the_probe_looks_from_inside_and_at_the_network() {
    // The pods are processes of this machine, which confines nothing: that is what it says.
    let (_api, bed) = cluster(Script::default()).await;
    let unusable = bed.sandbox.probe().await.unwrap_err();
    assert!(unusable.reason.contains("inside"), "{unusable}");
    for (script, told) in [
        (
            Script {
                denied: vec!["create pods/exec"],
                ..Script::default()
            },
            "create pods/exec",
        ),
        (
            Script {
                no_policy: true,
                ..Script::default()
            },
            "network policy",
        ),
    ] {
        let (_api, bed) = cluster(script).await;
        let unusable = bed.sandbox.probe().await.unwrap_err();
        assert!(unusable.reason.contains(told), "{unusable}");
        assert!(unusable.remedy.contains("deploy/kubernetes"), "{unusable}");
    }
}
