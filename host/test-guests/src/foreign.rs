//! Builds the guest that is written in Python, with a compiler from the Python package index.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guests::{home, target_dir};

/// componentize-py: its wheel holds all it needs.
const COMPILER: &str = "componentize-py==0.25.1";
const SOURCES: [&str; 2] = ["app.py", "wit/words.wit"];

/// A component written in Python, without our SDK: it exports `test:foreign/words@1.0.0` and is
/// about 18 MB, which takes an engine about 20 s to compile. Built once, then kept under `target/`
/// until its sources change; the first time it needs the Python package index.
///
/// # Panics
/// If it does not build; the message says why.
pub fn foreign() -> PathBuf {
    build().unwrap_or_else(|error| panic!("failed to build the guest in Python: {error}"))
}

fn build() -> Result<PathBuf, String> {
    let dir = target_dir().join("foreign");
    std::fs::create_dir_all(&dir).map_err(text)?;
    let component = dir.join(format!("words-{:016x}.wasm", fingerprint()?));
    // Tests of other processes wait here; the lock goes with the file handle.
    let lock = File::create(dir.join("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    if component.exists() {
        return Ok(component);
    }
    let bin = environment(&dir)?.join("bin");
    if !bin.join("componentize-py").exists() {
        run(Command::new(bin.join("pip")).args(["install", "--quiet", COMPILER]))?;
    }
    let next = component.with_extension("next");
    let mut compile = Command::new(bin.join("componentize-py"));
    compile.current_dir(home().join("foreign")).env("PYTHONDONTWRITEBYTECODE", "1");
    run(compile.args(["-d", "wit", "-w", "foreign", "componentize", "app", "-o"]).arg(&next))?;
    std::fs::rename(&next, &component).map_err(text)?;
    Ok(component)
}

/// Changes with everything that the component is made from.
fn fingerprint() -> Result<u64, String> {
    let mut hasher = DefaultHasher::new();
    COMPILER.hash(&mut hasher);
    for source in SOURCES {
        let path = home().join("foreign").join(source);
        std::fs::read(&path).map_err(|error| format!("{path:?}: {error}"))?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// A Python environment of our own; Debian splits the module that makes one from Python itself.
fn environment(dir: &Path) -> Result<PathBuf, String> {
    let path = dir.join("python");
    if path.join("bin/pip").exists() {
        return Ok(path);
    }
    let create = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&path));
    if let Err(first) = create() {
        aether_slice_build::apt_install(&["python3", "python3-venv"])
            .map_err(|error| format!("{first}\nfailed to {error}"))?;
        create()?;
    }
    Ok(path)
}

fn run(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if out.status.success() {
        return Ok(());
    }
    let said = [out.stdout, out.stderr].concat();
    Err(format!("{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&said)))
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
