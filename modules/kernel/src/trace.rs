//! Which piece of work asked for which: W3C Trace Context (<https://www.w3.org/TR/trace-context/>).
//!
//! Every piece of work (a request, a job, a call to the gateway) has a trace in common with whoever asked for it, and an id
//! of its own. Both travel in a `traceparent`: over HTTP in the header, to jobs in their row. They are there whether or not
//! anybody collects spans, so that the log of all processes can be read by one trace id.

use std::{borrow::Cow, sync::OnceLock};

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    global::{BoxedSpan, BoxedTracer},
    trace::{Span as _, SpanBuilder, SpanContext, Status, TraceContextExt, TraceState, Tracer},
};

pub use opentelemetry::trace::SpanKind as Kind;

static EXPORT: OnceLock<BoxedTracer> = OnceLock::new();

/// Sends what is begun from now on to somebody who collects spans. The first call counts.
pub fn export_to(tracer: BoxedTracer) {
    let _first = EXPORT.set(tracer);
}

/// A piece of work, from its beginning until it is dropped.
pub struct Span {
    traceparent: String,
    exported: Option<BoxedSpan>,
}

impl Span {
    /// Begins a piece of work, as part of the trace of `parent`, or of a trace of its own.
    pub fn begin(kind: Kind, name: impl Into<Cow<'static, str>>, parent: Option<&str>) -> Self {
        let parent = parent.and_then(parse);
        let Some(tracer) = EXPORT.get() else {
            let (trace, flags) = parent.as_ref().map_or_else(
                || (TraceId::from(rand::random::<u128>()), TraceFlags::default()),
                |parent| (parent.trace_id(), parent.trace_flags()),
            );
            return Self { traceparent: format(trace, SpanId::from(rand::random::<u64>()), flags), exported: None };
        };
        let around = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let span = tracer.build_with_context(SpanBuilder::from_name(name).with_kind(kind), &around);
        let own = span.span_context();
        Self { traceparent: format(own.trace_id(), own.span_id(), own.trace_flags()), exported: Some(span) }
    }

    /// What this work tells those whom it asks for something.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// Calls it something better, now that more is known.
    pub fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(span) = &mut self.exported {
            span.update_name(name());
        }
    }

    /// Says something about it. Never what must not be in a log line either.
    pub fn say(&mut self, name: &'static str, value: impl Into<opentelemetry::Value>) {
        if let Some(span) = &mut self.exported {
            span.set_attribute(KeyValue::new(name, value.into()));
        }
    }

    /// It went wrong.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.exported {
            span.set_status(Status::error(why));
        }
    }
}

/// The trace id in a `traceparent`.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

fn format(trace: TraceId, span: SpanId, flags: TraceFlags) -> String {
    format!("00-{trace}-{span}-{:02x}", flags & TraceFlags::SAMPLED)
}

/// Version 00, or what it says in a later one; `None` for everything that is not valid by the recommendation.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    if !is_well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn work_shares_its_trace_with_whoever_asked_for_it() {
        let span = Span::begin(Kind::Server, "GET", Some(PARENT));
        let own = span.traceparent();
        assert_eq!(trace_id(own), Some("0af7651916cd43dd8448eb211c80319c"));
        assert!(own.starts_with("00-") && own.ends_with("-01") && own.len() == PARENT.len(), "{own}");
        assert_ne!(own, PARENT, "it has an id of its own");
    }

    #[test]
    fn work_that_nobody_asked_for_has_a_trace_of_its_own() {
        for parent in [
            None,
            Some(""),
            Some("nonsense"),
            Some("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"),
            Some("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
            Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            Some("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
        ] {
            let (one, other) = (Span::begin(Kind::Server, "GET", parent), Span::begin(Kind::Server, "GET", parent));
            assert!(parse(one.traceparent()).is_some(), "{parent:?}: {}", one.traceparent());
            assert_ne!(trace_id(one.traceparent()), trace_id(other.traceparent()), "{parent:?}");
            assert_ne!(trace_id(one.traceparent()), Some("0af7651916cd43dd8448eb211c80319c"), "{parent:?}");
        }
    }
}
