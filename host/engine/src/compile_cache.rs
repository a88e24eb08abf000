//! Compiled components on disk, by digest and compiler: the one owner of the folder, of its limit
//! and of what is believed of its files. Knows no cluster.
//!
//! A file is `MAGIC`, the SHA-256 of the rest, the rest: what wasmtime serialised. Its name is the
//! digest of the component and that of everything the code depends on: wasmtime's version, its
//! configuration, the features of the processor.
//!
//! # What is trusted, and why
//! Compiled code runs without a sandbox, and wasmtime cannot check it. So code is used only if it
//! is byte for byte what `Component::serialize` gave to this program: [`CompileCache::put`] writes
//! the digest beside it, [`CompileCache::get`] compares. That finds damage and accidents. Whoever
//! can write into the folder on purpose can as well replace the program: the folder is as trusted
//! as the program, and belongs to the same user.
//!
//! Code of another node travels as its file does: [`CompileCache::sealed`] there,
//! [`CompileCache::keep`] here, so the digest that is compared is the one of the code as it came
//! from the compiler. Whoever calls `keep` answers for the sender: an authenticated node of the
//! same cluster. The digest of the component says nothing about the code that somebody claims to
//! have made of it; docs/decisions/0014-shared-code.md says why members are believed.

use crate::Error;
use aether_types::{ByteSize, Digest};
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{fs, io, time::SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Components that compile at the same time. Each uses all cores, so more would only use memory;
/// two, so that a large one (20 s) does not hold up a small one (50 ms).
pub const COMPILES_MAX: u32 = 2;

const MAGIC: &[u8; 16] = b"aether-code-v1\0\0";
const HEAD: usize = MAGIC.len() + 32;
const SUFFIX: &str = "cwasm";
const UNFINISHED: &str = "part";

pub(crate) struct CompileCache {
    dir: PathBuf,
    bytes_max: ByteSize,
    /// Makes names of unfinished files unique in this process.
    unfinished: AtomicU64,
    compiling: Mutex<u32>,
    freed: Condvar,
    compiled: AtomicU64,
}

/// Digest of everything that compiled code depends on beside the component. Two machines with the
/// same one can use each other's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompilerKey(Digest);

/// Names compiled code: what it was made of, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeKey {
    pub component: Digest,
    pub compiler: CompilerKey,
}

/// Compiled code of another node that is not kept.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    #[error("the code is not what the compiler made")]
    Damaged,
    #[error("failed to write compiled code")]
    Io(#[from] io::Error),
}

/// One slot of `COMPILES_MAX`.
struct Slot<'a>(&'a CompileCache);

impl CompilerKey {
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut hasher = Hashing(Sha256::new());
        MAGIC.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(Digest(hasher.0.finalize().into()))
    }
}

impl CompileCache {
    /// Makes the folder and removes what an earlier run did not finish.
    pub(crate) fn open(dir: PathBuf, bytes_max: ByteSize) -> Result<Self, Error> {
        let prepare = || {
            fs::create_dir_all(&dir)?;
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                if path.extension().is_some_and(|e| e == UNFINISHED) {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        };
        prepare().map_err(|source| Error::Cache { path: dir.clone(), source })?;
        let unfinished = AtomicU64::new(0);
        let (compiling, freed, compiled) = (Mutex::new(0), Condvar::new(), AtomicU64::new(0));
        Ok(Self { dir, bytes_max, unfinished, compiling, freed, compiled })
    }

    /// The compiled component; from disk where it is there and sound. Blocks.
    ///
    /// # Errors
    /// When the component does not compile. Trouble with the folder costs time, not the component.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        key: &CodeKey,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        if let Some(component) = self.load(engine, key) {
            return Ok(component);
        }
        let slot = self.slot();
        // Somebody else may have compiled the same one meanwhile.
        if let Some(component) = self.load(engine, key) {
            return Ok(component);
        }
        self.compiled.fetch_add(1, Relaxed);
        let component = Component::from_binary(engine, bytes)?;
        drop(slot);
        let stored = component.serialize().and_then(|code| Ok(self.put(key, &code)?));
        if let Err(error) = stored {
            tracing::warn!(%error, code = %key, "compiled code is not kept");
        }
        Ok(component)
    }

    /// How often something was compiled since this was opened.
    pub(crate) fn compiled(&self) -> u64 {
        self.compiled.load(Relaxed)
    }

    /// Whether there is a file under this key. It may be damaged.
    pub(crate) fn has(&self, key: &CodeKey) -> bool {
        self.path(key).is_file()
    }

    /// The code that was put under this key, byte for byte; None where there is none or where it
    /// is damaged. It counts as used.
    pub(crate) fn get(&self, key: &CodeKey) -> Option<Vec<u8>> {
        let mut bytes = self.sealed(key)?;
        bytes.drain(..HEAD);
        Some(bytes)
    }

    /// Like [`CompileCache::get`], with its head: what [`CompileCache::keep`] elsewhere takes.
    pub(crate) fn sealed(&self, key: &CodeKey) -> Option<Vec<u8>> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        if checked(&bytes).is_none() {
            tracing::warn!(path = %path.display(), "damaged compiled code is made again");
            return None;
        }
        let touched = fs::File::options().append(true).open(&path);
        let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps what [`CompileCache::sealed`] gave on another node. The caller answers for that node:
    /// see above.
    ///
    /// # Errors
    /// When it is not what the other compiler made, and those of the disk.
    pub(crate) fn keep(&self, key: &CodeKey, sealed: &[u8]) -> Result<(), CodeError> {
        let code = checked(sealed).ok_or(CodeError::Damaged)?;
        Ok(self.put(key, code)?)
    }

    /// Keeps code under its key. Writes beside and renames, so that no reader sees half a file.
    ///
    /// # Errors
    /// Those of the disk.
    fn put(&self, key: &CodeKey, code: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let number = self.unfinished.fetch_add(1, Relaxed);
        let name = format!("{}-{number}.{UNFINISHED}", std::process::id());
        let unfinished = self.dir.join(name);
        let write = || {
            let mut file = fs::File::create(&unfinished)?;
            io::Write::write_all(&mut file, MAGIC)?;
            io::Write::write_all(&mut file, &Sha256::digest(code))?;
            io::Write::write_all(&mut file, code)?;
            fs::rename(&unfinished, &path)
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.and_then(|()| self.trim(&path))
    }

    fn path(&self, key: &CodeKey) -> PathBuf {
        self.dir.join(format!("{key}.{SUFFIX}"))
    }

    /// The component whose code is kept; None where there is none that can be used.
    fn load(&self, engine: &Engine, key: &CodeKey) -> Option<Component> {
        let code = self.get(key)?;
        #[expect(unsafe_code, reason = "wasmtime cannot check compiled code by itself")]
        // SAFETY: the bytes are what `Component::serialize` wrote, here or on an authenticated node
        // of the same cluster: `put` kept their SHA-256 beside them, `keep` and `get` found that it
        // still is. They are held in memory, so nobody changes them between the check and the use.
        // wasmtime itself refuses another version or configuration.
        let component = unsafe { Component::deserialize(engine, code) };
        component
            .inspect_err(|error| tracing::warn!(%error, code = %key, "compiled code is made again"))
            .ok()
    }

    fn slot(&self) -> Slot<'_> {
        let mut compiling = self.compiling.lock();
        while *compiling >= COMPILES_MAX {
            self.freed.wait(&mut compiling);
        }
        *compiling += 1;
        Slot(self)
    }

    /// Removes what was not used for longest until the rest fits; never `newest`.
    fn trim(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(meta) = entry.metadata() else { continue };
            if entry.path().extension().is_some_and(|e| e == SUFFIX) {
                let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((used, meta.len(), entry.path()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files.iter().filter(|(_, _, path)| path != newest) {
            if bytes <= self.bytes_max.bytes() {
                break;
            }
            fs::remove_file(path)?;
            bytes -= len;
        }
        Ok(())
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.compiling.lock() -= 1;
        self.0.freed.notify_one();
    }
}

impl std::fmt::Display for CodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.component, self.compiler.0.short())
    }
}

/// The part after the head, if the head fits it.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (head, code) = bytes.split_at_checked(HEAD)?;
    let sum = head.strip_prefix(MAGIC)?;
    (Sha256::digest(code).as_slice() == sum).then_some(code)
}

struct Hashing(Sha256);

impl Hasher for Hashing {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 has more than 8 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "(component (core module (func (export \"f\"))))";

    fn key(engine: &Engine, bytes: &[u8]) -> CodeKey {
        let component = Digest(Sha256::digest(bytes).into());
        CodeKey { component, compiler: CompilerKey::of(engine) }
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn damaged_files_are_compiled_again_and_whole_ones_are_used() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = CompileCache::open(dir.path().to_owned(), ByteSize::mib(64)).unwrap();
        let bytes = wat::parse_str(EMPTY).unwrap();
        let key = key(&engine, &bytes);
        let compiled = cache.component(&engine, &key, &bytes).unwrap();
        assert_eq!(cache.get(&key), compiled.serialize().ok());
        let path = files(dir.path()).pop().unwrap();
        let whole = fs::read(&path).unwrap();
        // A whole file is used: the bytes of the component are not looked at.
        cache.component(&engine, &key, b"not a component").unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() / 2], &whole[..3], &[], &flipped] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(&key), None);
            assert!(cache.component(&engine, &key, b"not a component").is_err());
            cache.component(&engine, &key, &bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap().len(), whole.len());
        }
        // Another configuration is another file, not a wrong use of this one.
        let mut config = wasmtime::Config::new();
        let other = Engine::new(config.epoch_interruption(true)).unwrap();
        let other_key = CodeKey { compiler: CompilerKey::of(&other), ..key };
        assert_ne!(key, other_key);
        cache.component(&other, &other_key, &bytes).unwrap();
        assert_eq!(files(dir.path()).len(), 2);
    }

    #[test]
    fn code_of_another_node_is_used_if_it_is_whole() {
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let engine = Engine::default();
        let open = |dir: &tempfile::TempDir| {
            CompileCache::open(dir.path().to_owned(), ByteSize::mib(64)).unwrap()
        };
        let (there, here) = (open(&dirs[0]), open(&dirs[1]));
        let bytes = wat::parse_str(EMPTY).unwrap();
        let key = key(&engine, &bytes);
        there.component(&engine, &key, &bytes).unwrap();
        let sealed = there.sealed(&key).unwrap();
        let mut flipped = sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&flipped[..], &sealed[..sealed.len() - 1], &sealed[..HEAD - 1], &[]] {
            assert!(matches!(here.keep(&key, damaged), Err(CodeError::Damaged)));
            assert!(!here.has(&key));
        }
        here.keep(&key, &sealed).unwrap();
        here.component(&engine, &key, b"not a component").unwrap();
        assert_eq!((there.compiled(), here.compiled()), (1, 0));
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("1-0.part"), "left over").unwrap();
        let engine = Engine::default();
        let cache = CompileCache::open(dir.path().to_owned(), ByteSize::mib(64)).unwrap();
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
        let text = |i: u32| format!("(component (core module (func (export \"f{i}\"))))");
        for i in 0..3 {
            let bytes = wat::parse_str(text(i)).unwrap();
            cache.component(&engine, &key(&engine, &bytes), &bytes).unwrap();
        }
        let all = files(dir.path());
        let past = SystemTime::UNIX_EPOCH;
        fs::File::options().append(true).open(&all[1]).unwrap().set_modified(past).unwrap();
        let size = fs::metadata(&all[0]).unwrap().len();
        let small = CompileCache::open(dir.path().to_owned(), ByteSize(3 * size)).unwrap();
        let bytes = wat::parse_str(text(3)).unwrap();
        small.component(&engine, &key(&engine, &bytes), &bytes).unwrap();
        let left = files(dir.path());
        assert_eq!(left.len(), 3);
        assert!(!left.contains(&all[1]) && left.contains(&all[0]) && left.contains(&all[2]));
    }
}
