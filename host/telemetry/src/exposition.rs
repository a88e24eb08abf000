//! Numbers as the text that Prometheus and its tools read (0.0.4). Knows no number's meaning.

use aether_types::latencies::Latencies;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::fmt;

/// Numbers of one kind, one for each set of labels.
#[derive(Debug, Clone)]
pub struct Family {
    /// Without the ending of its kind, such as `_total`.
    pub name: &'static str,
    pub help: &'static str,
    pub samples: Samples,
}

/// Names and values of what a number is of.
pub type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Clone)]
pub enum Samples {
    /// Only grow.
    Counters(Vec<(Labels, f64)>),
    Gauges(Vec<(Labels, f64)>),
    /// Times, in seconds.
    Times(Vec<(Labels, Times)>),
}

/// How long something took, each time.
#[derive(Debug, Clone)]
pub struct Times {
    pub latencies: Latencies,
    pub nanos: u64,
}

/// Ends of the histograms' buckets: powers of two from 16 µs to 34 s, where our finer ones end too.
const BUCKETS_MICROS: std::ops::RangeInclusive<u32> = 4..=25;

/// The text of all families.
pub fn exposition(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("strings take everything");
    classic(&text)
}

/// From OpenMetrics, which the library writes: there, a counter's name has no `_total` in its own
/// lines, and the text an end. `promtool` reads the older format only; Prometheus reads both.
fn classic(text: &str) -> String {
    let counters = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let counters: BTreeSet<&str> =
        counters.filter_map(|line| line.strip_suffix(" counter")).collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                classic.extend(["# ", what, " ", name, "_total ", rest, "\n"]);
            }
            _ => classic.extend([line, "\n"]),
        }
    }
    classic
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, samples } in &self.0 {
            let kind = match samples {
                Samples::Counters(_) => MetricType::Counter,
                Samples::Gauges(_) => MetricType::Gauge,
                Samples::Times(_) => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            match samples {
                Samples::Counters(counters) => {
                    for (labels, n) in counters {
                        let mut metric = family.encode_family(labels)?;
                        metric.encode_counter::<NoLabelSet, _, f64>(n, None)?;
                    }
                }
                Samples::Gauges(gauges) => {
                    for (labels, n) in gauges {
                        family.encode_family(labels)?.encode_gauge(n)?;
                    }
                }
                Samples::Times(times) => {
                    for (labels, times) in times {
                        let (sum, count) = (times.nanos as f64 / 1e9, times.latencies.count());
                        let mut metric = family.encode_family(labels)?;
                        metric.encode_histogram::<NoLabelSet>(sum, count, &buckets(times), None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The end of each bucket in seconds, and what is in it alone.
pub(crate) fn buckets(times: &Times) -> Vec<(f64, u64)> {
    let mut before = 0;
    let mut alone = |below: u64| below - std::mem::replace(&mut before, below);
    let mut buckets: Vec<_> = BUCKETS_MICROS
        .map(|power| {
            let micros = 1u64 << power;
            (micros as f64 / 1e6, alone(times.latencies.below(micros)))
        })
        .collect();
    buckets.push((f64::INFINITY, alone(times.latencies.count())));
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(slice: &str) -> Labels {
        vec![("app", "shop".to_owned()), ("slice", slice.to_owned())]
    }

    fn families() -> Vec<Family> {
        let mut latencies = Latencies::default();
        [3, 15, 17, 5_000, u64::MAX].into_iter().for_each(|micros| latencies.record(micros));
        let times = Times { latencies, nanos: 5_000_000_000 };
        let counters = vec![(labels("t:a:1.0.0"), 7.0), (labels("say \"\\hello\"\n"), 0.0)];
        vec![
            Family {
                name: "aether_calls",
                help: "Calls that ended",
                samples: Samples::Counters(counters),
            },
            Family {
                name: "aether_memory_bytes",
                help: "Memory",
                samples: Samples::Gauges(vec![(Labels::new(), 1.5)]),
            },
            Family {
                name: "aether_call_seconds",
                help: "Times",
                samples: Samples::Times(vec![(labels("t:a:1.0.0"), times)]),
            },
        ]
    }

    #[test]
    fn the_text_is_what_the_standard_says() {
        let text = exposition(families());
        let shown: Vec<&str> = text.lines().filter(|line| !line.contains("le=")).collect();
        expect_test::expect![[r##"
            # HELP aether_calls_total Calls that ended
            # TYPE aether_calls_total counter
            aether_calls_total{app="shop",slice="t:a:1.0.0"} 7.0
            aether_calls_total{app="shop",slice="say \"\\hello\"\n"} 0.0
            # HELP aether_memory_bytes Memory
            # TYPE aether_memory_bytes gauge
            aether_memory_bytes{} 1.5
            # HELP aether_call_seconds Times
            # TYPE aether_call_seconds histogram
            aether_call_seconds_sum{app="shop",slice="t:a:1.0.0"} 5.0
            aether_call_seconds_count{app="shop",slice="t:a:1.0.0"} 5"##]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn times_are_in_the_buckets_that_they_are_shorter_than() {
        let text = exposition(families());
        let of = |le: &str| {
            let found = text.lines().find(|l| l.contains(&format!("le=\"{le}\""))).unwrap();
            found.rsplit(' ').next().unwrap().to_owned()
        };
        let found = ["0.000016", "0.000032", "0.004096", "0.008192", "33.554432", "+Inf"].map(of);
        assert_eq!(found, ["2", "3", "3", "4", "4", "5"]);
    }
}
