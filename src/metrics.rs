//! The numbers of this process, for Prometheus, on a listener of their own: nobody outside sees them, and they are there when
//! the API has no place left. `docs/metrics.md` says what they mean; a test keeps the two equal.

mod looks;
mod pools;
mod workers;

use std::net::SocketAddr;

use kernel::metrics::{self, KeyValue};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use poem::{
    EndpointExt, Response, Route,
    endpoint::make_sync,
    get,
    http::{StatusCode, header},
};
use prometheus::{Registry, TextEncoder, process_collector::ProcessCollector};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    REVISION, VERSION,
    http::{Server, ServerError, Shutdown, shutdown::Trigger},
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
    #[error(transparent)]
    Listen(#[from] ServerError),
}

/// What this process counts, before anybody can ask for it.
pub struct Numbers(Option<(Registry, SocketAddr)>);

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
    let provider = SdkMeterProvider::builder().with_reader(exporter).with_resource(Resource::builder_empty().build());
    opentelemetry::global::set_meter_provider(provider.build());
    metrics::meter()
        .u64_observable_gauge("oms_build_info")
        .with_description("Always 1; its labels say what is running.")
        .with_callback(|observer| {
            observer.observe(1, &[KeyValue::new("version", VERSION), KeyValue::new("revision", REVISION)]);
        })
        .build();
    Ok(Numbers(Some((registry, listen))))
}

/// The numbers can be asked for, until this is dropped: after everything that is counted.
#[must_use]
pub struct Watching {
    _tasks: JoinSet<()>,
    _running: Option<Trigger>,
}

impl Numbers {
    /// Opens the port, or takes over one that is open, has the parts of `wiring` watched, and serves `/metrics`, and `/healthz`
    /// with what `health` says.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub fn serve(
        self,
        wiring: &Wiring,
        health: &Health,
        listener: Option<TcpListener>,
    ) -> Result<Watching, MetricsError> {
        let mut tasks = JoinSet::new();
        let Some((registry, listen)) = self.0 else { return Ok(Watching { _tasks: tasks, _running: None }) };
        pools::watch(wiring);
        let app = Route::new()
            .at("/metrics", get(make_sync(move |_request| text(&registry))))
            .at("/healthz", get(health.endpoint()))
            .boxed();
        let (running, shutdown) = Shutdown::by_hand();
        let server = match listener {
            Some(listener) => Server::on(listener, CONNECTIONS, app, shutdown)?,
            None => Server::bind("OMS_METRICS_LISTEN", listen, CONNECTIONS, app, shutdown)?,
        };
        tracing::info!(address = %server.address(), "metrics are at /metrics");
        tasks.spawn(server.run());
        tasks.spawn(looks::look_around(wiring.clone(), health.clone()));
        Ok(Watching { _tasks: tasks, _running: Some(running) })
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
