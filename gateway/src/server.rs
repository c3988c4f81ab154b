//! The server: one actix app for the API, a tiny one for `/metrics`, started and stopped together
//! with the clearing house.
//!
//! | step of a request | where |
//! | --- | --- |
//! | id, plain path, problems, signed answers, counting, logging | `edge` |
//! | how many requests of one address and one partner | `limits` |
//! | body within its bounds | `body` |
//! | signature, key, digest, scope, query, `Alliance-Seen` | `verify`, `signatures` |
//! | what is refused, and how it is told | `refusal` |
//! | the routes and what each does | [`crate::api`]; a sandbox's: [`crate::sandbox::api`] |
//!
//! What actix refuses before there is a request (bytes that are no HTTP, header fields beyond its
//! limits) is answered by actix with a bare status line; everything later is a problem.

pub(crate) mod body;
pub(crate) mod context;
pub(crate) mod edge;
pub(crate) mod gateway;
pub mod limits;
pub mod media;
pub(crate) mod refusal;
pub(crate) mod signatures;
pub(crate) mod signing;
pub(crate) mod target;
#[cfg(test)]
mod tests;
pub(crate) mod verify;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, Error, HttpResponse, HttpServer, rt, web};
use alliance_contracts::key_list::KeyList;
use alliance_settlement::clearing_house::ClearingHouse;
use tokio::sync::watch;

pub use crate::api::openapi_json;
use crate::sandbox::{self, Sandbox};
use crate::{api, driver, publisher, settler, telemetry, webhooks};
use gateway::Gateway;
use limits::LimitSettings;

/// How long a shutdown waits for handlers.
const SHUTDOWN_SECONDS: u64 = 30;
/// How long an idle connection is kept: longer than a client's pool keeps it, so that it is the
/// client who closes.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a request's head may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How often the waiting commands are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// How often those are forgotten whom no limit has anything to remember of.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where it listens; port 0: any free one.
    pub listen: SocketAddr,
    /// Public names, lower-case `host[:port]`, that signatures are checked against; empty: the
    /// address it listens on, and for loopback also `localhost:port`.
    pub authorities: Vec<String>,
    /// Where `/metrics` is served; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Served at `/.well-known/jwks.json`, verbatim, until the books have a list.
    pub gateway_keys: KeyList,
    /// How many requests of whom are taken.
    pub limits: LimitSettings,
    /// Whether webhooks may go to the gateway's own network, and by `http`.
    pub private_webhooks: bool,
    /// What a sandbox's gateway has; none: this is not one.
    pub sandbox: Option<Sandbox>,
    /// Worker threads.
    pub workers: usize,
}

/// A server that runs.
pub struct RunningServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where `/metrics` is.
    pub metrics_address: Option<SocketAddr>,
    house: ClearingHouse,
    gateway: Data<Gateway>,
    handle: ServerHandle,
    task: rt::task::JoinHandle<io::Result<()>>,
    metrics: Option<ServerHandle>,
    counting: rt::task::JoinHandle<()>,
    publishing: rt::task::JoinHandle<()>,
    settling: rt::task::JoinHandle<()>,
    forgetting: rt::task::JoinHandle<()>,
    driving: rt::task::JoinHandle<()>,
    pushing: rt::task::JoinHandle<()>,
    closing: watch::Sender<bool>,
}

/// Starts to serve. Call it inside actix's `System`.
///
/// # Errors
/// An address that cannot be listened on.
pub async fn start(house: ClearingHouse, settings: ServerSettings) -> io::Result<RunningServer> {
    let (keys, private) = (&settings.gateway_keys, settings.private_webhooks);
    let gateway = Gateway::new(house.clone(), keys, &settings.limits, private);
    let gateway = Data::new(gateway.in_sandbox(settings.sandbox));
    let shared = gateway.clone();
    let server = HttpServer::new(move || app(shared.clone()))
        .workers(settings.workers.max(1))
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_WITHIN)
        .bind(settings.listen)?;
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    let names = settings.authorities.iter().map(|name| name.to_ascii_lowercase()).collect();
    let derived = settings.authorities.is_empty();
    gateway.set_authorities(if derived { gateway::names_of(address) } else { names });
    let metrics = settings.metrics_listen.map(serve_metrics).transpose()?;
    let server = server.run();
    let handle = server.handle();
    let counted = house.clone();
    let publishing = rt::spawn(publisher::run(house.clone()));
    let settling = rt::spawn(settler::run(house.clone()));
    let limited = gateway.clone();
    let forgetting = rt::spawn(async move {
        loop {
            rt::time::sleep(FORGET_EVERY).await;
            limited.limits().forget_idle();
        }
    });
    let (closing, closed) = watch::channel(false);
    let caller = driver::Caller::new().map_err(io::Error::other)?;
    let driving = rt::spawn(driver::run(house.clone(), caller, closed.clone()));
    let sender = webhooks::Sender::new(private).map_err(io::Error::other)?;
    let pushing = rt::spawn(webhooks::run(house.clone(), sender, closed));
    Ok(RunningServer {
        address,
        metrics_address: metrics.as_ref().map(|(address, _)| *address),
        house,
        gateway,
        handle,
        task: rt::spawn(server),
        metrics: metrics.map(|(_, handle)| handle),
        counting: rt::spawn(async move {
            loop {
                telemetry::record_waiting(counted.waiting());
                rt::time::sleep(COUNT_EVERY).await;
            }
        }),
        publishing,
        settling,
        forgetting,
        driving,
        pushing,
        closing,
    })
}

/// Starts to serve and goes on until SIGTERM or SIGINT; then stops gracefully. Blocking.
///
/// # Errors
/// As [`start`].
pub fn run_until_signal(
    house: ClearingHouse,
    settings: ServerSettings,
    on_ready: impl FnOnce(&RunningServer),
) -> io::Result<()> {
    rt::System::new().block_on(async move {
        // Heard from before anybody is told that it is ready: whoever is told may send one.
        let mut terminate = rt::signal::unix::signal(rt::signal::unix::SignalKind::terminate())?;
        let mut interrupt = rt::signal::unix::signal(rt::signal::unix::SignalKind::interrupt())?;
        let mut server = start(house, settings).await?;
        on_ready(&server);
        let ended = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            ended = &mut server.task => Some(ended),
        };
        match ended {
            None => tracing::info!("stopping: what was accepted is answered first"),
            Some(Ok(Err(error))) => tracing::error!(%error, "the server ended"),
            Some(_) => tracing::error!("the server ended"),
        }
        server.stop().await;
        Ok(())
    })
}

impl RunningServer {
    /// For pausing and stopping from elsewhere. Stopping through it leaves the clearing house open.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Stops in order: the listener; the handlers, which answer what was accepted; the clearing
    /// house, which drains its queue and closes its store.
    pub async fn stop(self) {
        self.gateway.close_streams();
        self.handle.stop(true).await;
        self.counting.abort();
        self.publishing.abort();
        self.settling.abort();
        self.forgetting.abort();
        // Calls that are under way are finished by whoever looks next.
        let _ = self.closing.send(true);
        let _ = self.driving.await;
        let _ = self.pushing.await;
        if !self.task.is_finished() {
            // The server's own error was told where it happened.
            let _ = self.task.await;
        }
        self.house.shutdown().await;
        if let Some(metrics) = self.metrics {
            metrics.stop(false).await;
        }
    }
}

/// The app of every worker.
pub(crate) fn app(
    gateway: Data<Gateway>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let bench = signatures::Bench::default();
    let routes = match gateway.sandbox() {
        Some(_) => sandbox::api::routes,
        None => |_: &mut web::ServiceConfig| {},
    };
    App::new()
        .app_data(gateway)
        .app_data(bench)
        .configure(routes)
        .configure(api::routes)
        .wrap(from_fn(edge::edge))
}

fn serve_metrics(listen: SocketAddr) -> io::Result<(SocketAddr, ServerHandle)> {
    let show = || async {
        HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(telemetry::prometheus_text())
    };
    let server = HttpServer::new(move || App::new().route("/metrics", web::get().to(show)))
        .workers(1)
        .disable_signals()
        .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    Ok((address, handle))
}
