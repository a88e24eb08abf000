//! Who calls whom: imports joined to exports, types compared, circles refused, load order found.

use super::Part;
use aether_types::blueprint::Dependency;
use aether_types::checked::Edge;
use aether_types::code::Code;
use aether_types::resolve::{Offer, Unresolved, Want, resolve};
use aether_types::wit::Interface;
use aether_types::{Coordinates, InterfaceName, Problem, nearest};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub(super) type Exporters<'a> = BTreeMap<&'a InterfaceName, (Part<'a>, &'a Interface)>;

/// The one slice that exports each interface version.
pub(super) fn exporters<'a>(parts: &[Part<'a>], problems: &mut Vec<Problem>) -> Exporters<'a> {
    let mut exporters = Exporters::new();
    for part in parts {
        for interface in &part.description.exports {
            match exporters.entry(&interface.name) {
                Entry::Vacant(entry) => {
                    entry.insert((*part, interface));
                }
                Entry::Occupied(entry) => {
                    let name = &interface.name;
                    let first = &entry.get().0.bound.coordinates;
                    let message = format!("exports `{name}`, and so does {first}");
                    let place = &part.bound.coordinates;
                    let problem = Problem::new(Code::DuplicateExport, place, message);
                    problems.push(problem.help(
                        "keep one of the two slices, or give the interface of one another version",
                    ));
                }
            }
        }
    }
    exporters
}

/// The edges of the application, sorted. An import that does not fit is a problem and no edge.
pub(super) fn edges(
    parts: &[Part<'_>],
    exporters: &Exporters<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Edge> {
    let mut edges = Vec::new();
    for part in parts {
        unknown_wishes(part, problems);
        for wanted in &part.description.dependencies {
            let before = problems.len();
            let wish = part.entry.dependencies.iter().find(|(name, _)| name.means(&wanted.name));
            let exporter = match (exporters.get(&wanted.name), wish) {
                (Some((exporter, offered)), None) => {
                    compare(part, wanted, exporter, offered, problems);
                    Some(&exporter.bound.coordinates)
                }
                (_, wish) => {
                    let wish = wish.map(|(_, wish)| wish);
                    compatible(part, wanted, wish, exporters, problems)
                }
            };
            if let Some(exporter) = exporter.filter(|_| problems.len() == before) {
                edges.push(Edge {
                    importer: part.bound.coordinates.clone(),
                    interface: wanted.name.clone(),
                    exporter: exporter.clone(),
                    wish: wish.map(|(_, wish)| wish.clone()),
                });
            }
        }
    }
    edges.sort_by(|a, b| (&a.importer, &a.interface).cmp(&(&b.importer, &b.interface)));
    edges
}

/// Refuses what the blueprint says of imports that the slice does not have.
fn unknown_wishes(part: &Part<'_>, problems: &mut Vec<Problem>) {
    let imports = || part.description.dependencies.iter().map(|wanted| &wanted.name);
    for name in part.entry.dependencies.keys() {
        if imports().any(|import| name.means(import)) {
            continue;
        }
        let message = format!("`dependencies` names `{name}`, which the slice does not import");
        let problem = Problem::new(Code::TomlValue, &part.bound.coordinates, message);
        let names: Vec<String> = imports().map(ToString::to_string).collect();
        problems.push(problem.help(match names.is_empty() {
            true => "it imports nothing of other slices".to_string(),
            false => format!("it imports {}", names.join(", ")),
        }));
    }
}

/// The slice that exports the newest compatible version, where nobody exports the very one or the
/// blueprint wants another.
fn compatible<'a>(
    part: &Part<'_>,
    wanted: &Interface,
    wish: Option<&Dependency>,
    exporters: &Exporters<'a>,
    problems: &mut Vec<Problem>,
) -> Option<&'a Coordinates> {
    let importer = &part.bound.coordinates;
    let want = Want {
        importer,
        interface: wanted,
        versions: wish.and_then(|wish| wish.interface.as_ref()),
        slice: wish.and_then(|wish| Some((wish.slice.as_ref()?, wish.versions.as_ref()))),
    };
    let offer = |(exporter, interface): &(Part<'a>, &'a Interface)| Offer {
        slice: &exporter.bound.coordinates,
        interface,
    };
    let offers: Vec<Offer<'a>> = exporters.values().map(offer).collect();
    let resolution = resolve(&want, offers.iter().copied());
    match &resolution.outcome {
        Ok(found) => {
            // Within a slice, calls go to the imported version, else to the newest that serves.
            let serve = offers.iter().filter(|o| o.slice == found.slice);
            let serve = serve.filter(|o| o.interface.name.serves(&wanted.name));
            let is_exact = |o: &&Offer<'_>| o.interface.name == wanted.name;
            let called = serve.max_by_key(|o| (is_exact(o), o.interface.name.version()));
            let called = called.filter(|o| o.interface.name == found.interface.name);
            if called.is_none() {
                problems.push(several_versions(&want, found));
            }
            called.map(|offer| offer.slice)
        }
        Err(Unresolved::Nobody) => {
            problems.push(unknown_import(part, wanted, exporters));
            None
        }
        Err(_) => {
            problems.extend(want.problem(&resolution));
            None
        }
    }
}

fn several_versions(want: &Want<'_>, found: &Offer<'_>) -> Problem {
    let message = format!(
        "wants `{}`, and {} exports other versions of it as well",
        found.interface.name, found.slice
    );
    Problem::new(Code::TomlValue, want.importer, message)
        .help("within a slice no version can be chosen: name another slice, or widen the range")
}

fn unknown_import(part: &Part<'_>, wanted: &Interface, exporters: &Exporters<'_>) -> Problem {
    let functions: Vec<String> = wanted.functions.iter().map(ToString::to_string).collect();
    let name = &wanted.name;
    let message = format!("nobody provides `{name}`, wanted with {}", functions.join("; "));
    let problem = Problem::new(Code::UnknownImport, &part.bound.coordinates, message);
    let names: Vec<String> = exporters.keys().map(ToString::to_string).collect();
    match nearest(&name.to_string(), names.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("add a slice that exports it to the blueprint"),
    }
}

fn compare(
    part: &Part<'_>,
    wanted: &Interface,
    exporter: &Part<'_>,
    offered: &Interface,
    problems: &mut Vec<Problem>,
) {
    let who = &exporter.bound.coordinates;
    for function in &wanted.functions {
        let offered = match offered.function(&function.name) {
            Some(same) if same == function => continue,
            Some(other) => format!("{who} offers `{other}`"),
            None => format!("{who} has no function of that name"),
        };
        let message = format!("wants `{}` of `{}`, but {offered}", function, wanted.name);
        let problem = Problem::new(Code::TypeMismatch, &part.bound.coordinates, message);
        problems.push(problem.help("build both slices against the same WIT package"));
    }
}

/// Indexes of the parts, exporters before importers; among equals the order of the blueprint.
/// Each circle is one problem.
pub(super) fn load_order(
    parts: &[Part<'_>],
    edges: &[Edge],
    problems: &mut Vec<Problem>,
) -> Vec<usize> {
    let needs = |index: usize| {
        let importer = &parts[index].bound.coordinates;
        let edges = edges.iter().filter(move |e| e.importer == *importer);
        edges.filter_map(|e| parts.iter().position(|p| p.bound.coordinates == e.exporter))
    };
    let mut order: Vec<usize> = Vec::new();
    let mut left: Vec<usize> = (0..parts.len()).collect();
    while let Some(&first) = left.first() {
        let ready = left.iter().position(|&i| !needs(i).any(|n| left.contains(&n)));
        if let Some(at) = ready {
            order.push(left.remove(at));
            continue;
        }
        // Everything left needs something left: following the needs must come round.
        let mut chain = [first].to_vec();
        let circle = loop {
            let last = chain[chain.len() - 1];
            let next = needs(last).find(|n| left.contains(n)).expect("no part left is ready");
            match chain.iter().position(|&i| i == next) {
                Some(start) => break chain.split_off(start),
                None => chain.push(next),
            }
        };
        problems.push(describe_circle(parts, &circle));
        left.retain(|i| !circle.contains(i));
        order.extend(circle);
    }
    order
}

fn describe_circle(parts: &[Part<'_>], circle: &[usize]) -> Problem {
    let name = |i: &usize| parts[*i].bound.coordinates.to_string();
    let chain: Vec<String> = circle.iter().chain(&circle[..1]).map(name).collect();
    let message = format!("slices need each other in a circle: {}", chain.join(" -> "));
    let problem = Problem::new(Code::DependencyCycle, name(&circle[0]), message);
    problem.help("move what both need into a slice of its own")
}
