//! Files, output, door and conversation go in and come out.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prova::domain::evidence::Ending;
use prova::ports::sandbox::Talk;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_util::sync::CancellationToken;

use crate::bed::text;
use crate::door::Porter;
use crate::kubernetes::api::Script;
use crate::kubernetes::cluster;

#[tokio::test]
async fn the_checkout_goes_in_and_what_was_changed_comes_out() {
    let (api, bed) = cluster(Script::default()).await;
    std::fs::create_dir(bed.checkout().join("src")).unwrap();
    std::fs::write(bed.checkout().join("src/a"), "a").unwrap();
    std::fs::write(bed.checkout().join("old"), "old").unwrap();
    symlink("src/a", bed.checkout().join("link")).unwrap();
    let mut spec = bed.spec(&[
        "sh",
        "-c",
        "cat src/a link /prova/in/brief /prova/objects/pack; echo b >> src/a; rm old; mkdir new; \
         echo n > new/n; chmod +x new/n; mkfifo pipe; echo o > /prova/out/o; echo h > $HOME/h; exit 3",
    ]);
    for (name, file) in [
        ("input", "brief"),
        ("output", "x"),
        ("objects", "pack"),
        ("home", "y"),
    ] {
        std::fs::write(bed.make(name).join(file), name).unwrap();
    }
    spec.input = Some(bed.path().join("input"));
    spec.output = Some(bed.path().join("output"));
    spec.objects = Some(bed.path().join("objects"));
    spec.home = Some(bed.path().join("home"));
    // The scripted node shows objects where the keeper has them.
    spec.command[2] = spec.command[2].replace("/prova/objects", "/prova/keep/objects");
    let outcome = bed.run(&spec).await.unwrap();
    assert_eq!(text(&outcome), "aainputobjects");
    assert_eq!(outcome.ending, Ending::Exited(3));
    let read = |name: &str| std::fs::read_to_string(bed.path().join(name)).unwrap();
    assert_eq!(read("checkout/src/a"), "ab\n");
    assert_eq!(read("checkout/new/n"), "n\n");
    assert_eq!(read("output/o"), "o\n");
    assert_eq!(read("home/h"), "h\n");
    assert_eq!(read("home/y"), "home");
    assert!(!bed.checkout().join("old").exists() && !bed.checkout().join("pipe").exists());
    assert!(bed.checkout().join("link").is_symlink());
    assert_eq!(std::fs::read(&spec.log).unwrap(), b"aainputobjects");
    assert_eq!(api.jobs(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_hidden_stays_as_it_is() {
    let (api, bed) = cluster(Script::default()).await;
    std::fs::create_dir(bed.checkout().join(".agent")).unwrap();
    std::fs::write(bed.checkout().join(".agent/hook"), "mine").unwrap();
    std::fs::write(bed.checkout().join("AGENT.md"), "mine").unwrap();
    let mut spec = bed.spec(&[
        "sh",
        "-c",
        "cat .agent/hook AGENT.md 2>/dev/null; mkdir -p .agent; echo x > .agent/hook",
    ]);
    spec.hide = vec![
        ".agent".to_owned(),
        "AGENT.md".to_owned(),
        "missing".to_owned(),
    ];
    let outcome = bed.run(&spec).await.unwrap();
    assert_eq!(text(&outcome), "");
    for name in [".agent/hook", "AGENT.md"] {
        assert_eq!(
            std::fs::read(bed.checkout().join(name)).unwrap(),
            b"mine",
            "{name}"
        );
    }
    let job = api.made.lock().unwrap()[0].to_string();
    assert!(
        job.contains("/workspace/.agent") && job.contains("/workspace/AGENT.md"),
        "{job}"
    );
}

#[tokio::test]
async fn programs_inside_reach_the_door() {
    let (_api, bed) = cluster(Script::default()).await;
    let porter = Porter::new("porter");
    let script = "at=${DOOR_URL#http://}; at=${at%/porter}; for i in 1 2 3; do \
        (exec 3<>/dev/tcp/${at%:*}/${at#*:}; echo hello >&3; timeout 5 cat <&3) & done; wait";
    let spec = bed.spec(&["bash", "-c", script]);
    let cancel = CancellationToken::new();
    let outcome = bed
        .sandbox
        .run(&spec, Some(&porter), &cancel)
        .await
        .unwrap();
    assert_eq!(text(&outcome), "porterhello\n".repeat(3));
    assert_eq!(porter.visits(), 3);
}

#[tokio::test]
async fn what_is_said_is_heard_and_answered() {
    let (_api, bed) = cluster(Script::default()).await;
    let (mut ours, input) = duplex(64);
    let (output, mut theirs) = duplex(64);
    let stirred = Arc::<AtomicU64>::default();
    let talk = Talk {
        input: Some(Box::new(input)),
        output: Some(Box::new(output)),
        stirred: stirred.clone(),
    };
    let spec = bed.spec(&[
        "sh",
        "-c",
        "while read -r line; do echo \"you said $line\"; done; echo aside >&2; echo bye",
    ]);
    let cancel = CancellationToken::new();
    let speaking = async {
        ours.write_all(b"one\n").await.unwrap();
        let mut heard = vec![0; 13];
        theirs.read_exact(&mut heard).await.unwrap();
        drop(ours);
        theirs.read_to_end(&mut heard).await.unwrap();
        String::from_utf8(heard).unwrap()
    };
    let (outcome, heard) = tokio::join!(
        bed.sandbox.converse(&spec, None, Some(talk), &cancel),
        speaking
    );
    let outcome = outcome.unwrap();
    assert_eq!(heard, "you said one\nbye\n");
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert_eq!(stirred.load(Ordering::Relaxed), outcome.output_bytes);
    assert_eq!(outcome.output_bytes, 23);
}

#[tokio::test]
async fn output_is_kept_up_to_its_cap() {
    let (_api, mut bed) = cluster(Script::default()).await;
    bed.limits.output_bytes = 10;
    let outcome = bed.sh("for i in 1 2 3 4 5 6 7 8 9; do echo $i; done").await;
    assert_eq!(outcome.tail, b"1\n2\n3\n4\n5\n");
    assert_eq!(outcome.output_bytes, 18);
}

#[tokio::test]
async fn words_and_variables_are_what_was_given() {
    let (_api, bed) = cluster(Script::default()).await;
    let mut spec = bed.spec(&[
        "sh",
        "-c",
        "printf '<%s>' \"$@\" \"$A\" \"${KUBERNETES_SERVICE_HOST-none}\"",
        "sh",
        "$(HOME)",
        "a b",
    ]);
    spec.env.insert("A".to_owned(), "$(HOME) $$".to_owned());
    let outcome = bed.run(&spec).await.unwrap();
    assert_eq!(text(&outcome), "<$(HOME)><a b><$(HOME) $$><none>");
}
