//! Read-only pages: what runs, what waits and for whom. Everything shown is escaped; the pages load
//! nothing, run no script, and say so in their policy.

use std::fmt::Write as _;

use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::budget::Scope;
use crate::domain::ids::TaskId;
use crate::domain::money::Usd;
use crate::domain::render::spend::reason;
use crate::domain::report::Report;
use crate::domain::time::Timestamp;
use crate::domain::traffic::Traffic;
use crate::http::face::Face;
use crate::ports::fault::Fault;
use crate::ports::store::{JobLine, Versioned};

/// Most tasks on the first page.
const SHOWN: u32 = 100;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2128;background:#fff}\
h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid #d0d7de;vertical-align:top}\
th{font-weight:600;color:#57606a}code,pre{font:13px/1.45 ui-monospace,monospace}\
pre{background:#f6f8fa;padding:.8rem;overflow-x:auto}.muted{color:#57606a}a{color:#0550ae}\
.state{display:inline-block;padding:0 .5rem;border-radius:.6rem;background:#ddf4ff}\
.blocked{background:#ffebe9}.review{background:#fff8c5}.over{background:#dafbe1}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,.muted{color:#9198a1}\
pre{background:#161b22}th,td{border-color:#30363d}a{color:#79c0ff}.state{color:#0d1117}}";

/// `GET /`: the tasks, last changed first.
pub async fn tasks(State(face): State<Face>) -> Response {
    let read = async {
        let tasks = priced(&face, face.store.tasks(false, SHOWN).await?).await?;
        Ok((tasks, face.store.counts().await?))
    };
    let (tasks, counts) = match read.await {
        Ok(read) => read,
        Err(fault) => return failed(&face, &fault),
    };
    let mut out = format!(
        "<p class=muted>{} queued, {} running; {} deliveries and {} writes wait; \
         {} deliveries and {} writes are parked.</p>",
        counts.jobs_queued,
        counts.jobs_running,
        counts.deliveries_pending,
        counts.effects_pending,
        counts.deliveries_parked,
        counts.effects_parked,
    );
    if tasks.is_empty() {
        out.push_str("<p>No task yet. Label an issue, or mention the bot in a comment.</p>");
    } else {
        out.push_str(COLUMNS);
        for priced in &tasks {
            row(&mut out, priced, face.clock.now());
        }
        out.push_str("</table>");
    }
    page(&face, "Tasks", &out)
}

/// `GET /tasks/{id}`: one task with its jobs.
pub async fn task(State(face): State<Face>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<TaskId>() else {
        return missing(&face);
    };
    let read = async {
        let read: Vec<_> = face.store.task(id).await?.into_iter().collect();
        Ok((priced(&face, read).await?.pop(), face.store.jobs(id).await?))
    };
    let (priced, jobs) = match read.await {
        Ok((Some(priced), jobs)) => (priced, jobs),
        Ok((None, _)) => return missing(&face),
        Err(fault) => return failed(&face, &fault),
    };
    let mut out = COLUMNS.to_owned();
    row(&mut out, &priced, face.clock.now());
    let task = &priced.0.task;
    let _ = write!(
        out,
        "</table><p>Branch <code>{}</code></p>",
        escaped(task.branch.as_str())
    );
    if let Some(report) = &task.last {
        evidence(&mut out, report);
        traffic(&mut out, &report.traffic);
    }
    for job in &jobs {
        steps(&mut out, job);
    }
    out.push_str("<p><a href=\"/\">All tasks</a></p>");
    page(&face, &format!("Task {id}"), &out)
}

const COLUMNS: &str =
    "<table><tr><th>Thread<th>State<th>Asked by<th>Pull request<th>Cost<th>Changed</tr>";

/// Reads what the model calls of tasks cost.
async fn priced(face: &Face, tasks: Vec<Versioned>) -> Result<Vec<(Versioned, Usd)>, Fault> {
    let scopes: Vec<_> = tasks.iter().map(|read| Scope::Task(read.task.id)).collect();
    let costs = face.store.spent(&scopes).await?;
    Ok(tasks.into_iter().zip(costs).collect())
}

fn row(out: &mut String, (read, cost): &(Versioned, Usd), now: Timestamp) {
    let task = &read.task;
    let class = match task.state.word() {
        "blocked" => "blocked",
        "in review" => "review",
        "merged" | "closed" => "over",
        _ => "",
    };
    let pull = task
        .pull
        .map_or_else(|| "&ndash;".to_owned(), |number| format!("#{number}"));
    let _ = write!(
        out,
        "<tr><td><a href=\"/tasks/{}\">{}#{}</a><br>{}<td><span class=\"state {class}\">{}</span>\
         <td>@{}<td>{pull}<td>${cost}<td class=muted>{} ago</tr>",
        task.id,
        escaped(&task.repo.name.to_string()),
        task.id.thread.number,
        escaped(&task.work.request.thread.title),
        task.state.word(),
        escaped(task.work.request.by.login.as_str()),
        now.since(read.updated_at),
    );
}

fn evidence(out: &mut String, report: &Report) {
    if report.evidence.is_empty() {
        return;
    }
    out.push_str("<h2>What the server observed</h2><table><tr><th>Check<th>Result<th>Time</tr>");
    for one in &report.evidence {
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td>{}<td>{}</tr>",
            escaped(&one.command),
            one.ending,
            one.took
        );
    }
    out.push_str("</table>");
}

fn traffic(out: &mut String, traffic: &Traffic) {
    if !traffic.models.is_empty() {
        out.push_str("<h2>Model calls</h2><table><tr><th>Model<th>Calls<th>Cost</tr>");
        for used in &traffic.models {
            let _ = write!(
                out,
                "<tr><td><code>{}</code> of {}<td>{}<td>${}</tr>",
                escaped(&used.model),
                escaped(&used.endpoint),
                used.calls,
                used.cost
            );
        }
        out.push_str("</table>");
    }
    if !traffic.reached.is_empty() || !traffic.blocked.is_empty() {
        out.push_str("<h2>Hosts</h2><table><tr><th>Host<th>Passed</tr>");
        for (host, bytes) in &traffic.reached {
            let _ = write!(
                out,
                "<tr><td><code>{}</code><td>{bytes} bytes</tr>",
                escaped(host)
            );
        }
        for blocked in &traffic.blocked {
            let _ = write!(
                out,
                "<tr><td><code>{}</code><td>{} times not let through: {}</tr>",
                escaped(&blocked.place),
                blocked.count,
                escaped(reason(blocked.reason))
            );
        }
        out.push_str("</table>");
    }
}

fn steps(out: &mut String, job: &JobLine) {
    let _ = write!(
        out,
        "<h2 id=job-{}>Job {}: {} ({}), ${}</h2><p><a href=\"/jobs/{}/log\">What it has printed</a></p><table><tr><th>Attempt<th>Step</tr>",
        job.id.ordinal,
        job.id,
        escaped(&job.state),
        escaped(&job.note),
        job.cost,
        job.id,
    );
    if let Some(waits_for) = job.waits_for {
        let waits_for = escaped(waits_for.told());
        let _ = write!(out, "<tr><td><td>waits for {waits_for}</tr>");
    }
    for (attempt, _, entry) in &job.journal {
        let _ = write!(out, "<tr><td>{attempt}<td>{}</tr>", escaped(&entry.told()));
    }
    out.push_str("</table>");
}

/// Every page passes here, and says no secret.
pub(super) fn page(face: &Face, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <title>{title} &middot; Prova</title><style>{STYLE}</style><h1>Prova &middot; {title}</h1>{body}</html>"
    );
    let html = face.live.redact(&html).into_owned();
    (headers(), html).into_response()
}

fn headers() -> [(HeaderName, &'static str); 4] {
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ]
}

pub(super) fn missing(face: &Face) -> Response {
    (
        StatusCode::NOT_FOUND,
        page(face, "Not found", "<p>There is no such page.</p>"),
    )
        .into_response()
}

pub(super) fn failed(face: &Face, fault: &Fault) -> Response {
    tracing::error!(%fault, "cannot show a page");
    let body = "<p>What is to be shown cannot be read; the server's log says why.</p>";
    (StatusCode::SERVICE_UNAVAILABLE, page(face, "Error", body)).into_response()
}

/// Escapes text for HTML, in elements and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
