//! The App's private key: generated, since none may lie in a public repository.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::simulator::error::SimError;

/// A generated key pair.
#[derive(Debug, Clone)]
pub(crate) struct AppKey {
    /// PKCS#1 in PEM, as GitHub hands private keys out.
    pub(crate) private_pem: String,
    /// PKCS#1 in DER.
    pub(crate) public_der: Vec<u8>,
}

/// Generation takes a tenth of a second or more, so every simulator of a process shares one key.
static SHARED: Mutex<Option<AppKey>> = Mutex::new(None);

/// A PKCS#8 envelope around an RSA key of 2048 bits has this length, its length fields included.
const PKCS8_ENVELOPE: usize = 26;

/// The key of this process. With a file, the key is kept there for the next process: a test runner
/// that gives each test a process of its own would else generate one for each.
pub(crate) fn shared(file: Option<&Path>) -> Result<AppKey, SimError> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = shared.as_ref() {
        return Ok(key.clone());
    }
    let kept = file
        .and_then(|file| fs::read_to_string(file).ok())
        .and_then(|pem| load(&pem));
    let key = match (kept, file) {
        (Some(key), _) => key,
        (None, Some(file)) => keep(generate()?, file)?,
        (None, None) => generate()?,
    };
    *shared = Some(key.clone());
    Ok(key)
}

/// Writes the key beside its file and renames it there, so that no process reads half of one.
fn keep(key: AppKey, file: &Path) -> Result<AppKey, SimError> {
    let partial = file.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&partial, &key.private_pem)?;
    fs::rename(&partial, file)?;
    Ok(key)
}

fn load(pem: &str) -> Option<AppKey> {
    let text: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let pair = KeyPair::from_der(&STANDARD.decode(text).ok()?).ok()?;
    Some(AppKey {
        private_pem: pem.to_owned(),
        public_der: pair.public_key().as_ref().to_vec(),
    })
}

fn generate() -> Result<AppKey, SimError> {
    let failed = |_| SimError::Internal("cannot generate an RSA key".to_owned());
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let envelope: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let inner = envelope.as_ref().get(PKCS8_ENVELOPE..).unwrap_or_default();
    let text = STANDARD.encode(inner);
    let mut private_pem = "-----BEGIN RSA PRIVATE KEY-----\n".to_owned();
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            private_pem.push('\n');
        }
        private_pem.push(character);
    }
    private_pem.push_str("\n-----END RSA PRIVATE KEY-----\n");
    Ok(AppKey {
        private_pem,
        public_der: pair.public_key().as_ref().to_vec(),
    })
}
