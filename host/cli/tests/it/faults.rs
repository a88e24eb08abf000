//! A cluster under load while nodes are killed, stopped, restarted, or lose power together: what
//! was acknowledged is there, and what clients saw has one order.

use crate::history::{History, Op, Told};
use crate::http;
use crate::node::{At, Node, cluster, leader, wait, wait_for_voters};
use crate::store::{Store, Written};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

/// Ends the clients of a test when it ends, well or not.
pub(crate) struct StopAtEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What has been acknowledged under keys of its own, and when to stop.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) acknowledged: Mutex<Vec<String>>,
    pub(crate) stop: AtomicBool,
    /// How long a client rests after each write.
    pub(crate) pace: Duration,
}

impl Log {
    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    pub(crate) fn wait_for_more(&self, count: usize) {
        let wanted = self.count() + count;
        wait(&format!("{count} more writes are acknowledged"), || self.count() >= wanted);
    }

    /// Writes to this node until it is told to stop, each time another key.
    pub(crate) fn write(&self, store: &Store, at: usize) {
        for turn in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let key = format!("log/{at}/{turn}");
            match store.put(at, &key, &key, None) {
                Written::At(_) => {
                    self.acknowledged.lock().unwrap().push(key);
                    std::thread::park_timeout(self.pace);
                }
                // Nothing answers there any more: the next try costs little, but not nothing.
                _ => std::thread::park_timeout(Duration::from_millis(5)),
            }
        }
    }

    pub(crate) fn check(&self, store: &Store, at: usize) {
        for key in self.acknowledged.lock().unwrap().iter() {
            let mut held = None;
            wait(&format!("{key} is read"), || {
                held = store.get(at, key);
                held.is_some()
            });
            let value = held.flatten().map(|(value, _)| value);
            assert_eq!(value.as_ref(), Some(key), "it was acknowledged");
        }
    }
}

#[test]
fn a_power_cut_of_all_nodes_loses_no_acknowledged_write() {
    let mut nodes = cluster::<3>();
    let (store, log) = (Store::of(&nodes), Log::default());
    std::thread::scope(|scope| {
        for at in 0..3 {
            let (store, log) = (&store, &log);
            scope.spawn(move || log.write(store, at));
        }
        let _stop = StopAtEnd(&log.stop);
        log.wait_for_more(200);
        nodes.iter_mut().for_each(Node::kill);
    });
    nodes.iter_mut().for_each(|node| node.again(At::Same));
    wait_for_voters(&nodes, 3);
    store.moved(&nodes);
    log.check(&store, 1);
}

#[test]
fn writes_go_on_without_a_stopped_leader_which_comes_back_and_follows() {
    let mut nodes = cluster::<3>();
    let (store, log) = (Store::of(&nodes), Log::default());
    let lost = leader(&nodes);
    let others: Vec<usize> = (0..3).filter(|at| *at != lost).collect();
    std::thread::scope(|scope| {
        for at in &others {
            let (store, log) = (&store, &log);
            scope.spawn(move || log.write(store, *at));
        }
        let _stop = StopAtEnd(&log.stop);
        log.wait_for_more(100);
        nodes[lost].suspend().unwrap();
        log.wait_for_more(100);
        nodes[lost].resume().unwrap();
        wait_for_voters(&nodes, 3);
        log.wait_for_more(100);
    });
    let id = nodes[lost].id.clone();
    let members = nodes[lost].members().unwrap();
    let role = members.into_iter().find(|member| member.id == id).unwrap().role;
    assert_eq!(role.as_deref(), Some("follower"));
    // It knows what was written while it was away.
    log.check(&store, lost);
}

/// A client of three keys until it is told to stop: writes over what it has read. It stays with a
/// node for a while, or until that is silent.
fn client(number: usize, store: &Store, history: &History, stop: &AtomicBool) {
    let mut at = number % 3;
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if turn % 10 == 9 {
            at = (at + 1) % 3;
        }
        let key = format!("register/{}", turn % 3);
        let begun = history.begin(&key, Op::Read);
        let Some(held) = store.get(at, &key) else {
            history.end(begun, Told::Nothing);
            at = (at + 1) % 3;
            continue;
        };
        let seen = held.as_ref().map(|(value, _)| value.parse().unwrap());
        history.end(begun, Told::Holds(seen));
        let new = number as u64 * 1_000_000 + turn;
        let (op, expected) = match turn % 2 {
            0 => (Op::Put(new), None),
            _ => (Op::Swap(seen, new), Some(held.map(|(_, revision)| revision))),
        };
        let begun = history.begin(&key, op);
        history.wrote(begun, store.put(at, &key, &new.to_string(), expected));
    }
}

#[test]
fn what_clients_saw_while_leaders_were_lost_has_one_order() {
    let mut nodes = cluster::<3>();
    let (store, history, stop) = (Store::of(&nodes), History::default(), AtomicBool::new(false));
    let more = |count| {
        let wanted = history.answered() + count;
        wait("clients are answered", || history.answered() >= wanted);
    };
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (store, history, stop) = (&store, &history, &stop);
            scope.spawn(move || client(number, store, history, stop));
        }
        let _stop = StopAtEnd(&stop);
        for killed in [true, false, true] {
            more(100);
            let lost = leader(&nodes);
            if killed {
                nodes[lost].kill();
                more(100);
                nodes[lost].again(At::Same);
                store.moved(&nodes);
            } else {
                nodes[lost].suspend().unwrap();
                more(100);
                nodes[lost].resume().unwrap();
            }
            wait_for_voters(&nodes, 3);
        }
    });
    history.check().unwrap();
}

/// Asks for the slice at a fixed rate, whatever the answers; says what failed. A request that a
/// node closed its door to, before or after it was sent, goes to the next one: asking twice is
/// harmless.
pub(crate) fn ask(
    fronts: &RwLock<Vec<SocketAddr>>,
    asked: &AtomicUsize,
    stop: &AtomicBool,
) -> Vec<String> {
    let (mut due, mut failed) = (Instant::now(), Vec::new());
    for turn in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        due += Duration::from_millis(5);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        let answer = (0..3).find_map(|next| {
            let front = fronts.read().unwrap()[(turn + next) % 3];
            http::get(front, "/shop").ok()
        });
        match answer {
            Some(answer) if answer.status == 200 => {}
            other => failed.push(format!("{other:?}")),
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    failed
}

/// The same with writes: says what was not acknowledged, and remembers what was.
pub(crate) fn write_each(store: &Store, log: &Log) -> Vec<String> {
    let (mut due, mut failed) = (Instant::now(), Vec::new());
    for turn in 0_usize.. {
        if log.stop.load(Ordering::Relaxed) {
            break;
        }
        due += Duration::from_millis(10);
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        let key = format!("rolling/{turn}");
        let put = |next| store.put((turn + next) % 3, &key, &key, None);
        let unheard = |written: &Written| matches!(written, Written::Never | Written::Perhaps);
        match (0..3).map(put).find(|written| !unheard(written)) {
            Some(Written::At(_)) => log.acknowledged.lock().unwrap().push(key),
            other => failed.push(format!("{key}: {other:?}")),
        }
    }
    failed
}

/// Largest value, and so many keys that the store is nearly full.
const VALUE: usize = 60 << 10;
const KEYS: usize = 240;

#[test]
fn a_node_that_was_away_for_long_gets_a_large_state_and_the_others_go_on() {
    let mut nodes = cluster::<3>();
    let store = Store::of(&nodes);
    let away = (leader(&nodes) + 1) % 3;
    let others: Vec<usize> = (0..3).filter(|at| *at != away).collect();
    nodes[away].kill();
    // More than a log keeps, so that the state itself has to go over: some 14 MiB.
    let rounds = 5;
    let value = |round: usize| format!("{round}").repeat(VALUE);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (store, others) = (&store, &others);
            scope.spawn(move || {
                for (round, key) in (0..rounds).flat_map(|r| (0..KEYS).map(move |key| (r, key))) {
                    if key % 4 != worker {
                        continue;
                    }
                    let key = format!("large/{key}");
                    wait("a write is acknowledged", || {
                        let at = others[worker % 2];
                        matches!(store.put(at, &key, &value(round), None), Written::At(_))
                    });
                }
            });
        }
    });
    nodes[away].again(At::Same);
    store.moved(&nodes);
    wait_for_voters(&nodes, 3);
    let read = |key: usize| {
        let (key, mut held) = (format!("large/{key}"), None);
        wait(&format!("{key} is read"), || {
            held = store.get(away, &key);
            held.is_some()
        });
        held.flatten().map(|(value, _)| value)
    };
    for key in [0, KEYS / 2, KEYS - 1] {
        assert!(read(key) == Some(value(rounds - 1)), "{key} is old");
    }
    // It came as a snapshot, and the node keeps what it got.
    nodes[away].kill();
    nodes[away].again(At::Same);
    store.moved(&nodes);
    wait_for_voters(&nodes, 3);
    assert!(read(7) == Some(value(rounds - 1)));
}
