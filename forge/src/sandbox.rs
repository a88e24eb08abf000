//! A place for nodes: one program, one folder, addresses that nobody else has. Knows how nodes are
//! started, nothing of what they do then.

use crate::node::{Node, Start, wait_for_voters};
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// What all nodes of a sandbox have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `aether` program.
    pub program: PathBuf,
    /// Where the nodes' folders are made: emptied first, and kept. Without it they are in a
    /// temporary one, which goes with the last node.
    pub folder: Option<PathBuf>,
    /// Further arguments of `aether node`.
    pub arguments: Vec<String>,
}

/// A place for nodes on this machine. Cheap to clone; the nodes keep it.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    homes: AtomicU32,
    _temporary: Option<Temporary>,
}

impl Sandbox {
    /// A sandbox without nodes.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let Settings { program, folder, arguments } = settings;
        let (folder, temporary) = match folder {
            Some(folder) => {
                if folder.exists() {
                    let emptied = std::fs::remove_dir_all(&folder);
                    emptied.with_context(|| folder.display().to_string())?;
                }
                std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
                (folder, None)
            }
            None => {
                let temporary = Temporary::new()?;
                (temporary.folder.path().to_owned(), Some(temporary))
            }
        };
        let homes = AtomicU32::new(0);
        Ok(Self(Arc::new(Inner { program, arguments, folder, homes, _temporary: temporary })))
    }

    /// A node that founds a cluster.
    pub fn found(&self) -> anyhow::Result<Node> {
        let cluster = own_address().to_string();
        let more = ["--cluster", &cluster].map(str::to_owned).to_vec();
        let (home, doors) = (self.home()?, own_doors());
        Node::start(Start { sandbox: self.clone(), home, key: None, doors, more })
    }

    /// A cluster of so many nodes, which all vote: `--voters` says how many can, five by default.
    pub fn cluster(&self, nodes: usize) -> anyhow::Result<Vec<Node>> {
        let mut cluster = vec![self.found()?];
        while cluster.len() < nodes {
            let joined = cluster[0].joined()?;
            cluster.push(joined);
        }
        wait_for_voters(&cluster, nodes)?;
        Ok(cluster)
    }

    /// An empty folder for one node.
    pub(crate) fn home(&self) -> anyhow::Result<PathBuf> {
        let number = self.0.homes.fetch_add(1, Ordering::Relaxed) + 1;
        let home = self.0.folder.join(format!("node-{number}"));
        std::fs::create_dir(&home).with_context(|| home.display().to_string())?;
        Ok(home)
    }

    /// Where the folders of its nodes are.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    pub(crate) fn program(&self) -> &Path {
        &self.0.program
    }

    pub(crate) fn arguments(&self) -> &[String] {
        &self.0.arguments
    }
}

/// An address of the loopback network that no other node has, in this process or another: its port
/// is free again when the node comes back.
pub(crate) fn own_address() -> SocketAddr {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [.., count] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    (Ipv4Addr::new(127, high.max(1), low, count), 0).into()
}

/// The same for front door and management API.
pub(crate) fn own_doors() -> [SocketAddr; 2] {
    [own_address(), own_address()]
}

/// Takes the folder away after the end of its input, which comes when whoever made the folder is
/// gone: its nodes end at the same time, and may still write for a moment.
const CLEANER: &str = "trap '' INT TERM HUP; read -r line; for i in 1 2 3 4 5 6 7 8 9; do \
                       rm -rf \"$0\" 2>&1 && [ ! -e \"$0\" ] && exit; sleep 0.3; done";

/// A temporary folder that is gone after this process, however that ended.
#[derive(Debug)]
struct Temporary {
    folder: TempDir,
    cleaner: Child,
}

impl Temporary {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("aether-").tempdir()?;
        let mut command = Command::new("sh");
        command.args(["-c", CLEANER]).arg(folder.path()).stdin(Stdio::piped());
        let cleaner = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self { folder, cleaner: cleaner.context("start sh")? })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Its end is the cleaner's beginning: where it does not come to it, nobody is left to know.
        drop(self.cleaner.stdin.take());
        let _ = self.cleaner.wait();
    }
}
