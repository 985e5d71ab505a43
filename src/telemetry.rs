//! Logs: one JSON object a line on standard output, or lines for people on a terminal; and traces, if somebody collects them.
//!
//! Every line has `timestamp level target message service version request_id trace_id`; the last two are `null` outside of
//! requests and of the jobs that requests asked for. Fields of the event stand beside them.

mod traces;

use std::{fmt, io::IsTerminal};

use kernel::{Clock, SystemClock, request, trace};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::{
    VERSION,
    config::{Config, LogFormat},
};

pub use traces::Traces;

/// Starts logging for a process that serves: to standard output, in the configured format. With a collector of traces in the
/// configuration it begins to send them too, until what it answers is dropped.
pub fn init(config: &Config) -> Option<Traces> {
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stdout().is_terminal(),
    };
    // The library says that it is there, which is nobody's news.
    let is_asked_for = config.log.contains("opentelemetry");
    let filter = EnvFilter::new(&config.log);
    let quiet = (!is_asked_for).then(|| "opentelemetry=warn".parse().ok()).flatten();
    let filter = quiet.into_iter().fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // A second call (tests, `oms dev` starting several parts) changes nothing.
    if json {
        let _first = builder.event_format(JsonLines).try_init();
    } else {
        let _first = builder.with_target(false).try_init();
    }
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string);
        let payload = info.payload();
        let message = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(location, panic = message, "panicked");
    }));
    for name in &config.unknown {
        tracing::warn!(setting = %name, "this setting means nothing to oms; is it misspelt?");
    }
    let begun = traces::begin(config.otlp_endpoint.as_deref()?);
    begun.inspect_err(|error| tracing::error!(%error, "no traces can be sent")).ok()
}

/// Starts logging for a command that does one thing: warnings only, to standard error.
pub fn init_quiet() {
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("warn"));
    let _first = builder.with_writer(std::io::stderr).with_target(false).without_time().try_init();
}

/// Writes an event as one line of JSON.
struct JsonLines;

/// What stands at the head of every line; a field of the same name does not stand beside it a second time.
const HEAD: [&str; 8] = ["timestamp", "level", "target", "message", "service", "version", "request_id", "trace_id"];

/// The fields of an event, written as they come: there are thousands of lines a second.
#[derive(Default)]
struct Fields {
    /// The message, as JSON.
    message: Option<String>,
    /// The others: `,"name":value` for each.
    others: String,
}

/// A value as JSON.
fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|_unwritable| "null".to_owned())
}

impl Fields {
    fn record(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        match field.name() {
            "message" => self.message = Some(json(value)),
            name if HEAD.contains(&name) => {}
            // Names are identifiers of ours.
            name => self.others.push_str(&format!(",\"{name}\":{}", json(value))),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, &value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, &value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, &value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, &value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, &format!("{value:?}"));
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (request_id, trace_id) = request::with(|request| {
            (json(&request.request_id), json(&request.traceparent.as_deref().and_then(trace::trace_id)))
        });
        let (timestamp, metadata) = (SystemClock.now(), event.metadata());
        writeln!(
            writer,
            "{{\"timestamp\":\"{}\",\"level\":\"{}\",\"target\":{},\"message\":{},\"service\":\"oms\",\"version\":\"{VERSION}\",\"request_id\":{request_id},\"trace_id\":{trace_id}{}}}",
            timestamp.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            metadata.level(),
            json(metadata.target()),
            fields.message.as_deref().unwrap_or("\"\""),
            fields.others,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_line_is_one_json_object_with_the_request_id() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt().event_format(JsonLines).with_writer(move || writer.clone()).finish();
        let context = request::Context {
            request_id: Some("req-1".to_owned()),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        };
        let guard = tracing::subscriber::set_default(subscriber);
        request::scope(context, async {
            tracing::info!(order.id = 7, request_id = "not this", said = "\"so\"", "placed\nan order")
        })
        .await;
        drop(guard);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "placed\nan order");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["request_id"], "req-1");
        assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(line["order.id"], 7);
        assert_eq!(line["said"], "\"so\"");
        assert_eq!(line["service"], "oms");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
