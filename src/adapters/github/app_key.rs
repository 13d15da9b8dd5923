//! The App's private key and what it signs.

use std::sync::Once;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::adapters::github::settings::InvalidSettings;
use crate::domain::time::{Span, Timestamp};

/// Chooses the cryptography of TLS and of signatures. Call it first in every program; again is
/// harmless.
///
/// Both libraries panic on first use when a dependency enables a second implementation and nobody
/// has chosen.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that somebody has chosen already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

/// Signs the tokens by which the App itself is known.
pub(super) struct AppKey {
    app_id: u64,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: u64,
}

/// GitHub refuses a token from its future, so it is dated back, and one that lives longer than ten
/// minutes, so a minute is left.
const BACKDATED: Span = Span::minutes(1);
const LIVES: Span = Span::minutes(9);

impl AppKey {
    /// Reads the key and tries it, so that a damaged one is noticed now and not at the first event.
    pub(super) fn new(app_id: u64, pem: &SecretString) -> Result<Self, InvalidSettings> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
            .map_err(|e| InvalidSettings::PrivateKey(e.to_string()))?;
        let key = Self { app_id, key };
        key.sign(Timestamp::EPOCH)
            .map_err(InvalidSettings::PrivateKey)?;
        Ok(key)
    }

    pub(super) fn app_id(&self) -> u64 {
        self.app_id
    }

    /// Signs a token for use at `now` by GitHub's clock.
    pub(super) fn sign(&self, now: Timestamp) -> Result<SecretString, String> {
        let seconds = |at: Timestamp| at.as_millis().div_euclid(1_000);
        let backdated = i64::try_from(BACKDATED.as_millis() / 1_000).unwrap_or_default();
        let claims = Claims {
            iat: seconds(now) - backdated,
            exp: seconds(now.plus(LIVES)),
            iss: self.app_id,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|e| e.to_string())
    }
}
