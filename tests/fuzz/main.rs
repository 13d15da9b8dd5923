//! The fuzz targets of `fuzz`, on every test run: with arbitrary bytes, with their seeds, and with
//! everything that once made one of them fail.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use proptest::prelude::*;

#[expect(unreachable_pub, reason = "they are reached where they are at home")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Bytes that are mostly the letters which mean something to some target, so that less is thrown
/// away at the first of them.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        ".git",
        "git~1",
        "..",
        "/",
        "\n",
        "-> ",
        ">",
        " ",
        "l",
        "f",
        "d",
        "*",
        "**/",
        "[a-",
        "]",
        "!",
        "\\",
        "<!--",
        "-->",
        "`",
        "```",
        "@prova",
        "run",
        "[x]",
        "\u{200d}",
        "\u{202e}",
        "label =",
        "[budget]",
        "\"",
        "{",
        "}",
        ":",
        ",",
        "secret",
        "a",
        "allowed.test",
        "127.1",
        "0x7f",
        ":443",
        ".",
        "data: ",
        "\r\n",
        "usage",
        "output_tokens",
        "message",
        "1",
        "[DONE]",
        "event: ",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}\n",
        "\"model\":\"m\",",
        "\"tools\":[{\"type\":\"web_search\"}],",
        "\"stream\":true,",
        "\"type\":\"assistant\",",
        "[models.main]\n",
        "api = \"openai\"\n",
    ]);
    let piece = prop_oneof![
        4 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Runs a target with everything below a directory; one of seeds is never empty.
fn run_all(dir: &Path, target: fn(&[u8])) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let mut count = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            count += run_all(&path, target);
            continue;
        }
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        target(&bytes);
        count += 1;
    }
    count
}

fn home() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

macro_rules! targets {
    ($($name:ident: $cases:literal, $seeds:literal;)*) => {
        mod arbitrary {
            use super::*;
            $(proptest! {
                #![proptest_config(ProptestConfig {
                    cases: $cases, failure_persistence: None, ..ProptestConfig::default()
                })]
                #[test]
                fn $name(bytes in bytes()) {
                    targets::$name(&bytes);
                }
            })*
        }

        mod known {
            use super::*;
            $(#[test]
            fn $name() {
                let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join($seeds);
                assert!(run_all(&seeds, targets::$name) > 0, "no seeds in {}", $seeds);
                run_all(&home().join("failed").join(stringify!($name)), targets::$name);
            })*
        }

        #[test]
        fn every_target_is_run() {
            let mut run = vec![$(concat!(stringify!($name), ".rs")),*];
            run.sort_unstable();
            let entries = std::fs::read_dir(home().join("fuzz_targets")).into_iter().flatten();
            let mut there: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            there.sort_unstable();
            assert_eq!(there, run);
        }
    };
}

targets! {
    walker: 64, "fuzz/seeds/walker";
    names: 512, "fuzz/seeds/names";
    patterns: 512, "fuzz/seeds/patterns";
    sanitizer: 256, "fixtures/hostile";
    commands: 512, "fixtures/comments";
    policy: 256, "fixtures/policy";
    hosts: 512, "fuzz/seeds/hosts";
    usage: 512, "fuzz/seeds/usage";
    deliveries: 64, "fixtures/webhooks";
    streams: 64, "fixtures/agents";
    messages: 256, "fixtures/agents";
    requests: 512, "fuzz/seeds/requests";
    settings: 64, "fuzz/seeds/settings";
    secrets: 512, "fuzz/seeds/secrets";
}
