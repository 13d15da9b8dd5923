//! Changed files with their patches.

use serde_json::{Value, json};

use crate::simulator::api::Call;
use crate::simulator::error::SimError;
use crate::simulator::git;
use crate::simulator::git::trees::{Change, Entry};
use crate::simulator::json::Fields as _;
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;

/// Files that differ, each with its patch against the older side.
pub(crate) fn files(
    call: &Call<'_>,
    head: &str,
    changes: &[Change],
) -> Result<Vec<Value>, SimError> {
    let repository = call.repository()?;
    let (api, html) = (
        render::api(call.world, repository),
        render::html(call.world, repository),
    );
    let mut files = Vec::new();
    for change in changes {
        let hunks = hunks(repository, change)?;
        let count = |sign: char| hunks.lines().filter(|line| line.starts_with(sign)).count();
        let (added, removed) = (count('+'), count('-'));
        let path = &change.path;
        let shown = change.after.as_ref().or(change.before.as_ref());
        let mut file = json!({
            "sha": shown.map(|entry| entry.sha.clone()),
            "filename": path,
            "status": render::commits::status(change),
            "additions": added,
            "deletions": removed,
            "changes": added + removed,
            "blob_url": format!("{html}/blob/{head}/{path}"),
            "raw_url": format!("{html}/raw/{head}/{path}"),
            "contents_url": format!("{api}/contents/{path}?ref={head}"),
        });
        // Binary files and changes of mode alone have none.
        if !hunks.is_empty() {
            file.set("patch", json!(hunks));
        }
        files.push(file);
    }
    Ok(files)
}

/// The hunks of one file, without the header.
fn hunks(repository: &Repository, change: &Change) -> Result<String, SimError> {
    let objects = &repository.objects;
    let empty = objects.write(git::objects::Kind::Blob, b"")?;
    let side = |entry: &Option<Entry>| entry.as_ref().map_or(empty.clone(), |one| one.sha.clone());
    let is_blob = |entry: &Option<Entry>| entry.as_ref().is_none_or(|one| one.kind() == "blob");
    if !is_blob(&change.before) || !is_blob(&change.after) {
        return Ok(String::new());
    }
    let output = git::command(objects.dir())
        .args(["diff", "--no-color", "--no-ext-diff"])
        .args([side(&change.before), side(&change.after)])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after_header = text
        .find("\n@@")
        .and_then(|at| text.get(at + 1..))
        .unwrap_or_default();
    Ok(after_header.trim_end_matches('\n').to_owned())
}
