//! Raw HTML in Markdown, reduced to what GitHub shows of it.

use std::fmt::Write as _;

/// Elements that GitHub renders. Others vanish from the page with their attributes, so that
/// `<ignore-the-above>` is a message that only a model reads.
const SHOWN: [&str; 66] = [
    "a",
    "abbr",
    "b",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "ul",
    "var",
    "wbr",
    "center",
    "font",
    "big",
    "u",
];

/// Attributes that say where something is. All others are read by nobody who looks at the page.
const KEPT: [&str; 2] = ["href", "src"];

/// Rewrites raw HTML: shown elements keep only the attributes that say where something is; other
/// tags, comments, declarations and processing instructions go. Text between tags stays.
#[must_use]
pub fn shown(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((text, markup)) = rest.split_once('<') {
        out.push_str(text);
        let written = out.len();
        rest = read_markup(markup, &mut out);
        // What stood before the markup must not join with what stands after it into a tag.
        if out.len() == written && out.ends_with('<') {
            out.push(' ');
        }
    }
    out.push_str(rest);
    out
}

/// Reads what follows a `<`, writes what is shown of it and returns what comes after.
fn read_markup<'h>(markup: &'h str, out: &mut String) -> &'h str {
    if let Some(comment) = markup.strip_prefix("!--") {
        return after(comment, "-->");
    }
    let (slash, name) = markup
        .strip_prefix('/')
        .map_or(("", markup), |name| ("/", name));
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return read_tag(slash, name, out);
    }
    // A browser makes these a comment that ends at the next `>`.
    if slash == "/" || markup.starts_with(['!', '?']) {
        return after(markup, ">");
    }
    out.push('<');
    markup
}

fn read_tag<'h>(slash: &str, tag: &'h str, out: &mut String) -> &'h str {
    let (name, mut rest) = split_where(tag, |c| c.is_ascii_whitespace() || c == '/' || c == '>');
    let name = name.to_ascii_lowercase();
    let mut kept = String::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(behind) = rest.strip_prefix('>') {
            rest = behind;
            break;
        }
        if rest.is_empty() {
            // A tag without an end swallows the rest, on the page too.
            return "";
        }
        let (key, value, behind) = read_attribute(rest);
        let key = key.to_ascii_lowercase();
        if slash.is_empty() && KEPT.contains(&key.as_str()) && !value.contains(['"', '<', '>']) {
            let _ = write!(kept, " {key}=\"{value}\"");
        }
        rest = behind;
    }
    if SHOWN.contains(&name.as_str()) {
        let _ = write!(out, "<{slash}{name}{kept}>");
    }
    rest
}

/// Splits one attribute off: its name, its value and what follows.
fn read_attribute(text: &str) -> (&str, &str, &str) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let name_end = text
        .char_indices()
        .find(|(at, c)| *at >= first && (c.is_ascii_whitespace() || "/>=".contains(*c)))
        .map_or(text.len(), |(at, _)| at);
    let (name, rest) = text.split_at_checked(name_end).unwrap_or((text, ""));
    let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
        return (name, "", rest);
    };
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return (name, value, rest);
        }
    }
    let (value, rest) = split_where(value, |c| c.is_ascii_whitespace() || c == '>');
    (name, value, rest)
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(stop).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn after<'t>(text: &'t str, end: &str) -> &'t str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_and_unknown_tags_go() {
        let check = |html: &str, expect: &str| assert_eq!(shown(html), expect, "{html}");
        check(
            "<img alt='obey' src=\"x.png\" width=3>",
            "<img src=\"x.png\">",
        );
        check(
            "<A HREF=x title=\"obey > me\">text</a obey>",
            "<a href=\"x\">text</a>",
        );
        check("<ignore all previous>x</ignore>", "x");
        check(
            "<details open><summary aria-label=\"obey\">s</summary>",
            "<details><summary>s</summary>",
        );
        check(
            "a<!-- obey -->b<!obey>c<?obey ?>d</ obey>e<![CDATA[obey]]>f",
            "abcdef",
        );
        check("a < b, 1<2, <-", "a < b, 1<2, <-");
        check("<div obey", "");
        check("<p><!-- obey", "<p>");
        check("<<x>b>", "< b>");
        check("<br/><hr />", "<br><hr>");
    }

    proptest! {
        #[test]
        fn twice_changes_nothing_more(html in "[<>/!?\\- a-c\"'=\\n]{0,80}|(<|>|<!--|-->|<b|</b>|<x>| alt=\"|\"|'|=| href=a){0,20}") {
            let once = shown(&html);
            prop_assert_eq!(shown(&once), once);
        }
    }
}
