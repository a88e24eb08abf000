//! Frames on their way to a socket: headers and short bodies together, long bodies as they are.
//! Knows no socket.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};

use crate::frame::Frame;

/// A body up to here is copied behind its header: cheaper than a segment of its own.
const COPIED_BYTES_MAX: usize = 4 << 10;

#[derive(Debug, Default)]
pub(crate) struct WriteBuffer {
    segments: VecDeque<Bytes>,
    /// What follows the segments.
    tail: BytesMut,
    bytes: usize,
}

impl WriteBuffer {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        let header = frame.header();
        self.tail.extend_from_slice(&header);
        self.bytes += header.len() + frame.body.len();
        if frame.body.len() <= COPIED_BYTES_MAX {
            self.tail.extend_from_slice(&frame.body);
        } else {
            self.segments.push_back(self.tail.split().freeze());
            self.segments.push_back(frame.body);
        }
    }

    /// Fills `slices` with what is to be written first; returns how many it used.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let all = self.segments.iter().map(|it| &it[..]).chain([&self.tail[..]]);
        let mut used = 0;
        for (slot, segment) in slices.iter_mut().zip(all.filter(|it| !it.is_empty())) {
            *slot = IoSlice::new(segment);
            used += 1;
        }
        used
    }

    /// Forgets the first `count` bytes: they are written.
    pub(crate) fn advance(&mut self, mut count: usize) {
        assert!(count <= self.bytes, "more written than there was");
        self.bytes -= count;
        while let Some(first) = self.segments.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.segments.pop_front();
        }
        self.tail.advance(count);
    }
}

#[cfg(test)]
mod tests;
