//! A disk that keeps a random part of what was not synced, that changes a byte, or that fails: what
//! was acknowledged is there anyway, or the damage is told.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

use aether_consensus::Position;
use aether_types::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::{
    Storage,
    tests::persists::{settings, some_persists, step, write},
};

type Files = BTreeMap<String, Vec<u8>>;
type Groups = BTreeMap<GroupId, Restored>;

const SECTOR: usize = 512;

/// Few records fill it.
const SMALL: u64 = 3_000;

fn open(home: &Path) -> Result<Log, Error> {
    let mut log = Storage::open(home)?.log;
    log.segment_bytes = SMALL;
    Ok(log)
}

fn files(log: &Log) -> Files {
    let names = files::list(&log.directory).unwrap();
    let read = |name: String| (name.clone(), fs::read(log.directory.join(name)).unwrap());
    names.into_iter().map(read).collect()
}

/// A log of these files in a place of its own.
fn opened(files: &Files) -> Result<(Groups, tempfile::TempDir), Error> {
    let home = tempfile::tempdir().unwrap();
    drop(Storage::open(home.path()).unwrap());
    let directory = home.path().join(NAME);
    for name in files::list(&directory).unwrap() {
        fs::remove_file(directory.join(name)).unwrap();
    }
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
    let mut log = open(home.path())?;
    Ok((groups(&mut log)?, home))
}

fn groups(log: &mut Log) -> Result<Groups, Error> {
    log.groups().into_iter().map(|group| Ok((group, log.load(group)?.unwrap()))).collect()
}

proptest! {
    #![proptest_config(settings(48))]

    /// Cut the power while a record is written, and while files are removed after it, again and
    /// again.
    #[test]
    fn a_cut_loses_nothing_acknowledged(
        steps in some_persists(),
        luck in prop::collection::vec(any::<bool>(), 64),
    ) {
        let mut luck = luck.into_iter().cycle();
        let mut home = tempfile::tempdir().unwrap();
        let mut log = open(home.path()).unwrap();
        let mut acknowledged = Groups::new();
        for step in steps {
            let mut expected = acknowledged.clone();
            write(expected.entry(step.group).or_default(), &step);
            let before = files(&log);
            log.persist(std::slice::from_ref(&step)).unwrap();
            let after = files(&log);
            prop_assert_eq!(&groups(&mut log).unwrap(), &expected);

            let torn = tear(&before, &after, &mut luck);
            let (found, next) = opened(&torn).expect("a cut never damages the log");
            prop_assert!(found == acknowledged || found == expected, "{found:?}");
            let mut goes_on = open(next.path()).unwrap();
            goes_on.persist(std::slice::from_ref(&step)).unwrap();
            let torn = files(&goes_on);

            // Or the record is there, and what was removed after it is back.
            let left = match luck.next() {
                Some(true) => torn,
                _ => {
                    let back = before.into_iter().filter(|(name, _)| {
                        !after.contains_key(name) && luck.next().unwrap_or(false)
                    });
                    back.chain(after.clone()).collect()
                }
            };
            let (found, next) = opened(&left).expect("a cut never damages the log");
            prop_assert_eq!(&found, &expected);
            acknowledged = expected;
            (log, home) = (open(next.path()).unwrap(), next);
        }
        drop(home);
    }

    /// One byte anywhere: it is told, or it was in the last record, or in nothing that matters.
    #[test]
    fn no_change_goes_unnoticed(
        steps in some_persists(),
        file in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let home = tempfile::tempdir().unwrap();
        let mut log = open(home.path()).unwrap();
        let (mut before, mut after) = (Groups::new(), Groups::new());
        for step in &steps {
            log.persist(std::slice::from_ref(step)).unwrap();
            before = after.clone();
            write(after.entry(step.group).or_default(), step);
        }
        let mut changed = files(&log);
        let name = file.get(&changed.keys().cloned().collect::<Vec<_>>()).clone();
        let bytes = changed.get_mut(&name).unwrap();
        // Mostly where records are, and not in the room after them.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let place = place.index((used + SECTOR).min(bytes.len()));
        bytes[place] ^= change;
        match opened(&changed) {
            Ok((found, _)) => prop_assert!(found == after || found == before, "{found:?}"),
            Err(Error::Damaged { .. } | Error::Io { .. }) => {}
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}

/// Of a segment that was there before, only some of the changed sectors. Files that are new were
/// synced before any record names them, and none was removed yet.
fn tear(before: &Files, after: &Files, luck: &mut impl Iterator<Item = bool>) -> Files {
    let mut torn = before.clone();
    for (name, new) in after {
        let old = torn.entry(name.clone()).or_insert_with(|| new.clone());
        old.resize(new.len(), 0);
        for (old, new) in old.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
            if old != new && luck.next().unwrap_or(false) {
                old.copy_from_slice(new);
            }
        }
    }
    torn
}

#[test]
fn segments_that_nobody_needs_are_removed() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path()).unwrap();
    let segments = |log: &Log| {
        let names = files(log).into_keys().filter(|name| segment::number(name).is_some());
        names.count()
    };
    let mut expected = Groups::new();
    // The other group's only entry is in the first segment: all are needed.
    let other = step(1, 1, (1, 1), (1, 2));
    write(expected.entry(other.group).or_default(), &other);
    log.persist(&[other]).unwrap();
    for index in 1..60 {
        let kept = index.max(10) - 9;
        let step = step(0, 1, (kept, index), (index, index + 1));
        write(expected.entry(step.group).or_default(), &step);
        log.persist(&[step]).unwrap();
    }
    assert!(segments(&log) > 5, "{}", segments(&log));
    let compacted = step(1, 1, (2, 2), (2, 3));
    write(expected.entry(compacted.group).or_default(), &compacted);
    log.persist(&[compacted]).unwrap();
    assert!(segments(&log) <= 3, "{}", segments(&log));
    assert_eq!(groups(&mut log).unwrap(), expected);
    drop(log);
    assert_eq!(groups(&mut open(home.path()).unwrap()).unwrap(), expected);
}

/// Found by a change of one byte: what the other segments say is whole, and lacks entries.
#[test]
fn damage_to_the_record_that_made_a_segment_unneeded_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path()).unwrap();
    log.persist(&[step(0, 1, (1, 1), (1, 16))]).unwrap();
    let first: Vec<_> = files(&log).into_keys().collect();
    log.persist(&[step(0, 2, (16, 16), (16, 17))]).unwrap();
    let mut files = files(&log);
    assert!(files.len() == 1 && !files.contains_key(&first[0]), "{first:?}");
    let (found, _) = opened(&files).unwrap();
    assert_eq!(found[&GroupId(0)].entries.len(), 1);

    let bytes = files.values_mut().next().unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 1;
    assert!(matches!(opened(&files), Err(Error::Damaged { .. })));
}

#[test]
fn a_write_that_failed_is_repeated_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path()).unwrap();
    let first = Restored::founding([aether_types::NodeId(1)], vec![7; 100].into());
    log.persist(&[first.to_persist(GroupId(0))]).unwrap();
    assert_ne!(first.snapshot.position, Position::default());

    // Half of a record gets there, and the disk fails.
    let path = log.directory.join("00000000000000000001.log");
    let last = log.segments.last_mut().unwrap();
    let readable = File::open(&path).unwrap();
    let writable = last.replace(readable);
    let end = last.bytes();
    writable.write_all_at(&[0xab; 700], end).unwrap();
    let mut second = first.clone();
    second.snapshot.data = vec![8; 1_000].into();
    let refused = log.persist(&[second.to_persist(GroupId(0))]).unwrap_err();
    assert!(matches!(refused, Error::Io { action: "write", .. }), "{refused:?}");
    let (found, _) = opened(&files(&log)).unwrap();
    assert_eq!(found[&GroupId(0)], first);

    drop(log.segments.last_mut().unwrap().replace(writable));
    log.persist(&[second.to_persist(GroupId(0))]).unwrap();
    log.persist(&[step(1, 1, (1, 1), (1, 4))]).unwrap();
    let (found, _) = opened(&files(&log)).unwrap();
    assert_eq!(found[&GroupId(0)], second);
    assert_eq!(found[&GroupId(1)].entries.len(), 3);
}

#[test]
fn what_a_crash_left_of_a_record_is_cut_off() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path()).unwrap();
    let end = log.segments[0].bytes();
    let path = log.directory.join("00000000000000000001.log");
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0xab; 2 * SMALL as usize], end).unwrap();
    drop(log);
    log = open(home.path()).unwrap();
    let mut expected = Groups::new();
    for index in 1..20 {
        let step = step(0, 1, (1, index), (index, index + 1));
        write(expected.entry(step.group).or_default(), &step);
        log.persist(&[step]).unwrap();
    }
    assert!(log.segments.len() > 1);
    drop(log);
    assert_eq!(groups(&mut open(home.path()).unwrap()).unwrap(), expected);
}

#[test]
fn a_lost_snapshot_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path()).unwrap();
    let founding = Restored::founding([aether_types::NodeId(1)], vec![7; 100].into());
    log.persist(&[founding.to_persist(GroupId(0))]).unwrap();
    let snapshot = log.kept[&GroupId(0)].snapshot.unwrap();
    let names = files::list(&log.directory).unwrap();
    let name = names.iter().find(|name| snapshot.is(name)).unwrap();
    fs::remove_file(log.directory.join(name)).unwrap();
    let error = log.load(GroupId(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains(name), "{error}");
}
