//! One instance: its identity, its attempt and its steps. Knows no other instance.

use crate::limits;
use crate::phase::Phase;
use crate::reconciler::{AttemptId, Effect, Outbox, Tick};
use crate::wanted::{SliceKey, Want};
use aether_types::code::Code;
use aether_types::observed::Reason;
use aether_types::plan::InstanceKey;
use aether_types::{Coordinates, Digest, Revision};
use alloc::format;
use alloc::vec::Vec;

/// An instance of one revision. A new revision is another instance with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) attempt: AttemptId,
    pub(crate) key: InstanceKey,
    pub(crate) digest: Digest,
    pub(crate) revision: Revision,
    /// The slices that it calls.
    pub(crate) dependencies: Vec<Coordinates>,
    pub(crate) phase: Phase,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Of the last attempt.
    pub(crate) failure: Option<Reason>,
}

pub(crate) fn withdrawn_by(end: Tick) -> Tick {
    Tick(end.0 - limits::DEACTIVATING_MS_MAX + limits::WITHDRAWING_MS_MAX)
}

pub(crate) fn drained_by(end: Tick) -> Tick {
    Tick(end.0 - limits::STOPPING_MS_MAX)
}

impl Instance {
    /// Whether it is what is wanted.
    pub(crate) fn is(&self, want: &Want) -> bool {
        self.key == want.key && self.digest == want.digest && self.revision == want.revision
    }

    pub(crate) fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }

    pub(crate) fn slice(&self) -> SliceKey {
        (self.key.app.clone(), self.key.coordinates.clone())
    }

    /// The slices that it calls.
    pub(crate) fn needs(&self) -> impl Iterator<Item = SliceKey> {
        self.dependencies.iter().map(|slice| (self.key.app.clone(), slice.clone()))
    }

    /// The only way from phase to phase.
    pub(crate) fn go(&mut self, to: Phase) {
        let (from, to_kind) = (self.phase.kind(), to.kind());
        assert!(from.leads_to(to_kind), "{}: no way from {from:?} to {to_kind:?}", self.key);
        self.phase = to;
    }

    pub(crate) fn load(&mut self, now: Tick, out: &mut Outbox) {
        self.go(Phase::Loading { until: now.after(limits::LOADING_MS_MAX) });
        out.push(Effect::Load {
            attempt: self.attempt,
            instance: self.key.clone(),
            digest: self.digest,
            revision: self.revision,
        });
    }

    pub(crate) fn start(&mut self, now: Tick, out: &mut Outbox) {
        self.go(Phase::Starting { until: now.after(limits::ACTIVATING_MS_MAX) });
        out.push(Effect::Start { attempt: self.attempt });
    }

    pub(crate) fn announce(&mut self, out: &mut Outbox) {
        self.go(Phase::Active);
        (self.failures, self.failure) = (0, None);
        out.push(Effect::Announce { attempt: self.attempt });
    }

    pub(crate) fn withdraw(&mut self, now: Tick, out: &mut Outbox) {
        self.go(Phase::Withdrawing { end: now.after(limits::DEACTIVATING_MS_MAX) });
        out.push(Effect::Withdraw { attempt: self.attempt });
    }

    pub(crate) fn drain(&mut self, end: Tick, out: &mut Outbox) {
        self.go(Phase::Draining { end });
        out.push(Effect::Drain { attempt: self.attempt, until: drained_by(end) });
    }

    pub(crate) fn stop(&mut self, end: Tick, out: &mut Outbox) {
        self.go(Phase::Stopping { end });
        out.push(Effect::Stop { attempt: self.attempt });
    }

    pub(crate) fn unload(&mut self, now: Tick, out: &mut Outbox) {
        self.go(Phase::Unloading { until: now.after(limits::UNLOADING_MS_MAX) });
        out.push(Effect::Unload { attempt: self.attempt });
    }

    /// Gives the attempt up: whatever it has or will yield is dropped by the shell.
    pub(crate) fn discard(&mut self, out: &mut Outbox) {
        self.go(Phase::Gone);
        out.push(Effect::Discard { attempt: self.attempt });
    }

    /// The attempt failed; the next one is made when `seed` and the number of failures say.
    pub(crate) fn fail(&mut self, now: Tick, seed: u64, reason: Reason, out: &mut Outbox) {
        self.failures = self.failures.saturating_add(1);
        let wait = backoff_ms(self.failures, seed ^ self.attempt.0);
        let retry = reason.retryable.then(|| now.after(wait));
        self.failure = Some(reason.clone());
        self.go(Phase::Failed { reason, retry });
        out.push(Effect::Discard { attempt: self.attempt });
    }

    /// What happens at the deadline of the phase.
    pub(crate) fn on_deadline(&mut self, now: Tick, seed: u64, out: &mut Outbox) {
        let timeout = |what: &str, ms: u64| Reason {
            code: Code::StepTimeout,
            message: format!("{what} took longer than {} s", ms / 1_000),
            retryable: true,
        };
        match self.phase {
            Phase::Loading { .. } => {
                self.fail(now, seed, timeout("loading", limits::LOADING_MS_MAX), out);
            }
            Phase::Starting { .. } => {
                self.fail(now, seed, timeout("activating", limits::ACTIVATING_MS_MAX), out);
            }
            Phase::Withdrawing { end } => self.drain(end, out),
            Phase::Draining { end } => self.stop(end, out),
            Phase::Stopping { .. } => self.unload(now, out),
            Phase::Unloading { .. } => self.discard(out),
            Phase::Failed { .. } => self.go(Phase::Queued),
            Phase::Queued | Phase::Loaded | Phase::Active | Phase::Gone => {}
        }
    }
}

/// Exponential, bounded, and spread by up to a quarter so that instances do not retry in step.
fn backoff_ms(failures: u32, seed: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = (limits::RETRY_MS_MIN << doublings).min(limits::RETRY_MS_MAX);
    wait + mix(seed) % (wait / 4 + 1)
}

/// SplitMix64: spreads the bits of a seed.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
