//! Where a repository is fetched from: which protocol, and which origin may see the token.

use std::path::Path;

use crate::ports::fault::Fault;

/// Which remotes may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// `https`, and `http` where the remote's URL says so.
    Network,
    /// Also directories of this machine, for running on a local repository.
    NetworkAndLocal,
}

/// The address of a remote, taken apart as far as git must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `https://host[:port]`, without the path.
    Https(String),
    /// `http://host[:port]`, without the path: a GitHub on this machine, or in a test.
    Http(String),
    /// A repository on this machine.
    Local,
}

impl Address {
    /// Takes a remote's URL apart; everything that git could read as another transport
    /// (`ext::sh -c …`, `ssh://`, `-option`) or that carries a credential is a permanent fault.
    pub(crate) fn parse(url: &str, protocols: Protocols) -> Result<Self, Fault> {
        let refused = |why: &str| Err(Fault::permanent("read the address of a repository", why));
        if Path::new(url).is_absolute() || url.starts_with("file:///") {
            return match protocols {
                Protocols::NetworkAndLocal => Ok(Self::Local),
                Protocols::Network => {
                    refused("it is a directory of this machine; only https and http are fetched")
                }
            };
        }
        let Ok(uri) = url.parse::<http::Uri>() else {
            return refused("it is not a URL; use https://HOST/OWNER/NAME.git");
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return refused("it has no host; use https://HOST/OWNER/NAME.git");
        };
        if authority.as_str().contains('@') {
            return refused("it carries a credential; tokens never go into a URL");
        }
        match scheme {
            "https" => Ok(Self::Https(format!("https://{authority}"))),
            "http" => Ok(Self::Http(format!("http://{authority}"))),
            _ => refused("only https and http are fetched"),
        }
    }

    /// Returns the one protocol that git may speak, as `GIT_ALLOW_PROTOCOL` has it.
    pub(crate) const fn protocol(&self) -> &'static str {
        match self {
            Self::Https(_) => "https",
            Self::Http(_) => "http",
            Self::Local => "file",
        }
    }

    /// Returns the origin that may see the token.
    pub(crate) fn origin(&self) -> Option<&str> {
        match self {
            Self::Https(origin) | Self::Http(origin) => Some(origin),
            Self::Local => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_yields_its_protocol_and_origin() {
        let parse = |url| Address::parse(url, Protocols::NetworkAndLocal).unwrap();
        assert_eq!(
            parse("https://github.com/octo/x.git"),
            Address::Https("https://github.com".to_owned())
        );
        assert_eq!(
            parse("http://127.0.0.1:8080/octo/x.git"),
            Address::Http("http://127.0.0.1:8080".to_owned())
        );
        assert_eq!(parse("/srv/x"), Address::Local);
        assert_eq!(parse("file:///srv/x"), Address::Local);
    }

    #[test]
    fn what_git_would_read_as_something_else_is_refused() {
        for bad in [
            "",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c true",
            "ssh://git@github.com/x",
            "git@github.com:octo/x.git",
            "git://github.com/x",
            "../x",
            "file://host/x",
            "https://token@github.com/x",
            "https:///x",
            "https://github.com/x\n",
        ] {
            let fault = Address::parse(bad, Protocols::NetworkAndLocal).unwrap_err();
            assert!(!fault.to_string().contains("token@"), "{fault}");
        }
        assert!(Address::parse("/srv/x", Protocols::Network).is_err());
    }
}
