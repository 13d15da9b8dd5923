//! What the end of a thread changes.

use crate::domain::decide::Decision;
use crate::domain::decide::statuses::status_of;
use crate::domain::render::parts::Links;
use crate::domain::task::{Step, Task, transition};
use crate::domain::trigger::Ended;

/// Decides what the end of a thread changes for the task on it.
#[must_use]
pub fn ended(task: &Task, how: Ended, links: &Links) -> Decision {
    let step = match how {
        Ended::Merged => Step::Merge,
        Ended::Closed | Ended::Gone => Step::Close,
    };
    let Ok(state) = transition(&task.state, step) else {
        return Decision::default();
    };
    let mut decision = Decision {
        cancel: task.state.is_busy(),
        withdraw: true,
        reasons: vec![format!("task {} {}", task.id, state.word())],
        ..Decision::default()
    };
    let task = Task {
        state,
        ..task.clone()
    };
    if how != Ended::Gone {
        decision.effects.push(status_of(&task, links));
    }
    decision.task = Some(task);
    decision
}
