//! Keeps one class of a peer linked: dials, waits, dials again. Knows no frame.

use std::{sync::Arc, time::Duration};

use aether_types::NodeId;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Connection, Shared, dial_connection, handshake::HelloError, peers::Entry};
use crate::{
    Class, DownReason, Peer, Refusal,
    backoff::Backoff,
    frame::Kind,
    hello::Purpose,
    limits::{HELLO_TIME_MAX, PROVEN, REDIAL_MIN, SILENCE_MAX},
    link::{Driven, Event, Link, Queue},
    resolve::Decision,
    tls::server_name,
};

/// Runs as long as the peer is wanted.
pub(super) async fn keep(
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    class: Class,
    wanted: CancellationToken,
) {
    let work = keep_linked(&shared, &entry, class);
    shared.closing.run_until_cancelled(wanted.run_until_cancelled(work)).await;
}

async fn keep_linked(shared: &Arc<Shared>, entry: &Arc<Entry>, class: Class) {
    let changed = &entry.changed[class as usize];
    let mut backoff = Backoff::default();
    // Of two dials at once, that of the smaller id would stay: let it come first.
    let polite = if shared.node() > entry.node { REDIAL_MIN } else { Duration::ZERO };
    loop {
        let retry_at = Instant::now() + backoff.next(rand::random()) + polite;
        entry.will_retry(class, retry_at);
        shared.publish(entry);
        // A change may be a new address; a link is looked for below.
        let _ = timeout_at(retry_at, changed.notified()).await;
        let mut up_since = None;
        while entry.link(class).is_some() {
            up_since.get_or_insert_with(Instant::now);
            changed.notified().await;
        }
        match up_since {
            Some(since) if since.elapsed() >= PROVEN => backoff.reset(),
            Some(_) => {}
            None => {
                if let Err(reason) = dial(shared, entry, class).await {
                    shared.counters.ended(reason.label());
                    tracing::debug!(node = %entry.node, ?class, %reason, "dial failed");
                    entry.failed(class, reason);
                }
            }
        }
    }
}

/// One try at each address, until one is the peer's.
async fn dial(shared: &Arc<Shared>, entry: &Arc<Entry>, class: Class) -> Result<(), DownReason> {
    if shared.faults.is_cut(entry.node) {
        return Err(DownReason::Fault);
    }
    let mut failure = DownReason::Unreachable("no address is known".into());
    for address in entry.addresses() {
        let attempt = timeout(HELLO_TIME_MAX, greet(shared, entry, class, &address)).await;
        match attempt.unwrap_or(Err(DownReason::HelloTimeout)) {
            Ok(()) => return Ok(()),
            Err(reason) => failure = reason,
        }
    }
    Err(failure)
}

async fn greet(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    class: Class,
    address: &str,
) -> Result<(), DownReason> {
    let name = server_name(entry.node, shared.cluster());
    let mut connection = dial_connection(address, shared.tls.client.clone(), name).await?;
    let hello = shared.hello(Purpose::Link(class)).encode();
    connection.write(Kind::Hello, hello).await?;
    let checked = match connection.read_hello(Kind::Welcome).await {
        Ok(hello) => shared.check(&hello, class, &connection),
        Err(HelloError::Refuse(refusal)) => Err(refusal),
        Err(HelloError::Down(reason)) => return Err(reason),
    };
    let peer = match checked {
        Ok(peer) => peer,
        Err(refusal) => return Err(connection.refuse(refusal).await),
    };
    let (link, queue) = shared.new_link(peer, shared.node());
    match shared.settle(entry, &link).await {
        Decision::Install | Decision::Replace => {}
        // The peer may use it until it sees that the other one stays.
        Decision::Keep => link.retire(DownReason::Replaced),
        Decision::Probe => {
            let refusal = Refusal::DuplicateIdentity { node: entry.node };
            return Err(connection.refuse(refusal).await);
        }
    }
    shared.drive(entry.clone(), link, connection, queue);
    Ok(())
}

impl Shared {
    /// Not installed, and not driven.
    pub(super) fn new_link(&self, peer: Peer, dialed_by: NodeId) -> (Arc<Link>, Queue) {
        Link::new(peer, dialed_by, self.faults.clone(), self.counters.clone())
    }

    /// Finds out whether a new link stays. `Probe`: another process of the same node is alive.
    pub(super) async fn settle(&self, entry: &Entry, link: &Arc<Link>) -> Decision {
        let install = || {
            entry.install(link, |state| {
                self.port.handler.on_link(entry.node, link.peer.class, state);
                tracing::info!(node = %entry.node, class = ?link.peer.class, "link up");
            })
        };
        let mut decision = install();
        if decision == Decision::Probe {
            let others = entry.links_of_others(link.claim());
            let probes = others.iter().map(|other| other.probe());
            if join_all(probes).await.contains(&true) {
                return Decision::Probe;
            }
            // Those did not answer: their process is gone.
            for old in entry.links_of_others(link.claim()) {
                let reason = DownReason::Silent(SILENCE_MAX.as_millis() as u64);
                self.unlink(entry, &old, &reason);
                old.close(reason);
            }
            decision = install();
        }
        if let Decision::Install | Decision::Replace = decision {
            self.publish(entry);
        }
        decision
    }

    /// Takes a link out of use and says so.
    fn unlink(&self, entry: &Entry, link: &Arc<Link>, reason: &DownReason) {
        let was_used = entry.uninstall(link, reason, |state| {
            self.port.handler.on_link(entry.node, link.peer.class, state);
            tracing::info!(node = %entry.node, class = ?link.peer.class, %reason, "link down");
        });
        if was_used {
            self.publish(entry);
        }
    }

    /// Runs a link in a task of its own, to its end.
    pub(super) fn drive(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        link: Arc<Link>,
        connection: Connection,
        queue: Queue,
    ) {
        if self.closing.is_cancelled() {
            // The shutdown did not see this one.
            link.retire(DownReason::Shutdown);
        }
        let shared = self.clone();
        let drive = async move {
            let Connection { io, input } = connection;
            let port = shared.port.clone();
            let mut driver = Driven::new(io, input, link.clone(), queue, port);
            let reason = loop {
                match shared.killed.run_until_cancelled(driver.next()).await {
                    None => break DownReason::Shutdown,
                    Some(Event::Goodbye) => shared.unlink(&entry, &link, &DownReason::Goodbye),
                    Some(Event::Closed(reason)) => break reason,
                }
            };
            shared.unlink(&entry, &link, &reason);
            let reason = driver.close(reason).await;
            shared.counters.ended(reason.label());
            shared.publish(&entry);
        };
        self.tasks.spawn_on(drive, &self.threads);
    }
}
