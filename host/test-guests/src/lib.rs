//! Components for tests: builds the guests of `guests/` once and hands out their files. Knows how
//! to build, never how to run.
//!
//! Nothing is built when this crate is compiled, so that checking a crate that tests with guests is
//! quick. The first call in a process runs cargo over all guests in one go; cargo's own lock makes
//! processes wait for each other, and when nothing changed this takes about a second. Where the
//! target cannot be downloaded, the first run ever also builds a standard library, which takes a
//! minute or two.

mod foreign;
mod guests;

pub use foreign::foreign;
pub use guests::{bytes, path, wat};
