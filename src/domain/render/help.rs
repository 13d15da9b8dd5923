//! What can be asked.

use crate::domain::name::Name;
use crate::domain::render::parts::Links;

/// Returns the answer to `help`.
#[must_use]
pub fn help(label: &str, agents: &[Name], recipes: &[Name], links: &Links) -> String {
    let list = |names: &[Name]| match names {
        [] => "none".to_owned(),
        names => names
            .iter()
            .map(|n| format!("`{n}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let command = |text: &str| links.command(text);
    format!(
        "Label an issue `{label}`, or write in a comment:\n\n\
         | command | effect |\n| --- | --- |\n\
         | {} | does it: a pull request; on a pull request a commit, or suggestions where it comes from a fork |\n\
         | {} | the same with that agent |\n\
         | {} | lets two to four agents do it at once, and proposes what passes the checks |\n\
         | {} | runs a recipe, no model involved |\n\
         | {} | says how it stands |\n\
         | {} | ends what runs; what is done so far stays on the branch |\n\
         | {} | tries again |\n\
         | {} | takes the last follow-up on a pull request back, by one more commit |\n\
         | {} | merges the newest base into the branch of the pull request, of whomever, never by force; an agent resolves conflicts |\n\
         | {} | answers a question about the code, and changes nothing |\n\
         | {} | reviews the pull request, of whomever, with comments on its lines; never approves |\n\
         | {} | makes a plan, and changes nothing before it is approved |\n\
         | {} | carries the plan out |\n\
         | {} | shows what model calls may cost and have cost; an amount behind it limits the task |\n\n\
         Agents: {}. Recipes: {}. Only people with write permission can start work.",
        command("<what to do>"),
        command("with AGENT <what to do>"),
        command("race AGENT AGENT: <what to do>"),
        command("run RECIPE"),
        command("status"),
        command("stop"),
        command("retry"),
        command("undo"),
        command("rebase"),
        command("ask <question>"),
        command("review <what to look at>"),
        command("plan <what to do>"),
        command("approve"),
        command("budget"),
        list(agents),
        list(recipes),
    )
}
