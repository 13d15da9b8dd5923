//! How long a brief may become: each section has a share of its own, so that none crowds another
//! out, and together they are bounded. What does not fit is left out, and said.

/// What was asked, with the title and the place.
pub(super) const REQUEST: usize = 20_000;
/// The plan that is carried out.
pub(super) const PLAN: usize = 20_000;
/// The part of the diff that a request stands at.
pub(super) const HUNK: usize = 5_000;
/// What a review says of lines.
pub(super) const REVIEW: usize = 40_000;
/// What was asked for since, with what reviews say of lines.
pub(super) const SINCE: usize = 40_000;
/// The diff of what is to be reviewed.
pub(super) const DIFF: usize = 100_000;
/// Checks of ours that failed.
pub(super) const FAILED: usize = 20_000;
/// What the commits of a base say that conflicts.
pub(super) const COMMITS: usize = 15_000;
/// What continuous integration says.
pub(super) const INTEGRATION: usize = 20_000;
/// The description of the thread.
pub(super) const BODY: usize = 30_000;
/// The comments.
pub(super) const CONVERSATION: usize = 45_000;
/// One comment.
pub(super) const REMARK: usize = 5_000;
/// Instruction files.
pub(super) const INSTRUCTIONS: usize = 60_000;
/// One instruction file.
pub(super) const INSTRUCTION: usize = 30_000;
/// Threads that are named.
pub(super) const LINKED: usize = 20_000;
/// Each list of paths, patterns or commands.
pub(super) const LIST: usize = 5_000;
/// Sentences of our own, headings, and names within bounds of their own.
const WORDS: usize = 10_000;

/// The most characters of a brief: some 120,000 tokens.
pub const MOST: usize = REQUEST
    + PLAN
    + HUNK
    + REVIEW
    + SINCE
    + DIFF
    + FAILED
    + COMMITS
    + INTEGRATION
    + BODY
    + CONVERSATION
    + INSTRUCTIONS
    + LINKED
    + 5 * LIST
    + WORDS;

/// What is left of a section's share.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    pub(super) const fn new(chars: usize) -> Self {
        Self(chars)
    }

    /// Returns whether a text fits.
    pub(super) fn has(&self, text: &str) -> bool {
        text.chars().count() <= self.0
    }

    /// Takes the room that a text needs; `false` when there is not enough, and then nothing more
    /// fits.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let left = self.0.checked_sub(text.chars().count());
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// Returns the texts of those that fit, in order, and how many do not. What comes after the first that does
/// not fit is counted, and its text is not made: there may be much of it.
pub(super) fn fitting<T>(
    each: impl IntoIterator<Item = T>,
    mut text: impl FnMut(T) -> String,
    chars: usize,
) -> (Vec<String>, usize) {
    let mut room = Room::new(chars);
    let mut kept = Vec::new();
    let mut each = each.into_iter();
    for one in each.by_ref() {
        let text = text(one);
        if !room.take(&text) {
            return (kept, 1 + each.count());
        }
        kept.push(text);
    }
    (kept, 0)
}

/// Returns names as a list within a sentence, as many as fit.
pub(super) fn listed<T>(
    each: impl IntoIterator<Item = T>,
    mut name: impl FnMut(T) -> String,
) -> String {
    let (kept, skipped) = fitting(each, |one| format!("{}, ", name(one)), LIST);
    let list = kept.concat();
    match skipped {
        0 => list.trim_end_matches(", ").to_owned(),
        _ => format!("{list}and {skipped} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_in_order_and_the_rest_is_counted() {
        let texts = ["aaa", "bb", "ccc", "d"];
        let mut made = 0;
        let mut fits = |chars| {
            let text = |text: &str| {
                made += 1;
                text.to_owned()
            };
            fitting(texts, text, chars)
        };
        assert_eq!(fits(9), (texts.map(str::to_owned).to_vec(), 0));
        let (kept, skipped) = fits(6);
        assert_eq!(kept, ["aaa", "bb"]);
        assert_eq!(skipped, 2, "none jumps the queue");
        assert_eq!(made, 4 + 3, "what cannot fit is not made");
        let list = listed(0..2_000, |n| format!("`{n:04}`"));
        assert!(list.chars().count() <= LIST + 20, "{list}");
        assert!(list.ends_with(", and 1375 more"), "{list}");
        assert_eq!(listed(["a", "b"], str::to_owned), "a, b");
    }
}
