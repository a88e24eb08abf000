//! Two versions of an application whose slices call each other: what they must agree on. Knows no
//! weights.

use aether_types::checked::{Checked, CheckedSlice, Edge};
use aether_types::description::Description;
use aether_types::resolve::{Offer, Want, resolve};
use aether_types::wit::Interface;
use aether_types::{Digest, InterfaceName, Problem, Problems};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Whether calls of either version can go to slices of the other, for every import of which the
/// other version has an interface that is compatible.
///
/// # Errors
/// `type-mismatch` for each function that they do not agree on.
pub fn check_mix(
    versions: [&Checked; 2],
    descriptions: &BTreeMap<Digest, Description>,
) -> Result<(), Problems> {
    let [old, new] = versions;
    let of = |from: &Checked, to: &Checked| -> Vec<Problem> {
        from.edges.iter().filter_map(|edge| diverges(edge, from, to, descriptions)).collect()
    };
    let mut problems = of(old, new);
    problems.extend(of(new, old));
    problems.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
    problems.dedup();
    Problems(problems).or(())
}

/// What is wrong with calls of an edge of one version that go to the other. What only one of them
/// has stays within it.
fn diverges(
    edge: &Edge,
    from: &Checked,
    to: &Checked,
    descriptions: &BTreeMap<Digest, Description>,
) -> Option<Problem> {
    let (provider, called) = to.provider(edge)?;
    let importer = descriptions.get(&from.slice(&edge.importer)?.digest)?;
    let interface = named(&importer.dependencies, &edge.interface)?;
    let offered = |slice: &CheckedSlice| Some(&descriptions.get(&slice.digest)?.exports);
    let offer =
        Offer { slice: &provider.coordinates, interface: named(offered(provider)?, called)? };
    let want = Want { importer: &edge.importer, interface, versions: None, slice: None };
    want.problem(&resolve(&want, [offer]))
}

fn named<'a>(interfaces: &'a [Interface], name: &InterfaceName) -> Option<&'a Interface> {
    interfaces.iter().find(|interface| interface.name == *name)
}
