//! Where a request or a call would go now, and why. Pure: reads the same table as the traffic.

use crate::views::Views;
use aether_api::{ApiError, Candidate, Explanation, InstanceState};
use aether_routing::{Endpoint, HttpRoute, Match};
use aether_types::checked::{Checked, RouteTarget};
use aether_types::code::Code;
use aether_types::{AppName, Coordinates, FunctionName, Method, NodeId, Revision, SliceName};
use std::sync::Arc;

/// `target`: a method and a concrete path, a function, or a slice.
pub(crate) fn explain(
    views: &Views<'_>,
    me: NodeId,
    target: &str,
) -> Result<Explanation, ApiError> {
    let mut explanation =
        Explanation { target: target.to_owned(), lines: Vec::new(), candidates: Vec::new() };
    if let Some((method, path)) = target.split_once(' ') {
        explain_route(views, me, method, path, &mut explanation)?;
    } else if let Ok(function) = target.parse::<FunctionName>() {
        explain_function(views, me, &function, &mut explanation)?;
    } else if let Ok(slice) = slice_name(target) {
        explain_slice(views, me, &slice, &mut explanation)?;
    } else {
        let message = format!("{target:?} is no route, function or slice");
        return Err(ApiError::invalid(Code::RequestInvalid, message).help(
            "write a route with a concrete path (\"GET /api/orders/7\"), a function \
             (shop:orders/place#place) or a slice (shop:place-order)",
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
    me: NodeId,
    method: &str,
    path: &str,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let path = path.split('?').next().unwrap_or(path);
    match views.table.http.find(Method::of_request(method), path) {
        Match::Found { target, params } => {
            describe_route(target, &params, out);
            let app = (&target.app, target.revision);
            candidates(views, me, app, &target.route.slice, &target.endpoints, out);
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

fn describe_route(route: &Arc<HttpRoute>, params: &[(String, String)], out: &mut Explanation) {
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

fn explain_function(
    views: &Views<'_>,
    me: NodeId,
    function: &FunctionName,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let found = exporters(views, |checked| {
        checked.exporter(&function.interface).map(|slice| slice.coordinates.clone())
    });
    for (app, revision, slice) in &found {
        out.lines.push(format!("{function} is exported by {slice} in {app}"));
        callers(views, app, function, out);
        let endpoints = views.table.endpoints(app, *revision, slice);
        candidates(views, me, (app, *revision), slice, &endpoints, out);
    }
    non_empty(&found, || format!("no application exports {}", function.interface))
}

fn explain_slice(
    views: &Views<'_>,
    me: NodeId,
    name: &SliceName,
    out: &mut Explanation,
) -> Result<(), ApiError> {
    let found = exporters(views, |checked| {
        let slice = checked.slices.iter().find(|s| s.coordinates.slice == *name);
        slice.map(|slice| slice.coordinates.clone())
    });
    for (app, revision, slice) in &found {
        out.lines.push(format!("{slice} is a slice of {app} (revision {revision})"));
        let endpoints = views.table.endpoints(app, *revision, slice);
        candidates(views, me, (app, *revision), slice, &endpoints, out);
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
    for edge in checked.edges.iter().filter(|e| function.interface.means(&e.interface)) {
        out.lines.push(format!("imported by {}", edge.importer));
    }
}

/// Every instance of the slice, and which one the next call goes to: the first that is ACTIVE.
fn candidates(
    views: &Views<'_>,
    me: NodeId,
    (app, revision): (&AppName, Revision),
    slice: &Coordinates,
    endpoints: &[Endpoint],
    out: &mut Explanation,
) {
    let chosen = endpoints.iter().find(|e| e.node == me);
    for endpoint in endpoints {
        let is_chosen = Some(endpoint) == chosen;
        let why = match (is_chosen, endpoint.node == me, endpoint.revision == revision) {
            (true, _, true) => "on this node".to_owned(),
            (true, _, false) => format!("on this node; still revision {}", endpoint.revision),
            (false, true, _) => "another instance on this node comes first".to_owned(),
            (false, false, _) => {
                format!("on node {}; one on this node is preferred", endpoint.node)
            }
        };
        out.candidates.push(candidate(app, endpoint, is_chosen, why));
    }
    let shown = views.application(app).into_iter().flat_map(|a| a.slices);
    for instance in shown.filter(|s| s.artifact == *slice).flat_map(|s| s.instances) {
        if instance.state == InstanceState::Active {
            continue;
        }
        let why = instance.reason.map_or_else(|| "not active".to_owned(), |r| r.to_string());
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
    out.lines.push(match chosen {
        Some(endpoint) => format!("goes to {} #{}", slice, endpoint.instance.ordinal),
        None => format!("no instance of {slice} is active: answered with 503"),
    });
}

fn candidate(app: &AppName, endpoint: &Endpoint, chosen: bool, why: String) -> Candidate {
    Candidate {
        app: app.to_string(),
        artifact: endpoint.instance.coordinates.to_string(),
        ordinal: endpoint.instance.ordinal,
        node: endpoint.node.to_string(),
        state: InstanceState::Active,
        chosen,
        why,
    }
}
