//! `blueprint.toml`: what the operator wants. Reads it strictly; resolves and places nothing.

use crate::rollout::Strategy;
use crate::slice_toml::{Bounded, Route, check_memory, check_timeout};
use crate::strict::{Document, Step};
use crate::versioned::Versioned;
use crate::{
    AppName, ByteSize, Coordinates, Digest, InterfaceName, Problem, Problems, SliceName, TimeSpan,
    code::Code,
};
use semver::VersionReq;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};

mod placement;
#[cfg(test)]
mod tests;

pub use placement::{Placement, Spread};

/// The file as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blueprint {
    pub application: About,
    pub slices: Vec<SliceEntry>,
    /// Routes beyond those that the slices bring themselves.
    #[serde(default)]
    pub routes: Vec<RouteEntry>,
    /// Values for every slice of the application (`aether`'s config slice, `wasi:config`).
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Buckets of the cache, by name.
    #[serde(default)]
    pub cache: BTreeMap<String, CacheBucket>,
    #[serde(default)]
    pub rollout: RolloutEntry,
}

/// How the application gets from the blueprint before to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RolloutEntry {
    /// Absent: in place, instance by instance.
    #[serde(deserialize_with = "strategy")]
    pub strategy: Option<Strategy>,
    /// Slices of one version call each other only. Default true; else their calls go by the same
    /// shares as requests, and versions must agree on what they call of each other.
    pub together: bool,
}

impl Default for RolloutEntry {
    fn default() -> Self {
        Self { strategy: None, together: true }
    }
}

fn strategy<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Strategy>, D::Error> {
    match from.is_human_readable() {
        true => Strategy::from_word_or_table(from).map(Some),
        false => Option::deserialize(from),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct About {
    pub name: AppName,
    pub version: semver::Version,
}

/// One slice of the application: `artifact`, or `file`, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SliceEntry {
    /// Coordinates of a stored artifact; with `file`, what the component must be.
    #[serde(default)]
    pub artifact: Option<Coordinates>,
    /// A component on the deployer's disk, relative to the blueprint. The client uploads it.
    #[serde(default)]
    pub file: Option<String>,
    /// 1 to 1,000, each on a node of its own while there are that many nodes; default 1.
    #[serde(default = "one_instance")]
    pub instances: Bounded<1, 1_000>,
    /// The disruption budget: no plan takes a ready instance away that would leave fewer ready
    /// ones. 0 to `instances`; default 1.
    #[serde(default)]
    pub min_ready: Option<Bounded<0, 1_000>>,
    /// How many instances the controller may go up to under load, from `instances`, which stay
    /// the fewest. Absent: it leaves the slice alone.
    #[serde(default)]
    pub max_instances: Option<Bounded<1, 1_000>>,
    /// Who provides what the slice imports, where the newest compatible one is not wanted. By
    /// interface; its version may be left out.
    #[serde(default)]
    pub dependencies: BTreeMap<InterfaceName, Dependency>,
    #[serde(default)]
    pub placement: Placement,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub grants: Grants,
    /// Values for this slice alone; they win over those of the application.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// Narrows who may provide an import.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Dependency {
    /// Versions of the interface, of those that are compatible with the imported one.
    pub interface: Option<VersionReq>,
    /// The slice that provides it.
    pub slice: Option<SliceName>,
    /// Versions of that slice.
    pub versions: Option<VersionReq>,
}

/// Narrows what the slice's author asked for; a larger value than the author's is refused.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    pub max_concurrency: Option<Bounded<1, 4_096>>,
    pub queue: Option<Bounded<0, 65_536>>,
    pub memory: Option<ByteSize>,
    pub timeout: Option<TimeSpan>,
}

/// What the slice may reach. Absent means nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grants {
    /// Origins for outgoing HTTP: `https://api.example.com`, with a port where it is not the usual
    /// one.
    pub http: BTreeSet<String>,
    /// Buckets of the cache.
    pub cache: BTreeSet<String>,
    /// Environment variables that the slice sees, with their values.
    pub env: BTreeMap<String, String>,
}

/// A route that the operator adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteEntry {
    pub route: crate::RoutePattern,
    pub slice: SliceName,
    #[serde(default)]
    pub call: Option<crate::FunctionName>,
    #[serde(default)]
    pub handler: Option<crate::slice_toml::Handler>,
    #[serde(default)]
    pub status: Option<crate::slice_toml::OkStatus>,
    #[serde(default)]
    pub affinity: Option<crate::affinity::Affinity>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CacheBucket {
    /// Keys and values together, 64KiB to 64GiB; default 64MiB.
    pub max_bytes: ByteSize,
    /// Time-to-live of an entry that is set without one. Absent: until evicted.
    pub ttl: Option<TimeSpan>,
    pub eviction: Eviction,
}

/// Which entry goes when a bucket is full.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// The one that was not used for longest.
    #[default]
    Lru,
    /// None: `set` fails with `quota-exceeded`.
    None,
}

pub const SLICES_MAX: usize = 1_000;
pub const BUCKET_BYTES_MIN: ByteSize = ByteSize(64 << 10);
pub const BUCKET_BYTES_MAX: ByteSize = ByteSize::mib(64 << 10);

/// Keys that a later version honours.
const LATER: &[&str] = &["security", "secrets", "topics"];

fn one_instance() -> Bounded<1, 1_000> {
    Bounded::new(1).expect("1 is within 1 to 1,000")
}

impl Default for CacheBucket {
    fn default() -> Self {
        Self { max_bytes: ByteSize::mib(64), ttl: None, eviction: Eviction::default() }
    }
}

impl RouteEntry {
    pub fn as_route(&self) -> Route {
        Route {
            route: self.route.clone(),
            call: self.call.clone(),
            handler: self.handler,
            status: self.status,
            affinity: self.affinity.clone(),
        }
    }
}

impl Blueprint {
    /// Reads the text; `file` names it in problems.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document { file, text, later: LATER };
        let parsed: Self = document.read()?;
        parsed.check(&document).or(parsed)
    }

    fn check(&self, document: &Document<'_>) -> Problems {
        let mut problems = Vec::new();
        if self.slices.is_empty() || self.slices.len() > SLICES_MAX {
            let message = format!("an application has 1 to {SLICES_MAX} slices");
            let place = document.place(&[Step::Key("slices")]);
            problems.push(Problem::new(Code::TomlValue, place, message));
        }
        for (i, slice) in self.slices.iter().enumerate() {
            slice.check(document, i, &self.cache, &mut problems);
        }
        for (i, route) in self.routes.iter().enumerate() {
            let place = || document.place(&[Step::Key("routes"), Step::Index(i)]);
            route.as_route().check(place, &mut problems);
        }
        for (name, bucket) in &self.cache {
            if !(BUCKET_BYTES_MIN..=BUCKET_BYTES_MAX).contains(&bucket.max_bytes) {
                let place = document.place(&[Step::Key("cache"), Step::Key(name)]);
                let message = format!("max-bytes must be {BUCKET_BYTES_MIN} to {BUCKET_BYTES_MAX}");
                problems.push(Problem::new(Code::TomlValue, place, message));
            }
        }
        if let Some(strategy) = &self.rollout.strategy {
            let word = strategy.word();
            let path = |key| [Step::Key("rollout"), Step::Key("strategy"), Step::Key(word), key];
            let place = |key: &'static str| document.place(&path(Step::Key(key)));
            problems.extend(strategy.check(place).0);
        }
        Problems(problems)
    }
}

impl Dependency {
    /// Whether a slice may provide the import with this version of the interface. One without a
    /// version is in no range.
    pub fn takes(&self, provider: &Coordinates, interface: &InterfaceName) -> bool {
        let is_in = |range: &VersionReq| interface.version().is_some_and(|v| range.matches(v));
        self.interface.as_ref().is_none_or(is_in)
            && self.slice.as_ref().is_none_or(|slice| provider.slice == *slice)
            && self.versions.as_ref().is_none_or(|range| range.matches(&provider.version))
    }
}

impl SliceEntry {
    /// Instances that stay ready whatever is planned: 1 unless the blueprint says otherwise.
    pub fn min_ready(&self) -> u32 {
        self.min_ready.map_or(1, Bounded::get)
    }

    fn check(
        &self,
        document: &Document<'_>,
        i: usize,
        buckets: &BTreeMap<String, CacheBucket>,
        problems: &mut Vec<Problem>,
    ) {
        let place = |keys: &[&'static str]| {
            let mut path = vec![Step::Key("slices"), Step::Index(i)];
            path.extend(keys.iter().copied().map(Step::Key));
            document.place(&path)
        };
        if self.artifact.is_none() && self.file.is_none() {
            let problem =
                Problem::new(Code::TomlValue, place(&[]), "a slice needs `artifact` or `file`");
            problems
                .push(problem.help("`file` names a component on disk, `artifact` a stored one"));
        }
        if self.min_ready() > self.instances.get() {
            let (ready, instances) = (self.min_ready(), self.instances.get());
            let message = format!("min-ready is {ready}, and there are only {instances} instances");
            let problem = Problem::new(Code::TomlValue, place(&["min-ready"]), message);
            problems.push(problem.help("raise `instances`, or lower `min-ready`"));
        }
        if let Some(max) = self.max_instances.filter(|max| max.get() < self.instances.get()) {
            let (max, instances) = (max.get(), self.instances.get());
            let message = format!("max-instances is {max}, and there are {instances} instances");
            let problem = Problem::new(Code::TomlValue, place(&["max-instances"]), message);
            problems.push(problem.help("raise `max-instances`, or lower `instances`"));
        }
        for (interface, wish) in &self.dependencies {
            if wish.versions.is_some() && wish.slice.is_none() {
                let message = format!("`versions` for `{interface}` are of no slice");
                let problem = Problem::new(Code::TomlValue, place(&["dependencies"]), message);
                problems.push(
                    problem
                        .help("name the slice; versions of the interface are called `interface`"),
                );
            }
        }
        self.placement.check(|key| place(&["placement", key]), problems);
        if let Some(memory) = self.limits.memory {
            check_memory(memory, || place(&["limits", "memory"]), problems);
        }
        if let Some(timeout) = self.limits.timeout {
            check_timeout(timeout, || place(&["limits", "timeout"]), problems);
        }
        for bucket in self.grants.cache.iter().filter(|b| !buckets.contains_key(*b)) {
            let message = format!("there is no bucket {bucket:?} in this blueprint");
            let problem = Problem::new(Code::GrantMissing, place(&["grants", "cache"]), message);
            problems.push(problem.help(format!("add a table [cache.{bucket}]")));
        }
        for origin in self.grants.http.iter().filter(|o| !is_origin(o)) {
            let message =
                format!("{origin:?} is not an origin such as \"https://api.example.com\"");
            problems.push(Problem::new(Code::TomlValue, place(&["grants", "http"]), message));
        }
    }
}

/// `scheme://host[:port]`, lower case, without a path. The host is a name or an address.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if let Some((address, port)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return port && address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let (host, port) = rest.split_once(':').map_or((rest, None), |(h, p)| (h, Some(p)));
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    !host.is_empty() && host.bytes().all(ok) && port.is_none_or(is_port)
}

/// A blueprint as the cluster keeps it: each entry bound to the bytes that it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    pub blueprint: Blueprint,
    /// One per entry of `blueprint.slices`, in the same order.
    pub artifacts: Vec<Bound>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub coordinates: Coordinates,
    pub digest: Digest,
}

impl Versioned for Application {
    const FORMAT: u8 = 5;
}

impl Application {
    /// Whether both are the same application, however one gets to it.
    pub fn is_same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.blueprint.rollout = self.blueprint.rollout.clone();
        *self == other
    }
}
