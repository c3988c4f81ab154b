//! `alliance serve`.

use std::net::SocketAddr;
use std::thread::available_parallelism;

use alliance_settlement::clearing_house::ClearingHouse;
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::Place;
use super::core_dumps;
use super::failure::{Exit, Failure};
use super::printer::{GOOD, HEADING, LIVE, Printer, Shown, paint};
use crate::instance::open::runtime;
use crate::instance::{GATEWAY_KEY_FILE, MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE};
use crate::instance::{Instance, Overrides, authority, config, keyfile};
use crate::sandbox::folder;
use crate::server::{self, RunningServer, ServerSettings};
use crate::telemetry::{self, LogFormat, TelemetrySettings};

/// How to serve.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance serve --dir my-alliance\n  \
    alliance serve --dir my-alliance --listen 0.0.0.0:8787 --public-url https://gateway.example")]
pub struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", env = "ALLIANCE_LISTEN")]
    listen: Option<SocketAddr>,
    /// What partners call the gateway [default: the address it listens on]
    #[arg(long, value_name = "URL", env = "ALLIANCE_PUBLIC_URL")]
    public_url: Option<String>,
    /// Where to serve metrics for Prometheus [default: nowhere]
    #[arg(long, value_name = "ADDR", env = "ALLIANCE_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// Do not touch the database's schema: end where it is not up to date
    #[arg(long)]
    no_migrate: bool,
    /// What log lines look like [default: text]
    #[arg(long, value_enum, env = "ALLIANCE_LOG_FORMAT")]
    log_format: Option<LogLines>,
    /// Which events are logged, for example "debug" or "warn,alliance_gateway=info"
    #[arg(long, value_name = "FILTER", env = "ALLIANCE_LOG")]
    log: Option<String>,
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLines {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Serialize)]
struct Ready {
    alliance: String,
    url: String,
    listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
    database: String,
    docs: String,
    partners: usize,
}

impl Shown for Ready {
    fn text(&self) -> String {
        let Self { alliance, url, database, docs, .. } = self;
        let heading = paint(HEADING, &format!("The alliance \"{alliance}\" is open at"));
        let mut lines = vec![
            format!("{} {heading} {}", paint(GOOD, "✓"), paint(LIVE, url)),
            format!("  books    {database}"),
            format!("  docs     {docs}"),
        ];
        lines.extend(self.metrics.iter().map(|metrics| format!("  metrics  {metrics}")));
        if self.partners == 0 {
            lines.push("  There are no partners yet: `alliance partner add`".to_owned());
        }
        lines.push("  Ctrl-C ends it".to_owned());
        lines.join("\n")
    }
}

pub(super) fn run(args: &ServeArgs, printer: Printer) -> Result<Exit, Failure> {
    let overrides = Overrides {
        listen: args.listen,
        public_url: args.public_url.clone(),
        metrics_listen: args.metrics_listen,
        ..args.place.overrides()
    };
    let instance = Instance::load(args.place.path(), &overrides)
        .map_err(|faults| Failure::of_faults(&faults))?;
    if folder::is_sandbox(&instance.folder) {
        // By the machine's clock time would go back.
        return Err(Failure::usage(format!(
            "{0} is a sandbox's: open it with `alliance sandbox --dir {0}`",
            instance.folder.display()
        )));
    }
    // Before any key is in memory.
    if let Err(fault) = core_dumps::forbid() {
        printer.note(&format!("warning: {fault}"));
    }
    for secret in [GATEWAY_KEY_FILE, MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE] {
        if let Some(fault) = keyfile::too_open(&instance.folder.join(secret)) {
            printer.note(&format!("warning: {fault}"));
        }
    }
    let log_format = match args.log_format {
        None => instance.gateway.log_format,
        Some(LogLines::Text) => LogFormat::Text,
        Some(LogLines::Json) => LogFormat::Json,
    };
    let guard = telemetry::init(TelemetrySettings {
        log_format,
        log_filter: args.log.clone(),
        otlp_endpoint: instance.gateway.otlp_endpoint.clone(),
        ..TelemetrySettings::default()
    });
    if !args.no_migrate {
        instance.migrate().map_err(Failure::config)?;
    }
    let house = instance.start().map_err(Failure::config)?;
    let runtime = runtime().map_err(Failure::wrong)?;
    let applied = apply(&instance, &house, &runtime);
    let settings = settings(&instance);
    let served = applied.and_then(|_| {
        let ready = |server: &RunningServer| {
            let ready = ready(&instance, server);
            // Told when the server's loop turns, and so waits for signals: whoever reads it may
            // send one at once.
            actix_web::rt::spawn(async move { printer.show(&ready) });
        };
        server::run_until_signal(house.clone(), settings, ready).map_err(|error| {
            let listen = instance.gateway.listen;
            Failure::config(format!(
                "{listen} cannot be served on: {error}; choose another with \
                                     --listen, or --metrics-listen"
            ))
        })
    });
    if served.is_err() {
        runtime.block_on(house.shutdown());
    }
    drop(guard);
    served.map(|()| Exit::Good)
}

/// Applies the configuration, if the gateway's key may sign: else nothing could be served.
fn apply(instance: &Instance, house: &ClearingHouse, runtime: &Runtime) -> Result<usize, Failure> {
    let faults = instance.key_faults(house.registry().gateway_keys.as_deref());
    if !faults.is_empty() {
        return Err(Failure::of_faults(&faults));
    }
    runtime.block_on(instance.apply(house)).map_err(|faults| Failure::of_faults(&faults))
}

/// How the server is started for an instance.
pub(crate) fn settings(instance: &Instance) -> ServerSettings {
    let public = instance.gateway.public_url.as_deref();
    ServerSettings {
        listen: instance.gateway.listen,
        // None: the server takes the address that it listens on.
        authorities: public.and_then(|url| authority::authority_of(url).ok()).into_iter().collect(),
        metrics_listen: instance.gateway.metrics_listen,
        gateway_keys: instance.key_list.clone(),
        limits: instance.gateway.limits,
        private_webhooks: instance.gateway.private_webhooks,
        sandbox: None,
        workers: available_parallelism().map_or(1, std::num::NonZero::get),
    }
}

fn ready(instance: &Instance, server: &RunningServer) -> Ready {
    let url = instance.public_url(server.address);
    Ready {
        alliance: instance.definition.alliance.to_string(),
        docs: format!("{}/docs", authority::url_of(server.address)),
        listen: server.address.to_string(),
        metrics: server
            .metrics_address
            .map(|address| format!("{}/metrics", authority::url_of(address))),
        database: config::without_password(&instance.gateway.database),
        partners: instance.definition.partners.len(),
        url,
    }
}
