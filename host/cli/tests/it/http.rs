//! One HTTP request on a connection of its own. Knows no routes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, as text for assertions.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body.
    pub(crate) text: String,
}

/// Sends the request as it stands and reads to the end of the connection.
pub(crate) fn raw(to: SocketAddr, request: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let cut = || std::io::Error::other(format!("not an answer: {text:?}"));
    Ok(Answer { status: status.ok_or_else(cut)?, text })
}

pub(crate) fn get(to: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    raw(to, request.as_bytes())
}

/// The same with a request id.
pub(crate) fn get_as(to: SocketAddr, path: &str, id: &str) -> std::io::Result<Answer> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\nx-request-id: {id}\r\n");
    raw(to, format!("{head}connection: close\r\n\r\n").as_bytes())
}

/// A request with a JSON body.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
