//! The custom section that carries `slice.toml` inside a component. Reads only the outline of the
//! binary format (sections and their sizes); what is in them is the engine's business.

use std::ops::Range;

use crate::{Error, Result};

/// The name of the section.
const NAME: &str = "aether:slice";
const MAGIC: &[u8] = b"\0asm";
const HEADER_BYTES: usize = 8;
const COMPONENT_LAYER: [u8; 2] = [1, 0];
const ID_CUSTOM: u8 = 0;
const ID_CORE_MODULE: u8 = 1;

/// Returns the component with `slice_toml` as its section `aether:slice` at the top level, in place
/// of any that was there.
///
/// # Errors
/// [`Error::Malformed`] if the bytes are not a component.
pub fn embed(component: &[u8], slice_toml: &str) -> Result<Vec<u8>> {
    if !is_component(component) {
        return Err(Error::Malformed("it does not begin with a component's header"));
    }
    let mut out = component[..HEADER_BYTES].to_vec();
    for section in Sections::of(component) {
        let section = section?;
        if section.custom_content(component).is_none() {
            out.extend_from_slice(&component[section.whole]);
        }
    }
    let mut content = Vec::new();
    put_length(NAME.len(), &mut content);
    content.extend_from_slice(NAME.as_bytes());
    content.extend_from_slice(slice_toml.as_bytes());
    out.push(ID_CUSTOM);
    put_length(content.len(), &mut out);
    out.extend_from_slice(&content);
    Ok(out)
}

/// The `slice.toml` of a component: the section at its top level or else, where a compiler put it,
/// inside one of its modules. Components inside it have their own. None if there is none, or if the
/// bytes are not a component.
pub fn slice_toml(component: &[u8]) -> Option<String> {
    if !is_component(component) {
        return None;
    }
    let own = |bytes| {
        let mut sections = Sections::of(bytes).map_while(Result::ok);
        sections.find_map(|section| section.custom_content(bytes))
    };
    let modules = || {
        let sections = Sections::of(component).map_while(Result::ok);
        sections.filter(|it| it.id == ID_CORE_MODULE).map(|it| &component[it.content])
    };
    let found = own(component).or_else(|| modules().find_map(own))?;
    Some(String::from_utf8_lossy(found).into_owned())
}

fn is_component(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES && bytes.starts_with(MAGIC) && bytes[6..8] == COMPONENT_LAYER
}

struct Section {
    id: u8,
    /// With id and size.
    whole: Range<usize>,
    content: Range<usize>,
}

impl Section {
    /// What follows the name, if this is our custom section.
    fn custom_content<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.id != ID_CUSTOM {
            return None;
        }
        let content = &bytes[self.content.clone()];
        let (length, at) = take_length(content, 0)?;
        let name = content.get(at..at.checked_add(length)?)?;
        (name == NAME.as_bytes()).then(|| &content[at + length..])
    }
}

/// Walks the sections of one module or component; ends after the first error.
struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Sections<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let at = if bytes.starts_with(MAGIC) { HEADER_BYTES } else { bytes.len() };
        Self { bytes, at }
    }

    fn read(&mut self) -> Option<Section> {
        let start = self.at;
        let id = *self.bytes.get(start)?;
        let (length, from) = take_length(self.bytes, start + 1)?;
        let to = from.checked_add(length).filter(|to| *to <= self.bytes.len())?;
        self.at = to;
        Some(Section { id, whole: start..to, content: from..to })
    }
}

impl Iterator for Sections<'_> {
    type Item = Result<Section>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let read = self.read();
        if read.is_none() {
            self.at = self.bytes.len();
        }
        Some(read.ok_or(Error::Malformed("a section is longer than the file")))
    }
}

/// An unsigned LEB128 number of at most 32 bits at `at`, and the position after it.
fn take_length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(at..)?.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, at + index + 1));
        }
    }
    None
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length;
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits fit");
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID_COMPONENT: u8 = 4;
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn with_section(mut bytes: Vec<u8>, id: u8, content: &[u8]) -> Vec<u8> {
        bytes.push(id);
        put_length(content.len(), &mut bytes);
        bytes.extend_from_slice(content);
        bytes
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_length(name.len(), &mut out);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content);
        out
    }

    #[test]
    fn embedding_replaces_and_keeps_the_rest() {
        let other = with_section(EMPTY.to_vec(), ID_CUSTOM, &custom("name", b"abc"));
        let once = embed(&other, "first").expect("it is a component");
        assert_eq!(slice_toml(&once).as_deref(), Some("first"));
        let long = "x".repeat(300);
        let twice = embed(&once, &long).expect("it is a component");
        assert_eq!(slice_toml(&twice), Some(long.clone()));
        assert!(twice.starts_with(&other), "other sections stay");
        assert_eq!(twice, embed(&other, &long).expect("it is a component"));
    }

    #[test]
    fn the_section_is_found_inside_a_module_and_the_top_level_wins() {
        let module =
            with_section(EMPTY_MODULE.to_vec(), ID_CUSTOM, &custom(NAME, b"in the module"));
        let slice = with_section(EMPTY.to_vec(), ID_CORE_MODULE, &module);
        assert_eq!(slice_toml(&slice).as_deref(), Some("in the module"));
        let embedded = embed(&slice, "on top").expect("it is a component");
        assert_eq!(slice_toml(&embedded).as_deref(), Some("on top"));
    }

    #[test]
    fn a_component_of_components_has_its_own_or_none() {
        let part = embed(EMPTY, "of a part").expect("it is a component");
        let composed = with_section(EMPTY.to_vec(), ID_COMPONENT, &part);
        assert_eq!(slice_toml(&composed), None);
        let embedded = embed(&composed, "of the whole").expect("it is a component");
        assert_eq!(slice_toml(&embedded).as_deref(), Some("of the whole"));
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let long = with_section(EMPTY.to_vec(), ID_CUSTOM, b"abc");
        let cut = &long[..long.len() - 1];
        for bytes in [b"".as_slice(), b"\0asm", EMPTY_MODULE, b"hello, world", cut] {
            assert!(embed(bytes, "x").is_err(), "{bytes:?}");
            assert_eq!(slice_toml(bytes), None, "{bytes:?}");
        }
    }
}
