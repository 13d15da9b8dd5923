//! Reactions to threads, comments and comments on lines.

use crate::simulator::api::labels::THREADS;
use crate::simulator::api::message::{Answer, Reply};
use crate::simulator::api::{Call, number};
use crate::simulator::error::SimError;
use crate::simulator::world::comments::Subject;
use crate::simulator::world::installations::Access;
use crate::simulator::world::render;

/// Routes `.../reactions`.
pub(crate) fn route(call: &mut Call<'_>, subject: Subject, rest: &[&str]) -> Answer {
    let permissions: &[&str] = match subject {
        Subject::Thread(_) | Subject::Comment(_) => &THREADS,
        Subject::ReviewComment(_) => &["pull_requests"],
    };
    match (call.method(), rest) {
        ("GET", []) => {
            call.need(permissions, Access::Read)?;
            let reactions = call.world.reactions_mut(call.repo, subject)?.clone();
            let wanted = call.incoming.query("content");
            let shown = reactions
                .iter()
                .filter(|one| wanted.is_none_or(|want| one.content == want));
            Ok(call.page(shown.map(|one| render::reaction(call.world, one)).collect()))
        }
        ("POST", []) => {
            call.need_write(permissions)?;
            let content = call.incoming.required("content")?;
            let bot = call.bot();
            let (reaction, is_new) = call.world.react(call.repo, subject, &bot, content)?;
            let value = render::reaction(call.world, &reaction);
            Ok(if is_new {
                Reply::created(value)
            } else {
                Reply::ok(value)
            })
        }
        ("DELETE", [id]) => {
            call.need_write(permissions)?;
            call.world.unreact(call.repo, subject, number(id)?)?;
            Ok(Reply::no_content())
        }
        _ => Err(SimError::not_found()),
    }
}
