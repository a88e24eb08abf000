//! Applications as the fake cluster shows them. Knows nothing of the rest of the cluster.

use super::NODE;
use crate::*;
use aether_types::blueprint::SliceEntry;
use aether_types::code::Code;
use aether_types::{AppName, Digest};

pub(super) fn slice(app: &AppName, i: usize, entry: &SliceEntry, digest: Option<Digest>) -> Slice {
    let artifact = entry.artifact.clone().unwrap_or_else(|| {
        format!("{app}:slice-{i}:1.0.0").parse().expect("an application's name fits a group")
    });
    let desired = entry.instances.get();
    let instance = |ordinal| Instance {
        ordinal,
        node: NODE.to_owned(),
        state: InstanceState::Loading,
        reason: None,
    };
    Slice {
        app: app.clone(),
        artifact,
        digest: digest.unwrap_or(Digest([0xab; 32])),
        desired,
        scaling: None,
        planned: desired,
        active: 0,
        instances: (0..desired).map(instance).collect(),
        exports: vec![format!("{app}:orders/place@1.0.0")],
        dependencies: Vec::new(),
        reasons: Vec::new(),
    }
}

/// There is one node.
pub(super) fn crowded(app: &AppName) -> Note {
    Note {
        kind: NoteKind::Crowded,
        app: app.clone(),
        place: "shop:place-order:1.0.0".to_owned(),
        reason: Reason {
            code: Code::NotEnoughNodes.to_string(),
            message: "2 instances share 1 node".to_owned(),
            retryable: true,
        },
    }
}

/// What happened to the application between two looks at it.
pub(super) fn advance(application: &mut Application) {
    let broken = application.name.as_str() == "broken";
    for slice in &mut application.slices {
        for instance in &mut slice.instances {
            instance.state = if broken { InstanceState::Failed } else { InstanceState::Active };
            instance.reason = broken.then(|| Reason {
                code: Code::StartFailed.to_string(),
                message: "the start hook returned: no database".to_owned(),
                retryable: true,
            });
        }
        slice.active = if broken { 0 } else { slice.desired };
    }
    application.routes.iter_mut().for_each(|route| route.active = !broken);
    application.phase = Phase::of(&application.slices);
}

pub(super) fn artifact(digest: Digest, size: u64) -> Artifact {
    Artifact {
        digest,
        artifact: None,
        description: String::new(),
        size,
        exports: Vec::new(),
        dependencies: Vec::new(),
        infra: Vec::new(),
        routes: Vec::new(),
        handler: None,
        lifecycle: false,
        is_async: false,
    }
}
