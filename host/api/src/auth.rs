//! Keys of the management API: roles, minting, verification. Knows no random source and no store.

use aether_types::versioned::Versioned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// What a key may do; a later role may everything that an earlier one may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Deploys, calls, undeploys and writes to the store.
    Operator,
    /// Manages keys.
    Admin,
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub name: String,
    pub role: Role,
}

/// A key as the cluster keeps it: a hash, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Eight hexadecimal digits; also stands in the key itself.
    pub id: String,
    pub name: String,
    pub role: Role,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// SHA-256 of the whole key. The secret has 256 random bits, so no slow hash is needed.
    hash: [u8; 32],
}

/// A new key with its secret, which nobody can read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintedKey {
    pub stored: StoredKey,
    /// What goes after `Authorization: Bearer`.
    pub secret: String,
}

impl Versioned for StoredKey {
    const FORMAT: u8 = 1;
}

const PREFIX: &str = "aether";
const ID_BYTES: usize = 4;

impl StoredKey {
    /// Random bytes that a new key needs.
    pub const RANDOM_BYTES: usize = ID_BYTES + 32;

    /// A new key: `aether_{id}_{secret}`. `random` comes from the operating system.
    pub fn mint(
        random: &[u8; Self::RANDOM_BYTES],
        name: String,
        role: Role,
        created_ms: u64,
    ) -> MintedKey {
        let (id, secret) = random.split_at(ID_BYTES);
        let id = hex(id);
        let secret = format!("{PREFIX}_{id}_{}", hex(secret));
        let hash = Sha256::digest(secret.as_bytes()).into();
        MintedKey { stored: Self { id, name, role, created_ms, hash }, secret }
    }

    /// The id inside a key as somebody sent it: under which the stored key is found.
    pub fn id_of(secret: &str) -> Option<&str> {
        let mut parts = secret.trim().split('_');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(PREFIX), Some(id), Some(_), None) if is_id(id) => Some(id),
            _ => None,
        }
    }

    /// Who holds `secret`, if it is this key. Takes the same time wherever the hashes differ.
    pub fn verify(&self, secret: &str) -> Option<Principal> {
        let offered: [u8; 32] = Sha256::digest(secret.trim().as_bytes()).into();
        let difference = offered.iter().zip(&self.hash).fold(0, |all, (a, b)| all | (a ^ b));
        (difference == 0).then(|| Principal { name: self.name.clone(), role: self.role })
    }
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 2 * ID_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_verifies_itself_and_nothing_else() {
        let mint = |byte| StoredKey::mint(&[byte; 36], "ci".to_owned(), Role::Operator, 0);
        let (key, other) = (mint(0xab), mint(0xac));
        assert_eq!(StoredKey::id_of(&key.secret), Some("abababab"));
        let who = key.stored.verify(&key.secret).expect("it is the key");
        assert_eq!((who.name.as_str(), who.role), ("ci", Role::Operator));
        assert!(key.stored.verify(&format!("{}\n", key.secret)).is_some(), "as a file has it");
        assert!(key.stored.verify(&other.secret).is_none());
        assert!(key.stored.verify("").is_none());
        for bad in ["", "aether_", "aether__x", "aether_abababab", "other_abababab_x", "a_b_c_d"] {
            assert_eq!(StoredKey::id_of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_stored_key_does_not_hold_the_secret() {
        let key = StoredKey::mint(&[7; 36], "ci".to_owned(), Role::Viewer, 0);
        let bytes = aether_types::versioned::encode(&key.stored);
        let secret = key.secret.rsplit('_').next().expect("it has parts");
        assert!(!String::from_utf8_lossy(&bytes).contains(secret));
        assert!(!format!("{:?}", key.stored).contains(secret));
        assert_eq!(aether_types::versioned::decode::<StoredKey>(&bytes), Ok(key.stored));
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Admin > Role::Operator && Role::Operator > Role::Viewer);
    }
}
