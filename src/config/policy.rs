//! `.github/prova.toml`: text to a [`Policy`].

use crate::config::reader::{Table, read, read_bytes};
use crate::config::report::Problems;
use crate::config::values;
use crate::domain::integration::MOST_ROUNDS;
use crate::domain::money::Usd;
use crate::domain::name::Name;
use crate::domain::policy::protected::Protected;
use crate::domain::policy::{
    BotsPolicy, BranchPolicy, Budget, Ci, Limits, OnConflict, POLICY_PATH, PlanMode, Policy,
    Recipe, ReviewPolicy, Roles, Schedule, Secrets, Text, Untrusted, WhenBehind, WhenHeeded,
    WhenOver,
};

/// Entries of a list of commands, files, accounts or schedules.
const MAX_ENTRIES: usize = 20;
/// Agents that take over from others.
const MAX_FALLBACK: usize = 10;
/// Recipes.
const MAX_RECIPES: usize = 50;
/// Hosts that may be reached.
const MAX_HOSTS: usize = 100;
/// Protected patterns; each is an automaton, and each changed path is held against all.
const MAX_PATTERNS: usize = 200;
/// A day; longer jobs are several.
const MAX_MINUTES: u64 = 24 * 60;

/// Reads the policy of a repository. What the text does not say is as in [`Policy::default`].
///
/// # Errors
/// With everything that is wrong with the text.
pub fn parse(text: &str) -> Result<Policy, Problems> {
    read(POLICY_PATH, text, policy)
}

/// Reads the policy as [`parse`] does, from the bytes of the file.
///
/// # Errors
/// As [`parse`], and when the bytes are not UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Policy, Problems> {
    read_bytes(POLICY_PATH, bytes, policy)
}

fn policy(top: &mut Table<'_, '_>) -> Policy {
    let default = Policy::default();
    let modes = [
        ("auto", PlanMode::Auto),
        ("approve", PlanMode::Approve),
        ("off", PlanMode::Off),
    ];
    Policy {
        label: top.text("label", values::label).unwrap_or(default.label),
        assignees: top
            .texts("assignees", MAX_ENTRIES, values::login)
            .unwrap_or(default.assignees),
        agent: top.text("agent", str::parse::<Name>),
        fallback: top.texts("fallback", MAX_FALLBACK, str::parse::<Name>),
        roles: top.table("roles", roles).unwrap_or(default.roles),
        instructions: top
            .texts("instructions", MAX_ENTRIES, values::path)
            .unwrap_or(default.instructions),
        setup: top
            .texts("setup", MAX_ENTRIES, values::command)
            .unwrap_or(default.setup),
        checks: top
            .texts("checks", MAX_ENTRIES, values::command)
            .unwrap_or(default.checks),
        plan: top.choice("plan", &modes).unwrap_or(default.plan),
        protect: paths(top, "protect").unwrap_or(default.protect),
        egress: top
            .texts("egress", MAX_HOSTS, values::host)
            .unwrap_or(default.egress),
        draft: top.flag("draft").unwrap_or(default.draft),
        recipes: top.named("recipes", MAX_RECIPES, recipe),
        budget: top.table("budget", budget).unwrap_or(default.budget),
        schedules: top.named("schedules", MAX_ENTRIES, schedule),
        limits: top.table("limits", limits).unwrap_or(default.limits),
        text: top.table("text", text).unwrap_or(default.text),
        secrets: top.table("secrets", secrets).unwrap_or(default.secrets),
        profile: top.table("sandbox", profile).flatten(),
        ci: top.table("ci", ci).unwrap_or(default.ci),
        bots: top.table("bots", bots).unwrap_or(default.bots),
        branch: top.table("branch", branch).unwrap_or_default(),
        review: top.table("review", review).unwrap_or_default(),
    }
}

fn paths(table: &mut Table<'_, '_>, key: &'static str) -> Option<Protected> {
    let patterns = table.texts(key, MAX_PATTERNS, values::pattern)?;
    match Protected::new(patterns) {
        Ok(paths) => Some(paths),
        Err((_, why)) => {
            table.refuse(key, format!("{why}; expected fewer or simpler patterns"));
            None
        }
    }
}

fn recipe(table: &mut Table<'_, '_>) -> Option<Recipe> {
    let title = table.text("title", |text| values::line(text, 200));
    let run = table.required_text("run", "a command, such as \"cargo fmt\"", values::command)?;
    Some(Recipe { run, title })
}

fn schedule(table: &mut Table<'_, '_>) -> Option<Schedule> {
    let cron = table.required_text("cron", "when, such as \"0 3 * * *\"", values::cron);
    let run = table.required_text(
        "run",
        "what to do, as it would stand after a mention",
        values::command,
    );
    Some(Schedule {
        cron: cron?,
        run: run?,
    })
}

fn roles(table: &mut Table<'_, '_>) -> Roles {
    Roles {
        follow_up: table.text("follow_up", str::parse::<Name>),
        plan: table.text("plan", str::parse::<Name>),
        ask: table.text("ask", str::parse::<Name>),
        review: table.text("review", str::parse::<Name>),
    }
}

fn budget(table: &mut Table<'_, '_>) -> Budget {
    Budget {
        job_usd: table.number("job_usd", str::parse::<Usd>),
    }
}

fn limits(table: &mut Table<'_, '_>) -> Limits {
    let minutes = table.whole("timeout_minutes", 1..=MAX_MINUTES);
    Limits {
        timeout_minutes: minutes.and_then(|minutes| u32::try_from(minutes).ok()),
    }
}

/// A name and nothing more: what stands behind it is the operator's to say.
fn profile(table: &mut Table<'_, '_>) -> Option<Name> {
    table.text("profile", str::parse::<Name>)
}

fn ci(table: &mut Table<'_, '_>) -> Ci {
    let default = Ci::default();
    let rounds = table.whole("rounds", 0..=u64::from(MOST_ROUNDS));
    let rounds = rounds.and_then(|rounds| u32::try_from(rounds).ok());
    Ci {
        rounds: rounds.unwrap_or(default.rounds),
        rerun: table.flag("rerun").unwrap_or(default.rerun),
    }
}

fn bots(table: &mut Table<'_, '_>) -> BotsPolicy {
    let default = BotsPolicy::default();
    let allow = table.texts("allow", MAX_ENTRIES, values::bot);
    let rounds = table.whole("rounds", 1..=u64::from(MOST_ROUNDS));
    let rounds = rounds.and_then(|rounds| u32::try_from(rounds).ok());
    BotsPolicy {
        allow: allow.unwrap_or(default.allow),
        rounds: rounds.unwrap_or(default.rounds),
    }
}

fn text(table: &mut Table<'_, '_>) -> Text {
    let choices = [("quote", Untrusted::Quote), ("drop", Untrusted::Drop)];
    let untrusted = table.choice("untrusted", &choices);
    Text {
        untrusted: untrusted.unwrap_or(Untrusted::Quote),
    }
}

fn branch(table: &mut Table<'_, '_>) -> BranchPolicy {
    let default = BranchPolicy::default();
    let updates = [("never", WhenBehind::Never), ("clean", WhenBehind::Clean)];
    let conflicts = [("say", OnConflict::Say), ("resolve", OnConflict::Resolve)];
    let deletes = [
        ("never", WhenOver::Never),
        ("merged", WhenOver::Merged),
        ("ended", WhenOver::Ended),
    ];
    BranchPolicy {
        delete: table.choice("delete", &deletes).unwrap_or(default.delete),
        update: table.choice("update", &updates).unwrap_or(default.update),
        conflict: (table.choice("conflict", &conflicts)).unwrap_or(default.conflict),
    }
}

fn review(table: &mut Table<'_, '_>) -> ReviewPolicy {
    let resolves = [
        ("never", WhenHeeded::Never),
        ("changed", WhenHeeded::Changed),
    ];
    ReviewPolicy {
        resolve: (table.choice("resolve", &resolves)).unwrap_or_default(),
    }
}

fn secrets(table: &mut Table<'_, '_>) -> Secrets {
    Secrets {
        allow: paths(table, "allow").unwrap_or_else(Protected::none),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn problems(text: &str) -> String {
        match parse(text) {
            Ok(policy) => format!("{policy:?}"),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse(""), Ok(Policy::default()));
        assert_eq!(parse("\u{feff}# a comment\r\n"), Ok(Policy::default()));
    }

    /// Each policy in `fixtures/policy` has beside it what is wrong with it, or what it says.
    #[test]
    fn the_corpus_is_read_as_expected() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy");
        let mut read = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let shown = match parse(&text) {
                    Ok(policy) => format!("{policy:#?}\n"),
                    Err(problems) => format!("{problems}\n\n{}\n", problems.markdown()),
                };
                let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap();
                assert_eq!(shown, expected, "{}", path.display());
                read += 1;
            }
        }
        assert!(read >= 5, "only {read} policies found");
    }

    #[test]
    fn a_file_that_cannot_be_one_is_refused() {
        let large = "#".repeat(64 * 1024 + 1);
        assert_eq!(
            problems(&large),
            ".github/prova.toml: the file has 65537 bytes, expected at most 65536"
        );
        assert_eq!(
            parse_bytes(b"label = \"\xff\"").unwrap_err().to_string(),
            ".github/prova.toml: the file is not UTF-8 from byte 9 on; save it as UTF-8"
        );
        let deep = format!("checks = {}", "[".repeat(60_000));
        assert!(problems(&deep).contains("not TOML"), "{}", problems(&deep));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_bytes(&text);
        }

        #[test]
        fn every_unknown_key_is_named(keys in prop::collection::btree_set("[a-z]{9,12}", 1..8)) {
            let known = ["assignees", "instructions", "schedules"];
            prop_assume!(keys.iter().all(|key| !known.contains(&key.as_str())));
            let lines: Vec<String> = keys.iter().map(|key| format!("{key} = 1")).collect();
            let text = lines.join("\n");
            let found = parse(&text).unwrap_err();
            let mut named: Vec<&str> = found.list().iter().map(|problem| problem.key.as_str()).collect();
            named.sort_unstable();
            prop_assert_eq!(named, keys.iter().collect::<Vec<_>>());
        }
    }
}
