//! wasmtime's hidden conversion traits for wire bytes: which core values and types a call has. The
//! walk over values is in `lift` and `lower`.
//!
//! wasmtime trusts what stands here: `Lower` of each type is an array of `ValRaw`, and wasmtime
//! reads or writes exactly that many core values. Each impl says why that many are there. The
//! traits are no public promise of wasmtime; the workspace pins its version exactly
//! (docs/decisions/0004-raw-forwarding.md).

use super::{lift::Lifter, lower::Lowerer};
use aether_types::wit;
use bytes::Bytes;
use std::mem::MaybeUninit;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Result, ValRaw, bail, ensure};

/// The canonical ABI passes at most so many core values; more go through memory.
pub(super) const FLAT_MAX: usize = 16;

/// Parameters that arrive from a component in `N` core values, or in memory where they are more
/// than the ABI of the import passes.
pub(super) struct Params<const N: usize>(pub(super) Bytes);

/// Parameters on their way into a component.
pub(super) struct Args(pub(super) Bytes);

/// A result, in either direction: `N` is 0 where there is none. 1 is the core value that it is, or
/// the address where it is.
pub(super) struct Answer<const N: usize>(pub(super) Bytes);

/// Core values of a type; more than [`FLAT_MAX`] is counted as `FLAT_MAX + 1`.
pub(super) fn flat_count(ty: &wit::Type) -> usize {
    use wit::Type as W;
    let most = |cases: &mut dyn Iterator<Item = &wit::Type>| cases.map(flat_count).max();
    let count = match ty {
        W::String | W::List(_) => 2,
        W::Option(inner) => 1 + flat_count(inner),
        W::Result(r) => 1 + most(&mut r.ok.iter().chain(&r.err).map(|t| t.as_ref())).unwrap_or(0),
        W::Variant(cases) => 1 + most(&mut cases.iter().flat_map(|c| &c.ty)).unwrap_or(0),
        W::Record(fields) => sum(&mut fields.iter().map(|f| &f.ty)),
        W::Tuple(types) => sum(&mut types.iter()),
        W::Flags(names) => names.len().div_ceil(32),
        _ => 1,
    };
    count.min(FLAT_MAX + 1)
}

fn sum(types: &mut dyn Iterator<Item = &wit::Type>) -> usize {
    types.map(flat_count).fold(0, |sum, count| (sum + count).min(FLAT_MAX + 1))
}

/// The types of a tuple of parameters or results, all of them values.
fn check(ty: &InterfaceType, types: &ComponentTypes) -> Result<Option<usize>> {
    let InterfaceType::Tuple(index) = ty else { bail!("parameters and results are tuples") };
    for ty in &types[*index].types {
        ensure!(is_value(types, ty), "a type that cannot cross slices");
    }
    Ok(types[*index].abi.flat_count(FLAT_MAX))
}

fn is_value(types: &ComponentTypes, ty: &InterfaceType) -> bool {
    use InterfaceType as I;
    let optional = |ty: &Option<InterfaceType>| ty.is_none_or(|ty| is_value(types, &ty));
    match ty {
        I::Bool | I::S8 | I::U8 | I::S16 | I::U16 | I::S32 | I::U32 | I::S64 | I::U64 => true,
        I::Float32 | I::Float64 | I::Char | I::String | I::Flags(_) | I::Enum(_) => true,
        I::Record(i) => types[*i].fields.iter().all(|f| is_value(types, &f.ty)),
        I::Tuple(i) => types[*i].types.iter().all(|ty| is_value(types, ty)),
        I::Variant(i) => types[*i].cases.values().all(optional),
        I::List(i) => is_value(types, &types[*i].element),
        I::Option(i) => is_value(types, &types[*i].ty),
        I::Result(i) => optional(&types[*i].ok) && optional(&types[*i].err),
        _ => false,
    }
}

/// Size and alignment are never used: everything goes through flat values or addresses that the
/// impls below check themselves against the real type.
const fn abi(flat: usize) -> CanonicalAbiInfo {
    CanonicalAbiInfo { size32: 0, align32: 1, size64: 0, align64: 1, flat_count: Some(flat as u8) }
}

// SAFETY: `Lower` is an array of `ValRaw`. wasmtime hands parameters to a host function as
// `Params<N>::Lower` only where the ABI of the import passes them flat, and asserts that it has at
// least N values then; `typecheck` makes N exactly the count of the type, where that is flat at
// all.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> ComponentType for Params<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = abi(N);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        match check(ty, types.types)? {
            Some(flat) if flat != N => bail!("{flat} core values in the parameters, not {N}"),
            _ => Ok(()),
        }
    }
}

// SAFETY: `Lower` is an array of `ValRaw`, 16 of them: the most that parameters can have. wasmtime
// makes room for the whole array and the callee reads as many of them as its core function has
// parameters, at most 16; `linear_lower_to_flat` initializes all of them first.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl ComponentType for Args {
    type Lower = [ValRaw; FLAT_MAX];
    const ABI: CanonicalAbiInfo = abi(FLAT_MAX);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        check(ty, types.types).map(drop)
    }
}

// SAFETY: `Lower` is an array of `ValRaw`. A core function returns at most one value; `typecheck`
// allows N = 0 only where there is none, and N = 1 only where there is one: the result itself or,
// for a larger one, its address. As the result of a host function it is written flat only with one
// core value, which `linear_lower_to_flat` initializes.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> ComponentType for Answer<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = abi(N);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        match (N, check(ty, types.types)?) {
            (0, Some(0)) => Ok(()),
            (1, flat) if flat != Some(0) => Ok(()),
            (_, flat) => bail!("a result of {flat:?} core values, not {N}"),
        }
    }
}

// SAFETY: nothing beyond `ComponentType`; parameters and results are checked to be tuples.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> ComponentNamedList for Params<N> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl ComponentNamedList for Args {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> ComponentNamedList for Answer<N> {}

// SAFETY: only reads, through checked indexing, the values and the memory that it is given.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> Lift for Params<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &[ValRaw; N],
    ) -> Result<Self> {
        Lifter::new(cx).flat(&ty, src).map(Self)
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        // `bytes` is empty, as `ABI` says, and begins where the parameters are in memory.
        let address = bytes.as_ptr().addr().wrapping_sub(cx.memory().as_ptr().addr());
        Lifter::new(cx).at(&ty, address).map(Self)
    }
}

// SAFETY: only reads, through checked indexing, the values and the memory that it is given.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> Lift for Answer<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &[ValRaw; N],
    ) -> Result<Self> {
        let flat = cx.types.canonical_abi(&ty).flat_count(FLAT_MAX);
        match src.first() {
            Some(address) if flat != Some(1) => {
                Lifter::new(cx).at(&ty, address.get_u32() as usize).map(Self)
            }
            _ => Lifter::new(cx).flat(&ty, src).map(Self),
        }
    }

    fn linear_lift_from_memory(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &[u8],
    ) -> Result<Self> {
        bail!("results of at most one core value are lifted from it")
    }
}

// SAFETY: `linear_lower_to_flat` initializes all 16 values, and memory is written through checked
// indexing only.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl Lower for Args {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<[ValRaw; FLAT_MAX]>,
    ) -> Result<()> {
        let flat = dst.write([ValRaw::u64(0); FLAT_MAX]);
        let types = cx.types;
        let lowerer = Lowerer::new(types, cx, &self.0)?;
        match types.canonical_abi(&ty).flat_count(FLAT_MAX) {
            Some(_) => lowerer.flat(&ty, flat),
            None => {
                // More than 16 values: the callee takes the address of all of them.
                let address = lowerer.allocated(&ty)?;
                flat[0] = ValRaw::i64(address as i64);
                Ok(())
            }
        }
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> Result<()> {
        bail!("16 values are never more than the ABI passes")
    }
}

// SAFETY: `linear_lower_to_flat` initializes all values, and memory is written through checked
// indexing only.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<const N: usize> Lower for Answer<N> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<[ValRaw; N]>,
    ) -> Result<()> {
        let flat = dst.write([ValRaw::u64(0); N]);
        let types = cx.types;
        Lowerer::new(types, cx, &self.0)?.flat(&ty, flat)
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let types = cx.types;
        Lowerer::new(types, cx, &self.0)?.at(&ty, offset)
    }
}
