//! Does to real nodes what a test in another language asks for: one line of JSON in, one out.
//! Knows no browser.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use aether_forge::model::LoadRequest;
use aether_forge::{At, Forge, ForgeSettings, Node, Sandbox, Settings};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::component::Web;
use crate::node;

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
    /// A Forge with the application `web` on each of so many nodes, in the place of the cluster.
    /// It watches the folder of the application.
    Forge {
        nodes: usize,
        /// The text of a load that it sends.
        load: String,
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
        let mut held = Held::default();
        for stream in told {
            // A test that hangs up has failed, and says so itself.
            let _ = serve(&mut held, &stream);
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

/// What runs for the tests: one or the other.
#[derive(Default)]
struct Held {
    nodes: Vec<Node>,
    forge: Option<(Forge, TempDir)>,
}

fn serve(held: &mut Held, stream: &TcpStream) -> anyhow::Result<()> {
    for line in BufReader::new(stream).lines() {
        let answer = serde_json::from_str(&line?).map_err(anyhow::Error::from);
        let answer = match answer.and_then(|wish| fulfil(held, wish)) {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        writeln!(&*stream, "{answer}")?;
    }
    Ok(())
}

fn fulfil(held: &mut Held, wish: Wish) -> anyhow::Result<Value> {
    let nodes = &mut held.nodes;
    match wish {
        Wish::Cluster { nodes: count } => {
            held.forge = None;
            nodes.clear();
            let program = node::program();
            let settings = Settings { program, folder: None, arguments: Vec::new() };
            *nodes = Sandbox::new(settings)?.cluster(count)?;
        }
        Wish::Forge { nodes: count, load } => {
            nodes.clear();
            held.forge = None;
            let (forge, folder) = forge(count, load)?;
            let url = forge.overview().url;
            let address = url.trim_start_matches("http://").to_owned();
            let (key, path) = (forge.key(), folder.path().display().to_string());
            held.forge = Some((forge, folder));
            return Ok(json!({ "address": address, "key": key, "folder": path }));
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

/// In a folder that goes with it.
fn forge(nodes: usize, load: String) -> anyhow::Result<(Forge, TempDir)> {
    let folder = tempfile::tempdir()?;
    let instances = u32::try_from(nodes)?;
    Web { version: 1, instances, broken: false, traps: false }.write(folder.path())?;
    let settings = ForgeSettings {
        program: node::program(),
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        nodes,
        blueprint: Some(folder.path().to_owned()),
        watch: true,
        keep: None,
        notes: None,
    };
    let forge = Forge::start(settings, &mut |_, _| {})?;
    forge.start_load(&LoadRequest { file: "load.toml".to_owned(), text: load })?;
    Ok((forge, folder))
}

fn at(nodes: &mut [Node], place: usize) -> anyhow::Result<&mut Node> {
    let count = nodes.len();
    nodes.get_mut(place).with_context(|| format!("there is no node {place} of {count}"))
}
