//! Commits, comparisons and branches of the repository API.

use serde_json::{Value, json};

use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::api::{Call, diffs};
use crate::simulator::error::SimError;
use crate::simulator::git::history::Commit;
use crate::simulator::json::Fields as _;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Routes `commits/...`, `compare/...` and `branches/...`.
pub(crate) fn route(call: &Call<'_>, rest: &[&str]) -> Answer {
    if call.method() != "GET" {
        return Err(SimError::not_found());
    }
    call.need(&["contents"], Access::Read)?;
    call.not_empty()?;
    match rest {
        ["commits"] => list(call),
        ["commits", name @ ..] => show(call, &name.join("/")),
        ["compare", range @ ..] => compare(call, &range.join("/")),
        ["branches", name @ ..] if !name.is_empty() => branch(call, &name.join("/")),
        _ => Err(SimError::not_found()),
    }
}

fn find(call: &Call<'_>, name: &str) -> Result<Commit, SimError> {
    let found = call.repository()?.resolve(name)?;
    found.ok_or_else(|| SimError::unprocessable(format!("No commit found for SHA: {name}")))
}

fn render_all(call: &Call<'_>, commits: &[Commit]) -> Result<Vec<Value>, SimError> {
    let repository = call.repository()?;
    let each = commits
        .iter()
        .map(|one| render::commits::commit(call.world, repository, one));
    Ok(each.collect())
}

fn list(call: &Call<'_>) -> Answer {
    let start = find(call, call.incoming.query("sha").unwrap_or_default())?;
    let objects = &call.repository()?.objects;
    let mut commits = Vec::new();
    for sha in objects.ancestors(&start.sha)? {
        commits.extend(objects.commit(&sha)?);
    }
    Ok(call.page(render_all(call, &commits)?))
}

fn show(call: &Call<'_>, name: &str) -> Answer {
    let commit = find(call, name)?;
    let repository = call.repository()?;
    let changes = repository.objects.changes_of(&commit)?;
    let files = diffs::files(call, &commit.sha, &changes)?;
    let sum = |key: &str| {
        files
            .iter()
            .filter_map(|file| file[key].as_u64())
            .sum::<u64>()
    };
    let mut value = render::commits::commit(call.world, repository, &commit);
    value.set(
        "stats",
        json!({
            "additions": sum("additions"), "deletions": sum("deletions"), "total": sum("changes"),
        }),
    );
    value.set("files", json!(files));
    Ok(Reply::ok(value))
}

fn compare(call: &Call<'_>, range: &str) -> Answer {
    let (base, head) = range.split_once("...").ok_or_else(SimError::not_found)?;
    // `owner:branch` names a side in a fork; here both sides are in this repository.
    let local = |name: &str| {
        name.rsplit_once(':')
            .map_or(name, |(_, name)| name)
            .to_owned()
    };
    let side = |name: &str| find(call, &local(name)).map_err(|_| SimError::not_found());
    let (base, head) = (side(base)?, side(head)?);
    let repository = call.repository()?;
    let contents = repository.contents(&base.sha, &head.sha)?;
    let ahead = contents.commits.len();
    let behind = repository
        .objects
        .commits_between(&head.sha, &base.sha)?
        .len();
    let status = match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        (_, _) => "diverged",
    };
    let parted = repository.objects.merge_base(&base.sha, &head.sha)?;
    let merge_base = match parted {
        Some(sha) => repository.objects.commit(&sha)?,
        None => None,
    };
    let show = |commit: &Commit| render::commits::commit(call.world, repository, commit);
    let api = render::api(call.world, repository);
    let page = format!("{}/compare/{range}", render::html(call.world, repository));
    Ok(Reply::ok(json!({
        "url": format!("{api}/compare/{range}"),
        "html_url": page,
        "permalink_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "base_commit": show(&base),
        "merge_base_commit": merge_base.as_ref().map(show),
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": render_all(call, &contents.commits)?,
        "files": diffs::files(call, &head.sha, &contents.changes)?,
    })))
}

fn branch(call: &Call<'_>, name: &str) -> Answer {
    let repository = call.repository()?;
    let missing = || SimError::NotFound("Branch not found".to_owned());
    let sha = repository.branch(name).ok_or_else(missing)?;
    let commit = repository
        .objects
        .commit(sha)?
        .ok_or_else(SimError::not_found)?;
    let url = format!("{}/branches/{name}", render::api(call.world, repository));
    Ok(Reply::ok(json!({
        "name": name,
        "commit": render::commits::commit(call.world, repository, &commit),
        "protected": false,
        "protection_url": format!("{url}/protection"),
        "_links": {"self": url, "html": format!("{}/tree/{name}", render::html(call.world, repository))},
    })))
}
