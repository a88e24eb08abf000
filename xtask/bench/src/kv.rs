//! Writes to a replicated map: ours and etcd's, over HTTP/2 by the same client. Knows requests and
//! answers, nothing of clusters.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{SendRequest, handshake};
use http::{Method, Request, StatusCode};
use prost::Message;
use tokio::net::TcpStream;

/// Where writes are taken, and how.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) language: Language,
}

#[derive(Debug, Clone)]
pub(crate) enum Language {
    /// `PUT /api/kv/KEY`, with an operator's key.
    Aether { key: String },
    /// gRPC `etcdserverpb.KV/Put`: what etcd's own clients speak. Its JSON gateway is slower.
    Etcd,
}

/// A connection; clones of it are streams of the same one.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    door: Door,
    sender: SendRequest<Bytes>,
}

/// The part of etcd's message that we need.
#[derive(Clone, PartialEq, Message)]
struct EtcdPut {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

impl Door {
    /// On the runtime of the caller, which also drives the connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(stream).await?;
        // Its end is seen by whoever sends next.
        tokio::spawn(connection);
        Ok(Connection { door: self.clone(), sender })
    }
}

impl Connection {
    /// Returns when the write is acknowledged.
    pub(crate) async fn put(&mut self, key: &str, value: Bytes) -> anyhow::Result<()> {
        let (head, body) = request(&self.door, key, value)?.into_parts();
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut sending) = sender.send_request(Request::from_parts(head, ()), false)?;
        sending.send_data(body, true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut text = BytesMut::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            text.extend_from_slice(&part);
        }
        ensure!(head.status == StatusCode::OK, "{} {text:?}", head.status);
        if matches!(self.door.language, Language::Etcd) {
            // Where there is nothing else to say, it stands in the head.
            let trailers = body.trailers().await?;
            let code = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
            ensure!(code.is_some_and(|code| code == "0"), "gRPC status {code:?}");
        }
        Ok(())
    }
}

fn request(door: &Door, key: &str, value: Bytes) -> anyhow::Result<Request<Bytes>> {
    let address = door.address;
    let request = match &door.language {
        Language::Aether { key: operator } => Request::builder()
            .method(Method::PUT)
            .uri(format!("http://{address}/api/kv/{key}"))
            .header("authorization", format!("Bearer {operator}"))
            .body(value),
        Language::Etcd => Request::builder()
            .method(Method::POST)
            .uri(format!("http://{address}/etcdserverpb.KV/Put"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(frame(&EtcdPut { key: Bytes::copy_from_slice(key.as_bytes()), value })),
    };
    Ok(request?)
}

/// gRPC: not compressed, length, message.
fn frame(message: &EtcdPut) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(5 + length);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).expect("a value of a bench is small"));
    message.encode(&mut framed).expect("there is room for it");
    framed.freeze()
}

#[cfg(test)]
mod tests {
    use super::{EtcdPut, frame};

    #[test]
    fn a_message_is_framed() {
        let put = EtcdPut { key: "k".into(), value: "vw".into() };
        assert_eq!(&frame(&put)[..], b"\0\0\0\0\x07\x0a\x01k\x12\x02vw");
    }
}
