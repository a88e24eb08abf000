//! Pages of the logs of all nodes, merged by time. What one node has is asked for over its link;
//! nothing is kept of it here.

use crate::network::{Kind, Network};
use aether_api::{LogCursor, LogLevel, LogLine, LogPage, LogPlace, LogQuery, LogSilence, rfc3339};
use aether_telemetry::{Cursor, Line, Logs, Query};
use aether_transport::{Request, Response};
use aether_types::versioned::{Versioned, decode, encode};
use aether_types::{AppName, NodeId};
use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long another node has for its lines. One that is slower is named as silent.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Bytes of lines in one answer, about: a quarter of the longest frame.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// This node's log, and those of the others.
#[derive(Clone)]
pub(crate) struct AllLogs {
    pub(crate) node: NodeId,
    /// Tells this process from earlier ones: places in their logs mean nothing in this one's.
    pub(crate) run: u32,
    pub(crate) own: Logs,
    pub(crate) network: Network,
}

/// What a node asks another one.
#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    app: Option<AppName>,
    slice: Option<String>,
    request_id: Option<String>,
    level: LogLevel,
    /// None: the newest lines.
    after: Option<LogPlace>,
    limit: u32,
}

/// What one node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    lines: Vec<LogLine>,
    next: LogPlace,
    lost: u64,
}

impl Versioned for Ask {
    const FORMAT: u8 = 1;
}

impl Versioned for Part {
    const FORMAT: u8 = 1;
}

impl AllLogs {
    /// Lines of these nodes after the query's cursor, or the newest ones where it has none.
    pub(crate) async fn page(&self, query: LogQuery, nodes: &[NodeId]) -> LogPage {
        let parts = nodes.iter().map(|node| self.part(*node, &query));
        let parts = join_all(parts).await;
        merge(nodes.iter().copied().zip(parts).collect(), &query)
    }

    /// Another node asks for what is here.
    pub(crate) fn answer(&self, request: &Request) -> BoxFuture<'static, Response> {
        let part = decode::<Ask>(&request.body).map(|ask| self.own_part(ask));
        let response = match part {
            Ok(part) => Response { status: 0, body: encode(&part).into() },
            Err(error) => Response { status: 1, body: error.to_string().into() },
        };
        Box::pin(std::future::ready(response))
    }

    async fn part(&self, node: NodeId, query: &LogQuery) -> Result<Part, String> {
        let LogQuery { app, slice, request_id, level, limit, .. } = query.clone();
        let after = query.after.as_ref().and_then(|after| after.0.get(&node)).copied();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let ask = Ask { app, slice, request_id, level, after, limit };
        if node == self.node {
            return Ok(self.own_part(ask));
        }
        let (kind, deadline) = (Kind::Logs as u32, Instant::now() + ANSWER_TIME);
        let request = Request { kind, deadline, body: encode(&ask).into() };
        self.network.ask(node, request).await
    }

    fn own_part(&self, ask: Ask) -> Part {
        let place = |at: Cursor| LogPlace { run: self.run, at: at.0 };
        let request_id = ask.request_id.as_ref().map(|id| id.parse());
        let Ok(request_id) = request_id.transpose() else {
            // What is no request id stands in no line.
            return Part { lines: vec![], next: place(self.own.end()), lost: 0 };
        };
        let after = ask.after.filter(|after| after.run == self.run);
        let filter = Query {
            app: ask.app,
            slice: ask.slice,
            request_id,
            level: tracing_level(ask.level),
            after: Cursor(after.map_or(0, |after| after.at)),
            limit: ask.limit as usize,
        };
        // What an earlier process has said is gone: all that this one has comes next.
        let page = match ask.after {
            Some(_) => self.own.query(&filter),
            None => self.own.newest(&filter),
        };
        let lines: Vec<LogLine> = page.lines.iter().map(|line| log_line(line, self.node)).collect();
        bounded(Part { lines, next: place(page.next), lost: page.lost }, ask.after.is_some())
    }
}

/// Leaves out what does not fit into an answer: what comes last if the reader goes on from there,
/// else what is oldest. One line always fits.
fn bounded(part: Part, goes_on: bool) -> Part {
    let Part { mut lines, mut next, lost } = part;
    let mut left = ANSWER_BYTES_MAX;
    let mut fits = |line: &LogLine| {
        let fields = line.fields.iter().map(|(key, value)| key.len() + value.len());
        let weight = line.message.len() + line.target.len() + fields.sum::<usize>() + 128;
        let fits = weight <= left;
        left = left.saturating_sub(weight);
        fits
    };
    if goes_on {
        let count = lines.iter().take_while(|line| fits(line)).count().max(1);
        if count < lines.len() {
            lines.truncate(count);
            next.at = lines[count - 1].seq;
        }
    } else {
        let count = lines.iter().rev().take_while(|line| fits(line)).count().max(1);
        lines.drain(..lines.len().saturating_sub(count));
    }
    Part { lines, next, lost }
}

/// One page of what all said: in the order of time, and of each node in its own.
fn merge(parts: Vec<(NodeId, Result<Part, String>)>, query: &LogQuery) -> LogPage {
    let mut next = query.after.clone().unwrap_or_default();
    let (mut silent, mut lost) = (Vec::new(), 0);
    let mut heard = Vec::new();
    for (node, part) in parts {
        match part {
            Ok(part) => {
                lost += part.lost;
                next.0.insert(node, part.next);
                heard.push((node, part.next.run, part.lines.into_iter().peekable()));
            }
            Err(reason) => silent.push(LogSilence { node: node.to_string(), reason }),
        }
    }
    let mut lines = Vec::new();
    loop {
        let times = heard.iter_mut().enumerate();
        let times = times.filter_map(|(i, (.., lines))| Some((lines.peek()?.time.clone(), i)));
        let Some((_, first)) = times.min() else { break };
        lines.extend(heard[first].2.next());
    }
    match &query.after {
        // The newest ones of all; each node's place is behind its last.
        None => drop(lines.drain(..lines.len().saturating_sub(query.limit))),
        // The next ones of all: where some are left for later, the place is before them.
        Some(_) if lines.len() > query.limit => {
            let runs: BTreeMap<String, (NodeId, u32)> =
                heard.iter().map(|(node, run, _)| (node.to_string(), (*node, *run))).collect();
            for line in lines.drain(query.limit..).rev() {
                if let Some((node, run)) = runs.get(&line.node) {
                    next.0.insert(*node, LogPlace { run: *run, at: line.seq - 1 });
                }
            }
        }
        Some(_) => {}
    }
    LogPage { lines, next: LogCursor(next.0), lost, silent }
}

fn log_line(line: &Line, node: NodeId) -> LogLine {
    LogLine {
        seq: line.sequence,
        time: rfc3339(line.time_unix_ms),
        level: log_level(line.level),
        node: node.to_string(),
        message: line.message.clone(),
        target: line.target.to_owned(),
        app: line.app.clone(),
        slice: line.slice.clone(),
        request_id: line.request_id.clone(),
        fields: line.fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
    }
}

fn tracing_level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Trace => tracing::Level::TRACE,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Error => tracing::Level::ERROR,
    }
}

fn log_level(level: tracing::Level) -> LogLevel {
    match level {
        tracing::Level::TRACE => LogLevel::Trace,
        tracing::Level::DEBUG => LogLevel::Debug,
        tracing::Level::INFO => LogLevel::Info,
        tracing::Level::WARN => LogLevel::Warn,
        tracing::Level::ERROR => LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_api::LogSource;

    fn line(node: u64, seq: u64, second: u64) -> LogLine {
        LogLine {
            seq,
            time: rfc3339(second * 1_000),
            level: LogLevel::Info,
            node: NodeId(node).to_string(),
            message: format!("{node}.{seq}"),
            target: String::new(),
            app: None,
            slice: None,
            request_id: None,
            fields: BTreeMap::new(),
        }
    }

    /// Lines of a node at these seconds, numbered from `first`.
    fn part(node: u64, first: u64, seconds: &[u64]) -> (NodeId, Result<Part, String>) {
        let lines: Vec<_> = (first..).zip(seconds).map(|(seq, at)| line(node, seq, *at)).collect();
        let at = first + lines.len() as u64 - 1;
        (NodeId(node), Ok(Part { lines, next: LogPlace { run: 7, at }, lost: 0 }))
    }

    fn query(after: Option<&str>, limit: usize) -> LogQuery {
        let after = after.map(|text| text.parse().unwrap());
        let level = LogLevel::Info;
        let source = LogSource::Cluster;
        LogQuery { app: None, slice: None, request_id: None, level, after, limit, source }
    }

    fn shown(page: &LogPage) -> String {
        page.lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn places(page: &LogPage) -> String {
        let places = page.next.0.iter().map(|(node, place)| format!("{}@{}", node.0, place.at));
        places.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_of_all_nodes_come_in_the_order_of_time() {
        let parts = || vec![part(1, 5, &[10, 13, 12]), part(2, 1, &[11, 14])];
        let page = merge(parts(), &query(None, 100));
        // The clock of node 1 went back: its own order stays.
        assert_eq!((shown(&page), places(&page)), ("1.5 2.1 1.6 1.7 2.2".into(), "1@7 2@2".into()));
        let page = merge(parts(), &query(None, 2));
        assert_eq!((shown(&page), places(&page)), ("1.7 2.2".into(), "1@7 2@2".into()));
    }

    #[test]
    fn what_does_not_fit_comes_with_the_next_page() {
        let id = |node: u64| NodeId(node).to_string();
        let after = format!("{}-00000007-4,{}-00000007-0", id(1), id(2));
        let parts = vec![part(1, 5, &[10, 13, 15]), part(2, 1, &[11, 14])];
        let page = merge(parts, &query(Some(&after), 3));
        assert_eq!((shown(&page), places(&page)), ("1.5 2.1 1.6".into(), "1@6 2@1".into()));
        let text = page.next.to_string();
        assert_eq!(text.parse::<LogCursor>().unwrap(), page.next);
    }

    #[test]
    fn who_does_not_answer_is_named_and_keeps_its_place() {
        let after = format!("{}-00000007-4", NodeId(3));
        let parts = vec![part(1, 1, &[1]), (NodeId(3), Err("no link".into()))];
        let page = merge(parts, &query(Some(&after), 3));
        assert_eq!((shown(&page), places(&page)), ("1.1".into(), "1@1 3@4".into()));
        assert_eq!(page.silent[0].reason, "no link");
    }

    #[test]
    fn an_answer_is_bounded_at_the_right_end() {
        let long = |seq| LogLine { message: "x".repeat(ANSWER_BYTES_MAX / 2), ..line(1, seq, seq) };
        let part = || {
            let lines = (1..=4).map(long).collect();
            Part { lines, next: LogPlace { run: 7, at: 4 }, lost: 0 }
        };
        let seqs = |part: &Part| part.lines.iter().map(|line| line.seq).collect::<Vec<_>>();
        let (on, newest) = (bounded(part(), true), bounded(part(), false));
        assert_eq!((seqs(&on), on.next.at), (vec![1], 1));
        assert_eq!((seqs(&newest), newest.next.at), (vec![4], 4));
    }
}
