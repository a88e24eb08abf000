//! Arbitrary WIT types and wire values of them, for tests. Knows neither component nor JSON.

use aether_types::wit::{Case, Field, ResultType, Type};
use proptest::prelude::*;

/// Types of every kind, nested a few levels deep.
pub(crate) fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::S8),
        Just(Type::U8),
        Just(Type::S16),
        Just(Type::U16),
        Just(Type::S32),
        Just(Type::U32),
        Just(Type::S64),
        Just(Type::U64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        (1..5_usize).prop_map(|count| Type::Enum(names("e", count))),
        (1..33_usize).prop_map(|count| Type::Flags(names("b", count))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let inner = inner.boxed();
        let optional = prop::option::of(inner.clone().prop_map(Box::new));
        let many = prop::collection::vec(inner.clone(), 1..5);
        let cases = prop::collection::vec(prop::option::of(inner.clone()), 1..5);
        prop_oneof![
            inner.clone().prop_map(|ty| Type::List(Box::new(ty))),
            inner.prop_map(|ty| Type::Option(Box::new(ty))),
            (optional.clone(), optional).prop_map(|(ok, err)| Type::Result(ResultType { ok, err })),
            many.clone().prop_map(Type::Tuple),
            many.prop_map(record),
            cases.prop_map(variant),
        ]
    })
}

/// What a value is made of: each byte decides something, and less of them gives a smaller value.
pub(crate) fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

pub(crate) fn record(types: Vec<Type>) -> Type {
    let field = |(i, ty)| Field { name: format!("f{i}"), ty };
    Type::Record(types.into_iter().enumerate().map(field).collect())
}

pub(crate) fn variant(types: Vec<Option<Type>>) -> Type {
    let case = |(i, ty)| Case { name: format!("c{i}"), ty };
    Type::Variant(types.into_iter().enumerate().map(case).collect())
}

pub(crate) fn names(letter: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{letter}{i}")).collect()
}

/// The wire bytes of a value of `ty`.
pub(crate) fn value(ty: &Type, choices: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Maker { choices: choices.iter() }.put(ty, &mut out);
    out
}

struct Maker<'a> {
    choices: std::slice::Iter<'a, u8>,
}

impl Maker<'_> {
    fn choose(&mut self) -> u8 {
        self.choices.next().copied().unwrap_or(0)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.choose()) % count
    }

    fn put(&mut self, ty: &Type, out: &mut Vec<u8>) {
        match ty {
            Type::Bool => out.push(self.choose() & 1),
            Type::S8 | Type::U8 => out.push(self.choose()),
            Type::S16 | Type::U16 => out.extend([self.choose(), self.choose()]),
            Type::S32 | Type::U32 => out.extend((0..4).map(|_| self.choose()).collect::<Vec<_>>()),
            Type::S64 | Type::U64 => out.extend((0..8).map(|_| self.choose()).collect::<Vec<_>>()),
            Type::F32 => {
                let floats = [0.0, -0.0, 1.5, -1e30, f32::MIN_POSITIVE, f32::INFINITY, f32::NAN];
                out.extend(floats[self.below(floats.len())].to_le_bytes());
            }
            Type::F64 => {
                let floats = [0.0, -0.0, 0.1, -1e300, f64::MIN_POSITIVE, -f64::INFINITY, f64::NAN];
                out.extend(floats[self.below(floats.len())].to_le_bytes());
            }
            Type::Char => out.extend(u32::from(self.char()).to_le_bytes()),
            Type::String => {
                let count = self.below(12);
                let text: String = (0..count).map(|_| self.char()).collect();
                out.extend((text.len() as u32).to_le_bytes());
                out.extend(text.as_bytes());
            }
            Type::List(element) => {
                let count = self.below(5);
                out.extend((count as u32).to_le_bytes());
                (0..count).for_each(|_| self.put(element, out));
            }
            Type::Option(inner) => {
                let case = self.choose() & 1;
                out.push(case);
                (case == 1).then(|| self.put(inner, out));
            }
            Type::Result(r) => {
                let case = self.choose() & 1;
                out.push(case);
                let payload = if case == 0 { &r.ok } else { &r.err };
                payload.iter().for_each(|ty| self.put(ty, out));
            }
            Type::Tuple(types) => types.iter().for_each(|ty| self.put(ty, out)),
            Type::Record(fields) => fields.iter().for_each(|f| self.put(&f.ty, out)),
            Type::Variant(cases) => {
                let case = self.below(cases.len());
                out.extend((case as u32).to_le_bytes());
                cases[case].ty.iter().for_each(|ty| self.put(ty, out));
            }
            Type::Enum(names) => out.extend((self.below(names.len()) as u32).to_le_bytes()),
            Type::Flags(names) => {
                let mut bytes = vec![0; crate::codec::wire::flags_size(names.len())];
                for i in (0..names.len()).filter(|_| self.choose() & 1 == 1) {
                    bytes[i / 8] |= 1 << (i % 8);
                }
                out.extend(bytes);
            }
            Type::Handle(what) => panic!("{what} has no values"),
        }
    }

    fn char(&mut self) -> char {
        const ODD: [char; 8] = ['"', '\\', '\n', '\0', 'é', '\u{7ff}', '漢', '\u{1f600}'];
        match self.choose() {
            c if c < 200 => char::from(c % 95 + 32),
            c => ODD[usize::from(c) % ODD.len()],
        }
    }
}
