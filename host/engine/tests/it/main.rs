//! Slices that really run: what they may do, what they must not, what it does to others.

mod calls;
mod hostile;
mod http;
mod loading;
mod support;
