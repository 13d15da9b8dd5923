//! What the client has to be told.

use secrecy::SecretString;

use crate::domain::governor::limits::Limits;
use crate::domain::time::Span;

/// Where GitHub is and who we are there.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://api.github.com`, or `https://HOST/api/v3` on GitHub Enterprise Server.
    pub api_url: String,
    /// The App's id.
    pub app_id: u64,
    /// The App's private key, RSA in PEM.
    pub private_key: SecretString,
    /// How long one request may take in all.
    pub timeout: Span,
    /// What GitHub takes in a while.
    pub limits: Limits,
}

impl Settings {
    /// Builds settings with the limits of github.com, and a time limit of 30 s for each request, thrice
    /// what GitHub gives itself.
    #[must_use]
    pub fn new(api_url: impl Into<String>, app_id: u64, private_key: SecretString) -> Self {
        Self {
            api_url: api_url.into(),
            app_id,
            private_key,
            timeout: Span::seconds(30),
            limits: Limits::GITHUB,
        }
    }
}

/// Why a client cannot be built; each names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// The URL cannot be used.
    #[error(
        "github.api_url {url:?} {reason}; expected https://api.github.com, or https://HOST/api/v3 \
         for GitHub Enterprise Server"
    )]
    ApiUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key cannot sign.
    #[error(
        "the private key is not an RSA key in PEM: {0}; generate one on the App's settings page \
         under \"Private keys\" and give the downloaded file as it is"
    )]
    PrivateKey(String),
    /// The HTTP client cannot be set up.
    #[error("cannot set up TLS: {0}; on Debian and Ubuntu, install the package ca-certificates")]
    Tls(String),
}

/// Checks the URL and returns it without a trailing slash, and the path that it ends in.
pub(super) fn base(url: &str) -> Result<(String, String), InvalidSettings> {
    let bad = |reason| InvalidSettings::ApiUrl {
        url: url.to_owned(),
        reason,
    };
    let trimmed = url.trim_end_matches('/');
    let uri: http::Uri = trimmed.parse().map_err(|_| bad("is not a URL"))?;
    match uri.scheme_str() {
        Some("https" | "http") => {}
        Some(_) | None => return Err(bad("does not start with https://")),
    }
    if uri.authority().is_none_or(|a| a.as_str().contains('@')) {
        return Err(bad("carries a user name"));
    }
    if uri.query().is_some() || trimmed.contains('#') {
        return Err(bad("carries a query"));
    }
    Ok((
        trimmed.to_owned(),
        uri.path().trim_end_matches('/').to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_of_the_url_pass_with_and_without_a_slash() {
        for (url, base_url, path) in [
            ("https://api.github.com", "https://api.github.com", ""),
            ("https://api.github.com/", "https://api.github.com", ""),
            (
                "https://git.example/api/v3/",
                "https://git.example/api/v3",
                "/api/v3",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", ""),
        ] {
            assert_eq!(base(url).unwrap(), (base_url.to_owned(), path.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (url, word) in [
            ("", "not a URL"),
            ("api.github.com", "https://"),
            ("ftp://api.github.com", "https://"),
            ("https://me:secret@api.github.com", "user name"),
            ("https://api.github.com/?a=b", "query"),
            ("https://api github.com", "not a URL"),
        ] {
            let said = base(url).unwrap_err().to_string();
            assert!(
                said.contains("github.api_url") && said.contains(word),
                "{said}"
            );
        }
    }
}
