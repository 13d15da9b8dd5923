//! Bodies of unknown senders, held in bounded memory until their signature is checked.
//!
//! GitHub sends up to 25 MB, and anybody can send as much without being GitHub. Small bodies are
//! held in memory, larger ones in a nameless file, and few of those at once.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::http::signature::Verifier;

/// GitHub's cap on payloads: larger ones are never sent.
pub const MAX_BYTES: u64 = 25 * 1024 * 1024;
/// What is held in memory of one body: more than nearly all that GitHub sends.
const IN_MEMORY: usize = 64 * 1024;
/// Bodies over [`IN_MEMORY`] that may be held at once.
const LARGE_AT_ONCE: usize = 8;
/// How long a body waits for one of those places, unread.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(5);
/// GitHub gives up after 10 s.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Where bodies are held.
#[derive(Debug)]
pub struct Desk {
    large: Semaphore,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            large: Semaphore::new(LARGE_AT_ONCE),
        }
    }
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is larger than [`MAX_BYTES`].
    TooLarge,
    /// Its signature is not right.
    BadSignature,
    /// It did not come in time, or broke off.
    Incomplete,
    /// Too many large bodies are on their way, or the disk is full.
    Busy,
}

impl Desk {
    /// Takes a body whose signature is right.
    pub async fn take(&self, body: Body, verifier: Verifier) -> Result<Bytes, NotTaken> {
        tokio::time::timeout(READ_WITHIN, self.read(body, verifier))
            .await
            .unwrap_or(Err(NotTaken::Incomplete))
    }

    /// Waits for a place among the large bodies. The sender waits too, since nothing is read.
    async fn spill(&self) -> Result<Spill<'_>, NotTaken> {
        match tokio::time::timeout(WAIT_FOR_PLACE, self.large.acquire()).await {
            Ok(Ok(place)) => Ok(Spill {
                file: tempfile::tempfile().map_err(|_| NotTaken::Busy)?,
                _place: place,
            }),
            Ok(Err(_)) | Err(_) => Err(NotTaken::Busy),
        }
    }

    async fn read(&self, mut body: Body, mut verifier: Verifier) -> Result<Bytes, NotTaken> {
        let claimed = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut held = BytesMut::new();
        let mut spill = None;
        if claimed > IN_MEMORY {
            // Before any of it is in memory.
            spill = Some(self.spill().await?);
        } else {
            held.reserve(claimed);
        }
        let mut total: u64 = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(NotTaken::Incomplete);
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            total += data.len() as u64;
            if total > MAX_BYTES {
                return Err(NotTaken::TooLarge);
            }
            verifier.update(&data);
            if spill.is_none() && held.len() + data.len() > IN_MEMORY {
                let mut new = self.spill().await?;
                new.put(&std::mem::take(&mut held))?;
                spill = Some(new);
            }
            match &mut spill {
                None => held.extend_from_slice(&data),
                Some(spill) => spill.put(&data)?,
            }
        }
        if !verifier.verify() {
            return Err(NotTaken::BadSignature);
        }
        match spill {
            None => Ok(held.freeze()),
            Some(spill) => spill.whole(total),
        }
    }
}

/// A large body on disk.
struct Spill<'a> {
    file: File,
    _place: SemaphorePermit<'a>,
}

impl Spill<'_> {
    fn put(&mut self, data: &[u8]) -> Result<(), NotTaken> {
        // The page cache takes it; a thread of its own would cost more.
        self.file.write_all(data).map_err(|_| NotTaken::Busy)
    }

    fn whole(mut self, bytes: u64) -> Result<Bytes, NotTaken> {
        let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        self.file.rewind().map_err(|_| NotTaken::Busy)?;
        let read = self.file.read_to_end(&mut whole);
        read.map_err(|_| NotTaken::Busy)?;
        Ok(whole.into())
    }
}
