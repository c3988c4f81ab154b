//! `alliance settle check`: a certificate, by itself.

use std::path::PathBuf;

use alliance_contracts::json;
use alliance_contracts::netting::NettingCertificate;
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::{BAD, GOOD, HEADING, Printer, Shown, paint};

/// Which certificate.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle check certificate.json")]
pub struct CheckArgs {
    /// The certificate
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    /// The rule that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip)]
    table: String,
    parties: usize,
    obligations: usize,
}

impl Shown for Checked {
    fn text(&self) -> String {
        let size =
            format!("{} among {} parties", counted(self.obligations, "obligation"), self.parties);
        match &self.fault {
            Some(fault) => {
                let heading = paint(HEADING, "The certificate proves nothing");
                format!("{} {heading}\n  {fault}\n  {size}", paint(BAD, "✗"))
            }
            None => {
                let heading = paint(HEADING, "The certificate proves itself");
                format!(
                    "{} {heading}\n  {size}: no net changed, nothing created, no set-off moves \
                     less\n\n{}",
                    paint(GOOD, "✓"),
                    self.table
                )
            }
        }
    }
}

pub(super) fn run(args: &CheckArgs, printer: Printer) -> Result<Exit, Failure> {
    let named = args.file.display();
    let bytes = std::fs::read(&args.file);
    let bytes = bytes.map_err(|error| Failure::usage(format!("{named}: {error}")))?;
    let certificate: NettingCertificate =
        json::read(&bytes).map_err(|fault| shown::unread(named, &fault))?;
    let fault = certificate.check().err().map(|fault| fault.to_string());
    let checked = Checked {
        ok: fault.is_none(),
        fault,
        table: shown::comparison(&certificate),
        parties: certificate.parties.len(),
        obligations: certificate.obligations.len(),
    };
    printer.show(&checked);
    Ok(if checked.ok { Exit::Good } else { Exit::Wrong })
}
