//! The result of the `exec` contract, within what the server reads of it.

use serde_json::{Map, Value};

use crate::domain::evidence::RESULT_BYTES;
use crate::inside::agent::tools::{Finish, HANDED_BYTES, Handed};

/// The most characters of a title, and of each of the other words.
const TITLE_CHARS: usize = 200;
const TEXT_CHARS: usize = 10_000;
/// The most bytes of each as JSON: what may be handed in beside leaves so many, and some for a title.
const TEXT_BYTES: usize = (RESULT_BYTES - HANDED_BYTES) / 2 - 1024;

/// Returns the result, if there is anything in it. Work that was ended has no words, but what was handed
/// in before.
pub(super) fn result(finish: Option<&Finish>, handed: &Handed) -> Option<Value> {
    let mut members = Map::new();
    let mut put = |name: &str, text: Option<&String>, chars| {
        if let Some(text) = text {
            members.insert(name.to_owned(), Value::String(cut(text, chars)));
        }
    };
    if let Some(finish) = finish {
        put("title", finish.title.as_ref(), TITLE_CHARS);
        put("summary", Some(&finish.summary), TEXT_CHARS);
        put("notes", finish.notes.as_ref(), TEXT_CHARS);
    }
    members.extend(handed.members());
    (!members.is_empty()).then_some(Value::Object(members))
}

/// Returns at most so many characters of a text, and no more bytes than it may have; an ellipsis says that
/// there was more.
fn cut(text: &str, chars: usize) -> String {
    let mut left = TEXT_BYTES;
    let fits = text.chars().take(chars).take_while(|one| {
        let rest = left.checked_sub(escaped(*one));
        left = rest.unwrap_or(0);
        rest.is_some()
    });
    let mut kept: String = fits.collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

/// Returns the bytes of a character in JSON.
const fn escaped(one: char) -> usize {
    match one {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => one.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_is_said_the_result_can_be_read() {
        for text in ["\u{1}", "\"", "ä", "🦀", "x", "\n"] {
            let most = |chars| Some(text.repeat(chars + 7));
            let finish = Finish {
                title: most(TITLE_CHARS),
                summary: text.repeat(2 * TEXT_CHARS),
                notes: most(TEXT_CHARS),
            };
            let result = result(Some(&finish), &Handed::default()).unwrap();
            let bytes = result.to_string().len();
            assert!(bytes + HANDED_BYTES <= RESULT_BYTES, "{text:?}: {bytes}");
            assert!(result["summary"].as_str().unwrap().ends_with('…'));
        }
        for one in (0..0x300).filter_map(char::from_u32) {
            let text = json!(one.to_string()).to_string();
            assert_eq!(escaped(one), text.len() - 2, "{one:?}");
        }
    }

    #[test]
    fn what_was_said_is_in_it_and_nothing_makes_none() {
        assert_eq!(result(None, &Handed::default()), None);
        let finish = Finish {
            summary: "Done.".to_owned(),
            ..Finish::default()
        };
        let result = result(Some(&finish), &Handed::default());
        assert_eq!(result, Some(json!({"summary": "Done."})));
    }
}
