//! Names of the entries in the replicated map (group 0), in one place. Knows no values.

use aether_kv::Key;
use aether_types::{AppName, Digest, NodeId};

pub(crate) const BLUEPRINTS: &str = "blueprint/";
pub(crate) const ARTIFACTS: &str = "artifact/";
pub(crate) const OBSERVED: &str = "observed/";
pub(crate) const NODES: &str = "node/";
pub(crate) const PRINCIPALS: &str = "auth/keys/";
pub(crate) const PLAN: &str = "plan";

/// What the operator wants: an `Application`. Written by operators.
pub(crate) fn blueprint(app: &AppName) -> Key {
    key(format!("{BLUEPRINTS}{app}"))
}

/// What an artifact is: a `Description`. Written once, when the artifact is stored.
pub(crate) fn artifact(digest: &Digest) -> Key {
    key(format!("{ARTIFACTS}{digest}"))
}

/// What a node sees of its own instances: an `Observed`. Written by that node.
pub(crate) fn observed(node: NodeId) -> Key {
    key(format!("{OBSERVED}{node}"))
}

/// A node of the cluster. Written by that node.
pub(crate) fn node(node: NodeId) -> Key {
    key(format!("{NODES}{node}"))
}

/// Somebody who may use the management API. Written by admins.
pub(crate) fn principal(id: &str) -> Key {
    key(format!("{PRINCIPALS}{id}"))
}

/// The plan. Written by the leader.
pub(crate) fn plan() -> Key {
    key(PLAN.to_owned())
}

fn key(text: String) -> Key {
    Key::new(&text).expect("names of the domain have no empty segments and fit into a key")
}
