//! GitHub's JSON: the same shapes in answers and in webhooks.

pub(crate) mod checks;
pub(crate) mod commits;
pub(crate) mod pulls;
pub(crate) mod urls;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::accounts::AccountKind;
use crate::simulator::world::comments::{Comment, REACTIONS, Reaction};
use crate::simulator::world::installations::{Installation, Permissions};
use crate::simulator::world::repositories::Repository;
use crate::simulator::world::threads::{Act, Thread};

/// A moment in GitHub's notation, to the second.
pub(crate) fn time(millis: i64) -> String {
    let moment = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment as the `Date` header writes it; clients learn GitHub's clock from there.
pub(crate) fn http_date(millis: i64) -> String {
    let moment = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Where the API of a repository lives.
pub(crate) fn api(world: &World, repository: &Repository) -> String {
    format!("{}/repos/{}", world.origin, repository.full_name())
}

/// Where a person looks at a repository.
pub(crate) fn html(world: &World, repository: &Repository) -> String {
    format!("{}/{}", world.origin, repository.full_name())
}

/// An account, as `user`, `sender`, `owner` or `assignee`.
pub(crate) fn user(world: &World, login: &str) -> Value {
    // GitHub shows the work of a deleted account as the ghost's.
    let (id, login, kind) = match world.find_account(login) {
        Some(account) => (account.id, account.login.as_str(), account.kind),
        None => (10137, "ghost", AccountKind::User),
    };
    let url = format!(
        "{}/users/{}",
        world.origin,
        login.replace('[', "%5B").replace(']', "%5D")
    );
    let mut user = json!({
        "login": login,
        "id": id,
        "node_id": format!("U_{id}"),
        "avatar_url": format!("{}/avatars/{id}", world.origin),
        "gravatar_id": "",
        "url": url,
        "html_url": match kind {
            AccountKind::Bot => format!("{}/apps/{}", world.origin, login.trim_end_matches("[bot]")),
            AccountKind::User | AccountKind::Organization => format!("{}/{login}", world.origin),
        },
        "type": kind.name(),
        "user_view_type": "public",
        "site_admin": false,
    });
    for (key, tail) in urls::USER {
        user.set(key, json!(format!("{url}{tail}")));
    }
    user
}

/// A repository in full.
pub(crate) fn repository(world: &World, repository: &Repository) -> Value {
    let (api, html) = (api(world, repository), html(world, repository));
    let threads = repository.threads.values();
    let open = threads.filter(|thread| thread.closed.is_none()).count();
    let mut value = short_repository(repository);
    for (key, tail) in urls::REPOSITORY {
        value.set(key, json!(format!("{api}{tail}")));
    }
    for key in [
        "has_issues",
        "has_projects",
        "has_downloads",
        "has_wiki",
        "allow_forking",
    ] {
        value.set(key, json!(true));
    }
    for key in [
        "fork",
        "has_pages",
        "has_discussions",
        "disabled",
        "is_template",
    ] {
        value.set(key, json!(false));
    }
    for key in [
        "size",
        "stargazers_count",
        "watchers_count",
        "forks_count",
        "forks",
        "watchers",
    ] {
        value.set(key, json!(0));
    }
    for key in [
        "description",
        "homepage",
        "language",
        "mirror_url",
        "license",
    ] {
        value.set(key, Value::Null);
    }
    value.set("web_commit_signoff_required", json!(false));
    value.set("owner", user(world, &repository.owner));
    value.set("html_url", json!(html));
    value.set("url", json!(api));
    value.set("clone_url", json!(format!("{html}.git")));
    value.set("git_url", json!(format!("{html}.git")));
    value.set(
        "ssh_url",
        json!(format!("git@github.com:{}.git", repository.full_name())),
    );
    value.set("svn_url", json!(html));
    value.set("topics", json!([]));
    value.set("archived", json!(repository.archived));
    value.set("default_branch", json!(repository.default_branch));
    value.set(
        "visibility",
        json!(if repository.private {
            "private"
        } else {
            "public"
        }),
    );
    value.set("open_issues_count", json!(open));
    value.set("open_issues", json!(open));
    value.set("created_at", json!(time(repository.created_at)));
    value.set("updated_at", json!(time(repository.pushed_at)));
    value.set("pushed_at", json!(time(repository.pushed_at)));
    value
}

/// A repository as lists of installations show it.
pub(crate) fn short_repository(repository: &Repository) -> Value {
    json!({
        "id": repository.id,
        "node_id": format!("R_{}", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "private": repository.private,
    })
}

/// A label of a repository.
pub(crate) fn label(world: &World, repo: u64, name: &str) -> Value {
    let Some(repository) = world.repositories.get(&repo) else {
        return Value::Null;
    };
    let (id, name) = match repository.labels.get(&name.to_lowercase()) {
        Some(label) => (label.id, label.name.as_str()),
        None => (0, name),
    };
    json!({
        "id": id,
        "node_id": format!("LA_{id}"),
        "url": format!("{}/labels/{name}", api(world, repository)),
        "name": name,
        "color": "ededed",
        "default": false,
        "description": null,
    })
}

/// How somebody stands to a repository.
pub(crate) fn association(repository: &Repository, login: &str) -> &'static str {
    if repository.owner.eq_ignore_ascii_case(login) {
        "OWNER"
    } else if repository.collaborators.contains_key(&login.to_lowercase()) {
        "COLLABORATOR"
    } else {
        "NONE"
    }
}

/// Counts of reactions.
pub(crate) fn reactions(url: &str, reactions: &[Reaction]) -> Value {
    let mut value = json!({"url": format!("{url}/reactions"), "total_count": reactions.len()});
    for content in REACTIONS {
        let count = reactions
            .iter()
            .filter(|reaction| reaction.content == content)
            .count();
        value.set(content, json!(count));
    }
    value
}

/// One reaction.
pub(crate) fn reaction(world: &World, reaction: &Reaction) -> Value {
    json!({
        "id": reaction.id,
        "node_id": format!("REA_{}", reaction.id),
        "user": user(world, &reaction.user),
        "content": reaction.content,
        "created_at": time(reaction.created_at),
    })
}

/// The App, where something was done by its user.
pub(crate) fn via_app(world: &World, login: &str) -> Value {
    if login == world.app.bot_login() {
        app(world)
    } else {
        Value::Null
    }
}

/// A thread as an issue; a pull request shows its `pull_request` links.
pub(crate) fn issue(world: &World, repository: &Repository, thread: &Thread) -> Value {
    let (api, html) = (api(world, repository), html(world, repository));
    let number = thread.number;
    let url = format!("{api}/issues/{number}");
    let page = if thread.pull.is_some() {
        "pull"
    } else {
        "issues"
    };
    let assignees: Vec<Value> = thread
        .assignees
        .iter()
        .map(|login| user(world, login))
        .collect();
    let closed = thread.closed.as_ref();
    let mut value = json!({
        "url": url,
        "repository_url": api,
        "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"),
        "timeline_url": format!("{url}/timeline"),
        "html_url": format!("{html}/{page}/{number}"),
        "id": thread.id,
        "node_id": format!("I_{}", thread.id),
        "number": number,
        "title": thread.title,
        "user": user(world, &thread.author),
        "labels": labels(world, repository, thread),
        "state": thread.state(),
        "state_reason": closed.map(|closed| closed.reason.clone()),
        "locked": thread.locked,
        "active_lock_reason": null,
        "assignee": assignees.first().cloned(),
        "assignees": assignees,
        "milestone": null,
        "comments": thread.comments.len(),
        "created_at": time(thread.created_at),
        "updated_at": time(thread.updated_at),
        "closed_at": closed.map(|closed| time(closed.at)),
        "author_association": association(repository, &thread.author),
        "body": thread.body,
        "reactions": reactions(&url, &thread.reactions),
        "performed_via_github_app": via_app(world, &thread.author),
    });
    if let Some(pull) = &thread.pull {
        value.set("draft", json!(pull.draft));
        value.set(
            "pull_request",
            json!({
                "url": format!("{api}/pulls/{number}"),
                "html_url": format!("{html}/pull/{number}"),
                "diff_url": format!("{html}/pull/{number}.diff"),
                "patch_url": format!("{html}/pull/{number}.patch"),
                "merged_at": pull.merged.as_ref().map(|merged| time(merged.at)),
            }),
        );
    }
    value
}

/// Something that was done on a thread.
pub(crate) fn act(world: &World, repository: &Repository, act: &Act) -> Value {
    let mut value = json!({
        "id": act.id,
        "node_id": format!("EV_{}", act.id),
        "url": format!("{}/issues/events/{}", api(world, repository), act.id),
        "actor": user(world, &act.actor),
        "event": act.event,
        "commit_id": null,
        "commit_url": null,
        "created_at": time(act.at),
        "performed_via_github_app": via_app(world, &act.actor),
    });
    match act.event {
        "labeled" | "unlabeled" => {
            value.set("label", json!({ "name": act.what, "color": "ededed" }));
        }
        _ => {
            value.set("assignee", user(world, &act.what));
            value.set("assigner", user(world, &act.actor));
        }
    }
    value
}

/// The labels on a thread.
pub(crate) fn labels(world: &World, repository: &Repository, thread: &Thread) -> Vec<Value> {
    thread
        .labels
        .iter()
        .map(|name| label(world, repository.id, name))
        .collect()
}

/// A comment in a conversation.
pub(crate) fn comment(
    world: &World,
    repository: &Repository,
    thread: &Thread,
    comment: &Comment,
) -> Value {
    let (api, html) = (api(world, repository), html(world, repository));
    let url = format!("{api}/issues/comments/{}", comment.id);
    let page = if thread.pull.is_some() {
        "pull"
    } else {
        "issues"
    };
    json!({
        "url": url,
        "html_url": format!("{html}/{page}/{}#issuecomment-{}", thread.number, comment.id),
        "issue_url": format!("{api}/issues/{}", thread.number),
        "id": comment.id,
        "node_id": format!("IC_{}", comment.id),
        "user": user(world, &comment.author),
        "created_at": time(comment.created_at),
        "updated_at": time(comment.updated_at),
        "author_association": association(repository, &comment.author),
        "body": comment.body,
        "reactions": reactions(&url, &comment.reactions),
        "performed_via_github_app": via_app(world, &comment.author),
    })
}

/// Permissions as words.
pub(crate) fn permissions(permissions: &Permissions) -> Value {
    permissions
        .iter()
        .map(|(name, access)| (name.clone(), json!(access.name())))
        .collect()
}

/// The App as it is registered.
pub(crate) fn app(world: &World) -> Value {
    let app = &world.app;
    json!({
        "id": app.id,
        "slug": app.slug,
        "client_id": format!("Iv23li{}", app.id),
        "node_id": format!("A_{}", app.id),
        "owner": user(world, &app.bot_login()),
        "name": app.slug,
        "description": "",
        "external_url": world.origin,
        "html_url": format!("{}/apps/{}", world.origin, app.slug),
        "created_at": time(app.created_at),
        "updated_at": time(app.created_at),
        "permissions": permissions(&app.permissions),
        "events": app.events,
    })
}

/// An installation of the App.
pub(crate) fn installation(world: &World, installation: &Installation) -> Value {
    let id = installation.id;
    let account = world.find_account(&installation.account);
    let bot = world.app.bot_login();
    json!({
        "id": id,
        "client_id": format!("Iv23li{}", world.app.id),
        "account": user(world, &installation.account),
        "repository_selection": if installation.selected.is_some() { "selected" } else { "all" },
        "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", world.origin),
        "repositories_url": format!("{}/installation/repositories", world.origin),
        "html_url": format!("{}/settings/installations/{id}", world.origin),
        "app_id": world.app.id,
        "app_slug": world.app.slug,
        "target_id": account.map(|account| account.id),
        "target_type": account.map(|account| account.kind.name()),
        "permissions": permissions(&installation.permissions),
        "events": world.app.events,
        "created_at": time(installation.created_at),
        "updated_at": time(installation.created_at),
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": installation.suspended_at.map(|_| user(world, &bot)),
        "suspended_at": installation.suspended_at.map(time),
    })
}
