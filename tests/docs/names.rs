//! What the documents name is there: files, commands, targets, metrics, permissions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use prova::adapters::github::{EVENTS, OPTIONAL, PERMISSIONS};
use prova::config::server::load::{Need, load};
use prova::domain::name::Name;
use prova::domain::render::help::help;
use prova::domain::render::parts::Links;

use crate::page::{Page, pages, root, text_of};

#[test]
fn every_relative_link_resolves() {
    let mut seen = 0;
    for page in pages() {
        for link in page.links() {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let file = link.split('#').next().unwrap_or_default();
            let at = page.path.parent().unwrap_or(root()).join(file);
            assert!(at.exists(), "{}: there is no {link}", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} links were found");
}

/// `src/x.rs`, `tests/a.rs`, or a path below `src` such as `domain/decide.rs`; braces list several.
fn paths(code: &str) -> Vec<String> {
    let homes = [
        "src/",
        "tests/",
        "docs/",
        "fixtures/",
        "migrations/",
        "scripts/",
        ".ci/",
    ];
    let floors = [
        "adapters/",
        "app/",
        "cli/",
        "config/",
        "domain/",
        "http/",
        "ports/",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.{},".contains(c);
    if !code.chars().all(plain) || code.contains("NNNN") {
        return Vec::new();
    }
    let whole = if floors.iter().any(|floor| code.starts_with(floor)) {
        format!("src/{code}")
    } else if homes.iter().any(|home| code.starts_with(home)) {
        code.to_owned()
    } else {
        return Vec::new();
    };
    match whole
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        Some((before, (list, after))) => list
            .split(',')
            .map(|one| format!("{before}{one}{after}"))
            .collect(),
        None => vec![whole],
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let mut seen = 0;
    for page in pages() {
        for path in page.code().into_iter().flat_map(paths) {
            let at = root().join(&path);
            let as_module = at.with_extension("rs");
            assert!(
                at.exists() || as_module.exists(),
                "{}: there is no {path}",
                page.path.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} paths were found");
}

#[test]
fn every_module_that_is_named_exists() {
    let mut seen = 0;
    for page in pages() {
        for code in page.code() {
            let mut parts = code.split("::");
            let (Some(floor), Some(room)) = (parts.next(), parts.next()) else {
                continue;
            };
            let home = root().join("src").join(floor);
            if home.is_dir() && room.starts_with(|c: char| c.is_ascii_lowercase()) {
                let at = home.join(room);
                assert!(
                    at.exists() || at.with_extension("rs").exists(),
                    "{}: there is no {code}",
                    page.path.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "only {seen} modules were found");
}

/// The commands of the real binary.
fn commands() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_prova"))
        .arg("--help")
        .output();
    let output = output.unwrap_or_else(|error| panic!("prova: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let list = text.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}

#[test]
fn the_commands_that_are_named_are_those_of_the_binary() {
    let commands = commands();
    assert!(commands.contains("serve"), "{commands:?}");
    let mut named = BTreeSet::new();
    for page in pages() {
        for before in ["`prova ", "$ prova ", "/prova "] {
            for rest in page.text.split(before).skip(1) {
                let word: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                    .collect();
                if !word.is_empty() && !word.starts_with('-') {
                    assert!(
                        commands.contains(&word),
                        "{}: `prova {word}`",
                        page.path.display()
                    );
                    named.insert(word);
                }
            }
        }
    }
    let unnamed: Vec<_> = commands
        .difference(&named)
        .filter(|name| *name != "help")
        .collect();
    assert!(unnamed.is_empty(), "no document tells of {unnamed:?}");
}

#[test]
fn what_people_can_say_is_what_help_says() {
    let links = Links {
        web_url: String::new(),
        slug: "prova".to_owned(),
        pages: None,
    };
    let none: [Name; 0] = [];
    let told = help("prova", &none, &none, &links);
    let commands = |text: &str| -> BTreeSet<String> {
        let cells = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `@prova ")?.split('`').next());
        cells.map(str::to_owned).collect()
    };
    // Who reads the answer to `help` knows of it.
    let mut told = commands(&told);
    told.insert("help".to_owned());
    assert_eq!(commands(&text_of("README.md")), told);
}

#[test]
fn the_targets_that_are_named_are_in_the_makefile() {
    let makefile = text_of("Makefile");
    let mut seen = 0;
    for page in pages() {
        for before in ["`make ", "$ make "] {
            for rest in page.text.split(before).skip(1) {
                let target: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
                assert!(
                    makefile.contains(&format!("\n{target}:")),
                    "{}: make {target}",
                    page.path.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "only {seen} targets were found");
}

#[test]
fn the_metrics_that_are_named_are_served() {
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words
            .filter(|word| word.starts_with("prova_") && word.len() > 6)
            .map(str::to_owned)
            .collect()
    };
    let served = words(&text_of("src/http/health.rs"));
    assert!(served.len() > 5, "{served:?}");
    assert_eq!(words(&text_of("docs/operations.md")), served);
}

/// Reads `app.yml` as far as it goes: a key at the margin, and the lines below it without comments.
fn manifest(key: &str) -> Vec<String> {
    let text = text_of("app.yml");
    let lines = text
        .lines()
        .skip_while(|line| *line != format!("{key}:"))
        .skip(1);
    let block = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let plain = block
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    plain.map(str::to_owned).collect()
}

#[test]
fn the_manifest_asks_for_what_the_code_needs() {
    let permissions: BTreeMap<String, String> = manifest("default_permissions")
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, level)| (name.to_owned(), level.to_owned()))
        .collect();
    let needed = OPTIONAL
        .iter()
        .chain(PERMISSIONS)
        .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()));
    assert_eq!(permissions, needed.collect());
    let events: BTreeSet<String> = manifest("default_events")
        .iter()
        .filter_map(|line| line.strip_prefix("- "))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        events,
        EVENTS.iter().map(|event| (*event).to_owned()).collect()
    );
}

#[test]
fn the_address_that_registers_an_app_asks_for_the_same() {
    let block = Page::open("docs/operations.md")
        .blocks("text")
        .swap_remove(0);
    let (_, query) = block
        .trim()
        .split_once('?')
        .unwrap_or_else(|| panic!("{block}"));
    let pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let form = ["name", "url", "webhook_url", "public"];
    let permissions: Vec<_> = pairs
        .iter()
        .filter(|(key, _)| *key != "events[]" && !form.contains(key))
        .copied()
        .collect();
    assert_eq!(permissions, [OPTIONAL, PERMISSIONS].concat());
    let events: Vec<_> = pairs
        .iter()
        .filter(|(key, _)| *key == "events[]")
        .map(|(_, event)| *event)
        .collect();
    assert_eq!(events, EVENTS);
}

#[test]
fn the_image_is_set_up_by_settings_that_exist() {
    let dockerfile = text_of("Dockerfile");
    let known = text_of("docs/configuration.md");
    let words = dockerfile.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for variable in words.filter(|word| word.starts_with("PROVA_") && *word != "PROVA_SECTION__KEY")
    {
        assert!(known.contains(&format!("`{variable}`")), "{variable}");
    }
    let settings = load(
        "prova.toml",
        "",
        Path::new(""),
        (&BTreeMap::new(), Need::Local),
    );
    let port = settings
        .map(|settings| settings.server.listen.port())
        .unwrap_or_default();
    assert!(
        dockerfile.contains(&format!("\nEXPOSE {port}\n")),
        "the default port is {port}"
    );
    assert!(
        dockerfile.contains(&format!("--publish {port}:{port}")),
        "the default port is {port}"
    );
}
