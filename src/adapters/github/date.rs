//! Points in time as GitHub writes them: RFC 3339 in bodies, RFC 9110 in headers.

use crate::domain::time::Timestamp;

/// Reads a time from a body: `2026-11-21T01:13:06Z`, with or without a fraction or an offset.
pub(super) fn iso(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// Writes a time as GitHub does, to the second.
pub(super) fn text(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis());
    let at = at.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads a time from a header: `Sat, 21 Nov 2026 01:13:06 GMT`.
pub(super) fn http(text: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_moment() {
        let at = Some(Timestamp::from_millis(1_795_223_586_000));
        assert_eq!(iso("2026-11-21T01:13:06Z"), at);
        assert_eq!(at.map(text).as_deref(), Some("2026-11-21T01:13:06Z"));
        assert_eq!(iso("2026-11-21T02:13:06.000+01:00"), at);
        assert_eq!(http("Sat, 21 Nov 2026 01:13:06 GMT"), at);
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "yesterday",
            "1795223586",
            "2026-11-21",
            "9".repeat(400).as_str(),
        ] {
            assert_eq!((iso(text), http(text)), (None, None), "{text}");
        }
    }
}
