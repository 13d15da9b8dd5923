//! A text of ours, cut to what GitHub takes.

use crate::domain::sanitize::visible::note;

/// GitHub refuses bodies of more characters (422 "Body is too long"); markers need some room.
pub const MAX_CHARS: usize = 60_000;

/// What the ends of a code block and of some folds may need, and the note.
const ENDS: usize = 400;

/// Cuts a text that we wrote to what GitHub takes, and says at its end how much was cut.
///
/// It is cut at the end of a line: half of a code span would let go of what stands in it. A code block
/// and folds that are open there are ended, because they would swallow what follows.
#[must_use]
pub fn fit(text: String) -> String {
    let total = text.chars().count();
    if total <= MAX_CHARS {
        return text;
    }
    let mut most = MAX_CHARS - ENDS;
    loop {
        let room = text.char_indices().nth(most);
        let room = room.map_or(text.len(), |(at, _)| at);
        let kept = text.get(..room).unwrap_or_default();
        let end = kept.rfind('\n').unwrap_or_default();
        let kept = kept.get(..end).unwrap_or_default();
        let ends = ends(kept);
        let note = note(total - kept.chars().count());
        let cut = format!("{kept}{ends}\n\n{note}");
        // A fence is as long as what it holds makes it.
        let over = cut.chars().count().saturating_sub(MAX_CHARS);
        if over == 0 || kept.is_empty() {
            return cut;
        }
        most = kept.chars().count().saturating_sub(over);
    }
}

/// Returns what ends the code block and the folds that are open at the end of a text. What stands in a
/// block quote ends with it.
fn ends(text: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut folds = 0_usize;
    for line in text.lines() {
        let after = line.trim_start_matches('`');
        let ticks = line.get(..line.len() - after.len()).unwrap_or_default();
        match fence {
            Some(open) if ticks.len() >= open.len() && after.trim().is_empty() => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 && !after.contains('`') => fence = Some(ticks),
            None if line.starts_with("<details>") => folds += 1,
            None if line.starts_with("</details>") => folds = folds.saturating_sub(1),
            None => {}
        }
    }
    let fence = fence.map_or_else(String::new, |fence| format!("\n{fence}"));
    format!("{fence}{}", "\n\n</details>".repeat(folds.min(10)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::render::parts::excerpt;
    use crate::domain::sanitize::said;

    #[test]
    fn what_fits_is_left_as_it_is() {
        assert_eq!(fit("a\n\nb".to_owned()), "a\n\nb");
    }

    #[test]
    fn nothing_swallows_what_follows_a_cut() {
        let log = "line `of` <details> a log\n".repeat(4_000);
        let whole = format!(
            "Begun.\n\n{}{}",
            excerpt("First", "short"),
            excerpt("Log", &log)
        );
        let cut = fit(whole);
        assert!(cut.chars().count() <= MAX_CHARS);
        let (_, end) = cut.rsplit_once("a log\n").unwrap();
        assert!(end.starts_with("```\n\n</details>\n\n[cut: "), "{end}");
    }

    #[test]
    fn a_long_fence_does_not_make_it_too_long() {
        let fence = "`".repeat(15_000);
        for before in [20_000, 44_000, 44_990, 59_000] {
            let lines = "a\n".repeat(before / 2);
            let cut = fit(format!("{lines}\n{fence}text\n{lines}{lines}{fence}\n"));
            assert!(cut.chars().count() <= MAX_CHARS, "{before}");
            assert_eq!(cut.matches(&fence).count() % 2, 0, "{before}");
        }
    }

    #[test]
    fn no_word_gets_out_of_its_code() {
        let said = "- so says @octo: closes #1\n".repeat(900);
        let quoted = said::quote(&said, 25_000);
        let cut = fit(format!("{quoted}\n\n{quoted}\n\n{quoted}"));
        let last = cut.lines().rfind(|line| line.starts_with('>')).unwrap();
        assert_eq!(last, "> - so says `@octo`: closes `#1`");
        assert!(cut.chars().count() <= MAX_CHARS && cut.contains("\n\n[cut: "));
    }
}
