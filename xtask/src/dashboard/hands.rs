//! Does to real nodes what a test in another language asks for: one line of JSON in, one out.
//! Knows no browser.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use aether_forge::{At, Node, Sandbox, Settings};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::component::Web;
use crate::shell;

/// Listens until the program ends.
pub(super) struct Hands {
    pub(super) address: SocketAddr,
}

/// What can be asked for. `node` is the place of a node in its cluster.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Wish {
    /// A cluster of so many nodes in the place of the one before.
    Cluster {
        nodes: usize,
    },
    Kill {
        node: usize,
    },
    /// Starts it again; its addresses are new ones.
    Again {
        node: usize,
    },
    Suspend {
        node: usize,
    },
    Resume {
        node: usize,
    },
    /// `aether` with these words, through a node.
    Aether {
        node: usize,
        words: Vec<String>,
    },
    /// Deploys a version of the application `web`.
    Web {
        node: usize,
        version: u32,
        instances: u32,
        #[serde(default)]
        broken: bool,
        #[serde(default)]
        traps: bool,
        /// Further words of `aether deploy`.
        #[serde(default)]
        words: Vec<String>,
    },
}

/// The cluster lives on a thread of its own, and ends with the program.
pub(super) fn start() -> anyhow::Result<Hands> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let (tell, told) = mpsc::channel::<TcpStream>();
    std::thread::spawn(move || {
        let mut nodes = Vec::new();
        for stream in told {
            // A test that hangs up has failed, and says so itself.
            let _ = serve(&mut nodes, &stream);
        }
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if tell.send(stream).is_err() {
                return;
            }
        }
    });
    Ok(Hands { address })
}

fn serve(nodes: &mut Vec<Node>, stream: &TcpStream) -> anyhow::Result<()> {
    for line in BufReader::new(stream).lines() {
        let answer = serde_json::from_str(&line?).map_err(anyhow::Error::from);
        let answer = match answer.and_then(|wish| fulfil(nodes, wish)) {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        writeln!(&*stream, "{answer}")?;
    }
    Ok(())
}

fn fulfil(nodes: &mut Vec<Node>, wish: Wish) -> anyhow::Result<Value> {
    match wish {
        Wish::Cluster { nodes: count } => {
            nodes.clear();
            let program = shell::target().join("debug/aether");
            let settings = Settings { program, folder: None, arguments: Vec::new() };
            *nodes = Sandbox::new(settings)?.cluster(count)?;
        }
        Wish::Kill { node } => at(nodes, node)?.kill()?,
        Wish::Again { node } => at(nodes, node)?.start_again(At::Another)?,
        Wish::Suspend { node } => at(nodes, node)?.suspend()?,
        Wish::Resume { node } => at(nodes, node)?.resume()?,
        Wish::Aether { node, words } => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            return Ok(json!(at(nodes, node)?.order(&words)?));
        }
        Wish::Web { node, version, instances, broken, traps, words } => {
            let node = at(nodes, node)?;
            let folder = node.home.join("web");
            Web { version, instances, broken, traps }.write(&folder)?;
            let folder = folder.to_str().context("a folder's name is text")?;
            let mut all = vec!["deploy", folder];
            all.extend(words.iter().map(String::as_str));
            return Ok(json!(node.order(&all)?));
        }
    }
    let shown = |node: &Node| json!({ "id": node.id, "api": node.api.to_string(), "http": node.http.to_string(), "key": node.key });
    Ok(nodes.iter().map(shown).collect())
}

fn at(nodes: &mut [Node], place: usize) -> anyhow::Result<&mut Node> {
    let count = nodes.len();
    nodes.get_mut(place).with_context(|| format!("there is no node {place} of {count}"))
}
