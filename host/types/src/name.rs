//! Names of slices, artifacts, interfaces, functions and applications. Knows no registry or engine.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A text that is not the name it should be; says what was wanted and gives an example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct NameError {
    text: String,
    wanted: &'static str,
}

/// Implements serde for types that are written as one string; the text says what is wanted.
macro_rules! string_serde {
    ($($t:ty: $wanted:expr),+ $(,)?) => {$(
        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let visitor = $crate::name::StringVisitor($wanted, std::marker::PhantomData);
                d.deserialize_str(visitor)
            }
        }
    )+};
}
pub(crate) use string_serde;

/// Reads a string and parses it; anything else is "expected <what is wanted>".
pub(crate) struct StringVisitor<T>(pub(crate) &'static str, pub(crate) std::marker::PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for StringVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// The name of an application: what a blueprint describes. Kebab-case, at most 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(String);

/// `group:artifact`: a slice without its version. Both kebab-case, dots allowed in the group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceName {
    group: String,
    artifact: String,
}

/// `group:artifact:version`: one version of a slice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinates {
    pub slice: SliceName,
    pub version: semver::Version,
}

/// `namespace:package/interface@version`; the version is absent for unversioned packages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    /// `namespace:package/interface`.
    path: String,
    version: Option<semver::Version>,
}

/// `interface#function`: one function that a slice exports or imports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName {
    pub interface: InterfaceName,
    pub function: String,
}

const APP: &str = "an application name (a-z, 0-9 and -, at most 63 characters, such as \"shop\")";
const SLICE: &str = "a slice name (group:artifact, such as \"shop:place-order\")";
const COORDINATES: &str =
    "artifact coordinates (group:artifact:version, such as \"shop:place-order:1.2.0\")";
const INTERFACE: &str =
    "an interface name (namespace:package/interface@version, such as \"shop:orders/place@1.0.0\")";
const FUNCTION: &str = "a function name (interface#function, such as \"shop:orders/place#place\")";
const PART_LENGTH_MAX: usize = 63;

fn is_part(text: &str, extra: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=PART_LENGTH_MAX).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| inner(c) || extra.contains(c))
}

impl AppName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SliceName {
    pub fn group(&self) -> &str {
        &self.group
    }

    pub fn artifact(&self) -> &str {
        &self.artifact
    }
}

impl InterfaceName {
    /// `namespace:package/interface`, without the version.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn version(&self) -> Option<&semver::Version> {
        self.version.as_ref()
    }

    /// `namespace:package`, the WIT package that the interface belongs to.
    pub fn package(&self) -> &str {
        self.path.split_once('/').map_or(&self.path, |(package, _)| package)
    }

    /// Whether this name, as somebody wrote it, means `full`: equal, or equal but for a version
    /// left out.
    pub fn means(&self, full: &Self) -> bool {
        self.path == full.path && (self.version.is_none() || self.version == full.version)
    }

    /// Whether this serves those who want `wanted`: it is the same, or a newer version that is
    /// compatible, as Cargo and the component model see it.
    pub fn serves(&self, wanted: &Self) -> bool {
        let compatible = |ours: &semver::Version, wanted: &semver::Version| {
            let comparator = semver::Comparator {
                op: semver::Op::Caret,
                major: wanted.major,
                minor: Some(wanted.minor),
                patch: Some(wanted.patch),
                pre: wanted.pre.clone(),
            };
            comparator.matches(ours)
        };
        self.path == wanted.path
            && match (&self.version, &wanted.version) {
                (Some(ours), Some(wanted)) => compatible(ours, wanted),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

impl FunctionName {
    /// Like [`InterfaceName::means`], for a function.
    pub fn means(&self, full: &Self) -> bool {
        self.function == full.function && self.interface.means(&full.interface)
    }
}

impl FromStr for AppName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match is_part(text, "") {
            true => Ok(Self(text.to_owned())),
            false => Err(NameError { text: text.to_owned(), wanted: APP }),
        }
    }
}

impl FromStr for SliceName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once(':') {
            Some((group, artifact)) if is_part(group, ".") && is_part(artifact, "") => {
                Ok(Self { group: group.to_owned(), artifact: artifact.to_owned() })
            }
            _ => Err(NameError { text: text.to_owned(), wanted: SLICE }),
        }
    }
}

impl FromStr for Coordinates {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let parse = || {
            let (slice, version) = text.rsplit_once(':')?;
            Some(Self { slice: slice.parse().ok()?, version: version.parse().ok()? })
        };
        parse().ok_or_else(|| NameError { text: text.to_owned(), wanted: COORDINATES })
    }
}

impl FromStr for InterfaceName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let parse = || {
            let (path, version) = match text.split_once('@') {
                Some((path, version)) => (path, Some(version.parse().ok()?)),
                None => (text, None),
            };
            let (package, interface) = path.split_once('/')?;
            let (namespace, package) = package.split_once(':')?;
            let ok = [namespace, package, interface].iter().all(|p| is_wit_id(p));
            ok.then(|| Self { path: path.to_owned(), version })
        };
        parse().ok_or_else(|| NameError { text: text.to_owned(), wanted: INTERFACE })
    }
}

/// WIT identifiers: words of lower- or upper-case letters and digits, joined by hyphens.
fn is_wit_id(text: &str) -> bool {
    !text.is_empty()
        && text.split('-').all(|word| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

impl FromStr for FunctionName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let parse = || {
            let (interface, function) = text.split_once('#')?;
            let interface = interface.parse().ok()?;
            is_wit_id(function).then(|| Self { interface, function: function.to_owned() })
        };
        parse().ok_or_else(|| NameError { text: text.to_owned(), wanted: FUNCTION })
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SliceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.group, self.artifact)
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.slice, self.version)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.version.as_ref().map_or(Ok(()), |v| write!(f, "@{v}"))
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.interface, self.function)
    }
}

macro_rules! debug_as_display {
    ($($t:ty),+) => {$(
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}
pub(crate) use debug_as_display;

string_serde!(
    AppName: APP,
    SliceName: SLICE,
    Coordinates: COORDINATES,
    InterfaceName: INTERFACE,
    FunctionName: FUNCTION,
);
debug_as_display!(AppName, SliceName, Coordinates, InterfaceName, FunctionName);

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: FromStr<Err = NameError> + fmt::Display>(text: &str) -> bool {
        text.parse::<T>().is_ok_and(|name| name.to_string() == text)
    }

    #[test]
    fn names_round_trip_or_are_refused() {
        assert!(round_trip::<AppName>("url-shortener"));
        assert!(round_trip::<SliceName>("org.example:place-order"));
        assert!(round_trip::<Coordinates>("shop:place-order:1.2.0-rc.1"));
        assert!(round_trip::<InterfaceName>("shop:orders/place@1.0.0"));
        assert!(round_trip::<InterfaceName>("wasi:keyvalue/store@0.2.0-draft"));
        assert!(round_trip::<FunctionName>("shop:orders/place#place"));
        for bad in ["", "Shop", "-shop", "shop-", "a/b", "a b", "ünï", &"x".repeat(64)] {
            assert!(bad.parse::<AppName>().is_err(), "{bad:?}");
        }
        for bad in ["shop", "shop:", ":x", "shop:a", "shop:a:1", "shop:a:1.0", "a:b:1.0.0:c"] {
            assert!(bad.parse::<Coordinates>().is_err(), "{bad:?}");
        }
        for bad in ["shop/place", "shop:orders", "shop:orders/place@1", "shop:orders/pl--ace"] {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_version_may_be_left_out() {
        let full: FunctionName = "shop:orders/place@1.0.0#place".parse().unwrap();
        let means = |text: &str| text.parse::<FunctionName>().unwrap().means(&full);
        assert!(means("shop:orders/place#place") && means("shop:orders/place@1.0.0#place"));
        assert!(!means("shop:orders/place@2.0.0#place") && !means("shop:orders/place#cancel"));
    }
}
