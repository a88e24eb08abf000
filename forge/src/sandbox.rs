//! A place for nodes: one program, one folder, addresses that nobody else has. Knows how nodes are
//! started, nothing of what they do then.

use crate::node::{Node, Start, wait_for_voters};
use anyhow::Context;
use std::net::Ipv4Addr;
use std::path::PathBuf;
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
    _temporary: Option<TempDir>,
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
                let temporary = tempfile::tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let homes = AtomicU32::new(0);
        Ok(Self(Arc::new(Inner { program, arguments, folder, homes, _temporary: temporary })))
    }

    /// A node that founds a cluster.
    pub fn found(&self) -> anyhow::Result<Node> {
        let cluster = own_address();
        let more = ["--cluster", &cluster].map(str::to_owned).to_vec();
        Node::start(Start { sandbox: self.clone(), home: self.home()?, key: None, more })
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

    pub(crate) fn program(&self) -> &std::path::Path {
        &self.0.program
    }

    pub(crate) fn arguments(&self) -> &[String] {
        &self.0.arguments
    }
}

/// An address of the loopback network that no other node has, in this process or another: its port
/// is free again when the node comes back.
pub(crate) fn own_address() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [.., count] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("{}:0", Ipv4Addr::new(127, high.max(1), low, count))
}
