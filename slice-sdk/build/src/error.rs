//! What can go wrong here, with what the reader should do about it.

use std::path::PathBuf;

/// `Result` of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that is needed is missing or cannot be started.
    #[error("run `{command}`")]
    Run {
        /// The command line.
        command: String,
        /// Why it did not start.
        #[source]
        source: std::io::Error,
    },
    /// A program ran and ended with an error.
    #[error("run `{command}`: {detail}")]
    Failed {
        /// The command line.
        command: String,
        /// The end of what it printed.
        detail: String,
    },
    /// This machine cannot build slices and this process cannot change that.
    #[error(
        "make this machine able to build slices: {reason}. Run this, then try again:\n  {remedy}"
    )]
    CannotInstall {
        /// What stands in the way.
        reason: String,
        /// Commands that a person with the right to do so can run.
        remedy: String,
    },
    /// A file cannot be read or written.
    #[error("use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not a WebAssembly component.
    #[error("read the component: {0}")]
    Malformed(&'static str),
    /// cargo built the package, but it is no slice.
    #[error("find the component of package {package}: its library has no crate-type \"cdylib\"")]
    NoComponent {
        /// The package.
        package: String,
    },
    /// A name that cannot be the name of a slice.
    #[error("use {name:?} as the name of a slice: {rule}")]
    Name {
        /// What was given.
        name: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The folder for a new slice is already there.
    #[error("create {0}: it exists already")]
    Exists(PathBuf),
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
