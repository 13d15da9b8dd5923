//! A request's JSON taken apart at its top: which members it has and where they stand, so that one
//! can be changed and every other byte stays as it was sent.

use std::ops::Range;

use serde::de::{DeserializeOwned, IgnoredAny};

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its key, escapes undone.
    pub(super) key: String,
    /// Where its key begins.
    pub(super) start: usize,
    /// Where its value stands.
    pub(super) value: Range<usize>,
}

/// Returns the members of the object that `json` is.
pub(super) fn members(json: &[u8]) -> Option<Vec<Member>> {
    let mut walk = Walk { json, at: 0 };
    let mut found = Vec::new();
    walk.take(b'{')?;
    if walk.take(b'}').is_none() {
        loop {
            let (key, Range { start, .. }) = walk.value::<String>()?;
            walk.take(b':')?;
            let (_, value) = walk.value::<IgnoredAny>()?;
            found.push(Member { key, start, value });
            if walk.take(b',').is_none() {
                walk.take(b'}')?;
                break;
            }
        }
    }
    walk.rest().is_empty().then_some(found)
}

/// Returns where the elements of the array that stands at `array` are.
pub(super) fn elements(json: &[u8], array: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut walk = Walk {
        json: json.get(..array.end)?,
        at: array.start,
    };
    let mut found = Vec::new();
    walk.take(b'[')?;
    if walk.take(b']').is_none() {
        loop {
            found.push(walk.value::<IgnoredAny>()?.1);
            if walk.take(b',').is_none() {
                walk.take(b']')?;
                break;
            }
        }
    }
    Some(found)
}

struct Walk<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// What is left, without the space before it.
    fn rest(&mut self) -> &'a [u8] {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_ascii_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.rest().first() == Some(&byte)).then(|| self.at += 1)
    }

    fn value<T: DeserializeOwned>(&mut self) -> Option<(T, Range<usize>)> {
        let rest = self.rest();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<T>();
        let value = values.next()?.ok()?;
        let range = self.at..self.at + values.byte_offset();
        self.at = range.end;
        Some((value, range))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn members_stand_where_they_are_written() {
        let json = br#" {"a": 1 ,"\u0062":[1, {"c":"}"}] , "d":{}} "#;
        let found: Vec<_> = members(json)
            .unwrap()
            .into_iter()
            .map(|member| {
                (
                    member.key,
                    String::from_utf8_lossy(&json[member.value]).into_owned(),
                )
            })
            .collect();
        let expected = [("a", "1"), ("b", r#"[1, {"c":"}"}]"#), ("d", "{}")];
        assert_eq!(
            found,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert_eq!(members(b"{}"), Some(Vec::new()));
        for bad in [
            "",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
        ] {
            assert_eq!(members(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn elements_stand_where_they_are_written() {
        let json = b"xx [1, [2,3] ,\"]\"] yy";
        let found: Vec<_> = elements(json, &(3..json.len() - 3))
            .unwrap()
            .into_iter()
            .map(|range| String::from_utf8_lossy(&json[range]).into_owned())
            .collect();
        assert_eq!(found, ["1", "[2,3]", "\"]\""]);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_apart_is_what_was_there(value in json()) {
            let text = serde_json::to_vec_pretty(&value).unwrap();
            let read = members(&text).map(|members| {
                let pairs = members.into_iter().map(|member| {
                    (member.key, serde_json::from_slice(&text[member.value]).unwrap())
                });
                Value::Object(pairs.collect())
            });
            prop_assert_eq!(read, value.is_object().then_some(value));
        }

        #[test]
        fn no_bytes_make_it_fail(bytes: Vec<u8>) {
            members(&bytes);
            elements(&bytes, &(0..bytes.len()));
        }
    }
}
