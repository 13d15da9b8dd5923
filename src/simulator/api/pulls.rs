//! Pull requests.

use serde_json::{Value, json};

use crate::simulator::api::message::{Answer, Content, Reply};
use crate::simulator::api::{Call, diffs, number, reviews};
use crate::simulator::error::SimError;
use crate::simulator::git;
use crate::simulator::json::Fields as _;
use crate::simulator::world::installations::Access;
use crate::simulator::world::pulls::{Pull, PullContents, PullDraft};
use crate::simulator::world::render;
use crate::simulator::world::threads::{Thread, ThreadEdit};

/// Routes `pulls/...`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", []) => list(call),
        ("POST", []) => create(call),
        (_, ["comments", ..] | [_, "comments" | "reviews" | "requested_reviewers", ..]) => {
            reviews::route(call, rest)
        }
        ("GET", [id]) => show(call, number(id)?),
        ("PATCH", [id]) => update(call, number(id)?),
        ("GET", [id, "files"]) => {
            let contents = contents(call, number(id)?)?;
            let head = &pull(call, number(id)?)?.1.head_sha;
            Ok(call.page(diffs::files(call, head, &contents.changes)?))
        }
        ("GET", [id, "commits"]) => {
            let contents = contents(call, number(id)?)?;
            let repository = call.repository()?;
            let commits = contents.commits.iter();
            let items = commits
                .map(|one| render::commits::commit(call.world, repository, one))
                .collect();
            Ok(call.page(items))
        }
        ("PUT", [id, "merge"]) => merge(call, number(id)?),
        _ => Err(SimError::not_found()),
    }
}

fn pull<'a>(call: &'a Call<'_>, number: u64) -> Result<(&'a Thread, &'a Pull), SimError> {
    let thread = call.world.thread(call.repo, number)?;
    Ok((thread, thread.as_pull()?))
}

fn contents(call: &Call<'_>, number: u64) -> Result<PullContents, SimError> {
    call.need(&["pull_requests"], Access::Read)?;
    let (_, pull) = pull(call, number)?;
    call.repository()?.contents(&pull.base_sha, &pull.head_sha)
}

fn list(call: &Call<'_>) -> Answer {
    call.need(&["pull_requests"], Access::Read)?;
    let query = |name: &str| call.incoming.query(name);
    let state = query("state").unwrap_or("open");
    let repository = call.repository()?;
    let owner = &repository.owner;
    let has_head = |pull: &Pull| {
        query("head").is_none_or(|head| match head.split_once(':') {
            Some((user, branch)) => {
                let whose = pull.fork.as_ref().unwrap_or(owner);
                user.eq_ignore_ascii_case(whose) && pull.head == branch
            }
            // Without an owner GitHub ignores the filter, a classic surprise.
            None => true,
        })
    };
    let wanted = |thread: &&Thread| {
        thread.pull.as_ref().is_some_and(|pull| {
            (state == "all" || thread.state() == state)
                && has_head(pull)
                && query("base").is_none_or(|base| pull.base == base)
        })
    };
    let mut threads: Vec<&Thread> = repository.threads.values().filter(wanted).collect();
    if query("direction") != Some("asc") {
        threads.reverse();
    }
    let shown = threads
        .iter()
        .map(|one| render::pulls::short_pull(call.world, repository, one));
    Ok(call.page(shown.collect()))
}

/// One pull request, with what GitHub computes for it alone.
fn full(call: &Call<'_>, number: u64) -> Result<Value, SimError> {
    let (thread, pull) = pull(call, number)?;
    let repository = call.repository()?;
    let mut value = render::pulls::pull(call.world, repository, thread);
    if thread.closed.is_none() {
        let merged = repository
            .objects
            .merge_tree(&pull.base_sha, &pull.head_sha)?;
        value.set("mergeable", json!(merged.is_some()));
        value.set("rebaseable", json!(merged.is_some()));
        value.set(
            "mergeable_state",
            json!(match (merged.is_some(), pull.draft) {
                (true, true) => "draft",
                (true, false) => "clean",
                (false, _) => "dirty",
            }),
        );
    }
    Ok(value)
}

fn show(call: &Call<'_>, number: u64) -> Answer {
    call.need(&["pull_requests"], Access::Read)?;
    let accept = call.incoming.header("accept").unwrap_or_default();
    if accept.contains("diff") {
        return diff(call, number);
    }
    let mut value = full(call, number)?;
    let contents = contents(call, number)?;
    let files = diffs::files(call, "HEAD", &contents.changes)?;
    for key in ["additions", "deletions"] {
        value.set(
            key,
            json!(
                files
                    .iter()
                    .filter_map(|file| file[key].as_u64())
                    .sum::<u64>()
            ),
        );
    }
    Ok(Reply::ok(value))
}

fn diff(call: &Call<'_>, number: u64) -> Answer {
    let (_, pull) = pull(call, number)?;
    let range = format!("{}...{}", pull.base_sha, pull.head_sha);
    let output = git::command(call.repository()?.objects.dir())
        .args(["diff", &range])
        .output()?;
    let media = "application/vnd.github.v3.diff; charset=utf-8";
    Ok(Reply::new(
        200,
        Content::Raw {
            media,
            bytes: output.stdout.into(),
        },
    ))
}

fn create(call: &mut Call<'_>) -> Answer {
    call.need_write(&["pull_requests"])?;
    let incoming = call.incoming;
    let flag = |key: &str| incoming.json.field(key).as_bool().unwrap_or(false);
    let draft = PullDraft {
        title: incoming.text("title").unwrap_or_default().to_owned(),
        body: incoming.text("body").map(str::to_owned),
        head: incoming.required("head")?.to_owned(),
        base: incoming.required("base")?.to_owned(),
        draft: flag("draft"),
        maintainer_can_modify: flag("maintainer_can_modify"),
    };
    let bot = call.bot();
    let number = call.world.open_pull(call.repo, &bot, draft)?;
    Ok(Reply::created(full(call, number)?))
}

fn update(call: &mut Call<'_>, number: u64) -> Answer {
    call.need_write(&["pull_requests"])?;
    pull(call, number)?;
    let (bot, repo, incoming) = (call.bot(), call.repo, call.incoming);
    let text = |key: &str| incoming.text(key).map(str::to_owned);
    let edit = ThreadEdit {
        title: text("title"),
        body: text("body"),
    };
    call.world.edit_thread(repo, number, &bot, edit)?;
    if let Some(base) = incoming.text("base") {
        call.world.retarget(repo, number, &bot, base)?;
    }
    match incoming.text("state") {
        Some("closed") => call
            .world
            .set_closed(repo, number, &bot, Some("completed"))?,
        Some("open") => call.world.set_closed(repo, number, &bot, None)?,
        Some(_) => return Err(SimError::field("PullRequest", "state", "invalid")),
        None => {}
    }
    Ok(Reply::ok(full(call, number)?))
}

fn merge(call: &mut Call<'_>, number: u64) -> Answer {
    call.need_write(&["contents"])?;
    let (_, pull) = pull(call, number)?;
    if call
        .incoming
        .text("sha")
        .is_some_and(|sha| sha != pull.head_sha)
    {
        return Err(SimError::Conflict(
            "Head branch was modified. Review and try the merge again.".to_owned(),
        ));
    }
    let bot = call.bot();
    let refused = |why: &str| {
        // 405 in the API where a person in the browser would find no button.
        let body = json!({"message": why, "status": "405"});
        Ok(Reply::new(405, Content::Json(body)))
    };
    match call.world.merge(call.repo, number, &bot) {
        Ok(()) => {}
        Err(SimError::Forbidden(why)) if why.starts_with("Pull Request") => return refused(&why),
        Err(other) => return Err(other),
    }
    let merged = self::pull(call, number)?.1.merged.as_ref();
    let sha = merged.map(|merged| merged.sha.clone());
    let message = "Pull Request successfully merged";
    Ok(Reply::ok(
        json!({"sha": sha, "merged": true, "message": message}),
    ))
}
