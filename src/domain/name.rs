//! Names that people give to agents, recipes and schedules.

use serde::{Deserialize, Serialize};

/// The name of an agent, a recipe or a schedule: `[a-z0-9][a-z0-9_-]{0,63}`.
///
/// Names become parts of labels, of commands and of directory names, which is why so few characters
/// pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Name::EXPECTED)]
pub struct BadName;

impl Name {
    /// What a name must look like, for messages.
    pub const EXPECTED: &'static str = "expected a name of 1 to 64 lower-case letters, digits, `-` and `_` that starts with a letter or digit";

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let starts = text.bytes().next().is_some_and(plain);
        let rest = text.bytes().all(|b| plain(b) || b == b'-' || b == b'_');
        if starts && rest && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName)
        }
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_only_safe_characters() {
        let longest = "a".repeat(64);
        for good in ["a", "9", "fmt", "npm-audit_2", longest.as_str()] {
            assert_eq!(good.parse::<Name>().map(String::from), Ok(good.to_owned()));
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            "-a",
            "_a",
            "Fmt",
            "a b",
            "a/b",
            "a.b",
            "é",
            "a\n",
            too_long.as_str(),
        ] {
            assert_eq!(bad.parse::<Name>(), Err(BadName), "{bad:?}");
        }
    }
}
