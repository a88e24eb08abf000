//! A node's process, built from this tree: started, waited for, ended. Knows `aether` by its
//! commands only.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aether_forge::http;
use anyhow::{Context, bail, ensure};

use crate::shell;

const READY_MAX: Duration = Duration::from_secs(30);
/// A node that was asked to stop waits for its requests for ten seconds.
const STOP_MAX: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where a node listens.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    /// The front door of the applications.
    pub(crate) http: SocketAddr,
    /// The management API.
    pub(crate) api: SocketAddr,
    /// Other nodes.
    pub(crate) cluster: SocketAddr,
}

impl Addresses {
    /// Some that nobody uses.
    pub(crate) fn free() -> anyhow::Result<Self> {
        let free = || TcpListener::bind(loopback(0))?.local_addr();
        Ok(Self { http: free()?, api: free()?, cluster: free()? })
    }

    /// The `aether` program, speaking to this node whatever the surroundings say.
    pub(crate) fn aether(self) -> Command {
        let mut command = Command::new(program());
        let server = format!("http://{}", self.api);
        command.current_dir(shell::root()).env("AETHER_SERVER", server).env_remove("AETHER_KEY");
        command
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Builds the program in the profile of the tests.
pub(crate) fn build() -> anyhow::Result<()> {
    shell::run(shell::cargo().args(["build", "--quiet", "--package", "aether-cli"]))
}

/// What [`build`] has built.
pub(crate) fn program() -> PathBuf {
    shell::target().join("debug/aether")
}

/// The process. Ends with this value.
pub(crate) struct Node {
    addresses: Addresses,
    child: Child,
}

impl Node {
    /// Starts a node; it talks to `log`, or to the person where there is none.
    pub(crate) fn start(
        addresses: Addresses,
        data: &Path,
        log: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let mut command = addresses.aether();
        command.arg("node").arg("--data").arg(data);
        command.args(["--http", &addresses.http.to_string()]);
        command.args(["--api", &addresses.api.to_string()]);
        command.args(["--cluster", &addresses.cluster.to_string()]);
        if let Some(log) = log {
            let file = std::fs::File::create(log).with_context(|| log.display().to_string())?;
            command.stdout(file.try_clone()?).stderr(file).stdin(Stdio::null());
        }
        eprintln!("$ {}", shell::describe(&command));
        Ok(Self { addresses, child: command.spawn().context("start the node")? })
    }

    pub(crate) fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + READY_MAX;
        while !self.is_ready() {
            ensure!(Instant::now() < end, "the node is not ready after {READY_MAX:?}");
            if let Some(status) = self.child.try_wait()? {
                bail!("the node ended: {status}");
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let request = http::Request { method: "GET", path: "/health/ready", ..Default::default() };
        http::exchange(self.addresses.api, &request).is_ok_and(|answer| answer.status == 200)
    }

    /// Asks the node to end and waits; false if it did not within `STOP_MAX`.
    fn ask_to_end(&mut self) -> bool {
        let signal = format!("kill -TERM {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &signal]).status();
        let end = Instant::now() + STOP_MAX;
        while asked.is_ok() && Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        false
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let ended = !matches!(self.child.try_wait(), Ok(None));
        if !ended && !self.ask_to_end() {
            // Nothing is lost: what a node has acknowledged is on its disk.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
