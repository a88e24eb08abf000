//! Every endpoint: method, path, role, limits. The one table that routing and the document share.

use crate::auth::Role;
use crate::error::ApiError;
use crate::{ARTIFACT_BYTES_MAX, BODY_BYTES_MAX, CHECK_BYTES_MAX, STORE_VALUE_BYTES_MAX};
use aether_types::ErrorKind;
use aether_types::code::Code;
use http::Method;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

/// Something that the management API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Live,
    Ready,
    Metrics,
    Document,
    Status,
    Feed,
    Nodes,
    Slices,
    Routes,
    Logs,
    Explain,
    Graph,
    Measured,
    MetricsHistory,
    CallMetrics,
    SlowCalls,
    PutSlowSettings,
    ListAspects,
    PutAspect,
    PutArtifact,
    CheckArtifact,
    ListArtifacts,
    ListApplications,
    GetApplication,
    ApplyApplication,
    CheckApplication,
    RemoveApplication,
    RemoveSlice,
    ListRollouts,
    GetRollout,
    CommandRollout,
    ControllerConfig,
    ChangeController,
    ControllerStatus,
    EvaluateController,
    ListThresholds,
    GetThreshold,
    PutThreshold,
    DeleteThreshold,
    ListAlerts,
    AlertHistory,
    ClearAlertHistory,
    AcknowledgeAlert,
    GetWebhook,
    PutWebhook,
    DeleteWebhook,
    CallApplication,
    ApplicationDocument,
    ListKeys,
    CreateKey,
    DeleteKey,
    CreateToken,
    DrainNode,
    ActivateNode,
    RemoveNode,
    PutEntry,
    GetEntry,
    DeleteEntry,
    ListEntries,
    PutFaults,
    ListFaults,
    EndFault,
    EndFaults,
}

const STALE: (&str, &str) = ("stale", "`true`: what this node has, which may be behind.");

const CALLS: &[(&str, &str)] = &[
    ("app", "Functions of this application alone."),
    ("slice", "Functions of this slice alone: `group:artifact`, or with `:version`."),
    ("function", "This function alone: `group:package/interface#function`, or with `@version`."),
];

/// Values of the `{…}` segments of a path.
pub(crate) type PathParams = BTreeMap<String, String>;

impl Endpoint {
    pub const ALL: &[Self] = &[
        Self::Live,
        Self::Ready,
        Self::Metrics,
        Self::Document,
        Self::Status,
        Self::Feed,
        Self::Nodes,
        Self::Slices,
        Self::Routes,
        Self::Logs,
        Self::Explain,
        Self::Graph,
        Self::Measured,
        Self::MetricsHistory,
        Self::CallMetrics,
        Self::SlowCalls,
        Self::PutSlowSettings,
        Self::ListAspects,
        Self::PutAspect,
        Self::PutArtifact,
        Self::CheckArtifact,
        Self::ListArtifacts,
        Self::ListApplications,
        Self::GetApplication,
        Self::ApplyApplication,
        Self::CheckApplication,
        Self::RemoveApplication,
        Self::RemoveSlice,
        Self::ListRollouts,
        Self::GetRollout,
        Self::CommandRollout,
        Self::ControllerConfig,
        Self::ChangeController,
        Self::ControllerStatus,
        Self::EvaluateController,
        Self::ListThresholds,
        Self::GetThreshold,
        Self::PutThreshold,
        Self::DeleteThreshold,
        Self::ListAlerts,
        Self::AlertHistory,
        Self::ClearAlertHistory,
        Self::AcknowledgeAlert,
        Self::GetWebhook,
        Self::PutWebhook,
        Self::DeleteWebhook,
        Self::CallApplication,
        Self::ApplicationDocument,
        Self::ListKeys,
        Self::CreateKey,
        Self::DeleteKey,
        Self::CreateToken,
        Self::DrainNode,
        Self::ActivateNode,
        Self::RemoveNode,
        Self::PutEntry,
        Self::GetEntry,
        Self::DeleteEntry,
        Self::ListEntries,
        Self::PutFaults,
        Self::ListFaults,
        Self::EndFault,
        Self::EndFaults,
    ];

    /// Method and path template. `{name}` stands for one segment, `{name...}` for the rest.
    pub fn method_and_path(self) -> (Method, &'static str) {
        match self {
            Self::Live => (Method::GET, "/health/live"),
            Self::Ready => (Method::GET, "/health/ready"),
            Self::Metrics => (Method::GET, "/metrics"),
            Self::Document => (Method::GET, "/api/openapi.json"),
            Self::Status => (Method::GET, "/api/status"),
            Self::Feed => (Method::GET, "/api/live"),
            Self::Nodes => (Method::GET, "/api/nodes"),
            Self::Slices => (Method::GET, "/api/slices"),
            Self::Routes => (Method::GET, "/api/routes"),
            Self::Logs => (Method::GET, "/api/logs"),
            Self::Explain => (Method::GET, "/api/explain"),
            Self::Graph => (Method::GET, "/api/graph"),
            Self::Measured => (Method::GET, "/api/metrics"),
            Self::MetricsHistory => (Method::GET, "/api/metrics/history"),
            Self::CallMetrics => (Method::GET, "/api/metrics/calls"),
            Self::SlowCalls => (Method::GET, "/api/slow-calls"),
            Self::PutSlowSettings => (Method::PUT, "/api/slow-calls/strategy"),
            Self::ListAspects => (Method::GET, "/api/aspects"),
            Self::PutAspect => (Method::PUT, "/api/aspects"),
            Self::PutArtifact => (Method::PUT, "/api/artifacts/{digest}"),
            Self::CheckArtifact => (Method::POST, "/api/artifacts/{digest}/check"),
            Self::ListArtifacts => (Method::GET, "/api/artifacts"),
            Self::ListApplications => (Method::GET, "/api/apps"),
            Self::GetApplication => (Method::GET, "/api/apps/{app}"),
            Self::ApplyApplication => (Method::PUT, "/api/apps/{app}"),
            Self::CheckApplication => (Method::POST, "/api/apps/{app}/check"),
            Self::RemoveApplication => (Method::DELETE, "/api/apps/{app}"),
            Self::RemoveSlice => (Method::DELETE, "/api/apps/{app}/slices/{slice}"),
            Self::ListRollouts => (Method::GET, "/api/rollouts"),
            Self::GetRollout => (Method::GET, "/api/rollouts/{app}"),
            Self::CommandRollout => (Method::POST, "/api/rollouts/{app}/{command}"),
            Self::ControllerConfig => (Method::GET, "/api/controller/config"),
            Self::ChangeController => (Method::PUT, "/api/controller/config"),
            Self::ControllerStatus => (Method::GET, "/api/controller/status"),
            Self::EvaluateController => (Method::POST, "/api/controller/evaluate"),
            Self::ListThresholds => (Method::GET, "/api/alerts/thresholds"),
            Self::GetThreshold => (Method::GET, "/api/alerts/thresholds/{metric}"),
            Self::PutThreshold => (Method::PUT, "/api/alerts/thresholds/{metric}"),
            Self::DeleteThreshold => (Method::DELETE, "/api/alerts/thresholds/{metric}"),
            Self::ListAlerts => (Method::GET, "/api/alerts"),
            Self::AlertHistory => (Method::GET, "/api/alerts/history"),
            Self::ClearAlertHistory => (Method::DELETE, "/api/alerts/history"),
            Self::AcknowledgeAlert => (Method::POST, "/api/alerts/{id}/acknowledge"),
            Self::GetWebhook => (Method::GET, "/api/alerts/webhook"),
            Self::PutWebhook => (Method::PUT, "/api/alerts/webhook"),
            Self::DeleteWebhook => (Method::DELETE, "/api/alerts/webhook"),
            Self::CallApplication => (Method::POST, "/api/apps/{app}/call"),
            Self::ApplicationDocument => (Method::GET, "/api/apps/{app}/openapi.json"),
            Self::ListKeys => (Method::GET, "/api/keys"),
            Self::CreateKey => (Method::POST, "/api/keys"),
            Self::DeleteKey => (Method::DELETE, "/api/keys/{id}"),
            Self::CreateToken => (Method::POST, "/api/tokens"),
            Self::DrainNode => (Method::POST, "/api/nodes/{node}/drain"),
            Self::ActivateNode => (Method::POST, "/api/nodes/{node}/activate"),
            Self::RemoveNode => (Method::DELETE, "/api/nodes/{node}"),
            Self::PutEntry => (Method::PUT, "/api/kv/{key...}"),
            Self::GetEntry => (Method::GET, "/api/kv/{key...}"),
            Self::DeleteEntry => (Method::DELETE, "/api/kv/{key...}"),
            Self::ListEntries => (Method::GET, "/api/kv"),
            Self::PutFaults => (Method::POST, "/api/faults"),
            Self::ListFaults => (Method::GET, "/api/faults"),
            Self::EndFault => (Method::DELETE, "/api/faults/{name}"),
            Self::EndFaults => (Method::DELETE, "/api/faults"),
        }
    }

    /// The role that a key needs; `None`: no key is needed.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Live | Self::Ready => None,
            Self::Metrics
            | Self::Document
            | Self::Status
            | Self::Feed
            | Self::Nodes
            | Self::Slices
            | Self::Routes
            | Self::Logs
            | Self::Explain
            | Self::Graph
            | Self::Measured
            | Self::MetricsHistory
            | Self::CallMetrics
            | Self::SlowCalls
            | Self::ListAspects
            | Self::ListArtifacts
            | Self::ListApplications
            | Self::GetApplication
            | Self::ListRollouts
            | Self::GetRollout
            | Self::ControllerConfig
            | Self::ControllerStatus
            | Self::ListThresholds
            | Self::GetThreshold
            | Self::ListAlerts
            | Self::AlertHistory
            | Self::GetWebhook
            | Self::ApplicationDocument
            | Self::GetEntry
            | Self::ListEntries => Some(Role::Viewer),
            // Checks change nothing, but compiling costs the node something.
            Self::PutArtifact
            | Self::CheckArtifact
            | Self::ApplyApplication
            | Self::CheckApplication
            | Self::RemoveApplication
            | Self::RemoveSlice
            | Self::CommandRollout
            | Self::ChangeController
            | Self::EvaluateController
            | Self::PutThreshold
            | Self::DeleteThreshold
            | Self::ClearAlertHistory
            | Self::AcknowledgeAlert
            | Self::PutWebhook
            | Self::DeleteWebhook
            | Self::CallApplication
            | Self::PutSlowSettings
            | Self::PutAspect
            | Self::PutEntry
            | Self::DeleteEntry => Some(Role::Operator),
            Self::ListKeys
            | Self::CreateKey
            | Self::DeleteKey
            | Self::CreateToken
            | Self::DrainNode
            | Self::ActivateNode
            | Self::RemoveNode
            | Self::PutFaults
            | Self::ListFaults
            | Self::EndFault
            | Self::EndFaults => Some(Role::Admin),
        }
    }

    /// Keys of its query, with what they mean. Others are refused.
    pub(crate) fn query(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Explain => &[(
                "target",
                "A route (`GET /orders/7`), a function, a slice, or a slice and what it calls.",
            )],
            Self::Logs => &[
                ("app", "Lines of this application alone."),
                ("slice", "Lines of this slice alone: `group:artifact`, or with `:version`."),
                ("request-id", "Lines of this request alone."),
                ("level", "This level and above: trace, debug, info, warn, error; default info."),
                ("node", "Lines of this node alone; absent: of all members, by time."),
                ("after", "Lines after this place, a page's `next`; absent: the newest."),
                ("limit", "At most so many lines, 1 to 1000; default 200."),
            ],
            Self::RemoveSlice => &[("force", "Also the slices that need it; default false.")],
            Self::EvaluateController => &[("dry-run", "`true`: decide, and change nothing.")],
            Self::Graph => &[("app", "Edges of this application alone.")],
            Self::MetricsHistory => &[
                ("minutes", "The last so many minutes, 1 to 120; default 15."),
                ("node", "This node alone, which may be gone; absent: all nodes."),
            ],
            Self::CallMetrics => CALLS,
            Self::ListAspects => &[("app", "Functions of this application alone.")],
            Self::SlowCalls => &[
                ("app", "Calls of this application alone."),
                ("slice", "Of this slice alone: `group:artifact`, or with `:version`."),
                ("function", "Of this function alone; its version may be left out."),
                ("limit", "At most so many calls, the newest, 1 to 1000; default 100."),
            ],
            Self::GetEntry => &[STALE],
            Self::ListEntries => &[
                ("prefix", "Keys that start with it."),
                ("after", "Keys after this one."),
                ("limit", "At most so many entries, 1 to 1000; default 1000."),
                STALE,
            ],
            _ => &[],
        }
    }

    /// Heads that it heeds, with what they mean.
    pub(crate) fn headers(self) -> &'static [(&'static str, &'static str)] {
        const IF_MATCH: (&str, &str) =
            ("If-Match", "Only if this is the entry's revision; `*`: only if there is one.");
        match self {
            Self::PutEntry => &[IF_MATCH, ("If-None-Match", "`*`: only if there is none.")],
            Self::DeleteEntry => &[IF_MATCH],
            _ => &[],
        }
    }

    /// Largest body in bytes; 0 where there is none.
    pub fn body_max(self) -> usize {
        match self {
            Self::PutArtifact | Self::CheckArtifact => ARTIFACT_BYTES_MAX,
            Self::CheckApplication => CHECK_BYTES_MAX,
            Self::ApplyApplication
            | Self::CallApplication
            | Self::ChangeController
            | Self::PutThreshold
            | Self::PutWebhook
            | Self::CreateKey
            | Self::CreateToken
            | Self::PutSlowSettings
            | Self::PutAspect
            | Self::PutFaults => BODY_BYTES_MAX,
            Self::PutEntry => STORE_VALUE_BYTES_MAX,
            _ => 0,
        }
    }

    /// Longest time from the head of the request to the answer. Compiling a component of the
    /// largest size takes a minute or two; a call has a deadline of its own, of at most an hour.
    pub fn time_max(self) -> Duration {
        match self {
            Self::PutArtifact | Self::CheckArtifact => Duration::from_secs(300),
            Self::ApplyApplication | Self::CheckApplication | Self::RemoveSlice => {
                Duration::from_secs(120)
            }
            Self::CallApplication => Duration::from_secs(3_605),
            _ => Duration::from_secs(30),
        }
    }

    /// Whether somebody may want to know later who asked for it: it is there to change something,
    /// and is not one of thousands in a second.
    pub(crate) fn is_noted(self) -> bool {
        let checks = matches!(self, Self::CheckArtifact | Self::CheckApplication);
        let entries = matches!(self, Self::PutEntry | Self::DeleteEntry);
        self.method_and_path().0 != Method::GET && !checks && !entries
    }

    /// Whether it takes no time but that of the log, and is asked for often.
    pub(crate) fn is_quick(self) -> bool {
        let of_an_entry = matches!(self, Self::PutEntry | Self::GetEntry | Self::DeleteEntry);
        of_an_entry || matches!(self, Self::Live | Self::Ready)
    }

    /// The endpoint that a request means.
    pub(crate) fn find(method: &Method, path: &str) -> Result<(Self, PathParams), ApiError> {
        static ROUTES: LazyLock<Routes> = LazyLock::new(routes);
        let Ok(found) = ROUTES.at(path) else {
            let message = format!("there is no endpoint {path}");
            return Err(ApiError::not_found(Code::UnknownEndpoint, message)
                .help("GET /api/openapi.json lists all endpoints"));
        };
        match found.value.iter().find(|(wanted, _)| wanted == method) {
            Some((_, endpoint)) => Ok((*endpoint, params(&found.params))),
            None => {
                let allowed: Vec<_> = found.value.iter().map(|(it, _)| it.as_str()).collect();
                let message = format!("{path} does not take {method}");
                let error = ApiError::new(ErrorKind::Invalid, Code::MethodNotAllowed, message);
                Err(error.help(format!("it takes {}", allowed.join(", "))))
            }
        }
    }
}

/// Endpoints by path; those of one path differ in the method.
type Routes = matchit::Router<Vec<(Method, Endpoint)>>;

fn routes() -> Routes {
    let mut paths: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for endpoint in Endpoint::ALL {
        let (method, template) = endpoint.method_and_path();
        paths.entry(template).or_default().push((method, *endpoint));
    }
    let mut routes = Routes::new();
    for (template, endpoints) in paths {
        // The rest of a path is `{*name}` there.
        let template = match template.strip_suffix("...}").and_then(|it| it.rsplit_once('{')) {
            Some((before, name)) => format!("{before}{{*{name}}}"),
            None => template.to_owned(),
        };
        routes.insert(template, endpoints).expect("no two templates mean the same path");
    }
    routes
}

/// The `{…}` segments of a path; they are never empty.
fn params(found: &matchit::Params<'_, '_>) -> PathParams {
    found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: Method, path: &str) -> String {
        match Endpoint::find(&method, path) {
            Ok((endpoint, params)) => format!("{endpoint:?} {params:?}"),
            Err(error) => format!("{error}; {}", error.help),
        }
    }

    #[test]
    fn requests_find_their_endpoint() {
        assert_eq!(find(Method::GET, "/api/apps/shop"), r#"GetApplication {"app": "shop"}"#);
        assert_eq!(
            find(Method::GET, "/api/apps/shop/openapi.json"),
            r#"ApplicationDocument {"app": "shop"}"#
        );
        assert_eq!(
            find(Method::POST, "/api/apps/shop"),
            "/api/apps/shop does not take POST [method-not-allowed]; it takes GET, PUT, DELETE"
        );
        assert_eq!(find(Method::GET, "/api/kv/a/b%20c"), r#"GetEntry {"key": "a/b%20c"}"#);
        assert_eq!(find(Method::GET, "/api/kv"), "ListEntries {}");
        for path in ["/api/kv/", "/api/apps/", "/api", "/", "", "/api/apps/a/b", "/api/status/"] {
            assert!(find(Method::GET, path).contains("[unknown-endpoint]"), "{path:?}");
        }
    }

    #[test]
    fn nothing_that_changes_anything_is_open_to_viewers() {
        for endpoint in Endpoint::ALL {
            let (method, path) = endpoint.method_and_path();
            assert_eq!(endpoint.role().is_none(), path.starts_with("/health/"), "{path}");
            assert!(
                method == Method::GET || endpoint.role() >= Some(Role::Operator),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn the_table_is_complete_and_unambiguous() {
        let rows: std::collections::BTreeSet<_> = Endpoint::ALL
            .iter()
            .map(|e| (e.method_and_path().0.to_string(), e.method_and_path().1))
            .collect();
        assert_eq!(rows.len(), Endpoint::ALL.len());
    }
}
