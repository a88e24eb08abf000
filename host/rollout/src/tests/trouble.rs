//! Rollouts of versions that are bad, on nodes that die, with routers that are late.

use super::scenarios::{canary, check};
use super::world::{NEW, OLD, World};
use crate::{Phase, Rollout, Start, StartError, Time};
use aether_types::rollout::{Rolling, Strategy};
use aether_types::traffic::TrafficRevision;
use expect_test::expect;

#[test]
fn a_canary_that_fails_five_percent_is_caught_in_the_first_stage() {
    check(
        canary(),
        "new errors 5\nrun 900",
        expect![[r#"
             0 s  started
        > new errors 5
        > run 900
             2 s  starts instances for stage 1
             5 s  switch 2: 99% to revision 1 1% to revision 2
             6 s  all routers follow switch 2
           206 s  rolls back: 10 of 200 requests failed; 0 of 19800 did before
           206 s  switch 3: 100% to revision 1
           207 s  rolled back
        waits for nothing
        wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn a_canary_that_is_three_times_as_slow_is_caught_in_the_first_stage() {
    check(
        canary(),
        "new micros 30000\nrun 900",
        expect![[r#"
             0 s  started
        > new micros 30000
        > run 900
             2 s  starts instances for stage 1
             5 s  switch 2: 99% to revision 1 1% to revision 2
             6 s  all routers follow switch 2
            16 s  rolls back: 11 of 11 requests took longer than 18 ms, without the way between nodes; 90 of 100 took at most 12 ms before
            16 s  switch 3: 100% to revision 1
            17 s  rolled back
        waits for nothing
        wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn a_canary_that_turns_bad_is_caught_where_it_does() {
    check(
        canary(),
        "run 200\nnew errors 8\nrun 900",
        expect![[r#"
                 0 s  started
            > run 200
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
            > new errors 8
            > run 900
               211 s  rolls back: 20 of 675 requests failed; 0 of 2025 did before
               211 s  switch 5: 100% to revision 1
               212 s  rolled back
            waits for nothing
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn a_new_version_that_crashes_is_tried_three_times() {
    check(
        canary(),
        "new crashes\nrun 900",
        expect![[r#"
                 0 s  started
            > new crashes
            > run 900
                 2 s  starts instances for stage 1
                 4 s  rolls back: every instance of shop:web:2.0.0 failed
                 4 s  is tried again in 60 s
                64 s  starts instances for stage 1
                66 s  rolls back: every instance of shop:web:2.0.0 failed
                66 s  is tried again in 120 s
               186 s  starts instances for stage 1
               188 s  rolls back: every instance of shop:web:2.0.0 failed
               188 s  rolled back
            waits for nothing
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn one_that_hangs_is_given_up_after_a_while_and_one_that_is_mended_goes_on() {
    check(
        Strategy::Rolling(Rolling::default()),
        "new hangs\nrun 380\nnew fine\nrun 600",
        expect![[r#"
                 0 s  started
            > new hangs
            > run 380
                 2 s  starts instances for stage 1
               362 s  rolls back: shop:web:2.0.0 was not ready in time
               362 s  is tried again in 60 s
            > new fine
            > run 600
               422 s  starts instances for stage 1
               425 s  switch 2: 75% to revision 1 25% to revision 2
               426 s  all routers follow switch 2
               456 s  starts instances for stage 2
               456 s  switch 3: 50% to revision 1 50% to revision 2
               457 s  all routers follow switch 3
               487 s  starts instances for stage 3
               487 s  switch 4: 25% to revision 1 75% to revision 2
               488 s  all routers follow switch 4
               518 s  starts instances for stage 4
               518 s  switch 5: 100% to revision 2
               519 s  all routers follow switch 5
               549 s  everything goes to the new version
               579 s  completed
            waits for nothing
            wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn without_requests_there_is_no_verdict_until_somebody_decides() {
    check(
        canary(),
        "rate 0\nrun 4000\npromote\nrun 30\ncomplete\nrun 100",
        expect![[r#"
             0 s  started
        > rate 0
        > run 4000
             2 s  starts instances for stage 1
             5 s  switch 2: 99% to revision 1 1% to revision 2
             6 s  all routers follow switch 2
        > promote
          4000 s  somebody wants: promote
        > run 30
          4001 s  starts instances for stage 2
          4001 s  switch 3: 95% to revision 1 5% to revision 2
          4002 s  all routers follow switch 3
        > complete
          4030 s  somebody wants: complete
        > run 100
          4031 s  starts instances for stage 5
          4034 s  switch 4: 100% to revision 2
          4035 s  all routers follow switch 4
          4035 s  everything goes to the new version
          4035 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn a_paused_rollout_goes_no_further_and_still_protects_the_traffic() {
    check(
        Strategy::Rolling(Rolling::default()),
        "run 40\npause\npause\nrun 200\nresume\nrun 20\npause\nnew crashes\nnew dies\nrun 10",
        expect![[r#"
                 0 s  started
            > run 40
                 2 s  starts instances for stage 1
                 5 s  switch 2: 75% to revision 1 25% to revision 2
                 6 s  all routers follow switch 2
                36 s  starts instances for stage 2
                36 s  switch 3: 50% to revision 1 50% to revision 2
                37 s  all routers follow switch 3
            > pause
                40 s  somebody wants: pause
            > pause
                      refused: it is paused
            > run 200
            > resume
               240 s  somebody wants: resume
            > run 20
               241 s  starts instances for stage 3
               241 s  switch 4: 25% to revision 1 75% to revision 2
               242 s  all routers follow switch 4
            > pause
               260 s  somebody wants: pause
            > new crashes
            > new dies
            > run 10
               261 s  nothing of revision 2 is ready: the other takes everything
               261 s  switch 5: 100% to revision 1
               262 s  rolls back: every instance of shop:web:2.0.0 failed
               262 s  is tried again in 60 s
            waits for somebody to resume it
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn nothing_is_taken_away_before_every_router_has_turned_away() {
    check(
        Strategy::Immediate,
        "run 3\nfreeze 2\nrun 600\nthaw\nrun 10",
        expect![[r#"
             0 s  started
        > run 3
             2 s  starts instances for stage 1
        > freeze 2
        > run 600
             5 s  switch 2: 100% to revision 2
        > thaw
        > run 10
           604 s  all routers follow switch 2
           604 s  everything goes to the new version
           604 s  completed
        waits for nothing
        wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
    check(
        Strategy::Rolling(Rolling::default()),
        "run 40\nfreeze 3\nrollback\nrun 600\nthaw\nrun 10",
        expect![[r#"
                 0 s  started
            > run 40
                 2 s  starts instances for stage 1
                 5 s  switch 2: 75% to revision 1 25% to revision 2
                 6 s  all routers follow switch 2
                36 s  starts instances for stage 2
                36 s  switch 3: 50% to revision 1 50% to revision 2
                37 s  all routers follow switch 3
            > freeze 3
            > rollback
                40 s  somebody wants: rollback
                40 s  rolls back: somebody wanted it
            > run 600
                41 s  switch 4: 100% to revision 1
            > thaw
            > run 10
               641 s  rolled back
            waits for nothing
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn a_version_of_which_nothing_is_ready_is_covered_by_the_other() {
    check(
        canary(),
        "run 30\nnew dies\nrun 200",
        expect![[r#"
                 0 s  started
            > run 30
                 2 s  starts instances for stage 1
                 5 s  switch 2: 99% to revision 1 1% to revision 2
                 6 s  all routers follow switch 2
            > new dies
            > run 200
                31 s  nothing of revision 2 is ready: the other takes everything
                31 s  switch 3: 100% to revision 1
                33 s  what was not ready is ready again
                33 s  switch 4: 99% to revision 1 1% to revision 2
                34 s  all routers follow switch 4
               181 s  as good as before, after 147 requests
               181 s  starts instances for stage 2
               181 s  switch 5: 95% to revision 1 5% to revision 2
               182 s  all routers follow switch 5
               212 s  as good as before, after 149 requests
               212 s  starts instances for stage 3
               212 s  switch 6: 75% to revision 1 25% to revision 2
               213 s  all routers follow switch 6
            waits for the time 243000
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0
            wants 2 x shop:web:2.0.0, 1 x shop:stock:2.0.0"#]],
    );
    check(
        canary(),
        "run 30\nold dies\nrun 30",
        expect![[r#"
                 0 s  started
            > run 30
                 2 s  starts instances for stage 1
                 5 s  switch 2: 99% to revision 1 1% to revision 2
                 6 s  all routers follow switch 2
            > old dies
            > run 30
                31 s  nothing of revision 1 is ready: the other takes everything
                31 s  switch 3: 100% to revision 2
                33 s  what was not ready is ready again
                33 s  switch 4: 99% to revision 1 1% to revision 2
                34 s  all routers follow switch 4
            waits for a verdict: 26 of the 100 requests without which nothing is judged
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0
            wants 2 x shop:web:2.0.0, 1 x shop:stock:2.0.0"#]],
    );
}

#[test]
fn a_version_that_does_not_come_back_is_not_waited_for_unless_it_is_wanted_back() {
    check(
        canary(),
        "run 30\nold hangs\nold dies\nrun 900",
        expect![[r#"
                 0 s  started
            > run 30
                 2 s  starts instances for stage 1
                 5 s  switch 2: 99% to revision 1 1% to revision 2
                 6 s  all routers follow switch 2
            > old hangs
            > old dies
            > run 900
                31 s  nothing of revision 1 is ready: the other takes everything
                31 s  switch 3: 100% to revision 2
               391 s  the old version does not come back: goes on at once
               391 s  starts instances for stage 5
               394 s  all routers follow switch 3
               394 s  everything goes to the new version
               394 s  completed
            waits for nothing
            wants 4 x shop:web:2.0.0, 2 x shop:stock:2.0.0"#]],
    );
    check(
        Strategy::Rolling(Rolling::default()),
        "run 40\nold hangs\nold dies\nrollback\nrun 900\nold fine\nold dies\nrun 10",
        expect![[r#"
                 0 s  started
            > run 40
                 2 s  starts instances for stage 1
                 5 s  switch 2: 75% to revision 1 25% to revision 2
                 6 s  all routers follow switch 2
                36 s  starts instances for stage 2
                36 s  switch 3: 50% to revision 1 50% to revision 2
                37 s  all routers follow switch 3
            > old hangs
            > old dies
            > rollback
                40 s  somebody wants: rollback
                40 s  rolls back: somebody wanted it
            > run 900
                41 s  nothing of revision 1 is ready: the other takes everything
                41 s  switch 4: 100% to revision 2
            > old fine
            > old dies
            > run 10
               943 s  what was not ready is ready again
               943 s  switch 5: 100% to revision 1
               944 s  rolled back
            waits for nothing
            wants 4 x shop:web:1.0.0, 2 x shop:stock:1.0.0"#]],
    );
}

#[test]
fn a_rollout_to_the_same_version_or_without_sense_does_not_start() {
    let start = |strategy, to| {
        Rollout::start(Start {
            app: "shop".parse().unwrap(),
            strategy,
            old: super::world::version(OLD),
            new: super::world::version(to),
            after: TrafficRevision(9),
            together: true,
            now: Time(5),
        })
    };
    assert_eq!(start(Strategy::Immediate, OLD).unwrap_err(), StartError::SameVersion);
    let nothing = Rolling { steps: vec![], ..Rolling::default() };
    let refused = start(Strategy::Rolling(nothing), NEW).unwrap_err();
    assert!(matches!(refused, StartError::Strategy(_)), "{refused:?}");
    let traffic = start(Strategy::Immediate, NEW).unwrap().traffic;
    assert_eq!((traffic.revision, traffic.together), (TrafficRevision(10), true));
}

#[test]
fn what_was_counted_in_another_stage_says_nothing() {
    let mut world = World::new(canary());
    world.run(160);
    assert!(matches!(world.rollout.phase, Phase::Holding { stage: 1 }));
    let mut look = world.look();
    look.new.errors = look.new.requests + 1_000;
    look.new.requests = look.new.errors;
    look.counted_since = Some(Time(6_000));
    let before = world.rollout.clone();
    assert_eq!(world.rollout.tick(&look), vec![]);
    assert_eq!(world.rollout, before, "these are of the first stage");
    look.counted_since = world.rollout.measuring_since();
    world.rollout.tick(&look);
    assert!(matches!(world.rollout.phase, Phase::RollingBack { .. }));
}
