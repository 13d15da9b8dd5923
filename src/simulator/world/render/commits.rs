//! Commits as JSON: the Git data API, the repository API and pushes each have their own shape.

use serde_json::{Value, json};

use crate::simulator::error::SimError;
use crate::simulator::git::history::{Commit, Signature};
use crate::simulator::git::trees::Change;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::render;
use crate::simulator::world::repositories::Repository;

fn signature(signature: &Signature) -> Value {
    json!({
        "name": signature.name,
        "email": signature.email,
        "date": render::time(signature.seconds * 1000),
    })
}

/// Whether GitHub vouches for the commit. The simulator signs nothing; it remembers what GitHub
/// would have signed.
pub(crate) fn verification(repository: &Repository, sha: &str) -> Value {
    if repository.verified.contains(sha) {
        return json!({
            "verified": true,
            "reason": "valid",
            "signature": "-----BEGIN PGP SIGNATURE-----\n\nsimulated\n-----END PGP SIGNATURE-----\n",
            "payload": format!("commit {sha}"),
            "verified_at": render::time(repository.pushed_at),
        });
    }
    json!({
        "verified": false,
        "reason": "unsigned",
        "signature": null,
        "payload": null,
        "verified_at": null,
    })
}

/// A commit of the Git data API.
pub(crate) fn git_commit(world: &World, repository: &Repository, commit: &Commit) -> Value {
    let (api, html) = (
        render::api(world, repository),
        render::html(world, repository),
    );
    let parents: Vec<Value> = commit
        .parents
        .iter()
        .map(|sha| {
            json!({
                "sha": sha,
                "url": format!("{api}/git/commits/{sha}"),
                "html_url": format!("{html}/commit/{sha}"),
            })
        })
        .collect();
    json!({
        "sha": commit.sha,
        "node_id": format!("C_{}", commit.sha),
        "url": format!("{api}/git/commits/{}", commit.sha),
        "html_url": format!("{html}/commit/{}", commit.sha),
        "author": signature(&commit.author),
        "committer": signature(&commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree)},
        "parents": parents,
        "verification": verification(repository, &commit.sha),
    })
}

/// A commit of the repository API.
pub(crate) fn commit(world: &World, repository: &Repository, commit: &Commit) -> Value {
    let (api, html) = (
        render::api(world, repository),
        render::html(world, repository),
    );
    let inner = git_commit(world, repository, commit);
    json!({
        "sha": commit.sha,
        "node_id": inner.field("node_id"),
        "url": format!("{api}/commits/{}", commit.sha),
        "html_url": format!("{html}/commit/{}", commit.sha),
        "comments_url": format!("{api}/commits/{}/comments", commit.sha),
        "commit": {
            "author": inner.field("author"),
            "committer": inner.field("committer"),
            "message": commit.message,
            "tree": inner.field("tree"),
            "url": inner.field("url"),
            "comment_count": 0,
            "verification": inner.field("verification"),
        },
        "author": account(world, &commit.author),
        "committer": account(world, &commit.committer),
        "parents": inner.field("parents"),
    })
}

/// The account behind a signature, by its no-reply address.
fn account(world: &World, signature: &Signature) -> Value {
    let login = signature
        .email
        .strip_suffix("@users.noreply.github.com")
        .and_then(|local| {
            let (_, login) = local.split_once('+')?;
            world.find_account(login)
        });
    login.map_or(Value::Null, |account| render::user(world, &account.login))
}

/// A commit inside a `push`.
pub(crate) fn pushed(
    world: &World,
    repository: &Repository,
    commit: &Commit,
) -> Result<Value, SimError> {
    let changes = repository.objects.changes_of(commit)?;
    let paths = |status: &str| -> Vec<&str> {
        let matching = changes
            .iter()
            .filter(|change| self::status(change) == status);
        matching.map(|change| change.path.as_str()).collect()
    };
    let person = |signature: &Signature| {
        json!({
            "name": signature.name,
            "email": signature.email,
            "username": account(world, signature).field("login"),
        })
    };
    Ok(json!({
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": true,
        "message": commit.message,
        "timestamp": render::time(commit.committer.seconds * 1000),
        "url": format!("{}/commit/{}", render::html(world, repository), commit.sha),
        "author": person(&commit.author),
        "committer": person(&commit.committer),
        "added": paths("added"),
        "removed": paths("removed"),
        "modified": paths("modified"),
    }))
}

/// `added`, `removed` or `modified`.
pub(crate) fn status(change: &Change) -> &'static str {
    match (&change.before, &change.after) {
        (None, _) => "added",
        (Some(_), None) => "removed",
        (Some(_), Some(_)) => "modified",
    }
}
