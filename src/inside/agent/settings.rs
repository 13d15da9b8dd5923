//! What the program inside is told, by its variables.

use serde::Deserialize;

use crate::domain::builtin::{TOLD, TRANSCRIPT, Told};
use crate::domain::policy::Role;

/// Everything that one run is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) told: Told,
    /// The endpoint's base address inside.
    pub(super) url: String,
    /// The run's key, which is worth nothing elsewhere.
    pub(super) key: String,
    /// Path of the brief.
    pub(super) brief: String,
    /// Path for the result.
    pub(super) result: String,
    /// Path for the transcript.
    pub(super) transcript: String,
    /// What the job wants of the result beside words.
    pub(super) wants: Wants,
}

/// What a job wants of the result beside words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// An answer to each of so many comments of reviews, which the brief numbers from 1.
    pub(super) comments: usize,
    /// What is found in a review.
    pub(super) findings: bool,
}

/// The job as the `exec` contract describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Job {
    role: String,
    comments: usize,
}

impl Job {
    fn wants(&self) -> Wants {
        Wants {
            comments: self.comments,
            findings: self.role == Role::Review.word(),
        }
    }
}

/// An endpoint as the door describes it.
#[derive(Debug, Deserialize)]
struct Described {
    name: String,
    url: String,
}

/// Reads the settings. `variable` looks one up.
///
/// # Errors
/// Names the variable that is missing or makes no sense.
pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, String> {
    let needed = |name: &str| {
        variable(name).ok_or_else(|| format!("{name} is not set: the server starts this program"))
    };
    let told: Told = serde_json::from_str(&needed(TOLD)?)
        .map_err(|error| format!("{TOLD} cannot be read: {error}"))?;
    let job: Job = serde_json::from_str(&needed("PROVA_JOB")?)
        .map_err(|error| format!("PROVA_JOB cannot be read: {error}"))?;
    let models = needed("PROVA_MODELS")?;
    let models: Vec<Described> = serde_json::from_str(&models)
        .map_err(|error| format!("PROVA_MODELS cannot be read: {error}"))?;
    let endpoint = models.into_iter().find(|one| one.name == told.endpoint);
    let endpoint =
        endpoint.ok_or_else(|| format!("PROVA_MODELS has no endpoint {}", told.endpoint))?;
    Ok(Settings {
        url: endpoint.url,
        key: needed("PROVA_MODELS_KEY")?,
        brief: needed("PROVA_BRIEF")?,
        result: needed("PROVA_RESULT")?,
        transcript: needed(TRANSCRIPT)?,
        wants: job.wants(),
        told,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::builtin::Wire;

    const TOLD_TEXT: &str = r#"{"endpoint":"b","model":"m","wire":"chat","max_steps":9,
        "context_tokens":1000,"output_tokens":10}"#;
    const MODELS: &str = r#"[{"name":"a","api":"gemini","url":"http://x/a","models":["m"]},
        {"name":"b","api":"openai","url":"http://x/b/v1","models":[]}]"#;

    fn with(changed: (&str, Option<&str>)) -> Result<Settings, String> {
        read(|name| {
            if name == changed.0 {
                return changed.1.map(str::to_owned);
            }
            let value = match name {
                TOLD => TOLD_TEXT,
                "PROVA_MODELS" => MODELS,
                "PROVA_JOB" => r#"{"role":"follow_up","comments":2,"base":"0"}"#,
                other => other,
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn the_door_says_where_the_endpoint_is() {
        let settings = with(("", None)).unwrap();
        assert_eq!(settings.url, "http://x/b/v1");
        assert_eq!(settings.key, "PROVA_MODELS_KEY");
        assert_eq!(settings.told.wire, Wire::Chat);
        for (name, value, told) in [
            (TOLD, None, "PROVA_AGENT is not set"),
            (TOLD, Some("{}"), "PROVA_AGENT cannot be read"),
            ("PROVA_MODELS", Some("{}"), "PROVA_MODELS cannot be read"),
            ("PROVA_MODELS", Some("[]"), "no endpoint b"),
            ("PROVA_MODELS_KEY", None, "PROVA_MODELS_KEY is not set"),
            (TRANSCRIPT, None, "PROVA_TRANSCRIPT is not set"),
            ("PROVA_JOB", Some("[]}"), "PROVA_JOB cannot be read"),
        ] {
            let error = with((name, value)).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn the_job_says_what_is_wanted_beside_words() {
        for (job, comments, findings) in [
            (r#"{"role":"follow_up","comments":2}"#, 2, false),
            (r#"{"role":"review","comments":0}"#, 0, true),
            (r#"{"role":"ask"}"#, 0, false),
            ("{}", 0, false),
        ] {
            let wants = with(("PROVA_JOB", Some(job))).unwrap().wants;
            assert_eq!(wants, Wants { comments, findings }, "{job}");
        }
    }
}
