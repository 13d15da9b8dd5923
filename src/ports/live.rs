//! The secrets that this process holds, as one set that grows while it runs.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::redact::Redactor;

/// The redactor of everything that leaves the process: whoever comes to hold a secret tells it, and
/// whoever lets text out asks it.
#[derive(Default)]
pub struct LiveSecrets(RwLock<Arc<Redactor>>);

impl std::fmt::Debug for LiveSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveSecrets")
    }
}

impl LiveSecrets {
    /// Adds a secret that stays one: a key, a password.
    pub fn learn(&self, secret: &str) {
        self.change(|redactor| redactor.learn(secret));
    }

    /// Adds a token that will expire.
    pub fn learn_minted(&self, token: &str) {
        self.change(|redactor| redactor.learn_minted(token));
    }

    /// Replaces what is a secret in a text, as [`Redactor::redact`] does.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.now().redact(text)
    }

    /// Finds the secrets of this process in a text, as [`Redactor::held`] does.
    #[must_use]
    pub fn held(&self, text: &[u8]) -> Vec<Range<usize>> {
        self.now().held(text)
    }

    /// Returns the set as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<Redactor> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Redactor)) {
        let mut redactor = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads the set at this moment keeps the one before.
        change(Arc::make_mut(&mut redactor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_part_learns_all_others_redact() {
        let live = Arc::new(LiveSecrets::default());
        let (before, other) = (live.now(), Arc::clone(&live));
        live.learn("a-key-of-the-server");
        live.learn_minted("a-token-of-an-hour");
        assert_eq!(
            other.redact("a-key-of-the-server a-token-of-an-hour"),
            "[redacted] [redacted]"
        );
        assert_eq!(other.held(b"x a-token-of-an-hour"), [2..20]);
        assert!(before.held(b"a-key-of-the-server").is_empty());
        assert_eq!(format!("{live:?}"), "LiveSecrets");
    }
}
