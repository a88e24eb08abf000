//! What a process needs to start: `node.toml`, and the command line over it. Reads files and
//! nothing else.

use aether_types::{ByteSize, Problem, Problems, TimeSpan, code::Code, read_toml};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `node.toml`. Every key has a default; unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where the node keeps everything: identity, log, artifacts, compiled code, keys.
    pub data: PathBuf,
    pub listen: Listen,
    pub cluster: Cluster,
    pub limits: Limits,
    pub log: Log,
    pub telemetry: Telemetry,
    /// Certificates from elsewhere, instead of the cluster's own authority.
    pub tls: Option<TlsFiles>,
    /// Lets administrators put faults into the node. For clusters that nobody needs.
    pub sandbox: bool,
}

/// Addresses to listen on; port 0 takes a free one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Listen {
    /// Applications' HTTP: the front door.
    pub http: SocketAddr,
    /// The management API. Not encrypted: keep it on loopback or a network you trust.
    pub api: SocketAddr,
    /// Other nodes. Encrypted and authenticated on both sides.
    pub cluster: SocketAddr,
}

/// PEM files; read when the node starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsFiles {
    /// Certificates of the authorities that all nodes of the cluster trust.
    pub ca: PathBuf,
    /// The node's certificate, then those between it and the authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The node's place among others.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Cluster {
    /// Any member's cluster address, `HOST:PORT`: a node without an identity joins there. Without
    /// it, such a node founds a cluster of its own.
    pub join: Option<String>,
    /// What `aether node token` printed. Needed with `join`, until the node has joined.
    pub token: Option<String>,
    /// Where others reach this node, `HOST:PORT`; without it, what it listens on.
    pub advertise: Option<String>,
    /// Failure domain of this node: a rack, a room, a data centre.
    pub zone: String,
    /// How many nodes of a new cluster vote: 1, 3, 5 or 7. Further nodes listen.
    pub voters: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Linear memory of all slices of this node together.
    pub memory: ByteSize,
    /// `WasmInstance`s that live at the same time, over all slices.
    pub wasm_instances: u32,
    /// Compiled code kept on disk; the least recently used goes first.
    pub compiled_code: ByteSize,
    /// Largest body of a request at the front door.
    pub request_body: ByteSize,
    /// How long a node that is asked to stop goes on taking requests: load balancers and clients
    /// see in this time that it goes. Not where it is the only node.
    pub notice: TimeSpan,
    /// How long a stopping node waits for requests in flight.
    pub shutdown: TimeSpan,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Log {
    /// A filter such as `info` or `info,aether_engine=debug`.
    pub level: String,
    pub format: LogFormat,
}

/// Where traces and metrics go, beside `/metrics`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Telemetry {
    /// `http://HOST:PORT` of an OpenTelemetry collector that takes OTLP over HTTP. Without it
    /// nothing is sent, and no spans are made.
    pub otlp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("aether-data"),
            listen: Listen::default(),
            cluster: Cluster::default(),
            limits: Limits::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
            tls: None,
            sandbox: false,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 8070)),
            api: SocketAddr::from(([127, 0, 0, 1], 8080)),
            cluster: SocketAddr::from(([127, 0, 0, 1], 8090)),
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self { join: None, token: None, advertise: None, zone: String::new(), voters: 5 }
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { join, token: _, advertise, zone, voters } = self;
        let mut shown = f.debug_struct("Cluster");
        shown.field("join", join).field("advertise", advertise).field("zone", zone);
        shown.field("voters", voters).finish_non_exhaustive()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(4_096),
            wasm_instances: 2_000,
            compiled_code: ByteSize::mib(2_048),
            request_body: ByteSize::mib(8),
            notice: TimeSpan::from_secs(2),
            shutdown: TimeSpan::from_secs(10),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Settings {
    /// Reads `node.toml`; relative paths in it are relative to the file.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| Problem::new(Code::TomlSyntax, &file, format!("cannot be read: {e}")))?;
        let mut settings = Self::parse(&file, &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        settings.data = folder.join(&settings.data);
        if let Some(TlsFiles { ca, certificate, key }) = &mut settings.tls {
            [ca, certificate, key].into_iter().for_each(|file| *file = folder.join(&*file));
        }
        Ok(settings)
    }

    fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let settings: Self = read_toml(file, text, &[])?;
        settings.validate(file)?;
        Ok(settings)
    }

    /// All values that no node can run with; `place` is where they come from.
    pub fn validate(&self, place: &str) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let mut check = |ok: bool, message: &str| {
            if !ok {
                problems.0.push(Problem::new(Code::TomlValue, place, message));
            }
        };
        let Self { limits, cluster, .. } = self;
        check(limits.memory >= ByteSize::mib(64), "limits.memory is at least 64MiB");
        check(
            (16..=9_000).contains(&limits.wasm_instances),
            "limits.wasm-instances is 16 to 9000: each has 7 memory maps, and Linux gives a \
             process 65530",
        );
        check(limits.compiled_code >= ByteSize::mib(64), "limits.compiled-code is at least 64MiB");
        check(limits.notice <= TimeSpan::from_secs(300), "limits.notice is at most 5m");
        check([1, 3, 5, 7].contains(&cluster.voters), "cluster.voters is 1, 3, 5 or 7");
        check(
            cluster.token.is_some() || cluster.join.is_none(),
            "cluster.join needs cluster.token: `aether node token` prints one",
        );
        check(
            self.telemetry.otlp.as_deref().is_none_or(is_collector),
            "telemetry.otlp is http://HOST:PORT; a collector beside the node can go on over TLS",
        );
        problems.or(())
    }
}

/// Whether an address is one that traces can be sent to: without a path, and not over TLS.
fn is_collector(address: &str) -> bool {
    reqwest::Url::parse(address).is_ok_and(|url| {
        url.scheme() == "http" && url.has_host() && url.path() == "/" && url.query().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        Settings::parse("node.toml", text)
            .map(|s| format!("{s:?}"))
            .unwrap_or_else(|p| p.to_string())
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(Settings::parse("node.toml", "").unwrap(), Settings::default());
    }

    #[test]
    fn wrong_keys_and_values_are_named() {
        assert!(problems("[limits]\nmemmory = \"1GiB\"").contains("did you mean `memory`?"));
        assert!(problems("[limits]\nwasm-instances = 20000").contains("16 to 9000"));
        assert!(problems("[cluster]\nvoters = 4").contains("1, 3, 5 or 7"));
        assert!(problems("[cluster]\njoin = \"10.0.0.1:8090\"").contains("cluster.token"));
        for address in ["https://c:4318", "c:4318", "http://c:4318/v1/traces", "http://"] {
            let otlp = format!("[telemetry]\notlp = \"{address}\"");
            assert!(problems(&otlp).contains("http://HOST:PORT"), "{address}");
        }
        assert!(!problems("[telemetry]\notlp = \"http://c:4318\"").contains("HOST:PORT"));
        assert!(problems("[tls]\nca = \"ca.pem\"").contains("missing field `certificate`"));
        assert!(problems("[listen]\nhttp = \"8070\"").starts_with("node.toml:2:8: invalid socket"));
    }
}
