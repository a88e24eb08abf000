//! Forge Script: scenarios of load, chaos and expectations. Reading and planning know no cluster;
//! running knows one through what commands do, too.

mod ast;
mod form;
mod parse;
mod plan;
mod show;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub use plan::{Around, Files, Plan};
