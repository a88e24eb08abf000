//! How many instances the controller wants, as the picture has it. Decides nothing: `scaling` does.

mod desk;
mod lead;
mod office;

pub(crate) use desk::{Ask, Asked, Desk, Seen};
pub(crate) use lead::Lead;

use crate::world::World;
use aether_types::checked::{Checked, CheckedSlice};
use aether_types::{AppName, Coordinates};
use std::collections::BTreeMap;

/// Instances that are wanted of a slice: as many as its blueprint says, or as the controller does,
/// within the bounds of that blueprint.
pub(crate) fn wanted(world: &World, app: &AppName, slice: &CheckedSlice) -> u32 {
    let scale = world.scales.get(app);
    let target = scale.and_then(|at| at.value.target(&slice.coordinates));
    let target = slice.max_instances.zip(target);
    target.map_or(slice.instances, |(max, target)| target.instances.clamp(slice.instances, max))
}

/// Those that are not as many as the blueprint says.
pub(crate) fn changed(world: &World, checked: &Checked) -> BTreeMap<Coordinates, u32> {
    let slices = checked.slices.iter();
    let wanted = slices.map(|slice| (slice, wanted(world, &checked.app, slice)));
    let changed = wanted.filter(|(slice, wanted)| slice.instances != *wanted);
    changed.map(|(slice, wanted)| (slice.coordinates.clone(), wanted)).collect()
}

/// The application with as many instances as are wanted.
pub(crate) fn scaled(world: &World, checked: &Checked) -> Checked {
    let mut scaled = checked.clone();
    for slice in &mut scaled.slices {
        slice.instances = wanted(world, &checked.app, slice);
    }
    scaled
}

/// For people; None: the controller leaves the slice alone.
pub(crate) fn shown(
    world: &World,
    app: &AppName,
    slice: &CheckedSlice,
) -> Option<aether_api::SliceScaling> {
    let (min, max) = (slice.instances, slice.max_instances?);
    let target = world.scales.get(app).and_then(|at| at.value.target(&slice.coordinates));
    let changed = target.map(|target| aether_api::ScalingChange {
        at: aether_api::rfc3339(target.changed_ms),
        from: target.before,
        to: target.instances,
        reason: target.why.clone(),
    });
    Some(aether_api::SliceScaling { min, max, changed })
}
