//! How commands find the key of a node on their machine: a note per port. Reads no environment.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a node leaves for the commands of the same user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Note {
    version: u32,
    /// Absolute path of the file that holds an administrator's key.
    key_file: PathBuf,
    /// Process of the node: a note of a process that is gone counts for nothing.
    pid: u32,
}

const VERSION: u32 = 1;
/// Readable by the user alone.
const MODE: u32 = 0o600;

/// The folder of the notes, from the values of `XDG_STATE_HOME` and `HOME`.
pub fn folder(state_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let state = state_home.filter(|p| p.is_absolute()).map(Path::to_owned);
    let state = state.or_else(|| Some(home?.join(".local/state")))?;
    Some(state.join("aether/nodes"))
}

/// Notes that the management API on `port` of this machine takes the key in `key_file`.
pub fn announce(folder: &Path, port: u16, key_file: &Path) -> io::Result<()> {
    let note =
        Note { version: VERSION, key_file: fs::canonicalize(key_file)?, pid: std::process::id() };
    let text = serde_json::to_vec_pretty(&note).expect("a path and numbers serialise");
    fs::create_dir_all(folder)?;
    let path = path(folder, port);
    let draft = path.with_extension(format!("{}.draft", note.pid));
    write(&draft, &text, true)?;
    fs::rename(draft, path)
}

/// Takes the note of this process back, at the end of the node. Somebody else's stays.
pub fn withdraw(folder: &Path, port: u16) {
    if read(folder, port).is_some_and(|note| note.pid == std::process::id()) {
        // A note that stays is worthless once this process is gone.
        let _ = fs::remove_file(path(folder, port));
    }
}

/// The key of the node that listens on `port` of this machine, where it left a note and still runs.
pub fn key(folder: &Path, port: u16) -> Option<String> {
    let note = read(folder, port).filter(|note| note.version == VERSION && runs(note.pid))?;
    let key = fs::read_to_string(note.key_file).ok()?;
    Some(key.trim().to_owned())
}

/// Writes a key to a file that must not exist yet, readable by the user alone.
pub fn write_key(path: &Path, secret: &str) -> io::Result<()> {
    write(path, format!("{secret}\n").as_bytes(), false)
}

fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(MODE);
    match replace {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn path(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("{port}.json"))
}

fn read(folder: &Path, port: u16) -> Option<Note> {
    serde_json::from_slice(&fs::read(path(folder, port)).ok()?).ok()
}

/// Whether the process exists; where that cannot be seen, it is taken to.
fn runs(pid: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn commands_find_the_key_of_a_running_node_only() {
        let dir = tempfile::tempdir().unwrap();
        let (notes, file) = (dir.path().join("notes"), dir.path().join("admin.key"));
        write_key(&file, "aether_1_2").unwrap();
        assert!(write_key(&file, "other").is_err(), "a key is never overwritten");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, MODE);

        assert_eq!(key(&notes, 8080), None);
        announce(&notes, 8080, &file).unwrap();
        announce(&notes, 8080, &file).unwrap();
        assert_eq!(key(&notes, 8080).as_deref(), Some("aether_1_2"));
        assert_eq!(key(&notes, 8081), None);
        let note = path(&notes, 8080);
        assert_eq!(fs::metadata(&note).unwrap().permissions().mode() & 0o777, MODE);

        let gone = fs::read_to_string(&note).unwrap();
        let gone = gone.replace(&std::process::id().to_string(), "4194999");
        fs::write(&note, gone).unwrap();
        assert_eq!(key(&notes, 8080), None, "its process is gone");
        withdraw(&notes, 8080);
        assert!(note.exists(), "it is somebody else's");
        announce(&notes, 8080, &file).unwrap();
        withdraw(&notes, 8080);
        assert!(!note.exists());
    }

    #[test]
    fn the_state_folder_follows_the_usual_variables() {
        let at = |state: Option<&str>, home: Option<&str>| {
            folder(state.map(Path::new), home.map(Path::new)).map(|p| p.display().to_string())
        };
        assert_eq!(at(Some("/s"), Some("/h")).as_deref(), Some("/s/aether/nodes"));
        assert_eq!(at(None, Some("/h")).as_deref(), Some("/h/.local/state/aether/nodes"));
        assert_eq!(at(Some("s"), Some("/h")).as_deref(), Some("/h/.local/state/aether/nodes"));
        assert_eq!(at(None, None), None);
    }
}
