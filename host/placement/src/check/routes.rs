//! Routes of an application: bound to functions and handlers, and free of conflicts.

use super::{Part, slices::unknown_function};
use aether_types::binding::bind;
use aether_types::blueprint::{Application, RouteEntry};
use aether_types::checked::{BoundRoute, Checked, RouteTarget};
use aether_types::code::Code;
use aether_types::slice_toml::Route;
use aether_types::{AppName, Problem, nearest};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The routes of the slices, then those of the operator.
pub(super) fn bind_all(
    application: &Application,
    parts: &[Part<'_>],
    problems: &mut Vec<Problem>,
) -> Vec<BoundRoute> {
    let mut routes = Vec::new();
    let mut keep = |bound: Result<BoundRoute, Problem>| match bound {
        Ok(route) => routes.push(route),
        Err(problem) => problems.push(problem),
    };
    for part in parts {
        part.description.settings.routes.iter().for_each(|route| keep(bind_one(part, route)));
    }
    for entry in &application.blueprint.routes {
        keep(part_of(parts, entry).and_then(|part| bind_one(part, &entry.as_route())));
    }
    for part in parts.iter().filter(|p| is_unreachable(p, &routes)) {
        let message = "the component only handles HTTP, and no route leads to it";
        let problem = Problem::new(Code::RouteInvalid, &part.bound.coordinates, message);
        let name = &part.bound.coordinates.slice;
        problems.push(problem.help(format!(
            "add to the blueprint: [[routes]] route = \"* /**\", slice = \"{name}\", handler = \"wasi:http\""
        )));
    }
    routes
}

/// Whether nothing can ever reach the slice.
fn is_unreachable(part: &Part<'_>, routes: &[BoundRoute]) -> bool {
    let description = part.description;
    description.handler.is_some()
        && description.exports.is_empty()
        && !part.description.settings.routes.iter().any(|r| r.handler.is_some())
        && !routes.iter().any(|r| r.slice == part.bound.coordinates)
}

/// The slice that a route of the operator names.
fn part_of<'a, 'p>(parts: &'p [Part<'a>], entry: &RouteEntry) -> Result<&'p Part<'a>, Problem> {
    let place = format!("route `{}`", entry.route);
    let refuse = |message: String, help: String| {
        Err(Problem::new(Code::RouteInvalid, &place, message).help(help))
    };
    let mut named = parts.iter().filter(|p| p.bound.coordinates.slice == entry.slice);
    match (named.next(), named.next()) {
        (Some(part), None) => Ok(part),
        (Some(_), Some(_)) => refuse(
            format!("the application has several versions of {}", entry.slice),
            "let the slice bring the route itself".to_string(),
        ),
        (None, _) => {
            let names: Vec<_> =
                parts.iter().map(|p| p.bound.coordinates.slice.to_string()).collect();
            let help = match nearest(&entry.slice.to_string(), names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its slices are {}", names.join(", ")),
            };
            refuse(format!("the application has no slice {}", entry.slice), help)
        }
    }
}

fn bind_one(part: &Part<'_>, route: &Route) -> Result<BoundRoute, Problem> {
    let target = match &route.call {
        Some(_) => typed(part, route)?,
        None => handler(part, route)?,
    };
    let slice = part.bound.coordinates.clone();
    let affinity = route.affinity.clone();
    Ok(BoundRoute { pattern: route.route.clone(), slice, target, affinity })
}

fn typed(part: &Part<'_>, route: &Route) -> Result<RouteTarget, Problem> {
    let call = route.call.as_ref().expect("the route is a typed one");
    let what = format!("route `{}` calls", route.route);
    let found = part.description.export(call);
    let (interface, function) = found.ok_or_else(|| unknown_function(part, &what, call))?;
    let same = |i: &&aether_types::wit::Interface| {
        call.interface.means(&i.name) && i.function(&call.function).is_some()
    };
    if part.description.exports.iter().filter(same).count() > 1 {
        let message = format!("{what} `{call}`, of which the component exports several versions");
        let problem = Problem::new(Code::RouteInvalid, &part.bound.coordinates, message);
        return Err(problem.help(format!("write the version, such as `{}`", interface.name)));
    }
    let binding = bind(&route.route, function).map_err(|mut problem| {
        problem.place = format!("{}, {}", part.bound.coordinates, problem.place);
        problem
    })?;
    let mut full = call.clone();
    full.interface = interface.name.clone();
    Ok(RouteTarget::Typed { function: full, binding, status: route.status })
}

fn handler(part: &Part<'_>, route: &Route) -> Result<RouteTarget, Problem> {
    part.description.handler.map(RouteTarget::Handler).ok_or_else(|| {
        let message =
            format!("route `{}` needs an HTTP handler, and the component has none", route.route);
        Problem::new(Code::RouteInvalid, &part.bound.coordinates, message)
            .help("export `wasi:http/incoming-handler`, or use `call` with an exported function")
    })
}

/// Refuses routes of equal shape, within the application and with those of others.
pub(super) fn check_conflicts<'a>(
    app: &AppName,
    routes: &[BoundRoute],
    others: impl IntoIterator<Item = &'a Checked>,
    problems: &mut Vec<Problem>,
) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for other in others.into_iter().filter(|other| other.app != *app) {
        for route in &other.routes {
            let owner =
                format!("`{}` of {} in application {}", route.pattern, route.slice, other.app);
            owners.insert(route.pattern.shape(), owner);
        }
    }
    for route in routes {
        if let Some(owner) = owners.get(&route.pattern.shape()) {
            let message = format!("route `{}` matches the same requests as {owner}", route.pattern);
            let problem = Problem::new(Code::RouteConflict, &route.slice, message);
            problems.push(problem.help("change the path or the method of one of them"));
            continue;
        }
        let owner = format!("`{}` of {}", route.pattern, route.slice);
        owners.insert(route.pattern.shape(), owner);
    }
}
