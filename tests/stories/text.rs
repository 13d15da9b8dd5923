//! Texts that differ from run to run, made the same.

/// Replaces object ids, digests, durations and the simulator's address.
pub(crate) fn normal(text: &str, origin: &str) -> String {
    let text = uuids(&text.replace(origin, "http://github.test"));
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        out.push_str(if is_id(&word) { "HEX" } else { &word });
        word.clear();
        out.push(c);
    }
    out.pop();
    durations(&out)
}

/// Replaces the names that messages of protocols have.
fn uuids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let long = rest.get(..36).filter(|name| is_uuid(name));
        let taken = long.map_or(c.len_utf8(), str::len);
        let (one, after) = rest.split_at(taken);
        out.push_str(long.map_or(one, |_| "UUID"));
        rest = after;
    }
    out
}

fn is_uuid(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && (parts.iter()).all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_id(word: &str) -> bool {
    word.len() >= 10
        && word.bytes().all(|b| b.is_ascii_hexdigit())
        && word.bytes().any(|b| b.is_ascii_digit())
}

/// Replaces `0.3 s` and `12 s` by `TIME`.
fn durations(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let mut chars = word.chars();
        let unit = chars.next() == Some('s') && chars.next().is_none_or(|c| !c.is_alphanumeric());
        let number = words.last().is_some_and(|last| {
            let digits = last.trim_start_matches('(');
            !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        });
        if unit && number {
            let last = words.pop().unwrap_or_default();
            let open = if last.starts_with('(') { "(" } else { "" };
            words.push(format!("{open}TIME{}", word.get(1..).unwrap_or_default()));
        } else {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}
