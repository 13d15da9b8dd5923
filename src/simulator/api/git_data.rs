//! The Git data API: refs, blobs and commits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::api::Call;
use crate::simulator::api::contents::wrapped_base64;
use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::error::SimError;
use crate::simulator::git::history::{Commit, Signature};
use crate::simulator::git::objects::Kind;
use crate::simulator::git::refs::is_valid_name;
use crate::simulator::json::Fields as _;
use crate::simulator::world::branches::Move;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Routes `git/...` but for trees.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    let is_read = call.method() == "GET";
    if is_read {
        call.need(&["contents"], Access::Read)?;
    } else {
        call.need_write(&["contents"])?;
    }
    call.not_empty()?;
    match (call.method(), rest) {
        ("GET", ["ref", name @ ..]) => {
            let name = format!("refs/{}", name.join("/"));
            let sha = call
                .repository()?
                .refs
                .get(&name)
                .ok_or_else(SimError::not_found)?;
            Ok(Reply::ok(reference(call, &name, sha)?))
        }
        ("GET", ["matching-refs", name @ ..]) => {
            let start = format!("refs/{}", name.join("/"));
            let refs = call.repository()?.refs.iter();
            let matching = refs.filter(|(name, _)| name.starts_with(&start));
            let items: Result<Vec<Value>, SimError> = matching
                .map(|(name, sha)| reference(call, name, sha))
                .collect();
            Ok(call.page(items?))
        }
        ("POST", ["refs"]) => create_ref(call),
        ("PATCH", ["refs", name @ ..]) => update_ref(call, &format!("refs/{}", name.join("/"))),
        ("DELETE", ["refs", name @ ..]) => delete_ref(call, &format!("refs/{}", name.join("/"))),
        ("POST", ["blobs"]) => create_blob(call),
        ("GET", ["blobs", sha]) => show_blob(call, sha),
        ("POST", ["commits"]) => create_commit(call),
        ("GET", ["commits", sha]) => {
            let repository = call.repository()?;
            let commit = repository
                .objects
                .commit(sha)?
                .ok_or_else(SimError::not_found)?;
            Ok(Reply::ok(render::commits::git_commit(
                call.world, repository, &commit,
            )))
        }
        _ => Err(SimError::not_found()),
    }
}

fn reference(call: &Call<'_>, name: &str, sha: &str) -> Result<Value, SimError> {
    let repository = call.repository()?;
    let api = render::api(call.world, repository);
    let kind = repository
        .objects
        .read(sha)?
        .map_or("commit", |object| object.kind.name());
    Ok(json!({
        "ref": name,
        "node_id": format!("REF_{}_{name}", repository.id),
        "url": format!("{api}/git/{name}"),
        "object": {"sha": sha, "type": kind, "url": format!("{api}/git/{kind}s/{sha}")},
    }))
}

fn create_ref(call: &mut Call<'_>) -> Answer {
    let name = call.incoming.required("ref")?;
    let sha = call.incoming.required("sha")?;
    let repository = call.repository()?;
    if name.split('/').count() < 3 {
        return Err(SimError::unprocessable(
            "Reference name must contain at least three slash-separated components.",
        ));
    }
    if !is_valid_name(name) {
        return Err(SimError::unprocessable(format!(
            "{name} is not a valid ref name."
        )));
    }
    if repository.refs.contains_key(name) {
        return Err(SimError::unprocessable("Reference already exists"));
    }
    // Refs are files: one cannot lie below another.
    let blocks = |other: &String| {
        other.starts_with(&format!("{name}/")) || name.starts_with(&format!("{other}/"))
    };
    if repository.refs.keys().any(blocks) {
        return Err(SimError::unprocessable("Reference update failed"));
    }
    if repository.objects.read(sha)?.is_none() {
        return Err(SimError::unprocessable("Object does not exist"));
    }
    let moved = Move {
        name: name.to_owned(),
        before: None,
        after: Some(sha.to_owned()),
    };
    let bot = call.bot();
    call.world.move_ref(call.repo, &bot, &moved)?;
    Ok(Reply::created(reference(call, name, sha)?))
}

fn update_ref(call: &mut Call<'_>, name: &str) -> Answer {
    let sha = call.incoming.required("sha")?;
    let force = call.incoming.json.field("force").as_bool().unwrap_or(false);
    let repository = call.repository()?;
    let missing = || SimError::unprocessable("Reference does not exist");
    let before = repository.refs.get(name).cloned().ok_or_else(missing)?;
    if repository.objects.read(sha)?.is_none() {
        return Err(SimError::unprocessable("Object does not exist"));
    }
    if before != sha {
        if !force && !repository.objects.is_ancestor(&before, sha)? {
            return Err(SimError::unprocessable("Update is not a fast forward"));
        }
        let moved = Move {
            name: name.to_owned(),
            before: Some(before),
            after: Some(sha.to_owned()),
        };
        let bot = call.bot();
        call.world.move_ref(call.repo, &bot, &moved)?;
    }
    Ok(Reply::ok(reference(call, name, sha)?))
}

fn delete_ref(call: &mut Call<'_>, name: &str) -> Answer {
    let missing = || SimError::unprocessable("Reference does not exist");
    let before = call
        .repository()?
        .refs
        .get(name)
        .cloned()
        .ok_or_else(missing)?;
    let bot = call.bot();
    let moved = Move {
        name: name.to_owned(),
        before: Some(before),
        after: None,
    };
    call.world.move_ref(call.repo, &bot, &moved)?;
    Ok(Reply::no_content())
}

fn create_blob(call: &mut Call<'_>) -> Answer {
    let content = call.incoming.required("content")?;
    let data = match call.incoming.text("encoding").unwrap_or("utf-8") {
        "base64" => {
            let packed: String = content.split_whitespace().collect();
            STANDARD
                .decode(packed)
                .map_err(|_| SimError::unprocessable("content is not valid Base64"))?
        }
        "utf-8" => content.as_bytes().to_vec(),
        _ => return Err(SimError::field("Blob", "encoding", "invalid")),
    };
    let repository = call.repository()?;
    let sha = repository.objects.write(Kind::Blob, &data)?;
    let url = format!("{}/git/blobs/{sha}", render::api(call.world, repository));
    Ok(Reply::created(json!({"sha": sha, "url": url})))
}

fn show_blob(call: &Call<'_>, sha: &str) -> Answer {
    let repository = call.repository()?;
    let data = repository
        .objects
        .read_as(sha, Kind::Blob)?
        .ok_or_else(SimError::not_found)?;
    Ok(Reply::ok(json!({
        "sha": sha,
        "node_id": format!("B_{sha}"),
        "url": format!("{}/git/blobs/{sha}", render::api(call.world, repository)),
        "size": data.len(),
        "content": wrapped_base64(&data),
        "encoding": "base64",
    })))
}

/// Creates a commit. Without author, committer or signature it is the App's own, made and signed
/// by GitHub (which then is the committer), and so verified.
fn create_commit(call: &mut Call<'_>) -> Answer {
    let incoming = call.incoming;
    let message = incoming.required("message")?;
    let tree = incoming.required("tree")?;
    let repository = call.repository()?;
    if repository.objects.tree(tree)?.is_none() {
        return Err(SimError::unprocessable("Tree SHA does not exist"));
    }
    let parents = incoming.texts("parents");
    for parent in &parents {
        if repository.objects.commit(parent)?.is_none() {
            return Err(SimError::unprocessable(
                "Parent SHA does not exist or is not a commit object",
            ));
        }
    }
    let given = |key: &str| signature(call, incoming.json.field(key));
    let is_own = ["author", "committer", "signature"]
        .iter()
        .all(|key| incoming.json.field(key).is_null());
    let author = match given("author")? {
        Some(author) => author,
        None => call.world.signature(&call.bot()),
    };
    let committer = match given("committer")? {
        Some(committer) => committer,
        None if is_own => Signature {
            name: "GitHub".to_owned(),
            email: "noreply@github.com".to_owned(),
            seconds: author.seconds,
        },
        None => author.clone(),
    };
    let commit = repository.objects.write_commit(Commit {
        sha: String::new(),
        tree: tree.to_owned(),
        parents,
        author,
        committer,
        message: message.to_owned(),
    })?;
    if is_own {
        call.world
            .repository_mut(call.repo)?
            .verified
            .insert(commit.sha.clone());
    }
    Ok(Reply::created(render::commits::git_commit(
        call.world,
        call.repository()?,
        &commit,
    )))
}

fn signature(call: &Call<'_>, given: &Value) -> Result<Option<Signature>, SimError> {
    if given.is_null() {
        return Ok(None);
    }
    let text = |key: &str| {
        given[key].as_str().map(str::to_owned).ok_or_else(|| {
            SimError::unprocessable(format!("Invalid request.\n\n\"{key}\" wasn't supplied."))
        })
    };
    let seconds = match given["date"].as_str() {
        Some(date) => date
            .parse::<Timestamp>()
            .map_err(|_| SimError::unprocessable("Invalid date"))?
            .as_second(),
        None => call.world.now().div_euclid(1000),
    };
    Ok(Some(Signature {
        name: text("name")?,
        email: text("email")?,
        seconds,
    }))
}
