//! Bytes of replicated values: a format version, then postcard. Knows no keys.

use serde::{Serialize, de::DeserializeOwned};

/// A value that is kept in the replicated map. Raise `FORMAT` with every change of its shape.
pub trait Versioned: Serialize + DeserializeOwned {
    const FORMAT: u8;
}

/// Bytes that are not a value of the wanted type and format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("format {found} of {what} is not one that this version reads (it reads {known})")]
    Format { what: &'static str, found: u8, known: u8 },
    #[error("damaged bytes of {what}")]
    Damaged { what: &'static str },
}

const WRITES: &str = "values in memory serialise into a vector";

pub fn encode<T: Versioned>(value: &T) -> Vec<u8> {
    // One allocation: a large value that grows into place is copied, and its memory faulted in,
    // several times over.
    let length = postcard::experimental::serialized_size(value).expect(WRITES);
    extend(Vec::with_capacity(1 + length), value)
}

/// Puts the bytes of a value after others.
pub fn extend<T: Versioned>(mut bytes: Vec<u8>, value: &T) -> Vec<u8> {
    bytes.push(T::FORMAT);
    postcard::to_extend(value, bytes).expect(WRITES)
}

pub fn decode<T: Versioned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let what = std::any::type_name::<T>();
    match bytes.split_first() {
        Some((format, rest)) if *format == T::FORMAT => {
            postcard::from_bytes(rest).map_err(|_| DecodeError::Damaged { what })
        }
        Some((&found, _)) => Err(DecodeError::Format { what, found, known: T::FORMAT }),
        None => Err(DecodeError::Damaged { what }),
    }
}
