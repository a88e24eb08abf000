//! The peer of remote calls: a unary echo in gRPC, on tonic with TLS. Knows nothing of Aether.
//!
//! The service is written by hand instead of being generated, so that no `protoc` is needed; what
//! runs is the same.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::uri::PathAndQuery;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig,
};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

const RECORD: &str = "/bench.Echo/Record";
const BYTES: &str = "/bench.Echo/Bytes";
const SERVER_NAME: &str = "localhost";
/// Calls before those that are measured.
const WARM_UP: u32 = 2_000;

/// The same record that the slices exchange.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Line {
    #[prost(string, tag = "1")]
    pub(crate) sku: String,
    #[prost(uint32, tag = "2")]
    pub(crate) quantity: u32,
    #[prost(uint64, tag = "3")]
    pub(crate) cents: u64,
}

/// Bytes that are shared with the frame they came in: the fastest that prost has.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) bytes: Bytes,
}

/// Writes a certificate and its key for [`serve`] and [`Peer::connect`].
pub(crate) fn certify(folder: &Path) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()])?;
    std::fs::write(folder.join("grpc.pem"), made.cert.pem())?;
    std::fs::write(folder.join("grpc.key"), made.signing_key.serialize_pem())?;
    Ok(())
}

/// Answers until the process is killed.
pub(crate) fn serve(address: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    let certificate = std::fs::read(folder.join("grpc.pem"))?;
    let identity = Identity::from_pem(certificate, std::fs::read(folder.join("grpc.key"))?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let tls = ServerTlsConfig::new().identity(identity);
        let mut server = Server::builder().tcp_nodelay(true).tls_config(tls)?;
        server.add_service(Echo).serve(address).await.context("the echo server")
    })
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl tower_service::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        Box::pin(async move {
            Ok(match request.uri().path() {
                RECORD => {
                    let codec = ProstCodec::<Line, Line>::default();
                    tonic::server::Grpc::new(codec).unary(GiveBack, request).await
                }
                BYTES => {
                    let codec = ProstCodec::<Payload, Payload>::default();
                    tonic::server::Grpc::new(codec).unary(GiveBack, request).await
                }
                _ => Status::unimplemented("an echo").into_http(),
            })
        })
    }
}

struct GiveBack;

impl<T> tower_service::Service<Request<T>> for GiveBack {
    type Response = Response<T>;
    type Error = Status;
    type Future = Ready<Result<Response<T>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// One connection to the echo server, which all callers share.
pub(crate) struct Peer {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr, folder: &Path) -> anyhow::Result<Self> {
        let authority = Certificate::from_pem(std::fs::read(folder.join("grpc.pem"))?);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let channel = runtime.block_on(async {
            let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name(SERVER_NAME);
            let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
            endpoint.tcp_nodelay(true).tls_config(tls)?.connect().await
        })?;
        let peer = Self { runtime, channel };
        peer.latency(WARM_UP, RECORD, record())?;
        Ok(peer)
    }

    /// Nanoseconds of each of so many calls, one after the other.
    pub(crate) fn records(&self, calls: u32) -> anyhow::Result<Histogram<u64>> {
        self.latency(calls, RECORD, record())
    }

    pub(crate) fn bytes(&self, calls: u32, size: usize) -> anyhow::Result<Histogram<u64>> {
        self.latency(calls, BYTES, payload(size))
    }

    /// Calls per second of so many callers, each with this many calls.
    pub(crate) fn records_per_second(&self, callers: u32, calls: u32) -> anyhow::Result<f64> {
        self.throughput(callers, calls, RECORD, record())
    }

    pub(crate) fn bytes_per_second(
        &self,
        callers: u32,
        calls: u32,
        size: usize,
    ) -> anyhow::Result<f64> {
        self.throughput(callers, calls, BYTES, payload(size))
    }

    fn latency<T: prost::Message + Clone + Default + 'static>(
        &self,
        calls: u32,
        path: &'static str,
        message: T,
    ) -> anyhow::Result<Histogram<u64>> {
        // On a task, as a server calls from one; `block_on` would add a switch of threads.
        let channel = self.channel.clone();
        let task = self.runtime.spawn(async move {
            let mut times = Histogram::new(3)?;
            for _ in 0..calls {
                let start = Instant::now();
                call(&channel, path, message.clone()).await?;
                times.record(start.elapsed().as_nanos() as u64)?;
            }
            Ok(times)
        });
        self.runtime.block_on(task)?
    }

    fn throughput<T: prost::Message + Clone + Default + 'static>(
        &self,
        callers: u32,
        calls: u32,
        path: &'static str,
        message: T,
    ) -> anyhow::Result<f64> {
        let start = Instant::now();
        let caller = |_| {
            let (channel, message) = (self.channel.clone(), message.clone());
            self.runtime.spawn(async move {
                for _ in 0..calls {
                    call(&channel, path, message.clone()).await?;
                }
                anyhow::Ok(())
            })
        };
        let callers: Vec<_> = (0..callers).map(caller).collect();
        let total = callers.len() as f64 * f64::from(calls);
        for caller in callers {
            self.runtime.block_on(caller)??;
        }
        Ok(total / start.elapsed().as_secs_f64())
    }
}

async fn call<T: prost::Message + Default + 'static>(
    channel: &Channel,
    path: &'static str,
    message: T,
) -> anyhow::Result<T> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await?;
    let codec = ProstCodec::<T, T>::default();
    let path = PathAndQuery::from_static(path);
    Ok(client.unary(Request::new(message), path, codec).await?.into_inner())
}

fn record() -> Line {
    Line { sku: "sku-4711".to_owned(), quantity: 3, cents: 1_995 }
}

fn payload(size: usize) -> Payload {
    Payload { bytes: vec![7; size].into() }
}
