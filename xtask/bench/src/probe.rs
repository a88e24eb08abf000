//! Writes and requests that go on whatever happens, and when they were answered. Knows addresses,
//! nothing of clusters.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::kv::{Connection, Door};

/// How often a write begins at each door, whether or not those before it have been answered: what
/// waits for a lost leader must not keep the next one from being tried.
const WRITE_EVERY: Duration = Duration::from_millis(5);
/// Then it is given up.
const WRITE_MAX: Duration = Duration::from_secs(1);
/// Between a good answer of a front door and the next request.
const REQUEST_PAUSE: Duration = Duration::from_millis(1);
const VALUE_BYTES: usize = 256;

/// Load in a thread of its own.
pub(crate) struct Probe {
    pub(crate) start: Instant,
    writes: Arc<Mutex<Vec<Write>>>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<anyhow::Result<Vec<Vec<Instant>>>>,
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write {
    pub(crate) sent: Instant,
    pub(crate) done: Instant,
}

/// All that was answered.
pub(crate) struct Seen {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    pub(crate) writes: Vec<Write>,
    /// For each front door when it gave its good answers.
    pub(crate) answers: Vec<Vec<Instant>>,
}

impl Probe {
    /// Writes to the doors, and asks the front doors for the paths.
    pub(crate) fn start(
        doors: Vec<Door>,
        fronts: Vec<(SocketAddr, &'static str)>,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let writes = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let to = writes.clone();
        let thread = std::thread::spawn(move || {
            let all = run(doors, fronts, to, stopped);
            LocalSet::new().block_on(&runtime, all)
        });
        Ok(Self { start: Instant::now(), writes, stop, thread })
    }

    /// How many writes that were sent later than this have been acknowledged.
    pub(crate) fn acknowledged_since(&self, from: Instant) -> usize {
        let writes = self.writes.lock().expect("nobody panics with it");
        writes.iter().filter(|write| write.sent >= from).count()
    }

    pub(crate) fn stop(self) -> anyhow::Result<Seen> {
        let end = Instant::now();
        self.stop.send_replace(true);
        let answers = self.thread.join().ok().context("the probe panicked")??;
        let writes = std::mem::take(&mut *self.writes.lock().expect("nobody panics with it"));
        Ok(Seen { start: self.start, end, writes, answers })
    }
}

async fn run(
    doors: Vec<Door>,
    fronts: Vec<(SocketAddr, &'static str)>,
    writes: Arc<Mutex<Vec<Write>>>,
    mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<Vec<Vec<Instant>>> {
    for (number, door) in doors.into_iter().enumerate() {
        spawn_local(write(number, door, writes.clone()));
    }
    let asked = |(address, path)| spawn_local(ask(address, path, stopped.clone()));
    let asked: Vec<_> = fronts.into_iter().map(asked).collect();
    // Fails if whoever wants to know is gone: the end as well.
    let _ = stopped.wait_for(|stop| *stop).await;
    let mut answers = Vec::new();
    for front in asked {
        answers.push(front.await?);
    }
    Ok(answers)
}

/// Begins a write at each tick, on a connection that has nothing else to do.
async fn write(number: usize, door: Door, writes: Arc<Mutex<Vec<Write>>>) {
    let idle: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let mut ticks = interval(WRITE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0.. {
        ticks.tick().await;
        let (door, idle, writes) = (door.clone(), idle.clone(), writes.clone());
        spawn_local(async move {
            let sent = Instant::now();
            let key = format!("probe-{number}-{}", turn % 100);
            let write = async {
                let free = idle.borrow_mut().pop();
                let mut connection = match free {
                    Some(connection) => connection,
                    None => door.connect().await?,
                };
                connection.put(&key, Bytes::from(vec![b'v'; VALUE_BYTES])).await?;
                anyhow::Ok(connection)
            };
            // One that fails is what the measurement is about; its connection is not used again.
            if let Ok(Ok(connection)) = timeout(WRITE_MAX, write).await {
                let write = Write { sent, done: Instant::now() };
                writes.lock().expect("nobody panics with it").push(write);
                idle.borrow_mut().push(connection);
            }
        });
    }
}

/// Asks again and again; when the answers were good.
async fn ask(
    address: SocketAddr,
    path: &'static str,
    stopped: watch::Receiver<bool>,
) -> Vec<Instant> {
    let mut answers = Vec::new();
    let mut sender = None;
    while !*stopped.borrow() {
        match request(address, path, sender.take()).await {
            Ok(again) => {
                sender = Some(again);
                answers.push(Instant::now());
                tokio::time::sleep(REQUEST_PAUSE).await;
            }
            // The gap between good answers shows it.
            Err(_) => tokio::task::yield_now().await,
        }
    }
    answers
}

type Sender = SendRequest<Empty<Bytes>>;

async fn request(
    address: SocketAddr,
    path: &str,
    sender: Option<Sender>,
) -> anyhow::Result<Sender> {
    let mut sender = match sender {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            spawn_local(connection);
            sender
        }
    };
    sender.ready().await?;
    let request = http::Request::get(path).header("host", "localhost").body(Empty::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    answer.into_body().collect().await?;
    ensure!(status.is_success(), "{status}");
    Ok(sender)
}

/// The longest time between two of these moments, counting the ends of the span.
pub(crate) fn longest_gap_ms(moments: &[Instant], from: Instant, to: Instant) -> f64 {
    let inside = moments.iter().copied().filter(|at| (from..=to).contains(at));
    let mut last = from;
    let mut longest = Duration::ZERO;
    for at in inside.chain([to]) {
        longest = longest.max(at.saturating_duration_since(last));
        last = at;
    }
    longest.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::longest_gap_ms;
    use std::time::{Duration, Instant};

    #[test]
    fn the_longest_gap_is_found_at_the_ends_too() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let moments = [at(1), at(5), at(7)];
        let gap = |from, to| longest_gap_ms(&moments, at(from), at(to)).round() as u64;
        assert_eq!([gap(0, 8), gap(1, 20), gap(6, 7), gap(8, 10)], [4, 13, 1, 2]);
    }
}
