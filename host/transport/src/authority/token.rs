//! Join tokens: which cluster, whom to trust, and the secret. Knows no link.

use std::{fmt, str::FromStr};

use aether_types::ClusterId;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

const PREFIX: &str = "aether1.";
const BYTES: usize = 16 + 32 + 32;

/// SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// What a token proves. Comparing two takes the same time whatever they are.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Secret([u8; 32]);

/// What a new node needs to join: `aether1.` and base64url of cluster, fingerprint of the CA's
/// certificate, secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub cluster: ClusterId,
    pub ca: Fingerprint,
    pub secret: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a join token: it is `aether1.` and 107 characters")]
pub struct TokenError;

impl Secret {
    pub fn draw() -> Self {
        Self(rand::random())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For keeping it: nobody but the replicated state and the token's reader may see it.
    pub fn reveal(&self) -> [u8; 32] {
        self.0
    }
}

impl Token {
    /// For the person who starts the new node; never for a log.
    pub fn reveal(&self) -> String {
        let mut bytes = self.cluster.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.ca.0);
        bytes.extend_from_slice(&self.secret.0);
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(TokenError)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(rest).map_err(|_| TokenError)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| TokenError)?;
        let (cluster, rest) = bytes.split_first_chunk().ok_or(TokenError)?;
        let (ca, rest) = rest.split_first_chunk().ok_or(TokenError)?;
        let secret = rest.first_chunk().ok_or(TokenError)?;
        Ok(Self {
            cluster: ClusterId(u128::from_be_bytes(*cluster)),
            ca: Fingerprint(*ca),
            secret: Secret(*secret),
        })
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
