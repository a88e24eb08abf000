//! The configuration that the operator gives to this slice.

use crate::wit::wasi::config::store;

pub use crate::wit::wasi::config::store::Error;

/// The value of a key; none if it is not set.
pub fn get(key: &str) -> Result<Option<String>, Error> {
    store::get(key)
}

/// All pairs of key and value, sorted by key.
pub fn all() -> Result<Vec<(String, String)>, Error> {
    store::get_all()
}
