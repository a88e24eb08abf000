//! JSON text to wire bytes, written while the text is parsed. Knows no request.

mod key;

use super::{JsonError, Step};
use crate::codec::wire::{Budget, WIRE_BYTES_MAX, WireError, flags_size, put_count, put_str};
use aether_types::wit::{Case, Field, Type};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use key::{Key, Names, Tagged, only_member};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

pub(super) fn value(ty: &Type, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut decoder = Decoder::new(json.len());
    decoder.read(json, Shape::Value(ty))?;
    Ok(decoder.out)
}

/// The members of an object, each on its own: empty where an `option` was left out.
pub(super) fn members(fields: &[&Field], json: &[u8]) -> Result<Vec<Vec<u8>>, JsonError> {
    let mut decoder = Decoder::new(json.len());
    decoder.read(json, Shape::Members(fields))?;
    let spans = std::mem::take(&mut decoder.spans);
    let take = |(i, span): (usize, Span)| match span {
        Some((start, end)) => Ok(decoder.out[start..end].to_vec()),
        None => absent(fields[i]).map(<[u8]>::to_vec).ok_or_else(|| missing("$", fields[i])),
    };
    spans.into_iter().enumerate().map(take).collect()
}

/// Where the bytes of a field are in the output.
type Span = Option<(usize, usize)>;

/// What is read: a value, or the members of an object that is no WIT record.
#[derive(Clone, Copy)]
enum Shape<'t> {
    Value(&'t Type),
    Members(&'t [&'t Field]),
}

struct Decoder<'t> {
    out: Vec<u8>,
    budget: Budget,
    /// Where in the text we are. After an error: where it is.
    path: Vec<Step<'t>>,
    /// Wanted and found, of an error that is ours and not of the JSON text.
    mismatch: Option<(String, String)>,
    /// Spans of the fields of all records that are being read, innermost last.
    spans: Vec<Span>,
}

impl<'t> Decoder<'t> {
    fn new(length: usize) -> Self {
        Self {
            out: Vec::with_capacity(length),
            budget: Budget::new(),
            path: Vec::new(),
            mismatch: None,
            spans: Vec::new(),
        }
    }

    fn read(&mut self, json: &[u8], shape: Shape<'t>) -> Result<(), JsonError> {
        let mut text = serde_json::Deserializer::from_slice(json);
        let read = match shape {
            Shape::Value(ty) => Seed { decoder: self, ty }.deserialize(&mut text),
            Shape::Members(fields) => text.deserialize_map(Members { decoder: self, fields }),
        };
        read.and_then(|()| text.end()).map_err(|error| self.explain(&error))
    }

    fn explain(&mut self, error: &serde_json::Error) -> JsonError {
        let path = self.path.iter().fold("$".to_owned(), |path, step| path + &step.to_string());
        let (wanted, found) =
            self.mismatch.take().unwrap_or_else(|| ("JSON".to_owned(), error.to_string()));
        JsonError { path, wanted, found }
    }

    fn fail<E: de::Error>(&mut self, wanted: impl fmt::Display, found: impl fmt::Display) -> E {
        self.mismatch = Some((wanted.to_string(), found.to_string()));
        E::custom("")
    }

    fn limit<E: de::Error>(&mut self, error: WireError) -> E {
        self.fail("a smaller value", error)
    }

    fn check_size<E: de::Error>(&mut self) -> Result<(), E> {
        match self.out.len() > WIRE_BYTES_MAX {
            true => Err(self.limit(WireError::TooLarge)),
            false => Ok(()),
        }
    }

    fn string<E: de::Error>(&mut self, text: &str) -> Result<(), E> {
        put_str(&mut self.out, text).map_err(|error| self.limit(error))
    }

    /// Puts the fields of a record, which arrived as `spans[base..]` says, into their order.
    fn arrange<E: de::Error>(
        &mut self,
        fields: &'t [Field],
        start: usize,
        base: usize,
    ) -> Result<(), E> {
        let mut at = start;
        let in_order = self.spans[base..].iter().all(|span| match span {
            Some((from, to)) if *from == at => {
                at = *to;
                true
            }
            _ => false,
        });
        if !in_order {
            let arrived = self.out.split_off(start);
            for (field, i) in fields.iter().zip(base..) {
                match self.spans[i] {
                    Some((from, to)) => {
                        self.out.extend_from_slice(&arrived[from - start..to - start]);
                    }
                    None => match absent(field) {
                        Some(none) => self.out.extend_from_slice(none),
                        None => return Err(self.fail(wanted_key(field), "no such key")),
                    },
                }
            }
        }
        self.spans.truncate(base);
        Ok(())
    }
}

/// The bytes of a member that was left out, where it may be.
fn absent(field: &Field) -> Option<&'static [u8]> {
    matches!(field.ty, Type::Option(_)).then_some(&[0])
}

pub(super) fn missing(path: &str, field: &Field) -> JsonError {
    JsonError { path: path.to_owned(), wanted: wanted_key(field), found: "no such key".to_owned() }
}

fn wanted_key(field: &Field) -> String {
    format!("the key {:?} ({})", field.name, field.ty)
}

/// A value of `ty`, wherever it stands.
struct Seed<'d, 't> {
    decoder: &'d mut Decoder<'t>,
    ty: &'t Type,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.ty {
            Type::Option(_) => json.deserialize_option(self),
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de, 't> Visitor<'de> for Seed<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ty)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        match self.ty {
            Type::Option(_) => {
                self.decoder.out.push(0);
                Ok(())
            }
            _ => Err(self.unfit("null")),
        }
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Type::Option(inner) = self.ty else { return Err(self.unfit("a value")) };
        self.decoder.out.push(1);
        match **inner {
            Type::Option(_) => {
                json.deserialize_any(Tagged { decoder: self.decoder, case: ("some", inner) })
            }
            _ => Seed { decoder: self.decoder, ty: inner }.deserialize(json),
        }
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        match self.ty {
            Type::Bool => {
                self.decoder.out.push(value.into());
                Ok(())
            }
            _ => Err(self.unfit(value)),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.float(value)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let Self { decoder, ty } = self;
        match ty {
            Type::String => return decoder.string(text),
            Type::Char => {
                let mut chars = text.chars();
                if let (Some(c), None) = (chars.next(), chars.next()) {
                    decoder.out.extend_from_slice(&u32::from(c).to_le_bytes());
                    return Ok(());
                }
            }
            Type::List(element) if **element == Type::U8 => return bytes(decoder, text),
            Type::Enum(names) => {
                if let Some(case) = names.iter().position(|name| name == text) {
                    return put_count(&mut decoder.out, case).map_err(|e| decoder.limit(e));
                }
            }
            Type::Variant(cases) => return Self { decoder, ty }.case(cases, text),
            Type::U64 | Type::S64 => {
                if let Ok(value) = text.parse::<i128>() {
                    return Self { decoder, ty }.integer(value);
                }
            }
            Type::F32 | Type::F64 => match text {
                "NaN" => return Self { decoder, ty }.float(f64::NAN),
                "Infinity" => return Self { decoder, ty }.float(f64::INFINITY),
                "-Infinity" => return Self { decoder, ty }.float(f64::NEG_INFINITY),
                _ => {}
            },
            _ => {}
        }
        Err(Self { decoder, ty }.unfit(quoted(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        match self.ty {
            Type::List(element) => self.list(element, items),
            Type::Tuple(types) => self.tuple(types, items),
            Type::Flags(names) => self.flags(names, items),
            _ => Err(self.unfit("an array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        match self.ty {
            Type::Record(fields) => self.record(fields, members),
            Type::Variant(cases) => self.variant(cases, members),
            Type::Result(r) => {
                let Self { decoder, .. } = self;
                let of =
                    |name| (name, if name == "ok" { r.ok.as_deref() } else { r.err.as_deref() });
                let cases = ["ok", "err"].map(of);
                only_member(decoder, members, &cases, |decoder, case| {
                    decoder.out.push(u8::from(case == 1));
                })
            }
            _ => Err(self.unfit("an object")),
        }
    }
}

impl<'t> Seed<'_, 't> {
    fn unfit<E: de::Error>(self, found: impl fmt::Display) -> E {
        let wanted = wanted(self.ty);
        self.decoder.fail(wanted, found)
    }

    fn integer<E: de::Error>(self, value: i128) -> Result<(), E> {
        macro_rules! narrow {
            ($($case:ident: $number:ty),+) => {
                match self.ty {
                    $(Type::$case => {
                        if let Ok(value) = <$number>::try_from(value) {
                            self.decoder.out.extend_from_slice(&value.to_le_bytes());
                            return Ok(());
                        }
                    })+
                    Type::F32 | Type::F64 => return self.float(value as f64),
                    _ => {}
                }
            };
        }
        narrow!(S8: i8, U8: u8, S16: i16, U16: u16, S32: i32, U32: u32, S64: i64, U64: u64);
        Err(self.unfit(value))
    }

    fn float<E: de::Error>(self, value: f64) -> Result<(), E> {
        match self.ty {
            Type::F64 => self.decoder.out.extend_from_slice(&value.to_le_bytes()),
            Type::F32 if (value as f32).is_finite() || !value.is_finite() => {
                self.decoder.out.extend_from_slice(&(value as f32).to_le_bytes());
            }
            _ => return Err(self.unfit(format_args!("{value:?}"))),
        }
        Ok(())
    }

    /// A case without payload.
    fn case<E: de::Error>(self, cases: &'t [Case], name: &str) -> Result<(), E> {
        match cases.iter().position(|c| c.name == name) {
            Some(case) if cases[case].ty.is_none() => {
                put_count(&mut self.decoder.out, case).map_err(|e| self.decoder.limit(e))
            }
            Some(_) => {
                let wanted = format!("{{{}: …}}", quoted(name));
                Err(self.decoder.fail(wanted, format!("{} without a payload", quoted(name))))
            }
            None => Err(self.unfit(quoted(name))),
        }
    }

    fn variant<'de, A: MapAccess<'de>>(
        self,
        cases: &'t [Case],
        members: A,
    ) -> Result<(), A::Error> {
        let Self { decoder, .. } = self;
        let with_payload: Vec<_> = cases.iter().map(|c| (c.name.as_str(), c.ty.as_ref())).collect();
        only_member(decoder, members, &with_payload, |decoder, case| {
            decoder.out.extend_from_slice(&(case as u32).to_le_bytes());
        })
    }

    fn list<'de, A: SeqAccess<'de>>(self, element: &'t Type, mut items: A) -> Result<(), A::Error> {
        let Self { decoder, .. } = self;
        let at = decoder.out.len();
        decoder.out.extend_from_slice(&[0; 4]);
        let mut count = 0_u32;
        decoder.path.push(Step::Index(0));
        while items.next_element_seed(Seed { decoder: &mut *decoder, ty: element })?.is_some() {
            count += 1;
            decoder.budget.elements(1).map_err(|e| decoder.limit(e))?;
            decoder.check_size()?;
            decoder.path.pop();
            decoder.path.push(Step::Index(count as usize));
        }
        decoder.path.pop();
        decoder.out[at..at + 4].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    fn tuple<'de, A: SeqAccess<'de>>(
        self,
        types: &'t [Type],
        mut items: A,
    ) -> Result<(), A::Error> {
        let Self { decoder, .. } = self;
        for (i, ty) in types.iter().enumerate() {
            decoder.path.push(Step::Index(i));
            if items.next_element_seed(Seed { decoder: &mut *decoder, ty })?.is_none() {
                return Err(decoder.fail(wanted(ty), "the end of the array"));
            }
            decoder.path.pop();
        }
        match items.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => {
                let wanted = format!("an array of {} elements", types.len());
                Err(decoder.fail(wanted, "more elements"))
            }
        }
    }

    fn flags<'de, A: SeqAccess<'de>>(
        self,
        names: &'t [String],
        mut items: A,
    ) -> Result<(), A::Error> {
        let Self { decoder, .. } = self;
        let at = decoder.out.len();
        decoder.out.resize(at + flags_size(names.len()), 0);
        let mut i = 0;
        loop {
            decoder.path.push(Step::Index(i));
            let key = Key { decoder: &mut *decoder, names: Names::Flags(names), next: 0 };
            let Some(flag) = items.next_element_seed(key)? else { break };
            decoder.out[at + flag / 8] |= 1 << (flag % 8);
            decoder.path.pop();
            i += 1;
        }
        decoder.path.pop();
        Ok(())
    }

    fn record<'de, A: MapAccess<'de>>(
        self,
        fields: &'t [Field],
        mut members: A,
    ) -> Result<(), A::Error> {
        let Self { decoder, .. } = self;
        let (start, base) = (decoder.out.len(), decoder.spans.len());
        decoder.spans.resize(base + fields.len(), None);
        let mut next = 0;
        loop {
            let names = Names::Fields(fields);
            let key = Key { decoder: &mut *decoder, names, next };
            let Some(i) = members.next_key_seed(key)? else { break };
            decoder.path.push(Step::Key(&fields[i].name));
            if decoder.spans[base + i].is_some() {
                return Err(decoder.fail("a key once", "it again"));
            }
            let from = decoder.out.len();
            members.next_value_seed(Seed { decoder: &mut *decoder, ty: &fields[i].ty })?;
            decoder.check_size()?;
            decoder.spans[base + i] = Some((from, decoder.out.len()));
            decoder.path.pop();
            next = i + 1;
        }
        decoder.arrange(fields, start, base)
    }
}

/// An object that is no WIT record: each member by itself.
struct Members<'d, 't> {
    decoder: &'d mut Decoder<'t>,
    fields: &'t [&'t Field],
}

impl<'de> Visitor<'de> for Members<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { decoder, fields } = self;
        decoder.spans.resize(fields.len(), None);
        loop {
            let key = Key { decoder: &mut *decoder, names: Names::Members(fields), next: 0 };
            let Some(i) = members.next_key_seed(key)? else { return Ok(()) };
            decoder.path.push(Step::Key(&fields[i].name));
            if decoder.spans[i].is_some() {
                return Err(decoder.fail("a key once", "it again"));
            }
            let from = decoder.out.len();
            members.next_value_seed(Seed { decoder: &mut *decoder, ty: &fields[i].ty })?;
            decoder.check_size()?;
            decoder.spans[i] = Some((from, decoder.out.len()));
            decoder.path.pop();
        }
    }
}

fn bytes<E: de::Error>(decoder: &mut Decoder<'_>, text: &str) -> Result<(), E> {
    let at = decoder.out.len();
    decoder.out.extend_from_slice(&[0; 4]);
    let decoded = BASE64.decode_vec(text, &mut decoder.out);
    decoded.map_err(|_| decoder.fail("a base64 string", quoted(text)))?;
    let count = (decoder.out.len() - at - 4) as u32;
    decoder.out[at..at + 4].copy_from_slice(&count.to_le_bytes());
    decoder.check_size()
}

/// What a value of `ty` looks like in JSON, for people.
pub(super) fn wanted(ty: &Type) -> String {
    let one_of = |names: &mut dyn Iterator<Item = String>| {
        format!("one of {}", names.collect::<Vec<_>>().join(", "))
    };
    match ty {
        Type::Enum(names) => one_of(&mut names.iter().map(|name| quoted(name))),
        Type::Variant(cases) => one_of(&mut cases.iter().map(|c| match &c.ty {
            Some(_) => format!("{{{}: …}}", quoted(&c.name)),
            None => quoted(&c.name),
        })),
        Type::Record(_) => "an object".to_owned(),
        Type::Result(_) => "{\"ok\": …} or {\"err\": …}".to_owned(),
        Type::List(element) if **element == Type::U8 => "a base64 string".to_owned(),
        Type::List(_) | Type::Flags(_) => "an array".to_owned(),
        Type::Tuple(types) => format!("an array of {} elements", types.len()),
        Type::Char => "a string of one character".to_owned(),
        Type::Option(inner) => format!("{} or null", wanted(inner)),
        scalar => scalar.to_string(),
    }
}

/// A text that somebody sent, not longer than a message should be.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
