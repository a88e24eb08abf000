//! Tests of the reconciler: by transcript and by random walk.

mod chain;
mod elsewhere;
mod shell;
mod transcript;
mod walk;
