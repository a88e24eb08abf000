//! Nodes that are asked to stop, one after the other, under requests of clients that go by a
//! health-checked list and try nothing twice.

use crate::apps::{web, write};
use crate::http;
use crate::node::{At, Node, cluster, wait, wait_for_voters};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

/// A node that said that it is ready takes requests for `limits.notice`, 2 s, at least. A check
/// that is half as old is good for a request that takes as long as the other half.
const FRESH: Duration = Duration::from_secs(1);

/// Where a node is, and when it was asked the last time it said that it is ready.
struct Entry {
    http: SocketAddr,
    api: SocketAddr,
    ready: Mutex<Option<Instant>>,
}

impl Entry {
    fn of(node: &Node) -> Self {
        Self { http: node.http, api: node.api, ready: Mutex::default() }
    }

    fn check(&self) {
        let asked = Instant::now();
        let ready = http::get(self.api, "/health/ready").is_ok_and(|answer| answer.status == 200);
        *self.ready.lock().unwrap() = ready.then_some(asked);
    }

    fn is_fresh(&self) -> bool {
        self.ready.lock().unwrap().is_some_and(|asked| asked.elapsed() < FRESH)
    }
}

/// What all threads of the test share.
struct Scene {
    list: RwLock<Vec<Entry>>,
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Scene {
    fn runs(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn check_all(&self) {
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

    fn is_listed(&self, address: SocketAddr) -> bool {
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
    fn ask_anew(&self) {
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
    fn ask_on(&self) {
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

#[test]
fn graceful_restarts_fail_nothing_for_clients_of_a_checked_list() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "instances = 3");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/shop", 200));
    let scene = Scene {
        list: RwLock::new(nodes.iter().map(Entry::of).collect()),
        answered: AtomicUsize::new(0),
        failed: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let scene = &scene;
        let stop = StopAtEnd(&scene.stop);
        scope.spawn(|| scene.check_all());
        scope.spawn(|| scene.ask_anew());
        scope.spawn(|| scene.ask_on());
        let more = |count| {
            let wanted = scene.answered.load(Ordering::Relaxed) + count;
            wait("clients are answered", || scene.answered.load(Ordering::Relaxed) >= wanted);
        };
        for at in 0..3 {
            more(50);
            let other = (at + 1) % 3;
            nodes[at].ask_to_stop().unwrap();
            wait("another node says that it goes", || {
                let members = nodes[other].members().unwrap_or_default();
                members.iter().any(|it| it.id == nodes[at].id && it.state == "SHUTTING_DOWN")
            });
            assert!(nodes[at].wait().unwrap().success());
            more(50);
            nodes[at].again(At::Same);
            scene.list.write().unwrap()[at] = Entry::of(&nodes[at]);
            wait("it is on the list again", || scene.is_listed(nodes[at].http));
            wait_for_voters(&nodes, 3);
            let members = nodes[other].members().unwrap();
            let back = members.into_iter().find(|it| it.id == nodes[at].id).unwrap();
            assert_eq!(back.state, "ON_DUTY");
        }
        drop(stop);
    });
    assert_eq!(*scene.failed.lock().unwrap(), Vec::<String>::new());
}

/// Ends the clients of the test when it ends, well or not.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
