//! Limits and formats: what is refused before it reaches the state, or by the state.

use std::{format, string::ToString, vec, vec::Vec};

use aether_types::{LogIndex, Revision, versioned::DecodeError};
use bytes::Bytes;
use expect_test::{Expect, expect};

use super::script::key;
use crate::{limits::*, *};

#[test]
fn keys_are_paths() {
    let check = |text: &str, expected: Expect| {
        expected.assert_eq(&Key::new(text).map_or_else(|e| e.to_string(), |k| k.to_string()));
    };
    check("config/node/a b", expect!["config/node/a b"]);
    check("", expect!["a key has 1 to 512 bytes, this one has 0"]);
    check(&"k".repeat(KEY_BYTES_MAX + 1), expect!["a key has 1 to 512 bytes, this one has 513"]);
    check("a//b", expect![[r#"the key "a//b" has an empty segment"#]]);
    check("/a", expect![[r#"the key "/a" has an empty segment"#]]);
    check("a/", expect![[r#"the key "a/" has an empty segment"#]]);
    check("a\nb", expect![[r#"the key "a\nb" has a control character"#]]);
    assert!(Key::new(&"k".repeat(KEY_BYTES_MAX)).is_ok());
}

#[test]
fn transactions_have_limits() {
    let put = |k: &str, bytes: usize| Operation::Put {
        key: key(k),
        value: Bytes::from(vec![0; bytes]),
        lease: None,
    };
    let check = |operations: Vec<Operation>, expected: Expect| {
        let transaction = Transaction { conditions: vec![], operations };
        let valid = ValidTransaction::try_from(transaction);
        expected.assert_eq(&valid.map_or_else(|e| e.to_string(), |_| "valid".into()));
    };
    let many = |count: usize| (0..count).map(|i| put(&format!("{i}"), 1)).collect();
    check(many(TRANSACTION_PARTS_MAX), expect!["valid"]);
    check(
        many(TRANSACTION_PARTS_MAX + 1),
        expect!["a transaction has at most 1000 operations, this one has 1001"],
    );
    check(vec![put("a", VALUE_BYTES_MAX)], expect!["valid"]);
    check(
        vec![put("a", VALUE_BYTES_MAX + 1)],
        expect!["the value of a has 1048577 bytes, more than 1048576"],
    );
    let large = (0..5).map(|i| put(&format!("{i}"), VALUE_BYTES_MAX - 1)).collect();
    check(large, expect!["a transaction has at most 4194304 bytes, this one has 5242880"]);
    check(vec![put("a", 1), Operation::Delete { key: key("a") }], expect!["two operations on a"]);
}

#[test]
fn lease_times_have_limits() {
    assert!(LeaseTtl::from_ms(LEASE_TTL_MS_MAX).is_ok());
    for ms in [0, LEASE_TTL_MS_MAX + 1] {
        assert!(LeaseTtl::from_ms(ms).is_err(), "{ms}");
    }
}

#[test]
fn the_state_is_bounded_and_shrinks_even_when_full() {
    let mut state = State::new();
    let value = Bytes::from(vec![0; VALUE_BYTES_MAX - 2]);
    let mut apply = |operation: Operation| {
        let transaction = Transaction { conditions: vec![], operations: vec![operation] };
        let index = LogIndex(state.applied().0 + 1);
        state.apply(index, &Command::Transaction(transaction.try_into().unwrap())).result
    };
    let mut put =
        |k: &str| apply(Operation::Put { key: key(k), value: value.clone(), lease: None });
    for i in 10..74 {
        put(&format!("{i}")).unwrap();
    }
    let full = put("74").unwrap_err();
    assert_eq!(full, Refused::StateExhausted { bytes: STATE_BYTES_MAX + VALUE_BYTES_MAX as u64 });
    put("10").unwrap();
    apply(Operation::Delete { key: key("10") }).unwrap();
    state.check();
    assert_eq!(state.bytes(), STATE_BYTES_MAX - VALUE_BYTES_MAX as u64);
    // The history has room for eight such puts; the delete takes a little of it.
    let first = Revision(state.revision().0 - 7);
    assert_eq!(state.watch("", Revision(1)).unwrap_err(), WatchError::Compacted { first });
    assert!(state.watch("", first).is_ok());
}

#[test]
fn other_formats_and_damaged_bytes_are_refused() {
    let check = |result: Result<(), DecodeError>, expected: Expect| {
        expected.assert_eq(&match result.unwrap_err() {
            DecodeError::Format { found, known, .. } => format!("format {found}, not {known}"),
            DecodeError::Damaged { .. } => "damaged".into(),
        });
    };
    let mut command = Command::Compact(Compact { first: Revision(1) }).encode();
    assert!(Command::decode(&command).is_ok());
    command[0] = 2;
    check(Command::decode(&command).map(drop), expect!["format 2, not 1"]);
    check(Command::decode(&[1, 99]).map(drop), expect!["damaged"]);
    check(Command::decode(&[]).map(drop), expect!["damaged"]);

    let mut state = State::new().encode();
    assert_eq!(State::decode(&state).unwrap(), State::new());
    state[0] = 9;
    check(State::decode(&state).map(drop), expect!["format 9, not 1"]);
    let mut torn = State::new().encode();
    torn.truncate(3);
    check(State::decode(&torn).map(drop), expect!["damaged"]);
    let mut wrong_weight = State::new();
    wrong_weight.apply(LogIndex(1), &Command::Compact(Compact { first: Revision(1) }));
    let mut bytes = wrong_weight.encode();
    bytes[5] += 1;
    check(State::decode(&bytes).map(drop), expect!["damaged"]);
}
