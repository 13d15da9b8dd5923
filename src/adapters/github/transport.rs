//! Sends one request and reads its answer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use octocrab::{Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};

use crate::adapters::github::answer::{Answer, below};
use crate::adapters::github::gate::{Gates, Payer};
use crate::adapters::github::request::Request;
use crate::adapters::github::settings::{self, InvalidSettings, Settings};
use crate::adapters::github::{app_key, bounded, failure, graphql};
use crate::domain::ids::RepoId;
use crate::ports::clock::Clock;
use crate::ports::fault::{Class, Fault};
use crate::ports::held_up::HeldUp;

/// What the oldest supported version and every GitHub Enterprise Server understand; none of the
/// fields that 2026-03-10 removes is read.
const API_VERSION: &str = "2022-11-28";
const MEDIA_TYPE: &str = "application/vnd.github+json";

const CONNECT: Duration = Duration::from_secs(5);
/// A hundred comments of the greatest length, escaped to three times that, fit.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
const MAX_REDIRECTS: u32 = 3;

/// The way to GitHub.
pub(super) struct Transport {
    octocrab: Octocrab,
    /// The same for the GraphQL API: on GitHub Enterprise Server it is beside `v3`, not below.
    graphql: Octocrab,
    base_path: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    gates: Gates,
}

impl Transport {
    /// Opens no connection yet. Must be called inside a tokio runtime.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, InvalidSettings> {
        app_key::install_crypto();
        let (url, base_path) = settings::base(&settings.api_url)?;
        let tls = |e: octocrab::Error| InvalidSettings::Tls(innermost(&e));
        let way = |url: &str| {
            OctocrabBuilder::new()
                .base_uri(url)?
                .set_connect_timeout(Some(CONNECT))
                .build()
        };
        let octocrab = way(&url).map_err(tls)?;
        let graphql = match url.strip_suffix("/v3") {
            Some(beside) => way(beside).map_err(tls)?,
            None => octocrab.clone(),
        };
        Ok(Self {
            octocrab,
            graphql,
            base_path,
            timeout: settings.timeout.to_std(),
            gates: Gates::new(settings.limits, Arc::clone(&clock)),
            clock,
        })
    }

    /// Counts into that one what GitHub's limits hold up.
    pub(super) fn counting_into(&mut self, held_up: Arc<HeldUp>) {
        self.gates.counting_into(held_up);
    }

    /// Sends a request once, when the payer's limits let it through, and returns the answer, whatever its
    /// status.
    ///
    /// A renamed repository answers with its new address, to which GitHub asks to send the same
    /// request again; that does not repeat a write, since nothing was done at the old one. An
    /// address in a repository other than `home` is not followed: an issue that was moved there is
    /// gone for us.
    pub(super) async fn send(
        &self,
        request: &Request,
        (token, payer): (&SecretString, Payer),
        home: Option<RepoId>,
    ) -> Result<Answer, Fault> {
        let mut answer = self.once(request, (token, payer)).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(address) = answer.redirect() else {
                return Ok(answer);
            };
            let Some(path) = below(&self.base_path, address) else {
                return Ok(answer);
            };
            if leads_away(&path, home) {
                return Err(answer.fault_of(Class::NotFound));
            }
            answer = self.once(&request.at(path), (token, payer)).await?;
        }
        Ok(answer)
    }

    /// Sends a request once, and reads what its answer has the address of without a token: GitHub keeps
    /// logs with another host, and lets whoever has the address read them.
    pub(super) async fn elsewhere(
        &self,
        request: &Request,
        (token, payer): (&SecretString, Payer),
    ) -> Result<Answer, Fault> {
        let answer = self.once(request, (token, payer)).await?;
        let Some(address) = answer.redirect() else {
            return answer.succeeded();
        };
        let gone = || Fault::permanent(request.doing.as_str(), "GitHub gave no address to read");
        let address: http::Uri = address.parse().map_err(|_| gone())?;
        if address.authority().is_none() {
            return Err(gone());
        }
        let read = http::Request::get(address)
            .body(bytes::Bytes::new())
            .map_err(|e| Fault::permanent(request.doing.as_str(), e))?;
        let exchange = self.exchange(request, (read, ""));
        let answer = tokio::time::timeout(self.timeout, exchange).await;
        let slow = |_| Fault::transient(request.doing.as_str(), "it took too long to read");
        answer.map_err(slow)??.succeeded()
    }

    /// Returns the request for the page after this one.
    pub(super) fn next_page(&self, request: &Request, answer: &Answer) -> Option<Request> {
        Some(request.at(below(&self.base_path, answer.next_page()?)?))
    }

    async fn once(
        &self,
        request: &Request,
        (token, payer): (&SecretString, Payer),
    ) -> Result<Answer, Fault> {
        let mut pass = self.gates.pass(payer, request).await?;
        let sendable = sendable(request, token)?;
        let exchange = self.exchange(request, (sendable, token.expose_secret()));
        let exchange = tokio::time::timeout(self.timeout, exchange);
        let answer = exchange.await.unwrap_or_else(|_| {
            let cause = format!("no answer within {} s", self.timeout.as_secs_f32());
            Err(Fault::transient(request.doing.as_str(), cause))
        });
        if let Ok(answer) = &answer {
            pass.hear(answer);
        }
        tracing::debug!(
            method = %request.method,
            path = %request.path,
            status = answer.as_ref().map_or(0, |a| a.status.as_u16()),
            "asked GitHub"
        );
        answer
    }

    async fn exchange(
        &self,
        request: &Request,
        (sendable, token): (http::Request<bytes::Bytes>, &str),
    ) -> Result<Answer, Fault> {
        let lost = |cause: String| Fault::transient(request.doing.as_str(), bounded(&cause, 300));
        let octocrab = if request.is_graphql() {
            &self.graphql
        } else {
            &self.octocrab
        };
        let response = octocrab
            .execute(sendable)
            .await
            .map_err(|e| lost(innermost(&e)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|e| lost(innermost(e.as_ref())))?
            .to_bytes();
        let status = if request.is_graphql() {
            graphql::status(head.status, &body)
        } else {
            head.status
        };
        let refused = !status.is_success() && status != StatusCode::NOT_MODIFIED;
        Ok(Answer {
            doing: request.doing.clone(),
            status,
            complaint: if refused {
                failure::complaint(&body, token)
            } else {
                String::new()
            },
            headers: head.headers,
            body,
            received: self.clock.now(),
        })
    }
}

fn sendable(request: &Request, token: &SecretString) -> Result<http::Request<bytes::Bytes>, Fault> {
    let impossible = |e: &dyn std::fmt::Display| Fault::permanent(request.doing.as_str(), e);
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| impossible(&"the token has characters that no header can carry"))?;
    authorization.set_sensitive(true);
    let body = request.body.clone().unwrap_or_default();
    // octocrab always adds its own User-Agent, without which GitHub answers 403; a second one would
    // make the header ambiguous.
    let mut sendable = http::Request::builder()
        .method(request.method.clone())
        .uri(request.path.as_str())
        .header(ACCEPT, MEDIA_TYPE)
        .header("x-github-api-version", API_VERSION)
        .header(AUTHORIZATION, authorization);
    if request.body.is_some() {
        sendable = sendable
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, body.len());
    }
    if let Some(tag) = &request.if_none_match {
        sendable = sendable.header(IF_NONE_MATCH, tag);
    }
    sendable.body(body).map_err(|e| impossible(&e))
}

/// Returns whether a path names, by id, a repository other than `home`.
fn leads_away(path: &str, home: Option<RepoId>) -> bool {
    let Some(home) = home else { return false };
    let named = path
        .strip_prefix("/repositories/")
        .and_then(|rest| rest.split(['/', '?']).next()?.parse().ok());
    named.is_some_and(|id: u64| id != home.0)
}

/// Returns the first cause of an error; what wraps it only says that a request failed.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
