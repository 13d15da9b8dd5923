//! Webhooks on their way out: signed, numbered, kept, and made unreliable on request.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Notify;

use crate::simulator::error::SimError;

/// GitHub sends no payload larger than this, and tells nobody.
const PAYLOAD_LIMIT: usize = 25 * 1024 * 1024;

/// One webhook request, as GitHub would send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The number under which the deliveries API knows it; each attempt has its own.
    pub id: u64,
    /// `X-GitHub-Delivery`; the same for every attempt.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// All headers of the request.
    pub headers: Vec<(String, String)>,
    /// The signed bytes.
    pub body: Bytes,
}

/// What happens to webhooks before they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxFault {
    /// Loses the next so many; the deliveries API shows them as failed.
    Drop(usize),
    /// Loses all from now on, and the deliveries API does not know of them: as GitHub does with what
    /// is too large.
    Swallow,
    /// Sends each of the next so many twice, with one GUID.
    Duplicate(usize),
    /// Sends the next batch in reverse order.
    Reverse,
    /// From now on, each delivery is lost or doubled by chance (out of 100), and each batch is
    /// shuffled. The same seed makes the same choices.
    Random {
        /// Where the choices start.
        seed: u64,
        /// Out of 100.
        drop: u8,
        /// Out of 100.
        duplicate: u8,
    },
}

/// An attempt that was made, as the deliveries API lists it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) delivery: Delivery,
    pub(crate) action: Option<String>,
    pub(crate) installation: u64,
    pub(crate) repo: Option<u64>,
    pub(crate) redelivery: bool,
    pub(crate) at: i64,
    /// What the receiver answered; `None` while it is on its way.
    pub(crate) status: Option<u16>,
}

impl Attempt {
    /// Whether the receiver took it.
    pub(crate) fn arrived(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// A payload that is to be sent.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) id: u64,
    pub(crate) event: &'a str,
    pub(crate) repo: Option<u64>,
    pub(crate) installation: u64,
    pub(crate) body: &'a Value,
    /// The App that it goes to.
    pub(crate) app: u64,
    /// What it is signed with.
    pub(crate) secret: &'a str,
    /// Now, in milliseconds since the epoch.
    pub(crate) at: i64,
}

/// Webhooks that wait, and those that were sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<u64>,
    attempts: Vec<Attempt>,
    faults: Vec<OutboxFault>,
    /// Wakes the loop that delivers over HTTP.
    pub(crate) wake: Arc<Notify>,
}

impl Outbox {
    /// Signs a payload and lets it wait for delivery.
    pub(crate) fn push(&mut self, draft: &Draft<'_>) {
        let body = Bytes::from(draft.body.to_string());
        if body.len() > PAYLOAD_LIMIT {
            return;
        }
        let guid = guid(&format!("{}:{}:{}", draft.secret, draft.id, draft.at));
        let headers = [
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "GitHub-Hookshot/5ca1ab1".to_owned()),
            ("X-GitHub-Delivery", guid.clone()),
            ("X-GitHub-Event", draft.event.to_owned()),
            ("X-GitHub-Hook-ID", draft.app.to_string()),
            (
                "X-GitHub-Hook-Installation-Target-ID",
                draft.app.to_string(),
            ),
            (
                "X-GitHub-Hook-Installation-Target-Type",
                "integration".to_owned(),
            ),
            ("X-Hub-Signature-256", signature(draft.secret, &body)),
        ];
        let delivery = Delivery {
            id: draft.id,
            guid,
            event: draft.event.to_owned(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body,
        };
        self.enqueue(Attempt {
            delivery,
            action: draft.body["action"].as_str().map(str::to_owned),
            installation: draft.installation,
            repo: draft.repo,
            redelivery: false,
            at: draft.at,
            status: None,
        });
    }

    fn enqueue(&mut self, attempt: Attempt) {
        self.waiting.push_back(attempt.delivery.id);
        self.attempts.push(attempt);
        self.wake.notify_one();
    }

    /// Sends a delivery once more, under a new id and its old GUID.
    pub(crate) fn redeliver(&mut self, id: u64, new_id: u64, now: i64) -> Result<(), SimError> {
        let mut attempt = self.attempt(id)?.clone();
        attempt.delivery.id = new_id;
        attempt.redelivery = true;
        attempt.at = now;
        attempt.status = None;
        self.enqueue(attempt);
        Ok(())
    }

    /// Attempts that were made, newest first.
    pub(crate) fn made(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts
            .iter()
            .rev()
            .filter(|attempt| attempt.status.is_some())
    }

    /// The attempt of that id.
    pub(crate) fn attempt(&self, id: u64) -> Result<&Attempt, SimError> {
        let mut attempts = self.attempts.iter();
        attempts
            .find(|attempt| attempt.delivery.id == id)
            .ok_or_else(SimError::not_found)
    }

    /// Notes what the receiver answered.
    pub(crate) fn answered(&mut self, id: u64, status: u16) {
        let mut attempts = self.attempts.iter_mut().rev();
        if let Some(attempt) = attempts.find(|attempt| attempt.delivery.id == id) {
            attempt.status = Some(status);
        }
    }

    /// Makes the way to the receiver unreliable.
    pub(crate) fn arm(&mut self, fault: OutboxFault) {
        self.faults.push(fault);
    }

    /// Takes what waits, as it arrives after all faults. Each counts as answered with 200 until
    /// [`answered`](Self::answered) says otherwise; a lost one counts as unreachable.
    pub(crate) fn drain(&mut self) -> Vec<Delivery> {
        let mut batch: Vec<u64> = self.waiting.drain(..).collect();
        if batch.is_empty() {
            return Vec::new();
        }
        for id in &batch {
            self.answered(*id, 200);
        }
        let mut lost = Vec::new();
        for fault in &mut self.faults {
            match fault {
                OutboxFault::Drop(left) => {
                    let count = batch.len().min(*left);
                    *left -= count;
                    lost.extend(batch.drain(..count));
                }
                OutboxFault::Duplicate(left) => {
                    let count = batch.len().min(*left);
                    *left -= count;
                    let doubled = batch.iter().enumerate();
                    batch = doubled
                        .flat_map(|(at, id)| {
                            std::iter::repeat_n(*id, if at < count { 2 } else { 1 })
                        })
                        .collect();
                }
                OutboxFault::Swallow => {
                    self.attempts
                        .retain(|attempt| !batch.contains(&attempt.delivery.id));
                    batch.clear();
                }
                OutboxFault::Reverse => batch.reverse(),
                OutboxFault::Random {
                    seed,
                    drop,
                    duplicate,
                } => {
                    let mut kept = Vec::new();
                    for id in batch {
                        let chance = next_random(seed) % 100;
                        if chance < u64::from(*drop) {
                            lost.push(id);
                        } else {
                            let twice = chance < u64::from(*drop) + u64::from(*duplicate);
                            kept.extend(std::iter::repeat_n(id, if twice { 2 } else { 1 }));
                        }
                    }
                    kept.sort_by_cached_key(|_| next_random(seed));
                    batch = kept;
                }
            }
        }
        self.faults.retain(|fault| match fault {
            OutboxFault::Drop(left) | OutboxFault::Duplicate(left) => *left > 0,
            OutboxFault::Reverse => false,
            OutboxFault::Random { .. } | OutboxFault::Swallow => true,
        });
        for id in lost {
            self.answered(id, 502);
        }
        let arrived = batch.into_iter().filter_map(|id| self.attempt(id).ok());
        arrived.map(|attempt| attempt.delivery.clone()).collect()
    }
}

/// `X-Hub-Signature-256` over the bytes of a body.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body).as_ref()))
}

/// A GUID that follows from its seed, so that a test sees the same one in every run.
fn guid(seed: &str) -> String {
    let hash = hex::encode(digest(&SHA256, seed.as_bytes()).as_ref());
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-9{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

/// The next number of a `SplitMix64` sequence.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_github_documents() {
        // The vector of GitHub's page on validating deliveries.
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
