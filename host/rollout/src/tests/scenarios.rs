//! Every strategy, when all goes well.

use super::world::{ComesUp, FINE, NEW, OLD, World};
use crate::{Command, Winner};
use aether_types::NodeId;
use aether_types::rollout::{AB, BlueGreen, Canary, Rolling, Strategy, Switch};
use aether_types::traffic::Sticky;
use expect_test::{Expect, expect};

pub(super) fn canary() -> Strategy {
    Strategy::Canary(Canary::default())
}

/// Lines of words: `run SECONDS`, `new|old errors PERCENT`, `new|old micros N`, `new|old fine`,
/// `new|old crashes|hangs|dies`, `freeze N`, `thaw`, `rate N`, and commands.
pub(super) fn check(strategy: Strategy, script: &str, expect: Expect) {
    let mut world = World::new(strategy);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        world.log.push(format!("> {line}"));
        let words: Vec<&str> = line.split(' ').collect();
        let version = if words[0] == "old" { OLD } else { NEW };
        let number = || words.last().unwrap().parse::<u64>().unwrap();
        let command = match words[..] {
            ["run", _] => {
                world.run(number());
                continue;
            }
            ["rate", _] => {
                world.rate = number();
                continue;
            }
            ["freeze", _] => {
                world.frozen.push(NodeId(number()));
                continue;
            }
            ["thaw"] => {
                world.frozen.clear();
                continue;
            }
            [_, "dies"] => {
                world.kill(version);
                continue;
            }
            ["old" | "new", ..] => {
                let fate = world.fates.get_mut(&version).unwrap();
                match words[1] {
                    "errors" => fate.errors_percent = number(),
                    "micros" => fate.micros = number(),
                    "crashes" => fate.comes_up = ComesUp::Never,
                    "hangs" => fate.comes_up = ComesUp::Hangs,
                    "fine" => *fate = FINE,
                    word => panic!("no fate {word}"),
                }
                continue;
            }
            ["promote"] => Command::Promote,
            ["pause"] => Command::Pause,
            ["resume"] => Command::Resume,
            ["rollback"] => Command::Rollback,
            ["complete"] => Command::Complete,
            ["conclude", "old"] => Command::Conclude(Winner::Old),
            ["conclude", "new"] => Command::Conclude(Winner::New),
            _ => panic!("no line {line}"),
        };
        if let Err(refused) = world.command(command) {
            world.log.push(format!("          refused: {refused}"));
        }
    }
    if let Some(wait) = world.rollout.waits_for(&world.look()) {
        world.log.push(format!("waits for {wait}"));
    }
    let shown: Vec<String> = world
        .rollout
        .desired()
        .iter()
        .map(|d| {
            let counts: Vec<String> =
                d.slices.iter().map(|(slice, count)| format!("{count} x {slice}")).collect();
            format!("wants {}", counts.join(", "))
        })
        .collect();
    world.log.extend(shown);
    expect.assert_eq(&world.log.join("\n"));
}

#[test]
fn immediate() {
    check(
        Strategy::Immediate,
        "run 60",
        expect![[r#"
             0 s  started
        > run 60
             2 s  starts instances for stage 1
             5 s  switch 2: 100% to revision 2
             6 s  all routers follow switch 2
             6 s  everything goes to the new version
             6 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn rolling() {
    check(
        Strategy::Rolling(Rolling::default()),
        "run 600",
        expect![[r#"
             0 s  started
        > run 600
             2 s  starts instances for stage 1
             5 s  switch 2: 75% to revision 1 25% to revision 2
             6 s  all routers follow switch 2
            36 s  starts instances for stage 2
            36 s  switch 3: 50% to revision 1 50% to revision 2
            37 s  all routers follow switch 3
            67 s  starts instances for stage 3
            67 s  switch 4: 25% to revision 1 75% to revision 2
            68 s  all routers follow switch 4
            98 s  starts instances for stage 4
            98 s  switch 5: 100% to revision 2
            99 s  all routers follow switch 5
           129 s  everything goes to the new version
           159 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn a_healthy_canary() {
    check(
        canary(),
        "run 900",
        expect![[r#"
             0 s  started
        > run 900
             2 s  starts instances for stage 1
             5 s  switch 2: 99% to revision 1 1% to revision 2
             6 s  all routers follow switch 2
           152 s  as good as before, after 147 requests
           152 s  starts instances for stage 2
           152 s  switch 3: 95% to revision 1 5% to revision 2
           153 s  all routers follow switch 3
           183 s  as good as before, after 150 requests
           183 s  starts instances for stage 3
           183 s  switch 4: 75% to revision 1 25% to revision 2
           184 s  all routers follow switch 4
           214 s  as good as before, after 750 requests
           214 s  starts instances for stage 4
           214 s  switch 5: 50% to revision 1 50% to revision 2
           215 s  all routers follow switch 5
           245 s  as good as before, after 1500 requests
           245 s  starts instances for stage 5
           248 s  switch 6: 100% to revision 2
           249 s  all routers follow switch 6
           279 s  as good as before, after 3000 requests
           279 s  everything goes to the new version
           309 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn blue_green_switches_at_once_and_back_at_once() {
    let strategy = || Strategy::BlueGreen(BlueGreen::default());
    check(
        strategy(),
        "run 60\ncomplete\nrun 60",
        expect![[r#"
             0 s  started
        > run 60
             2 s  starts instances for stage 1
             5 s  switch 2: 100% to revision 2
             6 s  all routers follow switch 2
        > complete
            60 s  somebody wants: complete
        > run 60
            61 s  everything goes to the new version
            61 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
    check(
        strategy(),
        "run 60\nrollback\nrun 60",
        expect![[r#"
             0 s  started
        > run 60
             2 s  starts instances for stage 1
             5 s  switch 2: 100% to revision 2
             6 s  all routers follow switch 2
        > rollback
            60 s  somebody wants: rollback
            60 s  rolls back: somebody wanted it
        > run 60
            61 s  switch 3: 100% to revision 1
            62 s  rolled back
        waits for nothing
        wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
    check(
        strategy(),
        "run 700",
        expect![[r#"
             0 s  started
        > run 700
             2 s  starts instances for stage 1
             5 s  switch 2: 100% to revision 2
             6 s  all routers follow switch 2
           606 s  everything goes to the new version
           606 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn blue_green_waits_for_somebody_where_that_is_wanted() {
    let manual = BlueGreen { switch: Switch::Manual, ..BlueGreen::default() };
    check(
        Strategy::BlueGreen(manual),
        "promote\nrun 60\npromote\nrun 30\nconclude new",
        expect![[r#"
                 0 s  started
            > promote
                      refused: no stage is under way: wait until routers follow it, or complete
            > run 60
                 2 s  starts instances for stage 1
                 5 s  all routers follow switch 1
            > promote
                60 s  somebody wants: promote
            > run 30
                61 s  starts instances for stage 2
                61 s  switch 2: 100% to revision 2
                62 s  all routers follow switch 2
            > conclude new
                      refused: only an A/B split is concluded; promote, complete or roll back
            waits for the time 662000
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0
            wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn a_split_lasts_until_it_is_concluded() {
    let split = || {
        let weight = "30%".parse().unwrap();
        Strategy::AB(AB { weight, sticky: Sticky::Cookie("session".to_owned()) })
    };
    check(
        split(),
        "run 900\nconclude new\nrun 60",
        expect![[r#"
                 0 s  started
            > run 900
                 2 s  starts instances for stage 1
                 5 s  switch 2: 70% to revision 1 30% to revision 2
                 6 s  all routers follow switch 2
            > conclude new
               900 s  somebody wants: conclude for the new version
            > run 60
               901 s  starts instances for stage 2
               901 s  switch 3: 100% to revision 2
               902 s  all routers follow switch 3
               902 s  everything goes to the new version
               902 s  completed
            waits for nothing
            wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
    check(
        split(),
        "run 900\nconclude old\nrun 60",
        expect![[r#"
                 0 s  started
            > run 900
                 2 s  starts instances for stage 1
                 5 s  switch 2: 70% to revision 1 30% to revision 2
                 6 s  all routers follow switch 2
            > conclude old
               900 s  somebody wants: conclude for the old version
               900 s  rolls back: the split was concluded for the old version
            > run 60
               901 s  switch 3: 100% to revision 1
               902 s  rolled back
            waits for nothing
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}
