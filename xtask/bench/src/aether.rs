//! A node of ours under measurement, through the `aether` program alone. Links nothing of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::client;
use crate::server::{Server, free_address};

const READY_MAX: Duration = Duration::from_secs(30);

/// A node with a data directory of its own, below the bench's folder.
pub(crate) struct Aether {
    pub(crate) server: Server,
    program: PathBuf,
    home: PathBuf,
    management: SocketAddr,
}

impl Aether {
    /// Starts a node that knows nothing yet.
    pub(crate) fn start(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let home = folder.join(name);
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| home.display().to_string())?;
        }
        fs::create_dir_all(&home)?;
        let (http, management) = (free_address()?, free_address()?);
        let program = std::env::current_exe()?.with_file_name("aether");
        let mut node = Command::new(&program);
        node.arg("node").arg("--data").arg(home.join("data")).args(["--log", "warn"]);
        node.args(["--http", &http.to_string(), "--api", &management.to_string()]);
        node.args(["--cluster", "127.0.0.1:0"]);
        let log = home.join("node.log");
        let server = Server::start(&mut node, http, &log)?;
        let end = Instant::now() + READY_MAX;
        while client::get(management, "/health/ready").is_err() {
            ensure!(Instant::now() < end, "the node is not ready: see {}", log.display());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(Self { server, program, home, management })
    }

    /// Applies a blueprint and waits until its slices are active.
    pub(crate) fn deploy(&self, blueprint: &str) -> anyhow::Result<()> {
        let folder = self.home.join("application");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("blueprint.toml"), blueprint)?;
        self.run(&["deploy".as_ref(), folder.as_os_str()])
    }

    pub(crate) fn run(&self, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<()> {
        let output = self.command().args(arguments).stdin(Stdio::null()).output()?;
        let talk = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "aether {arguments:?}: {talk}");
        Ok(())
    }

    /// The command line of this node's operator.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("AETHER_SERVER", format!("http://{}", self.management));
        command.env_remove("AETHER_KEY");
        command
    }
}

/// A blueprint of one slice that has no `slice.toml`, or one that says the same.
pub(crate) fn plain(name: &str, component: &Path, routes: &[(&str, &str)]) -> String {
    let mut text = format!("[application]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
    text += &slice(name, component);
    for (route, what) in routes {
        text += &format!("\n[[routes]]\nroute = \"{route}\"\nslice = \"bench:{name}\"\n{what}\n");
    }
    text
}

/// The blueprint's entry for a slice; tables that are none of `[[slices]]` may follow it.
pub(crate) fn slice(name: &str, component: &Path) -> String {
    let file = component.display();
    format!("\n[[slices]]\nartifact = \"bench:{name}:1.0.0\"\nfile = \"{file}\"\n")
}
