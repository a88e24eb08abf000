//! Names in JSON: keys of objects, and the one key that names a case. Knows no values.

use super::{Decoder, Seed, quoted};
use crate::json::Step;
use aether_types::wit::{Field, Type};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// A name that must be one of `names`; gives its index.
pub(super) struct Key<'d, 't, 'n> {
    pub(super) decoder: &'d mut Decoder<'t>,
    pub(super) names: Names<'n>,
    /// The one that is expected: looked at first.
    pub(super) next: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Names<'n> {
    Fields(&'n [Field]),
    Members(&'n [&'n Field]),
    Flags(&'n [String]),
    Cases(&'n [(&'n str, Option<&'n Type>)]),
}

impl<'n> Names<'n> {
    fn get(self, i: usize) -> Option<&'n str> {
        match self {
            Self::Fields(fields) => fields.get(i).map(|f| f.name.as_str()),
            Self::Members(fields) => fields.get(i).map(|f| f.name.as_str()),
            Self::Flags(names) => names.get(i).map(String::as_str),
            Self::Cases(cases) => cases.get(i).map(|(name, _)| *name),
        }
    }

    fn iter(self) -> impl Iterator<Item = &'n str> {
        (0..).map_while(move |i| self.get(i))
    }

    fn wanted(self) -> String {
        let names: Vec<_> = self.iter().map(quoted).collect();
        match names.is_empty() {
            true => "no key".to_owned(),
            false => format!("one of {}", names.join(", ")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.wanted())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
        if self.names.get(self.next) == Some(text) {
            return Ok(self.next);
        }
        let found = self.names.iter().position(|name| name == text);
        found.ok_or_else(|| self.decoder.fail(self.names.wanted(), quoted(text)))
    }
}

/// `{"case": payload}` where nothing else may stand.
pub(super) struct Tagged<'d, 't> {
    pub(super) decoder: &'d mut Decoder<'t>,
    pub(super) case: (&'t str, &'t Type),
}

impl<'de> Visitor<'de> for Tagged<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{:?}: …}}", self.case.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let (name, ty) = self.case;
        only_member(self.decoder, members, &[(name, Some(ty))], |_, _| {})
    }
}

/// Reads an object of one key, which names a case, and its payload; `tag` writes the case.
pub(super) fn only_member<'de, 't, A: MapAccess<'de>>(
    decoder: &mut Decoder<'t>,
    mut members: A,
    cases: &[(&'t str, Option<&'t Type>)],
    tag: impl FnOnce(&mut Decoder<'t>, usize),
) -> Result<(), A::Error> {
    let names = Names::Cases(cases);
    let key = Key { decoder: &mut *decoder, names, next: 0 };
    let Some(case) = members.next_key_seed(key)? else {
        return Err(decoder.fail(names.wanted(), "an empty object"));
    };
    let (name, payload) = cases[case];
    tag(decoder, case);
    decoder.path.push(Step::Key(name));
    match payload {
        Some(ty) => members.next_value_seed(Seed { decoder: &mut *decoder, ty })?,
        None => members.next_value_seed(Null { decoder: &mut *decoder })?,
    }
    decoder.path.pop();
    match members.next_key::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(decoder.fail("an object with one key", "more keys")),
    }
}

/// What stands where a case has no payload.
struct Null<'d, 't> {
    decoder: &'d mut Decoder<'t>,
}

impl<'de> DeserializeSeed<'de> for Null<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match de::Deserialize::deserialize(json)? {
            None::<IgnoredAny> => Ok(()),
            Some(_) => Err(self.decoder.fail("null", "a value")),
        }
    }
}
