//! Anthropic's Messages: what a request says of its model, its size and its reach.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::adapters::gateway::wire::parts::Many;
use crate::adapters::gateway::wire::refusal::Refusal;
use crate::adapters::gateway::wire::request::{Asked, Body, Reach, kind};
use crate::domain::metering::Size;

/// The members that are read here, and so must not come in a second spelling.
const READ: [&str; 9] = [
    "model",
    "max_tokens",
    "system",
    "messages",
    "tools",
    "mcp_servers",
    "container",
    "speed",
    "inference_geo",
];

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    max_tokens: Option<u64>,
    #[serde(borrow, default)]
    system: Many<Block<'a>>,
    #[serde(borrow, default)]
    messages: Many<Message<'a>>,
    #[serde(default)]
    mcp_servers: Option<Many<IgnoredAny>>,
    container: Option<IgnoredAny>,
    #[serde(borrow, default)]
    speed: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    inference_geo: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Many<Block<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default)]
    source: Option<Source<'a>>,
    /// Of a tool's result.
    #[serde(borrow, default)]
    content: Many<Block<'a>>,
    file_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Many<Block<'a>>,
}

/// Reads a request.
pub(super) fn read(json: &[u8]) -> Result<Asked, Refusal> {
    let mut body = Body::new(json, &READ)?;
    let request: Request<'_> = body.read()?;
    if request
        .mcp_servers
        .is_some_and(|servers| !servers.0.is_empty())
    {
        return Err(Refusal::Outside("mcp_servers"));
    }
    if request.container.is_some() {
        return Err(Refusal::Outside("container"));
    }
    if request.speed.is_some_and(|speed| speed != "standard") {
        return Err(Refusal::Price("speed"));
    }
    if request.inference_geo.is_some_and(|geo| geo != "global") {
        return Err(Refusal::Price("inference_geo"));
    }
    let mut reach = Reach::default();
    let contents = request
        .messages
        .0
        .iter()
        .flat_map(|message| &message.content.0);
    for block in contents.chain(&request.system.0) {
        look(block, &mut reach);
    }
    let attachments = reach.judge()?;
    let withheld = body.withhold(outside)?;
    Ok(Asked {
        model: request.model.into_owned(),
        size: Size {
            bytes: json.len() as u64,
            attachments,
            answer: request.max_tokens,
            answers: 1,
        },
        edits: body.into_edits(),
        withheld,
    })
}

fn look(block: &Block<'_>, reach: &mut Reach) {
    if let Some(source) = &block.source {
        reach.attachments += 1;
        if !matches!(source.kind.as_ref(), "base64" | "text" | "content") {
            reach.outside("a source that is a URL or a file");
        }
        source.content.0.iter().for_each(|block| look(block, reach));
    }
    if block.file_id.is_some() {
        reach.outside("file_id");
    }
    block.content.0.iter().for_each(|block| look(block, reach));
}

/// Names a tool that the agent does not run itself: the provider's own reach from its machines to
/// wherever the model says.
fn outside(tool: &[u8]) -> Option<String> {
    let kind = kind(tool)?;
    let inside = [
        "bash_",
        "text_editor_",
        "computer_",
        "memory_",
        "tool_search_tool_",
    ];
    let runs_inside = kind == "custom" || inside.iter().any(|prefix| kind.starts_with(prefix));
    (!runs_inside).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::gateway::wire::request::apply;

    #[test]
    fn a_request_tells_its_model_and_its_size() {
        let json = br#"{"model":"m","max_tokens":64,"stream":true,"system":"s","messages":[
            {"role":"user","content":"hello"},
            {"role":"user","content":[{"type":"text","text":"x"},
                {"type":"image","source":{"type":"base64","data":"AA=="}},
                {"type":"tool_result","content":[{"type":"image","source":{"type":"base64","data":""}}]}]},
            {"role":"assistant","content":[{"type":"tool_use","input":{"source":{"type":"url"}}}]}]}"#;
        let asked = read(json).unwrap();
        assert_eq!(asked.model, "m");
        let size = Size {
            bytes: json.len() as u64,
            attachments: 2,
            answer: Some(64),
            answers: 1,
        };
        assert_eq!(asked.size, size);
        assert_eq!(apply(json.to_vec().into(), &asked.edits), json.as_slice());
    }

    #[test]
    fn nothing_is_passed_on_that_reaches_outside() {
        let refused =
            |rest: &str| read(format!(r#"{{"model":"m",{rest}}}"#).as_bytes()).unwrap_err();
        let content = |block: &str| format!(r#""messages":[{{"content":[{block}]}}]"#);
        for outside in [
            r#""mcp_servers":[{"type":"url","url":"https://evil.test"}]"#.to_owned(),
            r#""container":"c""#.to_owned(),
            content(r#"{"type":"image","source":{"type":"url","url":"https://evil.test/?q=1"}}"#),
            content(r#"{"type":"document","source":{"type":"file","file_id":"f"}}"#),
            content(r#"{"type":"container_upload","file_id":"f"}"#),
            content(r#"{"type":"tool_result","content":[{"source":{"type":"url"}}]}"#),
            content(r#"{"source":{"type":"content","content":[{"source":{"type":"url"}}]}}"#),
            r#""system":[{"source":{"type":"url"}}]"#.to_owned(),
        ] {
            assert!(
                matches!(refused(&outside), Refusal::Outside(_)),
                "{outside}"
            );
        }
        for dear in [r#""speed":"fast""#, r#""inference_geo":"us""#] {
            assert!(matches!(refused(dear), Refusal::Price(_)), "{dear}");
        }
        for twofold in [r#""model":"dear""#, r#""Model":"dear""#, r#""m":1,"m":2"#] {
            assert!(
                matches!(refused(twofold), Refusal::Malformed(_)),
                "{twofold}"
            );
        }
    }

    #[test]
    fn tools_of_the_provider_are_withheld() {
        let json = br#"{"model":"m","tools":[{"name":"mine","input_schema":{}},
            {"type":"web_search_20250305","name":"web_search"}, {"type":"bash_20250124"}],"x":1}"#;
        let asked = read(json).unwrap();
        assert_eq!(asked.withheld, ["web_search_20250305"]);
        let sent = apply(json.to_vec().into(), &asked.edits);
        assert_eq!(
            sent,
            br#"{"model":"m","tools":[{"name":"mine","input_schema":{}},{"type":"bash_20250124"}],"x":1}"#.as_slice()
        );
    }
}
