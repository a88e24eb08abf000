//! Traces and metrics as a collector gets them: one tree of spans over nodes, and nothing lost but
//! spans when it is gone.

use crate::apps::{slice, write};
use crate::counts::{metric, top};
use crate::http;
use crate::node::wait;
use aether_forge::http::Request;
use aether_forge::{Node, Sandbox, Settings};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// What a collector was told.
#[derive(Default)]
struct Told {
    /// With the node that said it.
    spans: Mutex<Vec<(String, Span)>>,
    /// Node and name.
    metrics: Mutex<BTreeSet<(String, String)>>,
    /// It refuses everything.
    down: AtomicBool,
}

/// Takes what nodes send until the test ends.
fn collector() -> (SocketAddr, Arc<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, told) = (listener.local_addr().unwrap(), Arc::new(Told::default()));
    let all = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told = Arc::clone(&all);
            std::thread::spawn(move || while told.take(&stream).is_some() {});
        }
    });
    (address, told)
}

impl Told {
    /// One request of a connection.
    fn take(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
                Some(("content-type", kind)) => assert_eq!(kind, "application/x-protobuf"),
                None => path = line.split(' ').nth(1).unwrap().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = match self.down.load(Relaxed) {
            true => "503 Service Unavailable",
            false => {
                self.keep(&path, &body);
                "200 OK"
            }
        };
        let mut writer = stream;
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok()
    }

    fn keep(&self, path: &str, body: &[u8]) {
        match path {
            "/v1/traces" => {
                for from in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                    let node = value(&from.resource.unwrap().attributes, "service.instance.id");
                    let spans = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
                    let spans = spans.map(|span| (node.clone(), span));
                    self.spans.lock().unwrap().extend(spans);
                }
            }
            "/v1/metrics" => {
                for from in ExportMetricsServiceRequest::decode(body).unwrap().resource_metrics {
                    let node = value(&from.resource.unwrap().attributes, "service.instance.id");
                    let metrics = from.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                    let names = metrics.map(|metric| (node.clone(), metric.name));
                    self.metrics.lock().unwrap().extend(names);
                }
            }
            other => panic!("nobody asked for {other}"),
        }
    }

    fn of(&self, trace: u128) -> Vec<(String, Span)> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|(_, span)| span.trace_id == trace.to_be_bytes()).cloned().collect()
    }
}

fn value(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// A request of a client that traces.
fn ask(node: &Node, trace: u128, parent: u64, flags: u8) {
    let head = "GET /top HTTP/1.1\r\nhost: test\r\nconnection: close\r\n";
    let traced = format!("traceparent: 00-{trace:032x}-{parent:016x}-{flags:02x}\r\n");
    let request = format!("{head}{traced}x-request-id: r-{trace}\r\n\r\n");
    assert_eq!(http::raw(node.http, request.as_bytes()).unwrap().status, 200);
}

#[test]
fn a_collector_gets_one_tree_of_spans_over_nodes_and_its_loss_harms_nothing() {
    let (address, told) = collector();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("node.toml");
    std::fs::write(&config, format!("[telemetry]\notlp = \"http://{address}\"\n")).unwrap();
    let program = env!("CARGO_BIN_EXE_aether").into();
    let arguments = vec!["--config".to_owned(), config.display().to_string()];
    let settings = Settings { program, folder: None, arguments };
    let nodes = Sandbox::new(settings).unwrap().cluster(3).unwrap();
    let folder = nodes[0].home.join("pair");
    std::fs::create_dir_all(&folder).unwrap();
    write(&folder, "pair", &[slice("bottom", &[]), top()], "");
    nodes[0].order(&["deploy", folder.to_str().unwrap()]).unwrap();
    wait("all serve", || {
        nodes.iter().all(|node| http::get(node.http, "/top").is_ok_and(|a| a.status == 200))
    });

    for (turn, node) in nodes.iter().enumerate() {
        let (unseen, trace) = (100 + turn as u128, 200 + turn as u128);
        ask(node, unseen, 7, 0);
        ask(node, trace, 7, 1);
        wait("both calls show in the trace", || told.of(trace).len() == 2);
        let spans = told.of(trace);
        let of = |slice: &str| {
            let is = |(_, span): &&(String, Span)| value(&span.attributes, "aether.slice") == slice;
            spans.iter().find(is).unwrap()
        };
        let ((above, top), (below, bottom)) = (of("t:top:1.0.0"), of("t:bottom:1.0.0"));
        assert_eq!(top.parent_span_id, 7u64.to_be_bytes());
        assert_eq!(bottom.parent_span_id, top.span_id);
        assert_ne!(above, below, "the call goes over a link");
        assert_eq!((top.name.as_str(), top.kind), ("t:top/api@1.0.0#f", 2));
        assert_eq!(value(&bottom.attributes, "aether.caller"), "t:top:1.0.0");
        assert_eq!(value(&bottom.attributes, "aether.request_id"), format!("r-{trace}"));
        assert_eq!(value(&top.attributes, "aether.ending"), "answered");
        let variant = [top, bottom].map(|span| value(&span.attributes, "aether.variant"));
        assert!(variant[0] == variant[1] && variant[0].parse::<u64>().is_ok(), "{variant:?}");
        let took = |span: &Span| span.end_time_unix_nano - span.start_time_unix_nano;
        assert!(took(top) > took(bottom) && took(bottom) > 0, "{top:?} {bottom:?}");
        // Spans of one node come in order, and this one's client had asked before.
        assert_eq!(told.of(unseen), []);
    }
    wait("all nodes tell their numbers", || {
        let metrics = told.metrics.lock().unwrap();
        let has = |node: &Node, name: &str| metrics.contains(&(node.id.clone(), name.to_owned()));
        let names = ["aether_calls", "aether_node_resident_bytes", "aether_raft_term"];
        nodes.iter().all(|node| names.iter().all(|name| has(node, name)))
    });

    told.down.store(true, Relaxed);
    let dropped = || -> f64 {
        let request = || Request { path: "/metrics", ..Request::default() };
        let texts = nodes.iter().map(|node| node.manage(&request()).unwrap().body);
        texts.map(|text| metric(&text, "aether_traces_dropped_total", &[])).sum()
    };
    assert_eq!(dropped(), 0.0);
    ask(&nodes[0], 300, 7, 1);
    wait("both spans are counted as lost", || dropped() == 2.0);
    told.down.store(false, Relaxed);
    ask(&nodes[0], 301, 7, 1);
    wait("it goes on", || told.of(301).len() == 2);
    assert_eq!((told.of(300).len(), dropped()), (0, 2.0));
}
