//! `alliance init`.

use std::path::PathBuf;

use alliance_contracts::names::{AllianceId, Currency};
use alliance_settlement::clearing_house::Clock;
use clap::Args;
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::printer::{FAINT, GOOD, HEADING, LIVE, Printer, Shown, paint};
use crate::instance::{Instance, Overrides, ROOT_KEY_FILE, create, template};

/// What to make.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance init my-alliance\n  \
    alliance init my-alliance --alliance northern-lights --currency EUR")]
pub struct InitArgs {
    /// The folder to make
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The alliance's name, for ever: a-z, 0-9 and - [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    alliance: Option<AllianceId>,
    /// What the partners settle in: three capital letters
    #[arg(long, value_name = "CODE", default_value = "CNY")]
    currency: Currency,
}

#[derive(Serialize)]
struct Initialised {
    alliance: String,
    dir: String,
    /// What partners pin.
    root: String,
}

const ADD: &str =
    "partner add aurora-air --name \"Aurora Air\" --program aurora --value 0.05 --scale 0";

impl Shown for Initialised {
    fn text(&self) -> String {
        let Self { alliance, dir, root } = self;
        let heading = paint(HEADING, &format!("The alliance \"{alliance}\" is made in {dir}"));
        let next = |command: &str| paint(LIVE, &format!("alliance {command}"));
        [
            format!("{} {heading}", paint(GOOD, "✓")),
            String::new(),
            format!("  Root key, for partners to pin: {root}"),
            paint(
                FAINT,
                &format!(
                    "  Its private half, {dir}/{ROOT_KEY_FILE}, is not needed to serve: keep it \
                     offline."
                ),
            ),
            String::new(),
            paint(HEADING, "Next"),
            format!("  {}", paint(LIVE, &format!("cd {dir}"))),
            format!("  {}", next(ADD)),
            format!("  {}", next("check")),
            format!("  {}", next("serve")),
        ]
        .join("\n")
    }
}

pub(super) fn run(args: &InitArgs, printer: Printer) -> Result<Exit, Failure> {
    let alliance = match &args.alliance {
        Some(alliance) => alliance.clone(),
        None => name_of(args)?,
    };
    let created =
        create::keys(&args.dir, &alliance, Clock::system().now()).map_err(|error| match error {
            create::CreateError::Occupied(_) => Failure::usage(error),
            other => Failure::wrong(other),
        })?;
    let text = template::head(&alliance, &args.currency, None) + &template::explained();
    create::write_config(&args.dir, &text).map_err(Failure::wrong)?;
    let instance = Instance::load(&args.dir, &Overrides::default())
        .map_err(|faults| Failure::of_faults(&faults))?;
    instance.migrate().map_err(Failure::config)?;
    let dir = created.folder.display().to_string();
    printer.show(&Initialised { alliance: alliance.to_string(), dir, root: created.root });
    Ok(Exit::Good)
}

fn name_of(args: &InitArgs) -> Result<AllianceId, Failure> {
    let name = args.dir.file_name().map(|name| name.to_string_lossy().into_owned());
    name.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Failure::usage("the folder's name is no name for an alliance: choose one with --alliance")
    })
}
