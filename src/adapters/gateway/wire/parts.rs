//! The shapes that all APIs share: one thing or many, and links to what lies elsewhere.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The objects of a member that is an object, an array of them, or a mere text, which has none.
#[derive(Debug)]
pub(super) struct Many<T>(pub(super) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, an object or an array of objects")
            }

            fn visit_str<E>(self, _: &str) -> Result<Many<T>, E> {
                Ok(Many::default())
            }

            fn visit_unit<E>(self) -> Result<Many<T>, E> {
                Ok(Many::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
                let one = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Many(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Many(all))
            }
        }
        deserializer.deserialize_any(Objects(PhantomData))
    }
}

/// A URL, or an object with one: whether all that it names is in the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) inline: bool,
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Url;
        impl<'de> Visitor<'de> for Url {
            type Value = Link;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, or an object with a URL")
            }

            fn visit_str<E>(self, url: &str) -> Result<Link, E> {
                Ok(Link {
                    inline: url.starts_with("data:"),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Link, A::Error> {
                let (mut named, mut inline) = (false, true);
                while let Some(key) = map.next_key::<String>()? {
                    if key.eq_ignore_ascii_case("url") {
                        named = true;
                        inline &= map.next_value::<Self::Value>()?.inline;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Link {
                    inline: named && inline,
                })
            }
        }
        deserializer.deserialize_any(Url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_inline_only_when_all_of_it_is() {
        let inline = |json: &str| {
            serde_json::from_str::<Link>(json)
                .map(|link| link.inline)
                .ok()
        };
        assert_eq!(inline(r#""data:image/png;base64,AA""#), Some(true));
        assert_eq!(inline(r#""https://evil.test/?q=secret""#), Some(false));
        assert_eq!(inline(r#"{"url":"data:,x","detail":"low"}"#), Some(true));
        assert_eq!(
            inline(r#"{"url":"data:,x","url":"https://evil.test"}"#),
            Some(false)
        );
        assert_eq!(inline(r#"{"URL":"https://evil.test"}"#), Some(false));
        assert_eq!(inline("{}"), Some(false));
        assert_eq!(inline("7"), None);
    }
}
