//! A receiver of alerts: refuses the first one, takes what comes then. Knows no node.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was told, in its order, with the status that was answered.
#[derive(Clone, Default)]
pub(super) struct Receiver(Arc<Mutex<Vec<(Value, u16)>>>);

impl Receiver {
    /// Takes what is told until the test ends; each request must have this head.
    pub(super) fn start(request: &'static str, authorization: &'static str) -> (SocketAddr, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, this) = (listener.local_addr().unwrap(), Self::default());
        let all = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A node that is killed breaks off.
                let _ = all.take(&stream, request, authorization);
            }
        });
        (address, this)
    }

    fn take(&self, mut stream: &TcpStream, request: &str, authorization: &str) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut length, mut heads) = (0, Vec::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some((name, bytes)) if name.eq_ignore_ascii_case("content-length") => {
                    length = bytes.parse().ok()?;
                }
                Some((name, value)) => heads.push(format!("{}: {value}", name.to_lowercase())),
                None => heads.push(line.to_owned()),
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let kind = "content-type: application/json";
        let is_right =
            [request, authorization, kind].iter().all(|it| heads.iter().any(|h| h == it));
        let mut told = self.0.lock().unwrap();
        let status = match told.len() {
            0 => 500,
            _ if is_right => 200,
            _ => 400,
        };
        told.push((serde_json::from_slice(&body).ok()?, status));
        write!(stream, "HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n").ok()
    }

    pub(super) fn told(&self) -> Vec<(Value, u16)> {
        self.0.lock().unwrap().clone()
    }

    /// What was taken: alert and event of each delivery, once. Two deliveries never have one
    /// number, and none says two things.
    pub(super) fn taken(&self) -> Vec<(u64, String)> {
        let mut taken = std::collections::BTreeMap::new();
        let told = self.told();
        for (body, _) in told.iter().filter(|(_, status)| *status == 200) {
            let delivery = body["delivery"].as_str().unwrap();
            let number: u64 = delivery.rsplit_once('-').unwrap().1.parse().unwrap();
            let event = (body["alert"].as_u64().unwrap(), body["event"].as_str().unwrap());
            let known = taken.insert(number, (event.0, event.1.to_owned()));
            assert!(known.is_none_or(|known| (known.0, known.1.as_str()) == event), "{told:?}");
        }
        taken.into_values().collect()
    }
}
