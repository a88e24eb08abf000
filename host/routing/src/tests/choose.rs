//! Which endpoint takes which call, and what is said of it.

use super::world::{World, ask};
use crate::{ArmWhy, Ask, Exclusion, Key, NoTarget, Pin, Standing, Tick, choose, explain};
use aether_types::Revision;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn check(arms: &[&str], facts: &[&str], ask: &Ask<'_>, expect: Expect) {
    let world = World::new(arms).with(facts);
    expect.assert_eq(&explain(&world.split, ask, &world).to_string());
}

#[test]
fn local_first() {
    check(
        &["100% v1 n2#0 n1#1 n3#2"],
        &[],
        &ask(0),
        expect![[r#"
            goes to revision 1, the only one that gets traffic; switch 3 of the traffic
            100% revision 1, shop:stock:1.0.0
              #1 on node 1, 0 calls: chosen, on this node
              #0 on node 2, 0 calls: another one comes first
              #2 on node 3, 0 calls: another one comes first"#]],
    );
    check(
        &["100% v1 n2#0 n1#1 n1#2"],
        &["n1#1 busy 3", "n1#2 busy 2"],
        &ask(0),
        expect![[r#"
            goes to revision 1, the only one that gets traffic; switch 3 of the traffic
            100% revision 1, shop:stock:1.0.0
              #1 on node 1, 3 calls: another one comes first
              #2 on node 1, 2 calls: chosen, on this node
              #0 on node 2, 0 calls: another one comes first"#]],
    );
}

#[test]
fn not_where_it_is_too_busy_broken_unlinked_or_has_failed() {
    check(
        &["100% v1 n1#0 n2#1 n3#2"],
        &["n1#0 busy 64", "n2#1 busy 9"],
        &ask(0),
        expect![[r#"
            goes to revision 1, the only one that gets traffic; switch 3 of the traffic
            100% revision 1, shop:stock:1.0.0
              #0 on node 1, 64 calls: another one comes first
              #1 on node 2, 9 calls: another one comes first
              #2 on node 3, 0 calls: chosen, the less loaded of two"#]],
    );
    let tried = World::new(&["100% v1 n1#0 n2#1 n3#2"]).tried(&["n1#0"]);
    check(
        &["100% v1 n1#0 n2#1 n3#2"],
        &["n3#2 unlinked"],
        &Ask { tried: &tried, ..ask(0) },
        expect![[r#"
            goes to revision 1, the only one that gets traffic; switch 3 of the traffic
            100% revision 1, shop:stock:1.0.0
              #0 on node 1, 0 calls: this call has failed there
              #1 on node 2, 0 calls: chosen, the only one that can
              #2 on node 3, 0 calls: no link to its node"#]],
    );
    check(
        &["100% v1 n1#0 n2#1"],
        &["n1#0 broken", "n2#1 broken"],
        &ask(0),
        expect![[r#"
            goes to nobody: every instance keeps failing, next try in 990 ms; switch 3 of the traffic
            100% revision 1, shop:stock:1.0.0
              #0 on node 1, 0 calls: keeps failing, next try in 990 ms
              #1 on node 2, 0 calls: keeps failing, next try in 990 ms"#]],
    );
}

#[test]
fn a_version_that_cannot_is_stood_in_for_by_one_that_gets_traffic() {
    check(
        &["99% v1 n1#0", "1% v2 n2#0", "0% v3 n3#0"],
        &["n1#0 unlinked"],
        &ask(0),
        expect![[r#"
            goes to revision 2, as the version that should take it cannot; switch 3 of the traffic
            99% revision 1, shop:stock:1.0.0
              #0 on node 1, 0 calls: no link to its node
            1% revision 2, shop:stock:2.0.0
              #0 on node 2, 0 calls: chosen, the only one that can
            0% revision 3, shop:stock:3.0.0
              #0 on node 3, 0 calls: its version gets no such call"#]],
    );
    check(
        &["0% v1 n1#0", "100% v2"],
        &[],
        &ask(0),
        expect![[r#"
            goes to nobody: no instance is active; switch 3 of the traffic
            100% revision 2, shop:stock:2.0.0: no instance is active
            0% revision 1, shop:stock:1.0.0
              #0 on node 1, 0 calls: its version gets no such call"#]],
    );
}

#[test]
fn a_request_keeps_its_version() {
    let pin = |version, only| Ask { pin: Some(Pin { version, only }), ..ask(0) };
    let arms = &["100% v2 n1#0", "0% v1 n1#0 n2#0"];
    check(
        arms,
        &["n1#0 unlinked"],
        &pin(Revision(1), false),
        expect![[r#"
            goes to revision 1, which the request has already; switch 3 of the traffic
            100% revision 2, shop:stock:2.0.0
              #0 on node 1, 0 calls: no link to its node
            0% revision 1, shop:stock:1.0.0
              #0 on node 1, 0 calls: no link to its node
              #0 on node 2, 0 calls: chosen, the only one that can"#]],
    );
    let gone = World::new(&["100% v2 n1#0", "0% v1"]);
    let pick = |only| choose(&gone.split, &pin(Revision(1), only), &gone);
    assert_eq!(pick(true), Err(NoTarget::NotThatVersion(Revision(1))));
    assert_eq!(pick(false).map(|pick| pick.version), Ok(Revision(2)));
}

#[test]
fn the_last_attempt_goes_to_another_version_where_it_may() {
    let world = World::new(&["50% v1 n1#0 n2#1", "50% v2 n1#2 n2#3 n3#4"]);
    let pick = |tried: &[&str], pin| {
        let tried = world.tried(tried);
        let pick = choose(&world.split, &Ask { tried: &tried, pin, ..ask(0) }, &world).unwrap();
        (pick.version.0, pick.arm)
    };
    let pin = |only| Some(Pin { version: Revision(2), only });
    assert_eq!(pick(&["n1#2"], pin(false)), (2, ArmWhy::Pinned));
    assert_eq!(pick(&["n1#2", "n2#3"], pin(false)), (1, ArmWhy::Instead));
    assert_eq!(pick(&["n1#2", "n2#3"], pin(true)), (2, ArmWhy::Pinned));
    let alone = World::new(&["100% v2 n1#2 n2#3 n3#4", "0% v1 n1#0"]);
    let tried = alone.tried(&["n1#2", "n2#3"]);
    let last = choose(&alone.split, &Ask { tried: &tried, ..ask(0) }, &alone).unwrap();
    assert_eq!((last.version, last.arm), (Revision(2), ArmWhy::Only));
}

#[test]
fn one_percent_goes_to_one_new_instance_beside_two_old_ones() {
    let world = World::new(&["99% v1 n1#0 n2#0", "1% v2 n3#0"]);
    let new = |turn| choose(&world.split, &ask(turn), &world).unwrap().version == Revision(2);
    assert_eq!((0..10_000).filter(|turn| new(*turn)).count(), 100);
}

#[test]
fn routers_that_begin_together_share_one_sequence() {
    let world = World::new(&["99% v1 n1#0", "1% v2 n3#0"]);
    let new = |turn| choose(&world.split, &ask(turn), &world).unwrap().version == Revision(2);
    let first = |router| world.split.first_turn(router, 4);
    let of = |router| (first(router)..first(router) + 25).filter(|turn| new(*turn)).count();
    assert_eq!((0..4).map(of).sum::<usize>(), 1, "25 requests at each of 4 nodes are 100");
}

#[test]
fn a_key_stays_with_its_version_and_its_endpoint() {
    let small = World::new(&["99% v1 n1#0 n2#1 n3#2", "1% v2 n1#0 n2#1 n3#2"]);
    let large = World::new(&["75% v1 n1#0 n2#1 n3#2", "25% v2 n1#0 n2#1 n3#2"]);
    let lost = small.clone().with(&["n2#1 unlinked"]);
    let mut moved = 0;
    for user in 0..2_000 {
        let key = Some(Key::of(format!("user-{user}").as_bytes()));
        let pick = |world: &World, turn| {
            let ask = Ask { sticky: key, affinity: key, ..ask(turn) };
            let pick = choose(&world.split, &ask, world).unwrap();
            (pick.version, world.name(pick.endpoint))
        };
        let (version, endpoint) = pick(&small, 0);
        assert_eq!(pick(&small, 77), (version, endpoint.clone()), "whatever the turn");
        assert_eq!(pick(&large, 0).1, endpoint, "whatever the version");
        if version == Revision(2) {
            assert_eq!(pick(&large, 0).0, version, "once new, always new");
        }
        match &*endpoint {
            "n2#1" => moved += 1,
            _ => assert_eq!(pick(&lost, 0), (version, endpoint), "only those that must move"),
        }
    }
    assert!((540..800).contains(&moved), "{moved} of 2,000 were on one of three nodes");
}

#[test]
fn two_are_drawn_so_that_load_evens_out() {
    let mut world = World::new(&["100% v1 n2#0 n3#0 n4#0 n5#0"]);
    let mut calls = BTreeMap::new();
    for turn in 0..4_000 {
        let pick = choose(&world.split, &ask(turn), &world).unwrap();
        let count = calls.entry(pick.endpoint).or_insert(0u32);
        *count += 1;
        let name = world.name(pick.endpoint);
        world = world.with(&[&format!("{name} busy {count}")]);
    }
    let (least, most) = (calls.values().min().unwrap(), calls.values().max().unwrap());
    assert!(most - least <= 10, "{calls:?}: no call ever ends, and all have as many");
}

#[test]
fn where_nobody_is_busy_all_are_drawn_alike() {
    let world = World::new(&["100% v1 n2#0 n3#0 n4#0 n5#0"]);
    let pick = |turn| choose(&world.split, &ask(turn), &world).unwrap().endpoint;
    let count = |endpoint| (0..4_000).filter(|turn| pick(*turn) == endpoint).count();
    let counts = [0, 1, 2, 3].map(count);
    assert!(counts.iter().all(|count| (890..1_110).contains(count)), "{counts:?}");
}

/// Weights of up to four versions, how many endpoints each has, and which of them cannot.
type Drawn = (Vec<(u16, u8)>, Vec<(u8, bool)>);

fn any_split() -> impl Strategy<Value = Drawn> {
    let arm = (0u16..100, 0u8..5);
    let fact = (0u8..4, any::<bool>());
    (proptest::collection::vec(arm, 1..5), proptest::collection::vec(fact, 0..12))
}

proptest! {
    /// Whatever is asked: who is chosen can take it, nobody is chosen only if nobody can, and
    /// what is explained is what is chosen.
    #[test]
    fn the_choice_is_one_that_can(
        (arms, facts) in any_split(),
        turn in any::<u64>(),
        keys in any::<(bool, bool)>(),
        pin in proptest::option::of((1u64..5, any::<bool>())),
    ) {
        let spell = |(n, (weight, count)): (usize, &(u16, u8))| {
            let nodes = (0..*count).map(|i| format!(" n{}#{n}", i + 1));
            format!("{weight}% v{}{}", n + 1, nodes.collect::<String>())
        };
        let arms: Vec<String> = arms.iter().enumerate().map(spell).collect();
        let world = World::new(&arms.iter().map(String::as_str).collect::<Vec<_>>());
        let names: Vec<String> = (0..world.split.endpoints().len()).map(|e| world.name(e)).collect();
        let fact = |(i, (kind, _)): (usize, &(u8, bool))| {
            let name = names.get(i)?;
            let kind = ["busy 64", "unlinked", "broken", "busy 3"][usize::from(*kind)];
            Some(format!("{name} {kind}"))
        };
        let words: Vec<String> = facts.iter().enumerate().filter_map(fact).collect();
        let world = world.with(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let failed = names.iter().zip(&facts).filter(|(_, (_, failed))| *failed);
        let tried = world.tried(&failed.map(|(n, _)| n.as_str()).take(2).collect::<Vec<_>>());
        let key = Some(Key::of(&turn.to_le_bytes()));
        let ask = Ask {
            affinity: key.filter(|_| keys.0),
            sticky: key.filter(|_| keys.1),
            pin: pin.map(|(version, only)| Pin { version: Revision(version), only }),
            tried: &tried,
            now: Tick(10),
            turn,
        };
        let shown = explain(&world.split, &ask, &world);
        prop_assert_eq!(shown.pick, choose(&world.split, &ask, &world));
        let all = || shown.versions.iter().flat_map(|v| v.endpoints.iter().map(move |e| (v, e)));
        let standings: Vec<Standing> = all().map(|(_, e)| e.standing).collect();
        match shown.pick {
            Ok(pick) => {
                let chosen: Vec<_> =
                    all().filter(|(_, e)| matches!(e.standing, Standing::Chosen(_))).collect();
                prop_assert_eq!(chosen.len(), 1);
                let (version, endpoint) = chosen[0];
                prop_assert_eq!(version.version, pick.version);
                prop_assert_eq!(&endpoint.endpoint, &world.split.endpoints()[pick.endpoint]);
                prop_assert!(!tried.contains(pick.endpoint));
                prop_assert!(version.weight.hundredths() > 0 || pick.arm == ArmWhy::Pinned);
                if let Some((version, true)) = pin {
                    prop_assert_eq!(pick.version, Revision(version));
                }
            }
            Err(_) => {
                let can = |s: &&Standing| **s == Standing::Possible;
                prop_assert_eq!(standings.iter().find(can), None);
            }
        }
        let has_failed = |s: &&Standing| **s == Standing::Excluded(Exclusion::Tried);
        prop_assert!(standings.iter().filter(has_failed).count() <= 4);
    }

    /// After any number of calls at any router, whoever is connected to whatever.
    #[test]
    fn weights_are_exact_whatever_the_endpoints(
        new in 1u16..100,
        olds in 1u8..5,
        calls in 1u64..2_000,
    ) {
        let nodes: String = (0..olds).map(|n| format!(" n{}#0", n + 1)).collect();
        let arms = [format!("{}% v1{nodes}", 100 - new), format!("{new}% v2 n9#0")];
        let world = World::new(&[&arms[0], &arms[1]]);
        let pick = |turn| choose(&world.split, &ask(turn), &world).unwrap().version;
        let count = (0..calls).filter(|turn| pick(*turn) == Revision(2)).count();
        let fair = calls as f64 * f64::from(new) / 100.0;
        prop_assert!((count as f64 - fair).abs() < 1.0, "{count} instead of {fair}");
    }
}
