//! The APIs as they go over the wire: which paths are calls, what a request asks for, and how a
//! refusal looks.

mod anthropic;
mod gemini;
mod members;
mod openai;
mod parts;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod route;

use crate::adapters::gateway::wire::refusal::Refusal;
use crate::adapters::gateway::wire::request::Asked;
use crate::adapters::gateway::wire::route::Call;

/// Reads what a call asks for; `None` for one that has no body.
pub(crate) fn read(call: &Call, json: &[u8]) -> Result<Option<Asked>, Refusal> {
    match call {
        Call::Messages | Call::CountTokens => anthropic::read(json).map(Some),
        Call::Chat => openai::read(json, openai::Kind::Chat).map(Some),
        Call::Responses => openai::read(json, openai::Kind::Responses).map(Some),
        Call::Generate(model) | Call::CountContents(model) => gemini::read(json, model).map(Some),
        Call::Models => Ok(None),
    }
}
