//! The bounded reader of what a sandbox prints.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe::Receiver;

use crate::ports::sandbox::TAIL_BYTES;

/// How much is read at once; the capacity of a pipe.
const CHUNK_BYTES: usize = 64 * 1024;

/// Keeps output up to a cap and counts the rest. Its size does not depend on what is printed.
#[derive(Debug)]
pub(super) struct Capture {
    log: File,
    cap: u64,
    kept: u64,
    total: u64,
    digest: Sha256,
    tail: Vec<u8>,
    stirred: Option<Arc<AtomicU64>>,
}

/// What was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    /// The end of the kept output, at most [`TAIL_BYTES`].
    pub(super) tail: Vec<u8>,
    /// Bytes printed, kept or not.
    pub(super) total: u64,
    /// SHA-256 of the kept output, in hexadecimal.
    pub(super) digest: String,
}

impl Capture {
    /// Opens `log` for appending up to `cap` more bytes.
    pub(super) fn open(log: &Path, cap: u64) -> io::Result<Self> {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(log)?;
        Ok(Self {
            log,
            cap,
            kept: 0,
            total: 0,
            digest: Sha256::new(),
            tail: Vec::with_capacity(2 * TAIL_BYTES),
            stirred: None,
        })
    }

    /// Counts what is taken from now on in `stirred`, too.
    pub(super) fn stir(&mut self, stirred: Arc<AtomicU64>) {
        self.stirred = Some(stirred);
    }

    /// Reads `pipe` to its end. Goes on after the cap, so that the writer is never blocked.
    /// Whatever was read is taken even when this is dropped before the end.
    pub(super) async fn drain(&mut self, pipe: &mut Receiver) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        while self.read(pipe, &mut chunk).await? > 0 {}
        Ok(())
    }

    /// Reads both pipes to their ends, and passes what comes on `said` to `listener` until that
    /// wants no more of it.
    pub(super) async fn follow(
        &mut self,
        pipe: &mut Receiver,
        said: &mut Receiver,
        mut listener: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let (mut chunk, mut aside) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
        let (mut open, mut heard) = (true, true);
        loop {
            let read = tokio::select! {
                read = said.read(&mut chunk) => read?,
                read = pipe.read(&mut aside), if open => {
                    let read = read?;
                    self.take(aside.get(..read).unwrap_or_default())?;
                    open = read > 0;
                    continue;
                }
            };
            if read == 0 {
                break;
            }
            let bytes = chunk.get(..read).unwrap_or_default();
            self.take(bytes)?;
            heard = heard && listener.write_all(bytes).await.is_ok();
        }
        // Its end is told, too.
        drop(listener);
        if open { self.drain(pipe).await } else { Ok(()) }
    }

    /// Reads once and takes it.
    async fn read(&mut self, pipe: &mut Receiver, chunk: &mut [u8]) -> io::Result<usize> {
        let read = pipe.read(chunk).await?;
        // A plain write: nothing may be awaited between reading and taking, and what a job
        // writes here is bounded by its cap.
        self.take(chunk.get(..read).unwrap_or_default())?;
        Ok(read)
    }

    /// Takes what was printed. What goes beyond the cap is counted and thrown away.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.total += bytes.len() as u64;
        if let Some(stirred) = &self.stirred {
            stirred.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let room = usize::try_from(self.cap - self.kept).unwrap_or(usize::MAX);
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if kept.is_empty() {
            return Ok(());
        }
        self.log.write_all(kept)?;
        self.kept += kept.len() as u64;
        self.digest.update(kept);
        let end = kept.len().saturating_sub(TAIL_BYTES);
        let end = kept.get(end..).unwrap_or_default();
        if self.tail.len() + end.len() > 2 * TAIL_BYTES {
            self.tail
                .drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        }
        self.tail.extend_from_slice(end);
        Ok(())
    }

    /// Returns what was captured.
    pub(super) fn finish(mut self) -> Captured {
        self.tail
            .drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        Captured {
            tail: self.tail,
            total: self.total,
            digest: hex::encode(self.digest.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured(log: &Path, cap: u64, chunks: &[Vec<u8>]) -> Captured {
        let mut capture = Capture::open(log, cap).unwrap();
        for chunk in chunks {
            capture.take(chunk).unwrap();
            assert!(capture.tail.len() <= 2 * TAIL_BYTES);
        }
        capture.finish()
    }

    proptest! {
        #[test]
        fn keeps_a_prefix_and_its_tail(
            sizes in prop::collection::vec(0..40_000_usize, 0..12),
            cap in 0..100_000_u64,
        ) {
            let chunks: Vec<Vec<u8>> = sizes
                .iter()
                .enumerate()
                .map(|(n, size)| (0..*size).map(|i| u8::try_from((i * 7 + n) % 251).unwrap()).collect())
                .collect();
            let dir = tempfile::tempdir().unwrap();
            let log = dir.path().join("log");
            let got = captured(&log, cap, &chunks);

            let all = chunks.concat();
            let prefix = &all[..all.len().min(usize::try_from(cap).unwrap())];
            prop_assert_eq!(std::fs::read(&log).unwrap(), prefix);
            prop_assert_eq!(got.total, all.len() as u64);
            prop_assert_eq!(got.digest, hex::encode(Sha256::digest(prefix)));
            let tail = &prefix[prefix.len().saturating_sub(TAIL_BYTES)..];
            prop_assert_eq!(got.tail, tail);
        }
    }

    #[test]
    fn a_second_run_is_appended_and_has_a_digest_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        captured(&log, 10, &[b"first ".to_vec()]);
        let second = captured(&log, 10, &[b"second".to_vec()]);
        assert_eq!(std::fs::read(&log).unwrap(), b"first second");
        assert_eq!(second.digest, hex::encode(Sha256::digest(b"second")));
        assert_eq!(second.tail, b"second");
    }

    #[test]
    fn a_link_in_the_place_of_the_log_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &log).unwrap();
        Capture::open(&log, 10).unwrap_err();
        assert!(!dir.path().join("elsewhere").exists());
    }
}
