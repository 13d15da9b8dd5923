//! Rules over a change, applied by the server before anything is published.

use crate::domain::change::Harvest;
use crate::domain::policy::Policy;

/// Returns the changes that policy protects, as (index into the changes, the pattern), in order.
///
/// A protected path may be neither changed nor deleted nor added.
#[must_use]
pub fn protected(harvest: &Harvest, policy: &Policy) -> Vec<(usize, String)> {
    harvest
        .changes
        .iter()
        .enumerate()
        .filter_map(|(n, change)| {
            let pattern = policy.protect.matches(change.path.as_bytes())?;
            Some((n, pattern.to_owned()))
        })
        .collect()
}
