//! How long requests took, by operation and status.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock, PoisonError, RwLock},
    time::Duration,
};

use kernel::metrics::{self, Counter, Histogram, KeyValue};
use poem::http::{Method, StatusCode};

use super::overload::Gate;

/// From what a cached answer takes to the deadline of a request.
const BOUNDARIES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How many kinds of refusals (operation and status) are told apart in one process. There are hundreds of operations with half
/// a dozen of them each, and whoever tries them all would fill everybody's Prometheus. Answers that went well, and failures of
/// ours, always have their route.
const REFUSALS: usize = 120;

/// The route of the refusals beyond that.
const OTHER: &str = "other";

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let about = "How long requests took, from their head to their answer.";
    metrics::seconds("http_server_request_duration", about, &BOUNDARIES)
});

static LIMITED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Requests that were refused for coming too often: by caller, by address, or as guesses.";
    metrics::counter("oms_http_rate_limited", about)
});

type Refusal = (&'static str, Arc<str>, u16);

static KNOWN_REFUSALS: LazyLock<RwLock<HashSet<Refusal>>> = LazyLock::new(RwLock::default);

/// Notes one request. `route` is the template, never the path itself.
pub(super) fn record(method: &Method, route: &Arc<str>, status: StatusCode, took: Duration) {
    let (method, status) = (word(method), status.as_u16());
    let route = if (400..500).contains(&status) { told_apart((method, route.clone(), status)) } else { route.clone() };
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
        .with_description("Requests that ended in a panic. Anything but 0 is a bug.")
        .with_callback(|observer| observer.observe(super::panics::caught(), &[]))
        .build();
}

/// A method of the standard, or `_OTHER`, as the conventions of OpenTelemetry say.
fn word(method: &Method) -> &'static str {
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

/// The refusal's route, or `other` when there are too many to tell apart.
fn told_apart(refusal: Refusal) -> Arc<str> {
    let known = KNOWN_REFUSALS.read().unwrap_or_else(PoisonError::into_inner);
    if known.contains(&refusal) {
        return refusal.1;
    }
    drop(known);
    let mut known = KNOWN_REFUSALS.write().unwrap_or_else(PoisonError::into_inner);
    let route = refusal.1.clone();
    if known.len() < REFUSALS || known.contains(&refusal) {
        known.insert(refusal);
        return route;
    }
    Arc::from(OTHER)
}
