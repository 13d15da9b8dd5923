//! Files on their way into a pod and out of it, over the streams of a program in its keeper.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::Handle;

use crate::adapters::sandbox::kubernetes::bundle::{self, Bounds, Refused};
use crate::adapters::sandbox::kubernetes::cluster::Cluster;
use crate::adapters::sandbox::kubernetes::manifest::{KEEPER, PROGRAM, kept};
use crate::adapters::sandbox::kubernetes::pod::POD;
use crate::ports::fault::Fault;

/// Bytes on the way.
const BUFFER: usize = 256 * 1024;
/// How long a program that only does one thing may take.
const CALL: Duration = Duration::from_mins(1);
/// Bytes of what a program says when it fails.
const SAID: u64 = 2000;

/// A directory, and the volume that stands for it in the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) volume: &'static str,
    pub(super) dir: PathBuf,
}

fn words(what: &str, more: impl IntoIterator<Item = String>) -> Vec<String> {
    let own = [PROGRAM, POD, what].map(str::to_owned);
    own.into_iter().chain(more).collect()
}

fn in_keeper() -> AttachParams {
    AttachParams::default()
        .container(KEEPER)
        .max_stdin_buf_size(BUFFER)
        .max_stdout_buf_size(BUFFER)
        .max_stderr_buf_size(BUFFER)
}

/// Runs one of our programs in the keeper to its end.
pub(super) async fn call(
    cluster: &Cluster,
    pod: &str,
    what: &str,
    rest: &[&str],
) -> Result<(), Fault> {
    run(
        cluster,
        pod,
        &words(what, rest.iter().map(ToString::to_string)),
    )
    .await
}

/// Runs a program in the keeper to its end.
pub(super) async fn run(cluster: &Cluster, pod: &str, command: &[String]) -> Result<(), Fault> {
    let process = cluster
        .exec(pod, command, &in_keeper().stdin(false))
        .await?;
    let ended = tokio::time::timeout(CALL, finished(process)).await;
    ended.map_err(|late| Fault::transient("run a program in the keeper", late))?
}

/// Starts one of our programs in the keeper, to talk with.
pub(super) async fn start(
    cluster: &Cluster,
    pod: &str,
    what: &str,
    rest: &[&str],
) -> Result<AttachedProcess, Fault> {
    let command = words(what, rest.iter().map(ToString::to_string));
    cluster.exec(pod, &command, &in_keeper().stdin(true)).await
}

/// Brings files in; of the first place, names at its root that are `hidden` stay out.
pub(super) async fn bring_in(
    cluster: &Cluster,
    pod: &str,
    (places, hidden): (&[Place], &[String]),
) -> Result<(), Fault> {
    let doing = "bring the checkout into the pod";
    let volumes = places.iter().map(|place| kept(place.volume));
    let mut process = cluster
        .exec(pod, &words("unpack", volumes), &in_keeper().stdin(true))
        .await?;
    let (Some(mut stdin), Some(status)) = (process.stdin(), process.take_status()) else {
        return Err(Fault::transient(doing, "no stream was opened"));
    };
    let (there, mut here) = duplex(BUFFER);
    let (places, hidden) = (places.to_vec(), hidden.to_vec());
    let packing = tokio::task::spawn_blocking(move || {
        let dirs: Vec<&Path> = places.iter().map(|place| place.dir.as_path()).collect();
        let skip = |name: &[u8]| hidden.iter().any(|one| one.as_bytes() == name);
        let mut out = io::BufWriter::with_capacity(BUFFER / 4, Bridge::new(there));
        bundle::pack(&dirs, &skip, &mut out)
    });
    let sending = async {
        let copied = tokio::io::copy(&mut here, &mut stdin).await;
        copied.and(stdin.flush().await)?;
        // It ends by itself; its input stays open until it has.
        std::future::pending::<io::Result<()>>().await
    };
    let status = tokio::select! {
        status = status => status,
        Err(error) = sending => return Err(Fault::transient(doing, error)),
    };
    drop(here);
    let packed = packing
        .await
        .map_err(|error| Fault::transient(doing, error))?;
    match status {
        Some(status) if status.status.as_deref() == Some("Success") => {
            packed.map_err(|error| Fault::io(doing, &error))
        }
        status => {
            packed.map_err(|error| Fault::io(doing, &error))?;
            Err(Fault::transient(
                doing,
                failure(process, status.and_then(|status| status.message)).await,
            ))
        }
    }
}

/// Brings files out, each into a fresh directory that is given with its place. All of it is an
/// enemy's.
///
/// # Errors
/// When the stream broke off, or what came was refused; the directories are to be thrown away.
pub(super) async fn bring_out(
    cluster: &Cluster,
    pod: &str,
    (places, hidden, bounds): (&[Place], &[String], Bounds),
) -> Result<(), Refused> {
    let gone = |cause: &str| Refused::Io(io::Error::new(io::ErrorKind::TimedOut, cause.to_owned()));
    let volumes = places.iter().map(|place| kept(place.volume));
    let command = words(
        "pack",
        [format!("/{}", hidden.join("/"))]
            .into_iter()
            .chain(volumes),
    );
    let process = cluster.exec(pod, &command, &in_keeper().stdin(false)).await;
    let mut process = process.map_err(|fault| gone(&fault.to_string()))?;
    let (Some(mut stdout), Some(status)) = (process.stdout(), process.take_status()) else {
        return Err(gone("no stream was opened"));
    };
    let (mut here, there) = duplex(BUFFER);
    let places = places.to_vec();
    let unpacking = tokio::task::spawn_blocking(move || {
        let dirs: Vec<&Path> = places.iter().map(|place| place.dir.as_path()).collect();
        let mut from = io::BufReader::with_capacity(BUFFER / 4, Bridge::new(there));
        bundle::unpack(&dirs, bounds, &mut from)
    });
    {
        let mut copying = std::pin::pin!(tokio::io::copy(&mut stdout, &mut here));
        tokio::select! {
            // Whoever unpacks may refuse before the end.
            _refused = &mut copying => {}
            // A stream that is broken does not end by itself; one whose program has ended does.
            status = status => if status.is_some() {
                let _refused = copying.await;
            },
        }
    }
    // Its end is told by dropping this end.
    drop(here);
    unpacking.await.map_err(io::Error::other)?
}

async fn finished(mut process: AttachedProcess) -> Result<(), Fault> {
    let status = match process.take_status() {
        Some(status) => status.await,
        None => None,
    };
    match status {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
        status => {
            let said = failure(process, status.and_then(|status| status.message)).await;
            Err(Fault::transient("run a program in the keeper", said))
        }
    }
}

/// Returns how a program failed, with what it said.
async fn failure(mut process: AttachedProcess, message: Option<String>) -> String {
    let mut said = Vec::new();
    if let Some(stderr) = process.stderr() {
        let _broken = stderr.take(SAID).read_to_end(&mut said).await;
    }
    let said = String::from_utf8_lossy(&said);
    let message = message.unwrap_or_else(|| "the stream broke off".to_owned());
    format!("{message} {}", said.trim()).trim().to_owned()
}

/// One end of a stream for code that blocks, on a thread that may.
struct Bridge(Handle, DuplexStream);

impl Bridge {
    fn new(stream: DuplexStream) -> Self {
        Self(Handle::current(), stream)
    }
}

impl Read for Bridge {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.block_on(self.1.read(bytes))
    }
}

impl Write for Bridge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.block_on(self.1.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.block_on(self.1.flush())
    }
}

/// Ends the output of whoever writes to it.
pub(super) async fn close(mut out: impl AsyncWrite + Unpin) {
    // It may be gone already.
    let _gone = out.shutdown().await;
}
