//! One line for each request: what was asked, what was answered, how long it took. No query string, no address.

use std::time::Duration;

use poem::http::{Method, StatusCode};

/// Writes the line. `route` is the template, never the path itself, so that ids do not become labels.
pub(super) fn write(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let status = status.as_u16();
    let duration_ms = took.as_micros().as_f64() / 1000.0;
    if matches!(route, "/healthz" | "/readyz") {
        tracing::debug!(http.method = %method, http.route = %route, http.status = status, duration_ms, "request");
    } else {
        tracing::info!(http.method = %method, http.route = %route, http.status = status, duration_ms, "request");
    }
}

trait AsF64 {
    fn as_f64(self) -> f64;
}

impl AsF64 for u128 {
    /// Exact up to an hour of microseconds, which is far above any deadline.
    fn as_f64(self) -> f64 {
        u32::try_from(self).map_or(f64::MAX, f64::from)
    }
}
