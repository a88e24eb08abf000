//! What applying an application would do to the plan. Writes nothing and checks nothing: what it is
//! given passed its check.

use crate::plan::Report;
use crate::versions::{SideBySide, WantedVersion, plan_versions};
use crate::view::View;
use aether_types::checked::{Applications, Checked};
use aether_types::plan::Plan;
use aether_types::{Coordinates, Revision};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;

/// The first plan that would follow. Later ones take away what this one retires, as soon as what
/// comes after it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The revision of the application that the preview compares with, to be named when it is
    /// applied; 0: it is not deployed.
    pub checked_at: Revision,
    pub plan: Plan,
    pub report: Report,
}

/// A revision that is not accepted yet.
#[derive(Debug, Clone)]
pub struct Proposed {
    pub checked: Arc<Checked>,
    /// Instances that a rollout begins with, beside all of this revision; none: each comes in the
    /// place of one of the current revision.
    pub rollout: Option<(Revision, BTreeMap<Coordinates, u32>)>,
}

/// The plan that follows `previous` if `proposed` is accepted now; `side_by_side` is what other
/// applications have. An application that would not change must not be proposed: a new revision
/// replaces every instance.
pub fn preview(
    applications: &Applications,
    side_by_side: &SideBySide,
    proposed: Proposed,
    view: &View,
    previous: &Plan,
) -> Preview {
    let Proposed { checked, rollout } = proposed;
    let app = checked.app.clone();
    let checked_at = applications.current(&app).map_or(Revision(0), |(r, _)| r);
    let mut applications = applications.clone();
    let mut side_by_side = side_by_side.clone();
    let revision = Revision(applications.newest().0 + 1);
    applications.accept(revision, checked);
    let before = side_by_side.remove(&app).unwrap_or_default();
    if let Some((old, instances)) = rollout {
        let known = before.into_iter().find(|version| version.revision == old);
        let old = known.unwrap_or(WantedVersion { revision: old, instances: BTreeMap::new() });
        side_by_side.insert(app, vec![old, WantedVersion { revision, instances }]);
    }
    let (plan, report) = plan_versions(&applications, &side_by_side, view, previous);
    Preview { checked_at, plan, report }
}
