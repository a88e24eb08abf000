//! The log: what was persisted is loaded, by group, after any end of the process.

use std::{collections::BTreeMap, fs, path::Path};

use aether_consensus::{Config, Effect, Group, GroupId, ProposalId, Restored};
use aether_types::{ErrorKind, NodeId};
use bytes::Bytes;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{
    killed, open,
    persists::{settings, some_persists, step, write},
};
use crate::{Error, Storage};

#[test]
fn a_group_survives_kills_between_its_steps() {
    let home = tempfile::tempdir().unwrap();
    let mut storage = open(home.path());
    let founding = Restored::founding([NodeId(1)], Bytes::new());
    assert_eq!(storage.log.load(GroupId(0)).unwrap(), None);
    storage.log.persist(&[founding.to_persist(GroupId(0))]).unwrap();

    let mut acknowledged = Vec::new();
    let mut homes = vec![home];
    for life in 0..4u128 {
        let restored = storage.log.load(GroupId(0)).unwrap().unwrap();
        let mut config = Config::new(GroupId(0), NodeId(1), 1);
        config.log_entries_max = 8;
        let mut group = Group::new(config, restored).unwrap();
        let mut applied = Vec::new();
        for turn in 0..8 {
            if turn > 0 {
                let id = ProposalId(life * 100 + turn);
                group.propose(id, None, Bytes::from(vec![7; 100])).unwrap();
            }
            drain(&mut group, &mut storage, &mut applied);
        }
        assert!(applied.starts_with(&acknowledged), "{applied:?} {acknowledged:?}");
        assert_eq!(applied.len(), acknowledged.len() + 7);
        acknowledged = applied;
        homes.push(killed(homes.last().unwrap().path()));
        storage = open(homes.last().unwrap().path());
    }
}

/// What a node does with effects; the state machine is the list of what was applied.
fn drain(group: &mut Group, storage: &mut Storage, applied: &mut Vec<u8>) {
    loop {
        let effects = group.advance();
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Persist(persist) => {
                    storage.log.persist(std::slice::from_ref(&persist)).unwrap();
                    group.on_persisted(persist.number);
                }
                Effect::Restore(snapshot) => *applied = snapshot.data.to_vec(),
                Effect::Apply(command) => applied.push(command.id.0 as u8),
                Effect::TakeSnapshot { index } => group.on_snapshot(index, applied.clone().into()),
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(settings(16))]

    #[test]
    fn what_was_persisted_is_loaded(steps in some_persists()) {
        let home = tempfile::tempdir().unwrap();
        let mut expected = BTreeMap::<GroupId, Restored>::new();
        let mut storage = open(home.path());
        storage.log.persist(&steps).unwrap();
        for step in &steps {
            write(expected.entry(step.group).or_default(), step);
        }
        drop(storage);
        let mut storage = open(home.path());
        let groups: Vec<_> = expected.keys().copied().collect();
        prop_assert_eq!(storage.log.groups(), groups);
        for (group, expected) in expected {
            prop_assert_eq!(storage.log.load(group).unwrap(), Some(expected));
        }
    }
}

#[test]
fn damage_is_told_when_the_log_is_opened() {
    let home = tempfile::tempdir().unwrap();
    let mut storage = open(home.path());
    for index in 1..50 {
        storage.log.persist(&[step(0, 1, (1, index), (index, index + 1))]).unwrap();
    }
    drop(storage);
    let path = home.path().join("raft/00000000000000000001.log");
    let whole = fs::read(&path).unwrap();
    let payload = whole.windows(200).position(|bytes| *bytes == [1; 200]).expect("an entry");
    let mut damaged = whole;
    damaged[payload + 100] ^= 1;
    fs::write(&path, &damaged).unwrap();
    check(
        home.path(),
        expect!["read DIR/raft/00000000000000000001.log: it is damaged, at record 7"],
    );
    fs::write(&path, b"no log at all").unwrap();
    check(
        home.path(),
        expect!["read DIR/raft/00000000000000000001.log: it is damaged, at record 1"],
    );
}

fn check(home: &Path, expected: Expect) {
    let error = Storage::open(home).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    expected.assert_eq(&error.to_string().replace(&*home.to_string_lossy(), "DIR"));
}
