//! Numbers as text for Prometheus, read by the letter of its format 0.0.4: what the format does not
//! allow ends the test. Knows no metric.

use crate::counts::metrics;
use crate::node::Node;
use std::collections::{BTreeMap, BTreeSet};

/// Samples by name and labels, as they stand.
type Samples = BTreeMap<String, f64>;

/// The samples of a node.
pub(super) fn numbers(node: &Node) -> BTreeMap<String, f64> {
    parse(&text(node)).0
}

/// The metrics of a node, with their kinds.
pub(super) fn kinds(node: &Node) -> BTreeMap<String, String> {
    parse(&text(node)).1
}

fn text(node: &Node) -> String {
    let answer = metrics(node, &node.key).text;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

/// What a kind of metric may have behind its name.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" | "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum"],
        other => panic!("a kind of metric that we do not use: {other}"),
    }
}

/// Reads the whole text.
fn parse(text: &str) -> (Samples, BTreeMap<String, String>) {
    let body = text.strip_suffix('\n').expect("it ends with a line's end");
    let (mut samples, mut kinds) = (Samples::new(), BTreeMap::<String, String>::new());
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').expect(line);
            let (name, value) = rest.split_once(' ').expect(line);
            if name != family {
                assert!(!kinds.contains_key(name), "{name} comes twice: {line}");
                family = name.to_owned();
            }
            match word {
                "TYPE" => assert_eq!(kinds.insert(family.clone(), value.to_owned()), None),
                "HELP" => assert!(helped.insert(family.clone()) && !value.is_empty(), "{line}"),
                _ => panic!("no comment of the format: {line}"),
            }
            continue;
        }
        let (name, value) = sample(line);
        let kind = kinds.get(&family).unwrap_or_else(|| panic!("no kind: {line}"));
        let suffix = name.split('{').next().unwrap().strip_prefix(&family);
        let fits = suffix.is_some_and(|suffix| suffixes(kind).contains(&suffix));
        assert!(fits, "not in its family {family}, a {kind}: {line}");
        let counts = family.ends_with("_total");
        assert!((kind == "counter") == counts && (!counts || value >= 0.0), "{line}");
        let name = name.strip_suffix("{}").unwrap_or(&name).to_owned();
        assert_eq!(samples.insert(name, value), None, "twice: {line}");
    }
    assert!(kinds.keys().eq(helped.iter()), "each has kind and help");
    check_histograms(&samples, &kinds);
    (samples, kinds)
}

/// `name{label="value",…} number`, nothing else.
fn sample(line: &str) -> (String, f64) {
    let (name, value) = line.rsplit_once(' ').expect(line);
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let is_word = |word: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        word.chars().all(fine) && word.starts_with(|c: char| !c.is_ascii_digit())
    };
    let Some((bare, labels)) = name.split_once('{') else {
        assert!(is_word(name), "{line}");
        return (name.to_owned(), value);
    };
    assert!(is_word(bare), "{line}");
    let mut rest = labels.strip_suffix('}').expect(line);
    let mut seen = BTreeSet::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect(line);
        assert!(is_word(label) && seen.insert(label), "{line}");
        rest = after_value(after).unwrap_or_else(|| panic!("a value without end: {line}"));
    }
    (name.to_owned(), value)
}

/// What stands behind a label's value and its comma.
fn after_value(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                assert!(matches!(c, '\\' | '"' | 'n'), "\\{c} in {text}");
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => {
                let rest = &text[at + 1..];
                return if rest.is_empty() { Some(rest) } else { rest.strip_prefix(',') };
            }
            _ => {}
        }
    }
    None
}

/// Buckets never shrink, and the last one has what `_count` says.
fn check_histograms(samples: &Samples, kinds: &BTreeMap<String, String>) {
    for family in kinds.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
        let mut buckets = BTreeMap::<String, Vec<(f64, f64)>>::new();
        let prefix = format!("{family}_bucket{{");
        for (name, value) in samples.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let labels = name[prefix.len()..].trim_end_matches('}').split(',');
            let (bounds, others): (Vec<_>, Vec<_>) = labels.partition(|l| l.starts_with("le=\""));
            let [bound] = bounds[..] else { panic!("one bound: {name}") };
            let bound = bound[4..].trim_end_matches('"').replace("+Inf", "inf").parse().unwrap();
            buckets.entry(others.join(",")).or_default().push((bound, *value));
        }
        for (labels, mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{family} {labels}: {buckets:?}");
            let last = buckets.last().unwrap();
            let braced = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            assert_eq!(
                (last.0, Some(&last.1)),
                (f64::INFINITY, samples.get(&format!("{family}_count{braced}")))
            );
        }
    }
}

#[test]
fn what_is_not_of_the_format_is_found() {
    const GOOD: &str = "# TYPE a_total counter\n# HELP a_total Of a.\n\
                        a_total{l=\"x,\\\"\",m=\"\"} 1\n\
                        # TYPE h histogram\n# HELP h Of h.\nh_bucket{le=\"0.5\"} 1\n\
                        h_bucket{le=\"+Inf\"} 2\nh_sum 1.5\nh_count 2\n";
    let (samples, kinds) = parse(GOOD);
    assert_eq!((samples.len(), kinds.len(), samples["h_count"]), (5, 2, 2.0));
    for (part, instead) in [
        ("h_count 2\n", "h_count 2"),
        ("\na_total{", "\na{"),
        ("\na_total{", "\nb_total{"),
        ("a_total counter", "a_total gauge"),
        (" 1\n# TYPE h", " one\n# TYPE h"),
        ("\\\"\",m", "\\x\",m"),
        ("m=\"\"", "l=\"\""),
        ("# HELP a_total Of a.\n", ""),
        ("# TYPE h histogram\n", ""),
        ("h_bucket{le=\"0.5\"} 1", "h_bucket{le=\"0.5\"} 3"),
        ("h_count 2", "h_count 3"),
        ("h_sum 1.5\n", "h_sum 1.5\nh_sum 1.5\n"),
        ("h_sum 1.5\n", "h_sum 1.5\n# EOF\n"),
    ] {
        let bad = GOOD.replacen(part, instead, 1);
        assert_ne!(bad, GOOD, "{part}");
        let read = std::panic::catch_unwind(|| parse(&bad));
        assert!(read.is_err(), "{bad}");
    }
}
