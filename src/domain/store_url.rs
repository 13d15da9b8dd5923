//! URLs of databases, as they may be shown.

use std::borrow::Cow;

/// Returns an URL with its password, if it has one, replaced by `***`.
#[must_use]
pub fn shown(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Cow::Borrowed(url);
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority);
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let name = user.split_once(':').map(|(name, _)| name);
    let in_query = rest.contains("password=");
    if name.is_none() && !in_query {
        return Cow::Borrowed(url);
    }
    let user = match (name, user) {
        (Some(name), _) => format!("{name}:***@"),
        (None, "") => String::new(),
        (None, user) => format!("{user}@"),
    };
    Cow::Owned(format!("{scheme}://{user}{host}{}", without_password(rest)))
}

/// Takes the values of `password=` out of a query.
fn without_password(rest: &str) -> String {
    let Some((path, query)) = rest.split_once('?') else {
        return rest.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("password", _)) => "password=***",
        _ => pair,
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (url, expected) in [
            ("sqlite:///var/lib/prova.db", "sqlite:///var/lib/prova.db"),
            ("postgres://db/prova", "postgres://db/prova"),
            ("postgres://me@db/prova", "postgres://me@db/prova"),
            (
                "postgres://me:secret@db:5432/prova",
                "postgres://me:***@db:5432/prova",
            ),
            (
                "postgres://me:se@cr:et@db/prova",
                "postgres://me:***@db/prova",
            ),
            (
                "postgres:///prova?host=/run/pg&password=secret&user=me",
                "postgres:///prova?host=/run/pg&password=***&user=me",
            ),
            (
                "postgres://me@db/prova?password=secret",
                "postgres://me@db/prova?password=***",
            ),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
