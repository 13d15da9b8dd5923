//! `GET contents/{path}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::simulator::api::Call;
use crate::simulator::api::message::{Answer, Content, Reply};
use crate::simulator::error::SimError;
use crate::simulator::git::objects::Kind;
use crate::simulator::git::trees::Entry;
use crate::simulator::json::Fields as _;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Shows a file or a directory at a ref.
pub(crate) fn show(call: &Call<'_>, path: &[&str]) -> Answer {
    if call.method() != "GET" {
        return Err(SimError::not_found());
    }
    call.need(&["contents"], Access::Read)?;
    let repository = call.repository()?;
    if repository.refs.is_empty() {
        return Err(SimError::NotFound("This repository is empty.".to_owned()));
    }
    let at = call.incoming.query("ref").unwrap_or_default();
    let commit = repository
        .resolve(at)?
        .ok_or_else(|| SimError::NotFound(format!("No commit found for the ref {at}")))?;
    let path = path.join("/");
    let entry = repository
        .objects
        .entry_at(&commit.tree, &path)?
        .ok_or_else(SimError::not_found)?;
    let reference = if at.is_empty() {
        &repository.default_branch
    } else {
        at
    };
    if entry.is_tree() {
        let children = repository.objects.list(&entry.sha, false)?;
        let items = children.iter().map(|(name, child)| {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}/{name}")
            };
            let size = child_size(call, child);
            describe(call, &below, child, (size, reference))
        });
        return Ok(Reply::ok(items.collect::<Result<Value, SimError>>()?));
    }
    let data = repository
        .objects
        .read_as(&entry.sha, Kind::Blob)?
        .unwrap_or_default();
    let accept = call.incoming.header("accept").unwrap_or_default();
    if accept.contains("raw") {
        let media = "application/vnd.github.raw+json; charset=utf-8";
        return Ok(Reply::new(200, Content::Raw { media, bytes: data }));
    }
    let mut file = describe(call, &path, &entry, (data.len(), reference))?;
    if entry.mode == "120000" {
        file.set("target", json!(String::from_utf8_lossy(&data)));
    } else {
        file.set("content", json!(wrapped_base64(&data)));
        file.set("encoding", json!("base64"));
    }
    Ok(Reply::ok(file))
}

fn child_size(call: &Call<'_>, entry: &Entry) -> usize {
    let repository = call.repository().ok();
    let read = repository.and_then(|found| found.objects.read_as(&entry.sha, Kind::Blob).ok());
    read.flatten().map_or(0, |data| data.len())
}

fn describe(
    call: &Call<'_>,
    path: &str,
    entry: &Entry,
    (size, reference): (usize, &str),
) -> Result<Value, SimError> {
    let repository = call.repository()?;
    let api = render::api(call.world, repository);
    let html = render::html(call.world, repository);
    let url = format!("{api}/contents/{path}?ref={reference}");
    let git = format!("{api}/git/{}s/{}", entry.kind(), entry.sha);
    let page = format!("{html}/blob/{reference}/{path}");
    let kind = match entry.mode.as_str() {
        "40000" => "dir",
        "120000" => "symlink",
        "160000" => "submodule",
        _ => "file",
    };
    Ok(json!({
        "name": path.rsplit('/').next().unwrap_or_default(),
        "path": path,
        "sha": entry.sha,
        "size": size,
        "url": url,
        "html_url": page,
        "git_url": git,
        "download_url": if entry.is_tree() { Value::Null } else { json!(format!("{html}/raw/{reference}/{path}")) },
        "type": kind,
        "_links": {"self": url, "git": git, "html": page},
    }))
}

/// Base64 in lines of 60 characters, each ended by a newline: what a client must be able to read.
pub(crate) fn wrapped_base64(data: &[u8]) -> String {
    let text = STANDARD.encode(data);
    let mut wrapped = String::with_capacity(text.len() + text.len() / 60 + 1);
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % 60 == 0 {
            wrapped.push('\n');
        }
        wrapped.push(character);
    }
    wrapped.push('\n');
    wrapped
}
