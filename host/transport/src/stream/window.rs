//! One stream's two directions: who may send how much, what waits to be read, what has ended.
//! Knows no link and no waiting.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    Violation,
    limits::{CHUNK_BYTES_MAX, CHUNK_OVERHEAD, STREAM_WINDOW},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    Open,
    /// Ended or reset by us.
    Done,
    /// The receiver does not want more.
    Stopped(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiving {
    Open,
    /// The sender has sent its end.
    Ended,
    /// The sender gave up.
    Reset(u64),
    /// We do not want more, or have read it all.
    Done,
}

#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    /// What we may send.
    credit: u32,
    /// What the peer may send.
    open: u32,
    /// What has been read since the peer was last told.
    read: u32,
    waiting: VecDeque<Bytes>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            sending: Sending::Open,
            receiving: Receiving::Open,
            credit: STREAM_WINDOW,
            open: STREAM_WINDOW,
            read: 0,
            waiting: VecDeque::new(),
        }
    }
}

fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(CHUNK_OVERHEAD)
}

impl Window {
    /// Nothing more comes and nothing more goes.
    pub(crate) fn finished(&self) -> bool {
        self.sending != Sending::Open && self.receiving == Receiving::Done
    }

    /// How many of `wanted` bytes may go in one chunk now; they are taken from the credit.
    pub(crate) fn take_credit(&mut self, wanted: usize) -> usize {
        let may = self.credit.saturating_sub(CHUNK_OVERHEAD) as usize;
        let bytes = wanted.min(may).min(CHUNK_BYTES_MAX);
        if bytes > 0 {
            self.credit -= cost(bytes);
        }
        bytes
    }

    pub(crate) fn on_credit(&mut self, more: u64) -> Result<(), Violation> {
        let credit = u64::from(self.credit).saturating_add(more);
        self.credit = u32::try_from(credit)
            .ok()
            .filter(|credit| *credit <= STREAM_WINDOW)
            .ok_or(Violation::Credit)?;
        Ok(())
    }

    pub(crate) fn on_data(&mut self, bytes: Bytes, end: bool) -> Result<(), Violation> {
        match self.receiving {
            // What was on its way when we stopped.
            Receiving::Done => return Ok(()),
            Receiving::Ended | Receiving::Reset(_) => return Err(Violation::Order),
            Receiving::Open => {}
        }
        if !bytes.is_empty() {
            self.open = self.open.checked_sub(cost(bytes.len())).ok_or(Violation::Window)?;
            self.waiting.push_back(bytes);
        }
        if end {
            self.receiving = Receiving::Ended;
        }
        Ok(())
    }

    pub(crate) fn on_reset(&mut self, code: u64) {
        if self.receiving != Receiving::Done {
            self.waiting.clear();
            self.receiving = Receiving::Reset(code);
        }
    }

    pub(crate) fn on_stop(&mut self, code: u64) {
        if self.sending == Sending::Open {
            self.sending = Sending::Stopped(code);
        }
    }

    /// The next bytes, and the credit to give back, once it is half a window.
    pub(crate) fn read(&mut self) -> Option<(Bytes, Option<u32>)> {
        let bytes = self.waiting.pop_front()?;
        self.read += cost(bytes.len());
        let due = self.receiving == Receiving::Open && self.read >= STREAM_WINDOW / 2;
        let credit = due.then(|| std::mem::take(&mut self.read));
        self.open += credit.unwrap_or(0);
        Some((bytes, credit))
    }

    /// We do not read any more.
    pub(crate) fn stop(&mut self) {
        self.waiting.clear();
        self.receiving = Receiving::Done;
    }
}

#[cfg(test)]
mod tests;
