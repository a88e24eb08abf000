//! The current entries, by key and in order. Knows nothing of what they count.

use alloc::collections::{BTreeMap, BTreeSet};
use core::{fmt, ops::Bound};

use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Entry, Key};

/// A hash table finds an entry with one comparison, where a tree of 10,000 would compare 25 keys,
/// each somewhere else in memory. The order of the keys stands beside it, for ranges and snapshots.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    by_key: HashMap<Key, Entry>,
    order: BTreeSet<Key>,
}

impl Entries {
    pub(crate) fn get(&self, key: &Key) -> Option<&Entry> {
        self.by_key.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut Entry> {
        self.by_key.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: Key, entry: Entry) {
        if self.by_key.insert(key.clone(), entry).is_none() {
            self.order.insert(key);
        }
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.by_key.remove(key)?;
        self.order.remove(key);
        Some(entry)
    }

    /// In the order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> + Clone {
        self.order.iter().map(|key| (key, &self.by_key[key]))
    }

    /// From a key on, in order.
    pub(crate) fn from<'a>(
        &'a self,
        key: Bound<&str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Entry)> + use<'a> {
        let keys = self.order.range::<str, _>((key, Bound::Unbounded));
        keys.map(|key| (key, &self.by_key[key]))
    }

    /// Whether both parts have the same keys.
    pub(crate) fn is_consistent(&self) -> bool {
        let has = |key| self.by_key.contains_key(key);
        self.order.len() == self.by_key.len() && self.order.iter().all(has)
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// As a map in order: the same bytes on every node.
impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entries = Self::default();
        for (key, entry) in BTreeMap::deserialize(deserializer)? {
            entries.insert(key, entry);
        }
        Ok(entries)
    }
}
