//! The phases of an instance and the only ways between them. Knows no effects and no plan.

use crate::reconciler::Tick;
use aether_types::observed::{InstanceState, Reason};

/// Where an instance is, with when the step must have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waits for its turn to load.
    Queued,
    Loading {
        until: Tick,
    },
    /// Waits for its dependencies.
    Loaded,
    Starting {
        until: Tick,
    },
    Active,
    /// The routers take it out; `end` is the end of the whole deactivation, here and below.
    Withdrawing {
        end: Tick,
    },
    /// Calls in flight come to their end.
    Draining {
        end: Tick,
    },
    /// The stop hook runs.
    Stopping {
        end: Tick,
    },
    Unloading {
        until: Tick,
    },
    /// Tried again at `retry`; without one, only when the plan changes.
    Failed {
        reason: Reason,
        retry: Option<Tick>,
    },
    /// Leaves the reconciler with the next look.
    Gone,
}

/// A phase without its data: what the table of transitions speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Queued,
    Loading,
    Loaded,
    Starting,
    Active,
    Withdrawing,
    Draining,
    Stopping,
    Unloading,
    Failed,
    Gone,
}

/// Every transition that there is.
const TRANSITIONS: &[(Kind, &[Kind])] = &[
    (Kind::Queued, &[Kind::Loading, Kind::Gone]),
    (Kind::Loading, &[Kind::Loaded, Kind::Failed, Kind::Gone]),
    (Kind::Loaded, &[Kind::Starting, Kind::Unloading]),
    (Kind::Starting, &[Kind::Active, Kind::Stopping, Kind::Failed]),
    (Kind::Active, &[Kind::Withdrawing]),
    (Kind::Withdrawing, &[Kind::Draining]),
    (Kind::Draining, &[Kind::Stopping]),
    (Kind::Stopping, &[Kind::Unloading]),
    (Kind::Unloading, &[Kind::Gone]),
    (Kind::Failed, &[Kind::Queued, Kind::Gone]),
    (Kind::Gone, &[]),
];

impl Kind {
    pub(crate) fn leads_to(self, to: Self) -> bool {
        TRANSITIONS.iter().any(|(from, targets)| *from == self && targets.contains(&to))
    }
}

impl Phase {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Queued => Kind::Queued,
            Self::Loading { .. } => Kind::Loading,
            Self::Loaded => Kind::Loaded,
            Self::Starting { .. } => Kind::Starting,
            Self::Active => Kind::Active,
            Self::Withdrawing { .. } => Kind::Withdrawing,
            Self::Draining { .. } => Kind::Draining,
            Self::Stopping { .. } => Kind::Stopping,
            Self::Unloading { .. } => Kind::Unloading,
            Self::Failed { .. } => Kind::Failed,
            Self::Gone => Kind::Gone,
        }
    }

    /// What others see; nothing of an instance that is gone.
    pub(crate) fn state(&self) -> Option<InstanceState> {
        Some(match self {
            Self::Queued | Self::Loading { .. } => InstanceState::Loading,
            Self::Loaded => InstanceState::Loaded,
            Self::Starting { .. } => InstanceState::Activating,
            Self::Active => InstanceState::Active,
            Self::Withdrawing { .. } | Self::Draining { .. } | Self::Stopping { .. } => {
                InstanceState::Deactivating
            }
            Self::Unloading { .. } => InstanceState::Unloading,
            Self::Failed { .. } => InstanceState::Failed,
            Self::Gone => return None,
        })
    }

    /// Whether the slice may be calling others.
    pub(crate) fn may_call(&self) -> bool {
        matches!(
            self.kind(),
            Kind::Starting | Kind::Active | Kind::Withdrawing | Kind::Draining | Kind::Stopping
        )
    }

    /// Whether the instance is on its way out and cannot come back.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(
            self.kind(),
            Kind::Withdrawing | Kind::Draining | Kind::Stopping | Kind::Unloading | Kind::Gone
        )
    }

    /// When `tick` has something to do with it.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Loading { until } | Self::Starting { until } | Self::Unloading { until } => {
                Some(*until)
            }
            Self::Withdrawing { end } => Some(crate::instance::withdrawn_by(*end)),
            Self::Draining { end } => Some(crate::instance::drained_by(*end)),
            Self::Stopping { end } => Some(*end),
            Self::Failed { retry, .. } => *retry,
            Self::Queued | Self::Loaded | Self::Active | Self::Gone => None,
        }
    }
}
