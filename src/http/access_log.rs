//! One line for each request: what was asked, what was answered (499: the client did not wait), how long it took. No query
//! string, and no address but of those who ask too much: whoever runs this wants to know where they are.

use std::time::Duration;

use kernel::request;
use poem::http::Method;

/// Writes the line. `route` is the template, never the path itself, so that ids do not become labels.
pub(super) fn write(method: &Method, route: &str, status: u16, took: Duration) {
    // Microseconds fit into 32 bits for more than an hour, which is far above any deadline.
    let duration_ms = f64::from(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)) / 1000.0;
    if status == 429 {
        let address = request::address().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(http.method = %method, http.route = %route, http.status = status, client.address = %address, duration_ms, "request");
    } else if matches!(route, "/healthz" | "/readyz") {
        tracing::debug!(http.method = %method, http.route = %route, http.status = status, duration_ms, "request");
    } else {
        tracing::info!(http.method = %method, http.route = %route, http.status = status, duration_ms, "request");
    }
}
