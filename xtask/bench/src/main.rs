//! Benches: Aether and its peers side by side in one run, through their programs. Links neither.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod aether;
mod client;
mod cold;
mod compare;
mod etcd;
mod failover;
mod forge;
mod grpc;
mod guests;
mod http_cluster;
mod http_hello;
mod join;
mod kv;
mod kv_put;
mod local_call;
mod order_app;
mod probe;
mod remote_call;
mod replicas;
mod report;
mod scale;
mod server;
mod tools;
mod typed_route;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Where tools, data and results go
    #[arg(long, global = true, default_value = "target/bench")]
    folder: PathBuf,
    /// How many rounds the benches of clusters take, instead of their own number
    #[arg(long, global = true)]
    rounds: Option<usize>,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// One wasi:http component on a node, on `wasmtime serve`, and none on bare hyper
    HttpHello,
    /// JSON in and out by a typed route, and by hand in a wasi:http component
    TypedRoute,
    /// Slice to slice on one node, and the same pair composed statically
    LocalCall,
    /// Requests that enter where the slice does not run, and nginx in front of bare hyper
    HttpCluster,
    /// Orders at a fixed rate through three nodes, and through one
    OrderApp,
    /// Slice to slice between two nodes, and a gRPC echo between two processes
    RemoteCall,
    /// The peer of `remote-call`
    #[command(hide = true)]
    GrpcEcho { address: SocketAddr },
    /// From `aether deploy` to the first good answer, without and with compiled code on disk
    Cold,
    /// Acknowledged writes to three nodes, and to three of etcd
    KvPut,
    /// From the loss of a leader to the next acknowledged write, here and in etcd
    Failover,
    /// Five nodes from nothing, a lost leader and a restart of all under load, through Forge
    Forge,
    /// From the start of a node that joins to its first answer, here and in etcd
    Join,
    /// Planning and reconciling 1,000 slices on 100 nodes, and the slope to 10,000
    Scale,
}

/// That of `aether`: clients take as little as they can of the processors that they share with what
/// they measure, and peers that are in this program allocate as we do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.folder)?;
    let folder: &Path = &arguments.folder.canonicalize().context("the folder just made")?;
    match arguments.bench {
        Bench::HttpHello => http_hello::run(folder),
        Bench::TypedRoute => typed_route::run(folder),
        Bench::LocalCall => local_call::run(folder),
        Bench::HttpCluster => http_cluster::run(folder),
        Bench::OrderApp => order_app::run(folder),
        Bench::RemoteCall => remote_call::run(folder),
        Bench::GrpcEcho { address } => grpc::serve(address, folder),
        Bench::Cold => cold::run(folder),
        Bench::KvPut => kv_put::run(folder, arguments.rounds),
        Bench::Failover => failover::run(folder, arguments.rounds),
        Bench::Forge => forge::run(folder, arguments.rounds),
        Bench::Join => join::run(folder, arguments.rounds),
        Bench::Scale => scale::run(folder),
    }
}
