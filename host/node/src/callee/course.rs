//! One call on its way, through all of its attempts. Decides nothing itself: `aether-routing` does.

use super::{Attempt, Callee, Ended, Wish, now};
use aether_engine::{CallContext, Origin};
use aether_routing::{
    Ask, Budget, Endpoint, Failed, Pick, Started, Stop, Tried, again, choose, is_alive,
};
use aether_types::CallError;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A call on its way, through all of its attempts.
pub(super) struct Course<'a> {
    callee: &'a Callee,
    wish: Wish,
    turn: u64,
    tried: Tried,
    pub(super) attempts: u32,
    /// What is known of the last attempt, when the call is made again.
    repeats: Option<Started>,
    /// The last one was not taken: the instance is not there any more, or its node is not reached.
    refused: bool,
    idempotent: bool,
    origin: Arc<Origin>,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        callee: &'a Callee,
        wish: Wish,
        idempotent: bool,
        origin: &Arc<Origin>,
    ) -> Self {
        let memory = &callee.memory;
        let turns = if wish.pin.is_some() { &memory.draws } else { &memory.turns };
        let turn = turns.fetch_add(1, Relaxed);
        let known = Budget::from_bits(memory.budget.load(Relaxed));
        if known < Budget::FULL {
            let paid = |bits| Some(Budget::from_bits(bits).on_call().to_bits());
            memory.budget.fetch_update(Relaxed, Relaxed, paid).expect("every call can pay in");
        }
        Self {
            callee,
            wish,
            turn,
            tried: Tried::new(),
            attempts: 0,
            repeats: None,
            refused: false,
            idempotent,
            origin: Arc::clone(origin),
        }
    }

    /// The next instance; `last` is why the one before did not do.
    pub(super) fn pick(&mut self, last: Option<CallError>) -> Result<Pick, Ended> {
        let ask = ask(self.turn, self.wish, &self.tried);
        match choose(&self.callee.split, &ask, self.callee) {
            Ok(pick) => {
                self.attempts += 1;
                let record = &self.callee.seats[pick.endpoint].record;
                let _ = record.change(|breaker| breaker.on_sent(ask.now));
                if let (Some(started), Some(error)) = (self.repeats.take(), &last) {
                    self.report(&pick, started, error);
                }
                Ok(pick)
            }
            Err(nobody) => {
                let error = last.unwrap_or_else(|| self.callee.nobody(nobody));
                Err(Ended { error, outdated: self.refused })
            }
        }
    }

    /// Says in the call's context which attempt this is, and of a request that has its version,
    /// which other one stands in for that.
    pub(super) fn go_to(&mut self, pick: &Pick, ctx: &mut CallContext) {
        ctx.attempt = self.attempts;
        if self.wish.pin.is_some() && self.origin.variant != Some(pick.version) {
            self.origin = self.origin.in_variant(pick.version);
            ctx.origin = Arc::clone(&self.origin);
        }
    }

    /// Says that the call is made again, and so perhaps runs a second time.
    fn report(&self, pick: &Pick, started: Started, error: &CallError) {
        self.callee.memory.repeats.count(started);
        if started == Started::No {
            return;
        }
        let Endpoint { instance, node, .. } = &self.callee.split.endpoints()[pick.endpoint];
        tracing::info!(
            request_id = %self.origin.request_id,
            variant = self.origin.variant_number(),
            trace_id = self.origin.trace_id(),
            principal = self.origin.principal_name(),
            app = %instance.app,
            slice = %instance.coordinates,
            to = %node,
            attempt = self.attempts,
            %error,
            "a call that may have begun is made again"
        );
    }

    /// What was begun and cannot be made again.
    pub(super) fn failed(&self, pick: &Pick, attempt: Attempt) -> Ended {
        self.note(pick, &attempt.error);
        Ended { error: attempt.error, outdated: false }
    }

    fn note(&self, pick: &Pick, error: &CallError) {
        match is_alive(error) {
            Some(true) => self.callee.answers(pick.endpoint),
            Some(false) => self.callee.fails(pick.endpoint, error),
            None => {}
        }
    }

    /// Whether another instance is asked: then it gives back why this one did not do.
    pub(super) fn again(
        &mut self,
        pick: &Pick,
        attempt: Attempt,
        left: u64,
    ) -> Result<CallError, Ended> {
        let Attempt { error, started } = attempt;
        self.note(pick, &error);
        self.refused = started == Started::No && matches!(error, CallError::Unavailable(_));
        self.tried.add(pick.endpoint);
        let failed = Failed {
            error: &error,
            started,
            idempotent: self.idempotent,
            attempts: self.attempts,
            remaining_ms: left,
        };
        let budget = &self.callee.memory.budget;
        let mut stop = None;
        let take = |bits| match again(&failed, Budget::from_bits(bits)) {
            Ok(left) => Some(left.to_bits()),
            Err(why) => {
                stop = Some(why);
                None
            }
        };
        if budget.fetch_update(Relaxed, Relaxed, take).is_ok() {
            self.repeats = Some(started);
            return Ok(error);
        }
        if let Some(stop @ (Stop::Budget | Stop::MayHaveStarted)) = stop {
            tracing::debug!(
                request_id = %self.origin.request_id,
                variant = self.origin.variant_number(),
                trace_id = self.origin.trace_id(),
                principal = self.origin.principal_name(),
                %error,
                %stop,
                "a call is not made again"
            );
        }
        Err(Ended { error, outdated: self.refused })
    }
}

pub(super) fn ask(turn: u64, wish: Wish, tried: &Tried) -> Ask<'_> {
    let Wish { pin, sticky, affinity } = wish;
    Ask { turn, now: now(), affinity, sticky, pin, tried }
}
