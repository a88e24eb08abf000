//! When to ping and when to give up. Knows no clock: the time since the link began is an argument.

use std::time::Duration;

use crate::limits::{PING_EVERY, SILENCE_MAX, TICK};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// We have been silent: say something.
    Ping,
    /// The peer has been silent for this long: too long.
    Silent(Duration),
}

/// Both sides ping when they have nothing to say, so each hears something as long as the way to it
/// works.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    heard: Duration,
    sent: Duration,
    ticked: Duration,
}

impl Liveness {
    pub(crate) fn on_heard(&mut self, now: Duration) {
        self.heard = now;
    }

    pub(crate) fn on_sent(&mut self, now: Duration) {
        self.sent = now;
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Verdict {
        // If we were stopped ourselves, the peer is not to blame for what we did not read.
        let away = now.saturating_sub(self.ticked).saturating_sub(2 * TICK);
        self.ticked = now;
        self.heard = (self.heard + away).min(now);
        let silence = now.saturating_sub(self.heard);
        if silence >= SILENCE_MAX {
            Verdict::Silent(silence)
        } else if now.saturating_sub(self.sent) >= PING_EVERY {
            Verdict::Ping
        } else {
            Verdict::Fine
        }
    }
}

#[cfg(test)]
mod tests;
