//! How long requests took, by operation and status.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock, PoisonError, RwLock},
    time::Duration,
};

use kernel::metrics::{self, Counter, Histogram, KeyValue};
use poem::http::Method;

use super::overload::Gate;

/// From what a cached answer takes to the deadline of a request.
const BOUNDARIES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How many kinds of answers (operation and status) are told apart in one process, and how many of them may be refusals:
/// there are a hundred operations with half a dozen refusals each, and whoever tries them all would fill everybody's
/// Prometheus. What comes on top is counted without its route.
const KINDS: usize = 300;
const REFUSALS: usize = 100;

/// The route of what is not told apart.
static OTHER: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("other"));

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let about = "How long requests took, from their head to their answer.";
    metrics::seconds("http_server_request_duration", about, &BOUNDARIES)
});

static LIMITED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Requests that were refused for coming too often, counted by caller or by address.";
    metrics::counter("oms_http_rate_limited", about)
});

type Kind = (&'static str, Arc<str>, u16);

#[derive(Default)]
struct Known {
    kinds: HashSet<Kind>,
    refusals: usize,
}

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// Notes one request. `route` is the template, never the path itself.
pub(super) fn record(method: &'static str, route: &Arc<str>, status: u16, took: Duration) {
    let route = told_apart((method, route.clone(), status));
    let labels = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    DURATION.record(took.as_secs_f64(), &labels);
}

/// Notes a refusal for coming too often.
pub(super) fn limited(limit: &'static str) {
    LIMITED.add(1, &[KeyValue::new("limit", limit)]);
}

/// Has the places of the gate watched.
pub(super) fn watch(gate: &Arc<Gate>) {
    let meter = metrics::meter();
    let (busy, limit) = (gate.clone(), gate.clone());
    meter
        .u64_observable_gauge("http_server_active_requests")
        .with_description("Requests to the API that are being worked on.")
        .with_callback(move |observer| observer.observe(busy.busy(), &[]))
        .build();
    meter
        .u64_observable_gauge("oms_http_active_requests_limit")
        .with_description("How many may be worked on at once (OMS_MAX_IN_FLIGHT).")
        .with_callback(move |observer| observer.observe(limit.limit(), &[]))
        .build();
    meter
        .u64_observable_counter("oms_http_shed")
        .with_description("Requests that were turned away because there was too much to do.")
        .with_callback(|observer| observer.observe(super::overload::shed(), &[]))
        .build();
    meter
        .u64_observable_counter("oms_panics")
        .with_description("Panics of requests and of the intake. Anything but 0 is a bug.")
        .with_callback(|observer| observer.observe(kernel::panics::caught(), &[]))
        .build();
}

/// A method of the standard, or `_OTHER`, as the conventions of OpenTelemetry say.
pub(super) fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// The route, or `other` when there are too many kinds to tell apart. Methods that do nothing have none.
fn told_apart(kind: Kind) -> Arc<str> {
    if matches!(kind.0, "HEAD" | "OPTIONS" | "_OTHER") {
        return OTHER.clone();
    }
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if known.kinds.contains(&kind) {
        return kind.1;
    }
    drop(known);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let (route, is_refusal) = (kind.1.clone(), (400..500).contains(&kind.2));
    if known.kinds.contains(&kind) {
        return route;
    }
    if known.kinds.len() >= KINDS || (is_refusal && known.refusals >= REFUSALS) {
        return OTHER.clone();
    }
    known.refusals += usize::from(is_refusal);
    known.kinds.insert(kind);
    route
}
