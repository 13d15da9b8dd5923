//! OpenAI's Chat Completions and Responses: what a request says of its model, its size and its
//! reach.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::adapters::gateway::wire::parts::{Link, Many};
use crate::adapters::gateway::wire::refusal::Refusal;
use crate::adapters::gateway::wire::request::{Asked, Body, Reach, kind};
use crate::domain::metering::Size;

/// The members that are read here, and so must not come in a second spelling.
const READ: [&str; 20] = [
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "messages",
    "input",
    "tools",
    "instructions",
    "service_tier",
    "modalities",
    "web_search_options",
    "previous_response_id",
    "conversation",
    "prompt",
    "background",
    "audio",
    "plugins",
];

/// Chat Completions and Responses share most; the rest does no harm where it means nothing.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    n: Option<u64>,
    #[serde(borrow, default)]
    messages: Many<Item<'a>>,
    #[serde(borrow, default)]
    input: Many<Item<'a>>,
    #[serde(borrow, default)]
    instructions: Many<Item<'a>>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    modalities: Option<Vec<Cow<'a, str>>>,
    background: Option<bool>,
    web_search_options: Option<IgnoredAny>,
    previous_response_id: Option<IgnoredAny>,
    conversation: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
    plugins: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// A message, or another item of the input.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    content: Many<Part>,
    /// Of a tool's result.
    #[serde(default)]
    output: Many<Part>,
}

#[derive(Deserialize)]
struct Part {
    image_url: Option<Link>,
    video_url: Option<Link>,
    audio_url: Option<Link>,
    file_url: Option<Link>,
    file_id: Option<IgnoredAny>,
    file_data: Option<IgnoredAny>,
    input_audio: Option<IgnoredAny>,
    #[serde(default)]
    file: Many<File>,
}

#[derive(Deserialize)]
struct File {
    file_id: Option<IgnoredAny>,
    file_url: Option<Link>,
}

/// Which of the two APIs a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chat,
    Responses,
}

/// Reads a request.
pub(super) fn read(json: &[u8], api: Kind) -> Result<Asked, Refusal> {
    let mut body = Body::new(json, &READ)?;
    let request: Request<'_> = body.read()?;
    let attachments = reach(&request)?;
    price(&request)?;
    let withheld = body.withhold(outside)?;
    if api == Kind::Chat && request.stream == Some(true) {
        match request.stream_options {
            None if !body.has("stream_options") => {
                body.put_first(r#""stream_options":{"include_usage":true}"#);
            }
            Some(StreamOptions {
                include_usage: Some(true),
            }) => {}
            Some(_) | None => {
                let what = "stream_options.include_usage must be true";
                return Err(Refusal::Malformed(what.to_owned()));
            }
        }
    }
    let answer = match api {
        Kind::Chat => request.max_tokens.max(request.max_completion_tokens),
        Kind::Responses => request.max_output_tokens,
    };
    Ok(Asked {
        model: request.model.into_owned(),
        size: Size {
            bytes: json.len() as u64,
            attachments,
            answer,
            answers: request.n.unwrap_or(1),
        },
        edits: body.into_edits(),
        withheld,
    })
}

/// Returns how much is attached; refuses what lies outside of the request.
fn reach(request: &Request<'_>) -> Result<u64, Refusal> {
    let mut reach = Reach::default();
    for (there, name) in [
        (request.web_search_options.is_some(), "web_search_options"),
        (
            request.previous_response_id.is_some(),
            "previous_response_id",
        ),
        (request.conversation.is_some(), "conversation"),
        (request.prompt.is_some(), "prompt"),
        (request.plugins.is_some(), "plugins"),
        (request.background == Some(true), "background"),
    ] {
        if there {
            reach.outside(name);
        }
    }
    let items = request.messages.0.iter().chain(&request.input.0);
    for item in items.chain(&request.instructions.0) {
        if item.kind.as_deref() == Some("item_reference") {
            reach.outside("item_reference");
        }
        for part in item.content.0.iter().chain(&item.output.0) {
            look(part, &mut reach);
        }
    }
    reach.judge()
}

fn look(part: &Part, reach: &mut Reach) {
    let links = [
        part.image_url,
        part.video_url,
        part.audio_url,
        part.file_url,
    ];
    let files = &part.file.0;
    let file_links = files.iter().filter_map(|file| file.file_url);
    for link in links.into_iter().flatten().chain(file_links) {
        reach.attachments += 1;
        if !link.inline {
            reach.outside("a URL");
        }
    }
    if part.file_id.is_some() || files.iter().any(|file| file.file_id.is_some()) {
        reach.outside("file_id");
    }
    if part.file_data.is_some() || part.input_audio.is_some() || !files.is_empty() {
        reach.attachments += 1;
    }
}

/// Refuses what changes the price.
fn price(request: &Request<'_>) -> Result<(), Refusal> {
    let tier = request.service_tier.as_deref().unwrap_or("default");
    if !["auto", "default", "flex"].contains(&tier) {
        return Err(Refusal::Price("service_tier"));
    }
    let modalities = request.modalities.iter().flatten();
    if modalities.into_iter().any(|modality| modality != "text") {
        return Err(Refusal::Price("modalities"));
    }
    Ok(())
}

/// Names a tool that the agent does not run itself: the provider's own reach from its machines to
/// wherever the model says.
fn outside(tool: &[u8]) -> Option<String> {
    const INSIDE: [&str; 6] = [
        "function",
        "custom",
        "local_shell",
        "apply_patch",
        "namespace",
        "tool_search",
    ];
    let kind = kind(tool)?;
    (!INSIDE.contains(&kind.as_str())).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::gateway::wire::request::apply;

    fn sent(json: &str, api: Kind) -> String {
        let asked = read(json.as_bytes(), api).unwrap();
        let sent = apply(json.to_owned().into(), &asked.edits);
        String::from_utf8(sent.to_vec()).unwrap()
    }

    #[test]
    fn a_request_tells_its_model_and_its_size() {
        let json = r#"{"model":"m","max_tokens":5,"max_completion_tokens":64,"n":3,"messages":[
            {"role":"user","content":"hello"},
            {"content":[{"type":"text","text":"x"},{"image_url":{"url":"data:image/png;base64,AA"}},
                {"type":"file","file":{"file_data":"x"}}]}]}"#;
        let asked = read(json.as_bytes(), Kind::Chat).unwrap();
        let size = Size {
            bytes: json.len() as u64,
            attachments: 2,
            answer: Some(64),
            answers: 3,
        };
        assert_eq!((asked.model.as_str(), asked.size), ("m", size));
        let json = r#"{"model":"m","input":"hello","max_output_tokens":7}"#;
        let asked = read(json.as_bytes(), Kind::Responses).unwrap();
        assert_eq!(asked.size.answer, Some(7));
    }

    #[test]
    fn a_stream_is_made_to_tell_what_it_used() {
        assert_eq!(
            sent(r#"{ "model":"m","stream":true}"#, Kind::Chat),
            r#"{ "stream_options":{"include_usage":true},"model":"m","stream":true}"#
        );
        for same in [
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"m","stream":false}"#,
            r#"{"model":"m"}"#,
        ] {
            assert_eq!(sent(same, Kind::Chat), same);
        }
        assert_eq!(
            sent(r#"{"model":"m","stream":true}"#, Kind::Responses).len(),
            27
        );
        for silent in ["{}", "null", r#"{"include_usage":false}"#] {
            let json = format!(r#"{{"model":"m","stream":true,"stream_options":{silent}}}"#);
            assert!(read(json.as_bytes(), Kind::Chat).is_err(), "{silent}");
        }
    }

    #[test]
    fn nothing_is_passed_on_that_reaches_outside() {
        for rest in [
            r#""web_search_options":{}"#,
            r#""previous_response_id":"r""#,
            r#""conversation":"c""#,
            r#""prompt":{"id":"p"}"#,
            r#""background":true"#,
            r#""input":[{"type":"item_reference","id":"i"}]"#,
            r#""input":[{"content":[{"type":"input_image","image_url":"https://evil.test"}]}]"#,
            r#""input":[{"content":[{"type":"input_image","file_id":"f"}]}]"#,
            r#""input":[{"type":"function_call_output","output":[{"file_url":"https://evil.test"}]}]"#,
            r#""messages":[{"content":[{"image_url":{"url":"https://evil.test/?q=1"}}]}]"#,
            r#""messages":[{"content":[{"file":{"file_id":"f"}}]}]"#,
            r#""messages":[{"content":{"video_url":{"url":"https://evil.test"}}}]"#,
        ] {
            let json = format!(r#"{{"model":"m",{rest}}}"#);
            let refused = read(json.as_bytes(), Kind::Responses).unwrap_err();
            assert!(
                matches!(refused, Refusal::Outside(_)),
                "{rest}: {refused:?}"
            );
        }
        for rest in [
            r#""service_tier":"priority""#,
            r#""modalities":["text","audio"]"#,
        ] {
            let json = format!(r#"{{"model":"m",{rest}}}"#);
            let refused = read(json.as_bytes(), Kind::Chat).unwrap_err();
            assert!(matches!(refused, Refusal::Price(_)), "{rest}: {refused:?}");
        }
    }

    #[test]
    fn tools_of_the_provider_are_withheld() {
        let json =
            r#"{"tools":[{"type":"web_search"},{"type":"function","name":"f"}],"model":"m"}"#;
        assert_eq!(
            sent(json, Kind::Responses),
            r#"{"tools":[{"type":"function","name":"f"}],"model":"m"}"#
        );
        for (alone, left) in [
            (
                r#"{"tools":[{"type":"mcp"}],"model":"m"}"#,
                r#"{"model":"m"}"#,
            ),
            (
                r#"{"model":"m", "tools":[{"type":"mcp"}]}"#,
                r#"{"model":"m"}"#,
            ),
        ] {
            assert_eq!(sent(alone, Kind::Responses), left);
        }
        let both = r#"{"tools":[{"type":"mcp"}],"model":"m","stream":true}"#;
        assert_eq!(
            sent(both, Kind::Chat),
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#
        );
    }
}
