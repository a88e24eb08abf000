//! Verdicts as data, and what no load and no settings may bring about.

use super::*;
use aether_types::TimeSpan;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn slice(wanted: u32) -> SliceLoad {
    SliceLoad {
        app: "shop".parse().unwrap(),
        slice: "t:web:1.0.0".parse().unwrap(),
        min: 2,
        max: 10,
        wanted,
        max_concurrency: 10,
        changed: None,
        hold: None,
        load: Ok(Load { calls: 0.0, busy: 0.0, cpu: Processors { own: 0.0, freest: 0.0 } }),
    }
}

/// All instances together: calls per second, busy ones, and the processors in hundredths.
fn loaded(wanted: u32, calls: f64, busy: f64, cpu: f64) -> SliceLoad {
    let cpu = Processors { own: cpu / 100.0, freest: 0.1 };
    SliceLoad { load: Ok(Load { calls, busy, cpu }), ..slice(wanted) }
}

const NOW: Time = Time(1_000_000);

fn said(settings: &Settings, slice: SliceLoad) -> String {
    evaluate(settings, NOW, &[slice], &mut Memory::default())[0].to_string()
}

#[test]
fn each_rule_goes_up_and_says_why() {
    let check = |slice: SliceLoad, expect: Expect| {
        expect.assert_eq(&said(&Settings::default(), slice));
    };
    check(
        loaded(2, 2_000.0, 0.0, 0.0),
        expect!["up 2 -> 4: 1000.0 calls/s per instance, at or above 1000"],
    );
    check(
        loaded(2, 9_999.0, 0.0, 0.0),
        expect!["up 2 -> 4: 4999.5 calls/s per instance, at or above 1000"],
    );
    check(
        loaded(4, 0.0, 32.0, 0.0),
        expect!["up 4 -> 7: 80 % of max-concurrency busy or queued, at or above 80 %"],
    );
    check(
        loaded(3, 5.0, 0.0, 80.0),
        expect!["up 3 -> 5: 80 % of the nodes' processors, at or above 80 %"],
    );
    check(
        loaded(6, 6_500.0, 48.0, 90.0),
        expect!["up 6 -> 10: 1083.3 calls/s per instance, at or above 1000"],
    );
    check(loaded(2, 1_999.0, 15.9, 79.0), expect!["keep 2: between the thresholds"]);
}

#[test]
fn what_stays_says_why_too() {
    let settings = Settings::default();
    let check = |settings: &Settings, slice: SliceLoad, expect: Expect| {
        expect.assert_eq(&said(settings, slice));
    };
    let busy = || loaded(4, 4_000.0, 0.0, 0.0);
    check(
        &Settings { enabled: false, ..settings.clone() },
        busy(),
        expect!["keep 4: the controller is switched off"],
    );
    let none = Settings { calls: None, busy: None, cpu: None, ..settings.clone() };
    check(&none, busy(), expect!["keep 4: all rules of the controller are switched off"]);
    check(
        &settings,
        SliceLoad { max: 2, wanted: 2, ..busy() },
        expect!["keep 2: max-instances is not above instances"],
    );
    check(
        &settings,
        SliceLoad { hold: Some(Hold::Rollout), ..busy() },
        expect!["keep 4: a rollout is under way"],
    );
    check(
        &settings,
        SliceLoad { load: Err("n3".to_owned()), ..busy() },
        expect!["keep 4: node n3 says nothing of its load"],
    );
    check(
        &settings,
        loaded(10, 40_000.0, 0.0, 0.0),
        expect!["keep 10: 4000.0 calls/s per instance, at or above 1000; already at max-instances"],
    );
    let hold = Hold::Unplaced { placed: 3, reason: "no memory is left".to_owned() };
    check(
        &settings,
        SliceLoad { hold: Some(hold), ..busy() },
        expect!["keep 4: only 3 instances have a node: no memory is left"],
    );
    let hot = Processors { own: 0.95, freest: 0.9 };
    let hot = Load { calls: 50.0, busy: 0.0, cpu: hot };
    check(
        &settings,
        SliceLoad { load: Ok(hot), ..slice(4) },
        expect![
            "keep 4: 95 % of the nodes' processors, at or above 80 %, and no other node has less to do"
        ],
    );
    let idle_on_hot_nodes = Load { calls: 0.5, ..hot };
    check(
        &settings,
        SliceLoad { load: Ok(idle_on_hot_nodes), ..slice(2) },
        expect!["keep 2: little to do; already at instances"],
    );
}

#[test]
fn what_waits_says_for_what() {
    let settings = Settings::default();
    let check = |settings: &Settings, slice: SliceLoad, expect: Expect| {
        expect.assert_eq(&said(settings, slice));
    };
    let busy = || loaded(4, 4_000.0, 0.0, 0.0);
    check(
        &settings,
        SliceLoad { changed: Some(Time(NOW.0 - 14_999)), ..busy() },
        expect!["keep 4: would be 7; changed a moment ago and cools down"],
    );
    check(
        &settings,
        SliceLoad { changed: Some(Time(NOW.0 - 15_000)), ..busy() },
        expect!["up 4 -> 7: 1000.0 calls/s per instance, at or above 1000"],
    );
    check(&settings, slice(2), expect!["keep 2: little to do; already at instances"]);
    check(&settings, slice(3), expect!["keep 3: little to do, not for long enough"]);
    let low_but = Load { calls: 500.0, busy: 0.0, cpu: Processors { own: 0.18, freest: 0.0 } };
    let few = Settings { calls: Some(Band { up: 260.0, down: 250.0 }), ..settings };
    check(
        &few,
        SliceLoad { load: Ok(low_but), min: 1, ..slice(2) },
        expect!["keep 2: fewer instances would have 500.0 calls/s per instance, more than 255"],
    );
}

#[test]
fn a_new_leader_watches_first() {
    let settings = Settings::default();
    let mut memory = Memory::new(Time(NOW.0 - 9_999));
    let mut say = |now| {
        let slices = [loaded(4, 4_000.0, 0.0, 0.0)];
        evaluate(&settings, Time(now), &slices, &mut memory)[0].to_string()
    };
    assert_eq!(say(NOW.0), "keep 4: the leader is new and only watches");
    assert!(say(NOW.0 + 1).starts_with("up 4 -> 7: 1000.0 calls/s"), "{}", say(NOW.0 + 1));
}

#[test]
fn down_is_late_and_by_a_quarter() {
    let settings = Settings::default();
    let mut memory = Memory::default();
    let mut slice = slice(10);
    let mut said = Vec::new();
    for second in 0..2_000 {
        let now = Time(second * 1_000);
        let verdict = evaluate(&settings, now, std::slice::from_ref(&slice), &mut memory).remove(0);
        if verdict.to != verdict.from {
            said.push(format!("{second} s {verdict}"));
            slice.wanted = verdict.to;
            slice.changed = Some(now);
        }
    }
    expect![[r#"
        60 s down 10 -> 8: little to do for long enough
        180 s down 8 -> 6: little to do for long enough
        300 s down 6 -> 5: little to do for long enough
        420 s down 5 -> 4: little to do for long enough
        540 s down 4 -> 3: little to do for long enough
        660 s down 3 -> 2: little to do for long enough"#]]
    .assert_eq(&said.join("\n"));
    // A moment of work in between begins the wait anew.
    let mut memory = Memory::default();
    for (now, calls, says) in
        [(0, 0.0, "low"), (59_000, 1_500.0, "in-band"), (60_000, 0.0, "low"), (119_999, 0.0, "low")]
    {
        let slices = [loaded(3, calls, 0.0, 0.0)];
        let verdict = evaluate(&settings, Time(now), &slices, &mut memory).remove(0);
        assert_eq!(verdict.why.word(), says, "at {now}");
    }
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let band = |up, down| Some(Band { up, down });
    let settings = Settings {
        calls: band(f64::NAN, -1.0),
        busy: band(0.2, 0.2),
        cpu: band(1.5, 0.2),
        warm_up: TimeSpan::from_secs(86_401),
        ..Settings::default()
    };
    let said: Vec<String> = settings.problems().iter().map(ToString::to_string).collect();
    expect![[r#"
        `calls`: `up` is NaN; it must be 0.001 to 1000000000
        `calls`: `down` is -1; it must be 0 to 1000000000
        `busy`: `up` is 0.2 and `down` is 0.2; `up` must be above `down`
        `cpu`: `up` is 1.5; it must be 0.001 to 1
        `warm-up` is 86401s; it must be at most 1d"#]]
    .assert_eq(&said.join("\n"));
    assert_eq!(Settings::default().problems(), []);
}

fn bands() -> impl Strategy<Value = Option<Band>> {
    let band = (0.01..1.0f64, 0.0..0.99f64).prop_map(|(up, down)| Band { up, down: down * up });
    proptest::option::weighted(0.8, band)
}

prop_compose! {
    fn all_settings()(
        calls in bands(), busy in bands(), cpu in bands(),
        spans in proptest::array::uniform4(0..40u64),
    ) -> Settings {
        let [up, down, after, warm] = spans.map(TimeSpan::from_secs);
        Settings {
            enabled: true,
            calls: calls.map(|b| Band { up: b.up * 1_000.0, down: b.down * 1_000.0 }),
            busy, cpu, up_cool_down: up, down_cool_down: down, down_after: after, warm_up: warm,
        }
    }
}

/// A cluster that does what is decided: seconds at which the number changed, and to what.
fn changes(
    settings: &Settings,
    (min, max, start): (u32, u32, u32),
    load: impl Fn(u64, u32) -> Load,
    seconds: u64,
) -> Vec<(u64, u32)> {
    let mut memory = Memory::default();
    let mut one = SliceLoad { min, max, ..slice(start.clamp(min, max)) };
    let mut changes = Vec::new();
    for second in 0..seconds {
        let now = Time(second * 1_000);
        one.load = Ok(load(second, one.wanted));
        let mut again = memory.clone();
        let verdict = evaluate(settings, now, std::slice::from_ref(&one), &mut memory).remove(0);
        let same = evaluate(settings, now, std::slice::from_ref(&one), &mut again).remove(0);
        assert_eq!((&verdict, &memory), (&same, &again), "the same for the same");
        assert!((min..=max).contains(&verdict.to), "{verdict} outside of {min} to {max}");
        assert!(verdict.to <= 2 * verdict.from, "{verdict} more than doubles");
        assert_eq!(verdict.from == verdict.to, verdict.decision == Decision::Keep);
        if verdict.to != verdict.from {
            let span = match verdict.decision {
                Decision::Up => settings.up_cool_down,
                _ => settings.down_cool_down,
            };
            if let Some(before) = one.changed {
                assert!(now.0 - before.0 >= span.as_millis(), "{verdict} within its cool-down");
            }
            assert!(now.0 >= settings.warm_up.as_millis(), "{verdict} while it is new");
            (one.wanted, one.changed) = (verdict.to, Some(now));
            changes.push((second, verdict.to));
        }
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_leaves_the_bounds_or_the_cool_down(
        settings in all_settings(),
        min in 1..20u32, room in 0..40u32, start in 1..60u32,
        loads in proptest::collection::vec((0.0..40_000.0f64, 0.0..400.0f64, 0.0..1.0f64), 1..20),
    ) {
        let load = |second: u64, _| {
            let (calls, busy, cpu) = loads[(second / 7) as usize % loads.len()];
            Load { calls, busy, cpu: Processors { own: cpu, freest: cpu / 2.0 } }
        };
        changes(&settings, (min, min + room, start), load, 300);
    }

    /// Under a load that stays the same, the number goes one way, and then stays.
    #[test]
    fn nothing_flaps(
        settings in all_settings(),
        min in 1..5u32, room in 0..40u32, start in 1..45u32,
        calls in 0.0..40_000.0f64, busy in 0.0..400.0f64, cpu in 0.0..30.0f64,
    ) {
        let load = |_, instances: u32| {
            let own = (cpu / f64::from(instances)).min(1.0);
            Load { calls, busy, cpu: Processors { own, freest: 0.0 } }
        };
        let changes = changes(&settings, (min, min + room, start), load, 600);
        let ups = changes.windows(2).filter(|pair| pair[1].1 > pair[0].1).count();
        prop_assert!(ups == 0 || ups + 1 == changes.len(), "{changes:?}");
    }
}
