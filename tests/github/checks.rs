//! The checks of others: how they stand, what their jobs have printed, and having them run once more.

use prova::adapters::github::PERMISSIONS;
use prova::domain::integration::CheckState;
use prova::ports::fault::Class;
use prova::ports::github::{Checks, Commits};
use prova::simulator::world::installations::Access;
use prova::simulator::world::integration::{Finding, Rule};

use crate::fake::branch;
use crate::stage::{REPO, Stage};

#[tokio::test]
async fn the_checks_of_others_are_read_with_how_they_stand() {
    let stage = Stage::new().await;
    let (client, repo) = (&stage.client, &stage.repo);
    let head = client.branch(repo, &branch("main")).await.unwrap().unwrap();
    let report = |name: &str, conclusion: &str, log: &str| {
        let found = Finding {
            name: name.to_owned(),
            conclusion: conclusion.to_owned(),
            title: Some("said".to_owned()),
            log: log.to_owned(),
            ..Finding::default()
        };
        stage.sim.integration(REPO, "main", found).unwrap();
    };
    report("build", "failure", "");
    report("build", "success", "");
    report("slow", "", "");
    report("skip", "skipped", "");
    report("test", "failure", "boom\n");
    let runs = client.check_runs(repo, &head).await.unwrap();
    let mut told: Vec<_> = runs
        .iter()
        .map(|run| (run.check.name.as_str(), run.state))
        .collect();
    told.sort_by_key(|(name, _)| *name);
    assert_eq!(
        told,
        [
            ("build", CheckState::Passed),
            ("skip", CheckState::Aside),
            ("slow", CheckState::Running),
            ("test", CheckState::Failed),
        ]
    );
    let test = runs.iter().find(|run| run.check.name == "test").unwrap();
    assert_eq!(
        (test.check.app.as_str(), test.title.as_str(), test.annotated),
        ("github-actions", "said", false)
    );
    assert_eq!(
        client.failed_checks(repo, &head).await.unwrap()[0].log,
        "boom\n"
    );

    let workflow = test.workflow.unwrap();
    assert!(!client.was_rerun(repo, workflow).await.unwrap());
    let running = client.rerun(repo, workflow).await.unwrap_err();
    assert_eq!(running.class, Class::Permanent, "{running}");
    stage.end();
}

#[tokio::test]
async fn what_failed_runs_once_more() {
    let stage = Stage::new().await;
    let (client, repo) = (&stage.client, &stage.repo);
    let flaky = Rule::new(|looked| {
        Some(Finding {
            name: "test".to_owned(),
            conclusion: if looked.attempt > 1 {
                "success"
            } else {
                "failure"
            }
            .to_owned(),
            ..Finding::default()
        })
    });
    stage.sim.integrate(REPO, flaky).unwrap();
    let head = client.branch(repo, &branch("main")).await.unwrap().unwrap();
    let state = async || client.check_runs(repo, &head).await.unwrap()[0].clone();
    let failed = state().await;
    assert_eq!(failed.state, CheckState::Failed);
    client.rerun(repo, failed.workflow.unwrap()).await.unwrap();
    assert_eq!(state().await.state, CheckState::Passed);
    assert!(
        client
            .was_rerun(repo, failed.workflow.unwrap())
            .await
            .unwrap()
    );
    stage.end();
}

#[tokio::test]
async fn without_the_permission_there_is_no_log_and_nothing_runs_once_more() {
    let stage = Stage::new().await;
    let (client, repo) = (&stage.client, &stage.repo);
    let granted = PERMISSIONS.iter().map(|(name, level)| {
        let access = if *level == "write" {
            Access::Write
        } else {
            Access::Read
        };
        ((*name).to_owned(), access)
    });
    stage
        .sim
        .grant(repo.installation.0, granted.collect())
        .unwrap();
    let red = Finding {
        name: "test".to_owned(),
        conclusion: "failure".to_owned(),
        log: "boom\n".to_owned(),
        ..Finding::default()
    };
    stage.sim.integration(REPO, "main", red).unwrap();
    let head = client.branch(repo, &branch("main")).await.unwrap().unwrap();
    let failed = client.failed_checks(repo, &head).await.unwrap();
    assert_eq!((failed.len(), failed[0].log.as_str()), (1, ""));
    let runs = client.check_runs(repo, &head).await.unwrap();
    let refused = client
        .rerun(repo, runs[0].workflow.unwrap())
        .await
        .unwrap_err();
    assert_eq!(refused.class, Class::AuthLost, "{refused}");
    stage.end();
}
