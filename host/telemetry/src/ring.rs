//! The last lines of the log, bounded by bytes, and the search in them. Knows no tracing
//! subscriber.

use crate::line::Line;
use aether_types::{AppName, ByteSize, RequestId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tracing::Level;

/// Lines of one answer to a query.
pub const PAGE_LINES_MAX: usize = 1_000;
/// Lines looked at between two moments in which others can write.
const LOOK_LINES: usize = 1_024;

/// The kept lines of this process. Cheap to clone: all clones are the same log.
#[derive(Debug, Clone)]
pub struct Logs(Arc<Mutex<Ring>>);

#[derive(Debug)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    bytes_max: usize,
    /// Sequence of the line to come.
    next: u64,
}

/// How far a reader has come: the sequence of the last line that it has seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub u64);

/// Which lines are wanted; absent means all.
#[derive(Debug, Clone)]
pub struct Query {
    pub app: Option<AppName>,
    /// Coordinates of a slice, or the beginning of them: `shop:order` finds every version.
    pub slice: Option<String>,
    pub request_id: Option<RequestId>,
    /// The least severe level.
    pub level: Level,
    pub after: Cursor,
    /// At most this many and [`PAGE_LINES_MAX`].
    pub limit: usize,
}

/// Lines in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub lines: Vec<Arc<Line>>,
    /// Where to go on: everything up to here was looked at.
    pub next: Cursor,
    /// Lines after the query's cursor that were no longer kept, wanted or not.
    pub lost: u64,
}

impl Query {
    /// Everything from the oldest line on.
    pub fn all() -> Self {
        Self {
            app: None,
            slice: None,
            request_id: None,
            level: Level::TRACE,
            after: Cursor(0),
            limit: PAGE_LINES_MAX,
        }
    }

    fn wants(&self, line: &Line) -> bool {
        // tracing orders levels by verbosity: ERROR is the smallest.
        line.level <= self.level
            && self.app.as_ref().is_none_or(|app| line.app.as_deref() == Some(app.as_str()))
            && self.slice.as_ref().is_none_or(|slice| line.is_of(slice))
            && self
                .request_id
                .as_ref()
                .is_none_or(|id| line.request_id.as_deref() == Some(id.as_str()))
    }
}

impl Line {
    fn is_of(&self, slice: &str) -> bool {
        let rest = self.slice.as_deref().and_then(|full| full.strip_prefix(slice));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

impl Logs {
    /// Keeps as many of the newest lines as fit into `bytes_max`, always at least one.
    pub fn new(bytes_max: ByteSize) -> Self {
        let bytes_max = usize::try_from(bytes_max.bytes()).unwrap_or(usize::MAX);
        Self(Arc::new(Mutex::new(Ring { lines: VecDeque::new(), bytes: 0, bytes_max, next: 1 })))
    }

    pub(crate) fn push(&self, mut line: Line) {
        let bytes = line.bytes();
        let mut ring = self.0.lock();
        line.sequence = ring.next;
        ring.next += 1;
        ring.bytes += bytes;
        ring.lines.push_back(Arc::new(line));
        while ring.bytes > ring.bytes_max && ring.lines.len() > 1 {
            let oldest = ring.lines.pop_front().expect("more than one line is there");
            ring.bytes -= oldest.bytes();
        }
    }

    /// Where the log ends now: a query after it sees only what comes.
    pub fn end(&self) -> Cursor {
        Cursor(self.0.lock().next - 1)
    }

    pub fn query(&self, query: &Query) -> Page {
        let limit = query.limit.min(PAGE_LINES_MAX);
        let mut page = Page { lines: Vec::new(), next: query.after, lost: 0 };
        loop {
            let some = self.look(&mut page);
            if some.is_empty() {
                return page;
            }
            for line in some {
                if page.lines.len() == limit {
                    return page;
                }
                page.next = Cursor(line.sequence);
                if query.wants(&line) {
                    page.lines.push(line);
                }
            }
        }
    }

    /// The newest lines that are wanted, in their order; the query's cursor does not count.
    pub fn newest(&self, query: &Query) -> Page {
        let lines: Vec<Arc<Line>> = self.0.lock().lines.iter().cloned().collect();
        let next = lines.last().map_or(Cursor(0), |line| Cursor(line.sequence));
        let limit = query.limit.min(PAGE_LINES_MAX);
        let newest = lines.iter().rev().filter(|line| query.wants(line)).take(limit);
        let mut newest: Vec<_> = newest.cloned().collect();
        newest.reverse();
        Page { lines: newest, next, lost: 0 }
    }

    /// The next lines, wanted or not; counts those that are gone.
    fn look(&self, page: &mut Page) -> Vec<Arc<Line>> {
        let ring = self.0.lock();
        let oldest = ring.next - ring.lines.len() as u64;
        // A cursor of an earlier process may be ahead of us: then everything is new.
        let wanted = if page.next.0 < ring.next { page.next.0 + 1 } else { 1 };
        page.lost += oldest.saturating_sub(wanted);
        let skip = usize::try_from(wanted.saturating_sub(oldest)).unwrap_or(usize::MAX);
        ring.lines.iter().skip(skip).take(LOOK_LINES).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, slice: Option<&str>, level: Level) -> Line {
        Line {
            sequence: 0,
            time_unix_ms: 0,
            level,
            target: "test",
            app: slice.map(|_| "shop".to_owned()),
            slice: slice.map(str::to_owned),
            request_id: Some(format!("r-{message}")),
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    fn messages(page: &Page) -> Vec<&str> {
        page.lines.iter().map(|l| l.message.as_str()).collect()
    }

    fn logs() -> Logs {
        let logs = Logs::new(ByteSize::mib(1));
        logs.push(line("a", Some("shop:order:1.0.0"), Level::INFO));
        logs.push(line("b", Some("shop:orders:1.0.0"), Level::WARN));
        logs.push(line("c", None, Level::ERROR));
        logs.push(line("d", Some("shop:order:2.0.0"), Level::DEBUG));
        logs
    }

    #[test]
    fn the_newest_lines_are_the_last_ones_that_match() {
        let logs = logs();
        let page = logs.newest(&Query { limit: 2, level: Level::WARN, ..Query::all() });
        assert_eq!((messages(&page), page.next), (vec!["b", "c"], logs.end()));
        let page = logs.newest(&Query { limit: 1, ..Query::all() });
        assert_eq!(messages(&page), ["d"]);
    }

    #[test]
    fn a_query_finds_what_it_names() {
        let logs = logs();
        let find = |query: Query| messages(&logs.query(&query)).concat();
        let slice = |text: &str| Query { slice: Some(text.to_owned()), ..Query::all() };
        assert_eq!(find(Query::all()), "abcd");
        assert_eq!(find(slice("shop:order")), "ad");
        assert_eq!(find(slice("shop:order:2.0.0")), "d");
        assert_eq!(find(slice("shop:ord")), "");
        assert_eq!(find(Query { app: Some("shop".parse().unwrap()), ..Query::all() }), "abd");
        assert_eq!(find(Query { level: Level::WARN, ..Query::all() }), "bc");
        assert_eq!(find(Query { request_id: Some("r-c".parse().unwrap()), ..Query::all() }), "c");
    }

    #[test]
    fn a_cursor_goes_on_where_it_was() {
        let logs = logs();
        let first = logs.query(&Query { limit: 3, ..Query::all() });
        assert_eq!((messages(&first).concat(), first.next), ("abc".to_owned(), Cursor(3)));
        let second = logs.query(&Query { after: first.next, ..Query::all() });
        assert_eq!((messages(&second).concat(), second.next), ("d".to_owned(), Cursor(4)));
        let third = logs.query(&Query { after: second.next, ..Query::all() });
        assert_eq!((messages(&third).len(), third.next), (0, Cursor(4)));
        assert_eq!(logs.end(), Cursor(4));
        // What was looked at and not wanted is not looked at again.
        let errors = Query { level: Level::ERROR, ..Query::all() };
        assert_eq!(logs.query(&errors).next, Cursor(4));
    }

    #[test]
    fn a_cursor_of_an_earlier_process_starts_anew() {
        let page = logs().query(&Query { after: Cursor(99), ..Query::all() });
        assert_eq!((messages(&page).concat(), page.lost), ("abcd".to_owned(), 0));
    }

    #[test]
    fn old_lines_go_when_the_bytes_are_used_up_and_the_reader_learns_it() {
        let logs = Logs::new(ByteSize(10_000));
        for i in 0..5_000 {
            logs.push(line(&i.to_string(), None, Level::INFO));
        }
        let page = logs.query(&Query::all());
        assert!((20..40).contains(&page.lines.len()), "{}", page.lines.len());
        assert_eq!(page.lost + page.lines.len() as u64, 5_000);
        assert_eq!(page.lines.last().unwrap().message, "4999");
        // The newest is kept even where it does not fit.
        logs.push(line(&"x".repeat(20_000), None, Level::INFO));
        assert_eq!(logs.query(&Query::all()).lines.len(), 1);
    }
}
