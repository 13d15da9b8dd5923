//! What is pure: texts in, decisions and texts out.

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use prova::adapters::github::Webhooks;
use prova::config::policy;
use prova::domain::command::mention::Mention;
use prova::domain::command::parse::parse;
use prova::domain::decide::agents::Agents;
use prova::domain::decide::{Snapshot, decide};
use prova::domain::money::Usd;
use prova::domain::policy::Policy;
use prova::domain::redact::Redactor;
use prova::domain::render::{pull, status};
use prova::domain::repo::Permission;
use prova::domain::sanitize::visible::visible;
use prova::domain::secrets::suspects;
use prova::domain::time::Timestamp;
use prova::domain::trigger::{Identity, Meaning, meaning, wishes};
use prova::ports::github::Translate as _;

use crate::sample::{self, LONGEST};

pub(crate) fn all(bench: &mut Criterion) {
    comments(bench);
    payloads(bench);
    decisions(bench);
    texts(bench);
}

/// Repeats a text to the length of the longest comment.
fn filled(text: &str) -> String {
    text.chars().cycle().take(LONGEST).collect()
}

fn comments(bench: &mut Criterion) {
    let mention = Mention::new("prova");
    let prose = filled("Some *prose* with a [link](https://example.com), `code` and @names.\n\n");
    let shapes = [
        ("prose", prose.clone()),
        ("mentions", filled("@prova ")),
        ("brackets", filled("[](")),
        ("quotes", filled("> ")),
        ("html", filled("<!-- hidden --><b title='x'>shown</b>\n")),
    ];
    let mut group = bench.benchmark_group("comment of 64 KiB");
    group.throughput(Throughput::Bytes(LONGEST as u64));
    for (name, text) in &shapes {
        group.bench_function(format!("parse, {name}"), |b| {
            b.iter(|| parse(black_box(text), &mention));
        });
        group.bench_function(format!("visible, {name}"), |b| {
            b.iter(|| visible(black_box(text), LONGEST));
        });
    }
    let redactor = Redactor::new(["a-secret-of-the-server", "another-secret"]);
    group.bench_function("redact, prose", |b| {
        b.iter(|| redactor.redact(black_box(&prose)).len());
    });
    // As many tokens as a busy server holds, of the length that GitHub hands out.
    let mut busy = redactor;
    for n in 0..200_u32 {
        busy.learn_minted(&format!("ghs_{n}_{}", format!("{n:x}Qz9-_.").repeat(60)));
    }
    group.bench_function("redact, prose, 200 tokens", |b| {
        b.iter(|| busy.redact(black_box(&prose)).len());
    });
    group.bench_function("look for secrets, prose", |b| {
        b.iter(|| suspects(black_box(prose.as_bytes()), &busy).len());
    });
    group.finish();
}

fn payloads(bench: &mut Criterion) {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/webhooks");
    let mut payloads = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if let Some((event, _)) = name.split_once("__") {
            payloads.push((event.to_owned(), std::fs::read(&path).unwrap()));
        }
    }
    let mut group = bench.benchmark_group("payload");
    group.throughput(Throughput::Elements(payloads.len() as u64));
    group.bench_function("translate, all fixtures", |b| {
        b.iter(|| {
            let translated = payloads
                .iter()
                .map(|(event, body)| Webhooks.translate(event, body, Timestamp::EPOCH));
            translated.flatten().count()
        });
    });
    group.finish();
}

fn decisions(bench: &mut Criterion) {
    let text = "label = \"prova\"\nagent = \"claude\"\nsetup = [\"npm ci\"]\n\
        checks = [\"npm test\", \"npm run lint\"]\nprotect = [\".github/**\", \"LICENSE\"]\n\
        [recipes.fmt]\nrun = \"cargo fmt\"\n[budget]\njob_usd = 2.0\n";
    bench.bench_function("policy, parse", |b| {
        b.iter(|| policy::parse(black_box(text)).unwrap());
    });
    let policy = Policy::default();
    let links = sample::links();
    let agent = "claude".parse().unwrap();
    let agents = Agents {
        known: BTreeSet::from([agent]),
        default: "claude".parse().ok(),
        fallback: Vec::new(),
        steerable: BTreeSet::new(),
        built_in: BTreeSet::new(),
    };
    let (event, identity) = (sample::labelled(), Identity::new("prova"));
    bench.bench_function("label, from event to decision", |b| {
        b.iter(|| {
            let Meaning::Asked(asked) = meaning(black_box(&event), &identity) else {
                return None;
            };
            let wished = wishes(&asked, &policy, &identity);
            let snapshot = Snapshot {
                policy: Ok(&policy),
                permission: Permission::Write,
                agents: &agents,
                profiles: &BTreeSet::new(),
                open: None,
                pull: None,
                count: 0,
                remarks: &[],
                linked: &[],
                caps: &[],
                most_of_task: Usd::ZERO,
                links: &links,
            };
            decide(&event, &wished, &snapshot).job
        });
    });
}

fn texts(bench: &mut Criterion) {
    let (task, links) = (sample::reviewed(), sample::links());
    let report = sample::report(task.id);
    bench.bench_function("render, status comment", |b| {
        b.iter(|| status::status(black_box(&task), &links));
    });
    bench.bench_function("render, pull request", |b| {
        b.iter(|| pull::body(black_box(&task), (&task.work.request, &[]), &report, &links));
    });
}
