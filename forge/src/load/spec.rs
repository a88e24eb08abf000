//! What a load is: `load.toml`, read strictly. Knows no socket.

use super::draw::Draw;
use super::rate::Rate;
use super::shape::{Curve, Shape};
use super::template::Template;
use aether_types::{Problems, TimeSpan};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A request that has no answer after this has failed, if the target says nothing else.
pub const TIMEOUT: TimeSpan = TimeSpan::from_secs(5);
/// Connections of a target at the same time, if it says nothing else.
pub const CONNECTIONS: u32 = 256;
const CONNECTIONS_MAX: u32 = 4_096;
const TARGETS_MAX: usize = 100;
/// As long as the histogram can tell.
const TIMEOUT_MAX: TimeSpan = TimeSpan::from_secs(60);

/// A whole load.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawSpec")]
pub struct Spec {
    /// Nothing is sent after that; without it, until it is stopped.
    pub duration: Option<TimeSpan>,
    /// The same seed sends the same requests.
    pub seed: u64,
    pub targets: Vec<Target>,
}

/// A kind of request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawTarget")]
pub struct Target {
    /// What reports call it.
    pub name: String,
    pub method: String,
    path: Template,
    headers: BTreeMap<String, Template>,
    body: Option<Template>,
    pub curve: Curve,
    /// Numbers of front doors, from 1, that take turns; none: all of them.
    pub nodes: Vec<usize>,
    /// Good answers; none: 200 to 299.
    expect: Vec<u16>,
    pub timeout: TimeSpan,
    pub connections: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawSpec {
    duration: Option<TimeSpan>,
    #[serde(default)]
    seed: u64,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawTarget {
    name: Option<String>,
    #[serde(default = "get")]
    method: String,
    path: Path,
    #[serde(default)]
    headers: BTreeMap<String, Template>,
    body: Option<Template>,
    rate: Rate,
    #[serde(default = "constant")]
    shape: Shape,
    nodes: Option<Vec<usize>>,
    expect: Option<Vec<u16>>,
    #[serde(default = "timeout")]
    timeout: TimeSpan,
    #[serde(default = "connections")]
    connections: u32,
}

/// The text, for the name of a target, and what becomes of it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Path {
    text: String,
    template: Template,
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let template = Template::parse(&text).map_err(|error| error.to_string())?;
        match template.starts_with("/") && template.all_chars(|c| c.is_ascii_graphic()) {
            true => Ok(Self { text, template }),
            false => Err("a path begins with / and holds visible ASCII characters".to_owned()),
        }
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn constant() -> Shape {
    Shape::Constant
}

fn timeout() -> TimeSpan {
    TIMEOUT
}

fn connections() -> u32 {
    CONNECTIONS
}

impl Spec {
    /// Reads a file's text; `file` names it in problems.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        aether_types::read_toml(file, text, &[])
    }
}

impl Target {
    /// Requests with the method and path at a constant rate; a body is JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(method: &str, path: &str, body: Option<&str>, rate: Rate) -> Result<Self, String> {
        let body = body.map(Template::parse).transpose().map_err(|error| error.to_string())?;
        RawTarget {
            name: None,
            method: method.to_owned(),
            path: path.to_owned().try_into()?,
            headers: BTreeMap::new(),
            body,
            rate,
            shape: Shape::Constant,
            nodes: None,
            expect: None,
            timeout: TIMEOUT,
            connections: CONNECTIONS,
        }
        .try_into()
    }

    pub(crate) fn is_good(&self, status: u16) -> bool {
        match self.expect.as_slice() {
            [] => (200..300).contains(&status),
            expected => expected.contains(&status),
        }
    }

    /// Whether asking twice does no harm (RFC 9110, 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        !matches!(self.method.as_str(), "POST" | "PATCH" | "CONNECT")
    }

    /// Whether all of its requests are the same.
    pub(crate) fn is_constant(&self) -> bool {
        self.path.is_constant()
            && self.headers.values().all(Template::is_constant)
            && self.body.as_ref().is_none_or(Template::is_constant)
    }

    /// The request of this number, as it goes over the wire.
    pub(crate) fn render(&self, number: u64, draw: &mut Draw) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(self.method.as_bytes());
        bytes.push(b' ');
        self.path.render(number, draw, &mut bytes);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        let has = |name: &str| self.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
        if !has("host") {
            bytes.extend_from_slice(b"host: forge\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            value.render(number, draw, &mut bytes);
            bytes.extend_from_slice(b"\r\n");
        }
        if let Some(body) = &self.body {
            let mut content = Vec::new();
            body.render(number, draw, &mut content);
            if !has("content-type") {
                bytes.extend_from_slice(b"content-type: application/json\r\n");
            }
            bytes
                .extend_from_slice(format!("content-length: {}\r\n\r\n", content.len()).as_bytes());
            bytes.append(&mut content);
        } else {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

impl TryFrom<RawSpec> for Spec {
    type Error = String;

    fn try_from(raw: RawSpec) -> Result<Self, String> {
        let RawSpec { duration, seed, targets } = raw;
        if !(1..=TARGETS_MAX).contains(&targets.len()) {
            return Err(format!("a load has 1 to {TARGETS_MAX} targets"));
        }
        if duration.is_some_and(|time| time.as_millis() == 0) {
            return Err("a duration of nothing".to_owned());
        }
        let mut names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("two targets are called {:?}: give each a `name`", pair[0])),
            None => Ok(Self { duration, seed, targets }),
        }
    }
}

impl TryFrom<RawTarget> for Target {
    type Error = String;

    fn try_from(raw: RawTarget) -> Result<Self, String> {
        let RawTarget { name, method, path, headers, body, rate, shape, .. } = raw;
        if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(format!("{method:?} is no method, such as \"GET\""));
        }
        let Path { text, template: path } = path;
        let name = name.unwrap_or_else(|| format!("{method} {text}"));
        for (name, value) in &headers {
            check_header(name, value)?;
        }
        let curve = Curve::new(rate, shape)?;
        let nodes = raw.nodes.unwrap_or_default();
        if nodes.contains(&0) {
            return Err("nodes are numbered from 1".to_owned());
        }
        let expect = raw.expect.unwrap_or_default();
        if let Some(status) = expect.iter().find(|status| !(200..600).contains(*status)) {
            return Err(format!("{status} is no final status"));
        }
        if !(TimeSpan::from_millis(1)..=TIMEOUT_MAX).contains(&raw.timeout) {
            return Err(format!("`timeout` is 1ms to {TIMEOUT_MAX}"));
        }
        if !(1..=CONNECTIONS_MAX).contains(&raw.connections) {
            return Err(format!("`connections` is 1 to {CONNECTIONS_MAX}"));
        }
        let (timeout, connections) = (raw.timeout, raw.connections);
        Ok(Self { name, method, path, headers, body, curve, nodes, expect, timeout, connections })
    }
}

fn check_header(name: &str, value: &Template) -> Result<(), String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("{name:?} is no name of a header"));
    }
    if ["content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
    {
        return Err(format!("the header {name:?} is the load's own"));
    }
    match value.all_chars(|c| c == ' ' || c.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(format!("the header {name:?} holds visible ASCII characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::Spec;
    use crate::load::draw::Draw;
    use expect_test::{Expect, expect};

    const WHOLE: &str = r#"
duration = "30s"
seed = 7

[[targets]]
name = "shorten"
method = "POST"
path = "/api/v1/urls/"
headers = { x-user = "${range:1-3}" }
body = '{"url":"https://example.org/${seq}"}'
rate = "100/s"
shape = { ramp = { to = "500/s", over = "10s" } }
expect = [200, 201]
nodes = [1, 2]
timeout = "2s"
connections = 8

[[targets]]
path = "/health"
rate = "1/min"
"#;

    #[test]
    fn a_whole_file_is_read() {
        let spec = Spec::parse("load.toml", WHOLE).unwrap();
        let [shorten, health] = spec.targets.as_slice() else { panic!("two targets") };
        assert_eq!((health.name.as_str(), health.is_constant()), ("GET /health", true));
        assert!(health.is_good(204) && !health.is_good(404) && health.is_idempotent());
        assert!(shorten.is_good(201) && !shorten.is_good(204) && !shorten.is_idempotent());
        let request = shorten.render(3, &mut Draw::new(spec.seed));
        expect![[r#"
            POST /api/v1/urls/ HTTP/1.1
            host: forge
            x-user: 2
            content-type: application/json
            content-length: 31

            {"url":"https://example.org/3"}"#]]
        .assert_eq(&String::from_utf8(request).unwrap().replace('\r', ""));
    }

    /// What is said about a target.
    fn check(target: &str, expected: Expect) {
        let text = format!("[[targets]]\n{target}");
        expected.assert_eq(&Spec::parse("load.toml", &text).unwrap_err().to_string());
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let good = "path = \"/\"\nrate = \"1/s\"\n";
        check(
            &format!("{good}methd = \"GET\""),
            expect![[r#"
            load.toml:4:1: there is no key `methd` here [toml-unknown-key]
              help: did you mean `method`?"#]],
        );
        check(
            &format!("{good}method = \"get\""),
            expect![[r#"load.toml:1:1: "get" is no method, such as "GET" [toml-value]"#]],
        );
        check(
            "path = \"/${user}\"\nrate = \"1/s\"",
            expect![
                "load.toml:2:8: ${user}: there are ${uuid}, ${range:1-100}, ${choice:a,b}, ${seq} and ${random:###-???}; $${ is ${ itself [toml-value]"
            ],
        );
        check(
            "path = \"/a b\"\nrate = \"1/s\"",
            expect![
                "load.toml:2:8: a path begins with / and holds visible ASCII characters [toml-value]"
            ],
        );
        check(
            "path = \"/\"\nrate = \"1/h\"",
            expect![[
                r#"load.toml:3:8: "1/h" is not a rate from 0/s to 100000/s, such as "100/s" or "30/min" [toml-value]"#
            ]],
        );
        check(
            "path = \"/\"\nrate = \"0/s\"",
            expect!["load.toml:1:1: at a constant rate of 0 nothing is ever sent [toml-value]"],
        );
        check(
            &format!("{good}shape = {{ ramp = {{ to = \"1/s\", of = 1 }} }}"),
            expect![
                "load.toml:4:32: unexpected keys in table: of, available keys: to, over [toml-value]"
            ],
        );
        check(
            &format!("{good}shape = \"wave\""),
            expect![
                "load.toml:4:9: unknown variant `wave`, expected one of `constant`, `ramp`, `spike`, `steps`, `sine` [toml-value]"
            ],
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let good = "path = \"/\"\nrate = \"1/s\"\n";
        check(
            &format!("{good}nodes = [0]"),
            expect!["load.toml:1:1: nodes are numbered from 1 [toml-value]"],
        );
        check(
            &format!("{good}expect = [100]"),
            expect!["load.toml:1:1: 100 is no final status [toml-value]"],
        );
        check(
            &format!("{good}headers = {{ host = \"a\\nb\" }}"),
            expect![[
                r#"load.toml:1:1: the header "host" holds visible ASCII characters [toml-value]"#
            ]],
        );
        check(
            &format!("{good}headers = {{ Connection = \"close\" }}"),
            expect![[r#"load.toml:1:1: the header "Connection" is the load's own [toml-value]"#]],
        );
        check(
            &format!("{good}body = \"${{range:2-1}}\""),
            expect!["load.toml:4:8: ${range:2-1}: the range ends before it begins [toml-value]"],
        );
        check(
            &format!("{good}timeout = \"2m\""),
            expect!["load.toml:1:1: `timeout` is 1ms to 1m [toml-value]"],
        );
        check(
            &format!("{good}[[targets]]\n{good}"),
            expect![[
                r#"load.toml:1:1: two targets are called "GET /": give each a `name` [toml-value]"#
            ]],
        );
        check(
            &format!("{good}[targets.shape.steps]\nrates = []\neach = \"1s\""),
            expect!["load.toml:1:1: `rates` names the rates after the first one [toml-value]"],
        );
    }
}
