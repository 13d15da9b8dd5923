//! What a secret looks like when programs write it down.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::domain::redact::MIN_VALUE;

/// Lines of a secret that are shorter are not looked for by themselves.
const MIN_LINE: usize = 16;

/// Returns every form of a secret: as it is, in base64, in hexadecimal, percent-encoded, and with the
/// escapes of JSON and HTML.
///
/// One of several lines, such as a private key, is looked for line by line, since logs indent and
/// cut; what encodes it whole is looked for as well. The lines that frame a PEM file are everybody's.
pub(super) fn of(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    if secret.len() < MIN_VALUE {
        return forms;
    }
    if !secret.contains('\n') {
        single(secret, &mut forms);
        return forms;
    }
    let lines = secret.lines().map(str::trim);
    for line in lines.filter(|line| line.len() >= MIN_LINE && !line.starts_with("-----")) {
        single(line, &mut forms);
    }
    base64(secret, &mut forms);
    hexadecimal(secret, &mut forms);
    forms
}

fn single(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(secret.into());
    base64(secret, forms);
    hexadecimal(secret, forms);
    for upper in [true, false] {
        forms.insert(percent(secret, "-._~", upper).into());
        forms.insert(percent(secret, "", upper).into());
    }
    if let Ok(json) = serde_json::to_string(secret) {
        let inside = json
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        forms.extend(inside.map(Into::into));
    }
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    forms.insert(html.replace('"', "&quot;").replace('\'', "&#39;").into());
}

/// In base64, wherever in the encoded bytes the secret begins: as in `Authorization: Basic` of
/// `x-access-token:SECRET`.
///
/// Three alignments are possible. In each, the characters that also depend on the bytes around the
/// secret are left out.
fn base64(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    for before in 0..3_usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        let first = (before * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        for text in [
            STANDARD_NO_PAD.encode(&bytes),
            URL_SAFE_NO_PAD.encode(&bytes),
        ] {
            forms.extend(text.get(first..last).map(Into::into));
        }
    }
}

fn hexadecimal(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(hex::encode(secret).into());
    forms.insert(hex::encode_upper(secret).into());
}

/// Percent-encodes all but letters, digits and what is `plain`; the digits of codes in upper or lower
/// case.
fn percent(secret: &str, plain: &str, upper: bool) -> String {
    let mut out = String::with_capacity(secret.len() * 3);
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else if upper {
            let _ = write!(out, "%{byte:02X}");
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(forms: &BTreeSet<Vec<u8>>, form: &str) -> bool {
        forms.contains(form.as_bytes())
    }

    #[test]
    fn a_value_is_written_in_many_ways() {
        let forms = of("a+b/\"c&d-ü");
        for form in [
            "a+b/\"c&d-ü",
            "612b622f22632664",
            "a%2Bb%2F%22c%26d-%C3%BC",
            "a%2bb%2f%22c%26d%2d%c3%bc",
            "a+b/\\\"c&d-ü",
            "a+b/&quot;c&amp;d-ü",
        ] {
            let known = forms.iter().any(|known| known.starts_with(form.as_bytes()));
            assert!(known, "{form}");
        }
        assert!(has(&forms, "YStiLyJjJmQtw7"), "{forms:?}");
    }

    #[test]
    fn a_short_value_is_none() {
        assert!(of("hunter2").is_empty());
    }

    #[test]
    fn a_key_is_known_by_its_lines_and_not_by_its_frame() {
        let forms = of("-----BEGIN KEY-----\nMIIEogIBAAKCAQEA0123\nshort\n-----END KEY-----");
        assert!(has(&forms, "MIIEogIBAAKCAQEA0123") && !has(&forms, "short"));
        assert!(!forms.iter().any(|form| form.starts_with(b"-----")));
    }
}
