//! The branch of a task that is over: whether it is deleted.

use crate::domain::effect::{Effect, EffectKey};
use crate::domain::ids::ThreadKey;
use crate::domain::policy::WhenOver;
use crate::domain::task::Task;
use crate::domain::trigger::Ended;

/// Returns the effect that deletes the branch of a task that ends so, where policy wants that and the
/// commit at its head is one that we put there. A branch that a person made is theirs to delete.
///
/// Without a pull request the branch is all that is left of the work, and stays: the commits of a pull
/// request can be brought back on GitHub.
#[must_use]
pub fn clear(task: &Task, how: Ended, when: WhenOver) -> Option<(EffectKey, ThreadKey, Effect)> {
    let due = match (when, how) {
        (WhenOver::Never, _) | (_, Ended::Gone) | (WhenOver::Merged, Ended::Closed) => false,
        (WhenOver::Merged | WhenOver::Ended, Ended::Merged) | (WhenOver::Ended, Ended::Closed) => {
            true
        }
    };
    let head = task.head.as_ref().filter(|_| due && task.pull.is_some());
    let ours = head.filter(|head| task.footing.found.as_ref() != Some(head));
    let ours = ours.filter(|_| task.home.is_looked_after())?;
    let effect = Effect::Delete {
        branch: task.branch.clone(),
        head: ours.clone(),
    };
    Some((EffectKey::delete(task.id), task.id.thread, effect))
}
