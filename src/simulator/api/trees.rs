//! The Git data API: trees.

use serde_json::{Value, json};

use crate::simulator::api::Call;
use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::error::SimError;
use crate::simulator::git::objects::Kind;
use crate::simulator::git::trees::{Edit, EditError, Entry};
use crate::simulator::json::Fields as _;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Routes `git/trees/...`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", [_, ..]) => {
            call.need(&["contents"], Access::Read)?;
            call.not_empty()?;
            let recursive = call.incoming.query("recursive").is_some();
            let repository = call.repository()?;
            let name = rest.join("/");
            let tree = match repository.resolve(&name)? {
                Some(commit) => commit.tree,
                None => name,
            };
            if repository.objects.tree(&tree)?.is_none() {
                return Err(SimError::not_found());
            }
            Ok(Reply::ok(show(call, &tree, recursive)?))
        }
        ("POST", []) => {
            call.need_write(&["contents"])?;
            call.not_empty()?;
            let sha = create(call)?;
            Ok(Reply::created(show(call, &sha, false)?))
        }
        _ => Err(SimError::not_found()),
    }
}

fn show(call: &Call<'_>, tree: &str, recursive: bool) -> Result<Value, SimError> {
    let repository = call.repository()?;
    let api = render::api(call.world, repository);
    let mut entries = Vec::new();
    for (path, entry) in repository.objects.list(tree, recursive)? {
        let mut value = json!({
            "path": path,
            "mode": entry.api_mode(),
            "type": entry.kind(),
            "sha": entry.sha,
        });
        if entry.kind() == "blob" {
            let data = repository
                .objects
                .read_as(&entry.sha, Kind::Blob)?
                .unwrap_or_default();
            value.set("size", json!(data.len()));
        }
        if entry.kind() != "commit" {
            value.set(
                "url",
                json!(format!("{api}/git/{}s/{}", entry.kind(), entry.sha)),
            );
        }
        entries.push(value);
    }
    Ok(json!({
        "sha": tree,
        "url": format!("{api}/git/trees/{tree}"),
        "tree": entries,
        "truncated": false,
    }))
}

fn create(call: &Call<'_>) -> Result<String, SimError> {
    let repository = call.repository()?;
    let base = match call.incoming.text("base_tree") {
        Some(sha) => {
            // A commit is accepted where its tree is meant.
            let tree = repository
                .objects
                .commit(sha)?
                .map_or(sha.to_owned(), |commit| commit.tree);
            if repository.objects.tree(&tree)?.is_none() {
                return Err(SimError::unprocessable(format!(
                    "base_tree {sha} is not a valid tree"
                )));
            }
            Some(tree)
        }
        None => None,
    };
    let entries =
        call.incoming.json.field("tree").as_array().ok_or_else(|| {
            SimError::unprocessable("Invalid request.\n\n\"tree\" wasn't supplied.")
        })?;
    if entries.is_empty() {
        return Err(SimError::unprocessable("Invalid tree info"));
    }
    let edits = entries
        .iter()
        .map(|entry| edit(call, entry))
        .collect::<Result<Vec<_>, _>>()?;
    repository
        .objects
        .edit_tree(base.as_deref(), &edits)
        .map_err(|error| match error {
            EditError::Io(error) => SimError::from(error),
            // GitHub's words for deleting a path that is not in the base tree.
            EditError::Missing(_) => SimError::unprocessable("GitRPC::BadObjectState"),
        })
}

fn edit(call: &Call<'_>, entry: &Value) -> Result<(String, Edit), SimError> {
    let path = entry["path"].as_str().unwrap_or_default();
    let is_component = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git")
    };
    if !path.split('/').all(is_component) || path.contains('\0') {
        return Err(SimError::unprocessable(
            "tree.path contains a malformed path component",
        ));
    }
    // Workflows run with the repository's secrets, so changing one needs a permission of its own.
    if path.starts_with(".github/workflows/") {
        call.need(&["workflows"], Access::Write)?;
    }
    let mode = entry["mode"].as_str().unwrap_or_default();
    let wanted = match mode {
        "100644" | "100755" | "120000" => Kind::Blob,
        "040000" => Kind::Tree,
        "160000" => Kind::Commit,
        _ => return Err(SimError::unprocessable("Must supply a valid tree.mode")),
    };
    let objects = &call.repository()?.objects;
    let sha = match (entry["content"].as_str(), entry.get("sha")) {
        (Some(_), Some(Value::String(_))) => {
            return Err(SimError::unprocessable(
                "Must supply either tree.sha or tree.content, not both",
            ));
        }
        (Some(content), _) => objects.write(Kind::Blob, content.as_bytes())?,
        (None, Some(Value::Null)) => return Ok((path.to_owned(), Edit::Delete)),
        (None, Some(Value::String(sha))) => {
            let found = objects.read(sha)?.map(|object| object.kind);
            // A submodule points at a commit of another repository.
            if wanted != Kind::Commit && found != Some(wanted) {
                return Err(SimError::unprocessable(format!(
                    "tree.sha {sha} is not a valid {}",
                    wanted.name()
                )));
            }
            sha.clone()
        }
        (None, _) => {
            return Err(SimError::unprocessable(
                "Must supply tree.sha or tree.content",
            ));
        }
    };
    Ok((path.to_owned(), Edit::Put(Entry::new(mode, &sha))))
}
