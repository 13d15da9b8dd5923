//! Conversations about lines: only the GraphQL API knows whether they are resolved, and resolves them.
//!
//! GitHub wants `contents: write` for that beside `pull_requests: write`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::adapters::github::Client;
use crate::adapters::github::request::Request;
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{CommentId, ThreadNumber};
use crate::domain::repo::Repo;
use crate::ports::fault::Fault;

/// Pages of 100 conversations that are read, the newest first.
const PAGES: usize = 10;
/// How many are resolved by one request.
const AT_ONCE: usize = 50;

const FIND: &str = "\
query ($owner: String!, $name: String!, $number: Int!, $before: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(last: 100, before: $before) {
        pageInfo { hasPreviousPage startCursor }
        nodes { id isResolved comments(first: 1) { nodes { fullDatabaseId } } }
      }
    }
  }
}";

#[derive(Deserialize)]
struct Told {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    repository: Repository,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    pull_request: Pull,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    review_threads: Page<Conversation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    #[serde(default)]
    page_info: PageInfo,
    nodes: Vec<Option<T>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
    start_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conversation {
    id: String,
    is_resolved: bool,
    comments: Page<Comment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    /// A text, since it may be more than JSON's numbers are good for.
    full_database_id: Option<Value>,
}

impl Conversation {
    /// Returns the comment that it begins with.
    fn root(&self) -> Option<CommentId> {
        let id = self.comments.nodes.first()?.as_ref()?;
        let id = id.full_database_id.as_ref()?;
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok())?;
        Some(CommentId(id))
    }
}

impl Client {
    /// Resolves the conversations that begin with these comments and are open; those that are gone, or
    /// are beyond the newest thousand, stay as they are.
    pub(super) async fn resolve_conversations(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        roots: &[CommentId],
    ) -> Result<(), Fault> {
        let open = self.open_conversations(repo, number, roots).await?;
        for some in open.chunks(AT_ONCE) {
            let doing = format!("resolve conversations of {}#{number}", repo.name);
            let (document, variables) = resolve(some);
            let request = Request::mutation(doing, &document, &variables).of(Importance::Bulk);
            self.send(repo, &request).await?.succeeded()?;
        }
        Ok(())
    }

    async fn open_conversations(
        &self,
        repo: &Repo,
        number: ThreadNumber,
        roots: &[CommentId],
    ) -> Result<Vec<String>, Fault> {
        let mut wanted: BTreeSet<_> = roots.iter().copied().collect();
        let (mut open, mut before) = (Vec::new(), None);
        for _ in 0..PAGES {
            let doing = format!("read the conversations of {}#{number}", repo.name);
            let variables = json!({
                "owner": repo.name.owner, "name": repo.name.name, "number": number,
                "before": before,
            });
            let request = Request::query(doing, FIND, &variables).of(Importance::Bulk);
            let told: Told = self.send(repo, &request).await?.json()?;
            let page = told.data.repository.pull_request.review_threads;
            for conversation in page.nodes.into_iter().flatten() {
                let is_wanted = conversation.root().is_some_and(|root| wanted.remove(&root));
                if is_wanted && !conversation.is_resolved {
                    open.push(conversation.id);
                }
            }
            if wanted.is_empty() || !page.page_info.has_previous_page {
                break;
            }
            before = page.page_info.start_cursor;
        }
        Ok(open)
    }
}

/// Returns one mutation that resolves all of these.
fn resolve(conversations: &[String]) -> (String, Value) {
    let (mut heads, mut fields, mut variables) = (String::new(), String::new(), Map::new());
    for (at, id) in conversations.iter().enumerate() {
        let _ = write!(heads, "$c{at}: ID! ");
        let _ = writeln!(
            fields,
            "  c{at}: resolveReviewThread(input: {{threadId: $c{at}}}) {{ thread {{ isResolved }} }}"
        );
        variables.insert(format!("c{at}"), json!(id));
    }
    let document = format!("mutation ({}) {{\n{fields}}}", heads.trim_end());
    (document, Value::Object(variables))
}
