//! The demo: a whole alliance in a folder, its gateway open on this machine, thousands of orders
//! sent as the brands would send them, and every receipt verified by those it concerns.
//!
//! Nothing here is a shortcut: the gateway is the one that `serve` opens, members and links come in
//! through the importer, orders through the SDK over HTTP, receipts through the API, and what they
//! say is held against the books.

mod books;
mod cast;
mod connected;
mod drive;
mod folder;
mod offline;
mod plan;
pub(crate) mod random;
mod rates;
mod render;
pub(crate) mod service;
mod settled;
mod summary;

use std::future::Future;
use std::io::Cursor;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alliance_partner_sdk::Client;
use alliance_partner_sdk::verify::file::Totals;
use alliance_settlement::clearing_house::ClearingHouse;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::cli::failure::{Exit, Failure, whole};
use crate::cli::layout::{counted, seconds};
use crate::cli::printer::{GOOD, LIVE, Printer, paint};
use crate::cli::progress::Progress;
use crate::instance::config::DEFAULT_LISTEN;
use crate::instance::import::{read_links, read_members, write_links, write_members};
use crate::instance::{Instance, PARTNERS_DIR, authority};
use crate::server::ServerSettings;
use crate::telemetry::{self, LogFormat, TelemetrySettings};
pub(crate) use cast::parsed;
use cast::{BRANDS, Cast, PEOPLE};
use connected::{Connected, ConnectedOrders};
use folder::Folder;
use offline::Findings;
use service::Service;
use summary::{Audit, Files, Orders, Partner, Positions, Summary, Verification};

/// Rounds of orders, a board between each and the next.
const ROUNDS: usize = 5;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub dir: PathBuf,
    /// Where to listen; none: the usual address, or a free one.
    pub listen: Option<SocketAddr>,
    /// How many orders.
    pub orders: u32,
    /// Whether to end when they are done.
    pub once: bool,
}

/// Runs the demo.
///
/// # Errors
/// [`Failure`] where it could not be set up.
pub fn run(options: Options, printer: Printer) -> Result<Exit, Failure> {
    let _telemetry = telemetry::init(TelemetrySettings {
        log_format: LogFormat::Text,
        // A demo full of refusals would be a log full of refusals.
        log_filter: Some(std::env::var("ALLIANCE_LOG").unwrap_or_else(|_| "error".to_owned())),
        ..TelemetrySettings::default()
    });
    let cast = Cast::new();
    let listen = service::choose(options.listen, DEFAULT_LISTEN)?;
    // `./alliance-demo` is shown, and typed again, as `alliance-demo`.
    let dir: PathBuf = options.dir.components().collect();
    let dir = dir.strip_prefix(".").map_or(dir.clone(), PathBuf::from);
    let mut folder = Folder::take(&dir, &cast, listen)?;
    let instance = folder.instance(listen)?;
    instance.migrate().map_err(Failure::config)?;
    let house = instance.start().map_err(Failure::config)?;
    let runtime = runtime()?;
    let opened = runtime.block_on(fill(&mut folder, &instance, &house, &cast, printer));
    if let Err(failure) = opened {
        runtime.block_on(house.shutdown());
        return Err(failure);
    }
    let service = serve(&instance, &house, &runtime)?;
    let mut signals = runtime.block_on(async { Signals::listen() }).map_err(Failure::wrong)?;
    let outcome = runtime.block_on(signals.unless(async {
        let play = Play { folder: &mut folder, instance: &instance, house: &house, cast: &cast };
        let summary = play.run(service.address, options.orders, printer).await?;
        printer.show(&summary);
        Ok(if summary.ok { Exit::Good } else { Exit::Wrong })
    }));
    let outcome = match outcome {
        Some(Ok(exit)) => {
            if !options.once {
                let url = paint(LIVE, &authority::url_of(service.address));
                printer.note(&format!("\nThe gateway stays open at {url} — Ctrl-C ends it."));
                runtime.block_on(signals.come());
            }
            Ok(exit)
        }
        Some(Err(failure)) => Err(failure),
        None => {
            Err(Failure::wrong("ended before the orders were done; the folder can be gone on with"))
        }
    };
    service.stop()?;
    outcome
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("brands")
        .enable_all()
        .build()
        .map_err(Failure::wrong)
}

fn serve(
    instance: &Instance,
    house: &ClearingHouse,
    runtime: &Runtime,
) -> Result<Service, Failure> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let settings = ServerSettings {
        listen: instance.gateway.listen,
        authorities: Vec::new(),
        metrics_listen: instance.gateway.metrics_listen,
        gateway_keys: instance.key_list.clone(),
        limits: instance.gateway.limits,
        private_webhooks: instance.gateway.private_webhooks,
        sandbox: None,
        workers,
    };
    Service::start(house.clone(), settings).map_err(|error| {
        runtime.block_on(house.shutdown());
        Failure::config(format!("{} cannot be served on: {error}", instance.gateway.listen))
    })
}

/// Ctrl-C and SIGTERM, listened to from here on: one that comes while nobody waits is not lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Inside a runtime.
    fn listen() -> std::io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    /// What comes of the work; nothing where a signal comes first.
    async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.come() => None,
        }
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Applies the definition and, in a new folder, imports members and links from their files.
async fn fill(
    folder: &mut Folder,
    instance: &Instance,
    house: &ClearingHouse,
    cast: &Cast,
    printer: Printer,
) -> Result<(), Failure> {
    instance.apply(house).await.map_err(|faults| Failure::of_faults(&faults))?;
    let dir = folder.path.display().to_string();
    if !folder.new {
        printer.note(&format!("Going on with the alliance in {dir}."));
        return Ok(());
    }
    let started = Instant::now();
    let definition = &instance.definition;
    let bar = Progress::spinner(printer, "importing members and links");
    let members = read_members(Cursor::new(cast.members_csv()), definition, || {});
    let members = write_members(house, members, false, || {}).await.map_err(Failure::wrong)?;
    let links = read_links(Cursor::new(cast.links_csv()), definition, || {});
    let links = write_links(house, links, false, || {}).await.map_err(Failure::wrong)?;
    bar.done();
    folder.ready()?;
    printer.note(&format!(
        "{} An alliance in {dir}: {}, {} and {} in {}",
        paint(GOOD, "✓"),
        counted(BRANDS.len(), "brand"),
        counted(members, "member"),
        counted(links, "link"),
        seconds(started.elapsed()),
    ));
    Ok(())
}

/// One run on an open alliance.
struct Play<'a> {
    folder: &'a mut Folder,
    instance: &'a Instance,
    house: &'a ClearingHouse,
    cast: &'a Cast,
}

impl Play<'_> {
    async fn run(
        self,
        address: SocketAddr,
        orders: u32,
        printer: Printer,
    ) -> Result<Summary, Failure> {
        let clients = self.clients()?;
        let before = self.receipts().await?;
        let first_board = rates::last_board(self.house);
        let run = self.folder.begin_run()?;
        let tasks = plan::plan(self.cast, run, usize::try_from(orders).unwrap_or(usize::MAX));
        let bar = Progress::bar(printer, "orders", u64::from(orders));
        let (mut tally, mut took) = (drive::Tally::default(), Duration::ZERO);
        // In rounds: between them the brands report what their points bought, and a board follows.
        for round in tasks.chunks(tasks.len().div_ceil(ROUNDS).max(1)) {
            if took > Duration::ZERO {
                rates::publish(self.house, &clients, &tally).await?;
            }
            let started = Instant::now();
            tally.add(drive::drive(Arc::clone(&clients), round, &bar).await);
            took += started.elapsed();
        }
        bar.done();
        // One brand more, which keeps its members' balances; where nothing is ordered, none joins.
        let joined = match orders {
            0 => None,
            _ => Some(Connected::open(self.folder, self.instance, self.house).await?),
        };
        let asked = match &joined {
            Some(brand) => Some(brand.play(self.house, &clients[0], self.cast, run).await),
            None => None,
        };
        let accepted = tally.accepted() + asked.as_ref().map_or(0, ConnectedOrders::receipts);
        let mut verifiers = clients.to_vec();
        verifiers.extend(joined.as_ref().map(|brand| brand.client.clone()));
        let started = Instant::now();
        let totals = Arc::new(Mutex::new(Totals::default()));
        let findings = self.verify(&verifiers, &totals, 2 * (before + accepted), printer).await;
        let verified_in = started.elapsed();
        let totals = totals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let moved = rates::look(self.house, &clients[0], self.cast, first_board).await;
        let money = books::money(self.house, &totals).await.map_err(Failure::wrong)?;
        let corridors = summary::corridors(&findings);
        let verification = Verification::of(&findings, &corridors, before, accepted, verified_in);
        let positions = Positions::of(&money);
        let settled = match orders {
            0 => None,
            _ => Some(settled::settle(self.house, &self.folder.path).await?),
        };
        let audit = self.audit(printer).await;
        let ok = tally.failed == 0
            && verification.ok
            && positions.sum_is_zero
            && positions.as_receipts_say
            && moved.ok
            && asked.as_ref().is_none_or(|asked| asked.ok)
            && settled.as_ref().is_none_or(|settled| settled.ok)
            && audit.ok;
        Ok(Summary {
            ok,
            alliance: self.instance.definition.alliance.to_string(),
            currency: self.instance.definition.currency.to_string(),
            run,
            gateway: authority::url_of(address),
            partners: partners(),
            orders: Orders::of(&tally, took),
            connected: asked,
            corridors,
            verification,
            rates: moved,
            positions,
            settled,
            audit,
            files: Files::of(self.folder, &findings),
            program: program(),
        })
    }

    /// The brands' clients, as their own files describe them.
    fn clients(&self) -> Result<Arc<[Client; 3]>, Failure> {
        let client = |brand: usize| {
            let file = self.folder.partner(brand).join("client.toml");
            Client::from_config(file).map_err(|error| Failure::config(whole(&error)))
        };
        Ok(Arc::new([client(0)?, client(1)?, client(2)?]))
    }

    /// How many receipts there are.
    async fn receipts(&self) -> Result<u64, Failure> {
        let heads = self.house.read(|store| async move { store.heads().await }).await;
        Ok(heads.map_err(Failure::wrong)?.iter().map(|(_, head)| head.seq).sum())
    }

    async fn verify(
        &self,
        clients: &[Client],
        totals: &offline::SharedTotals,
        expected: u64,
        printer: Printer,
    ) -> Vec<Findings> {
        let bar = Progress::bar(printer, "verifying as each brand", expected);
        let mut brands = JoinSet::new();
        for client in clients {
            let folder = self.folder.path.join(PARTNERS_DIR).join(client.partner().as_str());
            let folder = folder.join("receipts");
            brands.spawn(offline::verify(client.clone(), folder, Arc::clone(totals), bar.clone()));
        }
        let mut findings = Vec::new();
        while let Some(found) = brands.join_next().await {
            findings.push(found.unwrap_or_else(|error| Findings {
                partner: "a brand".to_owned(),
                corridors: Vec::new(),
                fault: Some(error.to_string()),
            }));
        }
        findings.sort_by(|one, other| one.partner.cmp(&other.partner));
        bar.done();
        findings
    }

    async fn audit(&self, printer: Printer) -> Audit {
        let bar = Progress::spinner(printer, "recomputing the books");
        let report = books::audited(self.house, self.instance.trusted_keys.clone()).await;
        bar.done();
        match report {
            Ok(report) => {
                Audit { ok: report.findings.is_empty(), report: Some(report), fault: None }
            }
            Err(error) => Audit { ok: false, report: None, fault: Some(error.to_string()) },
        }
    }
}

/// How this program was called: what to type to call it again.
fn program() -> String {
    std::env::args().next().filter(|name| name.contains('/')).unwrap_or_else(|| "alliance".into())
}

fn partners() -> Vec<Partner> {
    let partner = |brand: &cast::Brand| Partner {
        partner: brand.partner.to_owned(),
        program: brand.program.to_owned(),
        value: brand.value.to_owned(),
        members: PEOPLE,
    };
    BRANDS.iter().map(partner).collect()
}
