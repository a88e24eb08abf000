//! Nodes that are about to end get nothing that another node could take. Knows no sockets.

use aether_types::observed::{InstanceState, Observed};
use aether_types::plan::InstanceKey;
use aether_types::{AppName, Coordinates, NodeId, Revision};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What serves a call equally well.
type Kind<'a> = (&'a AppName, &'a Coordinates, Revision);

/// What nodes say of themselves, without those instances of leavers that also run elsewhere. One
/// that runs nowhere else gets calls until it is withdrawn.
pub(super) fn spare<'a>(
    observed: &[&'a Observed],
    is_leaving: impl Fn(NodeId) -> bool,
) -> Vec<Cow<'a, Observed>> {
    let stay = observed.iter().filter(|o| !is_leaving(o.node)).flat_map(|o| &o.instances);
    let active = stay.filter(|status| status.state == InstanceState::Active);
    let others: BTreeSet<Kind<'_>> =
        active.map(|status| kind(&status.instance, status.blueprint)).collect();
    let spare = |observed: &&'a Observed| {
        if !is_leaving(observed.node) {
            return Cow::Borrowed(*observed);
        }
        let mut left = Observed::clone(observed);
        left.instances.retain(|status| !others.contains(&kind(&status.instance, status.blueprint)));
        Cow::Owned(left)
    };
    observed.iter().map(spare).collect()
}

fn kind(instance: &InstanceKey, revision: Revision) -> Kind<'_> {
    (&instance.app, &instance.coordinates, revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::observed::InstanceStatus;
    use aether_types::{Digest, Generation};

    fn observed(node: u64, instances: &[(&str, InstanceState)]) -> Observed {
        let status = |(name, state): &(&str, InstanceState)| InstanceStatus {
            instance: InstanceKey {
                app: "shop".parse().unwrap(),
                coordinates: format!("shop:{name}:1.0.0").parse().unwrap(),
                ordinal: node as u32,
            },
            digest: Digest([0; 32]),
            blueprint: Revision(3),
            state: *state,
            reason: None,
        };
        let instances = instances.iter().map(status).collect();
        Observed { node: NodeId(node), run: 1, generation: Generation(1), instances }
    }

    #[test]
    fn a_leaver_keeps_what_runs_nowhere_else() {
        use InstanceState::{Active, Loading};
        let all = [
            observed(1, &[("web", Active), ("stock", Active), ("mail", Active)]),
            observed(2, &[("web", Active), ("stock", Loading)]),
            observed(3, &[("mail", Active)]),
        ];
        let names = |leaving: &[u64]| {
            let all: Vec<&Observed> = all.iter().collect();
            let spared = spare(&all, |node| leaving.contains(&node.0));
            let names = |o: &Cow<'_, Observed>| {
                let names = o.instances.iter().map(|s| s.instance.coordinates.to_string());
                names.collect::<Vec<_>>().join(" ").replace("shop:", "").replace(":1.0.0", "")
            };
            spared.iter().map(names).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(names(&[]), "web stock mail | web stock | mail");
        assert_eq!(names(&[1]), "stock | web stock | mail");
        assert_eq!(names(&[1, 3]), "stock mail | web stock | mail");
    }
}
