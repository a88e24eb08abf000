//! Route patterns of the front door: `GET /api/orders/{id}`. Knows no requests; matching is in
//! `routing`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// An HTTP method that a route can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    /// `*`: every method, also those that have no name here.
    Any,
}

/// One part of a path between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    Literal(String),
    /// `{name}`: exactly one segment, percent-decoded.
    Param(String),
    /// `**`: whatever is left, also nothing. Only at the end.
    Rest,
}

/// A method and a path template. At most 16 segments, 512 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutePattern {
    pub method: Method,
    segments: Vec<Segment>,
}

/// A text that is not a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a route: {why} (write it like \"GET /api/orders/{{id}}\" or \"* /ui/**\")"
)]
pub struct RouteError {
    text: String,
    why: &'static str,
}

const METHODS: [(&str, Method); 8] = [
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("PATCH", Method::Patch),
    ("DELETE", Method::Delete),
    ("OPTIONS", Method::Options),
    ("*", Method::Any),
];

impl Method {
    pub fn as_str(self) -> &'static str {
        METHODS.iter().find(|(_, m)| *m == self).map_or("*", |(text, _)| text)
    }

    /// The method of a request; those without a name match only `*`.
    pub fn of_request(text: &str) -> Self {
        METHODS.iter().find(|(name, _)| *name == text).map_or(Self::Any, |(_, m)| *m)
    }
}

impl RoutePattern {
    pub const SEGMENTS_MAX: usize = 16;
    pub const LENGTH_MAX: usize = 512;

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Names of the `{…}` segments, in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|s| match s {
            Segment::Param(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The parameters of a path under the names that this pattern gives them: patterns of one shape
    /// may differ in these.
    pub fn named(&self, params: Vec<(String, String)>) -> Vec<(String, String)> {
        let names = self.params().map(str::to_owned);
        names.zip(params.into_iter().map(|(_, value)| value)).collect()
    }

    /// The route without the names of its parameters: routes of one shape match the same requests.
    pub fn shape(&self) -> String {
        let segments = self.segments.iter().map(|s| match s {
            Segment::Param(_) => "/{}".to_owned(),
            other => format!("/{other}"),
        });
        format!("{} {}", self.method.as_str(), segments.collect::<String>())
    }

    /// Splits a path into segments: one trailing slash is ignored, `/` has none.
    pub fn split_path(path: &str) -> impl Iterator<Item = &str> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/').filter(move |_| !path.is_empty())
    }

    /// The path template alone, as OpenAPI writes it.
    pub fn path(&self) -> String {
        if self.segments.is_empty() {
            return "/".to_owned();
        }
        self.segments.iter().map(|s| format!("/{s}")).collect()
    }
}

fn parse_segment(text: &str) -> Result<Segment, &'static str> {
    if text == "**" {
        return Ok(Segment::Rest);
    }
    if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        let ok = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        return match ok {
            true => Ok(Segment::Param(name.to_owned())),
            false => Err("a parameter is named like a WIT parameter, in kebab-case"),
        };
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(c);
    match !text.is_empty() && text.chars().all(plain) && text != "." && text != ".." {
        true => Ok(Segment::Literal(text.to_owned())),
        false => Err("a path has no empty segments, wildcards inside words, or escapes"),
    }
}

impl FromStr for RoutePattern {
    type Err = RouteError;
    fn from_str(text: &str) -> Result<Self, RouteError> {
        let error = |why| RouteError { text: text.to_owned(), why };
        let (method, path) = text.split_once(' ').ok_or_else(|| error("method and path"))?;
        let method = METHODS.iter().find(|(name, _)| *name == method).map(|(_, m)| *m);
        let method = method.ok_or_else(|| error("unknown method"))?;
        if !path.starts_with('/') || text.len() > Self::LENGTH_MAX {
            return Err(error("a path starts with / and has at most 512 characters"));
        }
        let segments = Self::split_path(path)
            .map(parse_segment)
            .collect::<Result<Vec<_>, _>>()
            .map_err(error)?;
        let rest = segments.iter().position(|s| *s == Segment::Rest);
        if rest.is_some_and(|at| at + 1 != segments.len()) {
            return Err(error("** stands only at the end"));
        }
        if segments.len() > Self::SEGMENTS_MAX {
            return Err(error("at most 16 segments"));
        }
        let pattern = Self { method, segments };
        let mut names: Vec<&str> = pattern.params().collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(error("a parameter stands twice")),
            false => Ok(pattern),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Param(name) => write!(f, "{{{name}}}"),
            Self::Rest => f.write_str("**"),
        }
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path())
    }
}

crate::name::string_serde!(RoutePattern: "a route such as \"GET /api/orders/{id}\"");
crate::name::debug_as_display!(RoutePattern);

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: Expect) {
        expect.assert_eq(&match text.parse::<RoutePattern>() {
            Ok(route) => format!("{route} {:?}", route.segments()),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn routes() {
        check(
            "GET /api/orders/{id}",
            expect![[r#"GET /api/orders/{id} [Literal("api"), Literal("orders"), Param("id")]"#]],
        );
        check(
            "POST /api/v1/urls/",
            expect![[r#"POST /api/v1/urls [Literal("api"), Literal("v1"), Literal("urls")]"#]],
        );
        check("* /**", expect!["* /** [Rest]"]);
        check("GET /", expect!["GET / []"]);
        check(
            "FETCH /",
            expect![[
                r#""FETCH /" is not a route: unknown method (write it like "GET /api/orders/{id}" or "* /ui/**")"#
            ]],
        );
        check(
            "GET /a/**/b",
            expect![[
                r#""GET /a/**/b" is not a route: ** stands only at the end (write it like "GET /api/orders/{id}" or "* /ui/**")"#
            ]],
        );
        check(
            "GET /{a}/{a}",
            expect![[
                r#""GET /{a}/{a}" is not a route: a parameter stands twice (write it like "GET /api/orders/{id}" or "* /ui/**")"#
            ]],
        );
        check(
            "GET /a//b",
            expect![[
                r#""GET /a//b" is not a route: a path has no empty segments, wildcards inside words, or escapes (write it like "GET /api/orders/{id}" or "* /ui/**")"#
            ]],
        );
        check(
            "GET /a/../b",
            expect![[
                r#""GET /a/../b" is not a route: a path has no empty segments, wildcards inside words, or escapes (write it like "GET /api/orders/{id}" or "* /ui/**")"#
            ]],
        );
    }
}
