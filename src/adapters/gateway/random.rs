//! Names and keys that nobody can guess.

/// Returns 128 random bits, in hexadecimal.
pub(super) fn id() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness nothing here works, TLS least of all: the process found out at its start.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random numbers");
    }
    hex::encode(bytes)
}

/// Returns a key for one pass, or nothing when the system gives no randomness.
pub(super) fn key() -> Option<String> {
    let mut bytes = [0_u8; 24];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(format!("prova-{}", hex::encode(bytes)))
}
