//! Tests of the reconciler: by transcript and by random walk.

mod shell;
mod transcript;
mod walk;
