//! Whose turn it is to write on an HTTP/1.1 connection, and what hyper says on its own account.
//! Knows no sockets and no routes.
//!
//! hyper answers a head that it cannot read by itself, bare, and tells nobody until that is
//! written. But between two answers it writes nothing else: what then begins as such an answer is
//! one, and its place can be taken by a problem document. Directly behind an answer that the
//! client has not taken yet, the two cannot be told apart; then the bare one stays.

use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const NOTHING: u8 = 0;
const ANSWER: u8 = 1;
const REST_OF_ANSWER: u8 = 2;

/// Shared by a connection's stream and its answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<AtomicU8>);

/// An answer that hyper writes, until it is complete.
#[derive(Debug)]
pub(crate) struct Answering(Turn);

impl Turn {
    /// From here on hyper has an answer of ours to write.
    pub(crate) fn answer(&self) -> Answering {
        self.0.store(ANSWER, Relaxed);
        Answering(self.clone())
    }

    /// Everything that hyper had is written.
    pub(crate) fn flushed(&self) {
        // One task does all of this, one after the other.
        if self.0.load(Relaxed) == REST_OF_ANSWER {
            self.0.store(NOTHING, Relaxed);
        }
    }

    /// The status with which hyper refuses a head by itself, if `bytes` are that.
    pub(crate) fn refusal(&self, bytes: &[u8]) -> Option<StatusCode> {
        if self.0.load(Relaxed) != NOTHING {
            return None;
        }
        let status = StatusCode::from_bytes(bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?;
        status.is_client_error().then_some(status)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(REST_OF_ANSWER, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_between_answers_is_of_hyper() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\n";
        let turn = Turn::default();
        assert_eq!(turn.refusal(bare), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        assert_eq!(turn.refusal(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        let answering = turn.answer();
        turn.flushed();
        assert_eq!(turn.refusal(bare), None, "a piece of the answer is written");
        drop(answering);
        assert_eq!(turn.refusal(bare), None, "the rest of the answer is not written");
        turn.flushed();
        assert!(turn.refusal(bare).is_some());
    }
}
