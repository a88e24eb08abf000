//! Where the key of a call is that calls to the same instance have in common. Reads the text of the
//! two files; knows no request and no choice.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `param:NAME` of a function; `path:NAME`, `header:NAME` or `cookie:NAME` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Affinity {
    /// The function's parameter of that name: a scalar.
    Param(String),
    /// What stands in the path for `{NAME}`, decoded.
    Path(String),
    /// The value of the request's header, in lower case.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key: write path:NAME, header:NAME or cookie:NAME; of a function, param:NAME")]
pub struct NotAKey(String);

impl Affinity {
    /// Whether it is a key of calls of a function, rather than of requests to a route.
    pub fn is_of_function(&self) -> bool {
        matches!(self, Self::Param(_))
    }
}

impl FromStr for Affinity {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let parsed = text.split_once(':').filter(|(_, name)| is_token(name));
        Ok(match parsed {
            Some(("param", name)) => Self::Param(name.to_owned()),
            Some(("path", name)) => Self::Path(name.to_owned()),
            Some(("header", name)) => Self::Header(name.to_ascii_lowercase()),
            Some(("cookie", name)) => Self::Cookie(name.to_owned()),
            _ => return Err(NotAKey(text.to_owned())),
        })
    }
}

/// What names of headers and cookies consist of (RFC 9110, 5.6.2); those of parameters do as well.
fn is_token(name: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(ok)
}

impl TryFrom<String> for Affinity {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        text.parse()
    }
}

impl From<Affinity> for String {
    fn from(affinity: Affinity) -> Self {
        affinity.to_string()
    }
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => write!(f, "param:{name}"),
            Self::Path(name) => write!(f, "path:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}
