//! Reads what a review says of lines: its delivery carries nothing of that.

use crate::app::context::Context;
use crate::domain::event::{Happening, ThreadEvent};
use crate::domain::review::{Review, comments_of};
use crate::domain::trigger::{Asked, Whose, asked_by};
use crate::ports::fault::Fault;

/// Returns the event of a review with what the review says of lines, and what it asks for; `None` when
/// it asks for nothing.
///
/// The comments count as they are read, moments after they were submitted: who may change them since is
/// who wrote them, and who may write here anyway.
pub async fn read(
    ctx: &Context,
    event: &ThreadEvent,
    whose: Whose,
) -> Result<Option<(ThreadEvent, Asked)>, Fault> {
    let Happening::Reviewed(review) = &event.what else {
        return Ok(None);
    };
    let number = event.thread.number;
    let posted = ctx.github.line_comments(&event.repo, number).await?;
    let review = Review {
        comments: comments_of(review.id, posted),
        ..review.clone()
    };
    let commands = asked_by(&review, whose, &ctx.settings.identity);
    let event = ThreadEvent {
        what: Happening::Reviewed(review),
        ..event.clone()
    };
    Ok(match commands.as_slice() {
        [] => None,
        _ => Some((event, Asked::Comment(commands))),
    })
}
