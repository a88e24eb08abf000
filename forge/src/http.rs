//! One HTTP request, one answer, on a connection of its own. Knows nothing of what it means.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: &'a str,
    /// With the query.
    pub path: &'a str,
    pub headers: BTreeMap<String, String>,
    /// Sent as JSON.
    pub body: Option<String>,
    /// How long nothing may come. Half a minute by default.
    pub silence_max: Duration,
}

impl Default for Request<'_> {
    fn default() -> Self {
        let silence_max = Duration::from_secs(30);
        Self { method: "GET", path: "/", headers: BTreeMap::new(), body: None, silence_max }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// Sends the request and reads to the end of the connection.
pub fn exchange(address: SocketAddr, request: &Request<'_>) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(request.silence_max))?;
    stream.write_all(text(request).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read(&String::from_utf8_lossy(&answer))
}

fn text(request: &Request<'_>) -> String {
    let Request { method, path, headers, body, silence_max: _ } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    match body {
        Some(body) => {
            let length = body.len();
            text += "content-type: application/json\r\n";
            text + &format!("content-length: {length}\r\n\r\n{body}")
        }
        None => text + "\r\n",
    }
}

fn read(answer: &str) -> anyhow::Result<Answer> {
    let (head, body) =
        answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).context("the answer has no status")?.parse()?;
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let headers = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: BTreeMap<_, _> = headers.collect();
    let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
    let body = if chunked { unchunk(body)? } else { body.to_owned() };
    let length = headers.get("content-length").map_or(Ok(0), |length| length.parse())?;
    // What is no text has become longer.
    ensure!(body.len() >= length, "the answer was cut off");
    Ok(Answer { status, headers, body })
}

fn unchunk(mut rest: &str) -> anyhow::Result<String> {
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").context("a chunk has a size")?;
        let bytes = usize::from_str_radix(size.trim(), 16)?;
        if bytes == 0 {
            return Ok(body);
        }
        body += after.get(..bytes).context("a chunk is as long as it says")?;
        rest = after.get(bytes + 2..).context("a chunk ends in a line's end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, read};

    #[test]
    fn answers_come_in_two_forms() {
        let check = |text, header: (&str, &str)| {
            let Answer { status, headers, body } = read(text).unwrap();
            assert_eq!((status, body.as_str()), (200, "abc"));
            assert_eq!(headers, [(header.0.to_owned(), header.1.to_owned())].into());
        };
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        check(plain, ("content-length", "3"));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        check(chunked, ("transfer-encoding", "chunked"));
        assert!(read("nothing").is_err());
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc").is_err());
    }
}
