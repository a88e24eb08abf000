//! From a socket to a link: TLS, hellos, refusals. Knows not who should be linked.

use std::{io, sync::Arc};

use aether_types::NodeId;
use bytes::{Bytes, BytesMut};
use rustls::{AlertDescription, CertificateError, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::Shared;
use crate::{
    Class, DownReason, Peer, Refusal, Violation,
    frame::{Frame, Kind},
    hello::{self, Hello, Purpose},
    limits::{BATCH_BYTES, HELLO_BYTES_MAX},
    tls::is_of,
};

/// rustls reads 4 KiB at a time; below it, one system call takes this much.
const SOCKET_BYTES: usize = 64 << 10;

/// What TLS may hold encrypted: a batch whose last frame is long.
const TLS_BYTES: usize = 2 * BATCH_BYTES;

/// A TLS connection before and while hellos are said.
pub(crate) struct Connection {
    pub(crate) io: TlsStream<BufReader<TcpStream>>,
    pub(crate) input: BytesMut,
}

/// Connects to `address` and sets up TLS with whoever `name` is.
pub(crate) async fn dial_connection(
    address: &str,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
) -> Result<Connection, DownReason> {
    let unreachable = |error: io::Error| DownReason::Unreachable(error.to_string());
    let socket = TcpStream::connect(address).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    let io = TlsConnector::from(config).connect(name, buffered(socket)).await;
    let mut io = io.map_err(|error| failure(&error, DownReason::Handshake))?;
    io.get_mut().1.set_buffer_limit(Some(TLS_BYTES));
    Ok(Connection { io: io.into(), input: BytesMut::new() })
}

fn buffered(socket: TcpStream) -> BufReader<TcpStream> {
    BufReader::with_capacity(SOCKET_BYTES, socket)
}

/// What TLS or the socket says, in our words where we have some.
fn failure(error: &io::Error, otherwise: fn(String) -> DownReason) -> DownReason {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    // Two authorities of the same name differ in their signatures only.
    match tls {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => DownReason::Rejected(Refusal::ForeignCertificate),
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::DecryptError,
        )) => DownReason::Refused(Refusal::ForeignCertificate),
        _ => otherwise(error.to_string()),
    }
}

impl Connection {
    pub(super) async fn accept(
        socket: TcpStream,
        config: Arc<rustls::ServerConfig>,
    ) -> Result<Self, DownReason> {
        let failed = |error: io::Error| failure(&error, DownReason::Handshake);
        socket.set_nodelay(true).map_err(failed)?;
        let mut io = TlsAcceptor::from(config).accept(buffered(socket)).await.map_err(failed)?;
        io.get_mut().1.set_buffer_limit(Some(TLS_BYTES));
        Ok(Self { io: io.into(), input: BytesMut::new() })
    }

    /// Whether TLS proved that the other side is this node; none if it showed no certificate.
    pub(crate) fn is_of(&self, node: NodeId, cluster: aether_types::ClusterId) -> Option<bool> {
        let (_, session) = self.io.get_ref();
        let certificate = session.peer_certificates()?.first()?;
        Some(is_of(certificate, node, cluster))
    }

    pub(crate) async fn write(&mut self, kind: Kind, body: Bytes) -> Result<(), DownReason> {
        let frame = Frame::new(kind, 0, body);
        let mut bytes = frame.header().to_vec();
        bytes.extend_from_slice(&frame.body);
        let io = &mut self.io;
        let written = async {
            io.write_all(&bytes).await?;
            io.flush().await
        };
        written.await.map_err(|error| failure(&error, DownReason::Reset))
    }

    pub(crate) async fn read(&mut self) -> Result<Frame, DownReason> {
        self.read_up_to(HELLO_BYTES_MAX).await
    }

    pub(crate) async fn read_up_to(&mut self, limit: usize) -> Result<Frame, DownReason> {
        let reset = |error: io::Error| failure(&error, DownReason::Reset);
        loop {
            let frame = Frame::take(&mut self.input, limit)
                .map_err(|error| DownReason::Violation(Violation::Frame(error)))?;
            match frame {
                Some(frame) if frame.kind == Kind::Refuse => {
                    let refusal = hello::decode(&frame.body).unwrap_or(Refusal::NotAether);
                    return Err(DownReason::Refused(refusal));
                }
                Some(frame) => return Ok(frame),
                None if self.io.read_buf(&mut self.input).await.map_err(reset)? == 0 => {
                    return Err(DownReason::Reset("end of connection".into()));
                }
                None => {}
            }
        }
    }

    /// Tells the other side why, as well as it can be told.
    pub(crate) async fn refuse(mut self, refusal: Refusal) -> DownReason {
        let told = async {
            self.write(Kind::Refuse, hello::encode(&refusal)).await?;
            self.io.shutdown().await.map_err(|error| DownReason::Reset(error.to_string()))
        };
        // It is refused in any case.
        let _ = told.await;
        DownReason::Rejected(refusal)
    }

    /// The hello of the other side, in a frame of the kind that is expected now.
    pub(crate) async fn read_hello(&mut self, kind: Kind) -> Result<Hello, HelloError> {
        let frame = self.read().await.map_err(HelloError::Down)?;
        if frame.kind != kind {
            return Err(HelloError::Refuse(Refusal::NotAether));
        }
        Hello::decode(&frame.body).map_err(HelloError::Refuse)
    }
}

pub(crate) enum HelloError {
    /// There is nobody to tell.
    Down(DownReason),
    Refuse(Refusal),
}

impl Shared {
    /// What can be said against a peer before it is looked up.
    pub(super) fn check(
        &self,
        hello: &Hello,
        class: Class,
        connection: &Connection,
    ) -> Result<Peer, Refusal> {
        let me = self.hello(Purpose::Link(class));
        hello.check(&me, self.settings.clock_skew_max.as_millis() as u64)?;
        match connection.is_of(hello.node, self.cluster()) {
            None => return Err(Refusal::NoCertificate),
            Some(false) => return Err(Refusal::WrongCertificate { node: hello.node }),
            Some(true) => {}
        }
        let Hello { node, run, starts, addresses, .. } = hello.clone();
        let peer = Peer { node, run, starts, class, addresses };
        self.port.handler.welcome(&peer)?;
        Ok(peer)
    }
}
