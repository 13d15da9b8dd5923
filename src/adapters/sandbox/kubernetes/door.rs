//! The door of a pod: a listener beside the command, whose connections come here over one stream.

use std::pin::Pin;
use std::time::Duration;

use kube::api::AttachedProcess;
use tokio::io::{AsyncRead, duplex};

use crate::adapters::sandbox::kubernetes::START;
use crate::adapters::sandbox::kubernetes::cluster::Cluster;
use crate::adapters::sandbox::kubernetes::mux::{Frame, Lines, send};
use crate::adapters::sandbox::kubernetes::transfer;
use crate::ports::door::{Door, INSIDE_DOOR};
use crate::ports::fault::Fault;

/// How long it may take to open.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one connection between here and the door.
const BUFFER: usize = 64 * 1024;

/// The stream of an open door. Dropped, it is closed.
pub(super) struct Opened {
    process: AttachedProcess,
    from: Pin<Box<dyn AsyncRead + Send>>,
    lines: Lines,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Opens it: once this returns, programs inside can connect.
pub(super) async fn open(cluster: &Cluster, pod: &str) -> Result<Opened, Fault> {
    let doing = format!("{START}: open its door");
    let mut process = transfer::start(cluster, pod, "door", &[INSIDE_DOOR]).await?;
    let streams = (process.stdin(), process.stdout(), process.take_status());
    let (Some(stdin), Some(stdout), Some(status)) = streams else {
        return Err(Fault::transient(doing, "no stream was opened"));
    };
    let ended = Box::pin(async move {
        status.await;
    });
    let (lines, frames) = Lines::new();
    tokio::spawn(send(frames, stdin));
    let mut from: Pin<Box<dyn AsyncRead + Send>> = Box::pin(stdout);
    let first = tokio::time::timeout(PATIENCE, Frame::read(&mut from)).await;
    match first.map_err(|late| Fault::transient(doing.as_str(), late))? {
        Ok(Frame::Ready) => Ok(Opened {
            process,
            from,
            lines,
            ended,
        }),
        Ok(other) => Err(Fault::transient(
            doing,
            format!("the keeper began with {other:?}"),
        )),
        Err(error) => Err(Fault::transient(doing, error)),
    }
}

impl Opened {
    /// Lets in whoever connects, until the stream breaks off.
    pub(super) async fn serve(&mut self, door: &dyn Door) -> std::io::Result<()> {
        loop {
            let frame = tokio::select! {
                frame = Frame::read(&mut self.from) => frame?,
                // A stream that is broken does not end by itself.
                () = &mut self.ended => return Err(std::io::ErrorKind::BrokenPipe.into()),
            };
            match frame {
                Frame::Open(line) => {
                    let (ours, theirs) = duplex(BUFFER);
                    match door.admit(Box::new(theirs)) {
                        Ok(()) => self.lines.begin(line, ours).await,
                        Err(_full) => {
                            let _ended = self.lines.sender().send(Frame::Gone(line)).await;
                        }
                    }
                }
                said @ (Frame::Ready
                | Frame::Data(_, _)
                | Frame::Credit(_, _)
                | Frame::End(_)
                | Frame::Gone(_)) => self.lines.take(said)?,
            }
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.process.abort();
    }
}
