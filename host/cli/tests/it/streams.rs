//! Bodies that stream through a node that does not host the handler: each piece as it comes, and no
//! faster than it is read.

use crate::counts::{metric, metrics};
use crate::node::{Node, cluster, wait};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SLICE_TOML: &str = "[slice]\nartifact = \"t:stream:1.0.0\"\n[instances]\ntimeout = \"10m\"\n\
                          [[routes]]\nroute = \"* /stream/**\"\nhandler = \"wasi:http\"";
/// Of the body that nobody reads.
const LARGE: u64 = 1 << 30;
/// What all nodes may need for it, beside what they had: windows, and buffers of sockets.
const NEEDED_MAX: u64 = 64 << 20;

/// Sends the head of a request; whoever waits for an answer in vain fails.
fn ask(door: &Node, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(door.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "{head}\r\nhost: test\r\nconnection: close\r\n").unwrap();
    stream
}

/// Reads until this was said.
fn until(stream: &mut TcpStream, said: &mut String, text: &str) {
    let mut bytes = [0; 4_096];
    while !said.contains(text) {
        let length = stream.read(&mut bytes).unwrap();
        assert!(length > 0, "no {text:?} in {said:?}");
        said.push_str(str::from_utf8(&bytes[..length]).unwrap());
    }
}

#[test]
fn bodies_stream_through_any_node_no_faster_than_they_are_read() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("stream");
    let bytes = aether_test_guests::bytes("http-hello");
    let bytes = aether_slice_build::embed(&bytes, SLICE_TOML).unwrap();
    std::fs::write(folder.join("stream.wasm"), bytes).unwrap();
    let blueprint = "[application]\nname = \"stream\"\nversion = \"1.0.0\"\n\
                     [[slices]]\nfile = \"stream.wasm\"\n";
    std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/stream/hello", 200));
    let count = |node: &Node, name: &str| {
        metric(&metrics(node, &node.key).text, name, &["slice=\"t:stream:1.0.0\""])
    };
    let host = nodes.iter().position(|node| count(node, "aether_slice_loaded") > 0.0).unwrap();
    let (host, door) = (&nodes[host], &nodes[(host + 1) % 3]);

    // What comes back of a piece is there before the next one is sent.
    let mut stream = ask(door, "POST /stream/echo HTTP/1.1");
    write!(stream, "transfer-encoding: chunked\r\n\r\n").unwrap();
    let mut said = String::new();
    for piece in ["first", "other", "third"] {
        write!(stream, "5\r\n{piece}\r\n").unwrap();
        until(&mut stream, &mut said, piece);
    }
    write!(stream, "0\r\n\r\n").unwrap();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("0\r\n\r\n"), "{said}");

    let memory = || nodes.iter().map(|node| node.process().memory().unwrap()).sum::<u64>();
    let before = memory();
    let mut stream = ask(door, &format!("GET /stream/big?{LARGE} HTTP/1.1"));
    write!(stream, "\r\n").unwrap();
    until(&mut stream, &mut String::new(), "\r\n\r\n");
    let mut used = Duration::ZERO;
    wait("the guest does nothing any more", || {
        let now = host.process().cpu().unwrap();
        std::mem::replace(&mut used, now) == now
    });
    assert_eq!(count(host, "aether_slice_busy"), 1.0, "it is held back, not at its end");
    let needed = memory().saturating_sub(before);
    assert!(needed < NEEDED_MAX, "{needed} bytes are kept of what nobody reads");
    // It goes on with whoever reads.
    let mut part = vec![0; NEEDED_MAX as usize];
    stream.read_exact(&mut part).unwrap();
    assert!(part.iter().all(|byte| *byte == b'x'));
    drop(stream);
    wait("nobody waits for the rest", || count(host, "aether_slice_busy") == 0.0);
}
