//! What the node says of itself and of its guests: structured log lines, kept and printed. Knows no
//! HTTP and no engine: everything arrives as tracing events.
#![forbid(unsafe_code)]

mod capture;
mod line;
mod ring;
mod settings;

pub use capture::Capture;
pub use line::{LINE_BYTES_MAX, Line};
pub use ring::{Cursor, Logs, PAGE_LINES_MAX, Page, Query};
pub use settings::{Error, Format, Settings, init};
