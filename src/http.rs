//! The HTTP server: its own accept loop, and around the routes an edge that every request passes.
//!
//! The edge gives a request its id, its limits and its deadline, and makes sure that whatever happens behind it is
//! answered as a problem (RFC 9457) with our headers.

mod access_log;
pub mod address;
mod body_limit;
mod catalog_cache;
mod connection;
mod cors;
mod edge;
mod field_errors;
mod headers;
mod health;
mod limit;
mod meter;
pub mod overload;
pub mod problems;
mod request_id;
mod routes;
mod server;
pub mod shutdown;
mod site;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use poem::{EndpointExt, Route, endpoint::BoxEndpoint, get};
use serde_json::Value;
use tokio::net::TcpListener;

pub use edge::{Edge, Limits};
pub use limit::RateLimit;
pub use routes::Routes;
pub use server::{Server, ServerError};
pub use shutdown::Shutdown;

use self::{address::TrustedProxies, catalog_cache::CatalogCache};
use crate::{openapi, wiring::Wiring};

/// The whole application: every route, behind the edge.
///
/// # Errors
/// When the API document cannot be made.
pub fn app(
    wiring: &Wiring,
    shutdown: Shutdown,
) -> Result<BoxEndpoint<'static, poem::Response>, openapi::DocumentError> {
    let document = openapi::document(wiring)?;
    let mut routes = Routes::from_document(document.value());
    for path in ["/", "/healthz", "/readyz", "/openapi.json", "/docs", "/redoc", "/problems", "/problems/{code}"] {
        routes.add_page(path);
    }
    let text = Bytes::from(document.compact()?);
    let (for_swagger, for_redoc) = (text.clone(), text.clone());
    let read_by = |reader: fn(&str) -> String, text: Bytes| move || reader(&String::from_utf8_lossy(&text));
    let description: Arc<Value> = Arc::new(document.value().clone());
    let site = Route::new()
        .at("/", get(site::home()))
        .at("/healthz", get(health::alive()))
        .at("/readyz", get(health::ready(wiring, shutdown)))
        .at("/openapi.json", get(site::json(text)))
        .at("/docs", get(site::page(read_by(openapi::swagger_ui, for_swagger), site::Scripts::Inline)))
        .at("/redoc", get(site::page(read_by(openapi::redoc, for_redoc), site::Scripts::Inline)))
        .at("/problems", get(site::problems()))
        .at("/problems/:code", get(site::problem()))
        .nest("/v1", openapi::service(wiring));
    let config = &wiring.config;
    let (turnstile, verifier) = (wiring.turnstile.clone(), wiring.verifier());
    let rates = RateLimit::new(turnstile, verifier, config.rate_limit_caller, config.rate_limit_address);
    let site = CatalogCache::new(site, wiring.redis.clone(), wiring.api_pool.clone());
    let limits = Limits { in_flight: config.max_in_flight, ..Limits::default() };
    let edge = Edge::new(site, routes, config.cors_origins.clone(), limits);
    let proxies = TrustedProxies::new(config.trusted_proxies.clone());
    Ok(edge.describing(description).counting(rates).behind(proxies).boxed())
}

/// Opens the configured port and puts the application behind it.
///
/// # Errors
/// When the port is taken or the API document cannot be made.
pub fn bind(wiring: &Wiring, shutdown: Shutdown) -> Result<Server, ServerError> {
    let app = app(wiring, shutdown.clone()).map_err(ServerError::Document)?;
    let server = Server::bind("OMS_LISTEN", wiring.config.listen, wiring.config.max_connections, app, shutdown)?;
    Ok(server.guarded_by(wiring.doors.clone()))
}

/// Puts the application behind a port that is open already.
///
/// # Errors
/// When the API document cannot be made.
pub fn serve_on(listener: TcpListener, wiring: &Wiring, shutdown: Shutdown) -> Result<Server, ServerError> {
    let app = app(wiring, shutdown.clone()).map_err(ServerError::Document)?;
    let server = Server::on(listener, wiring.config.max_connections, app, shutdown)?;
    Ok(server.guarded_by(wiring.doors.clone()))
}
