//! Spans and numbers as the messages that an OpenTelemetry collector takes (OTLP 1, protobuf).
//! Knows no network and no clock.

use crate::exposition::{Family, Samples, Times, buckets};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// A call as a trace shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCall {
    pub trace: u128,
    pub id: u64,
    /// 0: the trace begins here.
    pub parent: u64,
    pub name: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    /// Whether the caller is outside of the node's slices.
    pub is_from_outside: bool,
    /// Why it failed, if it did.
    pub failure: Option<&'static str>,
    pub attributes: Vec<(&'static str, String)>,
}

/// Who says it: the same for all that a node exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub node: String,
    pub version: &'static str,
}

/// The body of `POST /v1/traces`.
pub fn traces(origin: &Origin, calls: Vec<TracedCall>) -> Vec<u8> {
    let spans = calls.into_iter().map(span).collect();
    let scope_spans = ScopeSpans { scope: scope(origin), spans, ..ScopeSpans::default() };
    let resource_spans = ResourceSpans {
        resource: resource(origin),
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// The body of `POST /v1/metrics`: numbers since `start`, as they are at `now`; nanoseconds since
/// 1970.
pub fn metrics(origin: &Origin, families: Vec<Family>, (start, now): (u64, u64)) -> Vec<u8> {
    let metrics = families.into_iter().map(|family| metric(family, start, now)).collect();
    let scope_metrics = ScopeMetrics { scope: scope(origin), metrics, ..ScopeMetrics::default() };
    let resource_metrics = ResourceMetrics {
        resource: resource(origin),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }.encode_to_vec()
}

fn resource(origin: &Origin) -> Option<Resource> {
    let attributes = vec![
        text("service.name", "aether".to_owned()),
        text("service.version", origin.version.to_owned()),
        text("service.instance.id", origin.node.clone()),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope(origin: &Origin) -> Option<InstrumentationScope> {
    let (name, version) = ("aether".to_owned(), origin.version.to_owned());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
}

fn text(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn span(call: TracedCall) -> Span {
    let parent = if call.parent == 0 { Vec::new() } else { call.parent.to_be_bytes().into() };
    let kind = if call.is_from_outside { SpanKind::Server } else { SpanKind::Internal };
    let status =
        call.failure.map(|why| Status { message: why.to_owned(), code: StatusCode::Error as i32 });
    Span {
        trace_id: call.trace.to_be_bytes().into(),
        span_id: call.id.to_be_bytes().into(),
        parent_span_id: parent,
        name: call.name,
        kind: kind as i32,
        start_time_unix_nano: call.start,
        end_time_unix_nano: call.end,
        attributes: call.attributes.into_iter().map(|(key, value)| text(key, value)).collect(),
        status,
        ..Span::default()
    }
}

fn metric(family: Family, start: u64, now: u64) -> Metric {
    let numbers = |numbers: Vec<(crate::Labels, f64)>, start: u64| -> Vec<NumberDataPoint> {
        let point = |(labels, n): (crate::Labels, f64)| NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: start,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(n)),
            ..NumberDataPoint::default()
        };
        numbers.into_iter().map(point).collect()
    };
    let aggregation_temporality = AggregationTemporality::Cumulative as i32;
    let data = match family.samples {
        Samples::Gauges(gauges) => metric::Data::Gauge(Gauge { data_points: numbers(gauges, 0) }),
        Samples::Counters(counters) => metric::Data::Sum(Sum {
            data_points: numbers(counters, start),
            aggregation_temporality,
            is_monotonic: true,
        }),
        Samples::Times(times) => metric::Data::Histogram(Histogram {
            data_points: times.into_iter().map(|times| histogram(times, start, now)).collect(),
            aggregation_temporality,
        }),
    };
    let unit = match family.name {
        name if name.ends_with("_seconds") => "s",
        name if name.ends_with("_bytes") => "By",
        _ => "1",
    };
    Metric {
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn histogram((labels, times): (crate::Labels, Times), start: u64, now: u64) -> HistogramDataPoint {
    let (mut bounds, counts): (Vec<f64>, Vec<u64>) = buckets(&times).into_iter().unzip();
    // The last bucket has no end.
    bounds.pop();
    HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: times.latencies.count(),
        sum: Some(times.nanos as f64 / 1e9),
        bucket_counts: counts,
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: crate::Labels) -> Vec<KeyValue> {
    labels.into_iter().map(|(key, value)| text(key, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::latencies::Latencies;

    fn origin() -> Origin {
        Origin { node: "n1".to_owned(), version: "0.1.0" }
    }

    #[test]
    fn counters_are_cumulative_and_histograms_have_one_bucket_more_than_bounds() {
        let labels = || vec![("app", "shop".to_owned())];
        let mut latencies = Latencies::default();
        [3, 17, u64::MAX].into_iter().for_each(|micros| latencies.record(micros));
        let times = Times { latencies, nanos: 2_000_000_000 };
        let family = |name, samples| Family { name, help: "Helps", samples };
        let families = vec![
            family("aether_calls", Samples::Counters(vec![(labels(), 7.0)])),
            family("aether_node_resident_bytes", Samples::Gauges(vec![(Vec::new(), 1.5)])),
            family("aether_call_seconds", Samples::Times(vec![(labels(), times)])),
        ];
        let body = metrics(&origin(), families, (5, 9));
        let read = ExportMetricsServiceRequest::decode(&*body).unwrap();
        let found = &read.resource_metrics[0].scope_metrics[0].metrics;
        let units: Vec<_> = found.iter().map(|m| (m.name.as_str(), m.unit.as_str())).collect();
        let expected = [
            ("aether_calls", "1"),
            ("aether_node_resident_bytes", "By"),
            ("aether_call_seconds", "s"),
        ];
        assert_eq!(units, expected);
        let Some(metric::Data::Sum(sum)) = &found[0].data else { panic!("{found:?}") };
        let point = &sum.data_points[0];
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 9));
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(7.0)));
        let Some(metric::Data::Histogram(times)) = &found[2].data else { panic!("{found:?}") };
        let point = &times.data_points[0];
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), 3);
        assert_eq!((point.bucket_counts[0], point.bucket_counts[1], point.count), (1, 1, 3));
        assert_eq!(point.sum, Some(2.0));
    }

    #[test]
    fn spans_name_their_trace_and_their_parent() {
        let call = TracedCall {
            trace: 0x0102,
            id: 3,
            parent: 0,
            name: "t:a/b#f".to_owned(),
            start: 10,
            end: 20,
            is_from_outside: true,
            failure: Some("callee-failed"),
            attributes: vec![("aether.app", "shop".to_owned())],
        };
        let below = TracedCall { id: 4, parent: 3, failure: None, ..call.clone() };
        let body = traces(&origin(), vec![call, below]);
        let read = ExportTraceServiceRequest::decode(&*body).unwrap();
        let resource = read.resource_spans[0].resource.as_ref().unwrap();
        let names: Vec<_> = resource.attributes.iter().map(|a| a.key.as_str()).collect();
        assert_eq!(names, ["service.name", "service.version", "service.instance.id"]);
        let [first, second] = &read.resource_spans[0].scope_spans[0].spans[..] else { panic!() };
        assert_eq!((first.trace_id.len(), first.trace_id[14], first.trace_id[15]), (16, 1, 2));
        assert!(first.parent_span_id.is_empty());
        assert_eq!(second.parent_span_id, first.span_id);
        assert_eq!(first.status.as_ref().unwrap().code, 2);
        assert_eq!(second.status, None);
    }
}
