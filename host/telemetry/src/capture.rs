//! The tracing layer that turns events into lines of the ring. Knows no printing.

use crate::line::{Fields, Line};
use crate::ring::Logs;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Writes every event that it sees into [`Logs`].
#[derive(Debug, Clone)]
pub struct Capture(pub Logs);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // From the inside out: what is nearer to the event wins.
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields = fields.over(outer);
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.push(Line {
            sequence: 0,
            time_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            app: fields.app,
            slice: fields.slice,
            request_id: fields.request_id,
            message: fields.message,
            fields: fields.others,
        });
    }
}
