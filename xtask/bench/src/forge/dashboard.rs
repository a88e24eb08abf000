//! What one open dashboard costs under load, in bytes that come from Forge. Speaks as much of
//! WebSocket as it takes to listen.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use aether_forge::Forge;
use aether_forge::http::{self, Request};
use aether_forge::model::LiveView;
use anyhow::{Context, ensure};

const LISTENED: Duration = Duration::from_secs(20);
/// What comes first is the whole picture; it is not counted.
const SETTLED: Duration = Duration::from_secs(3);
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often the pages of Forge ask, and what they ask for again.
const EVERY: Duration = Duration::from_secs(1);
const AGAIN_MS: u64 = 3_000;
/// So often the picture of the live feed can change.
const CHANGES_PER_SECOND: f64 = 2.0;

/// Bytes a second.
pub(super) struct Traffic {
    /// The live feed over its socket.
    pub(super) live: f64,
    /// The same picture as a whole, asked for as often as it changes.
    pub(super) polled: f64,
    /// What the pages of Forge ask for.
    pub(super) forge: f64,
}

pub(super) fn traffic(forge: &Forge) -> anyhow::Result<Traffic> {
    let url = forge.overview().url;
    let address: SocketAddr = url.trim_start_matches("http://").parse()?;
    let key = forge.key();
    let live = listen(address, &key)?;
    let polled = CHANGES_PER_SECOND * ask(address, &key, "/api/live")?.len() as f64;
    Ok(Traffic { live, polled, forge: look(address, &key)? })
}

/// The live feed, from when the first picture is there.
fn listen(address: SocketAddr, key: &str) -> anyhow::Result<f64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    // The key of RFC 6455's example: nobody here doubts that both sides mean it.
    let handshake = format!(
        "GET /api/live HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    ensure!(answer.ends_with(b" 101"), "no socket: {}", String::from_utf8_lossy(&answer));
    stream.write_all(&text_frame(&format!("{{\"type\":\"hello\",\"key\":\"{key}\"}}"))?)?;
    read_for(&mut stream, SETTLED)?;
    let bytes = read_for(&mut stream, LISTENED)?;
    ensure!(bytes > 0, "the feed is silent");
    Ok(bytes as f64 / LISTENED.as_secs_f64())
}

/// A text as a client sends it: masked, by a mask of zeros.
fn text_frame(text: &str) -> anyhow::Result<Vec<u8>> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126);
    let length = length.context("a hello is short")?;
    Ok([&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat())
}

/// Bytes that come in this time.
fn read_for(stream: &mut TcpStream, time: Duration) -> anyhow::Result<usize> {
    let end = Instant::now() + time;
    let (mut sum, mut room) = (0, vec![0; 64 << 10]);
    while Instant::now() < end {
        match stream.read(&mut room) {
            Ok(0) => anyhow::bail!("the socket was closed"),
            Ok(bytes) => sum += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sum)
}

/// As the pages of Forge do, for a while.
fn look(address: SocketAddr, key: &str) -> anyhow::Result<f64> {
    let mut since = u64::MAX;
    let (mut sum, mut looks) = (0, 0_u32);
    let begun = Instant::now();
    while begun.elapsed() < LISTENED {
        let said = ask(address, key, &format!("/forge/live?since={since}"))?;
        // The first one only says what time it is.
        if since < u64::MAX {
            (sum, looks) = (sum + said.len(), looks + 1);
        }
        since = serde_json::from_str::<LiveView>(&said)?.now_ms.saturating_sub(AGAIN_MS);
        super::let_pass(EVERY);
    }
    Ok(sum as f64 / f64::from(looks.max(1)) / EVERY.as_secs_f64())
}

fn ask(address: SocketAddr, key: &str, path: &str) -> anyhow::Result<String> {
    let headers = [("authorization".to_owned(), format!("Bearer {key}"))].into();
    let answer = http::exchange(address, &Request { path, headers, ..Request::default() })?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    Ok(answer.body)
}
