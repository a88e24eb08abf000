//! How commands find the Forges of the same user: a note per process. Reads no environment.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Readable by the user alone.
const MODE: u32 = 0o600;
const VERSION: u32 = 1;

/// A note for as long as the value lives. One of a process that is gone counts for nothing.
#[derive(Debug)]
pub(crate) struct Note(PathBuf);

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    version: u32,
    pub pid: u32,
    /// Of its API.
    pub url: String,
    /// For its API.
    pub key: String,
}

impl Note {
    pub(crate) fn leave(folder: &Path, url: &str, key: &str) -> anyhow::Result<Self> {
        let pid = std::process::id();
        let found = Found { version: VERSION, pid, url: url.to_owned(), key: key.to_owned() };
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let path = folder.join(format!("{pid}.json"));
        // Of an earlier process with this number.
        let _ = fs::remove_file(&path);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path);
        let mut file = file.with_context(|| path.display().to_string())?;
        file.write_all(&serde_json::to_vec_pretty(&found)?)?;
        Ok(Self(path))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // It is worthless once this process is gone.
        let _ = fs::remove_file(&self.0);
    }
}

/// Forges whose processes run, by number. Takes away notes of those that are gone.
pub fn forges(folder: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let notes = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let found: Found = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        if !Path::new("/proc").join(found.pid.to_string()).exists() {
            let _ = fs::remove_file(path);
            return None;
        }
        (found.version == VERSION).then_some(found)
    });
    let mut found: Vec<Found> = notes.collect();
    found.sort_by_key(|found| found.pid);
    found
}

#[cfg(test)]
mod tests {
    use super::{Note, forges};
    use std::fs;

    #[test]
    fn forges_that_run_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("forges");
        assert_eq!(forges(&folder), []);
        let note = Note::leave(&folder, "http://127.0.0.1:8888", "secret").unwrap();
        let own = fs::read_to_string(&note.0).unwrap();
        let pid = std::process::id();
        let gone = own.replace(&format!("\"pid\": {pid}"), "\"pid\": 4194999");
        fs::write(folder.join("4194999.json"), gone).unwrap();
        fs::write(folder.join("7.json"), "no note").unwrap();
        let found = forges(&folder);
        assert_eq!((found.len(), found[0].pid, found[0].key.as_str()), (1, pid, "secret"));
        assert!(!folder.join("4194999.json").exists(), "its process is gone");
        drop(note);
        assert_eq!(forges(&folder), []);
    }
}
