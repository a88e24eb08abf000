//! The versions of an application that share its traffic. Knows no endpoint.

use aether_types::checked::{Applications, Checked};
use aether_types::traffic::{Traffic, Weight};
use aether_types::{AppName, Revision};
use std::cmp::Reverse;
use std::sync::Arc;

/// Versions that get traffic and are known here, the heaviest first, then the newest.
pub(super) struct Versions<'a> {
    pub(super) traffic: &'a Traffic,
    pub(super) shares: Vec<(Revision, &'a Checked, Weight)>,
}

/// None where there is nothing to share: the traffic follows the revisions of the application.
pub(super) fn of<'a>(
    applications: &'a Applications,
    app: &AppName,
    traffic: Option<&'a Arc<Traffic>>,
) -> Option<Versions<'a>> {
    let traffic = traffic?;
    let shares = traffic.weights.iter().filter_map(|(version, weight)| {
        Some((version, &**applications.get(app, version)?, weight))
    });
    let mut shares: Vec<_> = shares.collect();
    shares.sort_by_key(|(version, _, weight)| (Reverse(*weight), Reverse(*version)));
    (!shares.is_empty()).then_some(Versions { traffic, shares })
}
