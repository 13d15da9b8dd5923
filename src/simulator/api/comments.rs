//! Comments in a conversation.

use crate::simulator::api::labels::THREADS;
use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::api::{Call, reactions};
use crate::simulator::error::SimError;
use crate::simulator::world::comments::Subject;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// `issues/{number}/comments`.
pub(crate) fn of_thread(call: &mut Call<'_>, number: u64) -> Answer {
    match call.method() {
        "GET" => {
            call.need(&THREADS, Access::Read)?;
            let (thread, repository) = (call.world.thread(call.repo, number)?, call.repository()?);
            let since = call.incoming.query("since");
            let recent = thread.comments.iter().filter(|comment| {
                since.is_none_or(|since| render::time(comment.updated_at).as_str() >= since)
            });
            let items = recent
                .map(|comment| render::comment(call.world, repository, thread, comment))
                .collect();
            Ok(call.page(items))
        }
        "POST" => {
            call.need_write(&THREADS)?;
            let body = call.incoming.required("body")?;
            let bot = call.bot();
            let id = call.world.add_comment(call.repo, number, &bot, body)?;
            show(call, id).map(|reply| Reply {
                status: 201,
                ..reply
            })
        }
        _ => Err(SimError::not_found()),
    }
}

/// `issues/comments/{id}`.
pub(crate) fn one(call: &mut Call<'_>, id: u64, rest: &[&str]) -> Answer {
    match (call.method(), rest) {
        (_, ["reactions", rest @ ..]) => reactions::route(call, Subject::Comment(id), rest),
        ("GET", []) => {
            call.need(&THREADS, Access::Read)?;
            show(call, id)
        }
        ("PATCH", []) => {
            call.need_write(&THREADS)?;
            let body = call.incoming.required("body")?;
            let bot = call.bot();
            call.world.edit_comment(call.repo, id, &bot, body)?;
            show(call, id)
        }
        ("DELETE", []) => {
            call.need_write(&THREADS)?;
            let bot = call.bot();
            call.world.delete_comment(call.repo, id, &bot)?;
            Ok(Reply::no_content())
        }
        _ => Err(SimError::not_found()),
    }
}

fn show(call: &Call<'_>, id: u64) -> Answer {
    let (thread, comment) = call.world.find_comment(call.repo, id)?;
    Ok(Reply::ok(render::comment(
        call.world,
        call.repository()?,
        thread,
        comment,
    )))
}
