//! `alliance settle net`: debts out of a file, netted four ways.

use std::path::{Path, PathBuf};

use alliance_contracts::decimal::Decimal;
use alliance_contracts::json;
use alliance_contracts::names::{AllianceId, Currency, Party};
use alliance_contracts::netting::NettingCertificate;
use alliance_settlement::netting::{Obligations, Run, net};
use clap::Args;
use serde::Serialize;

use super::{act, shown};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::{HEADING, Printer, Shown, paint};

/// What the file must begin with.
const HEADER: [&str; 3] = ["debtor", "creditor", "amount"];

/// Whose debts.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle net debts.csv --certificate netting.json")]
pub struct NetArgs {
    /// The debts: debtor,creditor,amount; without it, the windows of the books that are closed
    #[arg(value_name = "FILE.csv")]
    file: Option<PathBuf>,
    /// The currency of every amount
    #[arg(long, value_name = "CODE", default_value = "CNY")]
    currency: Currency,
    /// The alliance's name
    #[arg(long, value_name = "NAME", default_value = "demo")]
    alliance: AllianceId,
    /// Where to write the certificate
    #[arg(long, value_name = "FILE.json")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Netted {
    certificate: NettingCertificate,
    #[serde(skip)]
    debts: usize,
}

impl Shown for Netted {
    fn text(&self) -> String {
        let (debts, parties) = (self.debts, self.certificate.parties.len());
        format!(
            "{}\n\n{}\n\n{}",
            paint(HEADING, &format!("{} among {parties} parties", counted(debts, "debt"))),
            shown::comparison(&self.certificate),
            shown::nets(&self.certificate),
        )
    }
}

pub(super) fn run(args: &NetArgs, printer: Printer) -> Result<Exit, Failure> {
    let Some(file) = &args.file else { return act::net(&args.place, printer) };
    let (owed, debts) = read(file)?;
    let run = Run {
        alliance: args.alliance.clone(),
        currency: args.currency.clone(),
        window: None,
        carried: Vec::new(),
    };
    let certificate = net(run, &owed).map_err(Failure::wrong)?;
    if let Some(path) = &args.certificate {
        std::fs::write(path, json::canonical(&certificate))
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        printer.note(&format!("wrote {}: alliance settle check proves it", path.display()));
    }
    printer.show(&Netted { certificate, debts });
    Ok(Exit::Good)
}

/// The debts, added up, and how many rows they were; or every bad row.
fn read(path: &Path) -> Result<(Obligations, usize), Failure> {
    let named = path.display();
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| Failure::usage(format!("{named}: {error}")))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let (mut owed, mut debts, mut faults) = (Obligations::new(), 0, Vec::new());
    for (record, place) in reader.records().zip(0..) {
        let record = record.map_err(|error| Failure::wrong(format!("{named}: {error}")))?;
        let line = record.position().map_or(0, csv::Position::line);
        if place == 0 {
            if record.iter().map(|field| field.trim_start_matches('\u{feff}')).ne(HEADER) {
                let wanted = HEADER.join(",");
                return Err(Failure::wrong(format!("{named}: the first line must be {wanted}")));
            }
            continue;
        }
        debts += 1;
        let added = debt(&record).and_then(|(debtor, creditor, amount)| {
            let added = owed.add(&debtor, &creditor, i128::from(amount.micros()));
            added.map_err(|fault| fault.to_string())
        });
        if let Err(fault) = added {
            faults.push(format!("line {line}: {fault}"));
        }
    }
    if faults.is_empty() {
        return Ok((owed, debts));
    }
    Err(Failure::wrong(format!("{named}: {}", counted(faults.len(), "bad row"))).with(faults))
}

/// One row; or the first thing that is wrong with it.
fn debt(record: &csv::StringRecord) -> Result<(Party, Party, Decimal), String> {
    let [Some(debtor), Some(creditor), Some(amount), None] =
        [record.get(0), record.get(1), record.get(2), record.get(3)]
    else {
        return Err(format!("{} fields instead of 3", record.len()));
    };
    let party = |name: &str, column: &str| {
        name.trim().parse::<Party>().map_err(|error| format!("{column}: {error}"))
    };
    let (debtor, creditor) = (party(debtor, "debtor")?, party(creditor, "creditor")?);
    if debtor == creditor {
        return Err(format!("{debtor} owes itself"));
    }
    let amount: Decimal =
        amount.trim().parse().map_err(|error| format!("amount {amount:?}: {error}"))?;
    if amount.is_zero() {
        return Err("amount: nothing is owed".to_owned());
    }
    Ok((debtor, creditor, amount))
}
