//! What goes wrong between a server and its cluster.

use std::collections::VecDeque;

use http::Method;
use prova::domain::evidence::Ending;
use prova::ports::fault::Class;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, is_running, nap, text, wait_until};
use crate::kubernetes::api::{Api, Script};
use crate::kubernetes::{cluster, settings};

#[tokio::test]
async fn an_api_server_that_restarts_costs_nothing() {
    let (api, bed) = cluster(Script::default()).await;
    let gate = bed.path().join("gate");
    let script = format!(
        "echo one; until [ -e {} ]; do sleep 0.05; done; echo two; exit 5",
        gate.display()
    );
    let spec = bed.spec(&["sh", "-c", &script]);
    let cancel = CancellationToken::new();
    let restart = async {
        wait_until(|| std::fs::read(&spec.log).is_ok_and(|log| log == b"one\n")).await;
        api.restart(4);
        std::fs::write(&gate, "").unwrap();
    };
    let (outcome, ()) = tokio::join!(bed.sandbox.run(&spec, None, &cancel), restart);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.ending, Ending::Exited(5));
    assert_eq!(text(&outcome), "one\ntwo\n");
}

#[tokio::test]
async fn a_log_that_breaks_off_is_read_on_where_it_did() {
    for breaks in [1, 40, 77, 300] {
        let (_api, bed) = cluster(Script {
            log_breaks: Some(breaks),
            ..Script::default()
        })
        .await;
        let outcome = bed
            .sh("for i in 1 2 3 4 5 6 7 8; do echo line $i; done; sleep 1; printf end")
            .await;
        let mut lines: Vec<_> = (1..9).map(|n| format!("line {n}")).collect();
        lines.push("end".to_owned());
        assert_eq!(text(&outcome), lines.join("\n"), "{breaks}");
    }
}

#[tokio::test]
async fn a_job_whose_making_was_not_answered_is_ours() {
    let (api, bed) = cluster(Script {
        create_is_lost: true,
        ..Script::default()
    })
    .await;
    assert_eq!(bed.sh("echo once >> made").await.ending, Ending::Exited(0));
    assert_eq!(api.made.lock().unwrap().len(), 1);
    assert_eq!(
        std::fs::read(bed.checkout().join("made")).unwrap(),
        b"once\n"
    );
}

#[tokio::test]
async fn a_job_that_somebody_left_is_replaced() {
    let (api, bed) = cluster(Script::default()).await;
    bed.sh("true").await;
    let mut left = api.made.lock().unwrap()[0].clone();
    left["metadata"]["labels"]["prova.dev/call"] = json!("of-another-life");
    api.put(left);
    assert_eq!(bed.sh("true").await.ending, Ending::Exited(0));
    assert_eq!(api.made.lock().unwrap().len(), 2);
    assert!(api.jobs().is_empty());
}

#[tokio::test]
async fn a_refusal_is_told_apart() {
    for (code, message, class, told) in [
        (401, "Unauthorized", Class::AuthLost, "credentials"),
        (
            403,
            "jobs.batch is forbidden: User \"x\"",
            Class::Permanent,
            "the role",
        ),
        (
            403,
            "jobs.batch is forbidden: exceeded quota: few",
            Class::Transient,
            "quota",
        ),
        (
            404,
            "namespaces \"x\" not found",
            Class::NotFound,
            "namespace",
        ),
        (422, "Job is invalid", Class::Permanent, "invalid"),
    ] {
        let answers = VecDeque::from([(Method::POST, code, message)]);
        let (_api, bed) = cluster(Script {
            answers,
            ..Script::default()
        })
        .await;
        let fault = bed.run(&bed.spec(&["true"])).await.unwrap_err();
        assert_eq!(fault.class, class, "{fault}");
        assert!(fault.cause.contains(told), "{fault}");
    }
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_named() {
    let (api, bed) = cluster(Script::default()).await;
    let config = std::fs::read_to_string(&api.kubeconfig).unwrap();
    let (before, after) = config.split_once("http://127.0.0.1:").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    std::fs::write(
        &api.kubeconfig,
        format!("{before}http://127.0.0.1:9\"{after}"),
    )
    .unwrap();
    let unusable = bed.sandbox.probe().await.unwrap_err();
    assert!(unusable.reason.contains("does not answer"), "{unusable}");
    std::fs::remove_file(&api.kubeconfig).unwrap();
    let unusable = Bed::with(settings(&api)).sandbox.probe().await.unwrap_err();
    assert!(unusable.reason.contains("kubeconfig"), "{unusable}");
}

#[tokio::test]
async fn what_an_enemy_sends_out_lands_nowhere() {
    let name = |kind: u8, at: &str| {
        [
            &[kind, 0, 0],
            &u16::try_from(at.len()).unwrap().to_be_bytes()[..],
            at.as_bytes(),
        ]
        .concat()
    };
    let file = |at: &str| {
        [
            name(b'f', at),
            5_u64.to_be_bytes().to_vec(),
            b"enemy".to_vec(),
        ]
        .concat()
    };
    let link = |at: &str, to: &str| {
        [
            name(b'l', at),
            u16::try_from(to.len()).unwrap().to_be_bytes().to_vec(),
            to.as_bytes().to_vec(),
        ]
        .concat()
    };
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().display().to_string();
    for stream in [
        file("../../escaped"),
        file(&format!("{out}/escaped")),
        [link("out", &out), file("out/escaped")].concat(),
        [link("escaped", &format!("{out}/escaped")), file("escaped")].concat(),
        name(b'b', "device"),
        b"garbage".to_vec(),
        Vec::new(),
        [file("half"), name(b'f', "cut")].concat(),
    ] {
        let (api, bed) = cluster(Script {
            comes_out: Some(stream),
            ..Script::default()
        })
        .await;
        std::fs::write(bed.checkout().join("mine"), "mine").unwrap();
        bed.run(&bed.spec(&["true"])).await.unwrap_err();
        assert_eq!(std::fs::read(bed.checkout().join("mine")).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(bed.checkout()).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(!bed.path().join("escaped").exists() && api.jobs().is_empty());
    }
}

#[tokio::test]
async fn more_than_it_may_write_does_not_come_out() {
    let (_api, mut bed) = cluster(Script::default()).await;
    bed.limits.disk_bytes = 1024;
    let outcome = bed.sh("head -c 2000 /dev/zero > large").await;
    assert_eq!(outcome.ending, Ending::DiskFull);
    assert!(!bed.checkout().join("large").exists());
}

#[tokio::test]
async fn what_a_server_left_that_is_gone_is_removed() {
    let (api, bed) = cluster(Script::default()).await;
    bed.sh("true").await;
    let job = api.made.lock().unwrap()[0].clone();
    let word = job["metadata"]["labels"]["prova.dev/server"]
        .as_str()
        .unwrap()
        .to_owned();
    let (rest, _started) = word.rsplit_once('-').unwrap();
    for (name, of) in [
        ("left", format!("{rest}-1")),
        ("mine", word.clone()),
        ("other", "0.1-2-3".to_owned()),
    ] {
        let mut job = job.clone();
        job["metadata"]["name"] = json!(name);
        job["metadata"]["labels"]["prova.dev/server"] = json!(of);
        api.put(job);
    }
    let _confines_nothing = bed.sandbox.probe().await;
    assert_eq!(api.jobs(), ["mine", "other"]);
}

#[tokio::test]
async fn a_door_whose_stream_breaks_off_opens_again() {
    let api = Api::start(Script::default()).await;
    let bed = Bed::with(settings(&api));
    let porter = crate::door::Porter::new("porter");
    let nap = nap(74);
    let script = format!(
        "at=${{DOOR_URL#http://}}; at=${{at%/porter}}; sleep {nap} & \
         until (exec 3<>/dev/tcp/${{at%:*}}/${{at#*:}}; echo hello >&3; timeout 5 cat <&3) 2>/dev/null | grep porter; \
         do sleep 0.1; done; kill $!; \
         until [ -e {} ]; do sleep 0.05; done; \
         until (exec 3<>/dev/tcp/${{at%:*}}/${{at#*:}}; echo again >&3; timeout 5 cat <&3) 2>/dev/null | grep porter; \
         do sleep 0.1; done",
        bed.path().join("gate").display()
    );
    let spec = bed.spec(&["bash", "-c", &script]);
    let cancel = CancellationToken::new();
    let restart = async {
        wait_until(|| porter.visits() > 0 && !is_running(&nap)).await;
        api.restart(0);
        std::fs::write(bed.path().join("gate"), "").unwrap();
    };
    let (outcome, ()) = tokio::join!(bed.sandbox.run(&spec, Some(&porter), &cancel), restart);
    assert_eq!(text(&outcome.unwrap()), "porterhello\nporteragain\n");
}
