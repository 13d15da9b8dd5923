//! The four APIs that models are asked by, as far as a scripted one needs to know.

use serde::Deserialize;
use serde_json::Value;

use super::script::Usage;
use super::tools::{Called, Offered};
use super::{anthropic, chat, gemini, responses};

/// An API for models.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wire {
    Anthropic,
    Chat,
    Responses,
    Gemini,
}

/// An answer, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Counts the answers, so that ids are of one answer only.
    pub(crate) number: usize,
    pub(crate) model: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<Called>,
    pub(crate) usage: Usage,
}

/// An event of a stream: its name, where the API names them, and its data.
pub(crate) type Event = (Option<&'static str>, Value);

/// What a path asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asks {
    /// An answer, or a stream of one where the path says so.
    Answer(Wire),
    /// How many tokens a request has.
    Count(Wire),
    /// What models there are.
    Models,
    /// Something that no model serves.
    Unknown,
}

impl Asks {
    /// Tells by method and path, whatever stands before them.
    pub(crate) fn of(method: &str, path: &str) -> Self {
        let ends = |end: &str| path.ends_with(end);
        match method {
            "POST" if ends("/messages") => Self::Answer(Wire::Anthropic),
            "POST" if ends("/messages/count_tokens") => Self::Count(Wire::Anthropic),
            "POST" if ends("/chat/completions") => Self::Answer(Wire::Chat),
            "POST" if ends("/responses") => Self::Answer(Wire::Responses),
            "POST" if ends(":generateContent") || ends(":streamGenerateContent") => {
                Self::Answer(Wire::Gemini)
            }
            "POST" if ends(":countTokens") => Self::Count(Wire::Gemini),
            "GET" if ends("/models") || path.contains("/models/") => Self::Models,
            _ => Self::Unknown,
        }
    }
}

impl Wire {
    /// The tools that a request offers.
    pub(crate) fn offered(self, body: &Value) -> Vec<Offered> {
        let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
        match self {
            Self::Anthropic => tools.iter().filter_map(anthropic::tool).collect(),
            Self::Chat => tools.iter().filter_map(chat::tool).collect(),
            Self::Responses => tools.iter().flat_map(responses::tools).collect(),
            Self::Gemini => tools.iter().flat_map(gemini::tools).collect(),
        }
    }

    /// The schema of the JSON that a request wants instead of text.
    pub(crate) fn schema(self, body: &Value) -> Option<&Value> {
        let places: &[&str] = match self {
            Self::Anthropic => &["/output_config/format/schema", "/output_format/schema"],
            Self::Chat => &["/response_format/json_schema/schema"],
            Self::Responses => &["/text/format/schema"],
            Self::Gemini => &[
                "/generationConfig/responseJsonSchema",
                "/generationConfig/responseSchema",
            ],
        };
        places.iter().find_map(|place| body.pointer(place))
    }

    /// Whether the answer is to be a stream.
    pub(crate) fn streams(self, path: &str, body: &Value) -> bool {
        match self {
            Self::Gemini => path.ends_with(":streamGenerateContent"),
            Self::Anthropic | Self::Chat | Self::Responses => body["stream"] == true,
        }
    }

    /// The model that is asked.
    pub(crate) fn model(self, path: &str, body: &Value) -> String {
        let named = match self {
            Self::Gemini => path
                .rsplit('/')
                .next()
                .and_then(|last| last.split(':').next()),
            Self::Anthropic | Self::Chat | Self::Responses => body["model"].as_str(),
        };
        named.unwrap_or("scripted").to_owned()
    }

    /// An answer in one piece.
    pub(crate) fn whole(self, said: &Said) -> Value {
        match self {
            Self::Anthropic => anthropic::whole(said),
            Self::Chat => chat::whole(said),
            Self::Responses => responses::whole(said),
            Self::Gemini => gemini::whole(said),
        }
    }

    /// An answer as a stream.
    pub(crate) fn events(self, said: &Said) -> Vec<Event> {
        match self {
            Self::Anthropic => anthropic::events(said),
            Self::Chat => chat::events(said),
            Self::Responses => responses::events(said),
            Self::Gemini => gemini::events(said),
        }
    }

    /// What ends a stream after its events.
    pub(crate) const fn end(self) -> &'static str {
        match self {
            Self::Chat => "data: [DONE]\n\n",
            Self::Anthropic | Self::Responses | Self::Gemini => "",
        }
    }

    /// The body of a refusal.
    pub(crate) fn error(self, status: u16) -> Value {
        match self {
            Self::Anthropic => anthropic::error(status),
            Self::Chat | Self::Responses => chat::error(status),
            Self::Gemini => gemini::error(status),
        }
    }

    /// The body of a count of tokens.
    pub(crate) fn count(self) -> Value {
        match self {
            Self::Anthropic => serde_json::json!({ "input_tokens": 1_000 }),
            Self::Gemini => serde_json::json!({ "totalTokens": 1_000 }),
            Self::Chat | Self::Responses => Value::Null,
        }
    }
}

/// Cuts a text in two, as a stream brings it.
pub(crate) fn halves(text: &str) -> [&str; 2] {
    let middle = text.len() / 2;
    let at = (middle..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    let (first, second) = text.split_at(at);
    [first, second]
}
