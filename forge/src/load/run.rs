//! A load as it runs: one thread, a loop per target that sends when the time has come. Knows front
//! doors by number and address.

use super::draw::Draw;
use super::pacer::Pacer;
use super::report::{Counts, Ending, Progress, Report};
use super::spec::{Spec, Target};
use super::wire::{Answered, Connection};
use anyhow::{Context, ensure};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

/// Timers ring every millisecond. By so much a request may be late because of that alone: it then
/// counts from when the timer rang.
const TIMER: Duration = Duration::from_millis(2);
/// Most times the rate of the file.
const FACTOR_MAX: f64 = 1_000.0;

/// Addresses of front doors by number, from 1. Cheap to clone; shared with loads that run.
#[derive(Debug, Clone, Default)]
pub struct Doors(Arc<RwLock<BTreeMap<usize, SocketAddr>>>);

impl Doors {
    /// The door of this number is here now, or nowhere.
    pub fn set(&self, number: usize, address: Option<SocketAddr>) {
        let mut doors = self.0.write().expect("nobody panics with it");
        match address {
            Some(address) => doors.insert(number, address),
            None => doors.remove(&number),
        };
    }

    /// Those of the target, beginning with the one whose turn it is.
    fn turn(&self, nodes: &[usize], turn: u64) -> Vec<SocketAddr> {
        let doors = self.0.read().expect("nobody panics with it");
        let mine = doors.iter().filter(|(number, _)| nodes.is_empty() || nodes.contains(number));
        let mut mine: Vec<SocketAddr> = mine.map(|(_, address)| *address).collect();
        if !mine.is_empty() {
            let first = usize::try_from(turn % mine.len() as u64).expect("below a length");
            mine.rotate_left(first);
        }
        mine
    }
}

/// A load that has been started. Stops when this goes out of scope.
#[derive(Debug)]
pub struct Load {
    start: Instant,
    counts: Arc<Mutex<Counts>>,
    control: watch::Sender<Control>,
    ended: Arc<Mutex<Option<Instant>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Control {
    factor: f64,
    paused: bool,
    stop: bool,
}

impl Control {
    fn factor(self) -> f64 {
        if self.paused { 0.0 } else { self.factor }
    }
}

impl Load {
    /// Begins to send.
    pub fn start(spec: Spec, doors: Doors) -> anyhow::Result<Self> {
        let start = Instant::now();
        let names = spec.targets.iter().map(|target| target.name.clone());
        let counts = Arc::new(Mutex::new(Counts::new(start, names)));
        let (control, controlled) =
            watch::channel(Control { factor: 1.0, paused: false, stop: false });
        let ended: Arc<Mutex<Option<Instant>>> = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (to, end) = (counts.clone(), Arc::clone(&ended));
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            let all = run(spec, start, doors, to, controlled);
            LocalSet::new().block_on(&runtime, all);
            *end.lock().expect("nobody panics with it") = Some(Instant::now());
        })?;
        Ok(Self { start, counts, control, ended, thread: Some(thread) })
    }

    /// All up to now.
    pub fn report(&self) -> Report {
        let control = *self.control.borrow();
        let ended = *self.ended.lock().expect("nobody panics with it");
        let progress = match ended {
            Some(_) => Progress::Over,
            None if control.paused => Progress::Paused,
            None => Progress::Running,
        };
        let now = ended.unwrap_or_else(Instant::now).max(self.start);
        lock(&self.counts).report(progress, control.factor, now)
    }

    /// Sends nothing until [`Self::resume`]. The time of shapes and of the end goes on.
    pub fn pause(&self) {
        self.control.send_modify(|control| control.paused = true);
    }

    pub fn resume(&self) {
        self.control.send_modify(|control| control.paused = false);
    }

    /// From now on so many times the rates of the file, up to 1,000.
    pub fn set_factor(&self, factor: f64) -> anyhow::Result<()> {
        ensure!((0.0..=FACTOR_MAX).contains(&factor), "a factor is 0 to {FACTOR_MAX}");
        self.control.send_modify(|control| control.factor = factor);
        Ok(())
    }

    /// Sends nothing more and waits for the answers to what was sent.
    pub fn stop(mut self) -> anyhow::Result<Report> {
        self.control.send_modify(|control| control.stop = true);
        self.end()
    }

    /// Waits until it is over by itself.
    pub fn wait(mut self) -> anyhow::Result<Report> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<Report> {
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.ok().context("the load panicked")?;
        Ok(self.report())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Nobody is left to read the report.
        self.control.send_modify(|control| control.stop = true);
    }
}

/// One target's part of the thread.
struct Sending {
    number: usize,
    target: Target,
    doors: Doors,
    counts: Arc<Mutex<Counts>>,
    idle: RefCell<BTreeMap<SocketAddr, Vec<Connection>>>,
    draw: RefCell<Draw>,
    /// The request, where all are the same.
    constant: Option<Rc<[u8]>>,
}

async fn run(
    spec: Spec,
    start: Instant,
    doors: Doors,
    counts: Arc<Mutex<Counts>>,
    control: watch::Receiver<Control>,
) {
    let end = spec.duration.map_or(f64::INFINITY, |time| time.duration().as_secs_f64());
    let mut all = JoinSet::new();
    for (number, target) in spec.targets.into_iter().enumerate() {
        let pacer = Pacer::new(target.curve.clone(), end);
        let mut draw = Draw::new(spec.seed.wrapping_add(number as u64));
        let constant = target.is_constant().then(|| target.render(0, &mut draw).into());
        let sending = Rc::new(Sending {
            number,
            target,
            doors: doors.clone(),
            counts: counts.clone(),
            idle: RefCell::default(),
            draw: RefCell::new(draw),
            constant,
        });
        all.spawn_local(dispatch(sending, pacer, start, control.clone()));
    }
    while all.join_next().await.is_some() {}
    // A load that sends nothing any more still lasts as long as it says.
    if end.is_finite() {
        let over = tokio::time::sleep_until((start + Duration::from_secs_f64(end)).into());
        let mut control = control;
        tokio::select! {
            () = over => {}
            _ = control.wait_for(|control| control.stop) => {}
        }
    }
}

/// Sends each request of the target when its time has come, until the end; then waits for the
/// answers.
async fn dispatch(
    sending: Rc<Sending>,
    mut pacer: Pacer,
    start: Instant,
    mut control: watch::Receiver<Control>,
) {
    let free = Arc::new(Semaphore::new(sending.target.connections as usize));
    let mut requests = JoinSet::new();
    let mut woke = start;
    for number in 1.. {
        let due = loop {
            let wanted = *control.borrow_and_update();
            if wanted.stop {
                break None;
            }
            // What is due already stays due from when it was, unless somebody changes the rate.
            if wanted.factor() != pacer.factor() {
                pacer.set_factor(start.elapsed().as_secs_f64(), wanted.factor());
            }
            let next = pacer.next();
            let due = next.map(|due| start + Duration::from_secs_f64(due));
            if next.is_some() && due.is_some_and(|due| due <= Instant::now()) {
                break next.zip(due);
            }
            let rings = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Fails if the load was dropped: the next look says so.
                changed = control.changed() => if changed.is_err() { break None },
                () = rings => woke = Instant::now(),
                () = is_over(due, &pacer, start) => break None,
            }
        };
        let Some((seconds, due)) = due else { break };
        pacer.sent(seconds);
        let from = if due <= woke && woke - due <= TIMER { woke } else { due };
        lock(&sending.counts).on_due(sending.number, Instant::now());
        let slot = free.clone().acquire_owned().await.expect("it is never closed");
        requests.spawn_local(sending.clone().send(number, from, slot));
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}

/// Completes at the end of a load of which nothing is due any more.
async fn is_over(due: Option<Instant>, pacer: &Pacer, start: Instant) {
    match due {
        None if pacer.end().is_finite() => {
            let end = start + Duration::from_secs_f64(pacer.end());
            tokio::time::sleep_until(end.into()).await;
        }
        _ => std::future::pending().await,
    }
}

impl Sending {
    async fn send(self: Rc<Self>, number: u64, from: Instant, _slot: OwnedSemaphorePermit) {
        let request = match &self.constant {
            Some(request) => request.clone(),
            None => self.target.render(number, &mut self.draw.borrow_mut()).into(),
        };
        let mut repeated = false;
        let answered = self.ask(number, &request, &mut repeated);
        let time = self.target.timeout.duration();
        let answered = tokio::time::timeout(time, answered).await;
        let status = answered.as_ref().ok().and_then(|it| it.as_ref().ok()).map(|it| it.status);
        let outcome = match answered {
            Ok(Ok(answered)) if self.target.is_good(answered.status) => Ok(()),
            Ok(Ok(answered)) => Err(format!("status {}", answered.status)),
            Ok(Err(why)) => Err(why.to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let ending = Ending { from, repeated, status, outcome };
        lock(&self.counts).on_end(self.number, &ending, Instant::now());
    }

    /// Asks the door whose turn it is, then the next one, as a load balancer would: if it is
    /// closed, or if the connection broke and asking twice does no harm.
    async fn ask(
        &self,
        turn: u64,
        request: &[u8],
        repeated: &mut bool,
    ) -> Result<Answered, &'static str> {
        let mut why = "no front door";
        for address in self.doors.turn(&self.target.nodes, turn) {
            *repeated = why != "no front door";
            let idle = self.take(address);
            let connection = match idle {
                Some(connection) => Ok(connection),
                None => Connection::open(address).await,
            };
            let Ok(mut connection) = connection else {
                why = "no connection";
                continue;
            };
            match connection.exchange(request).await {
                Ok(answered) => {
                    if !answered.closes {
                        self.idle.borrow_mut().entry(address).or_default().push(connection);
                    }
                    return Ok(answered);
                }
                Err(_) if self.target.is_idempotent() => why = "connection broken",
                Err(_) => return Err("connection broken"),
            }
        }
        Err(why)
    }

    /// A connection to this door that is free and still there.
    fn take(&self, address: SocketAddr) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let idle = idle.get_mut(&address)?;
        while let Some(connection) = idle.pop() {
            if !connection.is_over() {
                return Some(connection);
            }
        }
        None
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().expect("nobody panics with it")
}

#[cfg(test)]
mod tests {
    use super::{Doors, Load};
    use crate::load::{Progress, Spec};
    use crate::wait::until;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// Answers each request with what `answer` makes of its first line; closes where that is empty.
    fn server(answer: fn(&str) -> String) -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                std::thread::spawn(move || {
                    let mut to = stream.try_clone().unwrap();
                    let mut first = String::new();
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        if first.is_empty() {
                            first = line;
                        } else if line.is_empty() {
                            count.fetch_add(1, Ordering::Relaxed);
                            let answer = answer(&std::mem::take(&mut first));
                            if answer.is_empty() || to.write_all(answer.as_bytes()).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        (address, asked)
    }

    fn ok(_: &str) -> String {
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab".to_owned()
    }

    fn doors(addresses: &[SocketAddr]) -> Doors {
        let doors = Doors::default();
        addresses.iter().enumerate().for_each(|(i, address)| doors.set(i + 1, Some(*address)));
        doors
    }

    fn start(text: &str, doors: Doors) -> Load {
        Load::start(Spec::parse("load.toml", text).unwrap(), doors).unwrap()
    }

    #[test]
    fn it_keeps_to_its_rate_and_counts_each_request_once() {
        let servers = [server(ok), server(ok)];
        let text = "duration = \"500ms\"\n[[targets]]\npath = \"/\"\nrate = \"200/s\"";
        let load = start(text, doors(&servers.each_ref().map(|(address, _)| *address)));
        let report = load.wait().unwrap();
        let total = report.total;
        assert_eq!((report.progress, total.due, total.good), (Progress::Over, 100, 100));
        assert_eq!(servers.map(|(_, asked)| asked.load(Ordering::Relaxed)), [50, 50]);
    }

    #[test]
    fn a_server_that_sleeps_is_not_waited_for_and_its_sleep_is_in_every_latency() {
        fn sleepy(_: &str) -> String {
            std::thread::park_timeout(Duration::from_millis(100));
            ok("")
        }
        let (address, _) = server(sleepy);
        let target = "[[targets]]\npath = \"/\"\nrate = \"50/s\"\nconnections = 1";
        let load = start(&format!("duration = \"200ms\"\n{target}"), doors(&[address]));
        let total = load.wait().unwrap().total;
        // One connection answers one after the other; those behind it waited since they were due.
        assert_eq!((total.due, total.good), (10, 10));
        assert!(total.p50_ms > 300.0, "the middle one waited for four others: {}", total.p50_ms);
    }

    #[test]
    fn closed_doors_are_passed_and_what_may_have_been_done_is_not_done_twice() {
        fn broken(_: &str) -> String {
            String::new()
        }
        let (open, _) = server(ok);
        let (breaks, _) = server(broken);
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = "duration = \"100ms\"\n[[targets]]\npath = \"/\"\nrate = \"100/s\"\n\
                    [[targets]]\nmethod = \"POST\"\npath = \"/\"\nrate = \"100/s\"";
        let load = start(text, doors(&[open, breaks, closed]));
        let report = load.wait().unwrap();
        let [get, post] = report.targets.as_slice() else { panic!("two targets") };
        assert_eq!((get.figures.good, get.figures.failed, get.figures.repeated), (10, 0, 7));
        let failures = [("connection broken".to_owned(), 4)].into();
        assert_eq!((post.figures.good, &post.figures.failures), (6, &failures));
    }

    #[test]
    fn other_answers_than_expected_have_failed() {
        fn missing(_: &str) -> String {
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        let (address, _) = server(missing);
        let text = "duration = \"50ms\"\n[[targets]]\npath = \"/\"\nrate = \"100/s\"\n\
                    [[targets]]\npath = \"/x\"\nrate = \"100/s\"\nexpect = [404]\n\
                    [[targets]]\npath = \"/y\"\nrate = \"100/s\"\nnodes = [2]";
        let report = start(text, doors(&[address])).wait().unwrap();
        let counts = report.targets.iter().map(|t| (t.figures.good, t.figures.failures.clone()));
        let failed = |why: &str| [(why.to_owned(), 5)].into();
        let expected = [(0, failed("status 404")), (5, [].into()), (0, failed("no front door"))];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn it_is_steered_while_it_runs() {
        let (address, asked) = server(ok);
        let load = start("[[targets]]\npath = \"/\"\nrate = \"1/min\"", doors(&[address]));
        until("the first one is sent", || asked.load(Ordering::Relaxed) == 1).unwrap();
        load.set_factor(1_000.0).unwrap();
        assert!(load.set_factor(-1.0).is_err());
        until("more are sent", || asked.load(Ordering::Relaxed) > 5).unwrap();
        load.pause();
        assert_eq!(load.report().progress, Progress::Paused);
        load.resume();
        let before = asked.load(Ordering::Relaxed);
        until("it goes on", || asked.load(Ordering::Relaxed) > before + 2).unwrap();
        let report = load.stop().unwrap();
        assert_eq!((report.progress, report.factor), (Progress::Over, 1_000.0));
        assert_eq!(report.total.good, asked.load(Ordering::Relaxed));
    }
}
