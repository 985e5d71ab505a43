//! The numbers of this process, for Prometheus, on a listener of their own: nobody outside sees them, and they are there when
//! the API has no place left. `docs/metrics.md` says what they mean; a test keeps the two equal.

mod looks;
mod pools;
mod workers;

use std::{net::SocketAddr, sync::Arc};

use futures_util::future::Either;
use kernel::metrics::{self, KeyValue};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use poem::{
    EndpointExt, Response, Route,
    endpoint::make_sync,
    get,
    http::{StatusCode, header},
};
use prometheus::{Registry, TextEncoder, process_collector::ProcessCollector};

use crate::{
    REVISION, VERSION,
    http::{Server, ServerError, Shutdown},
    wiring::Wiring,
};

pub use workers::{Health, observer, watch as watch_workers};

/// How many may ask at once.
const CONNECTIONS: usize = 64;

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The exporter cannot be built.
    #[error("the metrics cannot be set up")]
    Exporter(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// The collector of the process's own numbers is refused.
    #[error("the metrics cannot be registered")]
    Registry(#[from] prometheus::Error),
    /// The port cannot be opened.
    #[error("cannot listen on {0} (OMS_METRICS_LISTEN)")]
    Listen(SocketAddr, #[source] ServerError),
}

/// What this process counts, before anybody can ask for it.
#[derive(Clone)]
pub struct Numbers(Option<Arc<Inner>>);

struct Inner {
    registry: Registry,
    listen: SocketAddr,
    _provider: SdkMeterProvider,
}

/// Begins to count, if `listen` says where the numbers are to be had; otherwise nothing is counted. To be called before
/// anything that counts is built.
///
/// # Errors
/// When the exporter refuses, which it does not.
pub fn begin(listen: Option<SocketAddr>) -> Result<Numbers, MetricsError> {
    let Some(listen) = listen else { return Ok(Numbers(None)) };
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build()?;
    let provider =
        SdkMeterProvider::builder().with_reader(exporter).with_resource(Resource::builder_empty().build()).build();
    opentelemetry::global::set_meter_provider(provider.clone());
    metrics::meter()
        .u64_observable_gauge("oms_build_info")
        .with_description("Always 1; its labels say what is running.")
        .with_callback(|observer| {
            observer.observe(1, &[KeyValue::new("version", VERSION), KeyValue::new("revision", REVISION)]);
        })
        .build();
    Ok(Numbers(Some(Arc::new(Inner { registry, listen, _provider: provider }))))
}

impl Numbers {
    /// Opens the port and has the parts of `wiring` watched. What it answers serves until shutdown: `/metrics`, and `/healthz`
    /// with what `health` says.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn serve(
        self,
        wiring: &Wiring,
        health: Health,
        shutdown: Shutdown,
    ) -> Result<impl Future<Output = ()> + use<>, MetricsError> {
        let Some(inner) = self.0 else { return Ok(Either::Left(async {})) };
        pools::watch(wiring);
        let registry = inner.registry.clone();
        let app = Route::new()
            .at("/metrics", get(make_sync(move |_request| text(&registry))))
            .at("/healthz", get(health.endpoint()))
            .boxed();
        let server = Server::bind(inner.listen, CONNECTIONS, app, shutdown.clone());
        let server = server.await.map_err(|error| MetricsError::Listen(inner.listen, error))?;
        tracing::info!(address = %server.address(), "metrics are at /metrics");
        let looks = looks::look_around(wiring.clone(), health, shutdown);
        Ok(Either::Right(async {
            let ((), ()) = tokio::join!(server.run(), looks);
        }))
    }
}

fn text(registry: &Registry) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => Response::builder().header(header::CONTENT_TYPE, prometheus::TEXT_FORMAT).body(text),
        Err(error) => {
            tracing::error!(error = ?error, "the metrics cannot be written");
            Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}
