//! Applications: what is wanted, what is planned, what is there, and why not. Knows no plan format.

use super::controller::SliceScaling;
use aether_types::description::Description;
use aether_types::rollout::Strategy;
use aether_types::{AppName, Coordinates, Digest, FunctionName, RoutePattern};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A blueprint to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApplyRequest {
    /// The text of `blueprint.toml`.
    pub blueprint: String,
    /// Name of the file, for messages.
    #[serde(default = "blueprint_toml")]
    pub file: String,
    /// The bytes that `file` entries mean; uploaded before.
    #[serde(default)]
    pub artifacts: Vec<FileArtifact>,
    /// Apply only if this is still the revision; 0: only if the application is new.
    #[serde(default)]
    pub if_revision: Option<u64>,
    /// How an application that exists gets there, as a rollout; absent: as the blueprint says, and
    /// where that says nothing, instance by instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub strategy: Option<Strategy>,
}

/// Binds a `file` entry of a blueprint to uploaded bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileArtifact {
    /// Place in `slices`, from 0.
    pub entry: u32,
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// The answer to an applied blueprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Applied {
    /// The application's revision now.
    pub revision: u64,
    /// Whether the blueprint differs from the one before.
    pub changed: bool,
    /// Whether a rollout brings it about, which begins now.
    #[serde(default)]
    pub rollout: bool,
    pub application: Application,
}

/// A blueprint to check: what is sent to apply it, and what is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CheckRequest {
    pub apply: ApplyRequest,
    /// Of components that are not uploaded, as their own check answered.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub descriptions: Vec<Description>,
}

/// What applying a blueprint would do. That it is an answer says that it would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CheckReport {
    /// The application's revision now; 0: there is none.
    pub revision: u64,
    /// Whether the blueprint differs from the one that is stored.
    pub changed: bool,
    /// The strategy of the rollout that would bring it about; absent: instance by instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    pub changes: Vec<Change>,
    /// What the first plan that follows would do. Later ones take away what it retires.
    pub steps: Vec<PlanStep>,
    /// What that plan could not do, or not yet.
    pub notes: Vec<Note>,
}

/// What happens to one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlanStep {
    pub kind: StepKind,
    /// `app/group:artifact:version#ordinal`.
    pub instance: String,
    /// Where it is afterwards; for `remove`, where it was.
    pub node: String,
    /// Where it was, if it moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    Add,
    Remove,
    Move,
    /// It stays where it is, with other bytes or another revision of the blueprint.
    Replace,
    /// It serves until what comes after it is ready, and goes then.
    Retire,
}

/// Something that the plan could not do as it should, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Note {
    pub kind: NoteKind,
    #[schema(value_type = String)]
    pub app: AppName,
    /// The slice, or the instance and its node.
    pub place: String,
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Instances have no node.
    Unplaced,
    /// A retired instance goes on serving.
    Staying,
    /// A node has several instances of the slice, because there are too few nodes.
    Crowded,
}

/// One thing that would be different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    pub kind: ChangeKind,
    /// `slice shop:orders`, `route GET /orders`, `config key region`, `bucket carts`.
    pub what: String,
    /// From what to what, where a few words can say it.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// An application with everything that it consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Application {
    #[schema(value_type = String)]
    pub name: AppName,
    /// The author's version.
    pub version: String,
    /// Counts edits of the blueprint.
    pub revision: u64,
    pub phase: Phase,
    pub slices: Vec<Slice>,
    pub routes: Vec<RouteView>,
    /// What the plan could not do as it should, or not yet.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// How an application is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// On the way: not every wanted instance is active yet, and nothing stands in the way.
    Deploying,
    /// Every wanted instance is active.
    Active,
    /// Every slice serves, some with fewer instances than wanted.
    Degraded,
    /// A slice has no active instance and at least one that failed or cannot be placed.
    Failed,
}

/// A slice of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Slice {
    #[schema(value_type = String)]
    pub app: AppName,
    /// `group:artifact:version`.
    #[schema(value_type = String)]
    pub artifact: Coordinates,
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Instances that are wanted: those of the blueprint, or more by the controller.
    pub desired: u32,
    /// Where the controller may change that; absent: it may not.
    #[serde(default)]
    pub scaling: Option<SliceScaling>,
    /// Instances that the plan has a node for.
    pub planned: u32,
    /// Instances that take calls.
    pub active: u32,
    pub instances: Vec<Instance>,
    /// Interfaces that other slices can call.
    pub exports: Vec<String>,
    /// Interfaces that other slices must provide.
    pub dependencies: Vec<String>,
    /// Why instances have no node; empty when all have one.
    pub reasons: Vec<Reason>,
}

/// One placement of a slice on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Instance {
    /// Counts the instances of a slice from 0.
    pub ordinal: u32,
    /// Hexadecimal id of the node.
    pub node: String,
    pub state: InstanceState,
    /// Why it is not where it should be.
    #[serde(default)]
    pub reason: Option<Reason>,
}

/// State of an instance, as its node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceState {
    /// The plan wants it; its node has not said anything yet, or does not answer.
    Planned,
    Loading,
    Loaded,
    Activating,
    /// Takes calls.
    Active,
    Deactivating,
    Unloading,
    Failed,
}

/// Why something is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Reason {
    pub code: String,
    pub message: String,
    /// Whether trying again can help without anybody changing anything.
    pub retryable: bool,
}

/// A route of the front door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RouteView {
    /// `GET /api/orders/{id}`.
    #[schema(value_type = String)]
    pub route: RoutePattern,
    #[schema(value_type = String)]
    pub app: AppName,
    #[schema(value_type = String)]
    pub artifact: Coordinates,
    /// The function that takes the request; absent: the component's own HTTP handler does.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub call: Option<FunctionName>,
    /// Whether an instance takes requests.
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Applications {
    pub applications: Vec<Application>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Slices {
    pub slices: Vec<Slice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Routes {
    pub routes: Vec<RouteView>,
}

fn blueprint_toml() -> String {
    "blueprint.toml".to_owned()
}

impl Phase {
    /// The phase of an application that consists of `slices`.
    pub fn of(slices: &[Slice]) -> Self {
        let stuck = |slice: &Slice| {
            let failed = slice.instances.iter().any(|i| i.state == InstanceState::Failed);
            slice.active < slice.desired && (failed || !slice.reasons.is_empty())
        };
        if slices.iter().all(|s| s.active >= s.desired) {
            Self::Active
        } else if slices.iter().any(|s| stuck(s) && s.active == 0) {
            Self::Failed
        } else if slices.iter().any(stuck) {
            Self::Degraded
        } else {
            Self::Deploying
        }
    }
}

impl From<aether_types::observed::InstanceState> for InstanceState {
    fn from(state: aether_types::observed::InstanceState) -> Self {
        use aether_types::observed::InstanceState as S;
        match state {
            S::Loading => Self::Loading,
            S::Loaded => Self::Loaded,
            S::Activating => Self::Activating,
            S::Active => Self::Active,
            S::Deactivating => Self::Deactivating,
            S::Unloading => Self::Unloading,
            S::Failed => Self::Failed,
        }
    }
}

impl From<&aether_types::observed::Reason> for Reason {
    fn from(reason: &aether_types::observed::Reason) -> Self {
        Self {
            code: reason.code.to_string(),
            message: reason.message.clone(),
            retryable: reason.retryable,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploying => "DEPLOYING",
            Self::Active => "ACTIVE",
            Self::Degraded => "DEGRADED",
            Self::Failed => "FAILED",
        })
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "PLANNED",
            Self::Loading => "LOADING",
            Self::Loaded => "LOADED",
            Self::Activating => "ACTIVATING",
            Self::Active => "ACTIVE",
            Self::Deactivating => "DEACTIVATING",
            Self::Unloading => "UNLOADING",
            Self::Failed => "FAILED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(desired: u32, states: &[InstanceState], unplaced: bool) -> Slice {
        let instance = |(ordinal, state): (usize, &InstanceState)| Instance {
            ordinal: ordinal as u32,
            node: "1".to_owned(),
            state: *state,
            reason: None,
        };
        let reason =
            Reason { code: "not-enough-nodes".into(), message: String::new(), retryable: true };
        Slice {
            app: "shop".parse().unwrap(),
            artifact: "shop:a:1.0.0".parse().unwrap(),
            digest: Digest([0; 32]),
            desired,
            scaling: None,
            planned: states.len() as u32,
            active: states.iter().filter(|s| **s == InstanceState::Active).count() as u32,
            instances: states.iter().enumerate().map(instance).collect(),
            exports: vec![],
            dependencies: vec![],
            reasons: if unplaced { vec![reason] } else { vec![] },
        }
    }

    #[test]
    fn the_phase_follows_from_the_slices() {
        use InstanceState::{Active, Failed, Loading, Planned};
        let good = || slice(1, &[Active], false);
        assert_eq!(Phase::of(&[good(), good()]), Phase::Active);
        assert_eq!(Phase::of(&[good(), slice(1, &[Planned], false)]), Phase::Deploying);
        assert_eq!(Phase::of(&[good(), slice(2, &[Active, Loading], false)]), Phase::Deploying);
        assert_eq!(Phase::of(&[good(), slice(1, &[Failed], false)]), Phase::Failed);
        assert_eq!(Phase::of(&[good(), slice(2, &[Active, Failed], false)]), Phase::Degraded);
        assert_eq!(Phase::of(&[good(), slice(3, &[Active], true)]), Phase::Degraded);
        assert_eq!(Phase::of(&[good(), slice(1, &[], true)]), Phase::Failed);
        assert_eq!(
            Phase::of(&[slice(1, &[Active, Failed], false)]),
            Phase::Active,
            "an old instance that failed to stop is nobody's loss"
        );
    }
}
