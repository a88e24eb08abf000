//! Which of two links of the same pair and class stays. Knows neither.

use aether_types::NodeId;

use crate::Run;

/// What decides about a link; both sides see the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Of the peer's process.
    pub(crate) run: Run,
    pub(crate) dialed_by: NodeId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The new one is the first.
    Install,
    /// The new one stays; the old one finishes what is in flight.
    Replace,
    /// The old one stays.
    Keep,
    /// Another process has the peer's identity: ask the old one whether it is still there.
    Probe,
}

pub(crate) fn resolve(old: Option<Claim>, new: Claim) -> Decision {
    match old {
        None => Decision::Install,
        Some(old) if old.run != new.run => Decision::Probe,
        // A node dials only when it has no link: it has lost the old one, and we shall notice.
        Some(old) if old.dialed_by == new.dialed_by => Decision::Replace,
        // Both dialed at once. Both see the same two links, so both keep the same one.
        Some(old) if new.dialed_by < old.dialed_by => Decision::Replace,
        Some(_) => Decision::Keep,
    }
}

#[cfg(test)]
mod tests;
