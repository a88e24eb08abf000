//! What goes over the wire of the management API. Knows nothing of how the cluster keeps it.

mod alert;
mod application;
mod artifact;
mod aspect;
mod call;
mod cluster;
mod controller;
mod fault;
mod graph;
mod live;
mod log;
mod metrics;
mod rollout;
mod slow;
mod store;
mod time;

pub use alert::{
    Alert, AlertEvent, AlertHistory, AlertNotice, AlertSeverity, Alerts, MetricView, Threshold,
    ThresholdRequest, Thresholds, Webhook, WebhookRequest,
};
pub use application::{
    Application, Applications, Applied, ApplyRequest, Change, ChangeKind, CheckReport,
    CheckRequest, FileArtifact, Instance, InstanceState, Note, NoteKind, Phase, PlanStep, Reason,
    RouteView, Routes, Slice, Slices, StepKind,
};
pub use artifact::{
    Artifact, ArtifactRoute, Artifacts, CheckedArtifact, FunctionView, InterfaceView,
};
pub use aspect::{AspectChange, AspectPoint, AspectPoints};
pub use call::{CallAnswer, CallRequest, Candidate, Explanation, Outcome};
pub use cluster::{
    ApplicationSummary, ClusterStatus, Health, KeyCreated, KeyRequest, KeyView, Keys, MemoryStatus,
    NodeState, NodeStatus, Nodes, RaftRole, RaftStatus, Status, TaskStatus, TokenCreated,
    TokenRequest,
};
pub use controller::{
    ControllerChange, ControllerConfig, ControllerStatus, RuleBand, ScalingChange, ScalingVerdict,
    SliceScaling,
};
pub use fault::{
    CallFault, ClockSide, FAULT_CLOCK_MAX, FAULT_LATENCY_MAX, FAULT_MEMORY_MAX,
    FAULT_NAME_BYTES_MAX, FAULT_THREADS_MAX, FAULT_TIME_MAX, FAULTS_MAX, Fault, FaultDirection,
    FaultKind, FaultLinks, FaultRequest, FaultView, Faults,
};
pub use graph::{Graph, GraphEdge};
pub use live::{Live, LivePicture, LiveViewer};
pub use log::{LogCursor, LogLevel, LogLine, LogPage, LogPlace, LogSilence, LogSource};
pub use metrics::{
    CallMetrics, Column, FunctionMetrics, Metrics, MetricsHistory, NodeHistory, NodeMetrics,
    RequestHistory, RequestMetrics,
};
pub use rollout::{
    RolloutCommand, RolloutEvent, RolloutPhase, RolloutStatus, Rollouts, UnknownCommand,
};
pub use slow::{SlowCall, SlowCalls, SlowSettings};
pub use store::{
    Entries, EntryQuery, EntryView, EntryWritten, Expected, STORE_BYTES_MAX, STORE_KEY_BYTES_MAX,
    STORE_VALUE_BYTES_MAX, StoreEntry, StoreKey, StoreKeyError,
};
pub use time::rfc3339;
