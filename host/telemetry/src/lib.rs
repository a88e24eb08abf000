//! What the node says of itself and of its guests: structured log lines, kept and printed, and what
//! all nodes have counted. Knows no HTTP and no engine: lines arrive as tracing events, counts as
//! reports.
#![forbid(unsafe_code)]

mod board;
mod busy;
mod capture;
mod ema;
mod exposition;
mod fleet;
mod history;
mod line;
pub mod otlp;
mod past;
mod ring;
mod settings;
mod slow;
mod traffic;

pub use board::{Board, KEYS_MAX, REPORT_KEYS_MAX, Rate, Report};
pub use busy::{Busy, BusyReport, LastMinute};
pub use capture::Capture;
pub use exposition::{Family, Labels, Samples, Times, exposition};
pub use fleet::{Fleet, Measures, NodeHistory, NodeLoad, NodePoint, Reading};
pub use history::{HISTORY, HISTORY_FINE, Span, Step};
pub use line::{LINE_BYTES_MAX, Line};
pub use past::{PAST_BYTES_MAX, Past};
pub use ring::{Cursor, Logs, PAGE_LINES_MAX, Page, Query};
pub use settings::{Error, Format, Settings, init};
pub use slow::{SLOW_CALLS_MAX, SlowCall, SlowCalls};
pub use traffic::{Traffic, TrafficPoint};
