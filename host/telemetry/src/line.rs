//! One log line with its fields apart. Knows no subscriber and no storage.

use std::fmt::{Debug, Write};
use tracing::Level;
use tracing::field::{Field, Visit};

/// Text of one line, message and fields together; what is beyond is cut and marked with `…`.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// What a line costs beside its texts: the struct, its allocations, its place in the ring.
const LINE_BYTES_FIXED: usize = 256;

/// What was said, by whom, about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Place in the log of this process: the first line is 1, the next one 2, without gaps.
    pub sequence: u64,
    /// Milliseconds since 1970, by the node's clock.
    pub time_unix_ms: u64,
    pub level: Level,
    /// The part of the program that said it, or `guest`.
    pub target: &'static str,
    pub app: Option<String>,
    /// `group:artifact:version`.
    pub slice: Option<String>,
    pub request_id: Option<String>,
    pub message: String,
    /// Everything else, in the order of appearance; the innermost span comes last.
    pub fields: Vec<(&'static str, String)>,
}

/// The fields of an event or a span.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields {
    pub(crate) app: Option<String>,
    pub(crate) slice: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) message: String,
    pub(crate) others: Vec<(&'static str, String)>,
    bytes: usize,
}

impl Line {
    /// What the line takes in memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let named = [&self.app, &self.slice, &self.request_id];
        let named: usize = named.into_iter().flatten().map(String::len).sum();
        let others: usize = self.fields.iter().map(|(_, value)| value.len() + 48).sum();
        LINE_BYTES_FIXED + named + others + self.message.len()
    }
}

impl Fields {
    /// Lays these fields over those of the span around them.
    pub(crate) fn over(mut self, outer: &Self) -> Self {
        self.app = self.app.or_else(|| outer.app.clone());
        self.slice = self.slice.or_else(|| outer.slice.clone());
        self.request_id = self.request_id.or_else(|| outer.request_id.clone());
        let hidden = |name: &str| self.others.iter().any(|(mine, _)| *mine == name);
        let mut others: Vec<_> =
            outer.others.iter().filter(|(name, _)| !hidden(name)).cloned().collect();
        others.append(&mut self.others);
        self.others = others;
        self
    }

    fn put(&mut self, field: &Field, mut value: String) {
        let left = LINE_BYTES_MAX.saturating_sub(self.bytes);
        if value.len() > left {
            value.truncate(value.floor_char_boundary(left));
            value.push('…');
        }
        self.bytes += value.len();
        match field.name() {
            "app" => self.app = Some(value),
            "slice" => self.slice = Some(value),
            "request_id" => self.request_id = Some(value),
            "message" => self.message = value,
            name => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").expect("writing into a string does not fail");
        self.put(field, text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // Cut before it is copied: a guest can hand over megabytes.
        let end = value.floor_char_boundary(LINE_BYTES_MAX + '…'.len_utf8());
        self.put(field, value[..end].to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            write!(text, ": {error}").expect("writing into a string does not fail");
            cause = error.source();
        }
        self.put(field, text);
    }
}
