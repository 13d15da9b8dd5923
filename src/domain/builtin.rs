//! The agent of our own: what the server tells the program that it is, inside a sandbox.

use serde::{Deserialize, Serialize};

use crate::domain::model::Api;

/// The first argument of the program inside.
pub const COMMAND: &str = "inside-agent";

/// The variable that holds [`Told`] as JSON.
pub const TOLD: &str = "PROVA_AGENT";

/// The variable that names the file for the transcript.
pub const TRANSCRIPT: &str = "PROVA_TRANSCRIPT";

/// How a model is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions, which everything compatible speaks.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Gemini's `generateContent`.
    Gemini,
}

/// The address at which OpenAI's own models are.
const OPENAI: &str = "https://api.openai.com";

impl Wire {
    /// Returns how the models of an endpoint are spoken to: as `wished`, where its API has several
    /// ways. Without a wish OpenAI itself is spoken to by Responses, which its newer models work best
    /// with, and everybody else by Chat Completions, which is what compatible servers have.
    #[must_use]
    pub fn of(api: Api, url: &str, wished: Option<Self>) -> Self {
        match (api, wished) {
            (Api::Anthropic, _) => Self::Anthropic,
            (Api::Gemini, _) => Self::Gemini,
            (Api::OpenAi, Some(Self::Responses)) => Self::Responses,
            (Api::OpenAi, Some(Self::Chat)) => Self::Chat,
            (Api::OpenAi, _) if url.starts_with(OPENAI) => Self::Responses,
            (Api::OpenAi, _) => Self::Chat,
        }
    }

    /// Returns the word in settings and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Gemini => "gemini",
        }
    }
}

/// Everything that differs between two agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The model endpoint, as the door's variables name it.
    pub endpoint: String,
    /// The model.
    pub model: String,
    /// How it is spoken to.
    pub wire: Wire,
    /// The most answers that are asked of the model.
    pub max_steps: u32,
    /// The most tokens that one request may have.
    pub context_tokens: u64,
    /// The most tokens that one answer may have.
    pub output_tokens: u64,
}

/// Tokens of context where neither the agent nor its endpoint says how many there are.
pub const CONTEXT_TOKENS: u64 = 100_000;

/// The longest answer that is asked for. A call's worst cost is set aside before it is made, so what
/// nobody needs would make a small budget refuse calls that it could pay for.
const OUTPUT_TOKENS: u64 = 16_000;

/// Returns the length of answers to ask a model for that can write `most` tokens at once.
#[must_use]
pub fn output_tokens(most: u64) -> u64 {
    most.min(OUTPUT_TOKENS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openai_has_two_ways() {
        let own = "https://api.openai.com/v1";
        let other = "http://127.0.0.1:11434/v1";
        for (api, url, wished, expected) in [
            (Api::OpenAi, own, None, Wire::Responses),
            (Api::OpenAi, other, None, Wire::Chat),
            (Api::OpenAi, own, Some(Wire::Chat), Wire::Chat),
            (Api::OpenAi, other, Some(Wire::Responses), Wire::Responses),
            (Api::Anthropic, other, Some(Wire::Chat), Wire::Anthropic),
            (Api::Gemini, other, None, Wire::Gemini),
        ] {
            assert_eq!(Wire::of(api, url, wished), expected, "{api} {url}");
        }
    }

    #[test]
    fn what_is_told_is_read_as_it_was_written() {
        let told = Told {
            endpoint: "main".to_owned(),
            model: "large-4.5".to_owned(),
            wire: Wire::Responses,
            max_steps: 100,
            context_tokens: CONTEXT_TOKENS,
            output_tokens: output_tokens(64_000),
        };
        let text = serde_json::to_string(&told).unwrap();
        assert!(text.contains(r#""wire":"responses""#), "{text}");
        assert!(text.contains(r#""output_tokens":16000"#), "{text}");
        assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    }
}
