//! The GraphQL API, as far as it knows what the REST API does not: conversations about lines.
//!
//! Documents are held against GitHub's own schema (`fixtures/graphql`), and what is refused comes with 200.

use std::sync::{LazyLock, Mutex, PoisonError};

use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Value, json};

use crate::simulator::api::auth::Caller;
use crate::simulator::api::message::{Answer, Content, Incoming, Reply};
use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::installations::Access;
use crate::simulator::world::pulls::Pull;

/// What its hour is called, beside `core`.
pub(crate) const RESOURCE: &str = "graphql";

/// Where it is.
pub(crate) const PATH: &str = "/graphql";

const SCHEMA: &str = include_str!("../../../fixtures/graphql/schema.graphql");

static GITHUB: LazyLock<Result<Valid<Schema>, String>> = LazyLock::new(|| {
    let schema = Schema::parse_and_validate(SCHEMA, "schema.graphql");
    schema.map_err(|found| found.errors.to_string())
});

/// Answers a document.
pub(crate) fn answer(world: &mut World, incoming: &Incoming, caller: &Caller) -> Answer {
    let schema = GITHUB.as_ref();
    let schema = schema.map_err(|why| SimError::Internal(why.clone()))?;
    let document = incoming.text("query").unwrap_or_default();
    let document = match ExecutableDocument::parse_and_validate(schema, document, "query") {
        Ok(document) => document,
        Err(found) => return Ok(refused(&[(None, &found.errors.to_string())])),
    };
    let variables: JsonMap =
        serde_json::from_value(incoming.json.field("variables").clone()).unwrap_or_default();
    let root = Node {
        at: Place::Root,
        call: &Mutex::new((world, caller)),
    };
    let execution = Execution::new(schema, &document).raw_variable_values(&variables);
    let told = match execution.execute_sync(&root) {
        Ok(told) => told,
        Err(why) => return Ok(refused(&[(None, &why.message().to_string())])),
    };
    let mut told = serde_json::to_value(told).unwrap_or_default();
    let errors = told.get_mut("errors").and_then(Value::as_array_mut);
    for error in errors.into_iter().flatten() {
        let message = error.field("message").as_str().unwrap_or_default();
        let message = message.trim_start_matches("resolver error: ").to_owned();
        if let Some(kind) = kind(&message) {
            error.set("type", kind);
        }
        error.set("message", message);
    }
    Ok(Reply::ok(told))
}

/// The `type` of an error, which GitHub has beside its message.
fn kind(message: &str) -> Option<&'static str> {
    let kinds = [
        ("Could not resolve to", "NOT_FOUND"),
        ("Resource not accessible", "FORBIDDEN"),
        ("API rate limit", "RATE_LIMITED"),
    ];
    let found = kinds.iter().find(|(start, _)| message.starts_with(start));
    found.map(|(_, kind)| *kind)
}

/// Turns a refusal of the REST API into the one that this API gives: what does not concern the token comes
/// with 200.
pub(crate) fn refusal(reply: Reply) -> Reply {
    let Content::Json(body) = &reply.content else {
        return reply;
    };
    if !(400..500).contains(&reply.status) || reply.status == 401 {
        return reply;
    }
    let message = body.field("message").as_str().unwrap_or_default();
    let refused = refused(&[(kind(message), message)]);
    Reply {
        headers: reply.headers.clone(),
        ..refused
    }
    .with("X-RateLimit-Resource", RESOURCE)
}

fn refused(errors: &[(Option<&str>, &str)]) -> Reply {
    let each = errors.iter().map(|(kind, message)| {
        let mut error = json!({ "message": message });
        if let Some(kind) = kind {
            error.set("type", *kind);
        }
        error
    });
    Reply::ok(json!({ "errors": each.collect::<Vec<_>>() }))
}

/// The world, and who looks at it.
type Call<'a> = Mutex<(&'a mut World, &'a Caller)>;

/// An object of the schema.
struct Node<'a> {
    at: Place,
    call: &'a Call<'a>,
}

#[derive(Clone)]
enum Place {
    Root,
    Repository(u64),
    Pull(u64, u64),
    /// Conversations, by the comments that they begin with, and how many come before them.
    Conversations(u64, Vec<u64>, usize),
    Page(usize),
    Conversation(u64, u64),
    Comments(u64),
    Comment(u64),
    Resolved(u64, u64),
}

impl ObjectValue for Node<'_> {
    fn type_name(&self) -> &str {
        match &self.at {
            // Both roots, whose fields have different names.
            Place::Root => "Query",
            Place::Repository(_) => "Repository",
            Place::Pull(..) => "PullRequest",
            Place::Conversations(..) => "PullRequestReviewThreadConnection",
            Place::Page(_) => "PageInfo",
            Place::Conversation(..) => "PullRequestReviewThread",
            Place::Comments(_) => "PullRequestReviewCommentConnection",
            Place::Comment(_) => "PullRequestReviewComment",
            Place::Resolved(..) => "ResolveReviewThreadPayload",
        }
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let arguments = serde_json::to_value(info.arguments()).unwrap_or_default();
        let go = |at: Place| {
            ResolvedValue::object(Node {
                at,
                call: self.call,
            })
        };
        let found = self.field(info.field_name(), &arguments);
        let found = found.map_err(|error| FieldError {
            message: error.to_string(),
        })?;
        Ok(match found {
            Found::Leaf(value) => ResolvedValue::leaf(bytes_of(value)),
            Found::Place(at) => go(at),
            Found::List(each) => ResolvedValue::list(each.into_iter().map(go)),
            Found::Unknown => return Err(self.unknown_field_error(info)),
        })
    }
}

/// What a field holds.
enum Found {
    Leaf(Value),
    Place(Place),
    List(Vec<Place>),
    Unknown,
}

/// The library has a JSON of its own.
fn bytes_of(value: Value) -> apollo_compiler::response::JsonValue {
    serde_json::from_value(value).unwrap_or_default()
}

/// The comments that conversations of a pull request begin with, oldest first.
fn roots(pull: &Pull) -> impl DoubleEndedIterator<Item = u64> {
    let roots = pull.review_comments.iter();
    roots
        .filter(|comment| comment.in_reply_to.is_none())
        .map(|comment| comment.id)
}

fn id_of(repo: u64, root: u64) -> String {
    format!("PRRT_{repo}_{root}")
}

fn nowhere(what: &str) -> SimError {
    SimError::NotFound(format!("Could not resolve to {what}."))
}

impl Node<'_> {
    fn field(&self, name: &str, arguments: &Value) -> Result<Found, SimError> {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let (world, caller) = &mut *call;
        Ok(match (&self.at, name) {
            (Place::Root, "repository") => {
                let text = |key| arguments.field(key).as_str().unwrap_or_default();
                let full_name = format!("{}/{}", text("owner"), text("name"));
                let former = || world.former_names.get(&full_name.to_lowercase()).copied();
                let repo = world.find_repository(&full_name).ok().or_else(former);
                let repo = repo.filter(|repo| caller.sees(world, *repo));
                let missing = || nowhere(&format!("a Repository with the name '{full_name}'"));
                Found::Place(Place::Repository(repo.ok_or_else(missing)?))
            }
            (Place::Root, "resolveReviewThread") => {
                let id = arguments.field("input").field("threadId");
                let id = id.as_str().unwrap_or_default();
                let missing = || nowhere(&format!("a node with the global id of '{id}'"));
                let (repo, root) = read_id(id).ok_or_else(missing)?;
                for permission in ["contents", "pull_requests"] {
                    caller.need(world, repo, (&[permission], Access::Write))?;
                }
                let number = world.find_review_comment(repo, root);
                let number = number.map_err(|_| missing())?.0.number;
                world.pull_mut(repo, number)?.resolved.insert(root);
                Found::Place(Place::Resolved(repo, root))
            }
            (Place::Repository(repo), "pullRequest") => {
                let number = arguments.field("number").as_u64().unwrap_or_default();
                let missing = || nowhere(&format!("a PullRequest with the number of {number}"));
                let thread = world.thread(*repo, number).map_err(|_| missing())?;
                thread.as_pull().map_err(|_| missing())?;
                Found::Place(Place::Pull(*repo, number))
            }
            (Place::Pull(repo, number), "reviewThreads") => {
                let pull = world.thread(*repo, *number)?.as_pull()?;
                let all: Vec<_> = roots(pull).collect();
                let last = arguments.field("last").as_u64().unwrap_or_default();
                if !(1..=100).contains(&last) {
                    return Err(SimError::BadRequest(
                        "You must provide a `first` or `last` value of 1 to 100.".to_owned(),
                    ));
                }
                let before = arguments.field("before").as_str();
                let before = before.and_then(|cursor| cursor.parse().ok());
                let end = before.unwrap_or(all.len()).min(all.len());
                let start = end.saturating_sub(usize::try_from(last).unwrap_or(usize::MAX));
                let some = all.get(start..end).unwrap_or_default().to_vec();
                Found::Place(Place::Conversations(*repo, some, start))
            }
            (Place::Conversations(repo, roots, _), "nodes") => {
                let each = roots.iter().map(|root| Place::Conversation(*repo, *root));
                Found::List(each.collect())
            }
            (Place::Conversations(_, _, start), "pageInfo") => Found::Place(Place::Page(*start)),
            (Place::Page(start), "hasPreviousPage") => Found::Leaf(json!(*start > 0)),
            (Place::Page(start), "startCursor") => Found::Leaf(json!(start.to_string())),
            (Place::Conversation(repo, root), "id") => Found::Leaf(json!(id_of(*repo, *root))),
            (Place::Conversation(repo, root), "isResolved") => {
                let (thread, _) = world.find_review_comment(*repo, *root)?;
                Found::Leaf(json!(thread.as_pull()?.resolved.contains(root)))
            }
            (Place::Conversation(_, root), "comments") => Found::Place(Place::Comments(*root)),
            (Place::Comments(root), "nodes") => Found::List(vec![Place::Comment(*root)]),
            (Place::Comment(id), "fullDatabaseId") => Found::Leaf(json!(id.to_string())),
            (Place::Resolved(repo, root), "thread") => {
                Found::Place(Place::Conversation(*repo, *root))
            }
            (
                Place::Root
                | Place::Repository(_)
                | Place::Pull(..)
                | Place::Conversations(..)
                | Place::Page(_)
                | Place::Conversation(..)
                | Place::Comments(_)
                | Place::Comment(_)
                | Place::Resolved(..),
                _,
            ) => Found::Unknown,
        })
    }
}

fn read_id(id: &str) -> Option<(u64, u64)> {
    let (repo, root) = id.strip_prefix("PRRT_")?.split_once('_')?;
    Some((repo.parse().ok()?, root.parse().ok()?))
}
