//! Issues.

use serde_json::Value;

use crate::simulator::api::labels::THREADS;
use crate::simulator::api::message::{Answer, Reply, texts};
use crate::simulator::api::{Call, comments, number, reactions};
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::comments::Subject;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;
use crate::simulator::world::threads::{Fate, Thread, ThreadEdit};

/// Routes `issues/...`.
pub(crate) fn route(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        ("GET", []) => list(call),
        ("POST", []) => create(call),
        (_, ["comments", id, rest @ ..]) => comments::one(call, number(id)?, rest),
        (_, [id, "comments"]) => comments::of_thread(call, number(id)?),
        (_, [id, "reactions", rest @ ..]) => {
            reactions::route(call, Subject::Thread(number(id)?), rest)
        }
        (_, [id, "labels", rest @ ..]) => labels(call, number(id)?, rest),
        ("GET", [id, "events"]) => events(call, number(id)?),
        (_, [id, "assignees"]) => assignees(call, number(id)?),
        ("GET", [id]) => {
            call.need(&THREADS, Access::Read)?;
            Ok(Reply::ok(show(call, number(id)?)?))
        }
        ("PATCH", [id]) => update(call, number(id)?),
        _ => Err(SimError::not_found()),
    }
}

fn show(call: &Call<'_>, number: u64) -> Result<Value, SimError> {
    let thread = call.world.thread(call.repo, number)?;
    Ok(render::issue(call.world, call.repository()?, thread))
}

/// Issues and pull requests, newest first, open ones unless asked otherwise.
fn list(call: &Call<'_>) -> Answer {
    call.need(&THREADS, Access::Read)?;
    let query = |name: &str| call.incoming.query(name);
    let state = query("state").unwrap_or("open");
    let labels: Vec<&str> = query("labels")
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty())
        .collect();
    let has = |thread: &Thread, name: &str| {
        thread
            .labels
            .iter()
            .any(|label| label.eq_ignore_ascii_case(name))
    };
    let wanted = |thread: &&Thread| {
        thread.fate == Fate::Present
            && (state == "all" || thread.state() == state)
            && labels.iter().all(|name| has(thread, name))
            && query("creator").is_none_or(|login| thread.author.eq_ignore_ascii_case(login))
            && query("since").is_none_or(|since| render::time(thread.updated_at).as_str() >= since)
    };
    let repository = call.repository()?;
    let mut threads: Vec<&Thread> = repository.threads.values().filter(wanted).collect();
    if query("direction") != Some("asc") {
        threads.reverse();
    }
    let items = threads
        .iter()
        .map(|thread| render::issue(call.world, repository, thread));
    Ok(call.page(items.collect()))
}

/// Who has put labels on a thread and assigned people, oldest first.
fn events(call: &Call<'_>, number: u64) -> Answer {
    call.need(&THREADS, Access::Read)?;
    let thread = call.world.thread(call.repo, number)?;
    let repository = call.repository()?;
    let items = thread
        .acts
        .iter()
        .map(|act| render::act(call.world, repository, act));
    Ok(call.page(items.collect()))
}

fn create(call: &mut Call<'_>) -> Answer {
    call.need_write(&["issues"])?;
    let title = call.incoming.required("title")?;
    let body = call.incoming.text("body");
    let labels = call.incoming.texts("labels");
    let bot = call.bot();
    let number = call
        .world
        .open_issue(call.repo, &bot, (title, body), &labels)?;
    Ok(Reply::created(show(call, number)?))
}

fn update(call: &mut Call<'_>, number: u64) -> Answer {
    call.need_write(&THREADS)?;
    let (bot, repo) = (call.bot(), call.repo);
    let text = |key: &str| call.incoming.text(key).map(str::to_owned);
    let edit = ThreadEdit {
        title: text("title"),
        body: text("body"),
    };
    call.world.edit_thread(repo, number, &bot, edit)?;
    if call.incoming.json.field("labels").is_array() {
        set_labels(call, number, &call.incoming.texts("labels"))?;
    }
    match call.incoming.text("state") {
        Some("closed") => {
            let reason = call.incoming.text("state_reason").unwrap_or("completed");
            call.world.set_closed(repo, number, &bot, Some(reason))?;
        }
        Some("open") => call.world.set_closed(repo, number, &bot, None)?,
        Some(_) => return Err(SimError::field("Issue", "state", "invalid")),
        None => {}
    }
    Ok(Reply::ok(show(call, number)?))
}

fn set_labels(call: &mut Call<'_>, number: u64, names: &[String]) -> Result<(), SimError> {
    let bot = call.bot();
    let have = call.world.thread(call.repo, number)?.labels.clone();
    for label in &have {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(label)) {
            call.world.remove_label(call.repo, number, &bot, label)?;
        }
    }
    call.world.add_labels(call.repo, number, &bot, names)
}

fn labels(call: &mut Call<'_>, number: u64, rest: &[&str]) -> Answer {
    let (bot, repo) = (call.bot(), call.repo);
    match (call.method(), rest) {
        ("GET", []) => call.need(&THREADS, Access::Read)?,
        ("POST" | "PUT", []) => {
            call.need_write(&THREADS)?;
            // The bare list is accepted as well as the documented object.
            let body = &call.incoming.json;
            let names = texts(if body.is_array() {
                body
            } else {
                &body["labels"]
            });
            if call.method() == "PUT" {
                set_labels(call, number, &names)?;
            } else {
                call.world.add_labels(repo, number, &bot, &names)?;
            }
        }
        ("DELETE", [name]) => {
            call.need_write(&THREADS)?;
            call.world.remove_label(repo, number, &bot, name)?;
        }
        _ => return Err(SimError::not_found()),
    }
    let thread = call.world.thread(repo, number)?;
    Ok(Reply::ok(Value::Array(render::labels(
        call.world,
        call.repository()?,
        thread,
    ))))
}

/// Assigns or unassigns. Logins that cannot be assigned are dropped silently, as GitHub does.
fn assignees(call: &mut Call<'_>, number: u64) -> Answer {
    call.need_write(&THREADS)?;
    let on = match call.method() {
        "POST" => true,
        "DELETE" => false,
        _ => return Err(SimError::not_found()),
    };
    let (bot, repo) = (call.bot(), call.repo);
    for login in call.incoming.texts("assignees") {
        let can = call.world.role(repo, &login) >= crate::simulator::world::accounts::Role::Read
            && call.world.find_account(&login).is_some();
        if can {
            call.world.assign(repo, number, &bot, (&login, on))?;
        }
    }
    let value = show(call, number)?;
    Ok(if on {
        Reply::created(value)
    } else {
        Reply::ok(value)
    })
}
