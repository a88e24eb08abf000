//! Two versions of an application whose slices call each other: what they must agree on. Knows no
//! weights.

use aether_types::checked::Checked;
use aether_types::description::Description;
use aether_types::resolve::{Offer, Want, divergences};
use aether_types::{Digest, Problems};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Whether calls of either version can go to slices of the other, for every interface that both
/// have.
///
/// # Errors
/// `type-mismatch` for each function that they do not agree on.
pub fn check_mix(
    versions: [&Checked; 2],
    descriptions: &BTreeMap<Digest, Description>,
) -> Result<(), Problems> {
    let [(old, old_offers), (new, new_offers)] =
        versions.map(|version| (wants(version, descriptions), offers(version, descriptions)));
    let mut problems = divergences(&old, &new_offers);
    problems.extend(divergences(&new, &old_offers));
    problems.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
    problems.dedup();
    Problems(problems).or(())
}

fn wants<'a>(
    version: &'a Checked,
    descriptions: &'a BTreeMap<Digest, Description>,
) -> Vec<Want<'a>> {
    let slices = version.slices.iter();
    let of_each = slices.filter_map(|s| Some((&s.coordinates, descriptions.get(&s.digest)?)));
    let wants = of_each.flat_map(|(importer, description)| {
        let want = move |interface| Want { importer, interface, versions: None, slice: None };
        description.dependencies.iter().map(want)
    });
    wants.collect()
}

fn offers<'a>(
    version: &'a Checked,
    descriptions: &'a BTreeMap<Digest, Description>,
) -> Vec<Offer<'a>> {
    let slices = version.slices.iter();
    let of_each = slices.filter_map(|s| Some((&s.coordinates, descriptions.get(&s.digest)?)));
    let offers = of_each.flat_map(|(slice, description)| {
        description.exports.iter().map(move |interface| Offer { slice, interface })
    });
    offers.collect()
}
