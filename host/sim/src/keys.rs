//! Names of the entries that a simulated cluster writes. Knows no values.

use aether_kv::Key;
use aether_types::{AppName, Digest, NodeId};

pub(crate) const BLUEPRINTS: &str = "blueprint/";
pub(crate) const ARTIFACTS: &str = "artifact/";
pub(crate) const OBSERVED: &str = "observed/";
pub(crate) const DUTIES: &str = "duty/";
/// What clients write.
pub(crate) const CLIENTS: &str = "client/";

/// Written by the leader.
pub(crate) fn plan() -> Key {
    key("plan")
}

/// Written by the operator.
pub(crate) fn blueprint(app: &AppName) -> Key {
    key(&format!("{BLUEPRINTS}{app}"))
}

/// Written by the operator.
pub(crate) fn artifact(digest: &Digest) -> Key {
    key(&format!("{ARTIFACTS}{digest}"))
}

/// Written by the operator.
pub(crate) fn duty(node: NodeId) -> Key {
    key(&format!("{DUTIES}{node}"))
}

/// Written by that node.
pub(crate) fn observed(node: NodeId) -> Key {
    key(&format!("{OBSERVED}{node}"))
}

/// The only node that may write the key, if there is one.
pub(crate) fn owner(key: &Key) -> Option<NodeId> {
    key.as_str().strip_prefix(OBSERVED)?.parse().ok()
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).expect("names in the simulator are keys")
}
