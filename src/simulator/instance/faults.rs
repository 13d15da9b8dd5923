//! What goes wrong on the way between the App and GitHub, armed by a test.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::simulator::instance::Simulator;

/// What people do just before a request is answered.
pub type Action = Arc<dyn Fn(&Simulator) + Send + Sync>;

/// What happens to a request.
#[derive(Clone)]
pub enum FaultKind {
    /// Answers with this status and does nothing.
    FailWith(u16),
    /// Cuts the connection and does nothing.
    Cut,
    /// Does what was asked, then loses the answer.
    AppliedButLost(Loss),
    /// Refuses with GitHub's words for a secondary rate limit.
    SecondaryLimit {
        /// 403 or 429.
        status: u16,
        /// Seconds in `Retry-After`, which GitHub does not always send.
        retry_after: Option<u64>,
    },
    /// Refuses with a spent primary limit.
    PrimaryLimit {
        /// Seconds since the epoch at which it is filled again.
        reset: i64,
    },
    /// Lets every token expire, then answers (with 401, unless the caller is the App itself).
    ExpireTokens,
    /// Answers, but late.
    Slow(Duration),
    /// Refuses as for a missing permission.
    Forbidden,
    /// Lets people act first, then answers: for edits, revocations and deletions at the worst time.
    Meanwhile(Action),
}

impl fmt::Debug for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailWith(status) => write!(f, "FailWith({status})"),
            Self::Cut => f.write_str("Cut"),
            Self::AppliedButLost(loss) => write!(f, "AppliedButLost({loss:?})"),
            Self::SecondaryLimit {
                status,
                retry_after,
            } => {
                write!(f, "SecondaryLimit({status}, {retry_after:?})")
            }
            Self::PrimaryLimit { reset } => write!(f, "PrimaryLimit({reset})"),
            Self::ExpireTokens => f.write_str("ExpireTokens"),
            Self::Slow(time) => write!(f, "Slow({time:?})"),
            Self::Forbidden => f.write_str("Forbidden"),
            Self::Meanwhile(_) => f.write_str("Meanwhile(..)"),
        }
    }
}

/// How an answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection ends without a byte.
    Connection,
    /// A proxy on the way answers 502 instead.
    BadGateway,
}

/// A fault and the requests it hits.
#[derive(Debug, Clone)]
pub struct Fault {
    method: String,
    path: String,
    skip: usize,
    times: usize,
    kind: FaultKind,
}

impl Fault {
    /// Hits the next request of that method and path. In both, `*` stands for any text, also across
    /// slashes; the path is as sent, without `/api/v3` and without the query.
    #[must_use]
    pub fn on(method: &str, path: &str, kind: FaultKind) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            skip: 0,
            times: 1,
            kind,
        }
    }

    /// Hits the `n`th such request from now (the first is 1) instead of the next.
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        Self {
            skip: n.saturating_sub(1),
            ..self
        }
    }

    /// Hits so many such requests in a row instead of one.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Hits every such request from now on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that hits a request, if one does. Every armed fault counts the request.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Option<FaultKind> {
        let mut struck = None;
        for fault in &mut self.0 {
            if !matches(&fault.method, method) || !matches(&fault.path, path) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if struck.is_none() {
                fault.times = fault.times.saturating_sub(1);
                struck = Some(fault.kind.clone());
            }
        }
        self.0.retain(|fault| fault.times > 0);
        struck
    }
}

/// Matches text against a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(tail) = text.strip_prefix(start) else {
        return false;
    };
    (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("/repos/*/pulls", "/repos/acme/widgets/pulls"));
        assert!(matches("*", ""));
        assert!(!matches("/repos/*/pulls", "/repos/acme/widgets/pulls/1"));
        assert!(!matches("GET", "POST"));
    }

    #[test]
    fn hits_the_nth_request_and_no_other() {
        let mut faults = Faults::default();
        faults.arm(Fault::on("POST", "/a*", FaultKind::Cut).nth(2));
        assert!(faults.strike("POST", "/a").is_none());
        assert!(faults.strike("GET", "/a").is_none());
        assert!(faults.strike("POST", "/ab").is_some());
        assert!(faults.strike("POST", "/a").is_none());
    }
}
