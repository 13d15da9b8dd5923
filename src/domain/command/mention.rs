//! `@slug`: how people call the App.

use std::ops::Range;

/// The App's slug, by which it is mentioned as `@slug` and `@slug[bot]`, in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    slug: String,
}

impl Mention {
    /// Takes the slug of the App, without `@` and without `[bot]`.
    #[must_use]
    pub fn new(slug: &str) -> Self {
        Self {
            slug: slug.trim_start_matches('@').to_ascii_lowercase(),
        }
    }

    /// Returns the slug in lower case.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Finds the first mention that lies in `within`; looks at the text around it for where words end.
    ///
    /// These are not mentions: `mail@slug`, `\@slug`, `x/@slug`, `@slug/team`, `@slug-x`, `@slug.io`.
    #[must_use]
    pub fn find(&self, text: &str, within: Range<usize>) -> Option<Range<usize>> {
        if self.slug.is_empty() {
            return None;
        }
        let part = text.get(within.clone())?;
        part.match_indices('@').find_map(|(at, _)| {
            let start = within.start + at;
            let end = self.end_after(text, start)?;
            (end <= within.end && begins_word(text, start) && ends_word(text, end))
                .then_some(start..end)
        })
    }

    /// Returns where the mention ends that begins with the `@` at `start`.
    fn end_after(&self, text: &str, start: usize) -> Option<usize> {
        let has = |from: usize, wanted: &str| {
            let found = text.get(from..from + wanted.len())?;
            found
                .eq_ignore_ascii_case(wanted)
                .then_some(from + wanted.len())
        };
        let end = has(start + 1, &self.slug)?;
        Some(has(end, "[bot]").unwrap_or(end))
    }
}

impl std::fmt::Display for Mention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "@{}", self.slug)
    }
}

fn begins_word(text: &str, start: usize) -> bool {
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || r"_@\/.-+=".contains(c))
}

fn ends_word(text: &str, end: usize) -> bool {
    let after = text.get(end..).unwrap_or_default();
    match after.chars().next() {
        None => true,
        // The full stop of a sentence, not the dot of `@prova.example`. Only a few are looked at:
        // a line of nothing but dots must not be read once for each mention.
        Some('.') => {
            let next = after.chars().take(8).find(|c| *c != '.');
            !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
        }
        Some(c) => !(c.is_alphanumeric() || "_-/@".contains(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        Mention::new("Prova")
            .find(text, 0..text.len())
            .map(|range| &text[range])
    }

    #[test]
    fn a_mention_is_a_whole_word() {
        for text in [
            "@prova",
            "@PROVA x",
            "hey @prova, x",
            "(@prova)",
            "@prova.",
            "@prova: x",
            "é @prova…",
            "*@prova*",
        ] {
            assert_eq!(
                found(text).map(str::to_lowercase).as_deref(),
                Some("@prova"),
                "{text}"
            );
        }
        assert_eq!(found("x @Prova[bot] y"), Some("@Prova[bot]"));
        assert_eq!(found("@prova-x and @prova"), Some("@prova"));
    }

    #[test]
    fn what_only_resembles_a_mention_is_none() {
        let others = [
            "",
            "@",
            "prova",
            "@prov",
            "@provas",
            "@prova-x",
            "@prova_x",
            "@prova/team",
            "mail@prova",
            "a/@prova",
            "\\@prova",
            "@@prova",
            "@prova.io",
            "@prova..io",
            "@prova@x",
            "@provaé",
            "?q=@prova",
            "@pr\u{200b}ova",
            "@prova[bot]s",
        ];
        for text in others {
            assert_eq!(found(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_the_given_part_is_searched() {
        let text = "@prova a @prova";
        assert_eq!(Mention::new("prova").find(text, 1..text.len()), Some(9..15));
        assert_eq!(Mention::new("prova").find(text, 1..12), None);
    }
}
