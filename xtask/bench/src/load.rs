//! Load over HTTP/1.1 on a fixed number of connections. Knows bytes on sockets, nothing of servers.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What to send, and how.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// One whole request, as it goes over the wire.
    pub(crate) request: Vec<u8>,
    pub(crate) connections: u32,
    pub(crate) duration: Duration,
    pub(crate) pace: Pace,
}

#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// The next request as soon as the last one is answered: finds the throughput.
    Closed,
    /// This many requests per second whatever the server does: finds the latency. A request that
    /// had to wait for its connection counts from the time when it should have been sent.
    Open { per_second: f64 },
}

/// What came back.
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) requests: u64,
    /// Microseconds from request to the last byte of the answer.
    pub(crate) latency_us: Histogram<u64>,
}

/// Runs the load to its end. Every answer must have a status of 2xx.
pub(crate) fn run(load: &Load) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let load = Rc::new(load.clone());
        let start = Instant::now();
        let connections: Vec<_> = (0..load.connections)
            .map(|number| tokio::task::spawn_local(connection(load.clone(), start, number)))
            .collect();
        let mut latency_us = histogram();
        for connection in connections {
            latency_us.add(connection.await??)?;
        }
        let requests = latency_us.len();
        ensure!(requests > 0, "no request was answered");
        let per_second = requests as f64 / start.elapsed().as_secs_f64();
        Ok(Outcome { per_second, requests, latency_us })
    })
}

/// Latencies up to a minute, three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}

async fn connection(load: Rc<Load>, start: Instant, number: u32) -> anyhow::Result<Histogram<u64>> {
    let mut stream = TcpStream::connect(load.address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let mut latency_us = histogram();
    let mut buffer = Vec::with_capacity(16 * 1024);
    let end = start + load.duration;
    let mut due = start;
    let step = match load.pace {
        Pace::Closed => Duration::ZERO,
        Pace::Open { per_second } => {
            let step = Duration::from_secs_f64(f64::from(load.connections) / per_second);
            due += step * number / load.connections;
            step
        }
    };
    loop {
        let mut from = Instant::now();
        if let Pace::Open { .. } = load.pace {
            if due > from {
                tokio::time::sleep_until(due).await;
                from = Instant::now();
            } else {
                from = due;
            }
            due += step;
        }
        if Instant::now() >= end {
            return Ok(latency_us);
        }
        stream.write_all(&load.request).await.context("send a request")?;
        let closes = answer(&mut stream, &mut buffer).await?;
        let micros = u64::try_from(from.elapsed().as_micros()).unwrap_or(u64::MAX);
        latency_us.saturating_record(micros.max(1));
        if closes {
            stream = TcpStream::connect(load.address).await.context("connect again")?;
            stream.set_nodelay(true)?;
        }
    }
}

/// Reads one answer; true if the server closes the connection after it.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<bool> {
    buffer.clear();
    loop {
        if let Some(head) = Head::parse(buffer)?
            && head.is_whole(buffer)
        {
            return Ok(head.closes);
        }
        let count = stream.read_buf(buffer).await.context("read an answer")?;
        if count == 0 {
            bail!("the server closed the connection: {}", String::from_utf8_lossy(buffer));
        }
    }
}

/// Where an answer's body is, and how it ends.
#[derive(Debug)]
struct Head {
    body_at: usize,
    /// `None` for a chunked body.
    body_bytes: Option<usize>,
    closes: bool,
}

impl Head {
    /// `None` while the head is not complete.
    fn parse(answer: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = find(answer, b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&answer[..end]).context("an answer's head is text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        ensure!(status.starts_with('2'), "answer: {}", String::from_utf8_lossy(answer));
        let mut head = Self { body_at: end + 4, body_bytes: Some(0), closes: false };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.body_bytes = Some(value.parse().context("content-length")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.body_bytes = None;
            } else if name.eq_ignore_ascii_case("connection") {
                head.closes = value.eq_ignore_ascii_case("close");
            }
        }
        Ok(Some(head))
    }

    fn is_whole(&self, answer: &[u8]) -> bool {
        let body = &answer[self.body_at..];
        match self.body_bytes {
            Some(bytes) => body.len() >= bytes,
            None => body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::{Head, Load, Pace, run};

    /// Runs a load against a server that answers at once; returns what both sides counted.
    fn counted(pace: Pace) -> (u64, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut answered, mut buffer) = (0, [0; 64]);
            while stream.read(&mut buffer).unwrap() > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab").unwrap();
                answered += 1;
            }
            answered
        });
        let request = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        let duration = Duration::from_millis(200);
        let outcome = run(&Load { address, request, connections: 1, duration, pace }).unwrap();
        (outcome.requests, server.join().unwrap())
    }

    #[test]
    fn every_answer_is_counted_once() {
        let (asked, answered) = counted(Pace::Closed);
        assert_eq!(asked, answered);
    }

    #[test]
    fn an_open_load_keeps_to_its_rate() {
        let (asked, answered) = counted(Pace::Open { per_second: 50.0 });
        assert_eq!(asked, answered);
        assert!((1..=11).contains(&asked), "{asked} requests in 200 ms at 50/s");
    }

    #[test]
    fn answers_end_where_they_say() {
        let whole = |text: &str| {
            Head::parse(text.as_bytes()).unwrap().is_some_and(|it| it.is_whole(text.as_bytes()))
        };
        assert!(!whole("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"));
        assert!(!whole("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na"));
        assert!(whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"));
        assert!(whole("HTTP/1.1 204 No Content\r\n\r\n"));
        assert!(!whole("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"));
        assert!(whole("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"));
        assert!(whole("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"));
        assert!(Head::parse(b"HTTP/1.1 500 Oh\r\n\r\n").is_err());
    }
}
