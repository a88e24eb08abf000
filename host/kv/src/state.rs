//! The map itself: current entries, leases, recent history. Knows no clock and no log but the
//! index of the last command.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::ops::Bound;

use aether_types::{
    LogIndex, Revision,
    versioned::{self, DecodeError, Versioned},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Applied, Command, Entry, Event, Key, LeaseId, LeaseTime, Watch, WatchError,
    entries::Entries,
    entry::{share_weight, weight},
    history::History,
    lease::Lease,
};

/// Equal on every node that applied the same commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    applied: LogIndex,
    revision: Revision,
    lease_time: LeaseTime,
    entries: Entries,
    bytes: u64,
    /// By first segment; made from the entries, so it is in no snapshot.
    #[serde(skip)]
    shares: BTreeMap<String, u64>,
    pub(crate) leases: BTreeMap<LeaseId, Lease>,
    pub(crate) history: History,
}

impl Versioned for State {
    const FORMAT: u8 = 1;
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Nothing applied yet; the first change gets revision 1.
    pub fn new() -> Self {
        Self {
            applied: LogIndex(0),
            revision: Revision(0),
            lease_time: LeaseTime(0),
            entries: Entries::default(),
            bytes: 0,
            shares: BTreeMap::new(),
            leases: BTreeMap::new(),
            history: History::new(),
        }
    }

    /// Applies one committed command. Total: a command that cannot take effect is refused inside
    /// the result, the same on every node.
    ///
    /// Panics if `index` is not later than every index before: a command would count twice.
    pub fn apply(&mut self, index: LogIndex, command: &Command) -> Applied {
        assert!(index > self.applied, "{index} applied after {}", self.applied);
        self.applied = index;
        let mut events = Vec::new();
        let result = match command {
            Command::Transaction(command) => command.apply(self, &mut events),
            Command::LeaseGrant(command) => command.apply(self),
            Command::LeaseKeepAlive(command) => command.apply(self),
            Command::LeaseRevoke(command) => command.apply(self, &mut events),
            Command::LeaseExpire(command) => command.apply(self, &mut events),
            Command::Compact(command) => command.apply(self),
        };
        assert!(result.is_ok() || events.is_empty(), "a refused command changed something");
        self.revision = self.revision_after(&events);
        self.history.extend(&events);
        Applied { result, events }
    }

    /// Index of the last command applied.
    pub fn applied(&self) -> LogIndex {
        self.applied
    }

    /// Counts the commands that changed an entry.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Entries whose key starts with `prefix`, in order. `"plan"` also matches `planets`: say
    /// `"plan/"` for what is below a segment.
    pub fn range<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
        self.range_after(prefix, None)
    }

    /// Those of [`State::range`] whose key comes after `after`.
    pub fn range_after<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Entry)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.entries.from(from).take_while(move |(key, _)| key.as_str().starts_with(prefix))
    }

    /// Watches every key that starts with `prefix`, from the changes of revision `from` on.
    pub fn watch(&self, prefix: &str, from: Revision) -> Result<Watch, WatchError> {
        self.changes(from).map(|_| Watch::new(prefix, from))
    }

    /// Changes of revision `from` and later, in order.
    pub(crate) fn changes(
        &self,
        from: Revision,
    ) -> Result<impl Iterator<Item = &Event>, WatchError> {
        let first = self.history.first();
        if from < first {
            return Err(WatchError::Compacted { first });
        }
        if from.0 > self.revision.0 + 1 {
            return Err(WatchError::Ahead { newest: self.revision });
        }
        Ok(self.history.since(from))
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the entries with this first segment count: their bytes, and
    /// [`ENTRY_BYTES`](crate::limits::ENTRY_BYTES) for each.
    pub fn share(&self, segment: &Key) -> u64 {
        self.shares.get(segment.as_str()).copied().unwrap_or(0)
    }

    /// Where a new leader's lease clock starts.
    pub fn lease_time(&self) -> LeaseTime {
        self.lease_time
    }

    /// When the next lease ends unless it is kept alive: time to propose [`crate::LeaseExpire`].
    pub fn next_expiry(&self) -> Option<LeaseTime> {
        self.leases.values().map(|lease| lease.expires).min()
    }

    pub fn has_lease(&self, lease: LeaseId) -> bool {
        self.leases.contains_key(&lease)
    }

    /// The whole state, for a snapshot.
    pub fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    /// The state that was encoded. Another format or damaged bytes are refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut state: Self = versioned::decode(bytes)?;
        state.shares = shares(&state.entries);
        match state.defect() {
            None => Ok(state),
            Some(_) => Err(DecodeError::Damaged { what: core::any::type_name::<Self>() }),
        }
    }

    /// Panics if an invariant does not hold.
    pub fn check(&self) {
        assert_eq!(self.defect(), None);
    }

    fn defect(&self) -> Option<&'static str> {
        let bytes: u64 = self.entries.iter().map(|(key, e)| weight(key, &e.value)).sum();
        let leased = self.entries.iter().filter_map(|(key, e)| Some((e.lease?, key)));
        let holds = |(id, key)| self.leases.get(&id).is_some_and(|l| l.keys.contains(key));
        let held: usize = self.leases.values().map(|lease| lease.keys.len()).sum();
        let in_order = |e: &Entry| e.created <= e.modified && e.modified <= self.revision;
        match () {
            () if !self.entries.is_consistent() => Some("the order is not that of the entries"),
            () if bytes != self.bytes => Some("the bytes are not those of the entries"),
            () if shares(&self.entries) != self.shares => Some("a share is not its entries'"),
            () if !leased.clone().all(holds) => Some("a key is not held by its lease"),
            () if leased.count() != held => Some("a lease holds a key that is not its own"),
            () if !self.entries.iter().all(|(_, e)| in_order(e)) => {
                Some("an entry is from the future")
            }
            () if !self.history.is_consistent() => Some("the history contradicts itself"),
            () if self.history.last() > Some(self.revision) => Some("the history is ahead"),
            () => None,
        }
    }

    pub(crate) fn revision_after(&self, events: &[Event]) -> Revision {
        events.first().map_or(self.revision, |event| event.revision)
    }

    /// The lease clock never goes back, whatever a leader says.
    pub(crate) fn advance_lease_time(&mut self, now: LeaseTime) -> LeaseTime {
        self.lease_time = self.lease_time.max(now);
        self.lease_time
    }

    /// The lease, if any, must exist.
    pub(crate) fn put(&mut self, key: &Key, value: &Bytes, lease: Option<LeaseId>) -> Event {
        let revision = Revision(self.revision.0 + 1);
        let value = value.clone();
        let mut entry = Entry { value, created: revision, modified: revision, lease };
        // One search where there was an entry, which is what most writes do.
        let old = self.entries.get_mut(key).map(|old| {
            entry.created = old.created;
            core::mem::replace(old, entry.clone())
        });
        match old {
            Some(old) => self.forget(key, &old),
            None => self.entries.insert(key.clone(), entry.clone()),
        }
        if let Some(id) = lease {
            let lease = self.leases.get_mut(&id).expect("the caller found the lease");
            lease.keys.insert(key.clone());
        }
        self.bytes += weight(key, &entry.value);
        let segment = key.first_segment();
        match self.shares.get_mut(segment) {
            Some(share) => *share += share_weight(key, &entry.value),
            None => drop(self.shares.insert(segment.into(), share_weight(key, &entry.value))),
        }
        Event { revision, key: key.clone(), entry: Some(entry) }
    }

    pub(crate) fn delete(&mut self, key: &Key) -> Option<Event> {
        self.take(key)?;
        let revision = Revision(self.revision.0 + 1);
        Some(Event { revision, key: key.clone(), entry: None })
    }

    pub(crate) fn end_lease(&mut self, lease: LeaseId, events: &mut Vec<Event>) {
        let keys = self.leases.get(&lease).map(|lease| lease.keys.clone()).unwrap_or_default();
        events.extend(keys.iter().filter_map(|key| self.delete(key)));
        self.leases.remove(&lease);
    }

    fn take(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.forget(key, &entry);
        Some(entry)
    }

    /// What counts of an entry that is there no longer.
    fn forget(&mut self, key: &Key, entry: &Entry) {
        self.bytes -= weight(key, &entry.value);
        let segment = key.first_segment();
        let share = self.shares.get_mut(segment).expect("an entry counts in its share");
        *share -= share_weight(key, &entry.value);
        if *share == 0 {
            self.shares.remove(segment);
        }
        if let Some(lease) = entry.lease.and_then(|id| self.leases.get_mut(&id)) {
            lease.keys.remove(key);
        }
    }
}

fn shares(entries: &Entries) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    for (key, entry) in entries.iter() {
        let share: &mut u64 = shares.entry(key.first_segment().into()).or_default();
        *share += share_weight(key, &entry.value);
    }
    shares
}
