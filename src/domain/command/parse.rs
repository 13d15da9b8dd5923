//! Reads the commands out of a comment.
//!
//! A command starts at a mention and runs to the end of its line. Commands that end in free text
//! (`plan`, `review`, `ask` and plain requests) run on until a line that begins with the next mention,
//! because people write several paragraphs; that text stays the Markdown that they wrote. `run` takes
//! the fenced block right below its line, as data for the recipe.

use crate::domain::blocks::leading;
use crate::domain::command::error::{CommandError, Named};
use crate::domain::command::mention::Mention;
use crate::domain::command::{Command, RACERS, Verb};
use crate::domain::markdown::{Speech, speech};
use crate::domain::name::Name;
use crate::domain::sanitize::invisible;
use crate::domain::suggest;

/// Commands read from one comment; more are one error, so that a comment cannot start a flood.
pub const MAX_COMMANDS: usize = 10;

/// Reads the commands of a comment, in order; empty when it does not mention the App.
#[must_use]
pub fn parse(body: &str, mention: &Mention) -> Vec<Result<Command, CommandError>> {
    let heard = speech(body);
    let calls = calls(body, &heard, mention);
    let mut commands = Vec::new();
    let mut next = 0;
    while let Some(call) = calls.get(next) {
        if commands.len() == MAX_COMMANDS {
            commands.push(Err(CommandError::TooMany {
                limit: MAX_COMMANDS,
            }));
            break;
        }
        let following = calls.iter().enumerate().skip(next + 1);
        let opening = following.clone().find(|(_, later)| later.opens_line);
        let words = Words {
            line: after_address(body, call.start, body.get(call.end..call.line_end)),
            all: after_address(
                body,
                call.start,
                body.get(call.end..opening.map_or(body.len(), |(_, o)| o.line_start)),
            ),
        };
        let (command, extent) = match (words.line.is_empty(), call.opens_line) {
            (false, _) => read(&words),
            (true, true) => addressed_above(body, &heard, call, &words),
            // "cc @prova": whatever stands in the next paragraph is not for us.
            (true, false) => (Ok(Command::Help), Extent::Line),
        };
        commands.push(command);
        next = match extent {
            Extent::Line => next + 1,
            Extent::Text => opening.map_or(calls.len(), |(index, _)| index),
        };
    }
    commands
}

/// A mention that is speech. Later mentions in the same line belong to the first one's command.
struct Call {
    start: usize,
    end: usize,
    line_start: usize,
    line_end: usize,
    opens_line: bool,
}

/// What follows a mention.
#[derive(Clone, Copy)]
struct Words<'b> {
    /// To the end of its line.
    line: &'b str,
    /// To the next line that begins with a mention; starts with `line`.
    all: &'b str,
}

/// How much of what follows the mention a command took.
enum Extent {
    Line,
    Text,
}

fn calls(body: &str, heard: &[Speech], mention: &Mention) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for speech in heard {
        if calls
            .last()
            .is_some_and(|call| speech.range.start < call.line_end)
        {
            continue;
        }
        let Some(found) = mention.find(body, speech.range.clone()) else {
            continue;
        };
        let before = body
            .get(speech.range.start..found.start)
            .unwrap_or_default();
        let opens_line = speech.opens_line && invisible::strip(before).trim().is_empty();
        let after = body.get(found.end..).unwrap_or_default();
        calls.push(Call {
            start: found.start,
            end: found.end,
            line_start: body
                .get(..found.start)
                .and_then(|t| t.rfind('\n'))
                .map_or(0, |at| at + 1),
            line_end: found.end + after.find('\n').unwrap_or(after.len()),
            opens_line,
        });
    }
    calls
}

/// Drops what belongs to the mention rather than to the command: the comma of "@prova, stop", the
/// dash of "@prova - stop", and the other half of emphasis around it.
fn after_address<'b>(body: &'b str, mention_start: usize, rest: Option<&'b str>) -> &'b str {
    let rest = rest.unwrap_or_default().trim_end();
    let before = body.get(..mention_start).unwrap_or_default();
    let emphasis = before
        .get(before.trim_end_matches('*').len()..)
        .unwrap_or_default();
    let rest = rest
        .strip_prefix(emphasis)
        .or_else(|| rest.strip_suffix(emphasis))
        .unwrap_or(rest);
    let rest = rest
        .trim_start_matches(|c| ",:;!?.…".contains(c) || (invisible::is_invisible(c) && c != '\r'));
    let rest = without_leading_comments(rest);
    let dash = |rest: &'b str| {
        let after = rest.trim_start().strip_prefix(['-', '–', '—'])?;
        after.starts_with([' ', '\t']).then_some(after)
    };
    without_blank_start(dash(rest).unwrap_or(rest))
}

/// Reads what stands below a mention that has a line to itself.
///
/// A command there must itself be speech: below the mention may stand a quote or code.
fn addressed_above(
    body: &str,
    heard: &[Speech],
    call: &Call,
    words: &Words<'_>,
) -> (Result<Command, CommandError>, Extent) {
    let next = heard.get(heard.partition_point(|speech| speech.range.start < call.line_end));
    let gap = next.and_then(|speech| body.get(call.line_end..speech.range.start));
    if gap.is_some_and(|gap| gap.trim().is_empty()) {
        let all = words.all.trim_start();
        let line = all.lines().next().unwrap_or_default().trim_end();
        read(&Words { line, all })
    } else {
        (Ok(request(None, words.all)), Extent::Text)
    }
}

fn read(words: &Words<'_>) -> (Result<Command, CommandError>, Extent) {
    let (word, _) = split_word(words.line);
    match Verb::of(trim_word(word)) {
        Some(verb) => {
            let rest = Words {
                line: split_word(words.line).1,
                all: split_word(words.all).1,
            };
            verb_with(verb, &rest)
        }
        None if word.eq_ignore_ascii_case("with") && !split_word(words.line).1.is_empty() => {
            (request_with(words), Extent::Text)
        }
        None => (free(words.all), Extent::Text),
    }
}

fn verb_with(verb: Verb, rest: &Words<'_>) -> (Result<Command, CommandError>, Extent) {
    let text = || rest.all.to_owned();
    let alone = |command: Command| match unexpected(rest.line) {
        None => Ok(command),
        Some(found) => Err(CommandError::Unexpected { verb, found }),
    };
    match verb {
        // These three change nothing that cannot be resumed, and who shouts "stop, it is wrong!"
        // must not be told that `stop` takes no arguments.
        Verb::Help => (Ok(Command::Help), Extent::Line),
        Verb::Status => (Ok(Command::Status), Extent::Line),
        Verb::Stop => (Ok(Command::Stop), Extent::Line),
        Verb::Approve => (alone(Command::Approve), Extent::Line),
        Verb::Undo => (alone(Command::Undo), Extent::Line),
        Verb::Rebase => (alone(Command::Rebase), Extent::Line),
        Verb::Retry => (retry(rest.line), Extent::Line),
        Verb::Run => (run(rest), Extent::Line),
        Verb::Budget => (budget(rest.line), Extent::Line),
        Verb::Plan => (Ok(Command::Plan { text: text() }), Extent::Text),
        Verb::Review => (Ok(Command::Review { text: text() }), Extent::Text),
        Verb::Ask if rest.all.is_empty() => {
            let missing = CommandError::Missing {
                verb,
                what: "a question",
                example: "ask why does the build fail?",
            };
            (Err(missing), Extent::Text)
        }
        Verb::Ask => (Ok(Command::Ask { text: text() }), Extent::Text),
        Verb::Race => (race(rest), Extent::Text),
    }
}

fn retry(line: &str) -> Result<Command, CommandError> {
    let (word, rest) = split_word(line);
    if word.eq_ignore_ascii_case("with") && !rest.is_empty() {
        let (agent, rest) = split_word(rest);
        return match unexpected(rest) {
            None => Ok(Command::Retry {
                agent: Some(name(agent, Named::Agent)?),
            }),
            Some(found) => Err(CommandError::Unexpected {
                verb: Verb::Retry,
                found,
            }),
        };
    }
    match unexpected(line) {
        None => Ok(Command::Retry { agent: None }),
        Some(found) => Err(CommandError::Unexpected {
            verb: Verb::Retry,
            found,
        }),
    }
}

fn run(words: &Words<'_>) -> Result<Command, CommandError> {
    let (recipe, rest) = split_word(words.line);
    if recipe.is_empty() {
        return Err(CommandError::Missing {
            verb: Verb::Run,
            what: "the name of a recipe",
            example: "run fmt",
        });
    }
    Ok(Command::Run {
        recipe: name(recipe, Named::Recipe)?,
        input: said_words(rest).map(str::to_owned).collect(),
        block: words
            .all
            .split_once('\n')
            .and_then(|(_, below)| leading(below)),
    })
}

/// Reads `race AGENT AGENT …`: names to the end of the line, or to a colon; the request is what
/// follows either.
fn race(words: &Words<'_>) -> Result<Command, CommandError> {
    let first = words.all.lines().next().unwrap_or_default();
    let names = first.split_once(':').map_or(first, |(names, _)| names);
    let text = words.all.get(names.len()..).unwrap_or_default();
    let text = text.strip_prefix(':').unwrap_or(text);
    let between =
        |word: &&str| !is_polite(word) && !["and", "vs", "against", "&"].contains(&trim_word(word));
    let mut agents: Vec<Name> = Vec::new();
    for word in names.split(',').flat_map(said_words).filter(between) {
        let agent = name(word, Named::Agent)?;
        if !agents.contains(&agent) {
            agents.push(agent);
        }
    }
    if agents.len() < *RACERS.start() {
        return Err(CommandError::Missing {
            verb: Verb::Race,
            what: "two agents at least",
            example: "race codex claude",
        });
    }
    if agents.len() > *RACERS.end() {
        return Err(CommandError::Crowded {
            limit: *RACERS.end(),
        });
    }
    Ok(Command::Race {
        agents,
        text: without_blank_start(text).to_owned(),
    })
}

fn budget(line: &str) -> Result<Command, CommandError> {
    let amount = said_words(line)
        .filter(|word| {
            !is_polite(word) && !["usd", "dollars"].contains(&word.to_ascii_lowercase().as_str())
        })
        .collect::<Vec<_>>()
        .join(" ");
    if amount.is_empty() {
        return Ok(Command::Budget { limit: None });
    }
    match trim_word(&amount).parse() {
        Ok(limit) => Ok(Command::Budget { limit: Some(limit) }),
        Err(_) => Err(CommandError::BadAmount { found: amount }),
    }
}

/// Reads `with AGENT …`.
fn request_with(words: &Words<'_>) -> Result<Command, CommandError> {
    let (_, line) = split_word(words.line);
    let (_, all) = split_word(words.all);
    let agent = name(split_word(line).0, Named::Agent)?;
    Ok(request(Some(agent), split_word(all).1))
}

/// Reads what does not begin with a command: a request, a slip of the fingers, or nothing at all.
fn free(text: &str) -> Result<Command, CommandError> {
    let mut words = said_words(text);
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Help),
        (Some(word), None) => {
            let known = Verb::ALL.iter().map(|verb| verb.as_str());
            match suggest::nearest(trim_word(word), known).and_then(Verb::of) {
                Some(nearest) => Err(CommandError::Unknown {
                    word: word.to_owned(),
                    nearest,
                }),
                None => Ok(request(None, text)),
            }
        }
        (Some(_), Some(_)) => Ok(request(None, text)),
    }
}

fn request(agent: Option<Name>, text: &str) -> Command {
    if agent.is_none() && said_words(text).next().is_none() {
        return Command::Help;
    }
    Command::Request {
        agent,
        text: text.to_owned(),
    }
}

fn name(word: &str, what: Named) -> Result<Name, CommandError> {
    let bare = trim_word(word);
    bare.to_ascii_lowercase()
        .parse()
        .map_err(|_| CommandError::BadName {
            what,
            found: word.to_owned(),
        })
}

/// Returns the words that a command did not expect; courtesy is always expected.
fn unexpected(line: &str) -> Option<String> {
    let all_polite = said_words(line).all(is_polite);
    (!all_polite).then(|| line.trim().to_owned())
}

fn is_polite(word: &str) -> bool {
    ["", "please", "pls", "now", "thanks", "thank", "you"]
        .contains(&trim_word(word).to_ascii_lowercase().as_str())
}

/// Returns the words of a text up to the first hidden part, which nobody can have meant to say.
fn said_words(text: &str) -> impl Iterator<Item = &str> {
    let text = without_leading_comments(text);
    text.split("<!--")
        .next()
        .unwrap_or_default()
        .split_whitespace()
}

/// Splits off the first word and, before what follows it, the white space.
fn split_word(text: &str) -> (&str, &str) {
    let text = without_leading_comments(text).trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let end = text.find("<!--").map_or(end, |comment| end.min(comment));
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (word, without_blank_start(without_leading_comments(rest)))
}

/// Drops blank lines at the start, and the spaces of the first line unless lines were dropped: below
/// a blank line, leading spaces are Markdown (indented code).
fn without_blank_start(text: &str) -> &str {
    let content = text.trim_start();
    let blank = text.len() - content.len();
    match text.get(..blank).and_then(|b| b.rfind('\n')) {
        Some(newline) => text.get(newline + 1..).unwrap_or_default(),
        None => content,
    }
}

fn without_leading_comments(mut text: &str) -> &str {
    while let Some(comment) = text.trim_start().strip_prefix("<!--") {
        text = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    text
}

/// Takes the quotes, code marks and emphasis off a word, and the punctuation of a sentence after it.
fn trim_word(word: &str) -> &str {
    let wrapping = |c: char| "*`\"'()".contains(c) || invisible::is_invisible(c);
    word.trim_matches(wrapping)
        .trim_end_matches(|c: char| ".,!?;:…".contains(c) || wrapping(c))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::markdown::dialect;
    use crate::domain::money::Usd;

    fn read_as(body: &str) -> Vec<Result<Command, CommandError>> {
        parse(body, &Mention::new("prova"))
    }

    fn shown(body: &str) -> String {
        let lines = read_as(body).into_iter().map(|result| match result {
            Ok(command) => format!("{command:?}\n"),
            Err(error) => format!("error: {error}\n"),
        });
        lines.collect()
    }

    /// Each comment in `fixtures/comments` has beside it what it is read as.
    #[test]
    fn the_corpus_is_read_as_expected() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/comments");
        let mut read = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "md") && !path.ends_with("README.md") {
                let body = std::fs::read_to_string(&path).unwrap();
                let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap();
                assert_eq!(shown(&body), expected, "{}", path.display());
                read += 1;
            }
        }
        assert!(read >= 20, "only {read} comments found");
    }

    #[test]
    fn a_retry_names_its_agent() {
        let retry = Command::Retry {
            agent: Some("codex".parse().unwrap()),
        };
        assert_eq!(retry.to_string(), "retry with codex");
        assert_eq!(read_as("@prova retry with codex"), [Ok(retry)]);
    }

    #[test]
    fn a_race_has_two_to_four_agents_and_perhaps_a_request() {
        let race = |agents: &[&str], text: &str| {
            vec![Ok(Command::Race {
                agents: agents.iter().map(|name| name.parse().unwrap()).collect(),
                text: text.to_owned(),
            })]
        };
        for body in [
            "@prova race codex claude",
            "@prova race Codex, `claude` please.",
            "@prova race codex and claude",
            "@prova race codex vs. claude",
            "@prova race codex claude codex",
        ] {
            assert_eq!(read_as(body), race(&["codex", "claude"], ""), "{body}");
        }
        for body in [
            "@prova race codex claude: fix it\n\nAnd test it.",
            "@prova race codex claude\n\nfix it\n\nAnd test it.",
        ] {
            let expected = race(&["codex", "claude"], "fix it\n\nAnd test it.");
            assert_eq!(read_as(body), expected, "{body}");
        }
        for (body, says) in [
            ("@prova race codex", "two agents at least"),
            ("@prova race codex codex", "two agents at least"),
            ("@prova race", "two agents at least"),
            ("@prova race a b c d e", "4 agents at most"),
            ("@prova race codex @octo", "is not the name of an agent"),
        ] {
            let error = read_as(body).remove(0).unwrap_err().to_string();
            assert!(error.contains(says), "{body}: {error}");
        }
    }

    #[test]
    fn a_comment_of_the_largest_size_is_read_quickly() {
        for unit in [
            "@prova ",
            "x @prova fix\n",
            "@prova fix\n\n",
            "@prova\n",
            "@prova <!--",
            "@prova.",
            "*@prova* ",
        ] {
            let body: String = unit.repeat(65_536 / unit.len());
            assert!(read_as(&body).len() <= MAX_COMMANDS + 1);
        }
        let ten_thousand = "@prova status\n".repeat(10_000);
        assert_eq!(
            read_as(&ten_thousand).last(),
            Some(&Err(CommandError::TooMany { limit: 10 }))
        );
    }

    fn a_name() -> impl Strategy<Value = Name> {
        "[a-z0-9][a-z0-9_-]{0,10}".prop_map(|name| name.parse().unwrap())
    }

    fn a_text() -> impl Strategy<Value = String> {
        // The first two words are none of ours, and make it more than one word.
        "(fix|do) it([ \n]{1,2}[a-z@.`*_#0-9]{1,8}){0,6}"
            .prop_filter("keeps to one mention", |text| {
                !text.contains("@prova") && text.trim() == text
            })
    }

    fn a_command() -> impl Strategy<Value = Command> {
        prop_oneof![
            prop::sample::select(vec![
                Command::Help,
                Command::Status,
                Command::Approve,
                Command::Stop,
                Command::Undo,
                Command::Rebase,
                Command::Plan {
                    text: String::new()
                },
                Command::Review {
                    text: String::new()
                },
                Command::Budget { limit: None },
                Command::Retry { agent: None },
            ]),
            a_text().prop_map(|text| Command::Plan { text }),
            a_text().prop_map(|text| Command::Review { text }),
            a_text().prop_map(|text| Command::Ask { text }),
            a_text().prop_map(|text| Command::Request { agent: None, text }),
            (a_name(), a_text()).prop_map(|(agent, text)| Command::Request {
                agent: Some(agent),
                text
            }),
            a_name().prop_map(|agent| Command::Request {
                agent: Some(agent),
                text: String::new()
            }),
            a_name().prop_map(|agent| Command::Retry { agent: Some(agent) }),
            (
                prop::collection::btree_set(a_name(), RACERS),
                prop_oneof![Just(String::new()), a_text()]
            )
                .prop_filter("its names are not the words between names", |(names, _)| {
                    !names.iter().any(|name| {
                        ["and", "vs", "against"].contains(&name.as_str())
                            || is_polite(name.as_str())
                    })
                })
                .prop_map(|(agents, text)| Command::Race {
                    agents: agents.into_iter().collect(),
                    text
                }),
            (0_u64..=1_000_000_000_000).prop_map(|micros| Command::Budget {
                limit: Some(Usd::from_micros(micros))
            }),
            (
                a_name(),
                prop::collection::vec("[a-zA-Z0-9=./-]{1,8}", 0..4),
                prop::option::of("([a-z:$@` \"#-]{0,20}\n){1,4}")
            )
                .prop_map(|(recipe, input, block)| Command::Run {
                    recipe,
                    input,
                    block
                }),
        ]
    }

    proptest! {
        #[test]
        fn a_command_reads_back_as_it_is_shown(command in a_command()) {
            prop_assert_eq!(read_as(&format!("@prova {command}")), [Ok(command)]);
        }

        #[test]
        fn any_comment_is_read(body in "\\PC{0,200}|(@prova|@Prova\\[bot\\]|stop|run|with| |\n|`|>|- |```|<!--|-->|\\*){0,40}") {
            let commands = read_as(&body);
            prop_assert!(commands.len() <= MAX_COMMANDS + 1);
        }

        #[test]
        fn what_is_shown_or_cited_never_commands(text in "[a-z .]{0,20}") {
            let body = format!("`@prova {text}`\n\n> @prova {text}\n\n```\n@prova {text}\n```\n\n<!-- @prova {text} -->\n");
            prop_assert_eq!(read_as(&body), vec![]);
        }

        #[test]
        fn an_error_has_no_effect_in_the_thread(word in "[a-z@#|`<>*\\[\\]()!:/1]{1,80}") {
            for body in [format!("@prova run {word}"), format!("@prova budget {word}"), format!("@prova undo {word}")] {
                for error in read_as(&body).into_iter().filter_map(Result::err) {
                    let text = error.to_string();
                    let links = pulldown_cmark::Parser::new_ext(&text, dialect())
                        .any(|event| matches!(event, pulldown_cmark::Event::Start(pulldown_cmark::Tag::Link { .. } | pulldown_cmark::Tag::Image { .. })));
                    prop_assert!(!links && text.chars().count() < 1_200, "{}", text);
                }
            }
        }
    }
}
