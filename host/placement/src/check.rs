//! Whether an application is whole: every problem at once. Knows blueprints and descriptions, no
//! node.

mod difference;
mod errors;
mod grants;
mod hints;
mod links;
mod mix;
mod routes;
mod slices;

pub use difference::{Difference, DifferenceKind, differences};
pub use mix::check_mix;

use aether_types::blueprint::{Application, Bound, SliceEntry};
use aether_types::checked::{Checked, CheckedSlice};
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::slice_toml::Bounded;
use aether_types::{Digest, Problem, Problems};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

/// One slice of the application: its entry, what the entry is bound to, and what that is.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    entry: &'a SliceEntry,
    bound: &'a Bound,
    description: &'a Description,
}

/// Checks an application against its artifacts and against the routes of `others`, the applications
/// that are already accepted (an earlier revision of the same application is left out).
///
/// # Errors
/// Everything that is wrong: `artifact-missing` alone, otherwise `coordinates-mismatch`,
/// `reuse-impossible`, `toml-value`, `grant-missing`, `duplicate-export`, `unknown-import`,
/// `type-mismatch`, `dependency-cycle`, `unknown-function`, `route-invalid`, `route-conflict`.
pub fn check<'a>(
    application: &Application,
    descriptions: &BTreeMap<Digest, Description>,
    others: impl IntoIterator<Item = &'a Checked>,
) -> Result<Checked, Problems> {
    let parts = parts(application, descriptions)?;
    let mut problems = Vec::new();
    slices::check_each(&parts, &mut problems);
    errors::check_each(&parts, &mut problems);
    grants::check_each(&application.blueprint, &parts, &mut problems);
    let limits = slices::limits(&parts, &mut problems);
    hints::check_each(&parts, &mut problems);
    let exporters = links::exporters(&parts, &mut problems);
    let edges = links::edges(&parts, &exporters, &mut problems);
    let order = links::load_order(&parts, &edges, &mut problems);
    let routes = routes::bind_all(application, &parts, &mut problems);
    let app = &application.blueprint.application.name;
    routes::check_conflicts(app, &routes, others, &mut problems);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let slice = |index: usize| CheckedSlice {
        coordinates: parts[index].bound.coordinates.clone(),
        digest: parts[index].bound.digest,
        entry: index,
        limits: limits[index],
        instances: parts[index].entry.instances.get(),
        min_ready: parts[index].entry.min_ready(),
        max_instances: parts[index].entry.max_instances.map(Bounded::get),
        placement: parts[index].entry.placement.clone(),
        exports: parts[index].description.exports.iter().map(|i| i.name.clone()).collect(),
    };
    Ok(Checked { app: app.clone(), slices: order.into_iter().map(slice).collect(), edges, routes })
}

fn parts<'a>(
    application: &'a Application,
    descriptions: &'a BTreeMap<Digest, Description>,
) -> Result<Vec<Part<'a>>, Problems> {
    let entries = &application.blueprint.slices;
    assert_eq!(entries.len(), application.artifacts.len(), "each entry is bound to one artifact");
    let mut parts = Vec::new();
    let mut problems = Vec::new();
    for (entry, bound) in entries.iter().zip(&application.artifacts) {
        match descriptions.get(&bound.digest) {
            Some(description) => parts.push(Part { entry, bound, description }),
            None => {
                let message = format!("no artifact with digest {} is stored", bound.digest);
                let problem = Problem::new(Code::ArtifactMissing, &bound.coordinates, message);
                problems.push(problem.help("push the component again with `aether deploy`"));
            }
        }
    }
    Problems(problems).or(parts)
}
