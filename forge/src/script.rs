//! Forge Script: scenarios of load, chaos and expectations. Reading and planning know no cluster;
//! playing knows one through the operations of the desk.

mod ast;
mod form;
mod html;
mod junit;
mod look;
mod parse;
mod plan;
mod report;
mod run;
mod show;
mod stage;
#[cfg(test)]
mod tests;
mod token;
mod trouble;
mod value;

pub use plan::{Around, Files, Plan};
pub use report::{Event, LoadPart, Outcome, Report};
pub(crate) use run::play;
