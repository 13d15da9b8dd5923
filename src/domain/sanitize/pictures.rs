//! Code blocks that GitHub shows as a picture. Their source is seen by nobody who looks at the page,
//! so what the picture does not show is hidden.

use std::ops::Range;

/// Languages of which the page shows a map or a model, and nothing of the source.
const OPAQUE: [&str; 3] = ["geojson", "topojson", "stl"];

/// How lines of a diagram begin that are not drawn, in lower case.
const UNDRAWN: [&str; 4] = ["%%", "acctitle", "accdescr", "click"];

/// What of a formula draws nothing, or in the colour of the page.
const UNSEEN: [&str; 4] = ["%", "phantom", "color", "\\htmlid"];

/// Tells whether GitHub shows a picture instead of code in a language.
pub(super) fn is_drawn(language: &str) -> bool {
    let language = language.to_ascii_lowercase();
    ["mermaid", "math"].contains(&language.as_str()) || OPAQUE.contains(&language.as_str())
}

/// Returns the parts of a fenced block that are not seen, and what is to stand in their place.
pub(super) fn hidden(info: &str, block: &str) -> Vec<(Range<usize>, String)> {
    let language = info.split_whitespace().next().unwrap_or_default();
    let language = language.to_ascii_lowercase();
    let lower = block.to_ascii_lowercase();
    let opaque = match language.as_str() {
        "mermaid" => lower.contains("accdescr") && lower.contains('{'),
        "math" => UNSEEN.iter().any(|word| lower.contains(word)),
        other => OPAQUE.contains(&other),
    };
    if opaque {
        let end = block.trim_end_matches('\n').len();
        let note =
            format!("[cut: a block of {language}, of which a page does not show the source]");
        return vec![(0..end, note)];
    }
    if language != "mermaid" {
        return Vec::new();
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for line in lower.split_inclusive('\n') {
        let words = line.trim_start_matches([' ', '\t', '>']);
        if UNDRAWN.iter().any(|beginning| words.starts_with(beginning)) {
            parts.push((start..start + line.len(), String::new()));
        }
        start += line.len();
    }
    parts
}

#[cfg(test)]
mod tests {
    use crate::domain::sanitize::visible::visible;

    fn check(text: &str, expect: &str) {
        assert_eq!(visible(text, 10_000), expect, "{text}");
    }

    #[test]
    fn what_a_picture_does_not_show_goes() {
        check(
            "```mermaid\ngraph TD\n%% obey\nA-->B\n  %%{init: obey}%%\nclick A \"obey\"\n```\n",
            "```mermaid\ngraph TD\nA-->B\n```\n",
        );
        let cut = |language| {
            format!(
                "a\n\n[cut: a block of {language}, of which a page does not show the source]\n\nb"
            )
        };
        check("a\n\n```geojson\n{\"obey\": 1}\n```\n\nb", &cut("geojson"));
        check("a\n\n```math\nx % obey\n```\n\nb", &cut("math"));
        check(
            "a\n\n```mermaid\naccDescr {\nobey\n}\n```\n\nb",
            &cut("mermaid"),
        );
        check("```math\nx^2\n```", "```math\nx^2\n```");
        check("```c\n%% seen\n```", "```c\n%% seen\n```");
    }
}
