//! Which hosts a sandbox may reach, and what it asked for.

use serde::{Deserialize, Serialize};

use crate::domain::traffic::BlockReason;

/// A host, or every host below a domain: `registry.npmjs.org`, `*.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostRule(String);

/// Why a text is no host rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name such as registry.npmjs.org, or *.example.org")]
pub struct BadHostRule;

impl HostRule {
    /// Returns whether the rule covers a host. A domain's own name is not below it.
    #[must_use]
    pub fn allows(&self, host: &Host) -> bool {
        match self.0.strip_prefix('*') {
            // The dot stays, so `*.allowed.test` is no suffix of `notallowed.test`.
            Some(below) => host.0.len() > below.len() && host.0.ends_with(below),
            None => host.0 == self.0,
        }
    }
}

impl std::str::FromStr for HostRule {
    type Err = BadHostRule;

    fn from_str(text: &str) -> Result<Self, BadHostRule> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        match name_of(name) {
            Ok(()) => Ok(Self(text.to_ascii_lowercase())),
            Err(_) => Err(BadHostRule),
        }
    }
}

impl std::fmt::Display for HostRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a host: lower case, without the dot at its end, and no address in any notation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// Reads a name as DNS does: in any case, with or without a dot at its end.
    ///
    /// # Errors
    /// Says whether it is an address, or nothing at all.
    pub fn parse(text: &str) -> Result<Self, BlockReason> {
        let name = text.strip_suffix('.').unwrap_or(text);
        name_of(name).map(|()| Self(name.to_ascii_lowercase()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host and a port, as something inside asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Reads `host:port` and nothing else: no user, no address, no second spelling of a port.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(authority: &str) -> Result<Self, BlockReason> {
        if authority.contains('@') {
            return Err(BlockReason::Malformed);
        }
        if authority.starts_with('[') {
            return Err(BlockReason::Literal);
        }
        let (host, digits) = authority.rsplit_once(':').ok_or(BlockReason::Malformed)?;
        if host.contains(':') {
            return Err(BlockReason::Literal);
        }
        let host = Host::parse(host)?;
        match digits.parse::<u16>() {
            // What reads back differently, such as +443 or 0443, somebody else may read otherwise.
            Ok(port) if port > 0 && port.to_string() == digits => Ok(Self { host, port }),
            _ => Err(BlockReason::Malformed),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Tells a name from an address and from neither.
fn name_of(name: &str) -> Result<(), BlockReason> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(BlockReason::Malformed);
    }
    // A last label of digits, or one like 0x7f, makes an address of it.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(BlockReason::Literal);
    }
    if last.starts_with(|first: char| first.is_ascii_alphabetic()) {
        Ok(())
    } else {
        Err(BlockReason::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(rule: &str, host: &str) -> bool {
        let rule: HostRule = rule.parse().unwrap();
        rule.allows(&Host::parse(host).unwrap())
    }

    #[test]
    fn a_rule_covers_one_host_or_all_below_a_domain() {
        assert!(allows("Registry.npmjs.org", "registry.NPMJS.org."));
        assert!(!allows("allowed.test", "notallowed.test"));
        assert!(!allows("allowed.test", "a.allowed.test"));
        assert!(!allows("allowed.test", "allowed.test.evil.test"));
        assert!(allows("*.allowed.test", "a.b.allowed.test"));
        assert!(!allows("*.allowed.test", "allowed.test"));
        assert!(!allows("*.allowed.test", "notallowed.test"));
        assert!(!allows("*.allowed.test", "xallowed.test"));
    }

    #[test]
    fn what_is_no_name_is_no_rule() {
        for bad in [
            "",
            "*",
            "*.",
            "a..b",
            ".a",
            "a.",
            "127.0.0.1",
            "0x7f",
            "a.*.b",
            "a b",
            "é.test",
        ] {
            assert_eq!(bad.parse::<HostRule>(), Err(BadHostRule), "{bad:?}");
        }
    }

    #[test]
    fn a_target_is_read_one_way_or_not_at_all() {
        let shown = |text: &str| Target::parse(text).map(|target| target.to_string());
        assert_eq!(shown("Allowed.TEST:443"), Ok("allowed.test:443".to_owned()));
        assert_eq!(shown("allowed.test.:80"), Ok("allowed.test:80".to_owned()));
        for literal in [
            "127.0.0.1:443",
            "127.1:443",
            "2130706433:443",
            "0x7f000001:443",
            "0177.0.0.1:443",
            "0x7f.0.0.1:80",
            "127.0.0.1.:443",
            "[::1]:443",
            "[fe80::1%25eth0]:443",
            "[::ffff:127.0.0.1]:443",
            "::1:443",
            "169.254.169.254:80",
        ] {
            assert_eq!(shown(literal), Err(BlockReason::Literal), "{literal}");
        }
        for malformed in [
            "",
            ":",
            ":443",
            "allowed.test",
            "allowed.test:",
            "allowed.test:0",
            "allowed.test:65536",
            "allowed.test:0443",
            "allowed.test:+443",
            "allowed.test:443 ",
            "user@allowed.test:443",
            "user:secret@allowed.test:443",
            "[::1]@allowed.test:443",
            "allowed.test..:443",
            "..:443",
            "allowed.test\0.evil.test:443",
            "allowed.test\r\nHost: evil:443",
            "allowed.test/path:443",
            "allowed.test%2eevil:443",
            "ａllowed.test:443",
            "-:443",
        ] {
            assert!(shown(malformed).is_err(), "{malformed:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_a_plain_name(text in "\\PC{0,40}(:[0-9]{1,6})?") {
            if let Ok(target) = Target::parse(&text) {
                prop_assert_eq!(Target::parse(&target.to_string()), Ok(target.clone()));
                prop_assert!(target.host.as_str().parse::<std::net::IpAddr>().is_err());
                let plain = |byte: u8| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)
                };
                prop_assert!(target.host.as_str().bytes().all(plain));
            }
        }

        #[test]
        fn no_host_gets_past_a_rule_for_another(rule in "[a-z]{1,8}\\.test", host in "[a-z]{1,12}\\.test") {
            prop_assert_eq!(allows(&rule, &host), rule == host);
            let below = format!("*.{rule}");
            prop_assert!(!allows(&below, &host));
        }
    }
}
