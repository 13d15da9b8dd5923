//! What single values of settings must look like. Errors say what is expected.

use crate::domain::egress::HostRule;
use crate::domain::ids::Login;
use crate::domain::policy::protected::Protected;

/// A command for a shell: not blank, at most 4,000 characters.
///
/// # Errors
/// When it is none.
pub fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.contains('\0') || text.chars().count() > 4_000 {
        return Err("expected a command of 1 to 4000 characters, such as \"npm test\"".to_owned());
    }
    Ok(text.to_owned())
}

/// One line of text of at most `max` characters, not blank and without white space around it.
///
/// # Errors
/// When it is none.
pub fn line(text: &str, max: usize) -> Result<String, String> {
    let plain = !text.is_empty() && text.trim() == text && !text.contains(char::is_control);
    if plain && text.chars().count() <= max {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected one line of 1 to {max} characters without spaces around it"
        ))
    }
}

/// A label as GitHub takes it: one line of at most 50 characters.
///
/// # Errors
/// When it is none.
pub fn label(text: &str) -> Result<String, String> {
    line(text, 50)
}

/// The name of an account, or `slug[bot]`.
///
/// # Errors
/// When it is none.
pub fn login(text: &str) -> Result<Login, String> {
    let name = text.strip_suffix("[bot]").unwrap_or(text);
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if plain && (1..=39).contains(&name.len()) && !name.starts_with('-') {
        Ok(Login::new(text))
    } else {
        Err("expected the name of an account without `@`, such as \"octocat\"".to_owned())
    }
}

/// The login of a bot: what GitHub shows of an App that writes.
///
/// # Errors
/// When it is none.
pub fn bot(text: &str) -> Result<Login, String> {
    match login(text) {
        Ok(login) if text.ends_with("[bot]") => Ok(login),
        Ok(_) | Err(_) => {
            Err("expected the login of a bot without `@`, such as \"reviewdog[bot]\"".to_owned())
        }
    }
}

/// A path of a file, from the root of the repository.
///
/// # Errors
/// When it is none, or leaves the repository.
pub fn path(text: &str) -> Result<String, String> {
    let parts_hold = text
        .split('/')
        .all(|part| !["", ".", "..", ".git"].contains(&part));
    if parts_hold && !text.contains(char::is_control) && !text.contains('\\') && text.len() <= 500 {
        Ok(text.to_owned())
    } else {
        Err(
            "expected the path of a file from the repository's root, such as \"docs/agents.md\""
                .to_owned(),
        )
    }
}

/// A pattern of protected paths.
///
/// # Errors
/// When it is none.
pub fn pattern(text: &str) -> Result<String, String> {
    match Protected::check(text) {
        Ok(()) if text.len() <= 500 => Ok(text.to_owned()),
        Ok(()) => Err("expected a pattern of at most 500 bytes".to_owned()),
        Err(why) => Err(format!("{why}; expected a pattern such as \".github/**\"")),
    }
}

/// A host's name, or `*.` and a name for all below it; in lower case.
///
/// Addresses and names without a dot are refused: they are how a sandbox would reach what is near
/// the server rather than the internet.
///
/// # Errors
/// When it is none.
pub fn host(text: &str) -> Result<HostRule, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let labels: Vec<&str> = name.split('.').collect();
    let sound = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = labels
        .last()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let expected = concat!(
        "expected the name of a host without scheme, port or path, such as ",
        "\"registry.npmjs.org\" or \"*.example.org\""
    );
    if labels.len() >= 2 && labels.iter().all(sound) && !numeric && name.len() <= 253 {
        text.parse().map_err(|_| expected.to_owned())
    } else {
        Err(expected.to_owned())
    }
}

/// The five fields of cron: minute, hour, day of month, month, day of week.
///
/// # Errors
/// When it is none.
pub fn cron(text: &str) -> Result<String, String> {
    const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day of month", 1, 31, &[]),
        (
            "month",
            1,
            12,
            &[
                "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
            ],
        ),
        (
            "day of week",
            0,
            7,
            &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        ),
    ];
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err("expected five fields (minute, hour, day of month, month, day of week), such as \"0 3 * * *\"".to_owned());
    }
    for (field, (what, low, high, names)) in fields.iter().zip(FIELDS) {
        let number = |text: &str| -> Option<u32> {
            let lower = text.to_ascii_lowercase();
            let named = names.iter().position(|name| *name == lower);
            let number = match named {
                Some(index) => u32::try_from(index).ok()? + low,
                None => text.parse().ok()?,
            };
            (low..=high).contains(&number).then_some(number)
        };
        if !field.split(',').all(|part| cron_part(part, number, high)) {
            return Err(format!(
                "the {what} is {field:?}; expected numbers from {low} to {high}, `*`, `a-b`, `*/n` or a list of these"
            ));
        }
    }
    Ok(fields.join(" "))
}

/// Tells whether a text is `*`, `a` or `a-b`, with or without `/n`.
fn cron_part(part: &str, number: impl Fn(&str) -> Option<u32>, high: u32) -> bool {
    let (base, step) = part
        .split_once('/')
        .map_or((part, None), |(base, step)| (base, Some(step)));
    let step_holds = step.is_none_or(|step| {
        step.parse()
            .is_ok_and(|step: u32| (1..=high).contains(&step))
    });
    let base_holds = match base.split_once('-') {
        Some((from, to)) => number(from)
            .zip(number(to))
            .is_some_and(|(from, to)| from <= to),
        None => base == "*" || number(base).is_some(),
    };
    base_holds && step_holds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(read: fn(&str) -> Result<T, String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(read(text).is_ok(), "{text:?}");
        }
        for text in bad {
            let why = read(text)
                .err()
                .unwrap_or_else(|| panic!("{text:?} was taken"));
            assert!(why.contains("expected "), "{why}");
        }
    }

    #[test]
    fn values_are_what_they_must_be() {
        check(command, &["npm test", "a\nb"], &["", " \n", "a\0"]);
        check(
            label,
            &["prova", "ai: do it", "🤖"],
            &["", " a", "a\nb", &"x".repeat(51)],
        );
        check(
            login,
            &["octocat", "a-b", "prova[bot]", "org_user"],
            &["", "@a", "-a", "a b", "[bot]", &"a".repeat(40)],
        );
        check(
            path,
            &["AGENTS.md", "docs/a b.md"],
            &[
                "",
                "/a",
                "a/",
                "../a",
                "a/./b",
                ".git/config",
                "a\\b",
                "a\nb",
            ],
        );
        check(
            pattern,
            &["*.lock", "/a/**"],
            &["", "a[", "!a", "../a", &"a".repeat(501)],
        );
        check(
            host,
            &["registry.npmjs.org", "*.example.org", "A.B"],
            &[
                "",
                "localhost",
                "*",
                "*.org",
                "https://a.b",
                "a.b:80",
                "a.b/c",
                "127.0.0.1",
                "[::1]",
                "a..b",
                "-a.b",
                "a_b.c",
                "é.fr",
            ],
        );
        check(
            cron,
            &[
                "0 3 * * *",
                "*/15 0-6,22 1 jan MON-fri",
                "0 0 31 12 7",
                "5/10  * * * *",
            ],
            &[
                "",
                "* * * *",
                "60 * * * *",
                "* 24 * * *",
                "* * 0 * *",
                "* * * 13 *",
                "* * * * 8",
                "*/0 * * * *",
                "6-1 * * * *",
                "a * * * *",
                "@daily",
            ],
        );
    }
}
