//! Hellos: what is said, what is refused and how that reads.

use aether_types::{ClusterId, NodeId};
use expect_test::{Expect, expect};
use proptest::{collection::vec, prelude::*};

use super::{Addresses, Class, Hello, Purpose, Refusal, Run};

fn hello(node: u64) -> Hello {
    Hello {
        cluster: ClusterId(1),
        node: NodeId(node),
        run: Run(node),
        starts: 1,
        purpose: Purpose::Link(Class::Calls),
        clock_ms: 1_000_000,
        addresses: Addresses { cluster: "a:1".into(), http: "b:2".into(), api: "c:3".into() },
    }
}

/// What node 1 says to a hello of node 2 that was changed.
fn check(change: fn(&mut Hello), expected: Expect) {
    let mut theirs = hello(2);
    change(&mut theirs);
    let decoded = Hello::decode(&theirs.encode());
    let refused = decoded.and_then(|decoded| {
        assert_eq!(decoded, theirs);
        decoded.check(&hello(1), 10_000)
    });
    expected.assert_eq(&refused.err().map_or("welcome".into(), |it| it.to_string()));
}

#[test]
fn each_refusal_has_its_reason() {
    check(|_| {}, expect!["welcome"]);
    check(|it| it.clock_ms += 10_000, expect!["welcome"]);
    check(
        |it| it.clock_ms += 10_001,
        expect!["clock skew: the clocks differ by 10001 ms, at most 10000 ms are tolerated"],
    );
    check(
        |it| it.clock_ms = 0,
        expect!["clock skew: the clocks differ by 1000000 ms, at most 10000 ms are tolerated"],
    );
    check(
        |it| it.cluster = ClusterId(9),
        expect![[r#"
            wrong cluster: it belongs to 00000000000000000000000000000009, this node to 00000000000000000000000000000001"#]],
    );
    check(
        |it| it.node = NodeId(1),
        expect!["duplicate identity: another process of node 0000000000000001 is alive"],
    );
    check(|it| (it.node, it.run) = (NodeId(1), Run(1)), expect!["it is this very process"]);
    check(
        |it| it.addresses.api = "x".repeat(261),
        expect!["not a node of this kind: its first words are not ours"],
    );
}

#[test]
fn versions_are_told_before_all_else() {
    let check = |versions: [u8; 4], expected: Expect| {
        // Another version may put anything behind the versions.
        let bytes = [b"AETHLINK".as_slice(), &versions, b"?"].concat();
        expected.assert_eq(&Hello::decode(&bytes).unwrap_err().to_string());
    };
    check([3, 0, 4, 0], expect!["wrong version: it speaks versions 3 to 4, this node 2 to 2"]);
    check([1, 0, 1, 0], expect!["wrong version: it speaks versions 1 to 1, this node 2 to 2"]);
    check([1, 0, 9, 0], expect!["not a node of this kind: its first words are not ours"]);
    assert_eq!(Hello::decode(b"GET / HTTP/1.1"), Err(Refusal::NotAether));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn hostile_bytes_never_panic(tail in vec(any::<u8>(), 0..300), whole: bool) {
        let bytes = [b"AETHLINK\x02\x00\x02\x00".as_slice(), &tail].concat();
        let _ = Hello::decode(if whole { &bytes } else { &tail });
    }
}
