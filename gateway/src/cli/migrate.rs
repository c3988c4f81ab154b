//! `alliance migrate`.

use clap::Args;
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::printer::{GOOD, Printer, Shown, paint};
use crate::instance::config::without_password;

/// Which database.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance migrate --dir my-alliance\n  \
    alliance migrate --dir my-alliance --database postgres://alliance@localhost/alliance")]
pub struct MigrateArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Migrated {
    database: String,
    up_to_date: bool,
}

impl Shown for Migrated {
    fn text(&self) -> String {
        format!("{} {} is up to date", paint(GOOD, "✓"), self.database)
    }
}

pub(super) fn run(args: &MigrateArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    instance.migrate().map_err(Failure::config)?;
    let database = without_password(&instance.gateway.database);
    printer.show(&Migrated { database, up_to_date: true });
    Ok(Exit::Good)
}
