//! What happened, in order: always as one number, as text where somebody reads it.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::swarm::Ms;

/// One run's trace. Equal runs have equal hashes.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    line: String,
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Self {
        Self { hasher: DefaultHasher::new(), line: String::new(), lines: keep.then(Vec::new) }
    }

    pub(crate) fn add(&mut self, now: Ms, what: fmt::Arguments<'_>) {
        self.line.clear();
        write!(self.line, "{now:>7} ms  {what}").expect("writing into a string");
        self.line.hash(&mut self.hasher);
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}
