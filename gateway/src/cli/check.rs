//! `alliance check`.

use std::net::TcpListener;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::counted;
use super::printer::{GOOD, Printer, Shown, paint};
use crate::instance::config::{sqlite_file, without_password};
use crate::instance::{
    self, Fault, GATEWAY_KEY_FILE, Instance, MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE, ROOT_KEY_FILE,
    keyfile,
};

/// What to look at.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance check --dir my-alliance\n  \
    alliance check --dir my-alliance --no-environment")]
pub struct CheckArgs {
    #[command(flatten)]
    place: Place,
    /// Leave out the database and the addresses: a gateway may be running, or elsewhere
    #[arg(long)]
    no_environment: bool,
}

#[derive(Serialize)]
struct Checked {
    alliance: String,
    database: String,
    partners: usize,
    programs: usize,
    agreements: usize,
    faults: [String; 0],
}

impl Shown for Checked {
    fn text(&self) -> String {
        let Self { alliance, database, .. } = self;
        format!(
            "{} The alliance \"{alliance}\" is ready: {}, {}, {}; books in {database}",
            paint(GOOD, "✓"),
            counted(self.partners, "partner"),
            counted(self.programs, "program"),
            counted(self.agreements, "agreement"),
        )
    }
}

pub(super) fn run(args: &CheckArgs, printer: Printer) -> Result<Exit, Failure> {
    let loaded = Instance::load(args.place.path(), &args.place.overrides());
    let mut faults = too_open(args.place.path());
    let instance = match loaded {
        Ok(instance) => Some(instance),
        Err(found) => {
            faults.splice(0..0, found);
            None
        }
    };
    if let Some(instance) = instance.as_ref().filter(|_| !args.no_environment) {
        faults.extend(database(instance));
        faults.extend(addresses(instance));
    }
    if let Some(instance) = instance.as_ref().filter(|_| args.no_environment) {
        faults.extend(instance.key_faults(None));
    }
    let Some(instance) = instance.filter(|_| faults.is_empty()) else {
        return Err(Failure::of_faults(&faults));
    };
    let definition = &instance.definition;
    printer.show(&Checked {
        alliance: definition.alliance.to_string(),
        database: without_password(&instance.gateway.database),
        partners: definition.partners.len(),
        programs: definition.programs.len(),
        agreements: definition.agreements.len(),
        faults: [],
    });
    Ok(Exit::Good)
}

/// Secrets that others may read.
fn too_open(place: &Path) -> Vec<Fault> {
    let config = instance::config_file(place);
    let folder = config.parent().unwrap_or_else(|| Path::new(""));
    [GATEWAY_KEY_FILE, ROOT_KEY_FILE, MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE]
        .iter()
        .filter_map(|file| keyfile::too_open(&folder.join(file)))
        .collect()
}

fn database(instance: &Instance) -> Vec<Fault> {
    let url = &instance.gateway.database;
    if let Some(file) = sqlite_file(url)
        && !file.exists()
    {
        let fault = "is not there yet: `alliance migrate` or `alliance serve` makes it";
        let missing = Fault::new(file.display(), fault);
        return std::iter::once(missing).chain(instance.key_faults(None)).collect();
    }
    instance.check_database().err().unwrap_or_default()
}

fn addresses(instance: &Instance) -> Vec<Fault> {
    let gateway = &instance.gateway;
    let named = [("listen", Some(gateway.listen)), ("metrics_listen", gateway.metrics_listen)];
    let wanted = named.into_iter().filter_map(|(name, address)| Some((name, address?)));
    wanted
        .filter_map(|(name, address)| {
            let error = TcpListener::bind(address).err()?;
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "in use: is this gateway running already? (--no-environment leaves this out)"
                        .to_owned()
                }
                _ => format!("cannot be listened on: {error}"),
            };
            Some(Fault::new(format!("{name} {address}"), hint))
        })
        .collect()
}
