//! Waking loops of this process.

use tokio::sync::Notify;

use crate::ports::wake::{Waiting, Wake};

/// Tells nobody but the loops of this very process. Those of others look by themselves.
#[derive(Debug, Default)]
pub struct InProcess {
    deliveries: Notify,
    jobs: Notify,
    effects: Notify,
    bases: Notify,
}

impl InProcess {
    const fn of(&self, of: Waiting) -> &Notify {
        match of {
            Waiting::Deliveries => &self.deliveries,
            Waiting::Jobs => &self.jobs,
            Waiting::Effects => &self.effects,
            Waiting::Bases => &self.bases,
        }
    }
}

#[async_trait::async_trait]
impl Wake for InProcess {
    fn tell(&self, of: Waiting) {
        self.of(of).notify_one();
    }

    async fn told(&self, of: Waiting) {
        self.of(of).notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_word_that_nobody_waits_for_is_kept_and_is_for_its_own_kind() {
        let wake = InProcess::default();
        wake.tell(Waiting::Jobs);
        wake.told(Waiting::Jobs).await;
        wake.tell(Waiting::Effects);
        let patience = std::time::Duration::from_secs(1);
        let other = tokio::time::timeout(patience, wake.told(Waiting::Deliveries)).await;
        assert!(other.is_err());
    }
}
