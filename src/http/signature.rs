//! `X-Hub-Signature-256`: HMAC-SHA256 over the raw bytes of the body.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What deliveries are signed with: the secret, and while it is being changed the one before.
pub struct Secrets {
    keys: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.keys.len())
    }
}

/// A signature that is being computed while the body comes in.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Hmac<Sha256>>,
    claimed: [u8; 32],
}

impl Secrets {
    /// Builds them; an empty secret signs nothing and is left out.
    #[must_use]
    pub fn new(secrets: &[SecretString]) -> Self {
        let keyed = |secret: &SecretString| {
            let bytes = secret.expose_secret().as_bytes();
            // HMAC takes keys of every length.
            if bytes.is_empty() {
                None
            } else {
                Hmac::new_from_slice(bytes).ok()
            }
        };
        Self {
            keys: secrets.iter().filter_map(keyed).collect(),
        }
    }

    /// Starts to verify a body against a header of the form `sha256=<64 lower-case hex digits>`,
    /// which is how GitHub writes it; `None` for anything else.
    #[must_use]
    pub fn verifier(&self, header: &[u8]) -> Option<Verifier> {
        let digits = header.strip_prefix(b"sha256=")?;
        let mut claimed = [0; 32];
        if digits.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        hex::decode_to_slice(digits, &mut claimed).ok()?;
        Some(Verifier {
            keys: self.keys.clone(),
            claimed,
        })
    }
}

impl Verifier {
    /// Takes the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        for key in &mut self.keys {
            key.update(bytes);
        }
    }

    /// Returns whether one of the secrets gives the claimed signature. Takes the same time
    /// wherever the first difference is.
    #[must_use]
    pub fn verify(self) -> bool {
        let mut valid = false;
        for key in self.keys {
            valid |= key.verify_slice(&self.claimed).is_ok();
        }
        valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &Secrets, header: &str, body: &[u8]) -> bool {
        secrets
            .verifier(header.as_bytes())
            .is_some_and(|mut verifier| {
                verifier.update(body);
                verifier.verify()
            })
    }

    #[test]
    fn vectors_of_github_and_octokit_hold() {
        let text = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/fixtures/signature.json"
        ))
        .unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut seen = 0;
        for vector in vectors["positive"].as_array().unwrap() {
            let secrets = Secrets::new(&[vector["secret"].as_str().unwrap().into()]);
            let payload = hex::decode(vector["payload_hex"].as_str().unwrap()).unwrap();
            let header = vector["x_hub_signature_256"].as_str().unwrap();
            assert!(check(&secrets, header, &payload), "{vector}");
            assert!(!check(&secrets, header, b"other"), "{vector}");
            seen += 1;
        }
        assert!(seen >= 4);
        let docs = Secrets::new(&["It's a Secret to Everybody".into()]);
        for vector in vectors["negative_for_github_docs_payload"]
            .as_array()
            .unwrap()
        {
            let header = vector["header"].as_str().unwrap_or_default();
            assert!(!check(&docs, header, b"Hello, World!"), "{vector}");
        }
    }

    #[test]
    fn either_secret_is_good_while_one_is_changed() {
        let signed = |secret: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(b"body");
            format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
        };
        let secrets = Secrets::new(&["new".into(), "old".into()]);
        assert!(check(&secrets, &signed("new"), b"body"));
        assert!(check(&secrets, &signed("old"), b"body"));
        assert!(!check(&secrets, &signed("other"), b"body"));
        assert!(!check(&Secrets::new(&["".into()]), &signed(""), b"body"));
    }
}
