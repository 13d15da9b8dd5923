//! Settings in the environment: `PROVA_SECTION__KEY=value`, as TOML for the same reader that reads
//! the file.

use std::collections::BTreeMap;

/// What every variable of ours begins with.
const PREFIX: &str = "PROVA_";

/// Returns the settings among the variables as a TOML text; what has no `__` is not a setting.
///
/// A value is taken as a number, `true`, `false` or a list when it looks like one, else as
/// text, so nobody has to write quotes within quotes. A secret is text whatever it looks like.
#[must_use]
pub fn to_toml(variables: &BTreeMap<String, String>) -> String {
    variables
        .iter()
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
            if !path.contains("__") {
                return None;
            }
            let keys: Vec<_> = path.split("__").map(quoted).collect();
            let is_secret = path.ends_with("_secret") || path.ends_with("_key");
            let value = if is_secret {
                quoted(value)
            } else {
                written(value)
            };
            Some(format!("{} = {value}\n", keys.join(".")))
        })
        .collect()
}

fn written(value: &str) -> String {
    let is_number = value.parse::<u64>().is_ok() || is_decimal(value);
    let is_list = value.starts_with('[') && value.ends_with(']');
    if is_number || is_list || value == "true" || value == "false" {
        value.to_owned()
    } else {
        quoted(value)
    }
}

/// Tells whether a text is a decimal number as TOML writes one, such as `0.25`.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(whole, fraction)| {
        digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
    })
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_settings() {
        let variables = [
            ("PROVA_CONFIG", "elsewhere.toml"),
            ("PROVA_SERVER__LISTEN", "0.0.0.0:3000"),
            ("PROVA_WORK__JOBS", "4"),
            ("PROVA_BUDGET__JOB_USD", "0.25"),
            ("PROVA_MODELS__MAIN__KEY", "1.5"),
            ("PROVA_WORK__AGENT", "1.2.3"),
            ("PROVA_GITHUB__WEBHOOK_SECRET", "[0]"),
            ("PROVA_GITHUB__PRIVATE_KEY", "1234"),
            ("PROVA_AGENTS__CLAUDE__COMMAND", "[\"claude\", \"-p\"]"),
            ("PATH", "/bin"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            to_toml(&variables.into()),
            "\"agents\".\"claude\".\"command\" = [\"claude\", \"-p\"]\n\
             \"budget\".\"job_usd\" = 0.25\n\
             \"github\".\"private_key\" = \"1234\"\n\
             \"github\".\"webhook_secret\" = \"[0]\"\n\
             \"models\".\"main\".\"key\" = \"1.5\"\n\
             \"server\".\"listen\" = \"0.0.0.0:3000\"\n\
             \"work\".\"agent\" = \"1.2.3\"\n\
             \"work\".\"jobs\" = 4\n"
        );
    }
}
