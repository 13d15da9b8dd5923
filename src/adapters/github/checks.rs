//! Check runs.

use serde::Deserialize;
use serde_json::json;

use crate::adapters::github::Client;
use crate::adapters::github::request::{Request, in_repo, segment};
use crate::domain::effect::Conclusion;
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{CheckRunId, CommitSha};
use crate::domain::repo::Repo;
use crate::domain::surroundings::{Annotation, FailedCheck};
use crate::ports::fault::Fault;
use crate::ports::github::{Checks, NewCheck};

/// What every check run of ours is called.
const NAME: &str = "prova";

#[derive(Deserialize)]
struct Created {
    id: u64,
}

#[derive(Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
struct CheckRun {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    /// Whose check run it is: anybody's App may call one `prova`.
    #[serde(default)]
    app: Option<Created>,
}

/// Most check runs of others that are read, and most annotations of each.
const FAILED: usize = 5;
const ANNOTATIONS: usize = 10;

#[derive(Deserialize)]
struct OthersRuns {
    check_runs: Vec<OthersRun>,
}

#[derive(Deserialize)]
struct OthersRun {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    app: Option<Created>,
    #[serde(default)]
    output: Option<Output>,
}

#[derive(Default, Deserialize)]
struct Output {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    annotations_count: u64,
}

#[derive(Deserialize)]
struct Note {
    #[serde(default)]
    path: String,
    #[serde(default)]
    start_line: u64,
    #[serde(default)]
    message: Option<String>,
}

impl OthersRun {
    fn has_failed(&self) -> bool {
        let ends = ["failure", "timed_out", "startup_failure"];
        let ended = self.conclusion.as_deref();
        ended.is_some_and(|ended| ends.contains(&ended))
    }
}

#[async_trait::async_trait]
impl Checks for Client {
    async fn create_check(&self, repo: &Repo, check: &NewCheck) -> Result<CheckRunId, Fault> {
        let doing = format!("create a check run on {} in {}", check.commit, repo.name);
        let conclusion = match check.conclusion {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Neutral => "neutral",
        };
        let body = json!({
            "name": NAME,
            "head_sha": check.commit.as_str(),
            "external_id": check.external_id,
            "status": "completed",
            "conclusion": conclusion,
            "output": { "title": check.title, "summary": check.summary },
        });
        let request = Request::post(doing, in_repo(repo, "/check-runs"), &body);
        let created: Created = self.send(repo, &request).await?.json()?;
        Ok(CheckRunId(created.id))
    }

    async fn failed_checks(
        &self,
        repo: &Repo,
        commit: &CommitSha,
    ) -> Result<Vec<FailedCheck>, Fault> {
        let doing = format!("read the failed check runs on {commit} in {}", repo.name);
        let query = "status=completed&filter=latest&per_page=100";
        let path = format!("/commits/{}/check-runs?{query}", segment(commit.as_str()));
        let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
        let found: OthersRuns = self.send(repo, &request).await?.json()?;
        let by_others = |run: &OthersRun| {
            let app = run.app.as_ref();
            app.is_some_and(|app| app.id != self.app_id())
        };
        let runs = found.check_runs.into_iter();
        let failed = runs.filter(|run| by_others(run) && run.has_failed());
        let mut told = Vec::new();
        for run in failed.take(FAILED) {
            let output = run.output.unwrap_or_default();
            told.push(FailedCheck {
                annotations: match output.annotations_count {
                    0 => Vec::new(),
                    _ => self.annotations(repo, run.id).await?,
                },
                name: run.name,
                conclusion: run.conclusion.unwrap_or_default(),
                title: output.title.unwrap_or_default(),
                summary: output.summary.unwrap_or_default(),
            });
        }
        Ok(told)
    }

    async fn check(
        &self,
        repo: &Repo,
        commit: &CommitSha,
        external_id: &str,
    ) -> Result<Option<CheckRunId>, Fault> {
        let doing = format!("look for a check run on {commit} in {}", repo.name);
        // Without `filter=all` a later run of the same name hides the earlier ones.
        let query = format!("check_name={NAME}&filter=all&per_page=100");
        let path = format!("/commits/{}/check-runs?{query}", segment(commit.as_str()));
        let request = Request::get(doing, in_repo(repo, &path));
        let found: CheckRuns = self.send(repo, &request).await?.json()?;
        let ours = found.check_runs.into_iter().find(|run| {
            let by_us = (run.app.as_ref()).is_none_or(|app| app.id == self.app_id());
            by_us && run.external_id.as_deref() == Some(external_id)
        });
        Ok(ours.map(|run| CheckRunId(run.id)))
    }
}

impl Client {
    async fn annotations(&self, repo: &Repo, run: u64) -> Result<Vec<Annotation>, Fault> {
        let doing = format!("read the annotations of check run {run} in {}", repo.name);
        let path = format!("/check-runs/{run}/annotations?per_page={ANNOTATIONS}");
        let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
        let notes: Vec<Note> = self.send(repo, &request).await?.json()?;
        let told = notes.into_iter().map(|note| Annotation {
            path: note.path,
            line: note.start_line,
            message: note.message.unwrap_or_default(),
        });
        Ok(told.take(ANNOTATIONS).collect())
    }
}
