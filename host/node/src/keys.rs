//! Names of the entries in the replicated map (group 0), in one place. Knows no values.

use aether_kv::Key;
use aether_types::{AppName, Digest, NodeId};

pub(crate) const BLUEPRINTS: &str = "blueprint/";
pub(crate) const ARTIFACTS: &str = "artifact/";
pub(crate) const OBSERVED: &str = "observed/";
pub(crate) const NODES: &str = "node/";
pub(crate) const MEMBERS: &str = "member/";
pub(crate) const TOKENS: &str = "token/";
pub(crate) const CLUSTER: &str = "cluster";
pub(crate) const AUTHORITY: &str = "authority";
pub(crate) const PRINCIPALS: &str = "auth/keys/";
pub(crate) const OPERATORS: &str = "operator/";
pub(crate) const TRAFFICS: &str = "traffic/";
pub(crate) const CHANGES: &str = "change/";
pub(crate) const ROLLOUTS: &str = "rollout/";
pub(crate) const ACKNOWLEDGED: &str = "acknowledged/";
pub(crate) const SCALES: &str = "scale/";
pub(crate) const CONTROLLER: &str = "controller";
pub(crate) const THRESHOLDS: &str = "alerts/thresholds";
pub(crate) const ALERTS: &str = "alerts/state";
pub(crate) const WEBHOOK: &str = "alerts/webhook";
pub(crate) const OUTBOX: &str = "alerts/outbox";
pub(crate) const PLAN: &str = "plan";
pub(crate) const SLOW: &str = "slow-calls";
pub(crate) const BLUEPRINTS_CHANGED: &str = "blueprints-changed";
pub(crate) const ASPECTS: &str = "aspects";

/// What the operator wants: an `Application`. Written by operators.
pub(crate) fn blueprint(app: &AppName) -> Key {
    key(format!("{BLUEPRINTS}{app}"))
}

/// When a blueprint was put or deleted last: nothing but its own revision. Written with each of
/// them, and compared by who decides something about all.
pub(crate) fn blueprints_changed() -> Key {
    key(BLUEPRINTS_CHANGED.to_owned())
}

/// What an artifact is: a `Description`. Written once, when the artifact is stored.
pub(crate) fn artifact(digest: &Digest) -> Key {
    key(format!("{ARTIFACTS}{digest}"))
}

/// What a node sees of its own instances: an `Observed`. Written by that node.
pub(crate) fn observed(node: NodeId) -> Key {
    key(format!("{OBSERVED}{node}"))
}

/// What a node says of itself: a `NodeRecord`. Written by that node at each start.
pub(crate) fn node(node: NodeId) -> Key {
    key(format!("{NODES}{node}"))
}

/// What the cluster wants of a node: a `Member`. Written when it joins, then by operators.
pub(crate) fn member(node: NodeId) -> Key {
    key(format!("{MEMBERS}{node}"))
}

/// Lets nodes join: a `JoinToken`. Written by admins.
pub(crate) fn token(id: &str) -> Key {
    key(format!("{TOKENS}{id}"))
}

/// What is true of the whole cluster: a `ClusterRecord`. Written by the founder.
pub(crate) fn cluster() -> Key {
    key(CLUSTER.to_owned())
}

/// What signs the nodes' certificates. Written once, by the founder.
pub(crate) fn authority() -> Key {
    key(AUTHORITY.to_owned())
}

/// Somebody who may use the management API. Written by admins.
pub(crate) fn principal(id: &str) -> Key {
    key(format!("{PRINCIPALS}{id}"))
}

/// Bytes of an operator or a tool. Written by them, read by nobody here.
pub(crate) fn operator(name: &str) -> Key {
    key(format!("{OPERATORS}{name}"))
}

/// The segment above those.
pub(crate) fn operators() -> Key {
    key(OPERATORS.trim_end_matches('/').to_owned())
}

/// How the versions of an application share its traffic: a `Traffic`. Written by the leader.
pub(crate) fn traffic(app: &AppName) -> Key {
    key(format!("{TRAFFICS}{app}"))
}

/// What an application was, and how it becomes what it is: a `Change`. Written by operators, with
/// the blueprint.
pub(crate) fn change(app: &AppName) -> Key {
    key(format!("{CHANGES}{app}"))
}

/// How far that is: a `Rollout`. Written by the leader, and by operators with a command for it.
pub(crate) fn rollout(app: &AppName) -> Key {
    key(format!("{ROLLOUTS}{app}"))
}

/// The switches of traffic that a node follows: an `Acknowledged`. Written by that node.
pub(crate) fn acknowledged(node: NodeId) -> Key {
    key(format!("{ACKNOWLEDGED}{node}"))
}

/// How many instances the controller wants of an application's slices: a `Scale`. Written by the
/// leader; deleted with the application.
pub(crate) fn scale(app: &AppName) -> Key {
    key(format!("{SCALES}{app}"))
}

/// What the controller goes by: its `Settings`. Written by operators.
pub(crate) fn controller() -> Key {
    key(CONTROLLER.to_owned())
}

/// Where metrics become alerts: `Thresholds`. Written by operators.
pub(crate) fn thresholds() -> Key {
    key(THRESHOLDS.to_owned())
}

/// What is active, and what happened: `Alerts`. Written by the leader, and by operators who
/// acknowledge; each compares with what it has read.
pub(crate) fn alerts() -> Key {
    key(ALERTS.to_owned())
}

/// Where alerts are told: a `Webhook`. Written by operators.
pub(crate) fn webhook() -> Key {
    key(WEBHOOK.to_owned())
}

/// What waits to be told: an `Outbox`. Written by the leader.
pub(crate) fn outbox() -> Key {
    key(OUTBOX.to_owned())
}

/// The plan. Written by the leader.
pub(crate) fn plan() -> Key {
    key(PLAN.to_owned())
}

/// What is done with calls: `Aspects`. Written by operators.
pub(crate) fn aspects() -> Key {
    key(ASPECTS.to_owned())
}

/// Which calls count as slow: a `SlowStrategy`. Written by operators.
pub(crate) fn slow() -> Key {
    key(SLOW.to_owned())
}

fn key(text: String) -> Key {
    Key::new(&text).expect("names of the domain have no empty segments and fit into a key")
}
