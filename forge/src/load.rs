//! Load over HTTP: what is sent, how often, and what came of it. Knows front doors by address,
//! nothing of nodes.
//!
//! The loop is open: a request is sent when its time has come, whatever became of those before it,
//! and one that has to wait counts from the time when it should have been sent.

mod draw;
mod pacer;
mod rate;
mod report;
mod run;
mod saturate;
mod shape;
mod spec;
mod template;
mod wire;

pub(crate) use draw::Draw;
pub use rate::Rate;
pub use report::{Figures, Progress, Report, Second, TargetReport, histogram};
pub use run::{Doors, Load};
pub use saturate::{Saturated, saturate};
pub use shape::{Curve, Shape};
pub use spec::{CONNECTIONS, Spec, TIMEOUT, Target};
pub use template::Template;
