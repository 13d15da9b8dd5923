//! What is answered with words alone.

use crate::domain::decide::Desk;
use crate::domain::render::footing::standing;
use crate::domain::render::help::help;
use crate::domain::render::parts::Links;
use crate::domain::render::refusal::Refusal;
use crate::domain::render::status::{no_task, status};
use crate::domain::task::Task;

impl Desk<'_> {
    pub(super) fn help(&mut self) -> Result<String, Refusal> {
        let policy = self
            .snapshot
            .policy
            .map_err(|problems| Refusal::BadPolicy(problems.to_owned()))?;
        let agents: Vec<_> = self.snapshot.agents.known.iter().cloned().collect();
        let recipes = self.snapshot.agents.recipes(policy);
        let text = help(&policy.label, &agents, &recipes, self.snapshot.links);
        self.answer(text);
        Ok("help given".to_owned())
    }

    pub(super) fn show_status(&mut self) -> String {
        let links = self.snapshot.links;
        let text = self
            .task()
            .map_or_else(|| no_task(links), |task| whole(task, links));
        self.answer(text);
        "status given".to_owned()
    }

    /// Puts words into the answer; what is asked twice in one comment is answered once.
    pub(super) fn answer(&mut self, text: String) {
        if !self.answers.contains(&text) {
            self.answers.push(text);
        }
    }
}

/// Returns how a task stands, and its branch.
fn whole(task: &Task, links: &Links) -> String {
    let mut text = status(task, links);
    let standing = standing(task, links);
    if !standing.is_empty() {
        text.push_str("\n\n");
        text.push_str(standing.trim_end());
    }
    text
}
