//! `slice.toml`: what a slice's author knows and WIT cannot say. Reads it strictly; binds nothing.

use crate::affinity::Affinity;
use crate::strict::{Document, Step};
use crate::{
    ByteSize, Coordinates, FunctionName, Problem, Problems, RoutePattern, TimeSpan, code::Code,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The whole file. What is absent has the default written at the field.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SliceToml {
    #[serde(default)]
    pub slice: About,
    #[serde(default)]
    pub instances: Instances,
    #[serde(default)]
    pub functions: BTreeMap<FunctionName, FunctionSettings>,
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Case of an error variant, or a beginning followed by `*`, to the status of the response.
    #[serde(default)]
    pub errors: BTreeMap<String, ErrorStatus>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct About {
    /// Absent: the blueprint must give the coordinates.
    #[serde(default)]
    pub artifact: Option<Coordinates>,
    #[serde(default)]
    pub description: String,
}

/// Policy of the pool that serves the slice on one node. The blueprint may narrow the limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Instances {
    pub reuse: Reuse,
    /// Calls at the same time on one node, 1 to 4,096; default 64.
    pub max_concurrency: Bounded<1, 4_096>,
    /// Calls that wait when all instances are busy, 0 to 65,536; default 256.
    pub queue: Bounded<0, 65_536>,
    /// Linear memory of one `WasmInstance`, 1MiB to 4GiB; default 64MiB.
    pub memory: ByteSize,
    /// Longest time of one call, 1ms to 1h; default 5s.
    pub timeout: TimeSpan,
}

/// What happens to a `WasmInstance` after a call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    /// It stays warm and serves one call at a time.
    #[default]
    Serial,
    /// It is dropped: every call starts from the component's initial state.
    Fresh,
    /// It serves several calls at once; needs the component model's async ABI.
    Concurrent,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FunctionSettings {
    pub timeout: Option<TimeSpan>,
    pub retry: Retry,
    /// Calls with the same value of this parameter go to the same instance, while it is there.
    pub affinity: Option<Affinity>,
}

/// Whether a call may be made again after a technical failure.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    #[default]
    Idempotent,
    Never,
}

/// A route of the front door. Exactly one of `call` and `handler` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    pub route: RoutePattern,
    /// Typed route: the function that takes the request.
    #[serde(default)]
    pub call: Option<FunctionName>,
    /// The component's own HTTP handler.
    #[serde(default)]
    pub handler: Option<Handler>,
    /// Status of a good answer of a typed route; default 200, or 204 where there is no result.
    #[serde(default)]
    pub status: Option<OkStatus>,
    /// Requests with the same value of this go to the same instance, while it is there.
    #[serde(default)]
    pub affinity: Option<Affinity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handler {
    #[serde(rename = "wasi:http")]
    WasiHttp,
}

/// A number between `MIN` and `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

pub type ErrorStatus = Bounded<400, 599>;
pub type OkStatus = Bounded<200, 299>;

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    pub fn get(self) -> u32 {
        self.0
    }

    pub fn new(value: u32) -> Option<Self> {
        (MIN..=MAX).contains(&value).then_some(Self(value))
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = u32::deserialize(d)?;
        Self::new(value).ok_or_else(|| {
            serde::de::Error::custom(format!("{value} is not a number from {MIN} to {MAX}"))
        })
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            reuse: Reuse::default(),
            max_concurrency: Bounded(64),
            queue: Bounded(256),
            memory: ByteSize::mib(64),
            timeout: TimeSpan::from_secs(5),
        }
    }
}

pub const MEMORY_MIN: ByteSize = ByteSize::mib(1);
pub const MEMORY_MAX: ByteSize = ByteSize::mib(4_096);
pub const TIMEOUT_MIN: TimeSpan = TimeSpan::from_millis(1);
pub const TIMEOUT_MAX: TimeSpan = TimeSpan::from_secs(3_600);

/// Keys that a later version honours.
const LATER: &[&str] = &["subscriptions", "schedules"];

impl SliceToml {
    /// Name of the component's custom section that carries the file.
    pub const SECTION: &str = "aether:slice";

    /// Reads the text; `file` names it in problems.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document { file, text, later: LATER };
        let parsed: Self = document.read()?;
        parsed.check(&document).or(parsed)
    }

    fn check(&self, document: &Document<'_>) -> Problems {
        let mut problems = Vec::new();
        let instances = |key| document.place(&[Step::Key("instances"), Step::Key(key)]);
        check_memory(self.instances.memory, || instances("memory"), &mut problems);
        check_timeout(self.instances.timeout, || instances("timeout"), &mut problems);
        for (i, route) in self.routes.iter().enumerate() {
            let place = || document.place(&[Step::Key("routes"), Step::Index(i)]);
            route.check(place, &mut problems);
        }
        for (function, settings) in &self.functions {
            let function = function.to_string();
            let place = || document.place(&[Step::Key("functions"), Step::Key(&function)]);
            if let Some(timeout) = settings.timeout {
                check_timeout(timeout, place, &mut problems);
            }
            if let Some(affinity) = settings.affinity.as_ref().filter(|a| !a.is_of_function()) {
                let message = format!("calls of a function have no `{affinity}`");
                let problem = Problem::new(Code::TomlValue, place(), message);
                problems.push(problem.help("name a parameter, such as `param:id`"));
            }
        }
        Problems(problems)
    }

    /// The settings of a function, by its full name.
    pub fn function(&self, full: &FunctionName) -> FunctionSettings {
        let found = self.functions.iter().find(|(name, _)| name.means(full));
        found.map(|(_, settings)| settings.clone()).unwrap_or_default()
    }

    /// The status for an error case: its own entry, else the longest matching prefix, else the
    /// default.
    pub fn error_status(&self, case: &str) -> u16 {
        let exact = self.errors.get(case);
        let prefix = || {
            let patterns = self.errors.iter();
            let matching = patterns.filter_map(|(k, v)| Some((k.strip_suffix('*')?, v)));
            matching
                .filter(|(p, _)| case.starts_with(p))
                .max_by_key(|(p, _)| p.len())
                .map(|(_, v)| v)
        };
        exact.or_else(prefix).map_or(Self::ERROR_STATUS_DEFAULT, |s| s.get() as u16)
    }

    /// Status of a business error that `[errors]` does not name.
    pub const ERROR_STATUS_DEFAULT: u16 = 422;
}

impl Route {
    pub(crate) fn check(&self, place: impl Fn() -> String, problems: &mut Vec<Problem>) {
        let mut refuse = |message: &str, help: &str| {
            problems.push(Problem::new(Code::RouteInvalid, place(), message).help(help));
        };
        match (&self.call, &self.handler) {
            (Some(_), Some(_)) | (None, None) => refuse(
                "a route has either `call` or `handler`",
                "`call` names a function, `handler = \"wasi:http\"` the component's own handler",
            ),
            (None, Some(_)) if self.status.is_some() => refuse(
                "`status` belongs to a typed route",
                "the component's own handler sets its status itself",
            ),
            (Some(_), None) if self.route.segments().last() == Some(&crate::Segment::Rest) => {
                refuse(
                    "a typed route cannot end with **",
                    "name each segment, or use `handler = \"wasi:http\"`",
                )
            }
            _ => {}
        }
        let has = |name: &str| self.route.params().any(|param| param == name);
        match &self.affinity {
            Some(Affinity::Param(_)) => refuse(
                "requests to a route have no parameters of a function",
                "write `path:`, `header:` or `cookie:`, or give the function the affinity",
            ),
            Some(Affinity::Path(name)) if !has(name) => {
                let message = format!("`{{{name}}}` is not in the path");
                refuse(&message, "name one of the path's segments, without its braces");
            }
            _ => {}
        }
    }
}

pub(crate) fn check_memory(
    memory: ByteSize,
    place: impl Fn() -> String,
    problems: &mut Vec<Problem>,
) {
    if !(MEMORY_MIN..=MEMORY_MAX).contains(&memory) {
        let message = format!("memory is {memory}; it must be {MEMORY_MIN} to {MEMORY_MAX}");
        problems.push(Problem::new(Code::TomlValue, place(), message));
    }
}

pub(crate) fn check_timeout(
    timeout: TimeSpan,
    place: impl Fn() -> String,
    problems: &mut Vec<Problem>,
) {
    if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
        let message = format!("timeout is {timeout}; it must be {TIMEOUT_MIN} to {TIMEOUT_MAX}");
        problems.push(Problem::new(Code::TomlValue, place(), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: Expect) {
        expect.assert_eq(&match SliceToml::parse("slice.toml", text) {
            Ok(parsed) => format!("{:?} {:?}", parsed.slice.artifact, parsed.instances),
            Err(problems) => problems.to_string(),
        });
    }

    #[test]
    fn what_is_absent_has_defaults() {
        check(
            "",
            expect![[
                r#"None Instances { reuse: Serial, max_concurrency: Bounded(64), queue: Bounded(256), memory: ByteSize(67108864), timeout: TimeSpan(5s) }"#
            ]],
        );
        check(
            "[slice]\nartifact = \"shop:place-order:1.2.0\"\n[instances]\nreuse = \"fresh\"\nmemory = \"8MiB\"",
            expect![[
                r#"Some(shop:place-order:1.2.0) Instances { reuse: Fresh, max_concurrency: Bounded(64), queue: Bounded(256), memory: ByteSize(8388608), timeout: TimeSpan(5s) }"#
            ]],
        );
    }

    #[test]
    fn keys_of_calls_are_where_they_can_be_read() {
        let route = "[[routes]]\nroute = \"GET /a/{id}\"\nhandler = \"wasi:http\"\n";
        for good in ["path:id", "header:X-User", "cookie:session"] {
            let text = format!("{route}affinity = \"{good}\"");
            let parsed = SliceToml::parse("slice.toml", &text).unwrap();
            let affinity = parsed.routes[0].affinity.as_ref().unwrap();
            assert_eq!(affinity.to_string(), good.to_lowercase());
        }
        check(
            &format!("{route}affinity = \"id\""),
            expect![[
                r#"slice.toml:4:12: "id" is no key: write path:NAME, header:NAME or cookie:NAME; of a function, param:NAME [toml-value]"#
            ]],
        );
        check(
            &format!("{route}affinity = \"header:x user\""),
            expect![[
                r#"slice.toml:4:12: "header:x user" is no key: write path:NAME, header:NAME or cookie:NAME; of a function, param:NAME [toml-value]"#
            ]],
        );
        check(
            &format!("{route}affinity = \"path:ident\""),
            expect![[r#"
            slice.toml:1:1: `{ident}` is not in the path [route-invalid]
              help: name one of the path's segments, without its braces"#]],
        );
        check(
            &format!("{route}affinity = \"param:id\""),
            expect![[r#"
            slice.toml:1:1: requests to a route have no parameters of a function [route-invalid]
              help: write `path:`, `header:` or `cookie:`, or give the function the affinity"#]],
        );
        check(
            "[functions.\"a:b/c#f\"]\naffinity = \"path:id\"",
            expect![[r#"
            slice.toml:1:1: calls of a function have no `path:id` [toml-value]
              help: name a parameter, such as `param:id`"#]],
        );
    }

    #[test]
    fn every_key_is_honoured_or_refused() {
        check(
            "[slice]\nartefact = 1",
            expect![[r#"
            slice.toml:2:1: there is no key `artefact` here [toml-unknown-key]
              help: did you mean `artifact`?"#]],
        );
        check(
            "[instances]\nreuse = \"sometimes\"",
            expect![
                "slice.toml:2:9: unknown variant `sometimes`, expected one of `serial`, `fresh`, `concurrent` [toml-value]"
            ],
        );
        check(
            "[instances]\n\n  memory = 64",
            expect![[
                r#"slice.toml:3:12: invalid type: integer `64`, expected a size with a unit, such as "512KiB", "64MiB" or "2GiB" [toml-value]"#
            ]],
        );
        check(
            "[instances]\nmemory = \"8GiB\"\ntimeout = \"2h\"",
            expect![[r#"
            slice.toml:2:10: memory is 8GiB; it must be 1MiB to 4GiB [toml-value]
            slice.toml:3:11: timeout is 2h; it must be 1ms to 1h [toml-value]"#]],
        );
        check(
            "[instances]\nmax-concurrency = 0",
            expect!["slice.toml:2:19: 0 is not a number from 1 to 4096 [toml-value]"],
        );
        check(
            "[[subscriptions]]\ntopic = \"x\"",
            expect![[r#"
            slice.toml:1:3: `subscriptions` is not supported yet [not-supported-yet]
              help: remove it: this version would not act on it"#]],
        );
        check(
            "[[routes]]\nroute = \"GET /a\"",
            expect![[r#"
            slice.toml:1:1: a route has either `call` or `handler` [route-invalid]
              help: `call` names a function, `handler = "wasi:http"` the component's own handler"#]],
        );
        check(
            "[[routes]]\nroute = \"GET a\"\ncall = \"a:b/c#d\"",
            expect![[
                r#"slice.toml:2:9: "GET a" is not a route: a path starts with / and has at most 512 characters (write it like "GET /api/orders/{id}" or "* /ui/**") [toml-value]"#
            ]],
        );
        check(
            "[errors]\nx = 200",
            expect!["slice.toml:2:5: 200 is not a number from 400 to 599 [toml-value]"],
        );
        check("[slice", expect!["slice.toml:1:7: unclosed table, expected `]` [toml-syntax]"]);
    }

    #[test]
    fn the_most_exact_error_status_wins() {
        let toml =
            "[errors]\n\"unknown-*\" = 404\n\"unknown-user\" = 403\n\"unknown-user-*\" = 410";
        let parsed = SliceToml::parse("slice.toml", toml).unwrap();
        let statuses = ["unknown-x", "unknown-user", "unknown-user-x", "other"];
        assert_eq!(statuses.map(|case| parsed.error_status(case)), [404, 403, 410, 422]);
    }
}
