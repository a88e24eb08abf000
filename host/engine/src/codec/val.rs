//! The way over wasmtime's `Val`: slower, with all that wasmtime itself checks, and the same bytes.

use super::wire::{Budget, Reader, WIRE_BYTES_MAX, WireError, flags_size, put_count, put_str};
use aether_types::wit::{self, Type};
use bytes::Bytes;
use wasmtime::component::{Accessor, Func, GuestTaskId, Val};
use wasmtime::{AsContextMut, Result, bail};

/// An exported function that is called with `Val`s.
pub(super) struct Export {
    func: Func,
    params: Vec<Type>,
    result: Option<Type>,
}

impl Export {
    pub(super) fn new(func: Func, function: &wit::Function) -> Self {
        let params = function.params.iter().map(|p| p.ty.clone()).collect();
        Self { func, params, result: function.result.clone() }
    }

    pub(super) async fn call<T: Send>(
        &self,
        store: impl AsContextMut<Data = T>,
        args: &[u8],
    ) -> Result<Bytes> {
        let (params, mut results) = self.values(args)?;
        self.func.call_async(store, &params, &mut results).await?;
        self.answer(&results)
    }

    pub(super) async fn call_concurrent<T: Send>(
        &self,
        accessor: &Accessor<T>,
        args: &[u8],
        started: impl FnOnce(&mut T, GuestTaskId),
    ) -> Result<Bytes> {
        let (params, mut results) = self.values(args)?;
        let call = accessor.with(|mut store| {
            let call = self.func.start_call_concurrent(&mut store, &params, &mut results)?;
            started(store.data_mut(), call.task());
            Ok::<_, wasmtime::Error>(call)
        })?;
        self.func.finish_call_concurrent(accessor, call).await?;
        self.answer(&results)
    }

    /// The parameters, and room for the result.
    fn values(&self, args: &[u8]) -> Result<(Vec<Val>, Vec<Val>)> {
        let results = vec![Val::Bool(false); self.result.iter().count()];
        Ok((read_all(&self.params, args)?, results))
    }

    fn answer(&self, results: &[Val]) -> Result<Bytes> {
        let mut out = Vec::new();
        for (ty, value) in self.result.iter().zip(results) {
            write(ty, value, &mut Budget::new(), &mut out)?;
        }
        Ok(out.into())
    }
}

/// Values of a tuple of types.
pub(super) fn read_all(types: &[Type], bytes: &[u8]) -> Result<Vec<Val>, WireError> {
    let mut wire = Reader::new(bytes)?;
    let mut budget = Budget::new();
    let values = types.iter().map(|ty| read(ty, &mut wire, &mut budget)).collect();
    wire.finish().and(values)
}

fn read(ty: &Type, wire: &mut Reader<'_>, budget: &mut Budget) -> Result<Val, WireError> {
    let mut boxed = |ty: &Type, wire: &mut Reader<'_>| read(ty, wire, budget).map(Box::new);
    Ok(match ty {
        Type::Bool => Val::Bool(wire.bool()?),
        Type::S8 => Val::S8(i8::from_le_bytes(wire.array()?)),
        Type::U8 => Val::U8(wire.u8()?),
        Type::S16 => Val::S16(i16::from_le_bytes(wire.array()?)),
        Type::U16 => Val::U16(u16::from_le_bytes(wire.array()?)),
        Type::S32 => Val::S32(i32::from_le_bytes(wire.array()?)),
        Type::U32 => Val::U32(wire.u32()?),
        Type::S64 => Val::S64(i64::from_le_bytes(wire.array()?)),
        Type::U64 => Val::U64(u64::from_le_bytes(wire.array()?)),
        Type::F32 => Val::Float32(f32::from_le_bytes(wire.array()?)),
        Type::F64 => Val::Float64(f64::from_le_bytes(wire.array()?)),
        Type::Char => Val::Char(wire.char()?),
        Type::String => Val::String(wire.str()?.to_owned()),
        Type::List(element) => {
            let count = wire.count()?;
            budget.elements(count)?;
            Val::List((0..count).map(|_| read(element, wire, budget)).collect::<Result<_, _>>()?)
        }
        Type::Option(inner) => Val::Option(match wire.bool()? {
            true => Some(boxed(inner, wire)?),
            false => None,
        }),
        Type::Result(r) => Val::Result(match wire.bool()? {
            false => Ok(r.ok.as_ref().map(|ty| boxed(ty, wire)).transpose()?),
            true => Err(r.err.as_ref().map(|ty| boxed(ty, wire)).transpose()?),
        }),
        Type::Tuple(types) => {
            Val::Tuple(types.iter().map(|ty| read(ty, wire, budget)).collect::<Result<_, _>>()?)
        }
        Type::Record(fields) => {
            let field = |f: &wit::Field| Ok((f.name.clone(), read(&f.ty, wire, budget)?));
            Val::Record(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
        Type::Variant(cases) => {
            let case = &cases[wire.case(cases.len())?];
            let payload = case.ty.as_ref().map(|ty| boxed(ty, wire)).transpose()?;
            Val::Variant(case.name.clone(), payload)
        }
        Type::Enum(names) => Val::Enum(names[wire.case(names.len())?].clone()),
        Type::Flags(names) => {
            let bytes = wire.flags(names.len())?;
            let is_set = |i: &usize| bytes[i / 8] & (1 << (i % 8)) != 0;
            Val::Flags((0..names.len()).filter(is_set).map(|i| names[i].clone()).collect())
        }
        Type::Handle(what) => return Err(WireError::Handle(what.clone())),
    })
}

pub(super) fn write(ty: &Type, value: &Val, budget: &mut Budget, out: &mut Vec<u8>) -> Result<()> {
    match (ty, value) {
        (Type::Bool, Val::Bool(v)) => out.push(u8::from(*v)),
        (Type::S8, Val::S8(v)) => out.extend(v.to_le_bytes()),
        (Type::U8, Val::U8(v)) => out.push(*v),
        (Type::S16, Val::S16(v)) => out.extend(v.to_le_bytes()),
        (Type::U16, Val::U16(v)) => out.extend(v.to_le_bytes()),
        (Type::S32, Val::S32(v)) => out.extend(v.to_le_bytes()),
        (Type::U32, Val::U32(v)) => out.extend(v.to_le_bytes()),
        (Type::S64, Val::S64(v)) => out.extend(v.to_le_bytes()),
        (Type::U64, Val::U64(v)) => out.extend(v.to_le_bytes()),
        (Type::F32, Val::Float32(v)) => out.extend(v.to_le_bytes()),
        (Type::F64, Val::Float64(v)) => out.extend(v.to_le_bytes()),
        (Type::Char, Val::Char(v)) => out.extend(u32::from(*v).to_le_bytes()),
        (Type::String, Val::String(v)) => put_str(out, v)?,
        (Type::List(element), Val::List(values)) => {
            budget.elements(values.len())?;
            put_count(out, values.len())?;
            values.iter().try_for_each(|v| write(element, v, budget, out))?;
        }
        (Type::Option(inner), Val::Option(v)) => {
            out.push(v.is_some().into());
            v.iter().try_for_each(|v| write(inner, v, budget, out))?;
        }
        (Type::Result(r), Val::Result(v)) => {
            out.push(v.is_err().into());
            let (ty, value) = match v {
                Ok(v) => (&r.ok, v),
                Err(v) => (&r.err, v),
            };
            payload(ty.as_deref(), value.as_deref(), budget, out)?;
        }
        (Type::Tuple(types), Val::Tuple(values)) => {
            types.iter().zip(values).try_for_each(|(ty, v)| write(ty, v, budget, out))?;
        }
        (Type::Record(fields), Val::Record(values)) => {
            let mut pairs = fields.iter().zip(values);
            pairs.try_for_each(|(f, (_, v))| write(&f.ty, v, budget, out))?;
        }
        (Type::Variant(cases), Val::Variant(name, v)) => {
            let index = cases.iter().position(|c| c.name == *name).unwrap_or(cases.len());
            let Some(case) = cases.get(index) else { bail!("there is no case {name}") };
            put_count(out, index)?;
            payload(case.ty.as_ref(), v.as_deref(), budget, out)?;
        }
        (Type::Enum(names), Val::Enum(name)) => {
            let Some(index) = names.iter().position(|n| n == name) else {
                bail!("there is no case {name}");
            };
            put_count(out, index)?;
        }
        (Type::Flags(names), Val::Flags(set)) => {
            let mut bytes = vec![0; flags_size(names.len())];
            for (i, _) in names.iter().enumerate().filter(|(_, name)| set.contains(name)) {
                bytes[i / 8] |= 1 << (i % 8);
            }
            out.extend(bytes);
        }
        _ => bail!("a value of another type than {ty}"),
    }
    if out.len() > WIRE_BYTES_MAX {
        bail!(WireError::TooLarge);
    }
    Ok(())
}

fn payload(
    ty: Option<&Type>,
    value: Option<&Val>,
    budget: &mut Budget,
    out: &mut Vec<u8>,
) -> Result<()> {
    match (ty, value) {
        (Some(ty), Some(value)) => write(ty, value, budget, out),
        (None, None) => Ok(()),
        _ => bail!("a case with another payload than its type has"),
    }
}
