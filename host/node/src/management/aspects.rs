//! What is done with calls beside making them: everything that can be called, and what somebody
//! wants of it. Changes no call.

use super::Office;
use super::writes::Put;
use crate::keys;
use crate::projector::Picture;
use aether_api::{ApiError, AspectChange, AspectPoint, AspectPoints, Principal};
use aether_types::AppName;
use aether_types::aspect::ASPECTS_MAX;
use aether_types::code::Code;
use aether_types::versioned::encode;
use std::collections::BTreeSet;

impl Office {
    pub(super) fn all_aspects(&self, app: Option<&AppName>) -> Result<AspectPoints, ApiError> {
        let picture = self.picture();
        if let Some(app) = app.filter(|app| !picture.world.applications.contains_key(*app)) {
            return Err(self.unknown(app));
        }
        Ok(points(&picture, |point| app.is_none_or(|app| *app == point.app)))
    }

    pub(super) async fn change_aspect(
        &self,
        change: AspectChange,
        by: &Principal,
    ) -> Result<AspectPoints, ApiError> {
        let AspectChange { app, slice, function, aspect } = &change;
        let is_meant = |point: &AspectPoint| {
            point.app == *app
                && point.slice.rsplit_once(':').is_some_and(|(name, _)| name == slice.to_string())
                && function.as_ref().is_none_or(|function| function.means(&point.function))
        };
        if points(&self.picture(), is_meant).points.is_empty() {
            let known = self.all_aspects(Some(app))?.points.into_iter();
            let known: BTreeSet<_> =
                known.map(|it| format!("{} {}", it.slice, it.function)).collect();
            let what =
                function.as_ref().map_or_else(|| "no function".to_owned(), |it| it.to_string());
            let message = format!("{app} has {what} of a slice {slice} that can be called");
            let help = format!("there are: {}", known.into_iter().collect::<Vec<_>>().join(", "));
            return Err(ApiError::not_found(Code::UnknownFunction, message).help(help));
        }
        let changed = self
            .change(|world| {
                let known = &world.aspects;
                let mut next = known.value.clone();
                next.keep(|app| world.applications.contains_key(app));
                if !next.set((app, slice), function.as_ref(), *aspect) {
                    let message = format!("at most {ASPECTS_MAX} functions can have an aspect");
                    return Err(ApiError::invalid(Code::RequestInvalid, message)
                        .help("set some to none: `aether aspect list` shows all"));
                }
                let put = (next != known.value)
                    .then(|| Put::new(keys::aspects(), known.revision, encode(&next)));
                let changed = put.is_some();
                Ok((put, changed))
            })
            .await?;
        if changed {
            let function = function.as_ref().map(tracing::field::display);
            tracing::info!(%app, %slice, function, %aspect, by = by.name, "aspect set");
        }
        Ok(points(&self.picture(), is_meant))
    }
}

/// What can be called of all versions that run, sorted.
fn points(picture: &Picture, wants: impl Fn(&AspectPoint) -> bool) -> AspectPoints {
    let mut points = Vec::new();
    for (_, checked) in picture.applications.all() {
        for slice in &checked.slices {
            let Some(description) = picture.world.artifacts.get(&slice.digest) else { continue };
            let name = &slice.coordinates.slice;
            points.extend(description.functions().map(|function| AspectPoint {
                app: checked.app.clone(),
                slice: slice.coordinates.to_string(),
                aspect: picture.world.aspects.value.of(&checked.app, name, &function),
                function,
            }));
        }
    }
    points.retain(wants);
    let key =
        |point: &AspectPoint| (point.app.clone(), point.slice.clone(), point.function.to_string());
    points.sort_by_key(key);
    points.dedup();
    AspectPoints { points }
}
