//! Reads wire bytes, trusting none of them. Knows no component and no JSON.

/// Bytes of one value, at most: parameters together, or one result.
pub const WIRE_BYTES_MAX: usize = 32 << 20;

/// Elements of all lists of one value together, bytes and numbers not counted (they are copied at
/// once): at about 50 ns each, 4 Mi elements keep a thread for 0.2 s.
pub const ELEMENTS_MAX: usize = 4 << 20;

/// Bytes that are not a value of the type, or more than a value may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("the value ends too early")]
    Short,
    #[error("{0} bytes after the end of the value")]
    Trailing(usize),
    #[error("{0} is not a bool")]
    Bool(u8),
    #[error("{0:#x} is not a character")]
    Char(u32),
    #[error("a string is not UTF-8")]
    Utf8,
    #[error("there is no case {found} of {cases}")]
    Case { found: u32, cases: usize },
    #[error("flags are set that have no name")]
    Flags,
    #[error("the value has more than {WIRE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the lists of the value have more than {ELEMENTS_MAX} elements")]
    TooMany,
    #[error("{0} is not a value")]
    Handle(String),
}

/// Counts what one value may still have.
#[derive(Debug)]
pub(crate) struct Budget {
    elements_left: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { elements_left: ELEMENTS_MAX }
    }

    pub(crate) fn elements(&mut self, count: usize) -> Result<(), WireError> {
        self.elements_left = self.elements_left.checked_sub(count).ok_or(WireError::TooMany)?;
        Ok(())
    }
}

/// A position in wire bytes.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() > WIRE_BYTES_MAX {
            return Err(WireError::TooLarge);
        }
        Ok(Self { rest: bytes })
    }

    /// To be called when the value was read: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing(left)),
        }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::Bool(other)),
        }
    }

    pub(crate) fn char(&mut self) -> Result<char, WireError> {
        let bits = self.u32()?;
        char::from_u32(bits).ok_or(WireError::Char(bits))
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, WireError> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|_| WireError::Utf8)
    }

    /// The count of a list. Every element has at least one byte, so a count beyond the bytes that
    /// are left is wrong before anything is reserved for it.
    pub(crate) fn count(&mut self) -> Result<usize, WireError> {
        let count = self.u32()? as usize;
        if count > self.rest.len() {
            return Err(WireError::Short);
        }
        Ok(count)
    }

    /// The index of a case of a variant or enum.
    pub(crate) fn case(&mut self, cases: usize) -> Result<usize, WireError> {
        let found = self.u32()?;
        if found as usize >= cases {
            return Err(WireError::Case { found, cases });
        }
        Ok(found as usize)
    }

    /// The bytes of `count` flags.
    pub(crate) fn flags(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let bytes = self.take(flags_size(count))?;
        let mut unnamed = (count..bytes.len() * 8).filter(|i| bytes[i / 8] & (1 << (i % 8)) != 0);
        match unnamed.next() {
            None => Ok(bytes),
            Some(_) => Err(WireError::Flags),
        }
    }
}

/// Bytes that hold `count` flags.
pub(crate) fn flags_size(count: usize) -> usize {
    match count {
        0 => 0,
        1..=8 => 1,
        9..=16 => 2,
        _ => count.div_ceil(32) * 4,
    }
}

/// A count or length as it stands on the wire.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) -> Result<(), WireError> {
    let count = u32::try_from(count).map_err(|_| WireError::TooLarge)?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) -> Result<(), WireError> {
    if out.len() + text.len() > WIRE_BYTES_MAX {
        return Err(WireError::TooLarge);
    }
    put_count(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}
