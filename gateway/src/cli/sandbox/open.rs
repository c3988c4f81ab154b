//! Opening a sandbox: the folder, the simulated brands, the gateway in front of them.

use std::io::Cursor;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use alliance_settlement::clearing_house::ClearingHouse;
use serde::Serialize;

use super::OpenArgs;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::count;
use crate::cli::printer::{FAINT, GOOD, HEADING, LIVE, Printer, Shown, paint};
use crate::cli::progress::Progress;
use crate::cli::serve;
use crate::demo::{parsed, service};
use crate::instance::config::DEFAULT_LISTEN;
use crate::instance::import::{read_links, read_members, write_links, write_members};
use crate::instance::open::runtime;
use crate::instance::{Instance, authority, keyfile};
use crate::sandbox::brand::Character;
use crate::sandbox::cast::{BRANDS, Brand, OWN};
use crate::sandbox::folder::{Folder, simulated};
use crate::sandbox::{Sandbox, SimulatedBrand, TestClock};
use crate::server::{self, RunningServer};
use crate::telemetry::{self, LogFormat, TelemetrySettings};

/// A brand, as whoever tries against it needs it.
#[derive(Serialize)]
struct Told {
    partner: &'static str,
    program: &'static str,
    /// `hosted`, or how it answers.
    character: &'static str,
    /// Its own folder: `key.pem` and `client.toml`.
    folder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
}

#[derive(Serialize)]
struct Ready {
    alliance: String,
    url: String,
    dir: String,
    docs: String,
    clock: String,
    outcomes: String,
    partners: Vec<Told>,
    members: usize,
    /// What to type first.
    first: Vec<String>,
}

impl Shown for Ready {
    fn text(&self) -> String {
        let Self { url, dir, docs, clock, outcomes, .. } = self;
        let people = count(u64::try_from(self.members).unwrap_or(u64::MAX));
        let heading = paint(HEADING, "The sandbox is open at");
        let mut lines = vec![
            format!("{} {heading} {}", paint(GOOD, "✓"), paint(LIVE, url)),
            format!("  folder    {dir}: {people} people, their names in people.csv"),
            format!("  API       {docs}"),
            format!("  clock     {clock}"),
            format!("  outcomes  {outcomes}: what becomes of a member by how its name begins"),
            String::new(),
            paint(HEADING, "Partners: key.pem and client.toml of each are in its folder"),
        ];
        let width = |of: fn(&Told) -> &str| {
            self.partners.iter().map(|told| of(told).len()).max().unwrap_or(0)
        };
        let (partners, programs) = (width(|told| told.partner), width(|told| told.program));
        lines.extend(self.partners.iter().map(|told| {
            let Told { partner, program, character, .. } = told;
            format!("  {partner:partners$}  {program:programs$}  {character}")
        }));
        lines.push(paint(FAINT, &format!("  in {dir}/partners; yours is {}", OWN.partner)));
        lines.extend([String::new(), paint(HEADING, "Try, in another window")]);
        lines.extend(self.first.iter().map(|typed| format!("  {}", paint(LIVE, typed))));
        lines.push("Ctrl-C ends it; the folder can be gone on with.".to_owned());
        lines.join("\n")
    }
}

pub(super) fn run(args: OpenArgs, printer: Printer) -> Result<Exit, Failure> {
    let _telemetry = telemetry::init(TelemetrySettings {
        log_format: LogFormat::Text,
        // Refusals and silent brands are what a sandbox is for.
        log_filter: Some(std::env::var("ALLIANCE_LOG").unwrap_or_else(|_| "error".to_owned())),
        ..TelemetrySettings::default()
    });
    let listen = service::choose(args.listen, DEFAULT_LISTEN)?;
    // `./alliance-sandbox` is shown, and typed again, as `alliance-sandbox`.
    let dir: PathBuf = args.dir.components().collect();
    let dir = dir.strip_prefix(".").map_or(dir.clone(), PathBuf::from);
    let (mut folder, listeners) = Folder::take(&dir, (args.seed, args.members), listen)?;
    let instance = folder.instance(listen)?;
    instance.migrate().map_err(Failure::config)?;
    let clock = folder.clock()?;
    let house = instance.start_by(clock.clock()).map_err(Failure::config)?;
    let runtime = runtime().map_err(Failure::wrong)?;
    let opened = runtime
        .block_on(fill(&mut folder, &instance, &house, printer))
        .and_then(|()| play(&folder, &instance, &clock, listeners));
    let brands = opened.inspect_err(|_| runtime.block_on(house.shutdown()))?;
    let voices = brands.iter().map(|(brand, played)| (parsed(brand.partner), played.voice()));
    let voices = Arc::new(voices.collect());
    let mut settings = serve::settings(&instance);
    settings.sandbox = Some(Sandbox { clock, voices, ..Sandbox::default() });
    let ready = |server: &RunningServer| {
        let ready = ready(&folder, &instance, server);
        actix_web::rt::spawn(async move { printer.show(&ready) });
    };
    let served = server::run_until_signal(house.clone(), settings, ready).map_err(|error| {
        runtime.block_on(house.shutdown());
        Failure::config(format!("{listen} cannot be served on: {error}; choose with --listen"))
    });
    drop(brands);
    served.map(|()| Exit::Good)
}

/// Applies the definition and, in a new folder, imports members and links from their files.
async fn fill(
    folder: &mut Folder,
    instance: &Instance,
    house: &ClearingHouse,
    printer: Printer,
) -> Result<(), Failure> {
    instance.apply(house).await.map_err(|faults| Failure::of_faults(&faults))?;
    if folder.is_ready() {
        return Ok(());
    }
    let (people, definition) = (folder.people(), &instance.definition);
    let bar = Progress::spinner(printer, "importing members and links");
    let members = read_members(Cursor::new(people.members_csv()), definition, || {});
    write_members(house, members, false, || {}).await.map_err(Failure::wrong)?;
    let links = read_links(Cursor::new(people.links_csv()), definition, || {});
    write_links(house, links, false, || {}).await.map_err(Failure::wrong)?;
    bar.done();
    folder.ready()
}

/// Starts the simulated brands where they are called.
fn play(
    folder: &Folder,
    instance: &Instance,
    clock: &TestClock,
    listeners: Vec<TcpListener>,
) -> Result<Vec<(&'static Brand, SimulatedBrand)>, Failure> {
    let gateway = instance.signing_key.public_key();
    let mut brands = Vec::new();
    for (brand, listener) in simulated(instance).zip(listeners) {
        let key = keyfile::read_private(&folder.partner(brand).join("key.pem"));
        let mood = brand.mood.unwrap_or_default();
        let character = Character { mood, clock: clock.clock() };
        let key = key.map_err(Failure::config)?;
        let started = SimulatedBrand::start_as(character, listener, key, gateway.clone());
        brands.push((brand, started.map_err(Failure::wrong)?));
    }
    Ok(brands)
}

fn ready(folder: &Folder, instance: &Instance, server: &RunningServer) -> Ready {
    let url = authority::url_of(server.address);
    let dir = folder.path.display().to_string();
    let connector = |partner: &str| {
        let mut partners = instance.definition.partners.iter();
        partners.find(|one| one.partner.as_str() == partner)?.connector.clone()
    };
    let told = |brand: &Brand| Told {
        partner: brand.partner,
        program: brand.program,
        character: brand.remark,
        folder: folder.partner(brand).display().to_string(),
        connector: connector(brand.partner),
    };
    let own = folder.partner(&OWN).join("client.toml").display().to_string();
    let first = vec![
        format!("curl {url}/sandbox/clock"),
        format!("export ALLIANCE_CLIENT={own} ALLIANCE_SANDBOX={url}"),
        "alliance sandbox order prompt M-1".to_owned(),
        "alliance sandbox order prompt unknown-1".to_owned(),
        "alliance sandbox log --partner own-brand".to_owned(),
        format!("let client = Client::from_config(\"{own}\")?; // Rust"),
    ];
    Ready {
        alliance: instance.definition.alliance.to_string(),
        docs: format!("{url}/docs"),
        clock: format!("{url}/sandbox/clock"),
        outcomes: format!("{url}/sandbox/outcomes"),
        partners: BRANDS.iter().map(told).collect(),
        members: folder.people().0.len(),
        first,
        dir,
        url,
    }
}
