//! What is tried inside a sandbox, and what makes it a success: the enemy's, that is.
//!
//! Each attempt is a small script. It says `begun` first, and `through` with a word of evidence when
//! it got through; what the server sees from outside counts more than what it says.

use std::path::Path;

use crate::domain::evidence::Ending;
use crate::domain::time::Span;
use crate::ports::sandbox::Limits;

/// One thing to try.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// One word, for programs.
    pub(super) name: &'static str,
    /// What is tried, in words that follow "it tried to".
    pub(super) tried: String,
    pub(super) script: String,
    /// What the script finds as `$1`, `$2`.
    pub(super) words: Vec<String>,
    pub(super) limits: Limits,
    pub(super) proof: Proof,
    /// The limit of the settings that is tried.
    pub(super) setting: Option<&'static str>,
}

/// What shows that it did not get through, beside its silence and what is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Silence,
    /// How the run must have ended.
    Ended(Ending),
    /// The most bytes of output that may have been kept.
    Kept(u64),
}

/// What was seen of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) ending: Ending,
    /// What the script printed.
    pub(super) said: String,
    /// The size of the log.
    pub(super) kept: u64,
    /// What was found outside after it, if anything.
    pub(super) trace: Option<String>,
}

/// How an attempt came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Held,
    /// It got through: how.
    Through(String),
    /// The host lacks what it takes to try it: what.
    Untried(String),
    /// Nothing ran, so nothing is known: why.
    Broken(String),
}

/// Judges an attempt by what was seen of it.
pub(super) fn judge(proof: Proof, seen: &Observed) -> Verdict {
    let said = |word: &str| {
        seen.said
            .lines()
            .find_map(|line| line.strip_prefix(word).map(str::trim))
    };
    if let Some(trace) = &seen.trace {
        return Verdict::Through(trace.clone());
    }
    if let Some(how) = said("through:") {
        return Verdict::Through(how.to_owned());
    }
    if let Some(tool) = said("no tool") {
        return Verdict::Untried(format!("it takes one of these to try{tool}"));
    }
    if said("begun").is_none() {
        return Verdict::Broken(format!("nothing ran: {}", seen.ending));
    }
    match proof {
        Proof::Ended(ending) if ending != seen.ending => {
            Verdict::Through(format!("it went on: {}", seen.ending))
        }
        Proof::Kept(most) if seen.kept > most => {
            Verdict::Through(format!("{} bytes were kept", seen.kept))
        }
        Proof::Silence | Proof::Ended(_) | Proof::Kept(_) => Verdict::Held,
    }
}

/// Where things are on the host that an attempt goes for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Targets<'a> {
    /// The App's private key, when it is a file.
    pub(super) key: Option<&'a Path>,
    /// The database.
    pub(super) store: Option<&'a Path>,
    /// A file in the checkout of another job.
    pub(super) neighbour: &'a Path,
    /// A directory that everybody on the host may write.
    pub(super) open: &'a Path,
    /// A socket of the host, and the name of an abstract one.
    pub(super) socket: (&'a Path, &'a str),
    /// A port of the host's loopback.
    pub(super) port: u16,
    /// What nobody else calls a process.
    pub(super) nap: &'a str,
}

/// What an attempt may use when it is not about that.
const LIMITS: Limits = Limits {
    wall: Span::seconds(20),
    output_bytes: 64 * 1024,
    file_bytes: 1 << 30,
    processes: 64,
    memory_bytes: 256 << 20,
    milli_cpus: None,
    disk_bytes: 256 << 20,
};

const READ: &str = "head -c 1 \"$1\" >/dev/null 2>&1 && [ -s \"$1\" ] && echo \"through: read $1\"";

const ENVIRONMENT: &str = "for n in $(env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p'); do \
    case $n in HOME|LANG|PATH|TMPDIR|PWD|OLDPWD|SHLVL|_) ;; *) echo \"through: $n\";; esac; done";

const PROCESSES: &str = "for p in /proc/[0-9]*; do \
    [ -s \"$p/root$1\" ] && echo \"through: by $p\" && break; done";

const WRITE: &str = "for f in \"$1/written\" /usr/prova-was-here /etc/prova-was-here; do \
    ( : > \"$f\" ) 2>/dev/null && rm -f \"$f\" && echo \"through: wrote $f\"; done";

const CONNECT: &str = "if command -v bash >/dev/null; \
    then timeout 3 bash -c \": <>/dev/tcp/$1/$2\" 2>/dev/null; \
    elif command -v python3 >/dev/null; then timeout 3 python3 -c 'import socket,sys; \
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)' \"$1\" \"$2\" 2>/dev/null; \
    else echo 'no tool: bash, python3'; false; fi && echo \"through: connected to $1\"";

/// A route is proof enough: what is at its end need not be disturbed.
const ROUTE: &str = "if [ \"$(wc -l < /proc/net/route)\" -gt 1 ]; \
    then echo 'through: there is a route out'; exit; fi; ";

const SOCKET: &str = "for n in \"p$1\" \"a$2\"; do \
    if command -v python3 >/dev/null; then timeout 3 python3 -c 'import socket,sys; n = sys.argv[1]; \
        socket.socket(socket.AF_UNIX).connect(n[1:] if n[0] == \"p\" else \"\\0\" + n[1:])' \"$n\" 2>/dev/null; \
    elif command -v perl >/dev/null; then timeout 3 perl -MIO::Socket::UNIX -e '$n = shift; $k = substr($n, 0, 1); \
        $n = substr($n, 1); IO::Socket::UNIX->new(Peer => $k eq \"p\" ? $n : \"\\0$n\") or exit 1' \"$n\" 2>/dev/null; \
    else echo 'no tool: python3, perl'; false; fi && echo \"through: connected to $n\"; done";

const NAMESPACE: &str = "if command -v unshare >/dev/null; \
    then unshare --user --map-root-user true 2>/dev/null && echo 'through: it is root of one'; \
    else echo 'no tool: unshare'; fi";

const FORKS: &str = "n=0; while [ $n -lt 500 ]; do sleep 3 & n=$((n + 1)); done 2>/dev/null; \
    [ $n -eq 500 ] && [ \"$(ls -d /proc/[0-9]* | wc -l)\" -gt 400 ] && echo 'through: 500 at once'";

/// Reading one's last 512 MiB needs as much memory.
const MEMORY: &str = "[ \"$(head -c 512M /dev/zero | tail -c 512M | wc -c)\" = 536870912 ] \
    && echo 'through: it had 512 MiB'";

const DISK: &str =
    "for n in 1 2 3 4 5 6 7 8; do head -c 8M /dev/zero | tr '\\0' x > \"fill$n\"; done; sleep 10";

const FLOOD: &str = "head -c 8M /dev/zero | tr '\\0' x";

const OUTLIVE: &str = "if command -v setsid >/dev/null; then (setsid sleep \"$1\" >/dev/null 2>&1 &); \
    else (nohup sleep \"$1\" >/dev/null 2>&1 &); fi";

/// Returns everything that is tried.
pub(super) fn attempts(targets: &Targets<'_>) -> Vec<Attempt> {
    let mut all = Vec::new();
    let mut silent = |name, tried: &str, script: &str, words: &[&str]| {
        all.push(Attempt {
            name,
            tried: tried.to_owned(),
            script: script.to_owned(),
            words: words.iter().map(ToString::to_string).collect(),
            limits: LIMITS,
            proof: Proof::Silence,
            setting: None,
        });
    };
    let text = |path: &Path| path.display().to_string();
    if let Some(key) = targets.key {
        silent("app-key", "read the App's private key", READ, &[&text(key)]);
    }
    if let Some(store) = targets.store {
        silent("store", "read the store", READ, &[&text(store)]);
    }
    let neighbour = text(targets.neighbour);
    silent(
        "environment",
        "see more variables than it is given",
        ENVIRONMENT,
        &[],
    );
    silent(
        "other-checkout",
        "read the checkout of another job",
        READ,
        &[&neighbour],
    );
    silent(
        "processes",
        "reach the host through its processes in /proc",
        PROCESSES,
        &[&neighbour],
    );
    silent(
        "write",
        "write outside of its own directories",
        WRITE,
        &[&text(targets.open)],
    );
    silent(
        "loopback",
        "connect to the host's loopback",
        CONNECT,
        &["127.0.0.1", &targets.port.to_string()],
    );
    silent(
        "metadata",
        "reach the metadata address 169.254.169.254",
        &format!("{ROUTE}{CONNECT}"),
        &["169.254.169.254", "80"],
    );
    let (path, name) = targets.socket;
    silent(
        "unix-socket",
        "connect to a unix socket of the host",
        SOCKET,
        &[&text(path), name],
    );
    silent(
        "namespace",
        "make a user namespace of its own",
        NAMESPACE,
        &[],
    );
    silent("outlive", "outlive its run", OUTLIVE, &[targets.nap]);
    all.extend(against_limits());
    all
}

fn against_limits() -> [Attempt; 4] {
    let attempt = |name, tried: &str, script: &str| Attempt {
        name,
        tried: tried.to_owned(),
        script: script.to_owned(),
        words: Vec::new(),
        limits: LIMITS,
        proof: Proof::Silence,
        setting: None,
    };
    let disk = Limits {
        disk_bytes: 16 << 20,
        ..LIMITS
    };
    [
        Attempt {
            setting: Some("processes"),
            ..attempt("forks", "start 500 processes where 64 are allowed", FORKS)
        },
        Attempt {
            setting: Some("memory_mib"),
            ..attempt(
                "memory",
                "use 512 MiB of memory where 256 are allowed",
                MEMORY,
            )
        },
        Attempt {
            limits: disk,
            proof: Proof::Ended(Ending::DiskFull),
            ..attempt("disk", "write 64 MiB where 16 are allowed", DISK)
        },
        Attempt {
            proof: Proof::Kept(LIMITS.output_bytes),
            ..attempt(
                "output",
                "have 8 MiB of output kept where 64 KiB are",
                FLOOD,
            )
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(said: &str) -> Observed {
        Observed {
            ending: Ending::Exited(0),
            said: said.to_owned(),
            kept: 0,
            trace: None,
        }
    }

    #[test]
    fn silence_after_a_begin_is_what_holds() {
        assert_eq!(judge(Proof::Silence, &seen("begun\n")), Verdict::Held);
        let through = judge(Proof::Silence, &seen("begun\nthrough: PATH\n"));
        assert_eq!(through, Verdict::Through("PATH".to_owned()));
        let nothing = judge(Proof::Silence, &seen(""));
        assert_eq!(nothing, Verdict::Broken("nothing ran: exit 0".to_owned()));
        let blunt = judge(Proof::Silence, &seen("begun\nno tool: bash\n"));
        assert!(matches!(blunt, Verdict::Untried(_)), "{blunt:?}");
    }

    #[test]
    fn what_is_seen_outside_counts_more_than_what_is_said() {
        let trace = Observed {
            trace: Some("it still runs".to_owned()),
            ..seen("begun\n")
        };
        let expected = Verdict::Through("it still runs".to_owned());
        assert_eq!(judge(Proof::Silence, &trace), expected);
    }

    #[test]
    fn a_limit_must_have_ended_it() {
        let proof = Proof::Ended(Ending::DiskFull);
        let went_on = judge(proof, &seen("begun\n"));
        assert_eq!(went_on, Verdict::Through("it went on: exit 0".to_owned()));
        let ended = Observed {
            ending: Ending::DiskFull,
            ..seen("begun\n")
        };
        assert_eq!(judge(proof, &ended), Verdict::Held);
        let kept = Observed {
            kept: 10,
            ..seen("begun\n")
        };
        assert_eq!(judge(Proof::Kept(10), &kept), Verdict::Held);
        assert!(matches!(judge(Proof::Kept(9), &kept), Verdict::Through(_)));
    }

    #[test]
    fn every_attempt_has_a_name_of_its_own() {
        let at = Path::new("/x");
        let all = attempts(&Targets {
            key: Some(at),
            store: Some(at),
            neighbour: at,
            open: at,
            socket: (at, "x"),
            port: 1,
            nap: "1",
        });
        let names: std::collections::BTreeSet<_> = all.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all.len(), 15);
    }
}
