//! Slices that really run: what they may do, what they must not, what it does to others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod calls;
mod chain;
mod concurrent;
mod hostile;
mod http;
mod http_v03;
mod lifecycle;
mod loading;
mod output;
mod support;
