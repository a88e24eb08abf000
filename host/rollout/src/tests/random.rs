//! Random environments and operators: what must hold is asserted by the world at every step.

use super::world::{ComesUp, Fate, NEW, OLD, World};
use crate::{Command, Winner};
use aether_types::rollout::{AB, BlueGreen, Canary, Rolling, Strategy as How, Switch};
use aether_types::traffic::Sticky;
use aether_types::{NodeId, Revision, TimeSpan};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Run(u64),
    RunCoarsely(u64),
    Fate(Revision, Fate),
    Kill(Revision),
    Freeze(u64),
    Thaw,
    Rate(u64),
    Command(Command),
}

fn any_how() -> impl Strategy<Value = How> {
    let switch = prop_oneof![Just(Switch::Auto), Just(Switch::Manual)];
    prop_oneof![
        Just(How::Immediate),
        Just(How::Rolling(Rolling::default())),
        Just(How::Canary(Canary::default())),
        (1u64..60).prop_map(|keep| How::BlueGreen(BlueGreen {
            keep: TimeSpan::from_secs(keep),
            switch: Switch::Auto
        })),
        switch.prop_map(|switch| How::BlueGreen(BlueGreen { switch, ..BlueGreen::default() })),
        Just(How::AB(AB { weight: "20%".parse().unwrap(), sticky: Sticky::Key })),
    ]
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let comes_up = prop_oneof![
        3 => (0u64..20_000).prop_map(ComesUp::After),
        1 => Just(ComesUp::Never),
        1 => Just(ComesUp::Hangs),
    ];
    let errors = prop_oneof![Just(0), Just(1), Just(5), Just(100)];
    (comes_up, errors, prop_oneof![Just(10_000u64), Just(30_000)])
        .prop_map(|(comes_up, errors_percent, micros)| Fate { comes_up, errors_percent, micros })
}

fn any_act() -> impl Strategy<Value = Act> {
    let version = prop_oneof![Just(OLD), Just(NEW)];
    let command = prop_oneof![
        Just(Command::Promote),
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Rollback),
        Just(Command::Complete),
        Just(Command::Conclude(Winner::Old)),
        Just(Command::Conclude(Winner::New)),
    ];
    prop_oneof![
        6 => (1u64..40).prop_map(Act::Run),
        1 => (400u64..800).prop_map(Act::RunCoarsely),
        2 => (version.clone(), any_fate()).prop_map(|(version, fate)| Act::Fate(version, fate)),
        2 => version.prop_map(Act::Kill),
        1 => (1u64..4).prop_map(Act::Freeze),
        1 => Just(Act::Thaw),
        1 => prop_oneof![Just(0u64), Just(10), Just(50)].prop_map(Act::Rate),
        2 => command.prop_map(Act::Command),
    ]
}

fn act(world: &mut World, act: &Act) {
    match act {
        Act::Run(seconds) => world.run(*seconds),
        Act::RunCoarsely(seconds) => world.run_coarsely(*seconds),
        Act::Fate(version, fate) => {
            world.fates.insert(*version, *fate);
        }
        Act::Kill(version) => world.kill(*version),
        Act::Freeze(node) => world.frozen.push(NodeId(*node)),
        Act::Thaw => world.frozen.clear(),
        Act::Rate(rate) => world.rate = *rate,
        Act::Command(command) => {
            let _ = world.command(*command);
        }
    }
}

/// Everything works again, and somebody who is asked for something gives it.
fn heal(world: &mut World) {
    let fine = super::world::FINE;
    world.fates = [(OLD, fine), (NEW, fine)].into();
    world.frozen.clear();
    world.rate = 40;
    world.kill(OLD);
    world.kill(NEW);
    let _ = world.command(Command::Resume);
    world.run_coarsely(1_000);
    let _ = world.command(Command::Complete);
    world.run_coarsely(10_000);
    // What is there after that has time to come up.
    world.now += 10_000;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every rollout ends once nothing hinders it; it ends with one version that serves everything;
    /// and a leader that changes after every step makes no difference.
    #[test]
    fn every_rollout_ends_whole_whoever_leads(
        how in any_how(),
        acts in proptest::collection::vec(any_act(), 0..20),
    ) {
        let mut worlds = [false, true].map(|leaders_change| {
            let mut world = World::new(how.clone());
            world.leaders_change = leaders_change;
            for a in &acts {
                act(&mut world, a);
            }
            heal(&mut world);
            world
        });
        let [one, other] = &mut worlds;
        prop_assert_eq!(&one.rollout, &other.rollout);
        prop_assert_eq!(&one.log, &other.log);
        let wait = one.rollout.waits_for(&one.look());
        prop_assert!(one.rollout.has_ended(), "waits for {wait:?}:\n{}", one.log.join("\n"));
        let desired = one.rollout.desired();
        prop_assert_eq!(desired.len(), 1);
        prop_assert_eq!(one.rollout.traffic.weights.get(desired[0].version).hundredths(), 10_000);
        let ours = [&one.rollout.old, &one.rollout.new];
        prop_assert!(ours.iter().any(|v| v.revision == desired[0].version && one.serves(v)));
    }
}
