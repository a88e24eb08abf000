//! A node of a sandbox under test: what fails ends the test. Knows what `aether-forge` knows.

use crate::http::{self, Answer};
use aether_forge::{Ended, Sandbox, Settings};
use std::io::{BufRead, BufReader};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

pub(crate) use aether_forge::At;

/// A running node with a data folder; the folder outlives the process.
pub(crate) struct Node(aether_forge::Node);

/// A sandbox with a temporary folder.
fn sandbox() -> Sandbox {
    sandbox_of(env!("CARGO_BIN_EXE_aether").into(), &[])
}

fn sandbox_of(program: PathBuf, arguments: &[&str]) -> Sandbox {
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    Sandbox::new(Settings { program, folder: None, arguments }).unwrap()
}

impl Node {
    pub(crate) fn start() -> Self {
        Self(sandbox().found().unwrap())
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    /// kill -9, then the same command again on the same folder.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.again(At::Another);
    }

    /// A node that has ended, started once more on its folder.
    pub(crate) fn again(&mut self, at: At) {
        self.0.start_again(at).unwrap();
    }

    /// A node that has ended, started once more, and refused: its exit code, and what it said.
    pub(crate) fn again_in_vain(&mut self, arguments: &[&str]) -> (i32, String) {
        match self.0.start_again_with(arguments) {
            // It had said that it listens before it found out.
            Ok(()) => {
                let exit = self.0.wait().unwrap().code().unwrap_or(-1);
                (exit, self.0.log().unwrap())
            }
            Err(error) => (self.0.wait().unwrap().code().unwrap_or(-1), error.to_string()),
        }
    }

    /// Another node, which joins the cluster of this one.
    pub(crate) fn another(&self) -> Self {
        Self(self.0.joined().unwrap())
    }

    /// A folder for an application's files.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.join("apps").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub(crate) fn aether(&self, args: &[&str]) -> Ended {
        self.0.aether(args).unwrap()
    }

    pub(crate) fn deploy(&self, folder: &Path) -> Ended {
        self.aether(&["deploy", folder.to_str().unwrap()])
    }

    /// A deploy that has to succeed.
    pub(crate) fn deployed(&self, folder: &Path) -> String {
        self.order(&["deploy", folder.to_str().unwrap()]).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(self.http, path).unwrap()
    }

    /// Waits until the path answers with the status.
    pub(crate) fn wait_for(&self, path: &str, status: u16) {
        wait(&format!("{path} answers {status}"), || {
            http::get(self.http, path).is_ok_and(|answer| answer.status == status)
        });
    }
}

impl Deref for Node {
    type Target = aether_forge::Node;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Nodes of one cluster that all vote.
pub(crate) fn cluster<const N: usize>() -> [Node; N] {
    cluster_of(env!("CARGO_BIN_EXE_aether").into())
}

/// The same with another program.
pub(crate) fn cluster_of<const N: usize>(program: PathBuf) -> [Node; N] {
    nodes_of(&sandbox_of(program, &[]))
}

/// Nodes of one cluster that all vote, and take faults.
pub(crate) fn sandboxed<const N: usize>() -> [Node; N] {
    nodes_of(&sandbox_of(env!("CARGO_BIN_EXE_aether").into(), &["--sandbox"]))
}

fn nodes_of<const N: usize>(sandbox: &Sandbox) -> [Node; N] {
    let nodes = sandbox.cluster(N).unwrap();
    let nodes: [_; N] = nodes.try_into().expect("as many as were asked for");
    nodes.map(Node)
}

/// Waits until each of them sees so many nodes that vote.
pub(crate) fn wait_for_voters<'a>(nodes: impl IntoIterator<Item = &'a Node>, count: usize) {
    for node in nodes {
        aether_forge::wait_for_voters(std::slice::from_ref(&node.0), count).unwrap();
    }
}

/// The place of the leader among the nodes.
pub(crate) fn leader(nodes: &[Node]) -> usize {
    let mut found = None;
    wait("a node leads", || {
        found = nodes.iter().find_map(|node| {
            let members = node.members().ok()?;
            let leader = members.iter().find(|member| member.leads())?;
            nodes.iter().position(|node| node.id == leader.id)
        });
        found.is_some()
    });
    found.unwrap()
}

/// Lines of a stream as they come. Reads on when nobody listens, so that the writer never blocks.
pub(crate) fn lines(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    lines
}

/// Polls until the condition holds.
pub(crate) fn wait(what: &str, holds: impl FnMut() -> bool) {
    aether_forge::until(what, holds).unwrap();
}
