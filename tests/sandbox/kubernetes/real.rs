//! A real cluster: `PROVA_TEST_KUBECONFIG` names the file, `PROVA_TEST_KUBERNETES_IMAGE` an image with
//! `sh` and `id`, `PROVA_TEST_KEEPER` one of Prova. The namespace is that of `deploy/kubernetes`.

use prova::adapters::sandbox::settings::{Backend, Kubernetes, Settings};
use prova::domain::evidence::Ending;
use prova::domain::time::Span;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, text};
use crate::door::Porter;

#[expect(
    clippy::disallowed_methods,
    reason = "which cluster there is, only who runs the test can say"
)]
#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
fn bed() -> Option<Bed> {
    let Ok(kubeconfig) = std::env::var("PROVA_TEST_KUBECONFIG") else {
        eprintln!("not run: no cluster, PROVA_TEST_KUBECONFIG is not set");
        return None;
    };
    Some(Bed::with(Settings {
        backend: Backend::Kubernetes,
        image: Some(std::env::var("PROVA_TEST_KUBERNETES_IMAGE").unwrap()),
        kubernetes: Kubernetes {
            kubeconfig: Some(kubeconfig.into()),
            keeper: std::env::var("PROVA_TEST_KEEPER").unwrap(),
            ..Kubernetes::default()
        },
        ..Settings::default()
    }))
}

#[tokio::test]
async fn a_real_cluster_isolates() {
    let Some(bed) = bed() else { return };
    let line = bed.sandbox.probe().await.unwrap();
    assert!(line.contains("no capabilities"), "{line}");
}

#[tokio::test]
async fn a_real_cluster_runs_and_gives_back() {
    let Some(mut bed) = bed() else { return };
    std::fs::write(bed.checkout().join("a"), "a\n").unwrap();
    let outcome = bed.sh("cat a; echo b > b; exit 3").await;
    assert_eq!(
        (outcome.ending, text(&outcome).as_str()),
        (Ending::Exited(3), "a\n")
    );
    assert_eq!(std::fs::read(bed.checkout().join("b")).unwrap(), b"b\n");

    bed.limits.wall = Span::seconds(5);
    let outcome = bed.sh("echo c > c; sleep 100").await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(bed.checkout().join("c").exists());

    bed.limits = crate::bed::LIMITS;
    bed.limits.memory_bytes = 64 << 20;
    let outcome = bed.sh("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done").await;
    assert_eq!(outcome.ending, Ending::OutOfMemory);
}

#[tokio::test]
async fn a_real_clusters_door_opens() {
    let Some(bed) = bed() else { return };
    let porter = Porter::new("porter");
    let spec = bed.spec(&["sh", "-c", "echo hello | nc 127.0.0.1 8790"]);
    let outcome = bed
        .sandbox
        .run(&spec, Some(&porter), &CancellationToken::new())
        .await;
    assert_eq!(text(&outcome.unwrap()), "porterhello\n");
}
