//! Components in text for a given type: one that returns its argument, one that passes it on to an
//! import. Written from the canonical ABI alone, so that the codec is checked against something
//! else.

use aether_types::wit::Type;
use std::fmt::Write;

pub(super) const INTERFACE: &str = "test:echo/api@1.0.0";

/// Makes the functions of a component async: its own, and those that it imports.
pub(super) fn make_async(text: &str) -> String {
    let text = text.replace("(func (param \"a\"", "(func async (param \"a\"");
    let text = text.replace("(func $f (param \"a\"", "(func $f async (param \"a\"");
    text.replace("(func $g (param \"a\"", "(func $g async (param \"a\"")
}

/// Exports `f: func(a: T) -> T`, which returns what it gets.
pub(super) fn echo(ty: &Type, encoding: &str) -> String {
    let mut types = Types::default();
    let name = types.define(ty, Mode::Component);
    let flat = flatten(ty);
    let params = core_params(&flat);
    let body = match flat.len() {
        // Flat in and flat out, or an address in and the same address out.
        0..=1 | 17.. => "local.get 0".to_owned(),
        _ => {
            let (size, align) = layout(ty);
            let mut text = format!(
                "(local.set $to (call $realloc (i32.const 0) (i32.const 0) \
                 (i32.const {align}) (i32.const {size})))\n"
            );
            store(ty, 0, &mut flat.iter().copied().enumerate().collect::<Vec<_>>(), &mut text);
            text + "local.get $to"
        }
    };
    let result = if flat.len() == 1 { flat[0].word() } else { "i32" };
    let definitions = types.text;
    format!(
        "(component
{definitions}
  (core module $m
    {MEMORY}
    (func (export \"f\") (param {params}) (result {result}) (local $to i32)
      {body})
    (func (export \"done\") (param {result}) (global.set $next (i32.const 1024))))
  (core instance $i (instantiate $m))
  (func $f (param \"a\" {name}) (result {name})
    (canon lift (core func $i \"f\") (memory (core memory $i \"memory\")) (realloc (core func $i \"realloc\"))
      (post-return (core func $i \"done\")) string-encoding={encoding}))
  (instance $api (export \"f\" (func $f)))
  (export \"{INTERFACE}\" (instance $api)))"
    )
}

/// Imports `f: func(a: T) -> T` and exports the same function, which calls the import.
pub(super) fn caller(ty: &Type, encoding: &str) -> String {
    let mut inner = Types::default();
    let name = inner.define(ty, Mode::InstanceType);
    let mut outer = Types::default();
    outer.define(ty, Mode::Alias);
    let flat = flatten(ty);
    let (size, align) = layout(ty);
    let params = core_params(&flat);
    let count = if flat.len() > 16 { 1 } else { flat.len() };
    let args: String = (0..count).fold(String::new(), |text, i| text + &format!("local.get {i} "));
    let (import, result, body) = match flat.len() {
        1 => (params.clone(), flat[0].word(), format!("{args} call $f")),
        _ => (
            format!("{params} i32"),
            "i32",
            format!(
                "(local.set $to (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) \
                 (i32.const {size}))) {args} local.get $to call $f local.get $to"
            ),
        ),
    };
    let import_result = if flat.len() == 1 { format!("(result {result})") } else { String::new() };
    format!(
        "(component
  (import \"{INTERFACE}\" (instance $api
{}
    (export \"f\" (func (param \"a\" {name}) (result {name})))))
{}
  (core module $mem {MEMORY}
    (func (export \"done\") (param {result}) (global.set $next (i32.const 1024))))
  (core instance $mem (instantiate $mem))
  (core func $f (canon lower (func $api \"f\") (memory (core memory $mem \"memory\"))
    (realloc (core func $mem \"realloc\")) string-encoding={encoding}))
  (core module $m
    (import \"h\" \"f\" (func $f (param {import}) {import_result}))
    (import \"h\" \"realloc\" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (func (export \"f\") (param {params}) (result {result}) (local $to i32)
      {body}))
  (alias core export $mem \"realloc\" (core func $realloc))
  (core instance $h (export \"f\" (func $f)) (export \"realloc\" (func $realloc)))
  (core instance $i (instantiate $m (with \"h\" (instance $h))))
  (func $g (param \"a\" {name}) (result {name})
    (canon lift (core func $i \"f\") (memory (core memory $mem \"memory\")) (realloc (core func $mem \"realloc\"))
      (post-return (core func $mem \"done\")) string-encoding={encoding}))
  (instance $out (export \"f\" (func $g)))
  (export \"test:caller/api@1.0.0\" (instance $out)))",
        inner.text, outer.text
    )
}

/// A bump allocator that grows the memory whenever it has to.
pub(super) const MEMORY: &str = "(memory (export \"memory\") 1)
    (global $next (mut i32) (i32.const 1024))
    (func $realloc (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (block $enough (loop $more
        (br_if $enough (i32.le_u (global.get $next)
          (i32.mul (memory.size) (i32.const 65536))))
        (br_if $enough (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
        (br $more)))
      (local.get $at))";

#[derive(Clone, Copy)]
enum Mode {
    /// Defines and exports types that need a name.
    Component,
    /// Declares that the instance has them.
    InstanceType,
    /// Takes types that need a name from the imported instance `$api`.
    Alias,
}

#[derive(Default)]
struct Types {
    text: String,
    count: usize,
}

impl Types {
    /// Defines `ty`; returns how to refer to it.
    fn define(&mut self, ty: &Type, mode: Mode) -> String {
        let words = |letter: &[String]| {
            letter.iter().fold(String::new(), |text, name| text + &format!(" \"{name}\""))
        };
        let optional =
            |types: &mut Self, ty: &Option<Box<Type>>| ty.as_ref().map(|ty| types.define(ty, mode));
        let (definition, named) = match ty {
            Type::List(element) => (format!("(list {})", self.define(element, mode)), false),
            Type::Option(inner) => (format!("(option {})", self.define(inner, mode)), false),
            Type::Result(r) => {
                let (ok, err) = (optional(self, &r.ok), optional(self, &r.err));
                let err = err.map(|e| format!("(error {e})")).unwrap_or_default();
                (format!("(result {} {err})", ok.unwrap_or_default()), false)
            }
            Type::Tuple(types) => {
                let types: Vec<_> = types.iter().map(|ty| self.define(ty, mode)).collect();
                (format!("(tuple {})", types.join(" ")), false)
            }
            Type::Record(fields) => {
                let mut text = "(record".to_owned();
                for field in fields {
                    let ty = self.define(&field.ty, mode);
                    write!(text, " (field \"{}\" {ty})", field.name).unwrap();
                }
                (text + ")", true)
            }
            Type::Variant(cases) => {
                let mut text = "(variant".to_owned();
                for case in cases {
                    let ty = case.ty.as_ref().map(|ty| self.define(ty, mode)).unwrap_or_default();
                    write!(text, " (case \"{}\" {ty})", case.name).unwrap();
                }
                (text + ")", true)
            }
            Type::Enum(names) => (format!("(enum{})", words(names)), true),
            Type::Flags(names) => (format!("(flags{})", words(names)), true),
            primitive => return primitive.to_string(),
        };
        self.count += 1;
        let name = format!("$t{}", self.count);
        match (named, mode) {
            (false, _) => writeln!(self.text, "(type {name} {definition})"),
            (true, Mode::Component) => {
                writeln!(self.text, "(type {name}-own {definition})").unwrap();
                writeln!(self.text, "(export {name} \"t{}\" (type {name}-own))", self.count)
            }
            (true, Mode::InstanceType) => {
                writeln!(self.text, "(type {name}-own {definition})").unwrap();
                let declared = format!("(type {name} (eq {name}-own))");
                writeln!(self.text, "(export \"t{}\" {declared})", self.count)
            }
            (true, Mode::Alias) => {
                let count = self.count;
                writeln!(self.text, "(alias export $api \"t{count}\" (type {name}))")
            }
        }
        .unwrap();
        name
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Core {
    I32,
    I64,
    F32,
    F64,
}

impl Core {
    fn word(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            _ if self == other => self,
            (Self::I32, Self::F32) | (Self::F32, Self::I32) => Self::I32,
            _ => Self::I64,
        }
    }

    /// Reads a value of this kind out of a wider local.
    fn of_local(self, local: usize, from: Self) -> String {
        let get = format!("local.get {local}");
        match (self, from) {
            _ if self == from => format!("({get})"),
            (Self::F32, Self::I32) => format!("(f32.reinterpret_i32 ({get}))"),
            (Self::I32, Self::I64) => format!("(i32.wrap_i64 ({get}))"),
            (Self::F32, Self::I64) => format!("(f32.reinterpret_i32 (i32.wrap_i64 ({get})))"),
            (Self::F64, Self::I64) => format!("(f64.reinterpret_i64 ({get}))"),
            _ => panic!("{from:?} does not hold {self:?}"),
        }
    }
}

fn core_params(flat: &[Core]) -> String {
    match flat.len() {
        0..=16 => flat.iter().map(|c| c.word()).collect::<Vec<_>>().join(" "),
        _ => "i32".to_owned(),
    }
}

pub(super) fn flatten(ty: &Type) -> Vec<Core> {
    match ty {
        Type::S64 | Type::U64 => vec![Core::I64],
        Type::F32 => vec![Core::F32],
        Type::F64 => vec![Core::F64],
        Type::String | Type::List(_) => vec![Core::I32; 2],
        Type::Tuple(types) => types.iter().flat_map(flatten).collect(),
        Type::Record(fields) => fields.iter().flat_map(|f| flatten(&f.ty)).collect(),
        Type::Flags(names) => vec![Core::I32; names.len().div_ceil(32)],
        _ => match cases(ty) {
            None => vec![Core::I32],
            Some(cases) => {
                let mut joined: Vec<Core> = Vec::new();
                for case in cases.iter().flatten() {
                    for (i, core) in flatten(case).into_iter().enumerate() {
                        match joined.get_mut(i) {
                            Some(slot) => *slot = slot.join(core),
                            None => joined.push(core),
                        }
                    }
                }
                [vec![Core::I32], joined].concat()
            }
        },
    }
}

fn cases(ty: &Type) -> Option<Vec<Option<&Type>>> {
    Some(match ty {
        Type::Option(inner) => vec![None, Some(inner)],
        Type::Result(r) => vec![r.ok.as_deref(), r.err.as_deref()],
        Type::Variant(cases) => cases.iter().map(|c| c.ty.as_ref()).collect(),
        Type::Enum(names) => vec![None; names.len()],
        _ => return None,
    })
}

/// Size and alignment in memory.
pub(super) fn layout(ty: &Type) -> (usize, usize) {
    let record = |types: &mut dyn Iterator<Item = &Type>| {
        let (size, align) = types.map(layout).fold((0_usize, 1), |(at, most), (size, align)| {
            (at.next_multiple_of(align) + size, most.max(align))
        });
        (size.next_multiple_of(align), align)
    };
    match ty {
        Type::Bool | Type::S8 | Type::U8 => (1, 1),
        Type::S16 | Type::U16 => (2, 2),
        Type::S64 | Type::U64 | Type::F64 => (8, 8),
        Type::String | Type::List(_) => (8, 4),
        Type::Tuple(types) => record(&mut types.iter()),
        Type::Record(fields) => record(&mut fields.iter().map(|f| &f.ty)),
        Type::Flags(names) => match names.len() {
            0..=8 => (1, 1),
            9..=16 => (2, 2),
            count => (count.div_ceil(32) * 4, 4),
        },
        _ => match cases(ty) {
            None => (4, 4),
            Some(cases) => {
                let payloads = || cases.iter().flatten().map(|ty| layout(ty));
                let align = payloads().map(|l| l.1).max().unwrap_or(1).max(case_size(cases.len()));
                let start = payload_offset(ty);
                let size = start + payloads().map(|l| l.0).max().unwrap_or(0);
                (size.next_multiple_of(align), align)
            }
        },
    }
}

fn case_size(cases: usize) -> usize {
    match cases {
        0..=256 => 1,
        257..=65536 => 2,
        _ => 4,
    }
}

fn payload_offset(ty: &Type) -> usize {
    let cases = cases(ty).unwrap();
    let align = cases.iter().flatten().map(|ty| layout(ty).1).max().unwrap_or(1);
    case_size(cases.len()).next_multiple_of(align)
}

/// Text that stores the value in `flat` (locals and their kinds) at `$to + offset`.
fn store(ty: &Type, offset: usize, flat: &mut Vec<(usize, Core)>, text: &mut String) {
    let mut take = |text: &mut String, offset: usize, instruction: &str, core: Core| {
        let (local, from) = flat.remove(0);
        let value = core.of_local(local, from);
        writeln!(text, "({instruction} offset={offset} (local.get $to) {value})").unwrap();
    };
    match ty {
        Type::Bool | Type::S8 | Type::U8 => take(text, offset, "i32.store8", Core::I32),
        Type::S16 | Type::U16 => take(text, offset, "i32.store16", Core::I32),
        Type::S32 | Type::U32 | Type::Char => take(text, offset, "i32.store", Core::I32),
        Type::S64 | Type::U64 => take(text, offset, "i64.store", Core::I64),
        Type::F32 => take(text, offset, "f32.store", Core::F32),
        Type::F64 => take(text, offset, "f64.store", Core::F64),
        Type::String | Type::List(_) => {
            take(text, offset, "i32.store", Core::I32);
            take(text, offset + 4, "i32.store", Core::I32);
        }
        Type::Tuple(types) => store_all(&mut types.iter(), offset, flat, text),
        Type::Record(fields) => store_all(&mut fields.iter().map(|f| &f.ty), offset, flat, text),
        Type::Flags(names) => match names.len() {
            0..=8 => take(text, offset, "i32.store8", Core::I32),
            9..=16 => take(text, offset, "i32.store16", Core::I32),
            count => (0..count.div_ceil(32))
                .for_each(|i| take(text, offset + 4 * i, "i32.store", Core::I32)),
        },
        _ => {
            let cases = cases(ty).unwrap();
            let own = flatten(ty).len();
            let (local, from) = flat.remove(0);
            let found = Core::I32.of_local(local, from);
            let store_case = ["i32.store8", "i32.store16", "i32.store"][case_size(cases.len()) / 2];
            writeln!(text, "({store_case} offset={offset} (local.get $to) {found})").unwrap();
            let shared: Vec<_> = flat.drain(..own - 1).collect();
            for (i, case) in cases.iter().enumerate() {
                let Some(payload) = case else { continue };
                writeln!(text, "(if (i32.eq {found} (i32.const {i})) (then").unwrap();
                store(payload, offset + payload_offset(ty), &mut shared.clone(), text);
                text.push_str("))\n");
            }
        }
    }
}

fn store_all(
    types: &mut dyn Iterator<Item = &Type>,
    offset: usize,
    flat: &mut Vec<(usize, Core)>,
    text: &mut String,
) {
    let mut at = offset;
    for ty in types {
        let (size, align) = layout(ty);
        at = at.next_multiple_of(align);
        store(ty, at, flat, text);
        at += size;
    }
}
