//! One request, one answer. For what a bench asks beside its load.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail};

use crate::compare::request;

/// The body of a good answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    exchange(address, &request("GET", path, ""))
}

pub(crate) fn post(address: SocketAddr, path: &str, json: &str) -> anyhow::Result<String> {
    exchange(address, &request("POST", path, json))
}

fn exchange(address: SocketAddr, request: &[u8]) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line.clone();
    let mut body_bytes = 0;
    while line != "\r\n" {
        line.clear();
        if answer.read_line(&mut line)? == 0 {
            bail!("the answer ended in its head: {status}");
        }
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body_bytes = length.trim().parse().context("content-length")?;
        }
    }
    let mut body = vec![0; body_bytes];
    answer.read_exact(&mut body)?;
    let body = String::from_utf8(body)?;
    if status.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Ok(body);
    }
    bail!("{} {body}", status.trim())
}
