//! The only way out.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prova::adapters::sandbox::settings::{Backend, Settings};
use prova::domain::evidence::Ending;
use prova::ports::door::{Connection, Door, INSIDE_DOOR};
use prova::ports::sandbox::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, text};
use crate::users::again_as_ordinary_user;

/// Answers each connection with its name.
#[derive(Debug)]
pub(crate) struct Porter {
    name: &'static str,
    visits: std::sync::Arc<AtomicUsize>,
    at: Mutex<Option<String>>,
}

impl Porter {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            visits: std::sync::Arc::default(),
            at: Mutex::new(None),
        }
    }

    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

impl Door for Porter {
    fn env(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(
            "DOOR_URL".to_owned(),
            format!("http://{INSIDE_DOOR}/{}", self.name),
        )])
    }

    fn serve(&self, listener: TcpListener) -> io::Result<()> {
        *self.at.lock().unwrap() = Some(listener.local_addr()?.to_string());
        let (name, visits) = (self.name, self.visits.clone());
        // Ends with the sandbox: a listener in a network that is gone takes nobody in.
        std::thread::spawn(move || {
            while let Ok((mut visitor, _)) = listener.accept() {
                visits.fetch_add(1, Ordering::SeqCst);
                let mut line = [0; 64];
                let read = visitor.read(&mut line).unwrap_or(0);
                let _gone = visitor.write_all(name.as_bytes());
                let _gone = visitor.write_all(line.get(..read).unwrap_or_default());
            }
        });
        Ok(())
    }

    fn admit(&self, mut visitor: Box<dyn Connection>) -> io::Result<()> {
        self.visits.fetch_add(1, Ordering::SeqCst);
        let name = self.name;
        tokio::spawn(async move {
            let mut line = [0; 64];
            let read = visitor.read(&mut line).await.unwrap_or(0);
            let _gone = visitor.write_all(name.as_bytes()).await;
            let _gone = visitor
                .write_all(line.get(..read).unwrap_or_default())
                .await;
            let _gone = visitor.shutdown().await;
        });
        Ok(())
    }
}

/// Says something to the door and prints the answer.
const KNOCK: &str =
    "exec 3<>/dev/tcp/127.0.0.1/8790; echo ' hello' >&3; timeout 5 cat <&3; exec 3>&-";

async fn through(bed: &Bed, door: &dyn Door, script: &str) -> Outcome {
    let spec = bed.spec(&["bash", "-c", script]);
    bed.sandbox
        .run(&spec, Some(door), &CancellationToken::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_inside_reaches_its_door() {
    let porter = Porter::new("porter");
    for bed in [Bed::new(), Bed::open()] {
        let script = format!("echo $DOOR_URL; {KNOCK}; ({KNOCK}) & wait");
        let outcome = through(&bed, &porter, &script).await;
        assert_eq!(
            text(&outcome),
            "http://127.0.0.1:8790/porter\nporter hello\nporter hello\n"
        );
        assert_eq!(outcome.ending, Ending::Exited(0));
    }
    assert_eq!(porter.visits(), 4);
    assert_eq!(porter.at.lock().unwrap().as_deref(), Some(INSIDE_DOOR));
}

#[tokio::test]
async fn an_ordinary_users_door_opens_too() {
    if again_as_ordinary_user("door::an_ordinary_users_door_opens_too") {
        return;
    }
    let porter = Porter::new("porter");
    let outcome = through(&Bed::new(), &porter, KNOCK).await;
    assert_eq!(text(&outcome), "porter hello\n");
}

#[tokio::test]
async fn nobody_else_reaches_it_and_it_leads_to_nobody_else() {
    let (mine, other) = (Porter::new("mine"), Porter::new("other"));
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let (first, second) = (Bed::new(), Bed::new());
    // Both run at once, at the same address, and each finds its own.
    let script = format!(
        "sleep 0.3; {KNOCK}; cat /proc/net/tcp | wc -l; \
         for to in 127.0.0.1/{port} 169.254.169.254/80 10.0.0.1/8790; do \
         timeout 2 bash -c \"exec 3<>/dev/tcp/$to\" 2>/dev/null && echo reached $to; done; sleep 0.3"
    );
    let from_host = tokio::task::spawn_blocking(|| {
        // While both run: the address is that of another network.
        std::thread::sleep(Duration::from_millis(300));
        TcpStream::connect_timeout(&INSIDE_DOOR.parse().unwrap(), Duration::from_secs(1)).is_ok()
    });
    let (one, two, from_host) = tokio::join!(
        through(&first, &mine, &script),
        through(&second, &other, &script),
        from_host
    );
    assert!(
        !from_host.unwrap(),
        "the host reached the door of a sandbox"
    );
    let reached = |outcome: &Outcome| {
        let printed = text(outcome);
        printed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(reached(&one)[0], "mine hello");
    assert_eq!(reached(&two)[0], "other hello");
    assert!(!text(&one).contains("reached"), "{}", text(&one));
    assert_eq!((mine.visits(), other.visits()), (1, 1));
}

#[tokio::test]
async fn without_a_door_there_is_none() {
    let printed = Bed::new()
        .prints("bash -c 'exec 3<>/dev/tcp/127.0.0.1/8790' 2>&1; echo \"[$DOOR_URL]\"")
        .await;
    assert!(printed.contains("Connection refused"), "{printed}");
    assert!(printed.ends_with("[]\n"), "{printed}");
}

#[tokio::test]
async fn the_doors_variables_count_and_no_descriptor_of_its_making_gets_in() {
    let bed = Bed::new();
    let porter = Porter::new("porter");
    let mut spec = bed.spec(&["sh", "-c", "echo $DOOR_URL $OWN; exec ls -l /proc/self/fd"]);
    spec.env = BTreeMap::from([
        ("DOOR_URL".to_owned(), "http://elsewhere".to_owned()),
        ("OWN".to_owned(), "own".to_owned()),
    ]);
    let cancel = CancellationToken::new();
    let outcome = bed
        .sandbox
        .run(&spec, Some(&porter), &cancel)
        .await
        .unwrap();
    let printed = text(&outcome);
    assert!(
        printed.starts_with("http://127.0.0.1:8790/porter own\n"),
        "{printed}"
    );
    let open: Vec<&str> = printed
        .lines()
        .filter(|line| line.contains(" -> "))
        .collect();
    assert_eq!(open.len(), 4, "three and the one that ls reads: {printed}");
    assert!(!printed.contains("socket:"), "{printed}");
}

#[tokio::test]
async fn a_command_that_is_not_there_ends_as_without_a_door() {
    let bed = Bed::new();
    let porter = Porter::new("porter");
    let spec = bed.spec(&["no-such-program"]);
    let cancel = CancellationToken::new();
    let outcome = bed
        .sandbox
        .run(&spec, Some(&porter), &cancel)
        .await
        .unwrap();
    assert_eq!(outcome.ending, Ending::Exited(127));
}

/// Cannot be served.
#[derive(Debug)]
struct Closed;

impl Door for Closed {
    fn env(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn serve(&self, _listener: TcpListener) -> io::Result<()> {
        Err(io::Error::other("closed for good"))
    }

    fn admit(&self, _connection: Box<dyn Connection>) -> io::Result<()> {
        Err(io::Error::other("closed for good"))
    }
}

#[tokio::test]
async fn a_door_that_is_not_served_ends_the_run() {
    for backend in [Backend::Bubblewrap, Backend::None] {
        let bed = Bed::with(Settings {
            backend,
            ..Settings::default()
        });
        let spec = bed.spec(&["sleep", "30"]);
        let cancel = CancellationToken::new();
        let fault = bed
            .sandbox
            .run(&spec, Some(&Closed), &cancel)
            .await
            .unwrap_err();
        assert!(fault.cause.contains("closed for good"), "{fault}");
    }
}

#[tokio::test]
async fn without_isolation_it_is_a_port_of_the_host() {
    let bed = Bed::with(Settings {
        backend: Backend::None,
        ..Settings::default()
    });
    let porter = Porter::new("porter");
    let script = "at=${DOOR_URL#http://}; at=${at%/porter}; echo $at; \
        exec 3<>/dev/tcp/127.0.0.1/${at#*:}; echo ' hello' >&3; timeout 5 cat <&3";
    let outcome = through(&bed, &porter, script).await;
    let at = porter.at.lock().unwrap().clone().unwrap();
    assert_ne!(at, INSIDE_DOOR);
    assert_eq!(text(&outcome), format!("{at}\nporter hello\n"));
}
