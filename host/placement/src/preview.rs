//! What applying an application would do to the plan. Writes nothing and checks nothing: what it is
//! given passed its check.

use crate::plan::{Report, plan};
use crate::view::View;
use aether_types::Revision;
use aether_types::checked::{Applications, Checked};
use aether_types::plan::Plan;
use alloc::sync::Arc;

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

/// The plan that follows `previous` if `proposed` is accepted now. An application that would not
/// change must not be proposed: a new revision replaces every instance.
pub fn preview(
    applications: &Applications,
    proposed: Arc<Checked>,
    view: &View,
    previous: &Plan,
) -> Preview {
    let checked_at = applications.current(&proposed.app).map_or(Revision(0), |(r, _)| r);
    let mut applications = applications.clone();
    applications.accept(Revision(applications.newest().0 + 1), proposed);
    let (plan, report) = plan(&applications, view, previous);
    Preview { checked_at, plan, report }
}
