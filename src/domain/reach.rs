//! Which of the hosts that a policy asks for the server lets it have.

use crate::domain::egress::HostRule;

/// What policies may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any host with a public address.
    Anywhere,
    /// These, and what is below them where a rule says so.
    Hosts(Vec<HostRule>),
}

impl Reach {
    /// Returns those of `asked` that may not be had.
    #[must_use]
    pub fn beyond<'a>(&self, asked: &'a [HostRule]) -> Vec<&'a HostRule> {
        let allowed = |rule: &HostRule| match self {
            Self::Anywhere => true,
            Self::Hosts(hosts) => hosts.iter().any(|host| covers(host, rule)),
        };
        asked.iter().filter(|rule| !allowed(rule)).collect()
    }
}

/// Returns whether everything that `narrow` matches is matched by `wide` too.
fn covers(wide: &HostRule, narrow: &HostRule) -> bool {
    let (wide, narrow) = (wide.to_string(), narrow.to_string());
    match wide.strip_prefix('*') {
        // `*.example.org` covers `a.example.org` and `*.a.example.org`, and not `example.org`.
        Some(domain) => narrow.ends_with(domain),
        None => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<HostRule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_policy_gets_what_the_server_allows() {
        let server = Reach::Hosts(rules(&["pypi.org", "*.example.org"]));
        for fine in [
            "pypi.org",
            "PyPI.org",
            "a.example.org",
            "a.b.example.org",
            "*.example.org",
            "*.a.example.org",
        ] {
            assert_eq!(
                server.beyond(&rules(&[fine])),
                [] as [&HostRule; 0],
                "{fine}"
            );
        }
        for beyond in [
            "*.pypi.org",
            "a.pypi.org",
            "notpypi.org",
            "pypi.org.evil.test",
            "example.org",
            "notexample.org",
            "*.org",
        ] {
            let asked = rules(&["pypi.org", beyond]);
            assert_eq!(server.beyond(&asked), [&asked[1]], "{beyond}");
        }
        assert!(Reach::Anywhere.beyond(&rules(&["*.org"])).is_empty());
        assert_eq!(Reach::Hosts(Vec::new()).beyond(&rules(&["a.b"])).len(), 1);
    }
}
