//! A disk that forgets what was not synced, keeps a random part of it, or is full: what was
//! acknowledged is there anyway.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use aether_consensus::Position;
use proptest::prelude::*;
use redb::StorageBackend;

use super::*;
use crate::tests::persists::{settings, some_persists, write};

/// Bytes that are safe, and writes that the disk has only heard of.
#[derive(Debug, Default)]
struct Platter {
    safe: Vec<u8>,
    heard: Vec<Heard>,
    full: bool,
}

#[derive(Debug, Clone)]
enum Heard {
    Length(u64),
    Bytes { offset: u64, bytes: Vec<u8> },
}

impl Platter {
    fn current(&self) -> Vec<u8> {
        let mut bytes = self.safe.clone();
        self.heard.iter().for_each(|heard| heard.reach(&mut bytes));
        bytes
    }

    /// What is found after the power is back. Of a write, any of its pages may have made it.
    fn cut(&self, luck: &mut impl Iterator<Item = bool>) -> Vec<u8> {
        const PAGE: usize = 512;
        let mut bytes = self.safe.clone();
        for heard in &self.heard {
            match heard {
                Heard::Length(_) => heard.reach(&mut bytes),
                Heard::Bytes { offset, bytes: written } => {
                    for (i, page) in written.chunks(PAGE).enumerate() {
                        let offset = offset + (i * PAGE) as u64;
                        if luck.next().unwrap_or(false) {
                            Heard::Bytes { offset, bytes: page.to_vec() }.reach(&mut bytes);
                        }
                    }
                }
            }
        }
        bytes
    }
}

impl Heard {
    fn reach(&self, disk: &mut Vec<u8>) {
        match self {
            Self::Length(length) => disk.resize(*length as usize, 0),
            Self::Bytes { offset, bytes } => {
                let start = *offset as usize;
                disk[start..start + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn of(safe: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Platter { safe, ..Platter::default() })))
    }

    fn hear(&self, heard: Heard) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        match platter.full {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => {
                platter.heard.push(heard);
                Ok(())
            }
        }
    }

    fn open(&self) -> Database {
        builder().create_with_backend(self.clone()).expect("a cut never damages the log")
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().current().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap().current();
        let found = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.hear(Heard::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.safe = platter.current();
        platter.heard.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.hear(Heard::Bytes { offset, bytes: data.to_vec() })
    }
}

type Kept = BTreeMap<GroupId, Restored>;

fn kept(database: &Database) -> Kept {
    let group = |group| {
        let (hard_state, snapshot, entries) = read(database, group).unwrap();
        let entries = entries.iter().map(|bytes| versioned::decode(bytes).unwrap());
        let restored = Restored {
            hard_state: versioned::decode(&hard_state?).unwrap(),
            snapshot: snapshot.map(|s| versioned::decode(&s).unwrap()).unwrap_or_default(),
            entries: entries.collect(),
        };
        Some((group, restored))
    };
    [GroupId(0), GroupId(1)].into_iter().filter_map(group).collect()
}

proptest! {
    #![proptest_config(settings(48))]

    /// Cut the power in the middle of a commit, over and over.
    #[test]
    fn a_cut_loses_nothing_acknowledged(
        steps in some_persists(),
        luck in prop::collection::vec(any::<bool>(), 64),
    ) {
        let mut luck = luck.into_iter().cycle();
        let mut disk = Disk::default();
        let mut database = disk.open();
        found(&database).unwrap();
        let mut acknowledged = Kept::new();
        for step in steps {
            let mut after = acknowledged.clone();
            write(after.entry(step.group).or_default(), &step);
            // The cut comes before the last sync of the commit, if it comes.
            let before = disk.0.lock().unwrap().safe.clone();
            commit(&database, std::slice::from_ref(&step)).unwrap();
            prop_assert_eq!(&kept(&database), &after);
            let finished = disk.0.lock().unwrap().safe.clone();
            let torn = tear(before, &finished, &mut luck);
            prop_assert!([&acknowledged, &after].contains(&&kept(&Disk::of(torn).open())));

            // And one after it: the step was acknowledged.
            drop(database);
            let left = disk.0.lock().unwrap().cut(&mut luck);
            disk = Disk::of(left);
            database = disk.open();
            prop_assert_eq!(&kept(&database), &after);
            acknowledged = after;
        }
    }
}

/// A commit of which only some of the changed sectors made it.
fn tear(before: Vec<u8>, after: &[u8], luck: &mut impl Iterator<Item = bool>) -> Vec<u8> {
    let mut torn = before;
    torn.resize(after.len().max(torn.len()), 0);
    for (old, new) in torn.chunks_mut(512).zip(after.chunks(512)) {
        if old != new && luck.next().unwrap_or(false) {
            old[..new.len()].copy_from_slice(new);
        }
    }
    torn
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let disk = Disk::default();
    let database = disk.open();
    found(&database).unwrap();
    let first = Restored::founding([aether_types::NodeId(1)], vec![7; 100].into());
    commit(&database, &[first.to_persist(GroupId(0))]).unwrap();

    disk.0.lock().unwrap().full = true;
    let mut second = first.clone();
    second.snapshot.data = vec![8; 100_000].into();
    let refused = commit(&database, &[second.to_persist(GroupId(0))]);
    let error = failed("write", Path::new("/data/raft.redb"))(refused.unwrap_err());
    assert_eq!(error.kind(), aether_types::ErrorKind::Exhausted, "{error:?}");
    assert_eq!(error.to_string(), "write /data/raft.redb");
    drop(database);

    let left = disk.0.lock().unwrap().safe.clone();
    let kept = kept(&Disk::of(left).open());
    assert_eq!(kept[&GroupId(0)], first);
    assert_ne!(first.snapshot.position, Position::default());
}
