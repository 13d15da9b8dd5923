//! Who calls: the App by its JSON Web Token, an installation by its token, or nobody.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::simulator::error::SimError;
use crate::simulator::json::Fields as _;
use crate::simulator::world::World;
use crate::simulator::world::installations::{Access, Permissions, Token};

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Anonymous,
    App,
    Installation {
        id: u64,
        permissions: Permissions,
        repositories: Option<BTreeSet<u64>>,
    },
}

impl Caller {
    /// Finds out who calls from an `Authorization` header.
    pub(crate) fn identify(world: &World, header: Option<&str>) -> Result<Self, SimError> {
        let Some(header) = header else {
            return Ok(Self::Anonymous);
        };
        let (scheme, credential) = header.split_once(' ').unwrap_or((header, ""));
        let credential = credential.trim();
        let is_token =
            scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        if is_token && !credential.starts_with("ghs_") && credential.split('.').count() == 3 {
            check_jwt(world, credential)?;
            return Ok(Self::App);
        }
        if is_token {
            return Self::by_token(world, credential);
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::by_token(world, &basic_password(credential).unwrap_or_default());
        }
        Err(bad_credentials())
    }

    fn by_token(world: &World, text: &str) -> Result<Self, SimError> {
        let token: &Token = world
            .tokens
            .get(text)
            .filter(|token| world.now() < token.expires_at)
            .ok_or_else(bad_credentials)?;
        if world.installation(token.installation)?.is_suspended() {
            return Err(SimError::Forbidden(
                "This installation has been suspended".to_owned(),
            ));
        }
        Ok(Self::Installation {
            id: token.installation,
            permissions: token.permissions.clone(),
            repositories: token.repositories.clone(),
        })
    }

    /// The installation that calls, if one does.
    pub(crate) fn installation(&self) -> Option<u64> {
        match self {
            Self::Installation { id, .. } => Some(*id),
            Self::Anonymous | Self::App => None,
        }
    }

    /// Tells whether the token reaches into a repository.
    pub(crate) fn reaches(&self, world: &World, repo: u64) -> bool {
        match self {
            Self::Anonymous | Self::App => false,
            Self::Installation {
                id, repositories, ..
            } => {
                let covered = world
                    .installation(*id)
                    .is_ok_and(|found| world.covers(found, repo));
                covered
                    && repositories
                        .as_ref()
                        .is_none_or(|narrowed| narrowed.contains(&repo))
            }
        }
    }

    /// Tells whether the caller may know that a repository exists.
    pub(crate) fn sees(&self, world: &World, repo: u64) -> bool {
        let is_public = world
            .repository(repo)
            .is_ok_and(|repository| !repository.private);
        is_public || self.reaches(world, repo)
    }

    /// Refuses a caller that holds none of these permissions in a repository.
    pub(crate) fn need(
        &self,
        world: &World,
        repo: u64,
        (names, access): (&[&str], Access),
    ) -> Result<(), SimError> {
        match self {
            Self::Anonymous => Err(SimError::Unauthorized("Requires authentication".to_owned())),
            Self::App => Err(bad_jwt()),
            Self::Installation { permissions, .. } => {
                let has = |name: &&str| permissions.get(*name).is_some_and(|has| *has >= access);
                if self.reaches(world, repo) && names.iter().any(has) {
                    Ok(())
                } else {
                    Err(SimError::no_permission())
                }
            }
        }
    }

    /// Refuses everybody but the App itself.
    pub(crate) fn need_app(&self) -> Result<(), SimError> {
        match self {
            Self::App => Ok(()),
            Self::Anonymous | Self::Installation { .. } => Err(bad_jwt()),
        }
    }
}

fn bad_credentials() -> SimError {
    SimError::Unauthorized("Bad credentials".to_owned())
}

fn bad_jwt() -> SimError {
    SimError::Unauthorized("A JSON web token could not be decoded".to_owned())
}

/// The password of HTTP basic authentication; git sends the token there.
fn basic_password(credential: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(credential).ok()?).ok()?;
    Some(text.split_once(':')?.1.to_owned())
}

/// Checks a JSON Web Token as GitHub does: signature first, then the claims, each with the words
/// of the real refusal.
fn check_jwt(world: &World, token: &str) -> Result<(), SimError> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(bad_jwt)?;
    let (header, claims) = signed.split_once('.').ok_or_else(bad_jwt)?;
    let header = decode_json(header).ok_or_else(bad_jwt)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad_jwt())?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &world.app.public_key);
    if header.field("alg") != "RS256" || key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(bad_jwt());
    }
    let claims = decode_json(claims).ok_or_else(bad_jwt)?;
    let refused = |message: &str| Err(SimError::Unauthorized(message.to_owned()));
    let now = world.now().div_euclid(1000);
    match claims.field("iat").as_i64() {
        Some(issued) if issued <= now => {}
        Some(_) | None => {
            return refused(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            );
        }
    }
    match claims.field("exp").as_i64() {
        Some(expires) if expires > now + 600 => {
            return refused("'Expiration time' claim ('exp') is too far in the future");
        }
        Some(expires) if expires > now => {}
        Some(_) | None => {
            return refused(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            );
        }
    }
    let issuer = match claims.field("iss") {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return refused("'Issuer' claim ('iss') must be an Integer");
        }
    };
    let id = world.app.id;
    if issuer != id.to_string() && issuer != format!("Iv23li{id}") {
        return Err(SimError::NotFound("Integration not found".to_owned()));
    }
    Ok(())
}

fn decode_json(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
