//! Models of every vendor, by the library that knows their ways. No other file names it.

use std::time::Duration;

use genai::adapter::AdapterKind;
use genai::chat::{
    CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatResponse, ChatRole, MessageContent,
    MessageOptions, StopReason, Tool, ToolResponse, Usage as TheirUsage,
};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget, WebConfig};
use serde_json::json;

use crate::domain::builtin::{Told, Wire};
use crate::inside::agent::conversation::{Answer, Call, Ended, Offer, Shown, Turn, Usage};
use crate::inside::agent::failure;
use crate::inside::agent::model::{Model, Refused, Why};
use crate::inside::agent::settings::Settings;

/// How long one answer may take. The gateway gives a silent model ten minutes.
const ANSWER: Duration = Duration::from_mins(15);
/// How long a connection to the door may take.
const CONNECT: Duration = Duration::from_secs(10);

/// One model at one endpoint.
pub(super) struct Provider {
    client: Client,
    target: ServiceTarget,
    options: ChatOptions,
    wire: Wire,
}

impl Provider {
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let web = WebConfig::default()
            .with_timeout(ANSWER)
            .with_connect_timeout(CONNECT);
        let client = Client::builder()
            .with_web_config(web)
            .build()
            .map_err(|error| format!("cannot make a client: {error}"))?;
        let told = &settings.told;
        let (kind, below) = match told.wire {
            Wire::Anthropic => (AdapterKind::Anthropic, "/v1/"),
            Wire::Chat => (AdapterKind::OpenAI, "/"),
            Wire::Responses => (AdapterKind::OpenAIResp, "/"),
            Wire::Gemini => (AdapterKind::Gemini, "/v1beta/"),
        };
        Ok(Self {
            client,
            target: ServiceTarget {
                endpoint: Endpoint::from_owned(format!("{}{below}", settings.url)),
                auth: AuthData::from_single(settings.key.clone()),
                model: ModelIden::new(kind, told.model.clone()),
            },
            options: options(told),
            wire: told.wire,
        })
    }

    fn request(&self, shown: &Shown<'_>) -> Result<ChatRequest, serde_json::Error> {
        let mut messages = vec![self.system(shown.system), ChatMessage::user(shown.task)];
        for turn in shown.turns {
            messages.extend(replay(turn)?);
        }
        if self.caches()
            && let Some(last) = messages.last_mut()
        {
            last.options = Some(kept());
        }
        Ok(ChatRequest::new(messages).with_tools(shown.tools.iter().map(tool)))
    }

    fn system(&self, text: &str) -> ChatMessage {
        let message = ChatMessage::system(text);
        if self.caches() {
            message.with_options(kept())
        } else {
            message
        }
    }

    /// Anthropic keeps what it has read only where it is told to; the others do so by themselves.
    fn caches(&self) -> bool {
        match self.wire {
            Wire::Anthropic => true,
            Wire::Chat | Wire::Responses | Wire::Gemini => false,
        }
    }
}

fn kept() -> MessageOptions {
    MessageOptions::from(CacheControl::Ephemeral)
}

fn options(told: &Told) -> ChatOptions {
    let most = u32::try_from(told.output_tokens).unwrap_or(u32::MAX);
    let options = ChatOptions::default().with_max_tokens(most);
    match told.wire {
        // The library takes a last `-high` and the like for a wish and cuts it off. Here it is part
        // of the name.
        Wire::Chat | Wire::Responses => options.with_extra_body(json!({"model": told.model})),
        Wire::Anthropic | Wire::Gemini => options,
    }
}

fn tool(offer: &Offer) -> Tool {
    Tool::new(offer.name)
        .with_description(offer.description)
        .with_schema(offer.schema.clone())
}

/// Returns a turn as it was: the answer as it came, and one reply for each of its calls.
fn replay(turn: &Turn) -> Result<Vec<ChatMessage>, serde_json::Error> {
    let mut messages = Vec::new();
    let answer: ChatMessage = serde_json::from_value(turn.answer.carried.clone())?;
    // One with nothing in it, which no provider takes back.
    if !answer.content.is_empty() {
        messages.push(answer);
    }
    let calls = turn.answer.calls.iter().zip(&turn.replies);
    let replies: Vec<_> = calls
        .map(|(call, reply)| {
            ToolResponse::new(call.id.clone(), reply.clone()).with_fn_name(call.name.clone())
        })
        .collect();
    if !replies.is_empty() {
        let content = MessageContent::from_tool_responses(replies);
        messages.push(ChatMessage::new(ChatRole::Tool, content));
    }
    if let Some(note) = &turn.note {
        messages.push(ChatMessage::user(note.clone()));
    }
    Ok(messages)
}

#[async_trait::async_trait]
impl Model for Provider {
    async fn answer(&self, shown: &Shown<'_>) -> Result<Answer, Refused> {
        let lasting = |error: serde_json::Error| Refused {
            why: Why::Lasting,
            message: format!("what was said cannot be said again: {error}"),
        };
        let request = self.request(shown).map_err(lasting)?;
        let target = self.target.clone();
        let asked = self.client.exec_chat(target, request, Some(&self.options));
        let response = asked.await.map_err(|error| failure::of(&error))?;
        read(response).map_err(lasting)
    }
}

fn read(response: ChatResponse) -> Result<Answer, serde_json::Error> {
    let ended = match &response.stop_reason {
        Some(StopReason::MaxTokens(_)) => Ended::Cut,
        Some(_) | None => Ended::Whole,
    };
    let calls = response.tool_calls().into_iter().map(|call| Call {
        id: call.call_id.clone(),
        name: call.fn_name.clone(),
        arguments: call.fn_arguments.clone(),
    });
    let calls = calls.collect();
    let text = response.texts().join("\n");
    let usage = usage(&response.usage);
    let has_thoughts = response.content.contains_reasoning_content();
    let mut carried = ChatMessage::assistant(response.content);
    if !has_thoughts {
        carried = carried.with_reasoning_content(response.reasoning_content);
    }
    Ok(Answer {
        text,
        calls,
        ended,
        usage,
        carried: serde_json::to_value(carried)?,
    })
}

fn usage(theirs: &TheirUsage) -> Usage {
    let count = |tokens: Option<i32>| tokens.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let details = theirs.prompt_tokens_details.as_ref();
    Usage {
        input: count(theirs.prompt_tokens),
        cached: count(details.and_then(|details| details.cached_tokens)),
        output: count(theirs.completion_tokens),
    }
}
