//! The App's deliveries, as GitHub remembers them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::adapters::github::client::Client;
use crate::adapters::github::request::Request;
use crate::adapters::github::{bounded, date};
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{AttemptId, DeliveryId};
use crate::domain::missed::{Arrival, Attempt, Stretch};
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::github::Hooks;

const STATUS_CHARS: usize = 80;

#[derive(Deserialize)]
struct Listed {
    id: u64,
    guid: String,
    delivered_at: String,
    #[serde(default)]
    redelivery: bool,
    /// `OK`, or what was wrong in words.
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_code: u16,
    #[serde(default)]
    event: String,
}

#[derive(Deserialize)]
struct Detailed {
    event: String,
    request: Carried,
}

#[derive(Deserialize)]
struct Carried {
    payload: Option<Value>,
}

#[async_trait::async_trait]
impl Hooks for Client {
    async fn attempts(&self, page: Option<&str>) -> Result<Stretch, Fault> {
        let mut path = "/app/hook/deliveries?per_page=100".to_owned();
        if let Some(cursor) = page {
            path.push_str("&cursor=");
            path.push_str(cursor);
        }
        let doing = "list what GitHub tried to deliver".to_owned();
        let request = Request::get(doing, path).of(Importance::Bulk);
        let answer = self.as_app(&request).await?;
        let next = answer.next_page().and_then(cursor_of);
        let listed: Vec<Listed> = answer.json()?;
        Ok(Stretch {
            attempts: listed.into_iter().map(Listed::attempt).collect(),
            next,
        })
    }

    async fn redeliver(&self, attempt: AttemptId) -> Result<(), Fault> {
        let doing = format!("ask for another attempt like {attempt}");
        let path = format!("/app/hook/deliveries/{attempt}/attempts");
        let request = Request::post(doing, path, &json!({})).of(Importance::Bulk);
        self.as_app(&request).await?.succeeded()?;
        Ok(())
    }

    async fn carried(&self, attempt: AttemptId) -> Result<(String, Bytes), Fault> {
        let doing = format!("read what attempt {attempt} carried");
        let path = format!("/app/hook/deliveries/{attempt}");
        let request = Request::get(doing.clone(), path).of(Importance::Bulk);
        let answer = self.as_app(&request).await?;
        let found: Detailed = answer.json()?;
        let payload = found
            .request
            .payload
            .ok_or_else(|| Fault::permanent(doing, "GitHub does not tell"))?;
        Ok((found.event, payload.to_string().into()))
    }
}

impl Listed {
    fn attempt(self) -> Attempt {
        let accepted = (200..300).contains(&self.status_code) || self.status == "OK";
        let result = if accepted {
            Arrival::Accepted
        } else {
            let words = bounded(&self.status, STATUS_CHARS);
            Arrival::Failed(format!("{} {words}", self.status_code))
        };
        Attempt {
            id: AttemptId(self.id),
            delivery: DeliveryId::new(self.guid),
            event: self.event,
            // Without a time it has to be looked at each time.
            at: date::iso(&self.delivered_at).unwrap_or(Timestamp::from_millis(i64::MAX)),
            again: self.redelivery,
            result,
        }
    }
}

/// Returns where a page begins, as it stands in the page's address.
fn cursor_of(address: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let cursor = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="))?;
    Some(cursor.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_named_as_github_names_it() {
        let address = "https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_12%3D";
        assert_eq!(cursor_of(address).as_deref(), Some("v1_12%3D"));
        assert_eq!(cursor_of("https://h/x?per_page=1"), None);
        assert_eq!(cursor_of("https://h/x"), None);
    }
}
