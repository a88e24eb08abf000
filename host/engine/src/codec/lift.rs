//! Out of a component: core values and linear memory to wire bytes. Trusts nothing in either.

use super::wire::{Budget, WIRE_BYTES_MAX, WireError, flags_size, put_count, put_str};
use bytes::Bytes;
use std::slice::Iter;
use wasmtime::component::__internal::wasmtime_environ::component::{StringEncoding, VariantInfo};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LiftContext};
use wasmtime::{Result, ValRaw, bail, format_err};

/// Room that a small record fits into.
const WIRE_BYTES_USUAL: usize = 128;
/// The bit of a length in `latin1+utf16` that says UTF-16.
pub(super) const UTF16_TAG: usize = 1 << 31;

/// Reads one tuple of values.
pub(super) struct Lifter<'a> {
    types: &'a ComponentTypes,
    memory: &'a [u8],
    encoding: StringEncoding,
    budget: Budget,
    out: Vec<u8>,
}

impl<'a> Lifter<'a> {
    pub(super) fn new(cx: &LiftContext<'a>) -> Self {
        Self {
            types: cx.types,
            memory: cx.memory(),
            encoding: cx.options().string_encoding,
            budget: Budget::new(),
            out: Vec::with_capacity(WIRE_BYTES_USUAL),
        }
    }

    /// From core values.
    pub(super) fn flat(mut self, ty: &InterfaceType, values: &[ValRaw]) -> Result<Bytes> {
        self.read_flat(ty, &mut values.iter())?;
        self.finish()
    }

    /// From memory at `address`.
    pub(super) fn at(mut self, ty: &InterfaceType, address: usize) -> Result<Bytes> {
        let abi = self.types.canonical_abi(ty);
        let bytes = self.region(address, abi.size32 as usize, abi.align32)?;
        self.read_memory(ty, bytes)?;
        self.finish()
    }

    fn finish(self) -> Result<Bytes> {
        self.check_size(0)?;
        Ok(self.out.into())
    }

    fn check_size(&self, more: usize) -> Result<()> {
        if more > WIRE_BYTES_MAX || self.out.len() + more > WIRE_BYTES_MAX {
            bail!(WireError::TooLarge);
        }
        Ok(())
    }

    fn region(&self, address: usize, size: usize, align: u32) -> Result<&'a [u8]> {
        if !address.is_multiple_of(align as usize) {
            bail!("address {address:#x} is not aligned to {align}");
        }
        let region = self.memory.get(address..).and_then(|rest| rest.get(..size));
        region.ok_or_else(|| format_err!("{size} bytes at {address:#x} are not all in memory"))
    }

    fn read_flat(&mut self, ty: &InterfaceType, values: &mut Iter<'_, ValRaw>) -> Result<()> {
        use InterfaceType as I;
        match ty {
            I::Record(i) => {
                let types = self.types;
                types[*i].fields.iter().try_for_each(|f| self.read_flat(&f.ty, values))
            }
            I::Tuple(i) => {
                let types = self.types;
                types[*i].types.iter().try_for_each(|ty| self.read_flat(ty, values))
            }
            I::String => {
                let (address, length) = (address(values)?, address(values)?);
                self.string(address, length)
            }
            I::List(i) => {
                let (address, count) = (address(values)?, address(values)?);
                let element = self.types[*i].element;
                self.list(&element, address, count)
            }
            I::Option(_) | I::Result(_) | I::Variant(_) | I::Enum(_) => {
                let own = self.types.canonical_abi(ty).flat_count(values.len());
                let after = values.len() - own.unwrap_or(0);
                let case = next(values)?.get_u32();
                if let Some(payload) = self.case(ty, case)? {
                    self.read_flat(&payload, values)?;
                }
                // A smaller case leaves the rest of the values unused.
                while values.len() > after {
                    values.next();
                }
                Ok(())
            }
            I::Flags(i) => {
                let count = self.types[*i].names.len();
                let start = self.out.len();
                for _ in 0..count.div_ceil(32) {
                    self.out.extend_from_slice(&next(values)?.get_u32().to_le_bytes());
                }
                self.mask_flags(start, count);
                Ok(())
            }
            I::U64 | I::S64 | I::Float64 => self.scalar(ty, next(values)?.get_u64()),
            // Of narrower values only the low half is set.
            _ => self.scalar(ty, next(values)?.get_u32().into()),
        }
    }

    /// `bytes` are exactly those of the value in memory, so the offsets in them come from its type.
    fn read_memory(&mut self, ty: &InterfaceType, bytes: &[u8]) -> Result<()> {
        use InterfaceType as I;
        let types = self.types;
        match ty {
            I::Record(i) => {
                let mut offset = 0;
                for field in &types[*i].fields {
                    self.field(&field.ty, bytes, &mut offset)?;
                }
                Ok(())
            }
            I::Tuple(i) => {
                let mut offset = 0;
                types[*i].types.iter().try_for_each(|ty| self.field(ty, bytes, &mut offset))
            }
            I::String => self.string(word(bytes), word(&bytes[4..])),
            I::List(i) => self.list(&types[*i].element, word(bytes), word(&bytes[4..])),
            I::Option(i) => self.variant(ty, &types[*i].info, bytes),
            I::Result(i) => self.variant(ty, &types[*i].info, bytes),
            I::Variant(i) => self.variant(ty, &types[*i].info, bytes),
            I::Enum(i) => self.variant(ty, &types[*i].info, bytes),
            I::Flags(i) => {
                let (start, count) = (self.out.len(), types[*i].names.len());
                self.out.extend_from_slice(&bytes[..flags_size(count)]);
                self.mask_flags(start, count);
                Ok(())
            }
            _ if is_plain(ty) => {
                self.out.extend_from_slice(bytes);
                Ok(())
            }
            _ => self.scalar(ty, little_endian(bytes)),
        }
    }

    fn field(&mut self, ty: &InterfaceType, bytes: &[u8], offset: &mut u32) -> Result<()> {
        let abi = self.types.canonical_abi(ty);
        let start = abi.next_field32(offset) as usize;
        self.read_memory(ty, &bytes[start..start + abi.size32 as usize])
    }

    fn variant(&mut self, ty: &InterfaceType, info: &VariantInfo, bytes: &[u8]) -> Result<()> {
        let case = little_endian(&bytes[..u32::from(info.size) as usize]);
        let Some(payload) = self.case(ty, case as u32)? else { return Ok(()) };
        let start = info.payload_offset32 as usize;
        let size = self.types.canonical_abi(&payload).size32 as usize;
        self.read_memory(&payload, &bytes[start..start + size])
    }

    /// Writes the case; returns the type of its payload.
    fn case(&mut self, ty: &InterfaceType, case: u32) -> Result<Option<InterfaceType>> {
        use InterfaceType as I;
        let types = self.types;
        let (cases, payload) = match ty {
            I::Option(i) => (2, (case == 1).then(|| types[*i].ty)),
            I::Result(i) => (2, if case == 0 { types[*i].ok } else { types[*i].err }),
            I::Variant(i) => {
                let cases = &types[*i].cases;
                (cases.len(), cases.get_index(case as usize).and_then(|(_, ty)| *ty))
            }
            I::Enum(i) => (types[*i].names.len(), None),
            _ => bail!("not a type with cases"),
        };
        if case as usize >= cases {
            bail!(WireError::Case { found: case, cases });
        }
        match ty {
            I::Option(_) | I::Result(_) => self.out.push(case as u8),
            _ => self.out.extend_from_slice(&case.to_le_bytes()),
        }
        Ok(payload)
    }

    /// The value of a type that is one core value.
    fn scalar(&mut self, ty: &InterfaceType, value: u64) -> Result<()> {
        use InterfaceType as I;
        let bytes = value.to_le_bytes();
        let size = match ty {
            I::Bool => {
                self.out.push(u8::from(value as u32 != 0));
                return Ok(());
            }
            I::Char => {
                char::from_u32(value as u32).ok_or(WireError::Char(value as u32))?;
                4
            }
            I::U8 | I::S8 => 1,
            I::U16 | I::S16 => 2,
            I::U32 | I::S32 | I::Float32 => 4,
            I::U64 | I::S64 | I::Float64 => 8,
            _ => bail!("a type that cannot cross slices"),
        };
        self.out.extend_from_slice(&bytes[..size]);
        Ok(())
    }

    fn list(&mut self, element: &InterfaceType, address: usize, count: usize) -> Result<()> {
        let abi = self.types.canonical_abi(element);
        let size = abi.size32 as usize;
        let Some(total) = count.checked_mul(size) else { bail!(WireError::TooLarge) };
        let bytes = self.region(address, total, abi.align32)?;
        put_count(&mut self.out, count)?;
        if is_plain(element) {
            self.check_size(total)?;
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        self.budget.elements(count)?;
        if size == 0 {
            bail!("a list of elements without size");
        }
        for bytes in bytes.chunks_exact(size) {
            self.read_memory(element, bytes)?;
            self.check_size(0)?;
        }
        Ok(())
    }

    fn string(&mut self, address: usize, length: usize) -> Result<()> {
        let utf16 = match self.encoding {
            StringEncoding::Utf8 => {
                let text = std::str::from_utf8(self.region(address, length, 1)?);
                let text = text.map_err(|_| WireError::Utf8)?;
                return Ok(put_str(&mut self.out, text)?);
            }
            StringEncoding::Utf16 => length,
            StringEncoding::CompactUtf16 if length & UTF16_TAG != 0 => length ^ UTF16_TAG,
            StringEncoding::CompactUtf16 => {
                self.check_size(length)?;
                let bytes = self.region(address, length, 2)?;
                let text: String = bytes.iter().copied().map(char::from).collect();
                return Ok(put_str(&mut self.out, &text)?);
            }
        };
        self.check_size(utf16)?;
        let bytes = self.region(address, utf16 * 2, 2)?;
        let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let text: String = char::decode_utf16(units).collect::<Result<_, _>>()?;
        Ok(put_str(&mut self.out, &text)?)
    }

    /// Cuts the flags that were written from `start` on down to their size, and clears the bits
    /// that have no name: the canonical ABI ignores them.
    fn mask_flags(&mut self, start: usize, count: usize) {
        self.out.truncate(start + flags_size(count));
        for (i, byte) in self.out[start..].iter_mut().enumerate() {
            *byte &= match count.saturating_sub(i * 8) {
                named @ 0..8 => (1 << named) - 1,
                _ => u8::MAX,
            };
        }
    }
}

/// Whether elements of a list look the same in memory and on the wire, whatever their bits.
pub(super) fn is_plain(ty: &InterfaceType) -> bool {
    use InterfaceType as I;
    matches!(
        ty,
        I::U8
            | I::S8
            | I::U16
            | I::S16
            | I::U32
            | I::S32
            | I::U64
            | I::S64
            | I::Float32
            | I::Float64
    )
}

fn next<'v>(values: &mut Iter<'v, ValRaw>) -> Result<&'v ValRaw> {
    values.next().ok_or_else(|| format_err!("fewer core values than the type has"))
}

fn address(values: &mut Iter<'_, ValRaw>) -> Result<usize> {
    Ok(next(values)?.get_u32() as usize)
}

fn word(bytes: &[u8]) -> usize {
    little_endian(&bytes[..4]) as usize
}

/// At most 8 bytes.
fn little_endian(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}
