//! One connection, one request, one answer: HTTP/1.1 with as little as possible between the socket
//! and the clock. Knows no load.

use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEADERS_MAX: usize = 64;
const READ_BYTES: usize = 16 * 1024;
/// A longer answer is an error: what is measured here is not how fast a disk can be copied.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection that takes one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// The server ends the connection after this answer.
    pub(crate) closes: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Whether the server has ended it, or said something that nobody asked for.
    pub(crate) fn is_over(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        !read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answered> {
        self.stream.write_all(request).await.context("send a request")?;
        let to_head = request.starts_with(b"HEAD ");
        self.buffer.clear();
        loop {
            if let Some(head) = Head::parse(&self.buffer, to_head)?
                && head.is_whole(&self.buffer)?
            {
                return Ok(head.answered());
            }
            ensure!(self.buffer.len() < ANSWER_BYTES_MAX, "the answer has no end");
            let count = self.stream.read_buf(&mut self.buffer).await.context("read an answer")?;
            if count == 0 {
                return match Head::parse(&self.buffer, to_head)? {
                    Some(head) if head.body == Body::ToTheEnd => Ok(head.answered()),
                    _ => bail!("the server ended the connection"),
                };
            }
        }
    }
}

/// How an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Bytes(usize),
    Chunks,
    ToTheEnd,
}

#[derive(Debug)]
struct Head {
    status: u16,
    body_at: usize,
    body: Body,
    closes: bool,
}

impl Head {
    /// `None` while the head is not complete. An interim answer counts for nothing.
    fn parse(mut answer: &[u8], to_head: bool) -> anyhow::Result<Option<Self>> {
        let mut before = 0;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut head = httparse::Response::new(&mut headers);
            let length = match head.parse(answer).context("read an answer's head")? {
                httparse::Status::Complete(length) => length,
                httparse::Status::Partial => return Ok(None),
            };
            let status = head.code.context("an answer has a status")?;
            if status >= 200 {
                let (body, closes) = framing(&head, status, to_head)?;
                return Ok(Some(Self { status, body_at: before + length, body, closes }));
            }
            before += length;
            answer = &answer[length..];
        }
    }

    fn is_whole(&self, answer: &[u8]) -> anyhow::Result<bool> {
        let mut body = &answer[self.body_at..];
        match self.body {
            Body::Bytes(bytes) => return Ok(body.len() >= bytes),
            Body::ToTheEnd => return Ok(false),
            Body::Chunks => {}
        }
        loop {
            let size = httparse::parse_chunk_size(body).ok().context("a chunk has a size")?;
            let httparse::Status::Complete((at, size)) = size else { return Ok(false) };
            if size == 0 {
                // Trailers, if any, end in an empty line; the size's own line has ended already.
                let rest = &body[at..];
                return Ok(rest.starts_with(b"\r\n") || rest.ends_with(b"\r\n\r\n"));
            }
            let size = usize::try_from(size).unwrap_or(ANSWER_BYTES_MAX).min(ANSWER_BYTES_MAX);
            let Some(rest) = body.get(at + size + 2..) else { return Ok(false) };
            body = rest;
        }
    }

    fn answered(&self) -> Answered {
        let closes = self.closes || self.body == Body::ToTheEnd;
        Answered { status: self.status, closes }
    }
}

fn framing(
    head: &httparse::Response<'_, '_>,
    status: u16,
    to_head: bool,
) -> anyhow::Result<(Body, bool)> {
    let (mut body, mut closes) = (Body::ToTheEnd, head.version == Some(0));
    for header in head.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunks;
        } else if header.name.eq_ignore_ascii_case("content-length") && body == Body::ToTheEnd {
            body = Body::Bytes(value.parse().context("content-length")?);
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    if to_head || matches!(status, 204 | 304) {
        body = Body::Bytes(0);
    }
    Ok((body, closes))
}

#[cfg(test)]
mod tests {
    use super::Head;

    #[test]
    fn answers_end_where_they_say() {
        let check = |text: &str| {
            let head = Head::parse(text.as_bytes(), false).unwrap()?;
            Some((head.status, head.is_whole(text.as_bytes()).unwrap()))
        };
        let whole = Some((200, true));
        let part = Some((200, false));
        assert_eq!(check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"), None);
        assert_eq!(check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na"), part);
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"), whole);
        assert_eq!(check("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, true)));
        assert_eq!(check("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"), Some((500, true)));
        assert_eq!(
            check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n"),
            Some((204, true))
        );
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let with = |body: &str| check(&format!("{chunked}{body}"));
        assert_eq!(with(""), part);
        assert_eq!(with("2\r\nab\r\n"), part);
        assert_eq!(with("2\r\nab\r\n0\r\n\r\n"), whole);
        assert_eq!(with("0\r\n\r\n"), whole);
        assert_eq!(with("7\r\n0\r\n\r\nab\r\n"), part, "the end of a body is not in it");
        assert_eq!(with("7\r\n0\r\n\r\nab\r\n0\r\na: b\r\n\r\n"), whole);
        assert_eq!(check("HTTP/1.1 200 OK\r\n\r\nab"), part, "it ends with the connection");
        assert!(Head::parse(b"SSH-2.0 hello\r\n\r\n", false).is_err());
    }
}
