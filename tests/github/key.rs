//! The App's private key: made anew, since none may lie in a public repository.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Both halves.
pub(crate) struct Key {
    /// PKCS#8 in PEM.
    pub(crate) private_pem: String,
    /// PKCS#1 in PEM.
    pub(crate) public_pem: String,
}

/// The key of this process.
pub(crate) fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        Key {
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            public_pem: pem("RSA PUBLIC KEY", pair.public_key().as_ref()),
        }
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}
