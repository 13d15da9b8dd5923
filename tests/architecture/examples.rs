//! Each rule catches a small source that breaks it, and passes the one beside it that does not.

use crate::breaches;
use crate::source::{House, Source};

/// What a house of these files breaks, as `file:line: rule`.
fn broken(files: &[(&str, &str)]) -> Vec<String> {
    let sources = files
        .iter()
        .map(|(file, text)| Source::parse(file, text).unwrap_or_else(|error| panic!("{error}")));
    breaches(&House::of(sources.collect()))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn caught(file: &str, text: &str, line: usize, rule: &str) {
    let found = broken(&[(file, text)]);
    let place = format!("{file}:{line}: ");
    assert!(
        found
            .iter()
            .any(|breach| breach.starts_with(&place) && breach.contains(rule)),
        "{text:?} in {file}: wanted {rule:?} at line {line}, found {found:?}"
    );
}

#[track_caller]
fn clean(file: &str, text: &str) {
    let found = broken(&[(file, text)]);
    assert!(found.is_empty(), "{text:?} in {file}: {found:?}");
}

#[test]
fn an_import_that_goes_up() {
    caught(
        "src/domain/a.rs",
        "use crate::app::tick;",
        1,
        "domain stands below app",
    );
    caught(
        "src/config/a.rs",
        "use crate::ports::Clock;",
        1,
        "config stands below ports",
    );
    caught(
        "src/app/a.rs",
        "use crate::adapters::git::Git;",
        1,
        "app stands below adapters",
    );
    caught(
        "src/adapters/git/a.rs",
        "use crate::app::tick;",
        1,
        "adapters stands below app",
    );
    caught(
        "src/http/a.rs",
        "use crate::adapters::store::Store;",
        1,
        "http stands below adapters",
    );
    caught(
        "src/cli/a.rs",
        "use crate::adapters::git::Git;",
        1,
        "cli stands below adapters or beside it",
    );
    caught(
        "src/simulator/a.rs",
        "use crate::ports::Clock;",
        1,
        "simulator stands below ports",
    );
    caught(
        "src/bootstrap/mod.rs",
        "use crate::cli::run;",
        1,
        "bootstrap stands below cli",
    );
    caught(
        "src/main.rs",
        "use prova::bootstrap::serve;",
        1,
        "main stands below bootstrap",
    );
    clean(
        "src/cli/a.rs",
        "use crate::{bootstrap, http::router, simulator::Simulator, app::tick};",
    );
    clean(
        "src/bootstrap/mod.rs",
        "use crate::{adapters::git::Git, http::router, simulator::World};",
    );
    clean("src/main.rs", "fn main() { prova::cli::run() }");
}

#[test]
fn an_import_that_goes_up_however_it_is_written() {
    let rule = "domain stands below app";
    caught(
        "src/domain/a.rs",
        "use crate::{ids::Id,\n    app::{run::{self, Run}, tick}};",
        2,
        rule,
    );
    caught(
        "src/domain/a.rs",
        "fn f() {\n    crate::app::tick();\n}",
        2,
        rule,
    );
    caught(
        "src/domain/a.rs",
        "type T = Vec<\n    Option<crate::app::Tick>>;",
        2,
        rule,
    );
    caught(
        "src/domain/a.rs",
        "fn f() { g!(a,\n    b => { crate::app::tick() }) }",
        2,
        rule,
    );
    caught(
        "src/domain/a.rs",
        "macro_rules! m { () => {\n    $crate::app::tick() } }",
        2,
        rule,
    );
    caught(
        "src/domain/a.rs",
        "#[derive(Debug)]\n#[with(crate::app::Tick)]\nstruct S;",
        2,
        rule,
    );
    caught(
        "src/domain/a.rs",
        "pub struct S(\n    pub (crate::app::Tick, u8));",
        2,
        rule,
    );
    caught("src/domain/a.rs", "use crate::app as floor;", 1, rule);
    caught(
        "src/domain/a.rs",
        "use crate as root;",
        1,
        "names the whole crate",
    );
    caught(
        "src/domain/a.rs",
        "use crate::*;",
        1,
        "names the whole crate",
    );
    caught("src/domain/a.rs", "use crate::Tick;", 1, "on no floor");
    caught("src/attic/a.rs", "struct S;", 1, "`attic` is not a floor");
    clean(
        "src/domain/a.rs",
        "//! See [`crate::app`].\npub(crate) const S: &str = \"crate::app\";",
    );
}

#[test]
fn a_test_uses_the_simulator_and_no_other_floor_above() {
    let tests = |inner: &str| format!("#[cfg(test)]\nmod tests {{\n    {inner}\n}}");
    clean(
        "src/app/a.rs",
        &tests("use crate::simulator::World; use super::*;"),
    );
    let upward = tests("use crate::adapters::git::Git;");
    caught("src/app/a.rs", &upward, 3, "app stands below adapters");
}

#[test]
fn an_adapter_that_names_another() {
    let rule = "rooms of adapters never name each other";
    caught(
        "src/adapters/git/a.rs",
        "use crate::adapters::store::Store;",
        1,
        rule,
    );
    caught(
        "src/adapters/system.rs",
        "fn f() { crate::adapters::git::g() }",
        1,
        rule,
    );
    clean(
        "src/adapters/git/a.rs",
        "use crate::adapters::git::run::Run;",
    );
}

#[test]
fn rooms_in_a_circle() {
    let found = broken(&[
        ("src/domain/mod.rs", "pub mod a; pub mod b; pub mod c;"),
        ("src/domain/a.rs", "\nuse crate::domain::b::B;"),
        ("src/domain/b.rs", "fn f(_: crate::domain::c::C) {}"),
        ("src/domain/c.rs", "fn f() { m!(crate::domain::a::A) }"),
    ]);
    let expected =
        "src/domain/a.rs:2: rooms of domain name each other in a circle: a -> b -> c -> a";
    assert_eq!(found, [expected]);
}

#[test]
fn rooms_in_a_circle_through_their_directory() {
    let through_a_re_export = broken(&[
        (
            "src/ports/mod.rs",
            "pub mod a;\npub mod b;\npub use b::B as Renamed;",
        ),
        ("src/ports/a.rs", "use crate::ports::Renamed;"),
        ("src/ports/b.rs", "use crate::ports::a::A;"),
    ]);
    assert!(
        through_a_re_export
            .iter()
            .any(|b| b.contains("a -> b -> a")),
        "{through_a_re_export:?}"
    );
    let through_the_face = broken(&[
        (
            "src/http/mod.rs",
            "mod hook;\nstruct State;\nfn f() { hook::answer() }",
        ),
        ("src/http/hook.rs", "use crate::http::State;"),
    ]);
    assert!(
        through_the_face.iter().any(|b| b.contains("circle")),
        "{through_the_face:?}"
    );
}

#[test]
fn rooms_in_one_direction() {
    let found = broken(&[
        (
            "src/domain/mod.rs",
            "pub mod a;\npub mod b;\npub use self::a::A;\npub use b::B;",
        ),
        ("src/domain/a.rs", "use crate::domain::b::B;"),
        (
            "src/domain/b.rs",
            "#[cfg(test)]\nmod tests { use crate::domain::a::A; }",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_re_export_of_what_lives_elsewhere() {
    let rule = "only a mod.rs does so, of its own";
    caught(
        "src/ports/mod.rs",
        "pub use crate::domain::ids::Id;",
        1,
        rule,
    );
    caught("src/ports/mod.rs", "pub use std::time::Duration;", 1, rule);
    caught(
        "src/ports/a.rs",
        "pub(crate) use crate::ports::b::B;",
        1,
        rule,
    );
    caught("src/lib.rs", "pub use domain::Id;", 1, rule);
}

#[test]
fn io_and_async_in_the_pure_floor() {
    for text in [
        "async fn f() {}",
        "fn f() { g().await }",
        "use std::{fmt, fs};",
        "fn f() { std::env::args(); }",
        "use std::time::SystemTime;",
        "fn f(_: std::time::Instant) {}",
        "fn f() { let _ = tokio::spawn(g()); }",
        "use rand::Rng;",
        "fn f() { m!(std::thread::sleep(d)) }",
    ] {
        caught("src/domain/a.rs", text, 1, "domain is pure");
    }
    clean(
        "src/domain/a.rs",
        "use std::time::Duration; fn f(rand: u8) -> u8 { rand }",
    );
    clean(
        "src/domain/a.rs",
        "#[cfg(test)]\nmod tests { use std::fs; }",
    );
    clean("src/app/a.rs", "async fn f() { std::env::args(); }");
}

#[test]
fn a_library_away_from_home() {
    caught(
        "src/app/a.rs",
        "use octocrab::Octocrab;",
        1,
        "octocrab lives in adapters/github",
    );
    caught(
        "src/http/a.rs",
        "#[derive(sqlx::FromRow)]\nstruct Row;",
        1,
        "sqlx lives in adapters/store",
    );
    caught(
        "src/cli/a.rs",
        "use axum as web;",
        1,
        "axum lives in http, simulator",
    );
    caught(
        "src/adapters/git/a.rs",
        "fn f() { axum::serve() }",
        1,
        "axum lives in",
    );
    clean("src/adapters/github/rest.rs", "use octocrab::Octocrab;");
    clean("src/adapters/store/mod.rs", "use sqlx::SqlitePool;");
    clean("src/simulator/a.rs", "use axum::Router;");
}

#[test]
fn a_program_started_elsewhere() {
    let rule = "programs are started in";
    caught("src/app/a.rs", "use std::process::Command;", 1, rule);
    caught(
        "src/app/a.rs",
        "use tokio::process;\nfn f() { process::Command::new(p) }",
        2,
        rule,
    );
    caught("src/cli/a.rs", "use std::process::*;", 1, rule);
    clean(
        "src/cli/a.rs",
        "use crate::domain::command::Command; use std::process::ExitCode;",
    );
    clean("src/adapters/sandbox/a.rs", "use tokio::process::Command;");
}

#[test]
fn a_clock_read_elsewhere() {
    caught(
        "src/app/a.rs",
        "fn f() { Instant::now(); }",
        1,
        "the clock is read in",
    );
    caught(
        "src/cli/a.rs",
        "fn f() { std::time::SystemTime::now(); }",
        1,
        "the clock is read in",
    );
    clean("src/adapters/system.rs", "fn f() { SystemTime::now(); }");
    clean(
        "src/app/a.rs",
        "fn f(clock: &dyn Clock) { let now = clock.now(); g(now) }",
    );
}

#[test]
fn test_code_that_ships() {
    let rule = "`cfg(test)` stands only on `mod tests`";
    caught(
        "src/app/a.rs",
        "struct S;\n#[cfg(test)]\nfn f() {}",
        2,
        rule,
    );
    caught("src/app/a.rs", "#[cfg(test)]\nmod mocks {}", 1, rule);
    caught(
        "src/app/a.rs",
        "#[cfg(any(test, unix))]\nfn f() {}",
        1,
        rule,
    );
    caught(
        "src/app/a.rs",
        "#[cfg_attr(test, derive(Debug))]\nstruct S;",
        1,
        rule,
    );
    caught(
        "src/app/a.rs",
        "fn f() -> bool {\n    cfg!(test)\n}",
        2,
        rule,
    );
    caught("src/app/a.rs", "mod tests {}", 1, "ships with the product");
    clean(
        "src/app/a.rs",
        "#[cfg(unix)]\nfn f() {}\n#[cfg(test)]\n#[expect(dead_code)]\nmod tests {}",
    );
    clean("src/app/a.rs", "#[cfg(test)]\nmod tests;");
    clean("src/app/a/tests.rs", "use super::*;");
}

#[test]
fn a_relative_path() {
    caught(
        "src/app/a.rs",
        "use super::run::Run;",
        1,
        "`super` is for test modules",
    );
    caught(
        "src/app/a.rs",
        "fn f() {\n    super::run()\n}",
        2,
        "`super` is for test modules",
    );
    clean(
        "src/app/a.rs",
        "pub(super) fn f() {}\n#[cfg(test)]\nmod tests { use super::f; }",
    );
}

#[test]
fn a_file_too_long() {
    let long = "// line\n".repeat(801);
    caught(
        "src/app/a.rs",
        &long,
        801,
        "801 production lines; 800 at most",
    );
    caught("src/main.rs", &"// line\n".repeat(41), 41, "40 at most");
    clean("src/app/a.rs", &"// line\n".repeat(800));
    clean("src/app/a/tests.rs", &long);
    clean(
        "src/app/a.rs",
        &format!("struct S;\n#[cfg(test)]\nmod tests {{\n{long}}}"),
    );
}

#[test]
fn text_that_is_not_rust() {
    let error = Source::parse("src/app/a.rs", "fn f( {").err();
    assert!(error.is_some_and(|error| error.starts_with("src/app/a.rs: not Rust: ")));
}
