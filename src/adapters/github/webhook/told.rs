//! What a delivery would have said of an act that was found without one. It holds what is read of a
//! delivery and nothing else, so that what follows is the same whichever way Prova learnt of it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::adapters::github::date;
use crate::domain::branch::BranchName;
use crate::domain::event::{Happening, Thread};
use crate::domain::ids::CommitSha;
use crate::domain::overlooked::{Act, Standing};
use crate::domain::repo::{Actor, ActorKind, Repo};

/// Returns event and body, for a label or an assignment.
pub(super) fn tell(repo: &Repo, standing: &Standing, act: &Act) -> Option<(String, Bytes)> {
    let mut body = match &act.what {
        Happening::Labeled(name) => json!({ "action": "labeled", "label": { "name": name } }),
        Happening::Assigned(login) => {
            let assignee = json!({ "login": login, "id": 0 });
            json!({ "action": "assigned", "assignee": assignee })
        }
        Happening::Opened
        | Happening::Unlabeled(_)
        | Happening::Unassigned(_)
        | Happening::Commented(_)
        | Happening::Reviewed(_)
        | Happening::Pressed(_)
        | Happening::Closed
        | Happening::Merged
        | Happening::Reopened
        | Happening::Gone => return None,
    };
    let parts = [
        ("issue", issue(&standing.thread, &date::text(act.at))),
        ("repository", repository(repo)),
        ("sender", account(&act.by)),
        ("installation", json!({ "id": repo.installation })),
    ];
    let fields = body.as_object_mut()?;
    fields.extend(parts.map(|(name, part)| (name.to_owned(), part)));
    Some(("issues".to_owned(), body.to_string().into()))
}

/// Returns event and body, for the end of a suite of checks.
pub(super) fn tell_checked(
    repo: &Repo,
    branch: &BranchName,
    commit: &CommitSha,
) -> (String, Bytes) {
    let body = json!({
        "action": "completed",
        "check_suite": { "head_branch": branch, "head_sha": commit },
        "repository": repository(repo),
        "installation": json!({ "id": repo.installation }),
    });
    ("check_suite".to_owned(), body.to_string().into())
}

/// An issue as it was when the act happened: the act is what changed it.
fn issue(thread: &Thread, at: &str) -> Value {
    let labels: Vec<_> = thread
        .labels
        .iter()
        .map(|name| json!({ "name": name }))
        .collect();
    json!({
        "number": thread.number,
        "title": thread.title,
        "body": thread.body,
        "user": { "login": thread.author, "id": 0 },
        "author_association": if thread.insider { "COLLABORATOR" } else { "NONE" },
        "labels": labels,
        "state": if thread.open { "open" } else { "closed" },
        "locked": thread.locked,
        "comments": thread.comments,
        "updated_at": at,
    })
}

fn repository(repo: &Repo) -> Value {
    json!({
        "id": repo.id,
        "full_name": repo.name.to_string(),
        "default_branch": repo.default_branch,
        "archived": repo.archived,
    })
}

fn account(actor: &Actor) -> Value {
    let kind = match actor.kind {
        ActorKind::Person => "User",
        ActorKind::Bot => "Bot",
    };
    json!({ "login": actor.login, "id": actor.id, "type": kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::github::Webhooks;
    use crate::domain::event::{Event, ThreadEvent, ThreadKind};
    use crate::domain::ids::{ActId, InstallationId, Login, RepoId, ThreadNumber};
    use crate::domain::time::Timestamp;
    use crate::ports::github::Translate as _;

    #[test]
    fn what_is_told_is_understood_as_it_was_meant() {
        let repo = Repo {
            id: RepoId(7),
            name: "octo/hello".parse().unwrap(),
            installation: InstallationId(9),
            default_branch: "main".to_owned(),
            archived: false,
        };
        let thread = Thread {
            number: ThreadNumber(3),
            kind: ThreadKind::Issue,
            title: "Fix \"it\"".to_owned(),
            body: "всё\n".to_owned(),
            author: Login::new("mallory"),
            insider: false,
            labels: vec!["prova".to_owned(), "bug".to_owned()],
            open: true,
            locked: false,
            comments: 2,
        };
        let acts = [
            Happening::Labeled("prova".to_owned()),
            Happening::Assigned(Login::new("bob")),
        ];
        for (what, insider, kind) in [
            (&acts[0], true, ActorKind::Person),
            (&acts[1], false, ActorKind::Bot),
        ] {
            let standing = Standing {
                thread: Thread {
                    insider,
                    ..thread.clone()
                },
                assignees: Vec::new(),
                updated_at: Timestamp::from_millis(1_795_223_999_000),
            };
            let act = Act {
                id: ActId(1),
                by: Actor {
                    login: Login::new("alice"),
                    id: 5,
                    kind,
                },
                what: what.clone(),
                at: Timestamp::from_millis(1_795_223_586_000),
            };
            let (event, body) = tell(&repo, &standing, &act).unwrap();
            let read = Webhooks.translate(&event, &body, Timestamp::EPOCH).unwrap();
            let meant = ThreadEvent {
                repo: repo.clone(),
                actor: act.by,
                thread: standing.thread,
                what: act.what,
                at: act.at,
            };
            assert_eq!(read, Event::Thread(Box::new(meant)));
        }
    }
}
