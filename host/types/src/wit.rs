//! The types of WIT as data: what slices export and import. Knows no engine and no encoding.

use crate::InterfaceName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A value type, or a handle that cannot cross slices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    List(Box<Type>),
    Option(Box<Type>),
    Result(ResultType),
    Tuple(Vec<Type>),
    Record(Vec<Field>),
    Variant(Vec<Case>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    /// What is no value: `resource`, `stream`, `future`, `error-context`, or a type newer than this
    /// build.
    Handle(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResultType {
    pub ok: Option<Box<Type>>,
    pub err: Option<Box<Type>>,
}

/// A field of a record, or a parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub ty: Type,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Case {
    pub name: String,
    pub ty: Option<Type>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    pub params: Vec<Field>,
    pub result: Option<Type>,
    /// `async func`: needs the component model's async ABI.
    pub is_async: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interface {
    pub name: InterfaceName,
    pub functions: Vec<Function>,
}

impl Type {
    /// The first handle inside this type, if any: such a type cannot cross slices.
    pub fn handle(&self) -> Option<&str> {
        match self {
            Self::Handle(what) => Some(what),
            Self::List(inner) | Self::Option(inner) => inner.handle(),
            Self::Result(r) => r.ok.iter().chain(&r.err).find_map(|t| t.handle()),
            Self::Tuple(types) => types.iter().find_map(Self::handle),
            Self::Record(fields) => fields.iter().find_map(|f| f.ty.handle()),
            Self::Variant(cases) => {
                cases.iter().filter_map(|c| c.ty.as_ref()).find_map(Self::handle)
            }
            _ => None,
        }
    }
}

impl Function {
    /// The first handle in a parameter or the result.
    pub fn handle(&self) -> Option<&str> {
        self.params.iter().map(|p| &p.ty).chain(&self.result).find_map(Type::handle)
    }
}

impl Interface {
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == name)
    }

    /// The first function of `wanted` that this interface does not offer with the same type.
    pub fn mismatch<'a>(&'a self, wanted: &'a Self) -> Option<Mismatch<'a>> {
        wanted.functions.iter().find_map(|wanted| match self.function(&wanted.name) {
            Some(offered) if offered == wanted => None,
            offered => Some(Mismatch { wanted, offered }),
        })
    }
}

/// A function that an importer wants and an exporter does not offer like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch<'a> {
    pub wanted: &'a Function,
    pub offered: Option<&'a Function>,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Bool => "bool",
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Char => "char",
            Self::String => "string",
            Self::Handle(what) => what,
            Self::List(inner) => return write!(f, "list<{inner}>"),
            Self::Option(inner) => return write!(f, "option<{inner}>"),
            Self::Result(r) => return write_result(f, r),
            Self::Tuple(types) => return write_list(f, "tuple<", types, ">"),
            Self::Record(fields) => return write_list(f, "record { ", fields, " }"),
            Self::Variant(cases) => return write_list(f, "variant { ", cases, " }"),
            Self::Enum(names) => return write_list(f, "enum { ", names, " }"),
            Self::Flags(names) => return write_list(f, "flags { ", names, " }"),
        };
        f.write_str(word)
    }
}

fn write_result(f: &mut fmt::Formatter<'_>, r: &ResultType) -> fmt::Result {
    match (&r.ok, &r.err) {
        (None, None) => f.write_str("result"),
        (Some(ok), None) => write!(f, "result<{ok}>"),
        (None, Some(err)) => write!(f, "result<_, {err}>"),
        (Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
    }
}

fn write_list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: &[T],
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str(close)
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ty {
            Some(ty) => write!(f, "{}({ty})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}func", self.name, if self.is_async { "async " } else { "" })?;
        write_list(f, "(", &self.params, ")")?;
        self.result.as_ref().map_or(Ok(()), |ty| write!(f, " -> {ty}"))
    }
}
