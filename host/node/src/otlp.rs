//! Sends spans and numbers to a collector, where one is configured. One that is slow or down costs
//! spans, which are counted, and nothing else.

use crate::management::Office;
use aether_engine::{CallSpan, Traces};
use aether_telemetry::otlp::{self, Origin, TracedCall};
use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often a collector gets the numbers.
const METRICS_EVERY: Duration = Duration::from_secs(10);

/// Spans of one message, about 200 KiB; it goes when it is full or this time is over.
const BATCH_MAX: usize = 512;
const BATCH_TIME: Duration = Duration::from_secs(1);

/// How long a collector has to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long the last spans of a node that ends have.
const LAST_TIME: Duration = Duration::from_secs(1);

/// What is sent where.
pub(crate) struct Exporter {
    /// `http://HOST:PORT`.
    collector: String,
    http: reqwest::Client,
    origin: Origin,
    office: Arc<Office>,
    traces: Arc<Traces>,
    spans: mpsc::Receiver<CallSpan>,
    /// Whether the collector took the last message; what changes is logged.
    takes: bool,
}

impl Exporter {
    /// None where the spans of this process go somewhere else already.
    pub(crate) fn new(collector: &str, office: Arc<Office>, traces: Arc<Traces>) -> Option<Self> {
        let spans = traces.collect()?;
        let http = reqwest::Client::builder().timeout(ANSWER_TIME).no_proxy().build();
        let http = http.expect("a client without TLS, proxy and resolver needs nothing");
        let node = office.identity.node.to_string();
        let origin = Origin { node, version: env!("CARGO_PKG_VERSION") };
        let collector = collector.trim_end_matches('/').to_owned();
        Some(Self { collector, http, origin, office, traces, spans, takes: true })
    }

    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Infallible> {
        let mut metrics = tokio::time::interval(METRICS_EVERY);
        let mut batches = tokio::time::interval(BATCH_TIME);
        metrics.set_missed_tick_behavior(MissedTickBehavior::Delay);
        batches.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = metrics.tick() => self.send_metrics().await,
                _ = batches.tick() => self.send_spans(&mut batch).await,
                Some(span) = self.spans.recv() => batch.push(span),
            }
            if batch.len() >= BATCH_MAX {
                self.send_spans(&mut batch).await;
            }
        }
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
        // What it does not take in this time is lost with the node.
        drop(tokio::time::timeout(LAST_TIME, self.send_spans(&mut batch)).await);
        Ok(())
    }

    async fn send_metrics(&mut self) {
        let now = crate::unix_ms();
        let uptime = u64::try_from(self.office.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let times = (nanos(now.saturating_sub(uptime)), nanos(now));
        let body = otlp::metrics(&self.origin, self.office.families(), times);
        self.send("metrics", body).await;
    }

    async fn send_spans(&mut self, batch: &mut Vec<CallSpan>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let calls = batch.drain(..).map(traced).collect();
        if !self.send("traces", otlp::traces(&self.origin, calls)).await {
            self.traces.drop_spans(count);
        }
    }

    /// Whether the collector took it.
    async fn send(&mut self, what: &str, body: Vec<u8>) -> bool {
        let url = format!("{}/v1/{what}", self.collector);
        let request = self.http.post(url).header("content-type", "application/x-protobuf");
        let sent = request.body(Bytes::from(body)).send().await;
        let answered = sent.and_then(reqwest::Response::error_for_status);
        let takes = answered.is_ok();
        if takes != self.takes {
            self.takes = takes;
            let collector = &self.collector;
            match answered {
                Ok(_) => tracing::info!(collector, "the collector takes traces and metrics again"),
                Err(error) => {
                    tracing::warn!(collector, what, %error, "the collector does not take anything");
                }
            }
        }
        takes
    }
}

fn nanos(millis: u64) -> u64 {
    millis.saturating_mul(1_000_000)
}

fn traced(span: CallSpan) -> TracedCall {
    let took = u64::try_from(span.took.as_nanos()).unwrap_or(u64::MAX);
    let ago = Instant::now().saturating_duration_since(span.started.into_std());
    let ago = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let start = now.saturating_sub(ago);
    let mut attributes = vec![
        ("aether.app", span.app.to_string()),
        ("aether.slice", span.slice.to_string()),
        ("aether.function", span.function.to_string()),
        ("aether.request_id", span.request_id.to_string()),
        ("aether.ending", span.ending.word().to_owned()),
        ("aether.attempt", span.attempt.to_string()),
    ];
    attributes.extend(span.variant.map(|variant| ("aether.variant", variant.to_string())));
    attributes.extend(span.principal.map(|principal| ("aether.principal", principal)));
    attributes.extend(span.caller.as_ref().map(|caller| ("aether.caller", caller.to_string())));
    TracedCall {
        trace: span.trace,
        id: span.id.get(),
        parent: span.parent.map_or(0, std::num::NonZeroU64::get),
        name: span.function.to_string(),
        start,
        end: start.saturating_add(took),
        is_from_outside: span.caller.is_none(),
        failure: span.ending.is_failure().then(|| span.ending.word()),
        attributes,
    }
}
