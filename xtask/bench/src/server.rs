//! A server under measurement: a process with a port. Knows its start, nothing of what it serves.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use aether_forge::{Process, until};
use anyhow::{Context, ensure};

/// A running process; killed when this goes out of scope.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
}

impl Server {
    /// Starts the program, its talk in `log`, and waits until `address` takes connections.
    pub(crate) fn start(
        command: &mut Command,
        address: SocketAddr,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let mut process = Process::start(command, log)?;
        let mut ended = false;
        let open = until(&format!("somebody listens on {address}"), || {
            ended = !matches!(process.ended(), Ok(None));
            ended || TcpStream::connect(address).is_ok()
        });
        open.with_context(|| format!("see {}", log.display()))?;
        ensure!(!ended, "the server ended before it listened: see {}", log.display());
        Ok(Self { address, process })
    }
}

/// An address on loopback that nobody uses.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
