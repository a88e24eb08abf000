//! Measures calls between two processes on this machine: round trips one by one, then with 64
//! callers, of 128 bytes and of 64 KiB. Knows nothing of slices.
//!
//! `cargo run --release -p aether-transport --example ping`
#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use aether_transport::{
    Addresses, Authority, Class, Handler, Links, NodeKey, Peer, PeerStatus, Request, Response,
    Settings, Stream, Tls,
};
use aether_types::{ClusterId, NodeId};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hdrhistogram::Histogram;
use tokio::net::TcpListener;

const CLUSTER: ClusterId = ClusterId(1);
const CALLER: NodeId = NodeId(1);
const ECHOER: NodeId = NodeId(2);
const CALLERS: usize = 64;
/// How long each measurement takes.
const SPAN: Duration = Duration::from_secs(3);
/// Ends a piece of PEM on its way to the other process.
const END: &str = "end-of-piece\n";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Echo;

impl Handler for Echo {
    fn on_message(&self, _: NodeId, _: Class, _: u64, _: Bytes) {}

    fn call(&self, _: &Peer, request: Request) -> BoxFuture<'static, Response> {
        Box::pin(async move { Response { status: 0, body: request.body } })
    }

    fn on_stream(&self, _: &Peer, _: Bytes, _: Stream) {}
}

#[tokio::main]
async fn main() -> Outcome<()> {
    match std::env::args().nth(1).as_deref() {
        Some("echo") => echo().await,
        _ => measure().await,
    }
}

/// The other process: material for TLS on standard input, its address on standard output; lives as
/// long as its standard input is open.
async fn echo() -> Outcome<()> {
    let mut input = BufReader::new(std::io::stdin());
    let mut pieces = Vec::new();
    while pieces.len() < 3 {
        let mut piece = String::new();
        while !piece.ends_with(END) {
            if input.read_line(&mut piece)? == 0 {
                return Err("standard input ended early".into());
            }
        }
        pieces.push(piece.trim_end_matches(END).to_owned());
    }
    let tls = Tls::new((CLUSTER, ECHOER), &pieces[0], &pieces[1], &pieces[2])?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let links = Links::start(Settings::new(Addresses::default()), tls, listener, Arc::new(Echo))?;
    tokio::task::spawn_blocking(move || input.read(&mut [0])).await??;
    links.kill();
    Ok(())
}

async fn measure() -> Outcome<()> {
    let authority = Authority::create(CLUSTER)?;
    let (mut child, address) = start(&authority)?;
    let (certificate, key) = issued(&authority, CALLER)?;
    let tls = Tls::new((CLUSTER, CALLER), authority.ca_pem(), &certificate, &key)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let links = Links::start(Settings::new(Addresses::default()), tls, listener, Arc::new(Echo))?;
    links.set_peers([(ECHOER, vec![address])].into());
    let mut statuses = links.statuses();
    statuses.wait_for(|all| all.get(&ECHOER).is_some_and(PeerStatus::is_up)).await?;
    println!(
        "{:>9} {:>8} {:>9} {:>9} {:>10} {:>9}",
        "bytes", "callers", "p50 µs", "p99 µs", "calls/s", "MB/s"
    );
    for (bytes, callers) in [(128, 1), (128, CALLERS), (64 << 10, 1), (64 << 10, CALLERS)] {
        row(&links, bytes, callers, SPAN / 6).await?;
        let (times, took) = row(&links, bytes, callers, SPAN).await?;
        let rate = times.len() as f64 / took.as_secs_f64();
        println!(
            "{bytes:>9} {callers:>8} {:>9.1} {:>9.1} {rate:>10.0} {:>9.1}",
            times.value_at_quantile(0.5) as f64 / 1000.0,
            times.value_at_quantile(0.99) as f64 / 1000.0,
            rate * bytes as f64 / 1e6,
        );
    }
    drop(child.stdin.take());
    child.wait()?;
    Ok(())
}

/// Starts the other process.
fn start(authority: &Authority) -> Outcome<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("echo").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let (certificate, key) = issued(authority, ECHOER)?;
    let mut input = child.stdin.take().ok_or("no standard input")?;
    for piece in [authority.ca_pem(), &certificate, &key] {
        write!(input, "{piece}{END}")?;
    }
    child.stdin = Some(input);
    let mut address = String::new();
    let output = child.stdout.take().ok_or("no standard output")?;
    BufReader::new(output).read_line(&mut address)?;
    Ok((child, address.trim().to_owned()))
}

fn issued(authority: &Authority, node: NodeId) -> Outcome<(String, String)> {
    let key = NodeKey::generate()?;
    Ok((authority.issue(node, &key.csr()?)?, key.pem()))
}

/// Calls for `span`; gives the time of each call, and of all.
async fn row(
    links: &Links,
    bytes: usize,
    callers: usize,
    span: Duration,
) -> Outcome<(Histogram<u64>, Duration)> {
    let began = Instant::now();
    let body = Bytes::from(vec![7; bytes]);
    let tasks = (0..callers).map(|_| {
        let (links, body) = (links.clone(), body.clone());
        tokio::spawn(async move {
            let mut times = Histogram::<u64>::new(3)?;
            while began.elapsed() < span {
                let sent = Instant::now();
                let deadline = sent + Duration::from_secs(10);
                let request = Request { kind: 0, deadline, body: body.clone() };
                let answer = links.call(ECHOER, Class::Calls, request).await?;
                assert_eq!(answer.body.len(), bytes, "an echo has the length of the call");
                times.record(sent.elapsed().as_nanos() as u64)?;
            }
            Outcome::Ok(times)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut all = Histogram::new(3)?;
    for task in tasks {
        all.add(task.await??)?;
    }
    Ok((all, began.elapsed()))
}
