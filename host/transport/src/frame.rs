//! Frames as bytes. Knows no socket and no meaning of a body.
//!
//! ```text
//! 0        4   5    6       8        16        24
//! | length | 1 | kind | flags | id   | extra   | body …
//! ```
//! Little endian; `length` is that of the body. This layout stays for ever, so that nodes of any
//! two versions can tell each other why they do not talk.

use bytes::{Buf, Bytes, BytesMut};

pub(crate) const HEADER_BYTES: usize = 24;
const FORMAT: u8 = 1;

/// A body up to here is copied out of the read buffer: cheaper than keeping that buffer alive.
const COPIED_BYTES_MAX: usize = 1 << 10;

/// What a frame is. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The first frame of who dials; body: who I am.
    Hello = 1,
    /// The answer; body: who I am.
    Welcome = 2,
    /// Body: the refusal. The link closes.
    Refuse = 3,
    /// Body: secret, certificate request.
    Join = 4,
    /// Body: certificate, members.
    Admit = 5,
    /// Answered at once by `Pong` with the same `extra`.
    Ping = 8,
    Pong = 9,
    /// I begin nothing new here.
    Goodbye = 10,
    /// `id` is the group.
    Message = 16,
    /// `extra`: deadline in ms from now, and the kind of request above it.
    Request = 17,
    /// `flags`: outcome; `extra`: status.
    Response = 18,
    /// The answer to `id` is not awaited any more.
    Cancel = 19,
    /// Body: the head of the stream.
    Open = 24,
    /// Bytes of a stream; flag [`END`].
    Data = 25,
    /// `extra`: bytes that the receiver may send more.
    Credit = 26,
    /// My direction of the stream ends without its end; `extra`: code.
    Reset = 27,
    /// Your direction of the stream is not read any more; `extra`: code.
    Stop = 28,
}

/// Flag of the frames of a stream: their sender is who opened it.
pub(crate) const OPENER: u16 = 1;
/// Flag of `Data`: nothing follows.
pub(crate) const END: u16 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) flags: u16,
    pub(crate) id: u64,
    pub(crate) extra: u64,
    pub(crate) body: Bytes,
}

/// Bytes that are no frame of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame format {0} is unknown")]
    Format(u8),
    #[error("frame kind {0} is unknown")]
    Kind(u8),
    #[error("a frame of {bytes} bytes is longer than {limit}")]
    TooLong { bytes: usize, limit: usize },
}

impl Kind {
    const ALL: [Self; 17] = [
        Self::Hello,
        Self::Welcome,
        Self::Refuse,
        Self::Join,
        Self::Admit,
        Self::Ping,
        Self::Pong,
        Self::Goodbye,
        Self::Message,
        Self::Request,
        Self::Response,
        Self::Cancel,
        Self::Open,
        Self::Data,
        Self::Credit,
        Self::Reset,
        Self::Stop,
    ];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

impl Frame {
    pub(crate) fn new(kind: Kind, id: u64, body: Bytes) -> Self {
        Self { kind, flags: 0, id, extra: 0, body }
    }

    /// A frame that is a header only.
    pub(crate) fn bare(kind: Kind, id: u64, extra: u64) -> Self {
        Self { kind, flags: 0, id, extra, body: Bytes::new() }
    }

    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        let length = u32::try_from(self.body.len()).expect("bodies are limited to 16 MiB");
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4] = FORMAT;
        header[5] = self.kind as u8;
        header[6..8].copy_from_slice(&self.flags.to_le_bytes());
        header[8..16].copy_from_slice(&self.id.to_le_bytes());
        header[16..].copy_from_slice(&self.extra.to_le_bytes());
        header
    }

    /// Takes the next frame from the front of `input`, if it is there as a whole.
    pub(crate) fn take(input: &mut BytesMut, limit: usize) -> Result<Option<Self>, FrameError> {
        let Some((frame, length)) = Self::peek(input, limit)? else { return Ok(None) };
        if input.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        input.advance(HEADER_BYTES);
        let body = if length <= COPIED_BYTES_MAX {
            let body = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            body
        } else {
            input.split_to(length).freeze()
        };
        Ok(Some(Self { body, ..frame }))
    }

    /// Bytes that are missing to the frame at the front of `input`.
    pub(crate) fn missing(input: &[u8], limit: usize) -> Result<usize, FrameError> {
        let length = Self::peek(input, limit)?.map_or(0, |(_, length)| length);
        Ok((HEADER_BYTES + length).saturating_sub(input.len()))
    }

    /// The frame at the front without its body, and the body's length.
    fn peek(input: &[u8], limit: usize) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(header) = input.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let word = |at: usize| {
            let bytes = header[at..].first_chunk().expect("the header has 24 bytes");
            u64::from_le_bytes(*bytes)
        };
        let first = word(0);
        let length = (first & 0xffff_ffff) as usize;
        let [.., format, kind, flags_low, flags_high] = first.to_le_bytes();
        if format != FORMAT {
            return Err(FrameError::Format(format));
        }
        let kind = Kind::of(kind).ok_or(FrameError::Kind(kind))?;
        if length > limit {
            return Err(FrameError::TooLong { bytes: length, limit });
        }
        let flags = u16::from_le_bytes([flags_low, flags_high]);
        let frame = Self { flags, ..Self::bare(kind, word(8), word(16)) };
        Ok(Some((frame, length)))
    }
}

#[cfg(test)]
mod tests;
