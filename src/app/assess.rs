//! A review of ours, onto GitHub: nothing of it is said that was said before.

use crate::app::context::Context;
use crate::domain::assessment::Assessment;
use crate::domain::ids::ReviewId;
use crate::domain::render::assessment::{body, comment};
use crate::domain::render::offered::suggestion;
use crate::ports::fault::{Class, Fault};
use crate::ports::github::{NewLineComment, NewReview};
use crate::ports::store::LeasedEffect;

/// Posts what of a review is new, unless that is there already; `None` when nothing is.
///
/// Where GitHub does not take its lines, since the head has moved on or it sees the change otherwise, all
/// of it goes into the body.
pub(super) async fn assess(
    ctx: &Context,
    leased: &LeasedEffect,
    assessment: &Assessment,
) -> Result<Option<ReviewId>, Fault> {
    let (repo, number) = (&leased.repo, leased.thread.number);
    let marker = leased.key.marker();
    let reviews = ctx.github.reviews(repo, number).await?;
    let ours: Vec<_> = reviews.iter().filter(|review| review.ours).collect();
    if let Some(there) = ours.iter().find(|review| review.body.contains(&marker)) {
        return Ok(Some(there.id));
    }
    let comments = ctx.github.line_comments(repo, number).await?;
    let on_lines = comments.iter().filter(|one| one.ours);
    let on_lines = on_lines.map(|one| one.comment.body.as_str());
    let said: Vec<&str> = ours
        .iter()
        .map(|review| review.body.as_str())
        .chain(on_lines)
        .collect();
    let Some(news) = assessment.news(&said) else {
        return Ok(None);
    };
    let whole = review(&news, &marker);
    match ctx.github.post_review(repo, number, &whole).await {
        Err(fault) if fault.class == Class::Conflict => {
            tracing::warn!(%fault, "a review goes without its lines");
            let review = NewReview {
                commit: None,
                ..review(&news.off_lines(), &marker)
            };
            let posted = ctx.github.post_review(repo, number, &review);
            posted.await.map(Some)
        }
        posted => posted.map(Some),
    }
}

fn review(assessment: &Assessment, marker: &str) -> NewReview {
    let on_lines = assessment.points.iter().filter(|point| point.on_line);
    let on_lines = on_lines.map(|point| NewLineComment {
        path: point.finding.path.clone(),
        line: point.finding.line,
        start: None,
        body: comment(point),
    });
    let suggested = assessment.suggestions.iter().map(|one| NewLineComment {
        path: one.path.clone(),
        line: one.to,
        start: (one.from < one.to).then_some(one.from),
        body: suggestion(one),
    });
    NewReview {
        commit: Some(assessment.commit.clone()),
        body: format!("{}\n\n{marker}", body(assessment)),
        comments: on_lines.chain(suggested).collect(),
    }
}
