//! Slices that really run: what they may do, what they must not, what it does to others.

mod calls;
mod chain;
mod hostile;
mod http;
mod http_v03;
mod lifecycle;
mod loading;
mod support;
