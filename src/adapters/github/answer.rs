//! One answer, as data.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;

use crate::adapters::github::{bounded, date};
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;

/// An answer of any status, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the request was for.
    pub(super) doing: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it arrived, by our clock.
    pub(super) received: Timestamp,
    /// What GitHub says about a refusal, bounded and without secrets; empty for a success.
    pub(super) complaint: String,
}

impl Answer {
    /// Returns the answer when the request succeeded, else what is wrong.
    pub(super) fn succeeded(self) -> Result<Self, Fault> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.fault())
        }
    }

    /// Reads the body of a success.
    ///
    /// A body that cannot be read passes for a lost answer: behind a success there is normally one,
    /// and what stands between us and GitHub (a proxy, a maintenance page) goes away.
    pub(super) fn json<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let answer = self.succeeded()?;
        let mut json = serde_json::Deserializer::from_slice(&answer.body);
        serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let cause = format!(
                "the answer cannot be understood at {}: {}",
                e.path(),
                e.inner()
            );
            Fault::transient(answer.doing, bounded(&cause, 300))
        })
    }

    /// Returns whether GitHub's complaint contains a text, whatever its case.
    pub(super) fn says(&self, text: &str) -> bool {
        self.complaint
            .to_ascii_lowercase()
            .contains(&text.to_ascii_lowercase())
    }

    /// Returns a header that is text.
    pub(super) fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into())?.to_str().ok()
    }

    /// Returns GitHub's clock minus ours in milliseconds, to a second.
    pub(super) fn clock_offset_ms(&self) -> Option<i64> {
        let theirs = date::http(self.header(http::header::DATE)?)?;
        Some(theirs.as_millis().saturating_sub(self.received.as_millis()))
    }

    /// Returns where the answer sends the request instead, for a status that does so.
    pub(super) fn redirect(&self) -> Option<&str> {
        match self.status {
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => self.header(http::header::LOCATION),
            _ => None,
        }
    }

    /// Returns the address of the next page.
    pub(super) fn next_page(&self) -> Option<&str> {
        let links = self.header(http::header::LINK)?;
        links.split(',').find_map(|link| {
            let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            let is_next = parameters
                .split(';')
                .any(|p| matches!(p.trim(), r#"rel="next""# | "rel=next"));
            is_next.then_some(target)
        })
    }
}

/// Returns the part of an address that follows the API's base, from its slash on.
///
/// Host and scheme are dropped on purpose: a token only ever goes to the configured host, and
/// GitHub Enterprise Server behind a proxy may call itself something else.
pub(super) fn below(base_path: &str, address: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    let path = uri.path_and_query()?.as_str();
    let rest = match path.strip_prefix(base_path) {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => path,
    };
    Some(rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(link: &str) -> Answer {
        Answer {
            doing: String::new(),
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(http::header::LINK, link.parse().unwrap())]),
            body: Bytes::new(),
            received: Timestamp::EPOCH,
            complaint: String::new(),
        }
    }

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let links = r#"<https://h/a?page=1>; rel="prev", <https://h/a?page=3>; rel="next", <https://h/a?page=9>; rel="last""#;
        assert_eq!(answer(links).next_page(), Some("https://h/a?page=3"));
        for last in [
            r#"<https://h/a?page=1>; rel="first""#,
            "",
            "<",
            "next",
            "<x>; rel=\"nextish\"",
        ] {
            assert_eq!(answer(last).next_page(), None, "{last}");
        }
    }

    #[test]
    fn addresses_become_paths_below_the_base() {
        for (base, address, path) in [
            (
                "",
                "https://api.github.com/repositories/1/issues?page=2",
                "/repositories/1/issues?page=2",
            ),
            (
                "/api/v3",
                "https://git.example/api/v3/repositories/1",
                "/repositories/1",
            ),
            ("/api/v3", "/repos/o/r", "/repos/o/r"),
            ("/api/v3", "https://h/api/v30/x", "/api/v30/x"),
        ] {
            assert_eq!(below(base, address).as_deref(), Some(path));
        }
        assert_eq!(below("", "::"), None);
    }
}
