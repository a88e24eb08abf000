//! Reads bodies and queries into typed values, within limits. Knows no endpoint.

use crate::error::ApiError;
use aether_types::ErrorKind;
use aether_types::code::Code;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The whole body, at most `max` bytes. `announced` is its Content-Length.
pub(crate) async fn read<B: Buf>(
    body: impl Stream<Item = Result<B, warp::Error>>,
    announced: Option<u64>,
    max: usize,
) -> Result<Bytes, ApiError> {
    if announced.is_some_and(|length| length > max as u64) {
        return Err(too_large(max));
    }
    let mut body = std::pin::pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::invalid(Code::RequestInvalid, format!("the body broke off: {error}"))
        })?;
        if bytes.len() + chunk.remaining() > max {
            return Err(too_large(max));
        }
        bytes.extend_from_slice(&copy(chunk));
    }
    Ok(bytes.freeze())
}

fn copy(mut chunk: impl Buf) -> Bytes {
    chunk.copy_to_bytes(chunk.remaining())
}

fn too_large(max: usize) -> ApiError {
    let size = aether_types::ByteSize(max as u64);
    ApiError::new(ErrorKind::Exhausted, Code::BodyTooLarge, format!("the body exceeds {size}"))
}

/// A JSON body.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::invalid(Code::RequestInvalid, format!("the body is not as it should be: {error}"))
            .help("GET /api/openapi.json describes it")
    })
}

/// A query whose keys are known to the endpoint, each at most once.
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn new(
        pairs: Vec<(String, String)>,
        known: &[(&str, &str)],
    ) -> Result<Self, ApiError> {
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            if !known.iter().any(|(name, _)| *name == key) {
                return Err(invalid(&key, "is not a key of this query"));
            }
            if map.contains_key(&key) {
                return Err(invalid(&key, "stands twice"));
            }
            map.insert(key, value);
        }
        Ok(Self(map))
    }

    /// The value of a key, parsed; empty counts as absent.
    pub(crate) fn get<T>(&self, key: &str) -> Result<Option<T>, ApiError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match self.0.get(key).filter(|value| !value.is_empty()) {
            Some(value) => value.parse().map(Some).map_err(|error| invalid(key, error)),
            None => Ok(None),
        }
    }
}

fn invalid(key: &str, message: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(Code::RequestInvalid, format!("query: `{key}`: {message}"))
        .help("GET /api/openapi.json describes it")
}
