//! The parts of an HTTP message on a stream between nodes: a kind, a length, bytes. Knows no HTTP.

use aether_transport::{RecvStream, SendStream, StreamError};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A part may have so many bytes; writers stay far below.
const BYTES_MAX: usize = 1 << 20;

const HEADER_BYTES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Head = 0,
    Data = 1,
    Trailers = 2,
}

/// Why the parts end early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("a node sent what is no part of an HTTP message")]
    Garbage,
}

/// Writes parts.
pub(super) async fn write(
    send: &mut SendStream,
    part: Part,
    mut bytes: Bytes,
) -> Result<(), StreamError> {
    loop {
        let piece = bytes.split_to(bytes.len().min(BYTES_MAX));
        let mut header = BytesMut::with_capacity(HEADER_BYTES);
        header.put_u8(part as u8);
        header.put_u32_le(piece.len() as u32);
        send.send(header.freeze()).await?;
        send.send(piece).await?;
        if bytes.is_empty() {
            return Ok(());
        }
    }
}

/// Reads parts.
#[derive(Debug)]
pub(super) struct Parts {
    recv: RecvStream,
    buffer: BytesMut,
}

impl Parts {
    pub(super) fn new(recv: RecvStream) -> Self {
        Self { recv, buffer: BytesMut::new() }
    }

    /// The next part; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<(Part, Bytes)>, PartError> {
        loop {
            if let Some(part) = split(&mut self.buffer)? {
                return Ok(Some(part));
            }
            match self.recv.next().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(PartError::Garbage),
            }
        }
    }
}

fn split(buffer: &mut BytesMut) -> Result<Option<(Part, Bytes)>, PartError> {
    let Some((&[kind, a, b, c, d], rest)) = buffer.split_first_chunk() else { return Ok(None) };
    let part = match kind {
        0 => Part::Head,
        1 => Part::Data,
        2 => Part::Trailers,
        _ => return Err(PartError::Garbage),
    };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > BYTES_MAX {
        return Err(PartError::Garbage);
    }
    if rest.len() < length {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    Ok(Some((part, buffer.split_to(length).freeze())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_whole_however_the_bytes_come() {
        let bytes = [&[0, 2, 0, 0, 0, 7, 8][..], &[1, 0, 0, 0, 0], &[2, 1, 0, 0, 0, 9]].concat();
        let expected = [
            (Part::Head, Bytes::from_static(&[7, 8])),
            (Part::Data, Bytes::new()),
            (Part::Trailers, Bytes::from_static(&[9])),
        ];
        for step in 1..=bytes.len() {
            let mut buffer = BytesMut::new();
            let mut parts = Vec::new();
            for piece in bytes.chunks(step) {
                buffer.extend_from_slice(piece);
                while let Some(part) = split(&mut buffer).unwrap() {
                    parts.push(part);
                }
            }
            assert_eq!(parts, expected, "in pieces of {step}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn garbage_is_refused_before_it_is_waited_for() {
        for garbage in [&[3, 0, 0, 0, 0][..], &[1, 0, 0, 0, 255]] {
            assert!(split(&mut BytesMut::from(garbage)).is_err(), "{garbage:?}");
        }
    }
}
