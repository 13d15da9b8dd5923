//! One request, as data.

use bytes::Bytes;
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::domain::governor::limits::{Importance, Kind};
use crate::domain::repo::Repo;

/// A request that has not been sent.
#[derive(Debug)]
pub(super) struct Request {
    /// What it is for, in words that fit before a colon.
    pub(super) doing: String,
    pub(super) method: Method,
    /// Path and query below the API's base, from its slash on.
    pub(super) path: String,
    /// JSON.
    pub(super) body: Option<Bytes>,
    pub(super) if_none_match: Option<HeaderValue>,
    /// Who is first when GitHub limits the rate.
    pub(super) importance: Importance,
    /// What it counts for.
    kind: Kind,
}

/// Where the GraphQL API is.
const GRAPHQL: &str = "/graphql";

impl Request {
    pub(super) fn get(doing: String, path: String) -> Self {
        Self {
            doing,
            method: Method::GET,
            path,
            body: None,
            if_none_match: None,
            importance: Importance::Work,
            kind: Kind::Read,
        }
    }

    pub(super) fn post(doing: String, path: String, body: &Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body.to_string().into()),
            ..Self::change(doing, path)
        }
    }

    /// Asks the GraphQL API.
    pub(super) fn query(doing: String, document: &str, variables: &Value) -> Self {
        let body = json!({ "query": document, "variables": variables });
        Self {
            kind: Kind::Read,
            ..Self::post(doing, GRAPHQL.to_owned(), &body)
        }
    }

    /// Changes something by the GraphQL API, which is no content.
    pub(super) fn mutation(doing: String, document: &str, variables: &Value) -> Self {
        Self {
            kind: Kind::Write,
            ..Self::query(doing, document, variables)
        }
    }

    /// Returns whether it goes to the GraphQL API.
    pub(super) fn is_graphql(&self) -> bool {
        self.path == GRAPHQL
    }

    pub(super) fn delete(doing: String, path: String) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::change(doing, path)
        }
    }

    fn change(doing: String, path: String) -> Self {
        // A repository that was renamed is named by its id.
        let in_repository = ["/repos/", "/repositories/"];
        let is_content = in_repository.iter().any(|start| path.starts_with(start));
        Self {
            kind: if is_content {
                Kind::Content
            } else {
                Kind::Write
            },
            ..Self::get(doing, path)
        }
    }

    pub(super) fn patch(doing: String, path: String, body: &Value) -> Self {
        Self {
            method: Method::PATCH,
            ..Self::post(doing, path, body)
        }
    }

    /// Returns the same request for another path.
    pub(super) fn at(&self, path: String) -> Self {
        Self {
            doing: self.doing.clone(),
            method: self.method.clone(),
            path,
            body: self.body.clone(),
            if_none_match: self.if_none_match.clone(),
            importance: self.importance,
            kind: self.kind,
        }
    }

    /// Returns the same request, for which somebody waits more or less than for most.
    pub(super) fn of(self, importance: Importance) -> Self {
        Self { importance, ..self }
    }

    /// Returns what it counts for.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Escapes one segment of a path, or a value of a query.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Escapes a text of which the slashes stay slashes: a file's path, a branch's name.
pub(super) fn segments(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Returns the path of something in a repository.
pub(super) fn in_repo(repo: &Repo, rest: &str) -> String {
    let (owner, name) = (segment(&repo.name.owner), segment(&repo.name.name));
    format!("/repos/{owner}/{name}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_leaves_its_place_in_the_path() {
        assert_eq!(
            segment("a/b?c#d%2e e\n\"é"),
            "a%2Fb%3Fc%23d%252e%20e%0A%22%C3%A9"
        );
        assert_eq!(segments("prova/1-fix it?.x"), "prova/1-fix%20it%3F.x");
        assert_eq!(segment("dependabot[bot]"), "dependabot%5Bbot%5D");
    }

    #[test]
    fn what_is_written_in_a_repository_is_content() {
        let (path, body) = (|text: &str| text.to_owned(), Value::Null);
        for (request, kind) in [
            (
                Request::get(path("read"), path("/repos/o/r/issues/1")),
                Kind::Read,
            ),
            (
                Request::post(path("react"), path("/repos/o/r/issues/1/reactions"), &body),
                Kind::Content,
            ),
            (
                Request::patch(
                    path("edit"),
                    path("/repositories/7/issues/comments/1"),
                    &body,
                ),
                Kind::Content,
            ),
            (
                Request::post(
                    path("mint"),
                    path("/app/installations/9/access_tokens"),
                    &body,
                ),
                Kind::Write,
            ),
        ] {
            assert_eq!(request.kind(), kind, "{}", request.doing);
        }
    }
}
