//! Which hosts a sandbox may reach.

use serde::{Deserialize, Serialize};

/// A host, or every host below a domain: `registry.npmjs.org`, `*.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostRule(String);

/// Why a text is no host rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name such as registry.npmjs.org, or *.example.org")]
pub struct BadHostRule;

impl std::str::FromStr for HostRule {
    type Err = BadHostRule;

    fn from_str(text: &str) -> Result<Self, BadHostRule> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        // A last label of digits, or one like 0x7f, makes an address of it.
        let is_name = last
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic());
        if name.len() <= 253 && name.split('.').all(label) && is_name {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(BadHostRule)
        }
    }
}

impl std::fmt::Display for HostRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
