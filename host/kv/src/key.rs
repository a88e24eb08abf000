//! Names of entries: paths of segments with `/` between them. Knows no particular key.

use alloc::{string::String, sync::Arc};
use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use crate::limits::KEY_BYTES_MAX;

/// A valid key: 1 to [`KEY_BYTES_MAX`] bytes, no empty segment, no control character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

/// A text that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    #[error("the key {0:?} has an empty segment")]
    EmptySegment(String),
    #[error("the key {0:?} has a control character")]
    Control(String),
}

impl Key {
    pub fn new(text: &str) -> Result<Self, KeyError> {
        if !(1..=KEY_BYTES_MAX).contains(&text.len()) {
            return Err(KeyError::Length(text.len()));
        }
        if text.split('/').any(str::is_empty) {
            return Err(KeyError::EmptySegment(text.into()));
        }
        if text.chars().any(char::is_control) {
            return Err(KeyError::Control(text.into()));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `/`, or the whole.
    pub(crate) fn first_segment(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(first, _)| first)
    }
}

impl core::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Makes a key of a text where it lies.
struct Text;

impl Visitor<'_> for Text {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
        Key::new(text).map_err(E::custom)
    }
}
