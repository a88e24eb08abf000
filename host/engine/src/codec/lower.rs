//! Into a component: wire bytes to core values and linear memory. Trusts neither the bytes nor what
//! the component's allocator returns.

use super::lift::{UTF16_TAG, is_plain};
use super::wire::{Budget, Reader, WireError};
use smallvec::SmallVec;
use std::slice::IterMut;
use wasmtime::component::__internal::wasmtime_environ::component::{StringEncoding, VariantInfo};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LowerContext};
use wasmtime::{Result, ValRaw, bail, format_err};

/// Memory of a small record, its lists and strings not counted: those are elsewhere.
const SCRATCH_BYTES_USUAL: usize = 128;

/// The memory of the component that a value goes into. Every allocation runs code of the component
/// and may move or grow the memory, so its bytes are asked for anew after each.
trait Guest {
    /// An aligned address with `size` bytes of memory behind it.
    fn allocate(&mut self, size: usize, align: u32) -> Result<usize>;
    fn memory(&mut self) -> &mut [u8];
    fn encoding(&self) -> StringEncoding;
}

impl<T> Guest for LowerContext<'_, T> {
    fn allocate(&mut self, size: usize, align: u32) -> Result<usize> {
        // wasmtime checks that the result is aligned and within the memory.
        self.realloc(0, 0, align, size)
    }

    fn memory(&mut self) -> &mut [u8] {
        self.as_slice_mut()
    }

    fn encoding(&self) -> StringEncoding {
        self.options().string_encoding
    }
}

/// Writes one tuple of values. An allocation can suspend the fiber that this stands on, to go on in
/// another thread: there is nothing in here that belongs to one.
pub(super) struct Lowerer<'a> {
    types: &'a ComponentTypes,
    guest: &'a mut dyn Guest,
    wire: Reader<'a>,
    budget: Budget,
    /// Where values are put together before they are copied into memory at once: a stack of them,
    /// since the elements of a list are made while the value that holds the list is not done.
    scratch: SmallVec<[u8; SCRATCH_BYTES_USUAL]>,
}

impl<'a> Lowerer<'a> {
    pub(super) fn new<T>(
        types: &'a ComponentTypes,
        cx: &'a mut LowerContext<'_, T>,
        wire: &'a [u8],
    ) -> Result<Self> {
        let wire = Reader::new(wire)?;
        Ok(Self { types, guest: cx, wire, budget: Budget::new(), scratch: SmallVec::new() })
    }

    /// To core values; those that are not needed stay as they are.
    pub(super) fn flat(mut self, ty: &InterfaceType, values: &mut [ValRaw]) -> Result<()> {
        self.put_flat(ty, &mut values.iter_mut())?;
        Ok(self.wire.finish()?)
    }

    /// To memory at `address`.
    pub(super) fn at(mut self, ty: &InterfaceType, address: usize) -> Result<()> {
        self.put_memory(ty, address)?;
        Ok(self.wire.finish()?)
    }

    /// To memory that is allocated for it; returns the address.
    pub(super) fn allocated(self, ty: &InterfaceType) -> Result<usize> {
        let abi = self.types.canonical_abi(ty);
        let address = self.guest.allocate(abi.size32 as usize, abi.align32)?;
        self.at(ty, address)?;
        Ok(address)
    }

    fn put_flat(&mut self, ty: &InterfaceType, values: &mut IterMut<'_, ValRaw>) -> Result<()> {
        use InterfaceType as I;
        let types = self.types;
        match ty {
            I::Bool => set(values, self.wire.bool()?),
            I::Char => set(values, self.wire.char()?),
            I::U8 => set(values, self.wire.u8()?),
            I::S8 => set(values, i32::from(i8::from_le_bytes(self.wire.array()?)) as u32),
            I::U16 => set(values, u16::from_le_bytes(self.wire.array()?)),
            I::S16 => set(values, i32::from(i16::from_le_bytes(self.wire.array()?)) as u32),
            I::U32 | I::S32 | I::Float32 => set(values, self.wire.u32()?),
            I::U64 | I::S64 | I::Float64 => set(values, u64::from_le_bytes(self.wire.array()?)),
            I::String => {
                let (address, length) = self.string()?;
                set(values, address as u64)?;
                set(values, length as u64)
            }
            I::List(i) => {
                let (address, count) = self.list(&types[*i].element)?;
                set(values, address as u64)?;
                set(values, count as u64)
            }
            I::Flags(i) => {
                for word in self.wire.flags(types[*i].names.len())?.chunks(4) {
                    let mut bytes = [0; 4];
                    bytes[..word.len()].copy_from_slice(word);
                    set(values, u32::from_le_bytes(bytes))?;
                }
                Ok(())
            }
            I::Record(i) => types[*i].fields.iter().try_for_each(|f| self.put_flat(&f.ty, values)),
            I::Tuple(i) => types[*i].types.iter().try_for_each(|ty| self.put_flat(ty, values)),
            I::Option(_) | I::Result(_) | I::Variant(_) | I::Enum(_) => {
                let own = types.canonical_abi(ty).flat_count(values.len());
                let after = values.len() - own.unwrap_or(0);
                let (case, payload) = self.case(ty)?;
                set(values, case)?;
                if let Some(payload) = payload {
                    self.put_flat(&payload, values)?;
                }
                // What a smaller case does not use is zero already.
                while values.len() > after {
                    values.next();
                }
                Ok(())
            }
            _ => bail!("a type that cannot cross slices"),
        }
    }

    fn put_memory(&mut self, ty: &InterfaceType, address: usize) -> Result<()> {
        let start = self.scratch.len();
        let end = start + self.types.canonical_abi(ty).size32 as usize;
        self.scratch.resize(end, 0);
        self.put_scratch(ty, start)?;
        let memory = self.guest.memory().get_mut(address..).and_then(|m| m.get_mut(..end - start));
        memory
            .ok_or_else(|| format_err!("the address of a value is not in memory"))?
            .copy_from_slice(&self.scratch[start..end]);
        self.scratch.truncate(start);
        Ok(())
    }

    /// Puts a value together in `scratch[at..]`, which has room for its size and is zero. All
    /// offsets come from the type.
    fn put_scratch(&mut self, ty: &InterfaceType, at: usize) -> Result<()> {
        use InterfaceType as I;
        let types = self.types;
        match ty {
            I::Bool => self.scratch[at] = self.wire.bool()?.into(),
            I::U8 | I::S8 => self.scratch[at] = self.wire.u8()?,
            I::U16 | I::S16 => self.copy::<2>(at)?,
            I::U32 | I::S32 | I::Float32 => self.copy::<4>(at)?,
            I::U64 | I::S64 | I::Float64 => self.copy::<8>(at)?,
            I::Char => {
                let c = u32::from(self.wire.char()?);
                self.put(at, &c.to_le_bytes());
            }
            I::String => {
                let pair = self.string()?;
                self.put_pair(at, pair);
            }
            I::List(i) => {
                let pair = self.list(&types[*i].element)?;
                self.put_pair(at, pair);
            }
            I::Record(i) => {
                let mut offset = 0;
                for field in &types[*i].fields {
                    let start = types.canonical_abi(&field.ty).next_field32(&mut offset);
                    self.put_scratch(&field.ty, at + start as usize)?;
                }
            }
            I::Tuple(i) => {
                let mut offset = 0;
                for ty in &types[*i].types {
                    let start = types.canonical_abi(ty).next_field32(&mut offset);
                    self.put_scratch(ty, at + start as usize)?;
                }
            }
            I::Option(i) => self.variant(ty, &types[*i].info, at)?,
            I::Result(i) => self.variant(ty, &types[*i].info, at)?,
            I::Variant(i) => self.variant(ty, &types[*i].info, at)?,
            I::Enum(i) => self.variant(ty, &types[*i].info, at)?,
            I::Flags(i) => {
                let bytes = self.wire.flags(types[*i].names.len())?;
                self.put(at, bytes);
            }
            _ => bail!("a type that cannot cross slices"),
        }
        Ok(())
    }

    fn variant(&mut self, ty: &InterfaceType, info: &VariantInfo, at: usize) -> Result<()> {
        let (case, payload) = self.case(ty)?;
        self.put(at, &case.to_le_bytes()[..u32::from(info.size) as usize]);
        match payload {
            Some(payload) => self.put_scratch(&payload, at + info.payload_offset32 as usize),
            None => Ok(()),
        }
    }

    /// Reads a case and finds the type of its payload.
    fn case(&mut self, ty: &InterfaceType) -> Result<(u32, Option<InterfaceType>)> {
        use InterfaceType as I;
        let types = self.types;
        Ok(match ty {
            I::Option(i) => match self.wire.bool()? {
                true => (1, Some(types[*i].ty)),
                false => (0, None),
            },
            I::Result(i) => match self.wire.bool()? {
                true => (1, types[*i].err),
                false => (0, types[*i].ok),
            },
            I::Variant(i) => {
                let cases = &types[*i].cases;
                let case = self.wire.case(cases.len())?;
                (case as u32, cases[case])
            }
            I::Enum(i) => (self.wire.case(types[*i].names.len())? as u32, None),
            _ => bail!("not a type with cases"),
        })
    }

    fn list(&mut self, element: &InterfaceType) -> Result<(usize, usize)> {
        let count = self.wire.count()?;
        let abi = self.types.canonical_abi(element);
        let size = abi.size32 as usize;
        let Some(total) = count.checked_mul(size) else { bail!(WireError::TooLarge) };
        if is_plain(element) {
            let bytes = self.wire.take(total)?;
            return Ok((self.copy_in(bytes, abi.align32)?, count));
        }
        self.budget.elements(count)?;
        let address = self.guest.allocate(total, abi.align32)?;
        for i in 0..count {
            self.put_memory(element, address + i * size)?;
        }
        Ok((address, count))
    }

    fn string(&mut self) -> Result<(usize, usize)> {
        let text = self.wire.str()?;
        match self.guest.encoding() {
            StringEncoding::Utf8 => Ok((self.copy_in(text.as_bytes(), 1)?, text.len())),
            StringEncoding::CompactUtf16 if text.chars().all(|c| u32::from(c) < 256) => {
                let latin1: Vec<u8> = text.chars().map(|c| u32::from(c) as u8).collect();
                Ok((self.copy_in(&latin1, 2)?, latin1.len()))
            }
            encoding => {
                let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let tag = if encoding == StringEncoding::Utf16 { 0 } else { UTF16_TAG };
                Ok((self.copy_in(&utf16, 2)?, (utf16.len() / 2) | tag))
            }
        }
    }

    fn copy_in(&mut self, bytes: &[u8], align: u32) -> Result<usize> {
        let address = self.guest.allocate(bytes.len(), align)?;
        let memory = self.guest.memory().get_mut(address..).and_then(|m| m.get_mut(..bytes.len()));
        memory
            .ok_or_else(|| format_err!("the component allocated outside of its memory"))?
            .copy_from_slice(bytes);
        Ok(address)
    }

    fn copy<const N: usize>(&mut self, at: usize) -> Result<()> {
        let bytes = self.wire.array::<N>()?;
        self.put(at, &bytes);
        Ok(())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.scratch[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put_pair(&mut self, at: usize, (address, length): (usize, usize)) {
        // Both are below 4 Gi: wasmtime's allocation checked the address, the wire the length.
        self.put(at, &(address as u32).to_le_bytes());
        self.put(at + 4, &(length as u32).to_le_bytes());
    }
}

/// All 64 bits: where cases of a variant share a value, the ABI widens smaller ones with zeros.
fn set(values: &mut IterMut<'_, ValRaw>, value: impl Into<FlatValue>) -> Result<()> {
    let slot = values.next().ok_or_else(|| format_err!("fewer core values than the type has"))?;
    *slot = ValRaw::u64(value.into().0);
    Ok(())
}

/// The bits of a core value.
struct FlatValue(u64);

macro_rules! flat_value {
    ($($ty:ty)+) => {$(
        impl From<$ty> for FlatValue {
            fn from(value: $ty) -> Self {
                Self(value.into())
            }
        }
    )+};
}
flat_value!(bool u8 u16 u32 u64 char);
