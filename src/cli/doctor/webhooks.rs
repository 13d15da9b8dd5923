//! Whether GitHub's deliveries arrive.

use crate::bootstrap::open_store;
use crate::cli::doctor::{Finding, bad, good, warn};
use crate::cli::output::when;
use crate::config::server::ServerSettings;
use crate::domain::missed::{Arrival, Attempt};
use crate::ports::fault::Fault;
use crate::ports::github::GitHub;
use crate::ports::store::Inbox as _;

const WHAT: &str = "deliveries";

/// Looks at GitHub's last attempts to bring deliveries, and at what came of those that failed.
pub(super) async fn deliveries(settings: &ServerSettings, github: &dyn GitHub) -> Finding {
    let attempts = match github.attempts(None).await {
        Ok(page) => page.attempts,
        Err(fault) => return bad(WHAT, fault.to_string()),
    };
    let failed: Vec<_> = attempts.iter().filter_map(failure).collect();
    let count = attempts.len();
    if count == 0 {
        return good(WHAT, "GitHub has not tried to bring any in the last days");
    }
    let Some((last, words)) = failed.first() else {
        return good(
            WHAT,
            format!("all of GitHub's last {count} attempts arrived"),
        );
    };
    let told = format!(
        "{} of GitHub's last {count} attempts failed, the last one at {}: {words}",
        failed.len(),
        when(last.at)
    );
    match missing(settings, &failed).await {
        Ok(0) => good(WHAT, format!("{told}; none is missing here")),
        Ok(missing) => warn(
            WHAT,
            format!(
                "{told}; {missing} are missing here, which `prova deliveries missed` lists and a running server fetches. Does the App's webhook URL lead here?"
            ),
        ),
        Err(_) => warn(WHAT, told),
    }
}

fn failure(attempt: &Attempt) -> Option<(&Attempt, &str)> {
    match &attempt.result {
        Arrival::Accepted => None,
        Arrival::Failed(words) => Some((attempt, words)),
    }
}

async fn missing(settings: &ServerSettings, failed: &[(&Attempt, &str)]) -> Result<usize, Fault> {
    let store = open_store(settings)
        .await
        .map_err(|error| Fault::permanent("open the store", error))?;
    let mut ids: Vec<_> = failed
        .iter()
        .map(|(attempt, _)| attempt.delivery.clone())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids.len() - store.known(&ids).await?.len())
}
