//! What a blueprint changes, for people who decide whether to apply it. Knows no instance and no
//! node.

use aether_types::blueprint::{Application, SliceEntry};
use aether_types::checked::Checked;
use aether_types::slice_toml::Bounded;
use aether_types::{Coordinates, Digest};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One thing that would be different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: DifferenceKind,
    /// `slice shop:orders`, `route GET /orders`, `config key region`, `bucket carts`.
    pub what: String,
    /// From what to what, where a few words can say it. Values of the configuration stay unsaid.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    Added,
    Removed,
    Changed,
}

/// Compares an application with what it would be. `before` is none for a new one. Empty: the
/// blueprint says the same as before, perhaps in other words.
pub fn differences(
    before: Option<(&Application, &Checked)>,
    after: (&Application, &Checked),
) -> Vec<Difference> {
    let mut all = Vec::new();
    let of = |application: Option<&Application>| {
        let blueprint = application.map(|application| &application.blueprint);
        let version = blueprint.map(|b| ("version", b.application.version.clone()));
        let config = blueprint.map(|b| b.config.clone()).unwrap_or_default();
        let cache = blueprint.map(|b| b.cache.clone()).unwrap_or_default();
        (version.into_iter().collect(), config, cache)
    };
    let (old_version, old_config, old_cache) = of(before.map(|(application, _)| application));
    let (version, config, cache) = of(Some(after.0));
    compare("application", &old_version, &version, |a, b| format!("{a} -> {b}"), &mut all);
    let old_slices = before.map(|(application, _)| slices(application)).unwrap_or_default();
    compare("slice", &old_slices, &slices(after.0), Part::change, &mut all);
    let old_routes = before.map(|(_, checked)| routes(checked)).unwrap_or_default();
    compare("route", &old_routes, &routes(after.1), |a, b| format!("{a} -> {b}"), &mut all);
    compare("config key", &old_config, &config, |_, _| String::new(), &mut all);
    compare("bucket", &old_cache, &cache, |_, _| "other settings".to_string(), &mut all);
    all
}

fn compare<K: Ord + ToString, V: PartialEq>(
    what: &str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    change: impl Fn(&V, &V) -> String,
    all: &mut Vec<Difference>,
) {
    let mut add = |kind, key: &K, detail| {
        all.push(Difference { kind, what: format!("{what} {}", key.to_string()), detail });
    };
    for (key, old) in before {
        match after.get(key) {
            None => add(DifferenceKind::Removed, key, String::new()),
            Some(new) if new != old => add(DifferenceKind::Changed, key, change(old, new)),
            Some(_) => {}
        }
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        add(DifferenceKind::Added, key, String::new());
    }
}

/// One slice as the blueprint wants it.
#[derive(PartialEq)]
struct Part<'a> {
    coordinates: &'a Coordinates,
    digest: Digest,
    entry: &'a SliceEntry,
}

/// By name; where the application has several versions of a slice, by name and version.
fn slices(application: &Application) -> BTreeMap<String, Part<'_>> {
    let artifacts = &application.artifacts;
    let parts = application.blueprint.slices.iter().zip(artifacts).map(|(entry, bound)| {
        let name = &bound.coordinates.slice;
        let same = artifacts.iter().filter(|other| other.coordinates.slice == *name).count();
        let key = if same > 1 { bound.coordinates.to_string() } else { name.to_string() };
        (key, Part { coordinates: &bound.coordinates, digest: bound.digest, entry })
    });
    parts.collect()
}

impl Part<'_> {
    fn change(&self, to: &Self) -> String {
        let (old, new) = (self.entry, to.entry);
        let mut said = Vec::new();
        let (version, next) = (&self.coordinates.version, &to.coordinates.version);
        if version != next {
            said.push(format!("{version} -> {next}"));
        } else if self.digest != to.digest {
            said.push("other bytes".to_string());
        }
        if old.instances != new.instances {
            let (from, to) = (old.instances.get(), new.instances.get());
            said.push(format!("instances {from} -> {to}"));
        }
        if old.min_ready() != new.min_ready() {
            said.push(format!("min-ready {} -> {}", old.min_ready(), new.min_ready()));
        }
        if old.max_instances != new.max_instances {
            let show = |max: Option<Bounded<1, 1_000>>| {
                max.map_or("none".to_string(), |max| max.get().to_string())
            };
            let (from, to) = (show(old.max_instances), show(new.max_instances));
            said.push(format!("max-instances {from} -> {to}"));
        }
        let other = [
            ("placement", old.placement != new.placement),
            ("limits", old.limits != new.limits),
            ("grants", old.grants != new.grants),
            ("config", old.config != new.config),
        ];
        let other = other.into_iter().filter(|(_, differs)| *differs);
        said.extend(other.map(|(what, _)| format!("other {what}")));
        said.join(", ")
    }
}

/// What serves each route.
fn routes(checked: &Checked) -> BTreeMap<String, String> {
    use aether_types::checked::RouteTarget;
    let serves = |route: &aether_types::checked::BoundRoute| match &route.target {
        RouteTarget::Typed { function, status, .. } => {
            let status = status.map(|status| format!(" {}", status.get())).unwrap_or_default();
            format!("{} {function}{status}", route.slice.slice)
        }
        RouteTarget::Handler(_) => format!("{} wasi:http", route.slice.slice),
    };
    checked.routes.iter().map(|route| (route.pattern.to_string(), serves(route))).collect()
}
