//! Gemini's `generateContent`: what a request says of its size and its reach. Its model is in the
//! path.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::adapters::gateway::wire::parts::Many;
use crate::adapters::gateway::wire::refusal::Refusal;
use crate::adapters::gateway::wire::request::{Asked, Body, Reach};
use crate::domain::metering::Size;

/// The members that are read here, and so must not come in a third spelling.
const READ: [&str; 4] = ["contents", "tools", "generationConfig", "cachedContent"];

/// Both spellings of a member are one to Gemini, and so to serde: a request with both is malformed.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    contents: Many<Content>,
    #[serde(default, alias = "system_instruction", rename = "systemInstruction")]
    system: Many<Content>,
    #[serde(default, alias = "generation_config", rename = "generationConfig")]
    config: Option<Config>,
    #[serde(alias = "cached_content", rename = "cachedContent")]
    cached: Option<IgnoredAny>,
    #[serde(alias = "service_tier", rename = "serviceTier")]
    tier: Option<String>,
    /// The body of a token count may hold a whole request.
    #[serde(alias = "generate_content_request", rename = "generateContentRequest")]
    nested: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(alias = "max_output_tokens", rename = "maxOutputTokens")]
    answer: Option<u64>,
    #[serde(alias = "candidate_count", rename = "candidateCount")]
    answers: Option<u64>,
    #[serde(alias = "response_modalities", rename = "responseModalities")]
    modalities: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Many<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(alias = "file_data", rename = "fileData")]
    file: Option<IgnoredAny>,
    #[serde(alias = "inline_data", rename = "inlineData")]
    inline: Option<IgnoredAny>,
    #[serde(default, alias = "function_response", rename = "functionResponse")]
    response: Many<Content>,
}

/// Reads a request to `model`.
pub(super) fn read(json: &[u8], model: &str) -> Result<Asked, Refusal> {
    let mut body = Body::new(json, &READ)?;
    let request: Request = body.read()?;
    let mut reach = Reach::default();
    if request.cached.is_some() {
        reach.outside("cachedContent");
    }
    if request.nested.is_some() {
        reach.outside("generateContentRequest");
    }
    for content in request.contents.0.iter().chain(&request.system.0) {
        look(content, &mut reach);
    }
    let attachments = reach.judge()?;
    let tier = request.tier.unwrap_or_default().to_ascii_lowercase();
    if ![
        "",
        "standard",
        "flex",
        "service_tier_standard",
        "service_tier_flex",
    ]
    .contains(&tier.as_str())
    {
        return Err(Refusal::Price("serviceTier"));
    }
    let modalities = request
        .config
        .iter()
        .filter_map(|config| config.modalities.as_ref());
    if modalities
        .flatten()
        .any(|modality| !modality.eq_ignore_ascii_case("text"))
    {
        return Err(Refusal::Price("responseModalities"));
    }
    let withheld = body.withhold(outside)?;
    Ok(Asked {
        model: model.to_owned(),
        size: Size {
            bytes: json.len() as u64,
            attachments,
            answer: request.config.as_ref().and_then(|config| config.answer),
            answers: request
                .config
                .and_then(|config| config.answers)
                .unwrap_or(1),
        },
        edits: body.into_edits(),
        withheld,
    })
}

fn look(content: &Content, reach: &mut Reach) {
    for part in &content.parts.0 {
        if part.file.is_some() {
            reach.outside("fileData");
        }
        reach.attachments += u64::from(part.inline.is_some());
        part.response.0.iter().for_each(|inner| look(inner, reach));
    }
}

/// Names a tool that is more than functions which the agent runs itself.
fn outside(tool: &[u8]) -> Option<String> {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(tool) else {
        return Some("a tool that cannot be read".to_owned());
    };
    let functions = ["functionDeclarations", "function_declarations"];
    members
        .into_keys()
        .find(|key| !functions.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::gateway::wire::request::apply;

    #[test]
    fn a_request_tells_its_size() {
        let json = br#"{"contents":[{"parts":[{"text":"x"},{"inlineData":{"data":"AA"}}]}],
            "systemInstruction":{"parts":[{"text":"s"}]},
            "generationConfig":{"maxOutputTokens":64,"candidateCount":2}}"#;
        let asked = read(json, "m").unwrap();
        let size = Size {
            bytes: json.len() as u64,
            attachments: 1,
            answer: Some(64),
            answers: 2,
        };
        assert_eq!((asked.model.as_str(), asked.size), ("m", size));
    }

    #[test]
    fn nothing_is_passed_on_that_reaches_outside() {
        for outside in [
            r#"{"cachedContent":"c"}"#,
            r#"{"cached_content":"c"}"#,
            r#"{"contents":{"parts":{"fileData":{"fileUri":"https://evil.test"}}}}"#,
            r#"{"contents":[{"parts":[{"file_data":{"file_uri":"https://evil.test"}}]}]}"#,
            r#"{"systemInstruction":{"parts":[{"fileData":{}}]}}"#,
            r#"{"contents":[{"parts":[{"functionResponse":{"parts":[{"fileData":{}}]}}]}]}"#,
        ] {
            let refused = read(outside.as_bytes(), "m").unwrap_err();
            assert!(
                matches!(refused, Refusal::Outside(_)),
                "{outside}: {refused:?}"
            );
        }
        for malformed in [
            r#"{"generationConfig":{"maxOutputTokens":1},"generation_config":{"maxOutputTokens":9}}"#,
            r#"{"Tools":[{"googleSearch":{}}]}"#,
            "[]",
        ] {
            let refused = read(malformed.as_bytes(), "m").unwrap_err();
            assert!(
                matches!(refused, Refusal::Malformed(_)),
                "{malformed}: {refused:?}"
            );
        }
    }

    #[test]
    fn tools_of_the_provider_are_withheld() {
        let json = br#"{"tools":[{"functionDeclarations":[]},{"googleSearch":{}},{"urlContext":{}}],"x":1}"#;
        let asked = read(json, "m").unwrap();
        assert_eq!(asked.withheld, ["googleSearch", "urlContext"]);
        assert_eq!(
            apply(json.to_vec().into(), &asked.edits),
            br#"{"tools":[{"functionDeclarations":[]}],"x":1}"#.as_slice()
        );
    }
}
