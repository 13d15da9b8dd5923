//! A model endpoint, ready to be called.

use std::collections::BTreeMap;

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use secrecy::ExposeSecret;

use crate::adapters::gateway::settings::{Endpoint, InvalidSettings};
use crate::adapters::gateway::wire::route;
use crate::domain::model::{Api, Model};
use crate::domain::name::Name;
use crate::domain::redact::Redactor;

/// The name that stands for every model that has no other.
const REST: &str = "*";

/// An endpoint with its key, which it never shows.
pub(crate) struct Upstream {
    pub(crate) name: Name,
    pub(crate) api: Api,
    pub(crate) models: BTreeMap<String, Model>,
    /// Takes the key out of what the endpoint says of it.
    pub(crate) redactor: Redactor,
    scheme: Scheme,
    authority: Authority,
    base: String,
    key: Option<(HeaderName, HeaderValue)>,
}

impl Upstream {
    /// Checks the settings of an endpoint.
    pub(crate) fn new(name: &Name, endpoint: &Endpoint) -> Result<Self, InvalidSettings> {
        let (scheme, authority, path) =
            parts(&endpoint.url).ok_or_else(|| InvalidSettings::Url(name.clone()))?;
        let bad_key = || InvalidSettings::Key(name.clone());
        let key = endpoint.key.as_ref().map(ExposeSecret::expose_secret);
        Ok(Self {
            name: name.clone(),
            api: endpoint.api,
            models: endpoint.models.clone(),
            redactor: Redactor::new(key),
            scheme,
            authority,
            base: route::base(endpoint.api, &path),
            key: key
                .map(|key| header(endpoint.api, key).ok_or_else(bad_key))
                .transpose()?,
        })
    }

    /// Returns the model that a request may use under this name.
    pub(crate) fn model(&self, name: &str) -> Option<&Model> {
        let named = self.models.get(name).filter(|_| name != REST);
        named.or_else(|| self.models.get(REST))
    }

    /// Returns the models that may be used, for messages.
    pub(crate) fn allowed(&self) -> String {
        let names: Vec<&str> = self.models.keys().map(String::as_str).collect();
        names.join(", ")
    }

    /// Returns where a call goes: below the endpoint's base URL, and nowhere else.
    pub(crate) fn uri(&self, path: &str, query: Option<&str>) -> Result<Uri, http::Error> {
        let below = route::at_provider(self.api, path);
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{below}{}", self.base, route::query(query)))
            .build()
    }

    /// Adds the real key.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = &self.key {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn parts(url: &str) -> Option<(Scheme, Authority, String)> {
    // A Uri leaves a fragment out without a word.
    let uri: Uri = url.parse().ok().filter(|_| !url.contains(['#', '?']))?;
    let parts = uri.into_parts();
    let (scheme, authority) = (parts.scheme?, parts.authority?);
    let spoken = scheme == Scheme::HTTPS || scheme == Scheme::HTTP;
    let path = parts
        .path_and_query
        .map_or_else(String::new, |path| path.path().to_owned());
    (spoken && !authority.as_str().contains('@')).then_some((scheme, authority, path))
}

/// Returns the header in which an API takes its key.
fn header(api: Api, key: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = match api {
        Api::Anthropic => (HeaderName::from_static("x-api-key"), key.to_owned()),
        Api::OpenAi => (http::header::AUTHORIZATION, format!("Bearer {key}")),
        Api::Gemini => (HeaderName::from_static("x-goog-api-key"), key.to_owned()),
    };
    let visible = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::from_str(&value).ok().filter(|_| visible)?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(api: Api, url: &str, key: &str) -> Result<Upstream, InvalidSettings> {
        let endpoint = Endpoint {
            api,
            url: url.to_owned(),
            key: Some(key.to_owned().into()),
            models: BTreeMap::new(),
        };
        Upstream::new(&"main".parse().unwrap(), &endpoint)
    }

    #[test]
    fn calls_go_below_the_base_url() {
        for (api, url, path, expected) in [
            (
                Api::Anthropic,
                "https://a.test",
                "/v1/messages",
                "https://a.test/v1/messages?beta=true",
            ),
            (
                Api::OpenAi,
                "http://127.0.0.1:11434/v1",
                "/v1/responses",
                "http://127.0.0.1:11434/v1/responses?beta=true",
            ),
            (
                Api::OpenAi,
                "https://o.test/api/v1/",
                "/v1/models",
                "https://o.test/api/v1/models?beta=true",
            ),
        ] {
            let uri = upstream(api, url, "k")
                .unwrap()
                .uri(path, Some("beta=true&key=x"))
                .unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }

    #[test]
    fn a_key_is_sent_where_the_api_wants_it() {
        for (api, name, value) in [
            (Api::Anthropic, "x-api-key", "sk"),
            (Api::OpenAi, "authorization", "Bearer sk"),
            (Api::Gemini, "x-goog-api-key", "sk"),
        ] {
            let mut headers = HeaderMap::new();
            upstream(api, "https://a.test", "sk")
                .unwrap()
                .sign(&mut headers);
            assert_eq!(headers[name], value);
            assert!(!format!("{headers:?}").contains("sk"), "it is never shown");
        }
    }

    #[test]
    fn what_cannot_be_called_is_no_setting() {
        for bad in [
            "",
            "a.test",
            "ftp://a.test",
            "https://user:pw@a.test",
            "https://a.test?key=1",
            "https://a.test/#x",
        ] {
            assert!(
                matches!(
                    upstream(Api::OpenAi, bad, "k"),
                    Err(InvalidSettings::Url(_))
                ),
                "{bad}"
            );
        }
        for bad in ["", "a b", "a\n", "é"] {
            assert!(
                matches!(
                    upstream(Api::OpenAi, "https://a.test", bad),
                    Err(InvalidSettings::Key(_))
                ),
                "{bad}"
            );
        }
    }
}
