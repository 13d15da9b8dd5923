//! A log that is read in pieces: what was taken already is told by the time of each line.
//!
//! A stream of a log breaks off whenever a server of the cluster restarts, and begins again with
//! lines that have come already. Each line carries the time at which it was printed; several may
//! carry the same.

use std::io;

use jiff::SignedDuration;
use kube::api::LogParams;

type Time = jiff::Timestamp;

/// Bytes of a line's time at most.
const STAMP_BYTES: usize = 64;

/// Reads one log through any number of streams.
#[derive(Debug)]
pub(super) struct Follower {
    /// The time of the line that was begun last, which of those with that time it is, and how much
    /// of it was taken.
    last: Option<Time>,
    nth: u64,
    taken: u64,
    /// Lines with that time that this stream has brought again, until all is new.
    again: Option<u64>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Stamp(Vec<u8>),
    Skip,
    Text { known: u64 },
}

impl Follower {
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            nth: 0,
            taken: 0,
            again: None,
            phase: Phase::Stamp(Vec::new()),
        }
    }

    /// Begins with another stream of the same log, and returns how to ask for it.
    pub(super) fn begin(&mut self, container: &str, follow: bool) -> LogParams {
        self.phase = Phase::Stamp(Vec::new());
        self.again = self.last.map(|_| 0);
        LogParams {
            container: Some(container.to_owned()),
            follow,
            timestamps: true,
            // Whole seconds are asked for, and may have been rounded up.
            since_time: self
                .last
                .and_then(|last| last.checked_sub(SignedDuration::from_secs(1)).ok()),
            ..LogParams::default()
        }
    }

    /// Reads what a stream brings, and hands on what is new of it.
    ///
    /// # Errors
    /// When a line has no time, or what `take` says.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            match &mut self.phase {
                Phase::Stamp(begun) => {
                    let end = bytes.iter().position(|byte| *byte == b' ');
                    let (stamp, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    begun.extend_from_slice(stamp);
                    if begun.len() > STAMP_BYTES {
                        return Err(io::Error::other("a line of the log has no time"));
                    }
                    bytes = rest.get(1..).unwrap_or_default();
                    if end.is_some() {
                        let time = std::str::from_utf8(begun)
                            .ok()
                            .and_then(|text| text.parse().ok());
                        let time =
                            time.ok_or_else(|| io::Error::other("a line of the log has no time"))?;
                        self.phase = self.line(time);
                    }
                }
                Phase::Skip => match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        bytes = bytes.get(end + 1..).unwrap_or_default();
                        self.phase = Phase::Stamp(Vec::new());
                    }
                    None => return Ok(()),
                },
                Phase::Text { known } => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (text, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    let old = usize::try_from(*known)
                        .unwrap_or(usize::MAX)
                        .min(text.len());
                    *known -= old as u64;
                    let new = text.get(old..).unwrap_or_default();
                    self.taken += new.len() as u64;
                    if end.is_some() {
                        self.phase = Phase::Stamp(Vec::new());
                    }
                    take(new)?;
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    /// Returns what to do with a line of this time.
    fn line(&mut self, time: Time) -> Phase {
        if let (Some(again), Some(last)) = (&mut self.again, self.last) {
            if time < last {
                return Phase::Skip;
            }
            if time == last && *again < self.nth {
                *again += 1;
                return if *again == self.nth {
                    Phase::Text { known: self.taken }
                } else {
                    Phase::Skip
                };
            }
            self.again = None;
        }
        self.nth = if self.last == Some(time) {
            self.nth + 1
        } else {
            1
        };
        self.last = Some(time);
        self.taken = 0;
        Phase::Text { known: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:01.5Z one\n2026-01-01T00:00:01.5Z two\n\
        2026-01-01T00:00:01.51Z \n2026-01-01T00:00:01.51Z three of it\n2026-01-01T00:00:03Z end";
    const TEXT: &str = "one\ntwo\n\nthree of it\nend";

    fn read(follower: &mut Follower, text: &str, all: &mut Vec<u8>) -> io::Result<()> {
        follower.feed(text.as_bytes(), &mut |new| {
            all.extend_from_slice(new);
            Ok(())
        })
    }

    #[test]
    fn wherever_it_breaks_off_nothing_is_lost_or_doubled() {
        for first in 0..=LOG.len() {
            for second in [0, first / 2, first, LOG.len()] {
                let (mut follower, mut all) = (Follower::new(), Vec::new());
                for piece in [&LOG[..first], &LOG[..second], LOG] {
                    follower.begin("run", true);
                    read(&mut follower, piece, &mut all).unwrap();
                }
                assert_eq!(String::from_utf8(all).unwrap(), TEXT, "{first} {second}");
            }
        }
    }

    #[test]
    fn what_was_thrown_away_meanwhile_is_passed_over() {
        let (mut follower, mut all) = (Follower::new(), Vec::new());
        read(&mut follower, "2026-01-01T00:00:01Z one\n", &mut all).unwrap();
        let asked = follower.begin("run", false);
        assert_eq!(
            asked.since_time,
            Some("2026-01-01T00:00:00Z".parse().unwrap())
        );
        read(&mut follower, "2026-01-01T00:00:02Z two\n", &mut all).unwrap();
        assert_eq!(all, b"one\ntwo\n");
    }

    #[test]
    fn a_line_without_a_time_is_an_error() {
        for text in ["no time\n", &"x".repeat(100)] {
            read(&mut Follower::new(), text, &mut Vec::new()).unwrap_err();
        }
    }
}
