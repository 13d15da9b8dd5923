//! A conversation: from the first word to the end of the last turn.
//!
//! A turn begins with what the agent is to do, and is never broken off for what comes after that: to
//! cancel it would lose what it is at. When it has ended well, there may be more.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    AgentCapabilities, AuthenticateRequest, CancelNotification, ContentBlock, Implementation,
    InitializeRequest, LoadSessionRequest, NewSessionRequest, PromptRequest,
    RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
    ResumeSessionRequest, SessionId, SessionNotification, SetSessionModeRequest, TextContent,
};
use agent_client_protocol::{
    Agent, Client, Error, Lines, is_connection_terminated, is_incoming_transport_closed,
    on_receive_notification, on_receive_request,
};
use futures_util::{Sink, Stream};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::adapters::agent::acp::ear::{Ear, brief, unfinished, used, words};
use crate::adapters::agent::acp::{Manners, permission};
use crate::domain::progress::Update;
use crate::ports::agent::Request;

/// How a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The agent says that it has finished.
    Finished,
    /// It has not, for this reason.
    Unfinished(String),
    /// Somebody stopped it.
    Cancelled,
    /// The agent fell silent for good before its turn was over.
    Gone,
}

/// Who talks, and about what.
#[derive(Debug)]
pub(super) struct Talker<'a> {
    manners: &'a Manners,
    /// Where the checkout stands, as the agent sees it.
    checkout: &'a Path,
    request: &'a Request<'a>,
    cancel: &'a CancellationToken,
    ear: Mutex<Ear>,
}

impl<'a> Talker<'a> {
    pub(super) fn new(
        manners: &'a Manners,
        checkout: &'a Path,
        request: &'a Request<'a>,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self {
            manners,
            checkout,
            request,
            cancel,
            ear: Mutex::new(Ear::new(checkout.to_owned(), manners.failed.clone())),
        }
    }

    /// Returns the agent's last message.
    pub(super) fn last_words(&self) -> String {
        self.ear().words().to_owned()
    }

    /// Talks until the last turn is over, one way or another; then says nothing more, and hears nothing.
    pub(super) async fn talk(
        &self,
        spoken: impl Sink<String, Error = io::Error> + Send + 'static,
        heard: impl Stream<Item = io::Result<String>> + Send + 'static,
    ) -> End {
        let (done, mut ended) = oneshot::channel();
        let connection = Client
            .v1()
            .on_receive_notification(
                async |told: SessionNotification, _agent| {
                    if let Some(update) = self.ear().hear(told.update) {
                        self.request.watcher.heard(update);
                    }
                    Ok(())
                },
                on_receive_notification!(),
            )
            .on_receive_request(
                async |asked: RequestPermissionRequest, responder, _agent| {
                    responder.respond(RequestPermissionResponse::new(self.answer(&asked)))
                },
                on_receive_request!(),
            )
            .connect_with(Lines::new(spoken, heard), async |agent| {
                let end = match self.turns(&agent).await {
                    Ok(()) => End::Finished,
                    Err(end) => end,
                };
                // Nobody waits for it any more when this is given up.
                let _unheard = done.send(end);
                Ok(())
            });
        // Ending the connection in good order would wait for an agent that may not read any more.
        let overdue = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(self.manners.patience.cancel).await;
        };
        tokio::select! {
            biased;
            end = &mut ended => end.unwrap_or(End::Gone),
            broken = connection => {
                if let Err(error) = broken {
                    tracing::debug!(%error, "the connection with an agent broke");
                }
                ended.await.unwrap_or(End::Gone)
            }
            () = overdue => End::Cancelled,
        }
    }

    fn ear(&self) -> MutexGuard<'_, Ear> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &RequestPermissionRequest) -> RequestPermissionOutcome {
        if self.cancel.is_cancelled() {
            return RequestPermissionOutcome::Cancelled;
        }
        permission::answer(self.manners.permissions, &asked.options)
    }

    async fn turns(&self, agent: &ConnectionTo<Agent>) -> Result<(), End> {
        // Neither files nor terminals are offered: the agent sits beside the files.
        let hello = InitializeRequest::new(ProtocolVersion::V1)
            .client_info(Implementation::new("prova", env!("CARGO_PKG_VERSION")));
        let known = agent.send_request(hello).block_task();
        let known = self.within("initialize", known).await?;
        if known.protocol_version != ProtocolVersion::V1 {
            let version = known.protocol_version;
            return Err(End::Unfinished(format!(
                "it speaks version {version} of the protocol, and not 1"
            )));
        }
        if let Some(method) = &self.manners.authenticate {
            let login = AuthenticateRequest::new(method.clone());
            let login = agent.send_request(login).block_task();
            self.within("authenticate", login).await?;
        }
        let session = self.session(agent, &known.agent_capabilities).await?;
        self.request
            .watcher
            .heard(Update::Session(session.to_string()));
        if let Some(mode) = &self.manners.mode {
            let mode = SetSessionModeRequest::new(session.clone(), mode.clone());
            let mode = agent.send_request(mode).block_task();
            self.within("session/set_mode", mode).await?;
        }
        self.prompt(agent, &session, self.request.brief).await?;
        while let Some(more) = self.more().await? {
            self.prompt(agent, &session, &more).await?;
        }
        Ok(())
    }

    /// Asks whether there is more to do.
    async fn more(&self) -> Result<Option<String>, End> {
        let Some(steering) = self
            .request
            .steering
            .filter(|_| !self.cancel.is_cancelled())
        else {
            return Ok(None);
        };
        // What it gives counts as heard, so it is not broken off.
        let more = steering.next().await;
        if more.is_some() && self.cancel.is_cancelled() {
            return Err(End::Cancelled);
        }
        Ok(more)
    }

    /// Goes on with the session of the last run where that can be done, or else begins one.
    async fn session(
        &self,
        agent: &ConnectionTo<Agent>,
        can: &AgentCapabilities,
    ) -> Result<SessionId, End> {
        if let Some(name) = self.request.session.resume {
            let id = SessionId::new(name);
            let why = match self.go_on(agent, &id, can).await {
                Ok(()) => return Ok(id),
                Err(End::Unfinished(why)) => why,
                Err(end @ (End::Finished | End::Cancelled | End::Gone)) => return Err(end),
            };
            tracing::info!(
                why,
                "an agent could not go on with its session and begins anew"
            );
            self.request.watcher.heard(Update::Message {
                text: format!(
                    "The session could not be gone on with, so this is a new one: {why}."
                ),
                continues: false,
            });
        }
        let new = NewSessionRequest::new(self.checkout).meta(self.meta());
        let new = agent.send_request(new).block_task();
        Ok(self.within("session/new", new).await?.session_id)
    }

    async fn go_on(
        &self,
        agent: &ConnectionTo<Agent>,
        id: &SessionId,
        can: &AgentCapabilities,
    ) -> Result<(), End> {
        // To resume tells nothing of the past, which nobody here listens to anyway.
        if can.session_capabilities.resume.is_some() {
            let resume = ResumeSessionRequest::new(id.clone(), self.checkout).meta(self.meta());
            let resume = agent.send_request(resume).block_task();
            self.within("session/resume", resume).await.map(drop)
        } else if can.load_session {
            let load = LoadSessionRequest::new(id.clone(), self.checkout).meta(self.meta());
            let load = agent.send_request(load).block_task();
            self.within("session/load", load).await.map(drop)
        } else {
            Err(End::Unfinished("the agent keeps no sessions".to_owned()))
        }
    }

    fn meta(&self) -> Option<Map<String, Value>> {
        let meta = &self.manners.meta;
        (!meta.is_empty()).then(|| meta.clone())
    }

    /// Has the agent do what a text says, and waits until that turn is over.
    async fn prompt(
        &self,
        agent: &ConnectionTo<Agent>,
        session: &SessionId,
        text: &str,
    ) -> Result<(), End> {
        let text = ContentBlock::Text(TextContent::new(text));
        let prompt = PromptRequest::new(session.clone(), vec![text]);
        self.ear().listen();
        let mut answer = pin!(agent.send_request(prompt).block_task());
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            () = self.cancel.cancelled() => {
                // It gets a moment to end its tools, which a signal would leave behind in most agents.
                let told = agent.send_notification(CancelNotification::new(session.clone()));
                if told.is_ok() {
                    let _unheard = timeout(self.manners.patience.cancel, answer).await;
                }
                return Err(End::Cancelled);
            }
        };
        let turn = answer.map_err(|error| end(&error, "session/prompt"))?;
        if let Some(usage) = &turn.usage {
            self.request.watcher.heard(Update::Usage(used(usage)));
        }
        let why = unfinished(turn.stop_reason).map(str::to_owned);
        match why.or_else(|| self.trouble()) {
            Some(why) => Err(End::Unfinished(why)),
            None => Ok(()),
        }
    }

    /// Returns the last message if it is no answer but an error.
    fn trouble(&self) -> Option<String> {
        if self.ear().has_failed() {
            let words = brief(self.last_words().trim());
            return Some(format!("it says that its turn has failed: {words}"));
        }
        let beginning = self.manners.trouble.as_deref()?;
        let words = self.last_words();
        let words = words.trim_start();
        words.starts_with(beginning).then(|| brief(words))
    }

    /// Waits for an answer that takes no work, and therefore no long time.
    async fn within<T>(
        &self,
        method: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, End> {
        let patience = self.manners.patience.answer;
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(End::Cancelled),
            answer = timeout(patience, answer) => match answer {
                Ok(answer) => answer.map_err(|error| end(&error, method)),
                Err(_elapsed) => Err(End::Unfinished(format!(
                    "it did not answer {method} within {} s", patience.as_secs_f32()
                ))),
            },
        }
    }
}

fn end(error: &Error, method: &str) -> End {
    if is_incoming_transport_closed(error) || is_connection_terminated(error) {
        End::Gone
    } else {
        End::Unfinished(format!("it answers {method} with: {}", words(error)))
    }
}
