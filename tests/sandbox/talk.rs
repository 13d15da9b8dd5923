//! Conversations with what runs inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prova::domain::evidence::Ending;
use prova::ports::sandbox::{Outcome, Talk};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, duplex};
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, text};

/// Runs a script that is talked with by `talk`.
async fn converse(bed: &Bed, script: &str, talk: Talk) -> Outcome {
    let spec = bed.spec(&["sh", "-c", script]);
    let cancel = CancellationToken::new();
    let run = bed.sandbox.converse(&spec, None, Some(talk), &cancel);
    run.await.unwrap()
}

#[tokio::test]
async fn what_is_said_is_heard_and_answered() {
    let bed = Bed::new();
    let (mut ours, input) = duplex(64);
    let (output, theirs) = duplex(64);
    let stirred = Arc::<AtomicU64>::default();
    let talk = Talk {
        input: Some(Box::new(input)),
        output: Some(Box::new(output)),
        stirred: stirred.clone(),
    };
    let script = "while read -r line; do echo \"you said $line\"; echo aside >&2; done; echo bye";
    let speaking = async {
        let mut lines = BufReader::new(theirs).lines();
        let mut heard = Vec::new();
        for word in ["one", "two"] {
            ours.write_all(format!("{word}\n").as_bytes())
                .await
                .unwrap();
            heard.push(lines.next_line().await.unwrap().unwrap());
        }
        // The end of what is said ends the input, and the end of the output is heard.
        drop(ours);
        while let Some(line) = lines.next_line().await.unwrap() {
            heard.push(line);
        }
        heard
    };
    let (outcome, heard) = tokio::join!(converse(&bed, script, talk), speaking);
    assert_eq!(heard, ["you said one", "you said two", "bye"]);
    assert_eq!(outcome.ending, Ending::Exited(0));
    // The log has both outputs.
    let mut log: Vec<String> = text(&outcome).lines().map(str::to_owned).collect();
    log.sort();
    assert_eq!(
        log,
        ["aside", "aside", "bye", "you said one", "you said two"]
    );
    assert_eq!(stirred.load(Ordering::Relaxed), outcome.output_bytes);
}

#[tokio::test]
async fn who_does_not_listen_any_more_holds_nothing_up() {
    let bed = Bed::new();
    let (output, theirs) = duplex(16);
    drop(theirs);
    let talk = Talk {
        input: None,
        output: Some(Box::new(output)),
        stirred: Arc::default(),
    };
    let outcome = converse(&bed, "seq 20000; cat; echo end", talk).await;
    assert_eq!(outcome.ending, Ending::Exited(0));
    assert!(text(&outcome).ends_with("20000\nend\n"));
}

#[tokio::test]
async fn who_listens_slowly_hears_all_of_it() {
    let bed = Bed::new();
    let (output, mut theirs) = duplex(16);
    let talk = Talk {
        input: None,
        output: Some(Box::new(output)),
        stirred: Arc::default(),
    };
    let listening = async {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        all
    };
    let (outcome, heard) = tokio::join!(converse(&bed, "seq 3000", talk), listening);
    let numbers: Vec<String> = (1..=3000).map(|n| n.to_string()).collect();
    let expected = numbers.join("\n") + "\n";
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
    assert_eq!(outcome.output_bytes, expected.len() as u64);
}

#[tokio::test]
async fn a_home_is_kept_and_nobody_elses() {
    let bed = Bed::new();
    let home = bed.make("home");
    let mut spec = bed.spec(&["sh", "-c", "cat ~/note; echo kept > ~/note; echo $HOME"]);
    spec.home = Some(home);
    bed.run(&spec).await.unwrap();
    let again = bed.run(&spec).await.unwrap();
    assert!(
        text(&again).ends_with("kept\n/home/prova\n"),
        "{}",
        text(&again)
    );
    spec.home = None;
    let other = bed.run(&spec).await.unwrap();
    assert!(text(&other).contains("No such file"), "{}", text(&other));
}
