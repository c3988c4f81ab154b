//! `alliance settle payments` and `import-bank`: what banks are told to pay, and what they say.

use std::fs::File;
use std::path::{Path, PathBuf};

use alliance_contracts::encoding::Hash;
use alliance_contracts::window::WindowState;
use alliance_settlement::clearing_house::settling::{Imported, accounts, in_words, payment_of};
use alliance_settlement::ledger::working_set::BankFile;
use alliance_settlement::payments::instructions::by_debtor;
use alliance_settlement::payments::matching::PaymentState;
use alliance_settlement::rates::proposal::OperatorName;
use clap::Args;
use serde::Serialize;

use super::books::{self, Named};
use super::status::{PaymentLine, payments_table};
use crate::bank::camt;
use crate::bank::pain001::{self, Order, Scheme};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, counted, grouped, on_the_point, table};
use crate::cli::printer::{FAINT, HEADING, Printer, Shown, paint};
use crate::instance::open::Books;
use crate::settler;

/// How an account stands in the definition.
const ACCOUNT: &str = "account = { name = \"…\", country = \"CN\", other = \"…\", bic = \"…\" }";

/// Which window, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle payments 12 --out payments")]
pub struct PaymentsArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// A folder for the files that banks take (ISO 20022 pain.001), one for each party that pays
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Which files, and who brings them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle import-bank statement.xml --as lin.wei")]
pub struct ImportArgs {
    /// What the bank sent: ISO 20022 camt.053 or camt.054
    #[arg(value_name = "FILE.xml", required = true)]
    files: Vec<PathBuf>,
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Payments {
    window: u64,
    currency: String,
    payments: Vec<PaymentLine>,
    files: Vec<String>,
}

impl Shown for Payments {
    fn text(&self) -> String {
        if self.payments.is_empty() {
            return format!("window {} has nothing to be paid", self.window);
        }
        let mut text = payments_table(&self.currency, &self.payments);
        for file in &self.files {
            text.push_str(&format!("\nwrote {file}"));
        }
        text
    }
}

pub(super) fn payments(args: &PaymentsArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let window = books::find(&open, args.window)?;
    let (stands, tracked) = books::payments(&open, window.id)?;
    let currency = window.currency.to_string();
    let mut files = Vec::new();
    if let Some(out) = &args.out {
        if window.state != WindowState::Settling {
            let (number, state) = (window.number, window.state.as_str());
            return Err(Failure::usage(format!(
                "window {number} is {state}: files for banks are written once two people have \
                 released it"
            )));
        }
        let due = tracked.iter().filter(|one| one.state() == PaymentState::Outstanding);
        let due: Vec<_> = due.map(|one| one.instruction.clone()).collect();
        files = write(&open, out, &due)?;
    }
    let payments = stands.iter().map(|one| PaymentLine::of(&currency, one)).collect();
    printer.show(&Payments { window: window.number, currency, payments, files });
    Ok(Exit::Good)
}

/// A file for each party that pays. The same payments make the same file.
fn write(
    open: &Books,
    out: &Path,
    due: &[alliance_settlement::payments::instructions::PaymentInstruction],
) -> Result<Vec<String>, Failure> {
    let registry = open.house().registry();
    let accounts = accounts(&registry);
    let parties = due.iter().flat_map(|one| [&one.debtor, &one.creditor]);
    let missing: std::collections::BTreeSet<String> = parties
        .filter(|party| !accounts.contains_key(*party))
        .map(|party| {
            if books::is_alliance(party) {
                format!("alliance: {ACCOUNT} under [settlement]")
            } else {
                format!("{party}: {ACCOUNT} under its [[partners]]")
            }
        })
        .collect();
    if !missing.is_empty() {
        let said = "no bank account is known: add these to alliance.toml, and restart the gateway";
        return Err(Failure::wrong(said).with(missing));
    }
    let named = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(out).map_err(|error| named(out, &error))?;
    let mut files = Vec::new();
    for (debtor, instructions) in by_debtor(due) {
        let scheme = Scheme::fitting(&instructions, &accounts);
        let window = instructions.first().map(|one| one.window);
        let created = registry.windows.iter().find(|w| Some(w.id) == window);
        let created = created.and_then(|window| window.netted_at).unwrap_or(open.house().now());
        let path = out.join(format!("pain.001-{debtor}.xml"));
        let file = File::create(&path).map_err(|error| named(&path, &error))?;
        let order = Order { accounts: &accounts, created, instructions: &instructions, scheme };
        pain001::write(&order, file).map_err(|error| named(&path, &error))?;
        files.push(path.display().to_string());
    }
    Ok(files)
}

#[derive(Serialize)]
struct EntryLine {
    amount: String,
    currency: String,
    from_or_to: String,
    payment: Option<String>,
    became: String,
}

#[derive(Serialize)]
struct Taken {
    file: String,
    before: bool,
    entries: Vec<EntryLine>,
    settled: Vec<u64>,
}

impl Shown for Taken {
    fn text(&self) -> String {
        if self.before {
            return format!("{}: taken in before; nothing was done again", self.file);
        }
        let amounts: Vec<String> = self.entries.iter().map(|one| grouped(&one.amount)).collect();
        let rows: Vec<Vec<String>> = self
            .entries
            .iter()
            .zip(on_the_point(&amounts))
            .map(|(one, amount)| {
                let payment = one.payment.clone().unwrap_or_else(|| "nobody's".to_owned());
                vec![
                    amount,
                    one.currency.clone(),
                    one.from_or_to.clone(),
                    payment,
                    one.became.clone(),
                ]
            })
            .collect();
        let mut columns = [Column::Left; 5];
        columns[0] = Column::Right;
        let header = ["amount", "", "other party", "payment", "became"];
        let heading = format!("{}: {}", self.file, counted(self.entries.len(), "entry"));
        let mut text = paint(HEADING, &heading);
        if !rows.is_empty() {
            text.push_str(&format!("\n{}", table("  ", &columns, &header, &rows)));
        }
        for number in &self.settled {
            text.push_str(&format!("\nwindow {number} is settled"));
        }
        let left = self.entries.iter().filter(|one| one.payment.is_none()).count();
        if left > 0 {
            let note = format!("{} to be looked at by a person", counted(left, "entry"));
            text.push_str(&format!("\n{}", paint(FAINT, &note)));
        }
        text
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct AllTaken {
    files: Vec<Taken>,
}

impl Shown for AllTaken {
    fn text(&self) -> String {
        self.files.iter().map(Taken::text).collect::<Vec<_>>().join("\n\n")
    }
}

pub(super) fn import(args: &ImportArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let mut files = Vec::new();
    for path in &args.files {
        let named = path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|error| Failure::usage(format!("{named}: {error}")))?;
        let (_, entries) = camt::read_all(bytes.as_slice())
            .map_err(|error| Failure::wrong(format!("{named}: {error}")))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let file = BankFile {
            hash: Hash::of(&bytes),
            name: name.unwrap_or_default(),
            by: args.operator.clone(),
            at: open.house().now(),
            entries: u64::try_from(entries.len()).unwrap_or(u64::MAX),
        };
        let imported = open.wait(open.house().import_bank(file, entries, &settler::ids()));
        let imported = imported.map_err(|error| books::refused(&error))?;
        files.push(taken(&open, named, &imported)?);
    }
    printer.show(&AllTaken { files });
    Ok(Exit::Good)
}

fn taken(open: &Books, file: String, imported: &Imported) -> Result<Taken, Failure> {
    let mut settled = Vec::new();
    for window in &imported.settled {
        settled.push(books::find(open, Named::Id(*window))?.number);
    }
    let entries = imported.entries.iter().map(|(entry, became)| EntryLine {
        amount: books::money(entry.currency.as_str(), entry.amount),
        currency: entry.currency.to_string(),
        from_or_to: entry.counterparty_name.clone().unwrap_or_default(),
        payment: payment_of(became).map(|id| id.to_string()),
        became: in_words(became),
    });
    Ok(Taken { file, before: imported.before, entries: entries.collect(), settled })
}
