//! Scripts of commands and their transcripts; properties of any sequence of commands.

mod limits;
mod properties;
mod script;
mod scripts;
