//! A leader that is lost in each state of each strategy: whoever leads next ends the rollout the
//! same way, by the same switches.

use super::scenarios::canary;
use super::world::{ComesUp, NEW, World};
use crate::{Command, Outcome, Phase, Wait, Winner};
use aether_types::TimeSpan;
use aether_types::rollout::{AB, BlueGreen, Rolling, Strategy, Switch};
use aether_types::traffic::Sticky;
use std::collections::BTreeSet;

/// A rollout takes no longer, in seconds: three attempts with what lies between.
const LONGEST: u64 = 3_000;

/// A state, without what only a clock can tell.
fn state(world: &World) -> String {
    match &world.rollout.phase {
        Phase::Preparing => "prepares".to_owned(),
        Phase::Starting { stage, .. } => format!("starts {stage}"),
        Phase::Switching { stage } => format!("switches {stage}"),
        Phase::Holding { stage } => format!("holds {stage}"),
        Phase::Retiring => "retires".to_owned(),
        Phase::RollingBack { .. } => format!("goes back from attempt {}", world.rollout.attempt),
        Phase::Cooling { .. } => format!("cools after attempt {}", world.rollout.attempt),
        Phase::Ended(Outcome::Completed) => "completed".to_owned(),
        Phase::Ended(Outcome::RolledBack(why)) => format!("rolled back: {why}"),
    }
}

/// A second, and what somebody does who is waited for.
fn tick(world: &mut World) {
    world.tick();
    if world.rollout.waits_for(&world.look()) == Some(Wait::Somebody) {
        let is_split = matches!(world.rollout.strategy, Strategy::AB(_));
        let command = if is_split { Command::Conclude(Winner::New) } else { Command::Promote };
        world.command(command).unwrap();
    }
}

/// The states that the rollout goes through, and its switches; `seen` is called in each of them.
fn run(world: &mut World, mut seen: impl FnMut(&mut World)) -> (Vec<String>, Vec<String>) {
    let (mut states, mut switches) = (Vec::<String>::new(), BTreeSet::new());
    for _ in 0..LONGEST {
        let traffic = &world.rollout.traffic;
        switches.insert((traffic.revision, traffic.weights.get(NEW).to_string()));
        let now = state(world);
        if states.last() != Some(&now) {
            states.push(now);
            seen(world);
        }
        if world.rollout.has_ended() {
            break;
        }
        tick(world);
    }
    (states, switches.into_iter().map(|(_, weights)| weights).collect())
}

/// What becomes of the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    /// It does not start.
    Broken,
    /// It crashes for good in the first stage.
    Crashes,
}

fn check(strategy: &Strategy, fate: Fate, expected: &str) {
    let world = || {
        let mut world = World::new(strategy.clone());
        world.rate = if matches!(strategy, Strategy::Canary(_)) { 30 } else { 1 };
        if fate == Fate::Broken {
            world.fates.get_mut(&NEW).unwrap().comes_up = ComesUp::Never;
        }
        world
    };
    let happens = |world: &mut World| {
        if fate == Fate::Crashes && state(world) == "holds 0" {
            world.fates.get_mut(&NEW).unwrap().comes_up = ComesUp::Never;
            world.kill(NEW);
        }
    };
    let (states, switches) = run(&mut world(), happens);
    assert_eq!(states.join(", "), expected, "{strategy:?}");
    let end = states.last().unwrap();
    for lost_in in &states {
        for (outage, clock_behind) in [(1, 0), (20, 5_000)] {
            let mut world = world();
            let (seen, taken) = run(&mut world, |world| {
                happens(world);
                if state(world) == *lost_in {
                    world.lose_leader(outage, clock_behind);
                }
            });
            let context = format!("{lost_in}, {outage} s without a leader: {seen:?}");
            assert_eq!(seen.last(), Some(end), "{context}");
            assert_eq!(taken, switches, "{context}");
        }
    }
}

fn strategies() -> [Strategy; 6] {
    let auto = BlueGreen { switch: Switch::Auto, keep: TimeSpan::from_secs(60) };
    let manual = BlueGreen { switch: Switch::Manual, ..auto };
    [
        Strategy::Immediate,
        Strategy::Rolling(Rolling::default()),
        canary(),
        Strategy::BlueGreen(auto),
        Strategy::BlueGreen(manual),
        Strategy::AB(AB { weight: "20%".parse().unwrap(), sticky: Sticky::Key }),
    ]
}

#[test]
fn a_leader_may_be_lost_in_every_state_of_every_strategy() {
    let steps = "prepares, starts 0, switches 0, holds 0, switches 1, holds 1, switches 2, holds 2, \
                 switches 3, holds 3";
    let expected = [
        "prepares, starts 0, switches 0, completed",
        &format!("{steps}, retires, completed"),
        &format!("{steps}, starts 4, switches 4, holds 4, retires, completed"),
        "prepares, starts 0, switches 0, holds 0, completed",
        "prepares, starts 0, holds 0, switches 1, holds 1, completed",
        "prepares, starts 0, switches 0, holds 0, switches 1, completed",
    ];
    for (strategy, expected) in strategies().iter().zip(expected) {
        check(strategy, Fate::Fine, expected);
    }
}

const FAILS: &str = "cools after attempt 1, starts 0, cools after attempt 2, starts 0, \
                     rolled back: every instance of shop:web:2.0.0 failed";

#[test]
fn a_leader_may_be_lost_in_every_state_of_a_version_that_does_not_start() {
    for strategy in &strategies() {
        check(strategy, Fate::Broken, &format!("prepares, starts 0, {FAILS}"));
    }
}

#[test]
fn a_leader_may_be_lost_in_every_state_of_a_version_that_crashes() {
    let expected = format!("prepares, starts 0, switches 0, holds 0, switches 0, {FAILS}");
    let [_, rolling, canary, blue_green, ..] = strategies();
    for strategy in &[rolling, canary, blue_green] {
        check(strategy, Fate::Crashes, &expected);
    }
}
