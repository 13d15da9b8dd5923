//! URLs of databases, as they may be shown.

use std::borrow::Cow;

/// Parts of a query that say where a database is and how to get there.
const OPEN: [&str; 9] = [
    "host",
    "port",
    "dbname",
    "user",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
];

/// Returns an URL with `***` where a password stands or may stand: between the first colon and the last
/// `@`, whatever is there (a password may have a slash in it), and in what a query says of anything but
/// the place.
#[must_use]
pub fn shown(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        let secret = url.contains('@') || url.contains('?');
        return Cow::Borrowed(if secret { "***" } else { url });
    };
    if scheme == "sqlite" {
        return Cow::Borrowed(url);
    }
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, rest),
    };
    let user = user.map(|user| match user.split_once(':') {
        Some((name, _)) => format!("{name}:***@"),
        None => format!("{user}@"),
    });
    let user = user.unwrap_or_default();
    Cow::Owned(format!("{scheme}://{user}{}", with_open_query(place)))
}

fn with_open_query(place: &str) -> String {
    let Some((path, query)) = place.split_once('?') else {
        return place.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if !OPEN.contains(&key) => format!("{key}=***"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Returns the first key of a query that no connection knows, if there is one.
#[must_use]
pub fn unknown_key(url: &str) -> Option<&str> {
    let (_, query) = url.rsplit_once('?')?;
    let mut keys = query
        .split('&')
        .filter_map(|pair| Some(pair.split_once('=')?.0));
    keys.find(|key| !OPEN.contains(key) && *key != "password")
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
            (
                "postgres://me:se/cret@db/prova",
                "postgres://me:***@db/prova",
            ),
            (
                "postgres://me:se?c#ret@db/prova",
                "postgres://me:***@db/prova",
            ),
            ("postgres://me:12/34@db", "postgres://me:***@db"),
            ("mysql://me:secret@db/p", "mysql://me:***@db/p"),
            ("postgres:/me:secret@db/p", "***"),
            (
                "postgres://db/prova?passwd=secret&sslmode=require",
                "postgres://db/prova?passwd=***&sslmode=require",
            ),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn what_no_connection_knows_is_named() {
        for (url, expected) in [
            ("postgres://db/prova", None),
            ("postgres://db/prova?sslmode=require&password=x", None),
            (
                "postgres://db/prova?sslmode=require&Password=x",
                Some("Password"),
            ),
        ] {
            assert_eq!(unknown_key(url), expected);
        }
    }
}
