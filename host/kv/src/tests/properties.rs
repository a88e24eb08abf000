//! What holds for any sequence of commands.

use std::{collections::BTreeMap, format, vec, vec::Vec};

use aether_types::{LogIndex, Revision};
use bytes::Bytes;
use proptest::prelude::*;

use super::script::key;
use crate::*;

fn some_key() -> impl Strategy<Value = Key> {
    (0..6u8).prop_map(|i| key(&format!("{}/{i}", ["a", "b"][usize::from(i % 2)])))
}

fn some_value() -> impl Strategy<Value = Bytes> {
    (0..3u8).prop_map(|i| Bytes::from(vec![i; usize::from(i)]))
}

fn some_lease() -> impl Strategy<Value = LeaseId> {
    (1..4u64).prop_map(LeaseId)
}

fn some_condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        some_key().prop_map(|key| Condition::Absent { key }),
        some_key().prop_map(|key| Condition::Present { key }),
        (some_key(), 0..20u64)
            .prop_map(|(key, r)| Condition::ModifiedAt { key, revision: Revision(r) }),
        (some_key(), some_value()).prop_map(|(key, value)| Condition::ValueIs { key, value }),
        (0..2usize, 0..600u64)
            .prop_map(|(i, bytes)| Condition::ShareWithin { key: key(["a", "b"][i]), bytes }),
    ]
}

fn some_operations() -> impl Strategy<Value = Vec<Operation>> {
    let put_or_delete =
        prop::option::weighted(0.7, (some_value(), prop::option::weighted(0.3, some_lease())));
    prop::collection::btree_map(some_key(), put_or_delete, 0..4).prop_map(|operations| {
        let operations = operations.into_iter().map(|(key, put)| match put {
            Some((value, lease)) => Operation::Put { key, value, lease },
            None => Operation::Delete { key },
        });
        operations.collect()
    })
}

fn some_command() -> impl Strategy<Value = Command> {
    let transaction = (prop::collection::vec(some_condition(), 0..2), some_operations());
    let now = || (0..100u64).prop_map(LeaseTime);
    prop_oneof![
        10 => transaction.prop_map(|(conditions, operations)| {
            Command::Transaction(Transaction { conditions, operations }.try_into().unwrap())
        }),
        3 => (some_lease(), 1..50u64, now()).prop_map(|(lease, ttl, now)| {
            Command::LeaseGrant(LeaseGrant { lease, ttl: LeaseTtl::from_ms(ttl).unwrap(), now })
        }),
        1 => (some_lease(), now())
            .prop_map(|(lease, now)| Command::LeaseKeepAlive(LeaseKeepAlive { lease, now })),
        1 => some_lease().prop_map(|lease| Command::LeaseRevoke(LeaseRevoke { lease })),
        1 => now().prop_map(|now| Command::LeaseExpire(LeaseExpire { now })),
        1 => (0..30u64).prop_map(|r| Command::Compact(Compact { first: Revision(r) })),
    ]
}

fn some_commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(some_command(), 0..40)
}

fn replay(state: &mut State, commands: &[Command]) -> Vec<Applied> {
    let apply = |command| {
        let applied = state.apply(LogIndex(state.applied().0 + 1), command);
        state.check();
        applied
    };
    commands.iter().map(apply).collect()
}

fn current(state: &State) -> BTreeMap<Key, Entry> {
    state.range("").map(|(key, entry)| (key.clone(), entry.clone())).collect()
}

/// Seeds that failed are kept as tests by hand, not in a file.
fn settings() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn replay_equals_snapshot_and_replay(commands in some_commands(), at in 0..40usize) {
        let (head, tail) = commands.split_at(at.min(commands.len()));
        let mut straight = State::new();
        let said = replay(&mut straight, &commands);

        let mut before = State::new();
        replay(&mut before, head);
        let mut restored = State::decode(&before.encode()).unwrap();
        prop_assert_eq!(&restored, &before);
        let said_after = replay(&mut restored, tail);
        prop_assert_eq!(&restored, &straight);
        prop_assert_eq!(&said[head.len()..], &said_after[..]);
    }

    #[test]
    fn commands_survive_encoding(command in some_command()) {
        prop_assert_eq!(Command::decode(&command.encode()).unwrap(), command);
    }

    #[test]
    fn a_command_changes_what_its_events_say_and_nothing_else(commands in some_commands()) {
        let mut state = State::new();
        for command in &commands {
            let mut expected = current(&state);
            let revision = state.revision();
            let applied = replay(&mut state, std::slice::from_ref(command)).remove(0);
            for event in &applied.events {
                prop_assert_eq!(event.revision, Revision(revision.0 + 1));
                match &event.entry {
                    Some(entry) => expected.insert(event.key.clone(), entry.clone()),
                    None => expected.remove(&event.key),
                };
            }
            prop_assert_eq!(current(&state), expected);
            prop_assert!(applied.result.is_ok() || applied.events.is_empty());
        }
    }

    #[test]
    fn a_watch_misses_nothing_and_repeats_nothing(
        commands in some_commands(),
        polls in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut state = State::new();
        let mut watch = state.watch("a/", Revision(1)).unwrap();
        let (mut happened, mut seen) = (Vec::new(), Vec::new());
        for (command, poll) in commands.iter().zip(polls) {
            let applied = replay(&mut state, std::slice::from_ref(command)).remove(0);
            let watched = |event: &Event| event.key.as_str().starts_with("a/");
            happened.extend(applied.events.into_iter().filter(watched));
            if !poll {
                continue;
            }
            match watch.poll(&state) {
                Ok(events) => seen.extend(events.cloned()),
                // The answer to it: read everything again, watch from the revision after.
                Err(WatchError::Compacted { first }) => {
                    prop_assert!(watch.next() < first);
                    watch = state.watch("a/", Revision(state.revision().0 + 1)).unwrap();
                    seen.clone_from(&happened);
                }
                Err(error) => panic!("{error}"),
            }
            prop_assert_eq!(&seen, &happened);
        }
    }
}
