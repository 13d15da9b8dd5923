//! Check runs.

use serde::Deserialize;
use serde_json::json;

use crate::adapters::github::Client;
use crate::adapters::github::request::{Request, in_repo, segment};
use crate::domain::effect::Conclusion;
use crate::domain::ids::{CheckRunId, CommitSha};
use crate::domain::repo::Repo;
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
