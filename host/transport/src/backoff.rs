//! How long to wait before the next dial. Knows no clock; chance is an argument.

use std::time::Duration;

use crate::limits::{REDIAL_MAX, REDIAL_MIN};

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// `chance` is from 0 to 1: of the doubled wait, half is fixed and half is drawn, so that nodes
    /// that lost each other at the same time do not come back at the same time.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let doubled = REDIAL_MIN * 2u32.pow(self.failures.min(16));
        self.failures += 1;
        let half = doubled.min(REDIAL_MAX) / 2;
        half + half.mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests;
