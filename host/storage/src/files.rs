//! Durable steps on files: whole or not at all, also after a power cut. Knows no contents.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::Error;

/// How names of unfinished files begin. What a crash left of them is removed on open.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Names the action and the path in an error.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// Creates a directory and those above it, if needed, so that they are there after a power cut.
pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_directory(parent)?;
    // What a node keeps is nobody else's business: keys, values of applications.
    let created = fs::DirBuilder::new().mode(0o700).create(path);
    created.map_err(failed("create", path))?;
    sync_directory(parent)
}

/// Makes created, renamed and removed names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("sync", path))
}

/// Puts a file under its name with all its bytes, in place of an older one.
pub(crate) fn write_durably(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = directory.join(name);
    make_durably(directory, name, |unfinished| {
        let write = || {
            let mut options = File::options();
            let mut file = options.write(true).create_new(true).mode(0o600).open(unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(failed("write", &path))
    })
}

/// Lets `make` create and sync a file under another name, then gives it its own. If that fails,
/// nothing is left.
pub(crate) fn make_durably(
    directory: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let unfinished = directory.join(format!("{UNFINISHED}{}-{count}", process::id()));
    let path = directory.join(name);
    let made = make(&unfinished)
        .and_then(|()| fs::rename(&unfinished, &path).map_err(failed("write", &path)));
    if made.is_err() {
        // The first error is the one to tell; what is left is removed on the next open.
        let _ = fs::remove_file(&unfinished);
    }
    made.and_then(|()| sync_directory(directory))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Names of the entries of a directory; unfinished ones are removed.
pub(crate) fn clean(directory: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for name in list(directory)? {
        match name.starts_with(UNFINISHED) {
            true => remove(&directory.join(name))?,
            false => names.push(name),
        }
    }
    Ok(names)
}

/// Names of the entries of a directory, in order.
pub(crate) fn list(directory: &Path) -> Result<Vec<String>, Error> {
    let read = || {
        let entries = fs::read_dir(directory)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<io::Result<Vec<_>>>()
    };
    let mut names = read().map_err(failed("list", directory))?;
    names.sort();
    Ok(names)
}
