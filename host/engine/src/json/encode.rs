//! Wire bytes to JSON text. Trusts none of the bytes.

use super::JSON_BYTES_MAX;
use crate::codec::WireError;
use crate::codec::wire::{Budget, Reader};
use aether_types::wit::{Field, Type};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;

pub(super) fn value(ty: &Type, wire: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut encoder = Encoder {
        wire: Reader::new(wire)?,
        budget: Budget::new(),
        out: Vec::with_capacity(wire.len() * 2),
    };
    encoder.put(ty)?;
    encoder.wire.finish()?;
    Ok(encoder.out)
}

/// The text of one parameter of several, a scalar: strings and names of cases without quotes.
pub(super) fn scalar_param(
    params: &[Field],
    index: usize,
    wire: &[u8],
) -> Result<Vec<u8>, WireError> {
    let wire = Reader::new(wire)?;
    let mut encoder = Encoder { wire, budget: Budget::new(), out: Vec::new() };
    for before in &params[..index] {
        encoder.put(&before.ty)?;
    }
    encoder.out.clear();
    match &params[index].ty {
        Type::String => encoder.out.extend_from_slice(encoder.wire.str()?.as_bytes()),
        Type::Char => encoder.out.extend_from_slice(encoder.wire.char()?.to_string().as_bytes()),
        Type::Enum(names) => {
            let case = encoder.wire.case(names.len())?;
            encoder.out.extend_from_slice(names[case].as_bytes());
        }
        ty => encoder.put(ty)?,
    }
    Ok(encoder.out)
}

struct Encoder<'a> {
    wire: Reader<'a>,
    budget: Budget,
    out: Vec<u8>,
}

impl Encoder<'_> {
    fn put(&mut self, ty: &Type) -> Result<(), WireError> {
        match ty {
            Type::Bool => {
                let value = self.wire.bool()?;
                self.json(&value)
            }
            Type::S8 => self.number(i8::from_le_bytes),
            Type::U8 => self.number(u8::from_le_bytes),
            Type::S16 => self.number(i16::from_le_bytes),
            Type::U16 => self.number(u16::from_le_bytes),
            Type::S32 => self.number(i32::from_le_bytes),
            Type::U32 => self.number(u32::from_le_bytes),
            Type::S64 => self.number(i64::from_le_bytes),
            Type::U64 => self.number(u64::from_le_bytes),
            Type::F32 => {
                let value = f32::from_le_bytes(self.wire.array()?);
                self.float(value.into(), &value)
            }
            Type::F64 => {
                let value = f64::from_le_bytes(self.wire.array()?);
                self.float(value, &value)
            }
            Type::Char => {
                let value = self.wire.char()?;
                self.json(&value)
            }
            Type::String => {
                let text = self.wire.str()?;
                self.json(text)
            }
            Type::List(element) => self.list(element),
            Type::Option(inner) => self.option(inner),
            Type::Result(r) => match self.wire.bool()? {
                false => self.result("ok", r.ok.as_deref()),
                true => self.result("err", r.err.as_deref()),
            },
            Type::Tuple(types) => {
                self.sequence(b"[", types.iter(), |this, ty| this.put(ty))?;
                self.text(b"]")
            }
            Type::Record(fields) => {
                self.sequence(b"{", fields.iter(), |this, field| {
                    this.key(&field.name)?;
                    this.put(&field.ty)
                })?;
                self.text(b"}")
            }
            Type::Variant(cases) => {
                let case = &cases[self.wire.case(cases.len())?];
                match &case.ty {
                    Some(ty) => self.tagged(&case.name, ty),
                    None => self.name(&case.name),
                }
            }
            Type::Enum(names) => {
                let case = self.wire.case(names.len())?;
                self.name(&names[case])
            }
            Type::Flags(names) => {
                let bytes = self.wire.flags(names.len())?;
                let is_set = |(i, _): &(usize, &String)| bytes[i / 8] & (1 << (i % 8)) != 0;
                let set = names.iter().enumerate().filter(is_set);
                self.sequence(b"[", set, |this, (_, name)| this.name(name))?;
                self.text(b"]")
            }
            Type::Handle(what) => Err(WireError::Handle(what.clone())),
        }
    }

    fn number<T: Serialize, const N: usize>(
        &mut self,
        read: fn([u8; N]) -> T,
    ) -> Result<(), WireError> {
        let value = read(self.wire.array()?);
        self.json(&value)
    }

    /// `value` is written as it is, so that an `f32` does not get digits that it does not have.
    fn float(&mut self, wide: f64, value: &impl Serialize) -> Result<(), WireError> {
        match wide {
            _ if wide.is_finite() => self.json(value),
            _ if wide.is_nan() => self.text(b"\"NaN\""),
            _ if wide > 0.0 => self.text(b"\"Infinity\""),
            _ => self.text(b"\"-Infinity\""),
        }
    }

    fn list(&mut self, element: &Type) -> Result<(), WireError> {
        let count = self.wire.count()?;
        if *element == Type::U8 {
            let bytes = self.wire.take(count)?;
            self.text(b"\"")?;
            let at = self.out.len();
            self.out.resize(at + bytes.len().div_ceil(3) * 4, 0);
            BASE64
                .encode_slice(bytes, &mut self.out[at..])
                .expect("four characters for three bytes");
            return self.text(b"\"");
        }
        self.budget.elements(count)?;
        self.sequence(b"[", 0..count, |this, _| this.put(element))?;
        self.text(b"]")
    }

    fn option(&mut self, inner: &Type) -> Result<(), WireError> {
        match (self.wire.bool()?, inner) {
            (false, _) => self.text(b"null"),
            (true, Type::Option(_)) => self.tagged("some", inner),
            (true, _) => self.put(inner),
        }
    }

    fn result(&mut self, name: &str, payload: Option<&Type>) -> Result<(), WireError> {
        match payload {
            Some(ty) => self.tagged(name, ty),
            None => {
                self.text(b"{")?;
                self.key(name)?;
                self.text(b"null}")
            }
        }
    }

    fn tagged(&mut self, name: &str, ty: &Type) -> Result<(), WireError> {
        self.text(b"{")?;
        self.key(name)?;
        self.put(ty)?;
        self.text(b"}")
    }

    fn sequence<I: Iterator>(
        &mut self,
        open: &[u8],
        items: I,
        mut put: impl FnMut(&mut Self, I::Item) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let mut before = open;
        for item in items {
            self.text(before)?;
            put(self, item)?;
            before = b",";
        }
        if before == open { self.text(open) } else { Ok(()) }
    }

    fn key(&mut self, name: &str) -> Result<(), WireError> {
        self.name(name)?;
        self.text(b":")
    }

    /// A name in WIT: letters, digits and hyphens, which JSON takes as they are.
    fn name(&mut self, name: &str) -> Result<(), WireError> {
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.text(b"\"")
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), WireError> {
        serde_json::to_writer(&mut self.out, value)
            .expect("a scalar or a string is JSON, and a vector takes every byte");
        self.text(b"")
    }

    fn text(&mut self, text: &[u8]) -> Result<(), WireError> {
        self.out.extend_from_slice(text);
        if self.out.len() > JSON_BYTES_MAX { Err(WireError::TooLarge) } else { Ok(()) }
    }
}
