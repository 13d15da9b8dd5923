//! The rules of the house, each a function from one file to what it breaks.

use std::fmt;

use crate::scan::{Mention, Written};
use crate::source::{House, Source};

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// The file, from the root of the package.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong, and the rule that says so.
    pub(crate) what: String,
}

impl Breach {
    /// A breach at a line of a file.
    pub(crate) fn at(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: source.file.clone(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Which floors each floor may name, beside itself.
const FLOORS: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    // Programs inside a sandbox: they have none of the server's ports.
    ("inside", &["domain"]),
    ("config", &["domain"]),
    ("ports", &["domain", "config"]),
    ("app", &["domain", "config", "ports"]),
    ("adapters", &["domain", "config", "ports"]),
    ("http", &["domain", "config", "ports", "app"]),
    ("simulator", &["domain"]),
    (
        "bootstrap",
        &[
            "domain",
            "config",
            "ports",
            "app",
            "adapters",
            "inside",
            "http",
            "simulator",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "config",
            "ports",
            "app",
            "http",
            "simulator",
            "bootstrap",
        ],
    ),
    ("main", &["cli"]),
];

/// Libraries that only some places may name.
const HOMES: [(&str, &[&str]); 15] = [
    ("agent_client_protocol", &["adapters/agent/acp"]),
    ("bollard", &["adapters/sandbox/container"]),
    ("genai", &["inside/agent"]),
    ("k8s_openapi", &["adapters/sandbox/kubernetes"]),
    ("kube", &["adapters/sandbox/kubernetes"]),
    ("octocrab", &["adapters/github"]),
    ("sqlx", &["adapters/store"]),
    ("axum", &["http", "simulator"]),
    // System calls: by number, past their types, and as a filter.
    ("libc", &["adapters/sandbox"]),
    ("nix", &["adapters/sandbox"]),
    ("seccompiler", &["adapters/sandbox"]),
    // What parses the files of a repository stays in the sandbox.
    ("ast_grep_config", &["inside/rewriting"]),
    ("ast_grep_language", &["inside/rewriting"]),
    ("ignore", &["inside"]),
    ("typos", &["inside/spelling"]),
];

/// Where programs are started: git, agents in their sandbox, and what they start in there.
const SPAWNERS: [&str; 4] = ["adapters/git", "adapters/sandbox", "inside", "simulator"];

/// Where the clock is read.
const CLOCKS: [&str; 2] = ["adapters/system", "simulator"];

const IMPURE_CRATES: [&str; 9] = [
    "tokio", "sqlx", "octocrab", "axum", "hyper", "reqwest", "rand", "rustix", "tempfile",
];
const IMPURE_STD: [&str; 5] = ["fs", "net", "process", "env", "thread"];
const IMPURE_WORDS: [&str; 4] = ["async", "await", "SystemTime", "Instant"];

const MAX_PRODUCTION_LINES: usize = 800;
const MAX_MAIN_LINES: usize = 40;

/// Everything that one file breaks by itself.
pub(crate) fn breaches(house: &House, source: &Source) -> Vec<Breach> {
    let mut found = floors(house, source);
    found.extend(re_exports(house, source));
    found.extend(purity(source));
    found.extend(homes(source));
    found.extend(spawning(source));
    found.extend(clock(source));
    found.extend(test_modules(source));
    found.extend(relatives(source));
    found.extend(size(source));
    found
}

/// A file names only floors below its own, and adapters never each other.
fn floors(house: &House, source: &Source) -> Vec<Breach> {
    // The library's root only lists the floors.
    let Some(floor) = source.floor() else {
        return Vec::new();
    };
    let Some((_, below)) = FLOORS.iter().find(|(name, _)| *name == floor) else {
        return vec![Breach::at(
            source,
            1,
            format!("`{floor}` is not a floor of the house"),
        )];
    };
    let judge = |mention: &Mention| {
        let target = house.resolve(source, mention)?;
        let Some(to) = target
            .first()
            .map(String::as_str)
            .filter(|first| *first != "*")
        else {
            return Some("names the whole crate; name a floor and what is wanted of it".to_owned());
        };
        if !FLOORS.iter().any(|(name, _)| *name == to) {
            return Some(format!(
                "`{}` is on no floor; nothing lives at the root",
                mention.path()
            ));
        }
        let other_room = target.get(1).map(String::as_str) != source.room();
        if to == floor && floor == "adapters" && source.room().is_some() && other_room {
            return Some(format!(
                "`{}`: rooms of adapters never name each other",
                mention.path()
            ));
        }
        // Tests may use the simulator from any floor: it is there for them.
        let allowed = to == floor || below.contains(&to) || (mention.in_tests && to == "simulator");
        (!allowed).then(|| {
            format!(
                "`{}`: {floor} stands below {to} or beside it",
                mention.path()
            )
        })
    };
    each(source, source.scan.mentions.iter(), judge)
}

/// A `pub use` shows what a directory holds and never what lives elsewhere: it would hide the edge.
fn re_exports(house: &House, source: &Source) -> Vec<Breach> {
    let judge = |mention: &Mention| {
        let local = mention.segments.len() == 1;
        let own = source.is_face
            && house.resolve(source, mention).is_some_and(|target| {
                target.len() > source.module.len() && target.starts_with(&source.module)
            });
        (mention.written == Written::ReExport && !local && !own).then(|| {
            format!(
                "re-exports `{}`; only a mod.rs does so, of its own",
                mention.path()
            )
        })
    };
    each(source, source.production(), judge)
}

/// `domain` is pure: no async, IO, clock, randomness or environment.
fn purity(source: &Source) -> Vec<Breach> {
    if !source.is_within("domain") {
        return Vec::new();
    }
    let judge = |mention: &Mention| {
        let parts = mention.parts();
        let impure = match parts.as_slice() {
            ["std", module, ..] if IMPURE_STD.contains(module) => true,
            [library, ..] if mention.is_qualified() && IMPURE_CRATES.contains(library) => true,
            _ => parts.iter().any(|word| IMPURE_WORDS.contains(word)),
        };
        impure.then(|| format!("`{}`: domain is pure", mention.path()))
    };
    each(source, source.production(), judge)
}

/// Some libraries have one home.
fn homes(source: &Source) -> Vec<Breach> {
    let judge = |mention: &Mention| {
        let library = mention
            .segments
            .first()
            .filter(|_| mention.is_qualified())?;
        let (name, places) = HOMES.iter().find(|(name, _)| name == library)?;
        let at_home = places.iter().any(|place| source.is_within(place));
        (!at_home).then(|| {
            format!(
                "`{}`: {name} lives in {}",
                mention.path(),
                places.join(", ")
            )
        })
    };
    each(source, source.production(), judge)
}

/// Few places start programs.
fn spawning(source: &Source) -> Vec<Breach> {
    if SPAWNERS.iter().any(|place| source.is_within(place)) {
        return Vec::new();
    }
    let judge = |mention: &Mention| {
        (mention.has_pair(["process", "Command"]) || mention.has_pair(["process", "*"])).then(
            || {
                format!(
                    "`{}`: programs are started in {}",
                    mention.path(),
                    SPAWNERS.join(", ")
                )
            },
        )
    };
    each(source, source.production(), judge)
}

/// The time is asked for in one place and handed on.
fn clock(source: &Source) -> Vec<Breach> {
    if CLOCKS.iter().any(|place| source.is_within(place)) {
        return Vec::new();
    }
    let judge = |mention: &Mention| {
        let reads = mention.segments.len() > 1 && mention.name == "now";
        reads.then(|| {
            format!(
                "`{}`: the clock is read in {}",
                mention.path(),
                CLOCKS.join(", ")
            )
        })
    };
    each(source, source.production(), judge)
}

/// `cfg(test)` is there for `mod tests` and nothing else: what is tested is what ships.
fn test_modules(source: &Source) -> Vec<Breach> {
    let stray = source
        .scan
        .stray_test_cfg
        .iter()
        .map(|line| Breach::at(source, *line, "`cfg(test)` stands only on `mod tests`"));
    let bare = source.scan.bare_tests.iter().map(|line| {
        Breach::at(
            source,
            *line,
            "`mod tests` without `#[cfg(test)]` ships with the product",
        )
    });
    stray.chain(bare).collect()
}

/// Paths are written from the crate's root, so that a reader sees the floor.
fn relatives(source: &Source) -> Vec<Breach> {
    let judge = |mention: &Mention| {
        (mention
            .segments
            .first()
            .is_some_and(|first| first == "super"))
        .then(|| {
            format!(
                "`{}`: `super` is for test modules; start at `crate`",
                mention.path()
            )
        })
    };
    each(source, source.production(), judge)
}

/// Files stay small enough to read.
fn size(source: &Source) -> Vec<Breach> {
    let limit = if source.floor() == Some("main") {
        MAX_MAIN_LINES
    } else {
        MAX_PRODUCTION_LINES
    };
    let lines = source.production_lines;
    if lines <= limit {
        return Vec::new();
    }
    vec![Breach::at(
        source,
        limit + 1,
        format!("{lines} production lines; {limit} at most"),
    )]
}

fn each<'a>(
    source: &'a Source,
    mentions: impl Iterator<Item = &'a Mention>,
    judge: impl Fn(&Mention) -> Option<String>,
) -> Vec<Breach> {
    mentions
        .filter_map(|mention| Some(Breach::at(source, mention.line, judge(mention)?)))
        .collect()
}
