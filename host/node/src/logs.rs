//! Pages of this node's log, as the management API shows them. Pure.

use aether_api::{LogLevel, LogLine, LogPage, LogQuery, rfc3339};
use aether_telemetry::{Cursor, Line, Logs, Query};
use aether_types::NodeId;

/// Lines after the query's cursor, or the newest ones where it has none.
pub(crate) fn page(logs: &Logs, query: LogQuery, node: NodeId) -> LogPage {
    let level = query.level;
    let filter = Query {
        app: query.app,
        slice: query.slice,
        // What is no request id stands in no line.
        request_id: match query.request_id.map(|id| id.parse()) {
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => {
                return LogPage { lines: vec![], next: logs.end().0, lost: 0 };
            }
            None => None,
        },
        level: tracing_level(level),
        after: Cursor(query.after.unwrap_or(0)),
        limit: query.limit,
    };
    let page = match query.after {
        Some(_) => logs.query(&filter),
        None => logs.newest(&filter),
    };
    let lines = page.lines.iter().map(|line| log_line(line, node)).collect();
    LogPage { lines, next: page.next.0, lost: page.lost }
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
