//! `docs/configuration.md` and `prova.example.toml` against the parsers: keys, defaults, bounds,
//! variables and examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prova::config::policy;
use prova::config::report::{Fault, Problems};
use prova::config::server::load::{Need, load};
use prova::config::server::{Limits, ServerSettings};
use prova::domain::policy::Policy;

use crate::page::{Page, text_of};

/// A key that nothing reads and that resembles none.
const BOGUS: &str = "zzzzzzzzzz";

/// One documented key.
struct Key {
    /// The table as it is written, such as `agents.NAME`; empty for the top of the file.
    table: String,
    name: String,
    kind: String,
    default: String,
    /// The variable; server settings only.
    variable: Option<String>,
}

impl Key {
    /// Returns a file that sets nothing but this key.
    fn file(&self, value: &str) -> String {
        let header = if self.table.is_empty() {
            String::new()
        } else {
            format!("[{}]\n", self.table)
        };
        let rest = match self.table.as_str() {
            "agents.NAME" => {
                "driver = \"builtin\"\nmodels = [\"a\"]\n[models.a]\napi = \"openai\"\n\
                 prices.a = { input = 1, output = 1 }\n"
            }
            "models.NAME" => "api = \"openai\"\nprices.a = { input = 1, output = 1 }\n",
            _ => "",
        };
        let header = header.replace("NAME", "name");
        format!("{header}{} = {value}\n{rest}", self.name)
    }

    /// Returns the default as it stands in TOML, when the table shows one.
    fn literal(&self) -> Option<&str> {
        self.default.strip_prefix('`')?.strip_suffix('`')
    }
}

fn documented(chapter: &str) -> Vec<Key> {
    let rows = Page::open("docs/configuration.md").rows();
    let keys = rows
        .into_iter()
        .filter(|row| row.chapter.starts_with(chapter))
        .map(|row| {
            let code = |cell: &String| cell.trim_matches('`').to_owned();
            let table = row.section.trim_matches(['[', ']']);
            Key {
                table: if table.contains(' ') {
                    String::new()
                } else {
                    table.to_owned()
                },
                name: code(&row.cells[0]),
                kind: row.cells[1].clone(),
                default: row.cells[2].clone(),
                variable: (row.cells.len() == 5).then(|| code(&row.cells[3])),
            }
        });
    let keys: Vec<Key> = keys.collect();
    assert!(keys.len() > 15, "the tables of {chapter} were not found");
    keys
}

fn server(text: &str, variables: &[(&str, &str)], need: Need) -> Result<ServerSettings, Problems> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<String, String> = variables.iter().map(owned).collect();
    load("prova.toml", text, Path::new(""), (&variables, need))
}

fn local(text: &str) -> Result<ServerSettings, Problems> {
    server(text, &[], Need::Local)
}

/// Returns the keys that a parser knows where the bogus one stands.
fn known<T>(read: Result<T, Problems>) -> BTreeSet<String> {
    let problems = read.err().unwrap_or_else(|| panic!("{BOGUS} was taken"));
    let unknown = problems
        .list()
        .iter()
        .filter(|problem| problem.key.ends_with(BOGUS));
    let keys = unknown.flat_map(|problem| match &problem.fault {
        Fault::UnknownKey { known, .. } => known.clone(),
        Fault::Syntax(_)
        | Fault::File(_)
        | Fault::WrongType { .. }
        | Fault::BadValue { .. }
        | Fault::Missing { .. } => panic!("{BOGUS} is not said to be unknown: {problem}"),
    });
    keys.collect()
}

fn names(keys: &[Key], table: &str) -> BTreeSet<String> {
    keys.iter()
        .filter(|key| key.table == table)
        .map(|key| key.name.clone())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_server_setting_is_documented_and_no_other() {
    let keys = documented("Server settings");
    let tables = known(local(&format!("{BOGUS} = 1")));
    assert_eq!(
        tables,
        set(&[
            "agents", "budget", "github", "limits", "models", "sandbox", "server", "store", "work",
            "worker"
        ])
    );
    for table in tables
        .iter()
        .filter(|table| !["agents", "models"].contains(&table.as_str()))
    {
        let read = known(local(&format!("[{table}]\n{BOGUS} = 1")));
        let mut written = names(&keys, table);
        if table == "sandbox" {
            written.extend(["kubernetes", "profiles"].map(str::to_owned));
        }
        assert_eq!(written, read, "[{table}]");
    }
    let kubernetes = known(local(&format!("[sandbox.kubernetes]\n{BOGUS} = 1")));
    assert_eq!(names(&keys, "sandbox.kubernetes"), kubernetes);
    let profile = known(local(&format!("[sandbox.profiles.a]\n{BOGUS} = 1")));
    assert_eq!(names(&keys, "sandbox.profiles.NAME"), profile);
    let exec = format!("[agents.a]\ndriver = \"exec\"\ncommand = [\"a\"]\n{BOGUS} = 1");
    let recipe = format!("[agents.a]\ndriver = \"recipe\"\nrun = \"a\"\n{BOGUS} = 1");
    let preset = format!("[agents.a]\npreset = \"codex\"\n{BOGUS} = 1");
    let builtin = format!("[agents.a]\ndriver = \"builtin\"\nmodels = [\"a\"]\n{BOGUS} = 1");
    let acp = exec.replace("exec", "acp");
    let all = [exec, acp, builtin, recipe, preset]
        .iter()
        .flat_map(|text| known(local(text)))
        .collect();
    assert_eq!(names(&keys, "agents.NAME"), all);
    let endpoint = "[models.a]\napi = \"openai\"\n";
    let mut read = known(local(&format!("{endpoint}{BOGUS} = 1")));
    assert!(read.remove("prices"), "a table of its own");
    assert_eq!(names(&keys, "models.NAME"), read);
    let price = format!("{endpoint}[models.a.prices.b]\ninput = 1\noutput = 1\n{BOGUS} = 1");
    assert_eq!(
        names(&keys, "models.NAME.prices.MODEL"),
        known(local(&price))
    );
}

#[test]
fn every_key_of_a_policy_is_documented_and_no_other() {
    let keys = documented("Repository policy");
    let mut top = names(&keys, "");
    top.extend(set(&[
        "bots",
        "branch",
        "budget",
        "ci",
        "limits",
        "recipes",
        "review",
        "roles",
        "sandbox",
        "schedules",
        "secrets",
        "text",
    ]));
    assert_eq!(top, known(policy::parse(&format!("{BOGUS} = 1"))));
    for table in [
        "bots",
        "branch",
        "budget",
        "ci",
        "limits",
        "recipes.NAME",
        "review",
        "roles",
        "sandbox",
        "schedules.NAME",
        "secrets",
        "text",
    ] {
        let text = format!("[{}]\n{BOGUS} = 1", table.to_lowercase());
        assert_eq!(
            names(&keys, table),
            known(policy::parse(&text)),
            "[{table}]"
        );
    }
}

#[test]
fn the_documented_defaults_hold() {
    let (settings, policies) = (
        documented("Server settings"),
        documented("Repository policy"),
    );
    let mut seen = 0;
    for key in settings.iter().filter(|key| key.literal().is_some()) {
        let text = key.file(key.literal().unwrap_or_default());
        assert_eq!(local(&text), local(""), "{text}");
        seen += 1;
    }
    for key in policies.iter().filter(|key| key.literal().is_some()) {
        let text = key.file(key.literal().unwrap_or_default());
        assert_eq!(policy::parse(&text), Ok(Policy::default()), "{text}");
        seen += 1;
    }
    assert!(seen > 20, "only {seen} defaults were found");
    let blocks = Page::open("docs/configuration.md").blocks("toml");
    let protect: Vec<_> = blocks
        .iter()
        .filter(|block| block.starts_with("protect = ["))
        .collect();
    assert_eq!(protect.len(), 1);
    assert_eq!(policy::parse(protect[0]), Ok(Policy::default()));
    let egress = blocks
        .iter()
        .find(|block| block.starts_with("[sandbox]\negress = ["));
    assert_eq!(local(egress.unwrap()), local(""));
}

#[test]
fn what_has_no_default_is_not_set() {
    for key in documented("Server settings")
        .iter()
        .filter(|key| key.default.starts_with("required"))
    {
        if !key.table.contains("NAME") {
            let problems = server("", &[], Need::Server)
                .err()
                .map(|problems| problems.to_string());
            let name = format!("{}.{}: missing", key.table, key.name);
            assert!(problems.unwrap_or_default().contains(&name), "{name}");
        }
    }
    let shown = local("")
        .map(|settings| settings.shown())
        .unwrap_or_default();
    for key in documented("Server settings")
        .iter()
        .filter(|key| key.default == "none")
    {
        let head = format!("{}]", key.table);
        let mut sections = shown.split('[');
        let section = sections.find(|section| section.starts_with(&head));
        assert!(
            !section.is_some_and(|section| section.contains(&format!("\n{} = ", key.name))),
            "{} is set:\n{shown}",
            key.name
        );
    }
}

/// Returns the bounds in a type such as `whole number, 1 to 256`.
fn bounds(kind: &str) -> Option<(u64, u64)> {
    let (low, high) = kind.strip_prefix("whole number, ")?.split_once(" to ")?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

#[test]
fn the_documented_bounds_hold() {
    let taken = |key: &Key, value: &str| {
        let text = key.file(value);
        let is_policy = key.variable.is_none();
        if is_policy {
            policy::parse(&text).is_ok()
        } else {
            // An agent that is named has to be there.
            let agent = "[agents.a]\ndriver = \"recipe\"\nrun = \"a\"\n";
            local(&format!("{text}{agent}")).is_ok()
        }
    };
    let mut seen = 0;
    for key in documented("Server settings")
        .iter()
        .chain(&documented("Repository policy"))
    {
        if let Some((low, high)) = bounds(&key.kind) {
            let below = low.checked_sub(1).map(|value| (value, false));
            let others = [(low, true), (high, true), (high + 1, false)];
            for (value, expected) in below.into_iter().chain(others) {
                assert_eq!(
                    taken(key, &value.to_string()),
                    expected,
                    "{} = {value}",
                    key.name
                );
            }
            seen += 1;
        }
        let list = key
            .kind
            .strip_prefix("list of ")
            .and_then(|list| list.split_once(", at most "));
        if let (Some((what, most)), false) = (list, key.table.contains("NAME")) {
            let sample = match what {
                "absolute paths" => "\"/a\", ",
                "accounts" | "paths" | "shell lines" | "patterns" | "names" => "\"a\", ",
                "hosts" => "\"a.b\", ",
                "bots" => "\"a[bot]\", ",
                other => panic!("{}: no example of {other}", key.name),
            };
            let most: usize = most
                .parse()
                .unwrap_or_else(|error| panic!("{most}: {error}"));
            let of = |count: usize| format!("[{}]", sample.repeat(count));
            assert!(taken(key, &of(most)), "{} of {most}", key.name);
            assert!(
                !taken(key, &of(most + 1)),
                "{} of more than {most}",
                key.name
            );
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} bounds were found");
}

#[test]
fn every_setting_is_a_variable_too() {
    for key in documented("Server settings") {
        let variable = key
            .variable
            .clone()
            .unwrap_or_else(|| panic!("{} has no variable", key.name));
        let path = format!("{}.{}", key.table, key.name).to_uppercase();
        let expected = format!("PROVA_{}", path.replace('.', "__"));
        let of_a_map = format!("{expected}__VARIABLE");
        assert!(
            variable == expected || variable == of_a_map,
            "{variable}, not {expected}"
        );
        if let Some(literal) = key.literal() {
            let value = literal.trim_matches('"');
            let read = server("", &[(&variable, value)], Need::Local);
            assert_eq!(read, local(""), "{variable}={value}");
        }
    }
    // Beside them, the secrets themselves.
    let bogus = format!("PROVA_GITHUB__{}", BOGUS.to_uppercase());
    let mut by_variable = known(server("", &[(&bogus, "1")], Need::Local));
    for name in names(&documented("Server settings"), "github") {
        assert!(by_variable.remove(&name), "{name}");
    }
    let page = Page::open("docs/configuration.md");
    for name in &by_variable {
        let variable = format!("PROVA_GITHUB__{}", name.to_uppercase());
        assert!(
            page.code().contains(&variable.as_str()),
            "{variable} is not documented"
        );
    }
    assert_eq!(by_variable.len(), 3);
}

#[test]
fn every_example_is_read() {
    let mut seen = 0;
    for page in crate::page::pages() {
        for block in page.blocks("toml") {
            let (as_settings, as_policy) = (local(&block), policy::parse(&block));
            if let (Err(settings), Err(policy)) = (as_settings, as_policy) {
                panic!(
                    "{}:\n{block}\nis neither:\n{settings}\n{policy}",
                    page.path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} examples were found");
    let first = Page::open("docs/configuration.md")
        .blocks("toml")
        .swap_remove(0);
    assert!(
        server(&first, &[], Need::Server).is_ok(),
        "a server cannot start with\n{first}"
    );
}

#[test]
fn the_example_file_is_read_and_names_every_setting() {
    let text = text_of("prova.example.toml");
    if let Err(problems) = server(&text, &[], Need::Server) {
        panic!("prova.example.toml:\n{problems}");
    }
    // With every line that is commented out.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => format!("{rest}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let full = server(&uncommented, &[], Need::Server);
    let full = full.unwrap_or_else(|problems| panic!("uncommented:\n{problems}"));
    // Those with a default show it.
    let limits = Limits {
        milli_cpus: None, // the only one without
        ..full.limits
    };
    assert_eq!(Ok(limits), local("").map(|settings| settings.limits));
    assert_eq!(Ok(full.store), local("").map(|settings| settings.store));
    for key in documented("Server settings") {
        let line = format!("\n{} = ", key.name);
        assert!(
            uncommented.contains(&line),
            "{}.{} is not in the example",
            key.table,
            key.name
        );
    }
}
