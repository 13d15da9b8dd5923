//! Characters that a reader does not see and a model does.

use std::borrow::Cow;

/// Tells whether a character leaves no mark where it stands: controls except line feed and tab,
/// zero-width and bidirectional formatting, variation selectors, fillers, and Unicode tags, with
/// which whole sentences can be hidden behind one visible letter.
///
/// Joiners and variation selectors are used by emoji and some scripts; without them these fall
/// apart into visible signs, which costs looks and no meaning that code needs.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{00ad}' // soft hyphen
        | '\u{034f}' // combining grapheme joiner
        | '\u{061c}' // Arabic letter mark
        | '\u{115f}'..='\u{1160}' // Hangul fillers
        | '\u{17b4}'..='\u{17b5}' // Khmer inherent vowels
        | '\u{180b}'..='\u{180f}' // Mongolian selectors
        | '\u{200b}'..='\u{200f}' // zero-width space and joiners, directional marks
        | '\u{2028}'..='\u{202e}' // separators, embeddings and overrides
        | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, isolates
        | '\u{2800}' // Braille pattern without a dot
        | '\u{3164}' // Hangul filler
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{feff}' // byte order mark
        | '\u{ffa0}' // half-width Hangul filler
        | '\u{fff0}'..='\u{fffb}' // specials but the replacement character
        | '\u{13430}'..='\u{1345f}' // Egyptian format controls
        | '\u{1bca0}'..='\u{1bca3}' // shorthand format controls
        | '\u{1d173}'..='\u{1d17a}' // musical format controls
        | '\u{e0000}'..='\u{e0fff}' // tags and the supplement of variation selectors
        => true,
        other => other.is_control(),
    }
}

/// Removes the invisible characters and makes every line end `\n`.
#[must_use]
pub fn strip(text: &str) -> Cow<'_, str> {
    // Most texts are plain ASCII, and bytes are looked at faster than characters.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if text.bytes().all(is_plain) || !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    kept.extend(seen(text));
    Cow::Owned(kept)
}

/// Does as [`strip`], one character after the other: whoever wants the first of a long text need not read
/// all of it.
pub fn seen(text: &str) -> impl Iterator<Item = char> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        loop {
            match chars.next()? {
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' | '\u{0085}' | '\u{2028}' | '\u{2029}' => return Some('\n'),
                c if is_invisible(c) => {}
                c => return Some(c),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_goes() {
        let hidden: String = "ignore"
            .chars()
            .map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap())
            .collect();
        assert_eq!(strip(&format!("a{hidden}b")), "ab");
        assert_eq!(strip("\u{202e}abc\u{202c} \u{2066}d\u{2069}"), "abc d");
        assert_eq!(strip("p\u{200b}r\u{200d}o\u{feff}v\u{00ad}a"), "prova");
        assert_eq!(strip("\0\u{1b}[31mred\u{7}\u{9c}"), "[31mred");
        assert_eq!(strip("a\tb\nc é 日本 🦀"), "a\tb\nc é 日本 🦀");
    }

    #[test]
    fn lines_end_in_one_way() {
        assert_eq!(strip("a\r\nb\rc\u{2028}d\u{85}e\n\r"), "a\nb\nc\nd\ne\n\n");
    }

    proptest! {
        #[test]
        fn stripping_twice_changes_nothing_more(text: String) {
            let once = strip(&text).into_owned();
            prop_assert!(!once.chars().any(is_invisible));
            prop_assert_eq!(strip(&once), once.as_str());
        }
    }
}
