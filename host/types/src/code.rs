//! Codes of the problems that people see; each has a page in `docs/operators/errors/`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What is wrong, as a word that can be searched for.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// A TOML file that does not parse.
    TomlSyntax = "toml-syntax",
    /// A key that the file does not have.
    TomlUnknownKey = "toml-unknown-key",
    /// A value of the wrong type or out of its range.
    TomlValue = "toml-value",
    /// A script of Forge that does not parse.
    ScriptSyntax = "script-syntax",
    /// A value, a name or a file in a script of Forge that does not fit.
    ScriptValue = "script-value",
    /// A key that a later version of Aether will honour and this one refuses.
    NotSupportedYet = "not-supported-yet",
    /// The bytes are not a WebAssembly component.
    NotAComponent = "not-a-component",
    /// The component is damaged, or uses a feature that this engine does not have.
    ComponentInvalid = "component-invalid",
    /// A resource, stream or future in an interface between slices.
    HandleInInterface = "handle-in-interface",
    /// The component exports nothing that can be called.
    NothingExported = "nothing-exported",
    /// An import that neither the host nor a slice of the application provides.
    UnknownImport = "unknown-import",
    /// The component cannot take several calls at a time, as its instance policy wants.
    ReuseImpossible = "reuse-impossible",
    /// Importer and exporter disagree about a type.
    TypeMismatch = "type-mismatch",
    /// Two slices of one application export the same version of an interface.
    DuplicateExport = "duplicate-export",
    /// Slices that need each other in a circle.
    DependencyCycle = "dependency-cycle",
    /// Two routes that one request could match equally well.
    RouteConflict = "route-conflict",
    /// A route that cannot be bound to what it names.
    RouteInvalid = "route-invalid",
    /// The slice uses an interface that needs a grant which the blueprint does not give.
    GrantMissing = "grant-missing",
    /// The artifact is not stored in the cluster, or the file does not exist.
    ArtifactMissing = "artifact-missing",
    /// The coordinates in the blueprint are not those in the component.
    CoordinatesMismatch = "coordinates-mismatch",
    /// The same coordinates are stored with other bytes.
    CoordinatesTaken = "coordinates-taken",
    /// The bytes are not those that the digest names.
    DigestMismatch = "digest-mismatch",
    /// The start hook returned an error or trapped.
    StartFailed = "start-failed",
    /// A step of the lifecycle took longer than it may.
    StepTimeout = "step-timeout",
    /// A dependency is not active.
    DependencyNotActive = "dependency-not-active",
    /// More instances are wanted than there are nodes to hold them.
    NotEnoughNodes = "not-enough-nodes",
    /// Placement hints that name no slice of the application, or that contradict each other.
    PlacementInvalid = "placement-invalid",
    /// No node has what the placement of the slice requires.
    PlacementUnsatisfied = "placement-unsatisfied",
    /// Fewer instances would be ready than the blueprint demands.
    MinReady = "min-ready",
    /// Instances that are ACTIVE still call the slice.
    DependentsActive = "dependents-active",
    /// The node has no memory left for another slice.
    OutOfCapacity = "out-of-capacity",
    /// The application does not exist.
    UnknownApplication = "unknown-application",
    /// Somebody else changed it since it was read.
    RevisionConflict = "revision-conflict",
    /// An entry of the store is not as its writer expected.
    PreconditionFailed = "precondition-failed",
    /// The store has no entry of this name.
    UnknownEntry = "unknown-entry",
    /// The store would have more than its share of the replicated map.
    StoreFull = "store-full",
    /// No key, or one that the cluster does not know.
    Unauthenticated = "unauthenticated",
    /// The key is known; its role does not allow this.
    RoleTooLow = "role-too-low",
    /// A page of another origin asks for what only the own pages may.
    ForeignOrigin = "foreign-origin",
    /// No such endpoint or route.
    UnknownEndpoint = "unknown-endpoint",
    /// The endpoint or route exists, with other methods.
    MethodNotAllowed = "method-not-allowed",
    /// A body, query or header that does not say what it should.
    RequestInvalid = "request-invalid",
    /// The body is larger than the limit.
    BodyTooLarge = "body-too-large",
    /// No slice of the application exports the function.
    UnknownFunction = "unknown-function",
    /// Nothing in the cluster has this name.
    UnknownTarget = "unknown-target",
    /// The cluster has no such node.
    UnknownNode = "unknown-node",
    /// The node cannot be taken out of the cluster as it is now.
    NodeInUse = "node-in-use",
    /// The disk of the node that was asked has no room.
    DiskFull = "disk-full",
    /// The node's data folder is an older copy of what the node had.
    StaleData = "stale-data",
    /// The application has no rollout.
    UnknownRollout = "unknown-rollout",
    /// The rollout of the application is not where this could be done.
    RolloutConflict = "rollout-conflict",
    /// No alert with this number is active, or the metric has no threshold.
    UnknownAlert = "unknown-alert",
    /// No key of the management API has this id.
    UnknownKey = "unknown-key",
    /// Nobody can do this right now: no instance, no leader, starting or stopping.
    Unavailable = "unavailable",
    /// Too few voters answer: nothing can be changed, what runs goes on.
    NoMajority = "no-majority",
    /// The time for the request is over.
    DeadlineExceeded = "deadline-exceeded",
    /// The queue of the slice is full.
    Overloaded = "overloaded",
    /// The slice trapped, or hit one of its limits, during the call.
    CalleeFailed = "callee-failed",
    /// The caller may not do this.
    Denied = "denied",
    /// Faults are put into nodes of a sandbox only.
    NotASandbox = "not-a-sandbox",
    /// Anything that is a defect of Aether.
    Internal = "internal",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no known code.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a code of this version")]
pub struct UnknownCode(String);

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().find(|c| c.as_str() == text);
        found.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

crate::name::string_serde!(Code: "a code of a problem");
crate::name::debug_as_display!(Code);
