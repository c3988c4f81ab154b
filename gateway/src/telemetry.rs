//! Logs, traces and metrics.
//!
//! Logs are structured and go to standard error. Traces leave over OTLP where an endpoint is
//! configured; metrics over OTLP, too, and always to the Prometheus registry that `/metrics` shows
//! on a port of its own (`prometheus_text`).
//!
//! Nothing here sees what a caller wrote: attributes are route templates, methods, status codes,
//! problem codes (threat T50). The OTLP exporters send from threads of their own and are built
//! outside async code, as their blocking HTTP client asks for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alliance_contracts::ids::RequestId;
use alliance_contracts::names::PartnerId;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder, TextEncoder};
use tracing::Span;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What [`init`] is told.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which events are logged (`info,alliance_gateway=debug`); none: `info`.
    pub log_filter: Option<String>,
    /// An OTLP collector (`http://localhost:4318`); none: nothing leaves over OTLP.
    pub otlp_endpoint: Option<String>,
    /// What this process is called there.
    pub service_name: String,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            log_filter: None,
            otlp_endpoint: None,
            service_name: "alliance".to_owned(),
        }
    }
}

/// Keeps telemetry running; sends what is left when dropped.
#[must_use = "telemetry ends when the guard is dropped"]
#[derive(Debug)]
pub struct TelemetryGuard {
    tracer: Option<SdkTracerProvider>,
    meter: SdkMeterProvider,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // A collector that is gone must not turn a clean end into an error.
        if let Some(tracer) = &self.tracer {
            let _ = tracer.shutdown();
        }
        let _ = self.meter.shutdown();
    }
}

/// Crates whose events are noise below `warn`, whatever the filter says for everything.
const QUIET: &str = "opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry-otlp=warn,h2=warn,\
                     hyper=warn,reqwest=warn,sqlx=warn,actix_server=warn";

static TRACING_REQUESTS: AtomicBool = AtomicBool::new(false);
static REGISTRY: OnceLock<prometheus::Registry> = OnceLock::new();
static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// Starts logs, traces and metrics for this process. Call it once, early, outside async code; a
/// second call's logs go where the first's do.
pub fn init(settings: TelemetrySettings) -> TelemetryGuard {
    let resource = Resource::builder().with_service_name(settings.service_name.clone()).build();
    let registry = REGISTRY.get_or_init(prometheus::Registry::new).clone();
    let mut faults = Vec::new();
    let mut meter = SdkMeterProvider::builder().with_resource(resource.clone());
    match opentelemetry_prometheus::exporter().with_registry(registry).build() {
        Ok(reader) => meter = meter.with_reader(reader),
        Err(error) => faults.push(format!("no Prometheus metrics: {error}")),
    }
    let mut tracer = None;
    if let Some(endpoint) = &settings.otlp_endpoint {
        install_tls();
        match metric_exporter(endpoint) {
            Ok(exporter) => meter = meter.with_periodic_exporter(exporter),
            Err(error) => faults.push(format!("no metrics over OTLP: {error}")),
        }
        match span_exporter(endpoint) {
            Ok(exporter) => {
                let provider = SdkTracerProvider::builder()
                    .with_resource(resource)
                    .with_batch_exporter(exporter)
                    .build();
                tracer = Some(provider);
            }
            Err(error) => faults.push(format!("no traces over OTLP: {error}")),
        }
    }
    let meter = meter.build();
    global::set_meter_provider(meter.clone());
    let _ = INSTRUMENTS.set(Instruments::new(&meter));
    TRACING_REQUESTS.store(tracer.is_some(), Ordering::Relaxed);
    start_logs(&settings, tracer.as_ref());
    for fault in faults {
        tracing::error!(fault, "telemetry");
    }
    TelemetryGuard { tracer, meter }
}

fn start_logs(settings: &TelemetrySettings, tracer: Option<&SdkTracerProvider>) {
    let asked = settings.log_filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::builder().parse_lossy(format!("{QUIET},{asked}"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(ansi()).boxed(),
    };
    let traces = tracer.map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
    });
    // A second call finds a subscriber in place: then its lines go there.
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(traces).try_init();
}

/// Colours only for people: on a terminal, and without `NO_COLOR`.
fn ansi() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// The exporters' HTTP client brings no cryptography of its own: it uses ring's, as everything here
/// does.
fn install_tls() {
    // An error says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// How long a collector may take.
const OTLP_WITHIN: Duration = Duration::from_secs(5);

fn span_exporter(endpoint: &str) -> Result<SpanExporter, opentelemetry_otlp::ExporterBuildError> {
    SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(OTLP_WITHIN)
        .build()
}

fn metric_exporter(
    endpoint: &str,
) -> Result<MetricExporter, opentelemetry_otlp::ExporterBuildError> {
    MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/metrics", endpoint.trim_end_matches('/')))
        .with_timeout(OTLP_WITHIN)
        .build()
}

/// What is measured.
struct Instruments {
    requests: Histogram<f64>,
    orders: Counter<u64>,
    waiting: Gauge<u64>,
    pending: Gauge<u64>,
    parked: Gauge<u64>,
    deliveries: Counter<u64>,
}

/// Buckets of a request's duration in seconds: an order takes about ten milliseconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Instruments {
    fn new(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter(env!("CARGO_PKG_NAME"));
        Self {
            requests: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("How long requests took, by route template, method and status")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            orders: meter
                .u64_counter("alliance.orders")
                .with_description("Orders and reversals decided, by outcome")
                .build(),
            waiting: meter
                .u64_gauge("alliance.queue.waiting")
                .with_description("Commands that wait for the ledger")
                .build(),
            pending: meter
                .u64_gauge("alliance.transactions.pending")
                .with_description("Transactions that wait for a connected brand")
                .build(),
            parked: meter
                .u64_gauge("alliance.transactions.parked")
                .with_description("Of those, how many a person has to look at")
                .build(),
            deliveries: meter
                .u64_counter("alliance.webhooks.attempts")
                .with_description("Attempts to deliver an event to an endpoint, by outcome")
                .build(),
        }
    }
}

/// Counts a request that was answered.
pub(crate) fn count_request(
    method: &'static str,
    route: &'static str,
    status: u16,
    elapsed: Duration,
) {
    if let Some(instruments) = INSTRUMENTS.get() {
        let attributes = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        instruments.requests.record(elapsed.as_secs_f64(), &attributes);
    }
}

/// Counts an order that was decided: `accepted`, or the code of the refusal.
pub(crate) fn count_order(outcome: &'static str, replayed: bool) {
    if let Some(instruments) = INSTRUMENTS.get() {
        let attributes = [KeyValue::new("outcome", outcome), KeyValue::new("replayed", replayed)];
        instruments.orders.add(1, &attributes);
    }
}

/// Tells how many commands wait for the ledger.
pub(crate) fn record_waiting(commands: usize) {
    if let Some(instruments) = INSTRUMENTS.get() {
        instruments.waiting.record(u64::try_from(commands).unwrap_or(u64::MAX), &[]);
    }
}

/// Tells how many transactions wait for a connected brand.
pub(crate) fn record_pending(partner: &PartnerId, pending: u64, parked: u64) {
    if let Some(instruments) = INSTRUMENTS.get() {
        let brand = [KeyValue::new("partner", partner.to_string())];
        instruments.pending.record(pending, &brand);
        instruments.parked.record(parked, &brand);
    }
}

/// Counts an attempt to deliver an event to an endpoint.
pub(crate) fn count_delivery(outcome: &'static str) {
    if let Some(instruments) = INSTRUMENTS.get() {
        instruments.deliveries.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}

/// The span of one request: none unless spans go somewhere, so that thousands of requests a second
/// cost nothing.
pub(crate) fn request_span(id: RequestId) -> Span {
    if TRACING_REQUESTS.load(Ordering::Relaxed) {
        tracing::info_span!("request", request_id = %id)
    } else {
        tracing::debug_span!("request", request_id = %id)
    }
}

/// The metrics as Prometheus reads them.
pub(crate) fn prometheus_text() -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(registry) = REGISTRY.get()
        && let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text)
    {
        tracing::warn!(%error, "metrics cannot be written");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use opentelemetry::trace::{Span as _, Tracer};

    use super::*;

    #[test]
    fn traces_and_metrics_reach_a_collector() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/", collector.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let mut lines = Vec::new();
            while lines.len() < 2 {
                let (mut stream, _) = collector.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).unwrap();
                let head = String::from_utf8(head).unwrap();
                lines.push(head.lines().next().unwrap_or_default().to_owned());
            }
            lines.sort();
            lines
        });
        install_tls();
        let tracer = SdkTracerProvider::builder()
            .with_batch_exporter(span_exporter(&endpoint).unwrap())
            .build();
        let meter = SdkMeterProvider::builder()
            .with_periodic_exporter(metric_exporter(&endpoint).unwrap())
            .build();
        Instruments::new(&meter).orders.add(1, &[]);
        tracer.tracer("test").start("request").end();
        drop(TelemetryGuard { tracer: Some(tracer), meter });
        let heard = heard.join().unwrap();
        assert_eq!(heard, ["POST /v1/metrics HTTP/1.1", "POST /v1/traces HTTP/1.1"]);
    }
}
