//! Which paths are passed on: model calls, token counts, model lists, and nothing else.

use http::Method;

use crate::domain::model::Api;

/// The parameters of a query that are passed on; a key is none of them.
const PARAMETERS: [&str; 7] = [
    "alt",
    "beta",
    "limit",
    "after_id",
    "before_id",
    "pageSize",
    "pageToken",
];

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Anthropic: an answer.
    Messages,
    /// Anthropic: how long a request is; free of charge.
    CountTokens,
    /// OpenAI: an answer.
    Chat,
    /// OpenAI: an answer.
    Responses,
    /// Gemini: an answer of this model.
    Generate(String),
    /// Gemini: how long a request to this model is; free of charge.
    CountContents(String),
    /// Which models there are, or what one is like.
    Models,
}

impl Call {
    /// Whether it is answered by a model, and so costs something.
    pub(crate) fn is_priced(&self) -> bool {
        match self {
            Self::Messages | Self::Chat | Self::Responses | Self::Generate(_) => true,
            Self::CountTokens | Self::CountContents(_) | Self::Models => false,
        }
    }
}

/// Returns what `path`, which follows the endpoint's name, asks of an API.
pub(crate) fn call(api: Api, method: &Method, path: &str) -> Option<Call> {
    let post = method == Method::POST;
    let plain = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
            && !name.contains("..")
    };
    let models = |rest: &str| {
        let named = rest.strip_prefix('/').is_some_and(plain);
        (method == Method::GET && (rest.is_empty() || named)).then_some(Call::Models)
    };
    match api {
        Api::Anthropic => match path {
            "/v1/messages" => post.then_some(Call::Messages),
            "/v1/messages/count_tokens" => post.then_some(Call::CountTokens),
            _ => models(path.strip_prefix("/v1/models")?),
        },
        Api::OpenAi => match path {
            "/v1/chat/completions" => post.then_some(Call::Chat),
            "/v1/responses" => post.then_some(Call::Responses),
            _ => models(path.strip_prefix("/v1/models")?),
        },
        Api::Gemini => {
            let below = path
                .strip_prefix("/v1beta/models")
                .or_else(|| path.strip_prefix("/v1/models"))?;
            match below
                .strip_prefix('/')
                .and_then(|rest| rest.rsplit_once(':'))
            {
                Some((model, verb)) if plain(model) && post => match verb {
                    "generateContent" | "streamGenerateContent" => {
                        Some(Call::Generate(model.to_owned()))
                    }
                    "countTokens" => Some(Call::CountContents(model.to_owned())),
                    _ => None,
                },
                Some(_) | None => models(below),
            }
        }
    }
}

/// Returns the path at the provider, below the base URL that [`base`] made.
pub(crate) fn at_provider(api: Api, path: &str) -> &str {
    match api {
        Api::Anthropic | Api::Gemini => path,
        Api::OpenAi => path.strip_prefix("/v1").unwrap_or(path),
    }
}

/// Returns the path of a base URL such that a call's path can follow: providers write theirs with
/// the version or without.
pub(crate) fn base(api: Api, path: &str) -> String {
    let path = path.trim_end_matches('/');
    match api {
        Api::Anthropic => path.strip_suffix("/v1").unwrap_or(path).to_owned(),
        Api::Gemini => path
            .strip_suffix("/v1beta")
            .or_else(|| path.strip_suffix("/v1"))
            .unwrap_or(path)
            .to_owned(),
        Api::OpenAi if path.is_empty() => "/v1".to_owned(),
        Api::OpenAi => path.to_owned(),
    }
}

/// Returns what of a query is passed on, with its question mark.
pub(crate) fn query(query: Option<&str>) -> String {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    let kept = query.unwrap_or_default().split('&').filter(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Whatever else Gemini can answer in, the meter could not read.
        let readable = name != "alt" || matches!(value, "sse" | "json");
        PARAMETERS.contains(&name) && plain(value) && readable
    });
    let kept = kept.collect::<Vec<_>>().join("&");
    if kept.is_empty() {
        kept
    } else {
        format!("?{kept}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_calls_are_passed_on_and_nothing_else() {
        let (get, post) = (Method::GET, Method::POST);
        let gemini = |model: &str| Some(Call::Generate(model.to_owned()));
        for (api, method, path, expected) in [
            (Api::Anthropic, &post, "/v1/messages", Some(Call::Messages)),
            (
                Api::Anthropic,
                &post,
                "/v1/messages/count_tokens",
                Some(Call::CountTokens),
            ),
            (Api::Anthropic, &get, "/v1/models", Some(Call::Models)),
            (Api::Anthropic, &get, "/v1/messages", None),
            (Api::Anthropic, &post, "/v1/messages/batches", None),
            (Api::Anthropic, &post, "/v1/files", None),
            (Api::Anthropic, &post, "/v1/messages/", None),
            (Api::OpenAi, &post, "/v1/chat/completions", Some(Call::Chat)),
            (Api::OpenAi, &post, "/v1/responses", Some(Call::Responses)),
            (Api::OpenAi, &get, "/v1/models/gpt-5", Some(Call::Models)),
            (Api::OpenAi, &get, "/v1/models/../files", None),
            (Api::OpenAi, &get, "/v1/models/a/b", None),
            (Api::OpenAi, &get, "/v1/modelsx", None),
            (Api::OpenAi, &post, "/v1/models/gpt-5", None),
            (Api::OpenAi, &get, "/v1/responses/resp_1", None),
            (Api::OpenAi, &post, "/v1/files", None),
            (Api::OpenAi, &post, "/chat/completions", None),
            (
                Api::Gemini,
                &post,
                "/v1beta/models/g-2.5:generateContent",
                gemini("g-2.5"),
            ),
            (
                Api::Gemini,
                &post,
                "/v1/models/g:streamGenerateContent",
                gemini("g"),
            ),
            (
                Api::Gemini,
                &post,
                "/v1beta/models/g:batchGenerateContent",
                None,
            ),
            (
                Api::Gemini,
                &post,
                "/v1beta/models/a/b:generateContent",
                None,
            ),
            (
                Api::Gemini,
                &post,
                "/v1beta/models/a%2fb:generateContent",
                None,
            ),
            (Api::Gemini, &post, "/v1beta/cachedContents", None),
            (Api::Gemini, &get, "/v1beta/models", Some(Call::Models)),
        ] {
            assert_eq!(call(api, method, path), expected, "{api} {method} {path}");
        }
    }

    #[test]
    fn base_urls_are_taken_as_their_providers_write_them() {
        for (api, path, expected) in [
            (Api::Anthropic, "/", ""),
            (Api::Anthropic, "/v1/", ""),
            (Api::Anthropic, "/anthropic", "/anthropic"),
            (Api::OpenAi, "", "/v1"),
            (Api::OpenAi, "/v1", "/v1"),
            (Api::OpenAi, "/api/v1/", "/api/v1"),
            (Api::Gemini, "/v1beta", ""),
        ] {
            assert_eq!(base(api, path), expected, "{api} {path}");
        }
    }

    #[test]
    fn a_query_loses_its_key() {
        assert_eq!(query(Some("key=secret&alt=sse")), "?alt=sse");
        assert_eq!(
            query(Some("alt=proto&beta=true&x=1&limit=%00")),
            "?beta=true"
        );
        assert_eq!(query(Some("key=secret")), "");
        assert_eq!(query(None), "");
    }
}
