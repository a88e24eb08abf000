//! Sets up the log of the process, once. Knows what is configurable, not who configures it.

use crate::capture::Capture;
use crate::ring::Logs;
use aether_types::ByteSize;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// What is logged, where it is printed, how much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Levels by target, such as `info` or `info,aether_engine=debug`.
    pub filter: String,
    pub format: Format,
    /// Memory for the lines that `aether logs` can show.
    pub kept_bytes_max: ByteSize,
}

/// How lines are printed on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the log filter {filter:?}")]
    Filter {
        filter: String,
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("start the log: this process has one already")]
    AlreadyStarted,
}

/// Starts the log of the process: prints on standard error and keeps the newest lines.
pub fn init(settings: &Settings) -> Result<Logs, Error> {
    let logs = Logs::new(settings.kept_bytes_max);
    let subscriber = subscriber(settings, logs.clone(), std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::AlreadyStarted)?;
    Ok(logs)
}

fn subscriber<W>(
    settings: &Settings,
    logs: Logs,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.filter)
        .map_err(|source| Error::Filter { filter: settings.filter.clone(), source })?;
    let print: Box<dyn Layer<_> + Send + Sync> = match settings.format {
        Format::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            fmt::layer().with_ansi(ansi).with_writer(writer).boxed()
        }
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(writer).boxed(),
    };
    let kept = Capture(logs);
    Ok(Registry::default().with(filter).with(kept).with(print))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Query;
    use expect_test::expect;
    use parking_lot::Mutex;
    use std::io::Write;
    use std::sync::Arc;
    use tracing::subscriber::with_default;

    #[derive(Default, Clone)]
    struct Printed(Arc<Mutex<Vec<u8>>>);

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn settings(format: Format) -> Settings {
        let filter = "info,quiet=error".to_owned();
        Settings { filter, format, kept_bytes_max: ByteSize::mib(1) }
    }

    /// What is kept and what is printed of the events of `say`.
    fn run(format: Format, say: impl FnOnce()) -> (Logs, String) {
        let (logs, printed) = (Logs::new(ByteSize::mib(1)), Printed::default());
        let writer = printed.clone();
        let subscriber = subscriber(&settings(format), logs.clone(), move || writer.clone());
        with_default(subscriber.expect("the filter is right"), say);
        let printed = String::from_utf8_lossy(&printed.0.lock()).into_owned();
        (logs, printed)
    }

    #[test]
    fn fields_of_events_and_spans_find_their_places() {
        let (logs, _) = run(Format::Text, || {
            let outer = tracing::info_span!("call", app = "shop", slice = "a:b:1.0.0", depth = 1);
            let _outer = outer.enter();
            let inner = tracing::info_span!("inner", depth = 2, request_id = tracing::field::Empty);
            inner.record("request_id", "r-1");
            let _inner = inner.enter();
            tracing::info!(slice = "c:d:2.0.0", bytes = 7, "value stored");
            tracing::warn!(request_id = %"r-2", target = "x", "other");
        });
        let kept: Vec<String> = logs
            .query(&Query::all())
            .lines
            .iter()
            .map(|l| {
                let named = (&l.app, &l.slice, &l.request_id);
                format!("{} {} {}\n{named:?}\n{:?}", l.sequence, l.level, l.message, l.fields)
            })
            .collect();
        expect![[r#"
            1 INFO value stored
            (Some("shop"), Some("c:d:2.0.0"), Some("r-1"))
            [("depth", "2"), ("bytes", "7")]
            2 WARN other
            (Some("shop"), Some("a:b:1.0.0"), Some("r-2"))
            [("depth", "2"), ("target", "x")]"#]]
        .assert_eq(&kept.join("\n"));
    }

    #[test]
    fn the_filter_holds_for_both_and_json_is_one_object_per_line() {
        let (logs, printed) = run(Format::Json, || {
            tracing::debug!("hidden");
            tracing::warn!(target: "quiet", "hidden");
            tracing::error!(target: "quiet", slice = "a:b:1.0.0", "shown\nin one line");
        });
        assert_eq!(logs.query(&Query::all()).lines.len(), 1);
        let (_, after_time) = printed.split_once(",").expect("a time comes first");
        expect![[r#"
            "level":"ERROR","message":"shown\nin one line","slice":"a:b:1.0.0","target":"quiet"}
        "#]]
        .assert_eq(after_time);
    }

    #[test]
    fn a_giant_line_is_cut() {
        let (logs, _) = run(Format::Text, || {
            tracing::info!(a = "ü".repeat(20_000), b = "x".repeat(9), "y");
        });
        let page = logs.query(&Query::all());
        let [(_, a), (_, b)] = page.lines[0].fields.as_slice() else { panic!("two fields") };
        assert!(a.len() <= crate::LINE_BYTES_MAX + 3 && a.ends_with("ü…"), "{}", a.len());
        assert_eq!(b, "…");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused() {
        let bad = Settings { filter: "=loud=".to_owned(), ..settings(Format::Text) };
        assert!(matches!(init(&bad), Err(Error::Filter { .. })));
    }
}
