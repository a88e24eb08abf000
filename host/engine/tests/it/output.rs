//! What a guest prints, as the node's log gets it.

use crate::support::{Node, Wanted, call_in, ctx};
use aether_engine::{OUTPUT_BYTES_PER_CALL_MAX, OUTPUT_LINE_BYTES_MAX, Origin};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the events of slices, one text each. There is one for all tests, because tracing remembers
/// for the whole process whether anybody wants an event.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    })
}

impl Log {
    /// What was logged for a request since the last time.
    pub(crate) fn take(&self, request: &str) -> Vec<String> {
        let is_of = format!("request_id={request} ");
        self.0.lock().unwrap().extract_if(.., |line| line.contains(&is_of)).collect()
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "slice"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn output_is_cut_into_lines_that_name_slice_and_request() {
    let log = log();
    let node = Node::new();
    let slice = node.guest("hostile", Wanted::default());
    let print = async |bytes: u32, request: &str| {
        let mut ctx = ctx();
        ctx.origin = Arc::new(Origin::anonymous(request.parse().unwrap()));
        let args = bytes.to_le_bytes().to_vec();
        call_in(&slice, "test:hostile/acts#print", args, ctx).await.unwrap();
        log.take(request)
    };
    let line = |stream, request| {
        format!(
            "message=xxx app=test slice=test:hostile:1.0.0 request_id={request} stream=\"{stream}\" "
        )
    };
    assert_eq!(print(3, "one").await, [line("stdout", "one"), line("stderr", "one")]);
    // A warm instance writes for whoever calls it now.
    assert_eq!(print(3, "two").await, [line("stdout", "two"), line("stderr", "two")]);
    let flood = print(1 << 20, "three").await;
    let lines = OUTPUT_BYTES_PER_CALL_MAX / OUTPUT_LINE_BYTES_MAX;
    assert_eq!(flood.len(), 2 * (lines + 1));
    assert!(flood[lines].contains("the rest of what this call writes is dropped"));
    assert_eq!(print(3, "four").await.len(), 2);
}
