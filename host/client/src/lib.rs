//! Typed client of the management API. Knows no files, no environment and no way to print.
#![forbid(unsafe_code)]

mod client;
mod control;
mod error;
mod measured;
mod store;

pub use client::{Client, LogFilter};
pub use error::{Error, Failure};
/// The address of a management API.
pub use reqwest::Url;
