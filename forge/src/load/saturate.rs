//! As many requests as a fixed number of connections can carry: finds the throughput, says nothing
//! about latency. Knows one server.

use super::draw::Draw;
use super::report::{histogram, micros};
use super::spec::Target;
use super::wire::Connection;
use anyhow::ensure;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// What came back.
#[derive(Debug)]
pub struct Saturated {
    pub requests: u64,
    pub per_second: f64,
    /// Microseconds from request to the last byte of the answer.
    pub latency_us: Histogram<u64>,
}

/// On each connection the next request goes out as soon as the last one is answered; the target's
/// rate counts for nothing.
///
/// # Errors
/// The first answer that is not as the target expects.
pub fn saturate(
    target: &Target,
    server: SocketAddr,
    connections: u32,
    duration: Duration,
) -> anyhow::Result<Saturated> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let (target, start) = (Rc::new(target.clone()), Instant::now());
        let mut all = JoinSet::new();
        for number in 0..connections {
            all.spawn_local(one(target.clone(), server, number, start + duration));
        }
        let mut latency_us = histogram();
        while let Some(one) = all.join_next().await {
            latency_us.add(one??)?;
        }
        let requests = latency_us.len();
        ensure!(requests > 0, "no request was answered");
        let per_second = requests as f64 / start.elapsed().as_secs_f64();
        Ok(Saturated { requests, per_second, latency_us })
    })
}

async fn one(
    target: Rc<Target>,
    server: SocketAddr,
    number: u32,
    end: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Connection::open(server).await?;
    let mut latency_us = histogram();
    let mut draw = Draw::new(u64::from(number));
    let mut request = target.render(1, &mut draw);
    for turn in 2.. {
        let from = Instant::now();
        if from >= end {
            break;
        }
        let answered = connection.exchange(&request).await?;
        ensure!(target.is_good(answered.status), "{}: status {}", target.name, answered.status);
        latency_us.saturating_record(micros(from.elapsed()));
        if answered.closes {
            connection = Connection::open(server).await?;
        }
        if !target.is_constant() {
            request = target.render(turn, &mut draw);
        }
    }
    Ok(latency_us)
}

#[cfg(test)]
mod tests {
    use super::saturate;
    use crate::load::{Rate, Target};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn every_answer_is_counted_once() {
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
        let target = Target::new("GET", "/", None, Rate::MAX).unwrap();
        let outcome = saturate(&target, address, 1, Duration::from_millis(50)).unwrap();
        assert_eq!(outcome.requests, server.join().unwrap());
    }
}
