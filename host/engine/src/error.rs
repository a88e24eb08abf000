//! What can go wrong when an engine is set up. Failures of slices and of calls have types of their
//! own.

use std::path::PathBuf;

/// Why no engine could be made. Nothing here comes from a guest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that this machine or this build cannot honour; the text says which and what fits.
    #[error("{setting}: {problem}")]
    Setting { setting: &'static str, problem: String },
    #[error("the folder {path} for compiled code cannot be used")]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("the thread {name} cannot be started")]
    Thread { name: &'static str, source: std::io::Error },
    #[error("the interface {interface} is provided twice")]
    ProvidedTwice { interface: String },
    #[error("wasmtime refused its configuration: {0}")]
    Wasmtime(String),
}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasmtime(format!("{error:#}"))
    }
}
