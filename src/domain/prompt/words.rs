//! What a brief says to whoever is to say something and change nothing, and the plan for whoever is to
//! carry one out.

use std::fmt::Write as _;

use crate::domain::job::{Request, Wanted};
use crate::domain::prompt::room;
use crate::domain::sanitize::visible;

/// How to work when words are wanted.
pub(super) const RULES: &str = "## How to work\n\n\
     - Read what you need. You may run things and change files to find out; all of that is thrown away.\n\
     - You have no network and no credentials. Nobody answers questions while you work.\n\
     - Leave what you have to say as JSON, `{\"summary\": …}` with Markdown in it, in the file that \
     `PROVA_RESULT` names; where you cannot, say it as your last words. It is shown on the thread.\n\
     - Name files and lines as `path:line`. Say what you do not know, and do not guess.\n";

/// Says what kind of words is wanted, or which plan is to be carried out.
pub(super) fn asked(out: &mut String, request: &Request, kind: &str) {
    match request.wanted {
        Wanted::Change => {}
        Wanted::Answer => out
            .push_str("Answer the question, and change nothing: what counts is what you say.\n\n"),
        Wanted::Review => {
            let _ = write!(
                out,
                "Review what the {kind} changes, and change nothing: what counts is what you say.\n\n"
            );
        }
        Wanted::Plan | Wanted::PlanFirst => {
            let _ = write!(
                out,
                "Make a plan for what the {kind} and the request ask for, and do not carry it out. Say which \
                 files change and how, in which order, how it is to be checked, and what is open. Somebody \
                 else carries it out by your words alone.\n\n"
            );
        }
    }
    let Some(plan) = &request.plan else {
        return;
    };
    let plan = visible::visible(plan, room::PLAN);
    let what = match request.wanted {
        Wanted::Change => {
            "Carry this plan out. Where it turns out to be wrong, do what is asked for and say so"
        }
        Wanted::Plan | Wanted::PlanFirst | Wanted::Answer | Wanted::Review => {
            "This is the plan so far"
        }
    };
    let _ = write!(out, "{what}:\n\n{plan}\n\n");
}
