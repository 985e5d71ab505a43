//! Traces for whoever collects them: spans of requests, jobs, mails and calls to the gateway, sent by OTLP over HTTP
//! (<https://opentelemetry.io/docs/specs/otlp/>). A collector that is away costs nobody anything: spans are dropped.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kernel::trace;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter as Exporter},
};

/// Says once that spans are lost, and once that they are not any more.
#[derive(Debug)]
struct Telling {
    inner: SpanExporter,
    is_lost: AtomicBool,
}

impl Exporter for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.inner.export(batch).await;
        let was_lost = self.is_lost.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(error) if !was_lost => {
                tracing::warn!(%error, "the collector does not take our spans; they are lost until it does")
            }
            Ok(()) if was_lost => tracing::info!("the collector takes our spans again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// How long the last spans may take at the end of a process.
const FAREWELL: Duration = Duration::from_secs(2);

/// Sends spans until it is dropped, which sends what is left.
pub struct Traces(SdkTracerProvider);

/// Begins to send spans to the collector at `endpoint`, in the name of this process.
///
/// # Errors
/// When no client can be built.
pub(super) fn begin(endpoint: &str) -> Result<Traces, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()?;
    let resource = Resource::builder_empty()
        .with_service_name("oms")
        .with_attribute(KeyValue::new("service.version", crate::VERSION))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Telling { inner: exporter, is_lost: AtomicBool::new(false) })
        .with_resource(resource)
        .build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    trace::export_to(opentelemetry::global::tracer("oms"));
    Ok(Traces(provider))
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}
