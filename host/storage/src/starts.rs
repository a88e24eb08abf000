//! How often a node has started on its data directory. Knows not what the number proves.

use std::{fs, io, path::Path};

use crate::{
    Error,
    files::{failed, write_durably},
};

const NAME: &str = "starts";
const FORMAT: u32 = 1;

/// Counts this start, durably. The first one is 1.
pub(crate) fn count(directory: &Path) -> Result<u64, Error> {
    let starts = read(directory)? + 1;
    let text = format!("format = {FORMAT}\nstarts = {starts}\n");
    write_durably(directory, NAME, text.as_bytes())?;
    Ok(starts)
}

fn read(directory: &Path) -> Result<u64, Error> {
    let path = directory.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let mut lines = text.lines();
    let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(" = ");
    let (format, starts) = (value("format"), value("starts"));
    if let Some(found) = format.filter(|format| *format != FORMAT.to_string()) {
        return Err(Error::Format { path, found: found.into(), known: FORMAT });
    }
    let starts = starts.and_then(|starts| starts.parse().ok());
    starts.ok_or(Error::Damaged { path, what: "it does not say how often".into() })
}
