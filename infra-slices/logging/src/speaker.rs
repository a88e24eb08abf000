//! Lines of one `WasmInstance`, bounded and with their fields. Knows no guest.

use crate::Names;
use aether_engine::Origin;
use aether_types::RequestId;
use std::borrow::Cow;
use std::sync::Arc;
use tracing::Level;

/// Bytes of one message; the rest is cut and the cut is marked.
pub const MESSAGE_BYTES_MAX: usize = 8 << 10;
/// Bytes of the word that says what a message is about.
pub const CONTEXT_BYTES_MAX: usize = 256;
/// Bytes that one instance may log for one request; the rest is dropped, and the log says so.
/// 256 KiB are 32 of the longest messages: one request cannot push everybody else out of the log.
pub const LOG_BYTES_PER_REQUEST_MAX: usize = 256 << 10;

/// One `WasmInstance` as a writer of log lines.
#[derive(Debug)]
pub struct Speaker {
    names: Arc<Names>,
    request_id: Option<RequestId>,
    bytes_left: usize,
}

/// One event per level: tracing fixes the level of an event where it is written.
macro_rules! event {
    ($level:ident, $names:expr, $origin:ident, $context:ident, $message:ident) => {
        tracing::event!(
            target: "slice",
            Level::$level,
            app = $names.app,
            slice = $names.slice,
            request_id = $origin.request_id.as_str(),
            variant = $origin.variant_number(),
            trace_id = $origin.trace_id(),
            principal = $origin.principal_name(),
            context = &*$context,
            "{}",
            $message
        )
    };
}

impl Speaker {
    pub(crate) fn new(names: Arc<Names>) -> Self {
        Self { names, request_id: None, bytes_left: 0 }
    }

    pub(crate) fn say(&mut self, origin: &Origin, level: Level, context: &str, message: &str) {
        if self.request_id.as_ref() != Some(&origin.request_id) {
            self.request_id = Some(origin.request_id.clone());
            self.bytes_left = LOG_BYTES_PER_REQUEST_MAX;
        }
        if self.bytes_left == 0 {
            return;
        }
        let (context, message) = (cut(context, CONTEXT_BYTES_MAX), cut(message, MESSAGE_BYTES_MAX));
        self.bytes_left = self.bytes_left.saturating_sub(context.len() + message.len() + 1);
        let names = &self.names;
        match level {
            Level::TRACE => event!(TRACE, names, origin, context, message),
            Level::DEBUG => event!(DEBUG, names, origin, context, message),
            Level::INFO => event!(INFO, names, origin, context, message),
            Level::WARN => event!(WARN, names, origin, context, message),
            Level::ERROR => event!(ERROR, names, origin, context, message),
        }
        if self.bytes_left == 0 {
            let rest = "(the rest of what this request logs is dropped)";
            event!(WARN, names, origin, context, rest);
        }
    }
}

fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let kept = &text[..text.floor_char_boundary(bytes_max)];
    format!("{kept}… ({} bytes more)", text.len() - kept.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::Revision;
    use expect_test::expect;
    use parking_lot::Mutex;
    use std::io::Write;

    #[derive(Default, Clone)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a subscriber sees of the lines of one instance.
    fn log(say: impl FnOnce(&mut Speaker)) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let names = Names { app: "shop".to_owned(), slice: "a:b:1.0.0".to_owned() };
        let mut speaker = Speaker::new(Arc::new(names));
        tracing::subscriber::with_default(subscriber, || say(&mut speaker));
        String::from_utf8_lossy(&written.0.lock()).into_owned()
    }

    fn origin(id: &str) -> Origin {
        Origin::anonymous(id.parse().unwrap())
    }

    #[test]
    fn lines_carry_who_said_them_for_which_request() {
        let lines = log(|speaker| {
            speaker.say(&origin("r1"), Level::INFO, "stock", "reserved 2");
            speaker.say(&origin("r2"), Level::ERROR, "", "out of stock");
            let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            let (variant, trace_parent) = (Some(Revision(7)), Some(trace.to_owned()));
            let principal = Some("ada".to_owned());
            let origin = Origin { variant, trace_parent, principal, ..origin("r3") };
            speaker.say(&origin, Level::INFO, "stock", "of a version");
        });
        expect![[r#"
             INFO slice: reserved 2 app="shop" slice="a:b:1.0.0" request_id="r1" context="stock"
            ERROR slice: out of stock app="shop" slice="a:b:1.0.0" request_id="r2" context=""
             INFO slice: of a version app="shop" slice="a:b:1.0.0" request_id="r3" variant=7 trace_id="0af7651916cd43dd8448eb211c80319c" principal="ada" context="stock"
        "#]]
        .assert_eq(&lines);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let lines = log(|speaker| {
            speaker.say(&origin("r1"), Level::DEBUG, "c", &"ü".repeat(MESSAGE_BYTES_MAX));
        });
        let ending = format!("ü… ({MESSAGE_BYTES_MAX} bytes more)");
        assert!(lines.contains(&ending), "{}", &lines[lines.len() - 200..]);
    }

    #[test]
    fn one_request_cannot_fill_the_log_and_the_next_one_starts_anew() {
        let lines = log(|speaker| {
            for _ in 0..1_000 {
                speaker.say(&origin("r1"), Level::INFO, "", &"x".repeat(MESSAGE_BYTES_MAX));
            }
            speaker.say(&origin("r2"), Level::INFO, "", "heard");
        });
        assert_eq!(lines.lines().count(), LOG_BYTES_PER_REQUEST_MAX / MESSAGE_BYTES_MAX + 2);
        assert_eq!(lines.matches("is dropped").count(), 1);
        assert!(lines.contains("heard"));
    }
}
