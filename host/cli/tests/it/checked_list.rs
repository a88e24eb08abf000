//! Clients that go by a health-checked list of nodes and try nothing twice. Knows no faults.

use crate::http;
use crate::node::Node;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

/// A node that said that it is ready takes requests for `limits.notice`, 2 s, at least. A check
/// that is half as old is good for a request that takes as long as the other half.
const FRESH: Duration = Duration::from_secs(1);

/// Where a node is, and when it was asked the last time it said that it is ready.
pub(crate) struct Entry {
    http: SocketAddr,
    api: SocketAddr,
    ready: Mutex<Option<Instant>>,
}

impl Entry {
    pub(crate) fn of(node: &Node) -> Self {
        Self { http: node.http, api: node.api, ready: Mutex::default() }
    }

    fn check(&self) {
        let asked = Instant::now();
        let ready = http::get(self.api, "/health/ready").is_ok_and(|answer| answer.status == 200);
        *self.ready.lock().unwrap() = ready.then_some(asked);
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.ready.lock().unwrap().is_some_and(|asked| asked.elapsed() < FRESH)
    }
}

/// What all threads of the test share.
pub(crate) struct Scene {
    pub(crate) list: RwLock<Vec<Entry>>,
    pub(crate) answered: AtomicUsize,
    pub(crate) failed: Mutex<Vec<String>>,
    pub(crate) stop: AtomicBool,
}

impl Scene {
    fn runs(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn check_all(&self) {
        while self.runs() {
            self.list.read().unwrap().iter().for_each(Entry::check);
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A node that can be asked now; the next one each time.
    fn choose(&self, turn: usize) -> Option<SocketAddr> {
        let list = self.list.read().unwrap();
        let places = (0..list.len()).map(|next| &list[(turn + next) % list.len()]);
        places.into_iter().find(|entry| entry.is_fresh()).map(|entry| entry.http)
    }

    pub(crate) fn is_listed(&self, address: SocketAddr) -> bool {
        let list = self.list.read().unwrap();
        list.iter().any(|entry| entry.http == address && entry.is_fresh())
    }

    fn note(&self, answer: std::io::Result<u16>) {
        match answer {
            Ok(200) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
            other => self.failed.lock().unwrap().push(format!("{other:?}")),
        }
    }

    /// At a fixed rate, each request on a connection of its own.
    pub(crate) fn ask_anew(&self) {
        let mut due = Instant::now();
        for turn in 0.. {
            if !self.runs() {
                return;
            }
            due += Duration::from_millis(10);
            std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            if let Some(address) = self.choose(turn) {
                self.note(Kept::open(address).and_then(|mut kept| kept.ask()));
            }
        }
    }

    /// At a fixed rate on one connection, for as long as the node keeps it and is on the list.
    pub(crate) fn ask_on(&self) {
        let (mut due, mut kept) = (Instant::now(), None::<Kept>);
        for turn in 0.. {
            if !self.runs() {
                return;
            }
            due += Duration::from_millis(10);
            std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            kept = kept.filter(|kept| !kept.closes && self.is_listed(kept.address));
            if kept.is_none() {
                let Some(address) = self.choose(turn) else { continue };
                match Kept::open(address) {
                    Ok(open) => kept = Some(open),
                    Err(error) => self.note(Err(error)),
                }
            }
            if let Some(kept) = &mut kept {
                self.note(kept.ask());
            }
        }
    }
}

/// A connection to a front door.
struct Kept {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    /// The node has said that it closes it.
    closes: bool,
}

impl Kept {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { address, stream: BufReader::new(stream), closes: false })
    }

    /// One request and its whole answer.
    fn ask(&mut self) -> std::io::Result<u16> {
        self.stream.get_mut().write_all(b"GET /shop HTTP/1.1\r\nhost: node\r\n\r\n")?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            self.closes |= line == "connection: close";
        }
        self.stream.read_exact(&mut vec![0; length])?;
        Ok(status)
    }
}
