//! The table of peers, and the links of each. Knows not how links are made.

use std::{collections::HashMap, sync::Arc};

use aether_types::NodeId;
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{LinkState, PeerStatus};
use crate::{
    Class, DownReason,
    link::Link,
    resolve::{Claim, Decision, resolve},
};

/// Read on every call, replaced as a whole when a peer comes. None is removed: each has a
/// certificate of the cluster, so there are as many as it had nodes while this process ran.
#[derive(Default)]
pub(crate) struct Peers {
    all: ArcSwap<HashMap<NodeId, Arc<Entry>>>,
    changes: Mutex<()>,
}

impl Peers {
    pub(super) fn get(&self, node: NodeId) -> Option<Arc<Entry>> {
        self.all.load().get(&node).cloned()
    }

    /// That of a peer, made if needed.
    pub(super) fn entry(&self, node: NodeId) -> Arc<Entry> {
        if let Some(entry) = self.get(node) {
            return entry;
        }
        let _changes = self.changes.lock();
        let mut all = HashMap::clone(&self.all.load());
        let entry = all.entry(node).or_insert_with(|| Arc::new(Entry::new(node))).clone();
        self.all.store(Arc::new(all));
        entry
    }

    pub(super) fn each(&self, act: impl Fn(&Entry)) {
        self.all.load().values().for_each(|entry| act(entry));
    }
}

/// One peer.
pub(super) struct Entry {
    pub(super) node: NodeId,
    /// In the order of [`Class::ALL`]; changed only under `order`.
    links: [ArcSwapOption<Link>; 3],
    state: Mutex<State>,
    /// Held while a change is made and told, so that changes are told in order.
    order: Mutex<()>,
    /// Something happened that a dialer should look at.
    pub(super) changed: [Notify; 3],
}

struct State {
    status: PeerStatus,
    addresses: Vec<String>,
    /// Cancelled when the peer is not wanted any more.
    wanted: Option<CancellationToken>,
}

impl Entry {
    fn new(node: NodeId) -> Self {
        let now = Instant::now();
        let down = || LinkState::Down { since: now, reason: DownReason::New, retry_at: None };
        let links = [down(), down(), down()];
        let status = PeerStatus { links, run: None, addresses: None };
        let state = State { status, addresses: Vec::new(), wanted: None };
        Self {
            node,
            links: Default::default(),
            state: Mutex::new(state),
            order: Mutex::default(),
            changed: Default::default(),
        }
    }

    pub(super) fn link(&self, class: Class) -> Option<Arc<Link>> {
        self.links[class as usize].load_full()
    }

    pub(super) fn each_link(&self, act: impl Fn(&Link)) {
        self.links.iter().filter_map(|link| link.load_full()).for_each(|link| act(&link));
    }

    pub(super) fn status(&self) -> PeerStatus {
        self.state.lock().status.clone()
    }

    pub(super) fn why_down(&self, class: Class) -> DownReason {
        match self.state.lock().status.of(class) {
            LinkState::Down { reason, .. } => reason.clone(),
            LinkState::Up { .. } => DownReason::Replaced,
        }
    }

    /// What is cancelled when it is not wanted any more; none if it was wanted before.
    pub(super) fn want(&self, addresses: Vec<String>) -> Option<CancellationToken> {
        let mut state = self.state.lock();
        let moved = state.addresses != addresses;
        state.addresses = addresses;
        let new = state.wanted.is_none().then(CancellationToken::new);
        state.wanted = state.wanted.take().or_else(|| new.clone());
        drop(state);
        if moved {
            self.changed.iter().for_each(Notify::notify_one);
        }
        new
    }

    pub(super) fn unwant(&self) {
        if let Some(wanted) = self.state.lock().wanted.take() {
            wanted.cancel();
        }
    }

    /// Neither wanted nor linked.
    pub(super) fn is_unused(&self) -> bool {
        let linked = self.links.iter().any(|link| link.load().is_some());
        !linked && self.state.lock().wanted.is_none()
    }

    /// Where to dial: what the node was told, then what the peer said itself.
    pub(super) fn addresses(&self) -> Vec<String> {
        let state = self.state.lock();
        let mut addresses = state.addresses.clone();
        let said = state.status.addresses.as_ref().map(|it| &it.cluster);
        let said = said.filter(|said| !said.is_empty() && !addresses.contains(said)).cloned();
        addresses.extend(said);
        addresses
    }

    /// Links of another process of the same node.
    pub(super) fn links_of_others(&self, claim: Claim) -> Vec<Arc<Link>> {
        let links = self.links.iter().filter_map(|link| link.load_full());
        links.filter(|link| link.peer.run != claim.run).collect()
    }

    /// Decides about a new link and installs it if it stays; `told` gets its state then.
    pub(super) fn install(&self, link: &Arc<Link>, told: impl FnOnce(&LinkState)) -> Decision {
        let _order = self.order.lock();
        let slot = &self.links[link.peer.class as usize];
        let old = slot.load_full();
        let decision = match self.links_of_others(link.claim()).is_empty() {
            true => resolve(old.as_ref().map(|old| old.claim()), link.claim()),
            false => Decision::Probe,
        };
        if let Decision::Install | Decision::Replace = decision {
            slot.store(Some(link.clone()));
            let up = LinkState::Up { since: Instant::now() };
            {
                let status = &mut self.state.lock().status;
                status.links[link.peer.class as usize] = up.clone();
                status.run = Some(link.peer.run);
                status.addresses = Some(link.peer.addresses.clone());
            }
            if let Some(old) = old {
                old.retire(DownReason::Replaced);
            }
            told(&up);
        }
        decision
    }

    /// A link is not to be used any more. False, and nothing happens, if another one has taken its
    /// place.
    pub(super) fn uninstall(
        &self,
        link: &Arc<Link>,
        reason: &DownReason,
        told: impl FnOnce(&LinkState),
    ) -> bool {
        let _order = self.order.lock();
        let class = link.peer.class as usize;
        let current = self.links[class].load_full();
        if !current.is_some_and(|current| Arc::ptr_eq(&current, link)) {
            return false;
        }
        let (since, reason) = (Instant::now(), reason.clone());
        let down = LinkState::Down { since, reason, retry_at: None };
        self.state.lock().status.links[class] = down.clone();
        self.links[class].store(None);
        told(&down);
        self.changed[class].notify_one();
        true
    }

    /// A dial failed. Nothing happens if a link came up in the meantime.
    pub(super) fn failed(&self, class: Class, why: DownReason) {
        if let LinkState::Down { reason, .. } = &mut self.state.lock().status.links[class as usize]
        {
            *reason = why;
        }
    }

    /// When it will be dialed again, if there is no link by then.
    pub(super) fn will_retry(&self, class: Class, at: Instant) {
        let mut state = self.state.lock();
        if let LinkState::Down { retry_at, .. } = &mut state.status.links[class as usize] {
            *retry_at = Some(at);
        }
    }
}
