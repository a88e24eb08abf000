//! Where a request or a call would go now, and why. Pure: reads the same table as the traffic.

use crate::callee::{Rules, Wish};
use crate::routing::{Route, Routing};
use crate::views::Views;
use aether_api::{ApiError, Candidate, Explanation, InstanceState};
use aether_placement::LANE;
use aether_routing::{Endpoint, Explained, Key, Match, Standing, VersionShown};
use aether_types::affinity::Affinity;
use aether_types::checked::{Checked, Edge, RouteTarget};
use aether_types::code::Code;
use aether_types::traffic::Sticky;
use aether_types::{AppName, Coordinates, FunctionName, Method, Revision, SliceName};
use http::HeaderMap;

/// `target`: a method and a concrete path, a function, a slice, or a slice and a function that it
/// imports.
pub(crate) fn explain(
    views: &Views<'_>,
    routing: &Routing,
    target: &str,
) -> Result<Explanation, ApiError> {
    let mut explanation =
        Explanation { target: target.to_owned(), lines: Vec::new(), candidates: Vec::new() };
    if let Some((first, second)) = target.split_once(' ') {
        match (slice_name(first), second.trim().parse::<FunctionName>()) {
            (Ok(importer), Ok(function)) => {
                explain_edge(views, routing, &importer, &function, &mut explanation)?;
            }
            _ => explain_route(views, routing, first, second.trim(), &mut explanation)?,
        }
    } else if let Ok(function) = target.parse::<FunctionName>() {
        explain_function(views, routing, &function, &mut explanation)?;
    } else if let Ok(slice) = slice_name(target) {
        explain_slice(views, routing, &slice, &mut explanation)?;
    } else {
        let message = format!("{target:?} is no route, function or slice");
        return Err(ApiError::invalid(Code::RequestInvalid, message).help(
            "write a route with a concrete path (\"GET /api/orders/7\"), a function \
             (shop:orders/place#place), a slice (shop:place-order), or a slice and a function that \
             it calls (\"shop:place-order shop:stock/check#check\")",
        ));
    }
    Ok(explanation)
}

/// `group:artifact`, or with a version, which does not matter here.
fn slice_name(target: &str) -> Result<SliceName, aether_types::NameError> {
    target
        .parse()
        .or_else(|error| target.parse::<Coordinates>().map(|c| c.slice).map_err(|_| error))
}

fn explain_route(
    views: &Views<'_>,
    routing: &Routing,
    method: &str,
    path: &str,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let path = path.split('?').next().unwrap_or(path);
    match routing.routes().find(Method::of_request(method), path) {
        Match::Found { target, params } => {
            // Of several versions, the heaviest: its choice shows all of them.
            let Some(route) = target.versions.first() else { return Ok(()) };
            describe_route(route, &params, out);
            if target.versions.len() > 1 {
                out.lines.extend(route.sticky.as_ref().map(split));
            }
            let affinity = key(route, &params, out);
            let explained = route.callee.explain(Wish { affinity, ..Wish::default() });
            candidates(views, &route.app, &route.route.slice, &explained, out);
        }
        Match::WrongMethod { allow } => {
            let allow: Vec<&str> = allow.iter().map(|m| m.as_str()).collect();
            out.lines.push(format!("the path has routes, none for {method}: answered with 405"));
            out.lines.push(format!("methods that it has: {}", allow.join(", ")));
        }
        Match::Nothing => {
            out.lines.push(format!("no route has the path {path}: answered with 404"));
            let routes = views.table.http.routes();
            let mut routes: Vec<String> = routes.iter().map(|(p, _)| p.to_string()).collect();
            routes.sort();
            out.lines.push(match routes.is_empty() {
                true => "no application has routes".to_owned(),
                false => format!("routes: {}", routes.join(" · ")),
            });
        }
    }
    Ok(())
}

fn describe_route(route: &Route, params: &[(String, String)], out: &mut Explanation) {
    let (app, pattern) = (&route.app, &route.route.pattern);
    out.lines.push(format!("route {pattern} of {app} (revision {})", route.revision));
    for (name, value) in params {
        out.lines.push(format!("{{{name}}} = {value:?}"));
    }
    out.lines.push(match &route.route.target {
        RouteTarget::Typed { function, .. } => format!("calls {function}"),
        RouteTarget::Handler(_) => "is answered by the component's own HTTP handler".to_owned(),
    });
}

/// By what requests find their version.
fn split(sticky: &Sticky) -> String {
    let what = match sticky {
        Sticky::Header(name) => format!("header {name}"),
        Sticky::Cookie(name) => format!("cookie {name}"),
        Sticky::Key => "affinity key".to_owned(),
    };
    format!("requests with the same {what} get the same version; shown is one without it")
}

/// The key of such a request, as far as its path says; what else it may go by is said.
fn key(route: &Route, params: &[(String, String)], out: &mut Explanation) -> Option<Key> {
    let says = |out: &mut Explanation, what: &str| {
        out.lines.push(format!("requests with the same {what} go to the same instance"));
    };
    match (&route.route.affinity, &route.route.target) {
        (Some(Affinity::Path(name)), _) => says(out, &format!("{{{name}}}")),
        (Some(Affinity::Header(name)), _) => {
            says(out, &format!("header {name}"));
            out.lines.push("shown is one without it".to_owned());
        }
        (Some(Affinity::Cookie(name)), _) => {
            says(out, &format!("cookie {name}"));
            out.lines.push("shown is one without it".to_owned());
        }
        (_, RouteTarget::Typed { function, .. }) => {
            let name = route.callee.rules().keyed_by(function)?;
            says(out, &format!("parameter {name}"));
            let given = params.iter().find(|(param, _)| param == name);
            if given.is_none() {
                out.lines.push("shown is one without it".to_owned());
            }
            return given.map(|(_, value)| Key::of(value.as_bytes()));
        }
        _ => {}
    }
    crate::door::affinity(&route.route, &HeaderMap::new(), params)
}

fn explain_function(
    views: &Views<'_>,
    routing: &Routing,
    function: &FunctionName,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let found = exporters(views, |checked| {
        checked.exporter(&function.interface).map(|(slice, _)| slice.coordinates.clone())
    });
    for (app, _, slice) in &found {
        out.lines.push(format!("{function} is exported by {slice} in {app}"));
        callers(views, app, function, out);
        let callee = routing.export(app, &function.interface);
        keyed(callee.rules(), function, out);
        let explained = callee.explain(Wish::default());
        candidates(views, app, slice, &explained, out);
    }
    non_empty(&found, || format!("no application exports {}", function.interface))
}

/// Where calls of one slice go, for each revision of it that has instances.
fn explain_edge(
    views: &Views<'_>,
    routing: &Routing,
    importer: &SliceName,
    function: &FunctionName,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let applications = &views.picture.applications;
    let mut is_known = false;
    for (revision, checked) in applications.all() {
        let app = &checked.app;
        let is_current = applications.current(app).is_some_and(|(current, _)| current == revision);
        let edges = checked.edges.iter().filter(|edge| {
            edge.importer.slice == *importer && function.interface.means(&edge.interface)
        });
        for edge in edges {
            let endpoints = views.table.endpoints(app, revision, &edge.importer);
            let own = endpoints.iter().filter(|endpoint| endpoint.revision == revision);
            let nodes: Vec<String> = own.map(|endpoint| endpoint.node.to_string()).collect();
            if nodes.is_empty() && !is_current {
                continue;
            }
            is_known = true;
            let Edge { importer, interface, .. } = edge;
            out.lines
                .push(format!("{importer} of {app} (revision {revision}) imports {interface}"));
            let is_here = nodes.contains(&routing.node().to_string());
            out.lines.push(match (nodes.is_empty(), is_here) {
                (true, _) => "no instance of it is active".to_owned(),
                (false, true) => format!("it runs on {}", nodes.join(", ")),
                (false, false) => {
                    let nodes = nodes.join(", ");
                    format!("it runs on {nodes}, not here: shown is what this node would choose")
                }
            });
            let Some(callee) = routing.import(app, revision, edge) else { continue };
            keyed(callee.rules(), function, out);
            let explained = callee.explain(Wish::default());
            let before = out.candidates.len();
            candidates(views, app, &edge.exporter, &explained, out);
            for candidate in &mut out.candidates[before..] {
                candidate.why = format!("of revision {revision}: {}", candidate.why);
            }
        }
    }
    match is_known {
        true => Ok(()),
        false => {
            let message = format!("no slice {importer} imports {}", function.interface);
            Err(ApiError::not_found(Code::UnknownTarget, message)
                .help("`aether graph` lists who calls whom, `aether slices` what there is"))
        }
    }
}

/// Says what calls of the function go by, if they do.
fn keyed(rules: &Rules, function: &FunctionName, out: &mut Explanation) {
    if let Some(name) = rules.keyed_by(function) {
        let line = format!("calls with the same parameter {name} go to the same instance");
        out.lines.push(line + "; shown is one without it");
    }
}

fn explain_slice(
    views: &Views<'_>,
    routing: &Routing,
    name: &SliceName,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let found = exporters(views, |checked| {
        let slice = checked.slices.iter().find(|s| s.coordinates.slice == *name);
        slice.map(|slice| slice.coordinates.clone())
    });
    for (app, revision, slice) in &found {
        out.lines.push(format!("{slice} is a slice of {app} (revision {revision})"));
        let explained = routing.slice(app, *revision, slice).explain(Wish::default());
        candidates(views, app, slice, &explained, out);
    }
    non_empty(&found, || format!("no application has a slice {name}"))
}

type Found = (AppName, Revision, Coordinates);

fn exporters(views: &Views<'_>, find: impl Fn(&Checked) -> Option<Coordinates>) -> Vec<Found> {
    let current = views.picture.applications.all_current();
    current.filter_map(|(r, checked)| Some((checked.app.clone(), r, find(checked)?))).collect()
}

fn non_empty(found: &[Found], message: impl FnOnce() -> String) -> Result<(), ApiError> {
    match found {
        [] => Err(ApiError::not_found(Code::UnknownTarget, message())
            .help("`aether slices` and `aether routes` list what there is")),
        _ => Ok(()),
    }
}

fn callers(views: &Views<'_>, app: &AppName, function: &FunctionName, out: &mut Explanation) {
    let Some((_, checked)) = views.picture.applications.current(app) else { return };
    // They may want an older version that is compatible.
    let wanted = checked.exporter(&function.interface).map(|(_, called)| called);
    let called = |edge: &&Edge| {
        let exporter = checked.slice(&edge.exporter);
        exporter.and_then(|exporter| exporter.called(&edge.interface)) == wanted
    };
    for edge in checked.edges.iter().filter(called) {
        out.lines.push(format!("imported by {}", edge.importer));
    }
}

/// Every instance of the slice, and which one the next call goes to.
fn candidates(
    views: &Views<'_>,
    app: &AppName,
    slice: &Coordinates,
    explained: &Explained,
    out: &mut Explanation,
) {
    for version in &explained.versions {
        if explained.versions.len() > 1 {
            let VersionShown { version, slice, weight, .. } = version;
            out.lines.push(format!("revision {version} ({slice}) has {weight} of the traffic"));
        }
        for shown in &version.endpoints {
            let chosen = matches!(shown.standing, Standing::Chosen(_));
            let why = match (explained.why(&shown.standing), shown.outstanding) {
                (why, 0) => why,
                (why, calls) => format!("{why}; {calls} calls now"),
            };
            out.candidates.push(candidate(app, &shown.endpoint, chosen, why));
        }
    }
    let endpoints = explained.versions.iter().flat_map(|version| &version.endpoints);
    let listed: Vec<(u32, String)> = endpoints
        .map(|shown| (shown.endpoint.instance.ordinal % LANE, shown.endpoint.node.to_string()))
        .collect();
    let shown = views.application(app).into_iter().flat_map(|a| a.slices);
    for instance in shown.filter(|s| s.artifact == *slice).flat_map(|s| s.instances) {
        let is_active = instance.state == InstanceState::Active;
        if is_active && listed.contains(&(instance.ordinal, instance.node.clone())) {
            continue;
        }
        let why = match (instance.reason, is_active) {
            (Some(reason), _) => reason.to_string(),
            (None, true) => "its version takes no calls now".to_owned(),
            (None, false) => "not active".to_owned(),
        };
        out.candidates.push(Candidate {
            app: app.to_string(),
            artifact: slice.to_string(),
            ordinal: instance.ordinal,
            node: instance.node,
            state: instance.state,
            chosen: false,
            why,
        });
    }
    out.lines.push(match explained.pick {
        Ok(_) => explained.outcome(),
        Err(_) => format!("{}: answered with 503", explained.outcome()),
    });
}

fn candidate(app: &AppName, endpoint: &Endpoint, chosen: bool, why: String) -> Candidate {
    Candidate {
        app: app.to_string(),
        artifact: endpoint.instance.coordinates.to_string(),
        ordinal: endpoint.instance.ordinal % LANE,
        node: endpoint.node.to_string(),
        state: InstanceState::Active,
        chosen,
        why,
    }
}
