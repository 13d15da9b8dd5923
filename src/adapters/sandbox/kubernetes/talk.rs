//! A conversation with the command, over the streams of its container.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kube::api::AttachedProcess;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use crate::adapters::sandbox::capture::Capture;
use crate::adapters::sandbox::kubernetes::transfer;
use crate::ports::sandbox::Talk;

const CHUNK: usize = 64 * 1024;

type Broken = Pin<Box<dyn Future<Output = bool> + Send>>;
type Stream = Option<Pin<Box<dyn AsyncRead + Send>>>;

/// The streams, and who talks.
pub(super) struct Talking {
    /// Tells whether the streams broke off; they would not end then.
    broken: Option<Broken>,
    /// Keeps the streams open.
    _process: AttachedProcess,
    said: Stream,
    aside: Stream,
    listener: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    speaking: Option<JoinHandle<()>>,
    pub(super) stirred: Arc<AtomicU64>,
}

impl Talking {
    /// Begins to pass on what is said to the command.
    pub(super) fn new(mut process: AttachedProcess, talk: Talk) -> Self {
        let speaking = process
            .stdin()
            .zip(talk.input)
            .map(|(mut stdin, mut input)| {
                tokio::spawn(async move {
                    // A command that does not read its input any more has not failed by that.
                    let _unheard = tokio::io::copy(&mut input, &mut stdin).await;
                    transfer::close(stdin).await;
                })
            });
        let broken = process.take_status().map(|status| {
            let broken = async move { status.await.is_none() };
            Box::pin(broken) as Broken
        });
        Self {
            broken,
            said: process.stdout().map(|stream| Box::pin(stream) as _),
            aside: process.stderr().map(|stream| Box::pin(stream) as _),
            _process: process,
            listener: talk.output,
            speaking,
            stirred: talk.stirred,
        }
    }

    /// Reads both outputs to their ends. What was read is taken even when this is dropped before.
    pub(super) async fn read(&mut self, capture: &mut Capture) -> io::Result<()> {
        let (mut chunk, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
        while self.said.is_some() || self.aside.is_some() {
            tokio::select! {
                broken = told(&mut self.broken) => {
                    self.broken = None;
                    if broken {
                        return Ok(());
                    }
                }
                read = next(&mut self.said, &mut chunk), if self.said.is_some() => {
                    let bytes = chunk.get(..read).unwrap_or_default();
                    capture.take(bytes)?;
                    let heard = match &mut self.listener {
                        Some(listener) => listener.write_all(bytes).await.is_ok(),
                        None => true,
                    };
                    // The end of the output is told, too.
                    if !heard || self.said.is_none() {
                        self.listener = None;
                    }
                }
                read = next(&mut self.aside, &mut other), if self.aside.is_some() => {
                    capture.take(other.get(..read).unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        if let Some(speaking) = &self.speaking {
            speaking.abort();
        }
    }
}

/// Waits until it is known how the streams ended; forever once it was told.
async fn told(broken: &mut Option<Broken>) -> bool {
    match broken {
        Some(broken) => broken.await,
        None => std::future::pending().await,
    }
}

/// Reads once. At its end the stream is gone.
async fn next(stream: &mut Stream, chunk: &mut [u8]) -> usize {
    let read = match stream {
        Some(open) => open.read(chunk).await.unwrap_or(0),
        None => 0,
    };
    if read == 0 {
        *stream = None;
    }
    read
}
