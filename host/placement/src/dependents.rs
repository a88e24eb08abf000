//! Who depends on a slice right now, and by which way. Knows what runs; stops nothing.

use crate::view::View;
use aether_types::checked::{Applications, Checked};
use aether_types::code::Code;
use aether_types::observed::InstanceState;
use aether_types::{AppName, Coordinates, NodeId, Problem, Problems, Revision};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Slices of one application that somebody wants to take away.
#[derive(Debug, Clone, Copy)]
pub struct Removal<'a> {
    pub app: &'a AppName,
    pub slices: &'a BTreeSet<Coordinates>,
}

/// A slice that stays, is ACTIVE, and calls what goes: itself, or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// From the dependent to what it would miss, each calling the next one.
    pub chain: Vec<Coordinates>,
    /// Where it is ACTIVE; sorted, never empty.
    pub nodes: Vec<NodeId>,
}

/// Who would miss the slices, sorted by slice. Each revision of the application that runs counts
/// with its own edges, so an instance of an earlier one is seen as long as it is there. Edges do
/// not leave an application: taking a whole one away has no dependents.
pub fn dependents(
    applications: &Applications,
    view: &View,
    removal: Removal<'_>,
) -> Vec<Dependent> {
    let mut found: BTreeMap<Coordinates, Dependent> = BTreeMap::new();
    for (revision, active) in active(view, removal.app) {
        let Some(checked) = applications.get(removal.app, revision) else { continue };
        let chains = chains(checked, removal.slices);
        for (slice, node) in active {
            let Some(chain) = chains.get(slice) else { continue };
            let chain = chain.iter().map(|slice| (*slice).clone()).collect();
            let entry = found.entry(slice.clone());
            let dependent = entry.or_insert(Dependent { chain, nodes: Vec::new() });
            dependent.nodes.push(node);
        }
    }
    for dependent in found.values_mut() {
        dependent.nodes.sort_unstable();
        dependent.nodes.dedup();
    }
    found.into_values().collect()
}

/// Whether the slices can go without anybody missing them.
///
/// # Errors
/// `dependents-active`, one problem for each dependent, with the chain.
pub fn check_removal(
    applications: &Applications,
    view: &View,
    removal: Removal<'_>,
) -> Result<(), Problems> {
    let problem = |dependent: &Dependent| {
        let slice = dependent.chain.last().expect("a chain ends at what goes");
        let chain: Vec<String> = dependent.chain.iter().map(ToString::to_string).collect();
        let nodes: Vec<String> = dependent.nodes.iter().map(ToString::to_string).collect();
        let (who, nodes) = (&dependent.chain[0], nodes.join(", "));
        let message = format!("{who} is ACTIVE on {nodes} and needs it: {}", chain.join(" -> "));
        let problem = Problem::new(Code::DependentsActive, slice, message);
        problem.help(format!("take {who} away first, or with it"))
    };
    let dependents = dependents(applications, view, removal);
    Problems(dependents.iter().map(problem).collect()).or(())
}

/// The ACTIVE instances of the application, by the revision they run with.
fn active<'a>(
    view: &'a View,
    app: &AppName,
) -> BTreeMap<Revision, BTreeSet<(&'a Coordinates, NodeId)>> {
    let mut active: BTreeMap<Revision, BTreeSet<(&Coordinates, NodeId)>> = BTreeMap::new();
    for node in &view.nodes {
        let instances = node.observed.iter().flat_map(|observed| &observed.instances);
        for i in instances.filter(|i| i.state == InstanceState::Active && i.instance.app == *app) {
            let slice = (&i.instance.coordinates, node.id);
            active.entry(i.blueprint).or_default().insert(slice);
        }
    }
    active
}

/// The shortest way from each slice that stays to one that goes.
fn chains<'a>(
    checked: &'a Checked,
    removed: &'a BTreeSet<Coordinates>,
) -> BTreeMap<&'a Coordinates, Vec<&'a Coordinates>> {
    let mut importers: BTreeMap<&Coordinates, BTreeSet<&Coordinates>> = BTreeMap::new();
    for edge in &checked.edges {
        importers.entry(&edge.exporter).or_default().insert(&edge.importer);
    }
    let mut chains: BTreeMap<&Coordinates, Vec<&Coordinates>> = BTreeMap::new();
    let mut next: VecDeque<Vec<&Coordinates>> = removed.iter().map(|s| [s].to_vec()).collect();
    while let Some(chain) = next.pop_front() {
        for importer in importers.get(chain[0]).into_iter().flatten() {
            if removed.contains(*importer) || chains.contains_key(importer) {
                continue;
            }
            let longer: Vec<&Coordinates> = [*importer].into_iter().chain(chain.clone()).collect();
            chains.insert(importer, longer.clone());
            next.push_back(longer);
        }
    }
    chains
}
