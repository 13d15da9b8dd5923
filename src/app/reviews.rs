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
    let Some(review) = event.what.review() else {
        return Ok(None);
    };
    let event = whole(ctx, event, review).await?;
    let us = &ctx.settings.identity;
    let said = event.what.review();
    let commands = said.map_or_else(Vec::new, |review| asked_by(review, whose, us));
    Ok(match commands.as_slice() {
        [] => None,
        _ => Some((event, Asked::Comment(commands))),
    })
}

/// Returns the event of a review with what the review says of lines.
pub async fn whole(
    ctx: &Context,
    event: &ThreadEvent,
    review: &Review,
) -> Result<ThreadEvent, Fault> {
    let number = event.thread.number;
    let posted = ctx.github.line_comments(&event.repo, number).await?;
    let review = Review {
        comments: comments_of(review.id, posted),
        ..review.clone()
    };
    Ok(ThreadEvent {
        what: Happening::Reviewed(review),
        ..event.clone()
    })
}
