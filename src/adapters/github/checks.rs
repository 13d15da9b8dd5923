//! Check runs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::adapters::github::Client;
use crate::adapters::github::request::{Request, in_repo, segment};
use crate::adapters::github::tokens::Scope;
use crate::domain::annotation::Mark;
use crate::domain::button::Button;
use crate::domain::effect::Conclusion;
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{CheckRunId, CheckSuiteId, CommitSha};
use crate::domain::integration::{Check, CheckRun, CheckState};
use crate::domain::render::buttons;
use crate::domain::repo::Repo;
use crate::domain::surroundings::{Annotation, FailedCheck};
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{BATCH, Checks, NewCheck, PostedCheck};

/// What every check run of ours is called.
const NAME: &str = "prova";

#[derive(Deserialize)]
struct Created {
    id: u64,
}

#[derive(Deserialize)]
struct OwnRuns {
    check_runs: Vec<OwnRun>,
}

#[derive(Deserialize)]
struct OwnRun {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    conclusion: Option<String>,
    /// Whose check run it is: anybody's App may call one `prova`.
    #[serde(default)]
    app: Option<Created>,
    #[serde(default)]
    output: Option<Output>,
}

#[derive(Deserialize)]
struct SuiteNow {
    #[serde(default)]
    status: Option<String>,
}

/// What a check run says, with annotations to be added to those that it has.
#[derive(Serialize)]
struct Says<'a> {
    title: &'a str,
    summary: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<SaysOf<'a>>,
}

#[derive(Serialize)]
struct SaysOf<'a> {
    path: &'a str,
    start_line: u32,
    end_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
    annotation_level: &'static str,
    message: &'a str,
    title: &'a str,
}

fn output<'a>(check: &'a NewCheck, annotations: &'a [Mark]) -> Says<'a> {
    let of = |mark: &'a Mark| SaysOf {
        path: &mark.place.path,
        start_line: mark.place.line,
        end_line: mark.place.line,
        start_column: mark.place.column,
        end_column: mark.place.column,
        annotation_level: mark.place.level.word(),
        message: &mark.place.message,
        title: &mark.title,
    };
    Says {
        title: &check.title,
        summary: &check.summary,
        annotations: annotations.iter().map(of).collect(),
    }
}

fn action(button: Button) -> Value {
    json!({
        "label": buttons::label(button),
        "description": buttons::description(button),
        "identifier": button.identifier(),
    })
}

/// Most check runs of others that are read in full, and most annotations of each.
const FAILED: usize = 5;
const ANNOTATIONS: usize = 10;
/// Most pages of 100 check runs.
const PAGES: u32 = 3;

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
    status: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    details_url: Option<String>,
    #[serde(default)]
    app: Option<OthersApp>,
    #[serde(default)]
    output: Option<Output>,
}

#[derive(Deserialize)]
struct OthersApp {
    id: u64,
    #[serde(default)]
    slug: Option<String>,
}

#[derive(Default, Deserialize)]
struct Output {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    annotations_count: usize,
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

#[derive(Deserialize)]
struct WorkflowRun {
    #[serde(default)]
    run_attempt: u64,
}

/// What a check run of GitHub Actions is: a job of a run of a workflow.
const ACTIONS: &str = "github-actions";

impl OthersRun {
    fn state(&self) -> CheckState {
        CheckState::of(&self.status, self.conclusion.as_deref())
    }

    fn app(&self) -> &str {
        let slug = self.app.as_ref().and_then(|app| app.slug.as_deref());
        slug.unwrap_or_default()
    }

    /// Reads the run and the job from `…/actions/runs/RUN/job/JOB`, which is where people are sent.
    fn workflow(&self) -> Option<(u64, u64)> {
        if self.app() != ACTIONS {
            return None;
        }
        let (_, rest) = self.details_url.as_ref()?.split_once("/actions/runs/")?;
        let mut parts = rest.split(['/', '?', '#']);
        let run = parts.next()?.parse().ok()?;
        let job = parts.nth(1)?.parse().ok()?;
        Some((run, job))
    }

    fn told(self) -> CheckRun {
        let workflow = self.workflow().map(|(run, _)| run);
        let (state, app) = (self.state(), self.app().to_owned());
        let output = self.output.unwrap_or_default();
        CheckRun {
            id: CheckRunId(self.id),
            check: Check {
                app,
                name: self.name,
            },
            state,
            title: output.title.unwrap_or_default(),
            annotated: output.annotations_count > 0,
            workflow,
        }
    }
}

#[async_trait::async_trait]
impl Checks for Client {
    async fn create_check(&self, repo: &Repo, check: &NewCheck) -> Result<CheckRunId, Fault> {
        let doing = format!("create a check run on {} in {}", check.commit, repo.name);
        let first = check.annotations.chunks(BATCH).next().unwrap_or_default();
        let actions: Vec<_> = check.buttons.iter().copied().map(action).collect();
        let body = json!({
            "name": NAME,
            "head_sha": check.commit.as_str(),
            "external_id": check.external_id,
            "status": "completed",
            "conclusion": check.conclusion.word(),
            "output": output(check, first),
            "actions": actions,
        });
        let request = Request::post(doing, in_repo(repo, "/check-runs"), &body);
        let created: Created = self.send(repo, &request).await?.json()?;
        Ok(CheckRunId(created.id))
    }

    async fn annotate(
        &self,
        repo: &Repo,
        run: CheckRunId,
        check: &NewCheck,
        batch: &[Mark],
    ) -> Result<(), Fault> {
        let doing = format!("add annotations to check run {run} in {}", repo.name);
        let path = in_repo(repo, &format!("/check-runs/{run}"));
        // Title and summary stay as they are; GitHub takes no output without them.
        let body = json!({ "output": output(check, batch) });
        let request = Request::patch(doing, path, &body);
        self.send(repo, &request).await?.succeeded().map(drop)
    }

    async fn is_concluded(&self, repo: &Repo, suite: CheckSuiteId) -> Result<bool, Fault> {
        let doing = format!("look at check suite {suite} in {}", repo.name);
        let path = in_repo(repo, &format!("/check-suites/{suite}"));
        let request = Request::get(doing, path);
        let now: SuiteNow = self.send(repo, &request).await?.json()?;
        Ok(now.status.as_deref() == Some("completed"))
    }

    async fn conclusions(
        &self,
        repo: &Repo,
        suite: CheckSuiteId,
    ) -> Result<Vec<(CheckRunId, Conclusion)>, Fault> {
        let doing = format!("read the check runs of suite {suite} in {}", repo.name);
        let query = format!("check_name={NAME}&filter=latest&per_page=100");
        let path = in_repo(repo, &format!("/check-suites/{suite}/check-runs?{query}"));
        let request = Request::get(doing, path);
        let found: OwnRuns = self.send(repo, &request).await?.json()?;
        let concluded = found.check_runs.into_iter().filter_map(|run| {
            let conclusion = Conclusion::of(run.conclusion.as_deref()?)?;
            Some((CheckRunId(run.id), conclusion))
        });
        Ok(concluded.collect())
    }

    async fn conclude(
        &self,
        repo: &Repo,
        run: CheckRunId,
        conclusion: Conclusion,
    ) -> Result<(), Fault> {
        let doing = format!("conclude check run {run} in {}", repo.name);
        let path = in_repo(repo, &format!("/check-runs/{run}"));
        let body = json!({ "status": "completed", "conclusion": conclusion.word() });
        let request = Request::patch(doing, path, &body);
        self.send(repo, &request).await?.succeeded().map(drop)
    }

    async fn failed_checks(
        &self,
        repo: &Repo,
        commit: &CommitSha,
    ) -> Result<Vec<FailedCheck>, Fault> {
        let runs = self.others(repo, commit).await?.into_iter();
        let failed = runs.filter(|run| run.state() == CheckState::Failed);
        let mut told = Vec::new();
        for run in failed.take(FAILED) {
            let log = match run.workflow() {
                Some((_, job)) => self.log(repo, job).await?,
                None => String::new(),
            };
            let output = run.output.unwrap_or_default();
            told.push(FailedCheck {
                annotations: match output.annotations_count {
                    0 => Vec::new(),
                    _ => self.annotations(repo, CheckRunId(run.id)).await?,
                },
                name: run.name,
                conclusion: run.conclusion.unwrap_or_default(),
                title: output.title.unwrap_or_default(),
                summary: output.summary.unwrap_or_default(),
                log,
            });
        }
        Ok(told)
    }

    async fn check_runs(&self, repo: &Repo, commit: &CommitSha) -> Result<Vec<CheckRun>, Fault> {
        let runs = self.others(repo, commit).await?.into_iter();
        Ok(runs.map(OthersRun::told).collect())
    }

    async fn annotations(&self, repo: &Repo, run: CheckRunId) -> Result<Vec<Annotation>, Fault> {
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

    async fn rerun(&self, repo: &Repo, workflow: u64) -> Result<(), Fault> {
        let doing = format!("run workflow run {workflow} in {} once more", repo.name);
        let path = format!("/actions/runs/{workflow}/rerun-failed-jobs");
        let body = json!({});
        let request = Request::post(doing, in_repo(repo, &path), &body).of(Importance::Bulk);
        let answer = self.send_as((repo, Scope::Rerun), &request).await?;
        answer.succeeded().map(drop)
    }

    async fn was_rerun(&self, repo: &Repo, workflow: u64) -> Result<bool, Fault> {
        let doing = format!("look at workflow run {workflow} in {}", repo.name);
        let path = format!("/actions/runs/{workflow}");
        let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
        let answer = self.send_as((repo, Scope::Rerun), &request).await?;
        let run: WorkflowRun = answer.json()?;
        Ok(run.run_attempt > 1)
    }

    async fn check(
        &self,
        repo: &Repo,
        commit: &CommitSha,
        external_id: &str,
    ) -> Result<Option<PostedCheck>, Fault> {
        let doing = format!("look for a check run on {commit} in {}", repo.name);
        // Without `filter=all` a later run of the same name hides the earlier ones.
        let query = format!("check_name={NAME}&filter=all&per_page=100");
        let path = format!("/commits/{}/check-runs?{query}", segment(commit.as_str()));
        let request = Request::get(doing, in_repo(repo, &path));
        let found: OwnRuns = self.send(repo, &request).await?.json()?;
        let ours = found.check_runs.into_iter().find(|run| {
            let by_us = (run.app.as_ref()).is_none_or(|app| app.id == self.app_id());
            by_us && run.external_id.as_deref() == Some(external_id)
        });
        Ok(ours.map(|run| PostedCheck {
            id: CheckRunId(run.id),
            annotations: run.output.unwrap_or_default().annotations_count,
        }))
    }
}

impl Client {
    /// Reads the check runs of other Apps on a commit, the newest of each name of a suite.
    async fn others(&self, repo: &Repo, commit: &CommitSha) -> Result<Vec<OthersRun>, Fault> {
        let mut others = Vec::new();
        for page in 1..=PAGES {
            let doing = format!("read the check runs on {commit} in {}", repo.name);
            let query = format!("filter=latest&per_page=100&page={page}");
            let path = format!("/commits/{}/check-runs?{query}", segment(commit.as_str()));
            let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
            let found: OthersRuns = self.send(repo, &request).await?.json()?;
            let more = found.check_runs.len() == 100;
            others.extend(found.check_runs.into_iter().filter(|run| {
                let app = run.app.as_ref();
                app.is_some_and(|app| app.id != self.app_id())
            }));
            if !more {
                break;
            }
        }
        Ok(others)
    }

    /// Reads the log of a job of GitHub Actions; empty when it cannot be read, which is no fault: the
    /// App may not be allowed to, and logs are not kept for ever.
    async fn log(&self, repo: &Repo, job: u64) -> Result<String, Fault> {
        let doing = format!("read the log of job {job} in {}", repo.name);
        let path = format!("/actions/jobs/{job}/logs");
        let request = Request::get(doing, in_repo(repo, &path)).of(Importance::Bulk);
        match self.read_elsewhere((repo, Scope::Logs), &request).await {
            Ok(answer) => Ok(String::from_utf8_lossy(&answer.body).into_owned()),
            Err(fault) => match fault.class {
                Class::RateLimited(_) => Err(fault),
                Class::Transient
                | Class::AuthLost
                | Class::Conflict
                | Class::NotFound
                | Class::Permanent => {
                    tracing::debug!(%fault, "left a log out");
                    Ok(String::new())
                }
            },
        }
    }
}
