//! What passed the gateway, and what it cost.

use std::fmt::Write as _;

use crate::domain::budget::{Exceeded, Scope};
use crate::domain::money::Usd;
use crate::domain::sanitize::neutral;
use crate::domain::traffic::{BlockReason, Blocked, ModelUse, Traffic};
use crate::domain::unanswered::Unanswered;

/// How many hosts or models a text lists before it only counts.
const LISTED: usize = 20;
/// Longest name of a host or model that is shown, in characters.
const NAME_CHARS: usize = 100;

/// Tells which budget was reached, and what a person can do about it.
#[must_use]
pub fn exceeded(exceeded: &Exceeded) -> String {
    let Exceeded { cap, asked } = exceeded;
    let (whose, raise) = match &cap.scope {
        Scope::Job(_) => (
            "of this job",
            "A job that is started anew has a budget of its own. \
             `budget.job_usd` raises it: in `.github/prova.toml`, or in the server's settings, which have the last word.",
        ),
        Scope::Task(_) => (
            "of this task",
            "`budget AMOUNT` raises it where somebody has lowered it; the operator can raise `budget.task_usd` in the server's settings.",
        ),
        Scope::Repository(_, _) => (
            "of this repository for today",
            "It begins anew at midnight UTC; the operator can raise `budget.repository_day_usd` in the server's settings.",
        ),
        Scope::Person(_, _) => (
            "of the person who asked for today",
            "It begins anew at midnight UTC; the operator can raise `budget.person_day_usd` in the server's settings.",
        ),
        Scope::Server(_) => (
            "of this server for today",
            "It begins anew at midnight UTC; the operator can raise `budget.day_usd` in the server's settings.",
        ),
    };
    let next = if *asked == Usd::ZERO {
        String::new()
    } else {
        format!(", and the next model call could have cost ${asked}")
    };
    format!(
        "The budget {whose} is used up: ${} of ${} spent{next}. {raise}",
        cap.spent, cap.most
    )
}

/// Returns model calls with their cost, hosts that were reached and what was not let through; empty
/// when nothing passed.
#[must_use]
pub fn traffic(traffic: &Traffic) -> String {
    let mut out = models(traffic);
    if !traffic.unanswered.is_empty() {
        let calls = traffic.unanswered.iter().map(unanswered);
        let _ = writeln!(
            out,
            "\nModel calls without an answer: {}.",
            listed(calls, ", ")
        );
    }
    if !traffic.reached.is_empty() {
        let hosts = traffic
            .reached
            .iter()
            .map(|(host, bytes)| format!("{} ({})", name(host), size(*bytes)));
        let _ = writeln!(out, "\nReached: {}.", listed(hosts, ", "));
    }
    if !traffic.blocked.is_empty() {
        let places = traffic.blocked.iter().map(blocked);
        let _ = writeln!(out, "\nNot let through:\n\n- {}", listed(places, "\n- "));
    }
    out
}

fn models(traffic: &Traffic) -> String {
    if traffic.models.is_empty() {
        return String::new();
    }
    let mut out =
        "\n| model | calls | tokens read | tokens written | cost |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for used in traffic.models.iter().take(LISTED) {
        let ModelUse {
            endpoint,
            model,
            calls,
            tokens,
            cost,
        } = used;
        let read = tokens
            .input
            .saturating_add(tokens.cache_read)
            .saturating_add(tokens.cache_write);
        let cached = match tokens.cache_read {
            0 => String::new(),
            cached => format!(" ({} cached)", count(cached)),
        };
        let _ = writeln!(
            out,
            "| {} of {} | {} | {}{cached} | {} | ${cost} |",
            name(model),
            name(endpoint),
            count(*calls),
            count(read),
            count(tokens.output.saturating_add(tokens.reasoning)),
        );
    }
    let more = traffic.models.len().saturating_sub(LISTED);
    if more > 0 {
        let _ = writeln!(out, "| and {more} more | | | | |");
    }
    if traffic.models.len() > 1 {
        let _ = writeln!(out, "\nModel calls cost ${} in all.", traffic.cost());
    }
    out
}

fn unanswered(calls: &Unanswered) -> String {
    let times = match calls.calls {
        1 => "once".to_owned(),
        calls => format!("{} times", count(calls)),
    };
    format!(
        "{} {} ({times})",
        name(&calls.endpoint),
        calls.failure.words()
    )
}

fn blocked(blocked: &Blocked) -> String {
    let times = match blocked.count {
        1 => String::new(),
        count => format!(", {count} times"),
    };
    format!(
        "{}{times}: {}",
        name(&blocked.place),
        reason(blocked.reason)
    )
}

fn name(text: &str) -> String {
    neutral::inline(text, NAME_CHARS)
}

fn listed(items: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = items.len().saturating_sub(LISTED);
    let mut shown: Vec<_> = items.take(LISTED).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(between)
}

/// Returns why something was not let through, in words.
#[must_use]
pub const fn reason(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::NotAllowed => "not in `egress` of `.github/prova.toml`",
        BlockReason::Literal => "an address instead of a name",
        BlockReason::Private => "leads to a private or otherwise special address",
        BlockReason::Port => "not a port that may be reached",
        BlockReason::Malformed => "malformed, or names one host and means another",
        BlockReason::Bytes => "the job has moved as many bytes as it may",
        BlockReason::Model => "not a model that may be used",
    }
}

/// Shows a count with commas between its thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    if bytes < KIB {
        format!("{bytes} bytes")
    } else if bytes < MIB {
        format!("{} KiB", bytes / KIB)
    } else {
        format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::{Cap, Day};
    use crate::domain::ids::Login;
    use crate::domain::traffic::Tokens;
    use crate::domain::unanswered::CallFailure;

    fn used_up(scope: Scope, asked: u64) -> String {
        exceeded(&Exceeded {
            cap: Cap {
                scope,
                most: Usd::from_micros(5_000_000),
                spent: Usd::from_micros(4_980_000),
            },
            asked: Usd::from_micros(asked),
        })
    }

    #[test]
    fn a_budget_is_told_with_its_remedy() {
        let job = used_up(Scope::Job("1-2-3.4".parse().unwrap()), 70_000);
        assert!(
            job.starts_with(
                "The budget of this job is used up: $4.98 of $5.00 spent, \
                 and the next model call could have cost $0.07. "
            ),
            "{job}"
        );
        assert!(job.contains("`budget.job_usd`"), "{job}");
        let person = used_up(Scope::Person(Login::new("octo"), Day(7)), 0);
        assert!(!person.contains("octo") && !person.contains("next model call"));
        assert!(person.contains("midnight UTC") && person.contains("`budget.person_day_usd`"));
    }

    #[test]
    fn traffic_is_listed_and_its_names_have_no_effect() {
        let traffic = Traffic {
            models: vec![ModelUse {
                endpoint: "main".to_owned(),
                model: "large|@octo".to_owned(),
                calls: 3,
                tokens: Tokens {
                    input: 1_000,
                    cache_read: 1_200_000,
                    cache_write: 1,
                    output: 90,
                    reasoning: 9,
                },
                cost: Usd::from_micros(123_450),
            }],
            answered: 3,
            unanswered: vec![
                Unanswered {
                    endpoint: "main".to_owned(),
                    failure: CallFailure::RateLimited,
                    calls: 1_200,
                },
                Unanswered {
                    endpoint: "spare".to_owned(),
                    failure: CallFailure::KeyRefused,
                    calls: 1,
                },
            ],
            reached: vec![
                ("pypi.org".to_owned(), 1_258_292),
                ("crates.io".to_owned(), 900),
            ],
            blocked: vec![
                Blocked {
                    place: "`@octo` closes #1:443".to_owned(),
                    reason: BlockReason::NotAllowed,
                    count: 3,
                },
                Blocked {
                    place: "169.254.169.254:80".to_owned(),
                    reason: BlockReason::Literal,
                    count: 1,
                },
            ],
            exceeded: None,
        };
        assert_eq!(
            super::traffic(&traffic),
            "\n| model | calls | tokens read | tokens written | cost |\n\
             | --- | --- | --- | --- | --- |\n\
             | <code>large&#124;&#64;octo</code> of `main` | 3 | 1,201,001 (1,200,000 cached) \
             | 99 | $0.12345 |\n\
             \nModel calls without an answer: `main` took no more calls for now (1,200 times), \
             `spare` refused the server's key (once).\n\
             \nReached: `pypi.org` (1.2 MiB), `crates.io` (900 bytes).\n\
             \nNot let through:\n\n\
             - `` `@octo` closes #1:443 ``, 3 times: not in `egress` of `.github/prova.toml`\n\
             - `169.254.169.254:80`: an address instead of a name\n"
        );
        assert_eq!(super::traffic(&Traffic::default()), "");
    }

    #[test]
    fn long_lists_are_cut() {
        let reached = (0..30).map(|n| (format!("h{n}.test"), 1)).collect();
        let shown = super::traffic(&Traffic {
            reached,
            ..Traffic::default()
        });
        assert!(
            shown.ends_with("`h19.test` (1 bytes), and 10 more.\n"),
            "{shown}"
        );
    }
}
