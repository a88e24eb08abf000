//! How a shell holds a split: immutable, with atomics beside it, and no lock on the way of a call.

use super::world::{World, ask};
use crate::{
    Ask, Breaker, Budget, Failed, Pick, Signal, Signals, Split, Started, Tick, Tried, again,
    choose, is_alive,
};
use aether_types::{CallError, Revision};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread;

/// What a router keeps for each callee. It is made anew when versions or endpoints change; the
/// states of endpoints that stay, and the budget, are handed on.
struct Way {
    split: Split,
    turns: AtomicU64,
    budget: AtomicU32,
    states: Vec<EndpointState>,
}

#[derive(Default)]
struct EndpointState {
    outstanding: AtomicU32,
    breaker: AtomicU64,
}

impl Signals for Way {
    fn signal(&self, endpoint: usize) -> Signal {
        let state = &self.states[endpoint];
        Signal {
            connected: true,
            outstanding: state.outstanding.load(Relaxed),
            comfortable: 64,
            breaker: Breaker::from_bits(state.breaker.load(Relaxed)),
        }
    }
}

impl EndpointState {
    fn change(&self, change: impl Fn(Breaker) -> Breaker) {
        let change = |bits| Some(change(Breaker::from_bits(bits)).to_bits());
        self.breaker.fetch_update(Relaxed, Relaxed, change).expect("every word is a breaker");
    }
}

impl Way {
    fn new(arms: &[&str]) -> Self {
        let split = World::new(arms).split;
        let states = split.endpoints().iter().map(|_| EndpointState::default()).collect();
        let budget = AtomicU32::new(Budget::FULL.to_bits());
        Self { split, turns: AtomicU64::new(0), budget, states }
    }

    /// One call with all its attempts; `send` is the attempt.
    fn call<R>(
        &self,
        now: Tick,
        idempotent: bool,
        send: impl Fn(&Pick) -> Result<R, (CallError, Started)>,
    ) -> Result<(R, Pick), CallError> {
        let turn = self.turns.fetch_add(1, Relaxed);
        let paid = |bits| Some(Budget::from_bits(bits).on_call().to_bits());
        self.budget.fetch_update(Relaxed, Relaxed, paid).expect("always some");
        let mut tried = Tried::default();
        for attempts in 1.. {
            let pick = choose(&self.split, &Ask { now, tried: &tried, ..ask(turn) }, self)
                .map_err(|nobody| CallError::Unavailable(nobody.to_string()))?;
            let state = &self.states[pick.endpoint];
            state.change(|breaker| breaker.on_sent(now));
            state.outstanding.fetch_add(1, Relaxed);
            let answer = send(&pick);
            state.outstanding.fetch_sub(1, Relaxed);
            let (error, started) = match answer {
                Ok(answer) => {
                    state.change(Breaker::on_answered);
                    return Ok((answer, pick));
                }
                Err(failed) => failed,
            };
            match is_alive(&error) {
                Some(true) => state.change(Breaker::on_answered),
                Some(false) => state.change(|breaker| breaker.on_failed(now)),
                None => {}
            }
            tried.add(pick.endpoint);
            let failed =
                Failed { error: &error, started, idempotent, attempts, remaining_ms: 1_000 };
            let take = |bits| again(&failed, Budget::from_bits(bits)).ok().map(Budget::to_bits);
            if self.budget.fetch_update(Relaxed, Relaxed, take).is_err() {
                return Err(error);
            }
        }
        unreachable!("attempts are bounded")
    }
}

#[test]
fn weights_are_exact_over_the_calls_of_all_threads() {
    let way = Way::new(&["99% v1 n1#0 n2#0", "1% v2 n3#0"]);
    let new = AtomicU32::new(0);
    let call = || {
        for _ in 0..1_000 {
            let (_, pick) = way.call(Tick(0), true, |_| Ok(())).unwrap();
            new.fetch_add(u32::from(pick.version == Revision(2)), Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(call);
        }
    });
    assert_eq!(new.into_inner(), 40);
    assert!(way.states.iter().all(|state| state.outstanding.load(Relaxed) == 0));
}

#[test]
fn a_node_that_is_gone_costs_no_call_and_soon_no_attempt() {
    let way = Way::new(&["99% v1 n2#0 n3#0", "1% v2 n4#0"]);
    let attempts = AtomicU32::new(0);
    let gone = |pick: &Pick| {
        attempts.fetch_add(1, Relaxed);
        match way.split.endpoints()[pick.endpoint].node.0 {
            3 => Err((CallError::Unavailable("link lost".to_owned()), Started::Perhaps)),
            node => Ok(node),
        }
    };
    for _ in 0..1_000 {
        let (node, _) = way.call(Tick(0), true, gone).unwrap();
        assert_ne!(node, 3);
    }
    assert_eq!(attempts.load(Relaxed), 1_005, "five attempts, then it is left alone");
    way.call(Tick(1_000), true, gone).unwrap();
    let before = attempts.load(Relaxed);
    for _ in 0..100 {
        way.call(Tick(1_001), true, gone).unwrap();
    }
    assert!(attempts.load(Relaxed) - before <= 101, "one call at most goes to see");
}

#[test]
fn what_is_never_repeated_fails_once_it_may_have_begun() {
    let way = Way::new(&["100% v1 n2#0 n3#0"]);
    let attempts = AtomicU32::new(0);
    let fail = |started| {
        let attempts = &attempts;
        move |_: &Pick| {
            attempts.fetch_add(1, Relaxed);
            Err::<(), _>((CallError::Unavailable("link lost".to_owned()), started))
        }
    };
    assert!(way.call(Tick(0), false, fail(Started::Perhaps)).is_err());
    assert_eq!(attempts.swap(0, Relaxed), 1);
    assert!(way.call(Tick(0), false, fail(Started::No)).is_err());
    assert_eq!(attempts.load(Relaxed), 2, "both instances, none of which began");
}

#[test]
fn when_everything_fails_calls_are_not_multiplied() {
    let way = Way::new(&["100% v1 n2#0 n3#0 n4#0"]);
    let attempts = AtomicU32::new(0);
    // Time passes, so that breakers let a call through now and then; most of them fail at once.
    for ms in 0..20_000 {
        let overloaded = |_: &Pick| {
            attempts.fetch_add(1, Relaxed);
            Err::<(), _>((CallError::Overloaded(None), Started::No))
        };
        assert!(way.call(Tick(ms), true, overloaded).is_err());
    }
    let sent = attempts.into_inner();
    assert!(sent <= 20_000 + 4_000 + 1_000, "{sent} attempts for 20,000 calls");
}
