//! `alliance export`: the journal for other bookkeeping.
//!
//! | file | what |
//! | --- | --- |
//! | `books` | out of an instance's database, proved by its balances |
//! | `file` | out of one corridor's receipts, verified, without a database |

mod books;
mod file;

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alliance_contracts::date::Date;
use alliance_contracts::decimal::format_micros;
use alliance_contracts::names::Corridor;
use alliance_contracts::time::Timestamp;
use alliance_settlement::journal::{self, Difference, Span, Written};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::{Column, count, counted, grouped, on_the_point, table};
use super::printer::{BAD, GOOD, HEADING, LIVE, Printer, Shown, paint};

/// What the journal is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// hledger, 1.25 or later
    Hledger,
    /// beancount, 3 or later
    Beancount,
    /// A row for each posting
    Csv,
}

/// How members are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Members {
    /// All members of a program as one account
    None,
    /// Each by its pseudonym, another one in every corridor
    Pseudonym,
}

/// A time, or the beginning of a day in UTC.
#[derive(Clone, Copy, Debug)]
struct Moment(Timestamp);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = match text.parse::<Date>() {
            Ok(day) => format!("{day}T00:00:00.000Z").parse(),
            Err(_) => text.parse(),
        };
        time.map(Self).map_err(|_| "not like 2026-11-23 or 2026-11-23T04:05:06.789Z")
    }
}

/// What to export, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance export --format hledger --out books.journal\n  \
    alliance export --format beancount --after 2026-11-01 --until 2026-12-01\n  \
    alliance export --format csv --receipts receipts.ndjson --jwks jwks.json --out postings.csv")]
pub struct ExportArgs {
    /// For which tool
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write [default: alliance.journal, alliance.beancount or alliance.csv]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only this corridor's receipts
    #[arg(long, value_name = "CORRIDOR")]
    corridor: Option<Corridor>,
    /// Only receipts from this time on; what was before is part of the openings
    #[arg(long, value_name = "TIME")]
    after: Option<Moment>,
    /// Only receipts before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// How members are shown
    #[arg(long, value_enum, default_value = "none")]
    members: Members,
    /// Out of these receipts instead of an instance; they are verified first
    #[arg(
        long, value_name = "FILE.ndjson", requires = "jwks",
        conflicts_with_all = ["dir", "config", "database"]
    )]
    receipts: Option<PathBuf>,
    /// The gateways' key list, which the receipts are verified with
    #[arg(long, value_name = "FILE", requires = "receipts")]
    jwks: Option<PathBuf>,
    /// Begin CSV with a byte order mark, by which some spreadsheets know UTF-8
    #[arg(long)]
    bom: bool,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

impl ExportArgs {
    fn span(&self) -> Span {
        let time = |moment: Option<Moment>| moment.map(|moment| moment.0);
        Span { after: time(self.after), until: time(self.until) }
    }

    const fn format(&self) -> journal::Format {
        match self.format {
            Format::Hledger => journal::Format::Hledger,
            Format::Beancount => journal::Format::Beancount,
            Format::Csv => journal::Format::Csv,
        }
    }

    const fn members(&self) -> journal::Members {
        match self.members {
            Members::None => journal::Members::Folded,
            Members::Pseudonym => journal::Members::Pseudonyms,
        }
    }

    fn out(&self) -> PathBuf {
        let name = match self.format {
            Format::Hledger => "alliance.journal",
            Format::Beancount => "alliance.beancount",
            Format::Csv => "alliance.csv",
        };
        self.out.clone().unwrap_or_else(|| PathBuf::from(name))
    }
}

/// What the journal's balances were compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ProvedBy {
    /// The balances in the database.
    Books,
    /// The receipts alone.
    Receipts,
}

/// What a journal was made of.
struct Exported {
    written: Written,
    differences: Vec<Difference>,
    proved_by: ProvedBy,
}

#[derive(Serialize)]
struct Summary {
    ok: bool,
    file: String,
    receipts: u64,
    postings: u64,
    first_completed_at: Option<String>,
    last_completed_at: Option<String>,
    moved: Vec<Moved>,
    proved_by: ProvedBy,
    differences: Vec<Differs>,
    #[serde(skip)]
    prove: Option<String>,
}

#[derive(Serialize)]
struct Moved {
    asset: String,
    amount: String,
}

#[derive(Serialize)]
struct Differs {
    account: String,
    asset: String,
    journal: String,
    books: String,
}

impl Summary {
    fn of(args: &ExportArgs, out: &Path, exported: Exported) -> Self {
        let Exported { written, differences, proved_by } = exported;
        let file = out.display().to_string();
        let moved = written.moved.iter().map(|(asset, amount)| Moved {
            asset: asset.to_string(),
            amount: format_micros(*amount),
        });
        let differs = differences.iter().map(|found| Differs {
            account: found.holder.to_string(),
            asset: found.asset.to_string(),
            journal: format_micros(found.journal),
            books: format_micros(found.books),
        });
        Self {
            ok: differences.is_empty(),
            receipts: written.receipts,
            postings: written.postings,
            first_completed_at: written.first.map(|at| at.to_string()),
            last_completed_at: written.last.map(|at| at.to_string()),
            moved: moved.collect(),
            proved_by,
            differences: differs.collect(),
            prove: match args.format {
                Format::Hledger => Some(format!("hledger check --strict --file {file}")),
                Format::Beancount => Some(format!("bean-check {file}")),
                Format::Csv => None,
            },
            file,
        }
    }
}

impl Shown for Summary {
    fn text(&self) -> String {
        let Self { file, .. } = self;
        let receipts = counted(usize::try_from(self.receipts).unwrap_or(usize::MAX), "receipt");
        let what = format!("{receipts}, {} postings in {file}", count(self.postings));
        if !self.ok {
            let heading = paint(HEADING, "The books differ from their receipts");
            let differs = self.differences.iter().map(|found| {
                let Differs { account, asset, journal, books } = found;
                format!("  {account}: {journal} {asset} by the receipts, {books} in the books")
            });
            let lines = [format!("{} {heading}", paint(BAD, "✗")), format!("  {what}")];
            return lines.into_iter().chain(differs).collect::<Vec<_>>().join("\n");
        }
        let mut lines = vec![format!("{} {what}", paint(GOOD, "✓"))];
        if let Some((first, last)) =
            self.first_completed_at.as_ref().zip(self.last_completed_at.as_ref())
        {
            lines.push(format!("  completed  {first} to {last}"));
        }
        let amounts: Vec<String> = self.moved.iter().map(|moved| grouped(&moved.amount)).collect();
        let rows = self.moved.iter().zip(on_the_point(&amounts));
        let rows: Vec<_> = rows.map(|(moved, amount)| vec![moved.asset.clone(), amount]).collect();
        if !rows.is_empty() {
            lines.push(table("  moved  ", &[Column::Left, Column::Right], &[], &rows));
        }
        if let Some(prove) = &self.prove {
            lines.push(format!("  prove it   {}", paint(LIVE, prove)));
        }
        lines.join("\n")
    }
}

pub(super) fn run(args: &ExportArgs, printer: Printer) -> Result<Exit, Failure> {
    let out = args.out();
    if out.exists() && !args.force {
        let out = out.display();
        return Err(Failure::usage(format!("{out} is there already: --force writes over it")));
    }
    if args.bom && args.format != Format::Csv {
        return Err(Failure::usage("--bom is for --format csv"));
    }
    let exported = match (&args.receipts, &args.jwks) {
        (Some(receipts), Some(jwks)) => file::export(args, receipts, jwks, &out, printer)?,
        _ => books::export(args, &out, printer)?,
    };
    let summary = Summary::of(args, &out, exported);
    printer.show(&summary);
    Ok(if summary.ok { Exit::Good } else { Exit::Wrong })
}

/// The file being written: aside, and renamed when it is whole.
struct Sheet {
    file: BufWriter<File>,
    aside: PathBuf,
    out: PathBuf,
    /// Text that has not been written yet.
    text: String,
}

impl Sheet {
    fn new(args: &ExportArgs, out: &Path) -> Result<Self, Failure> {
        let mut aside = out.as_os_str().to_owned();
        aside.push(".part");
        let aside = PathBuf::from(aside);
        let file = File::create(&aside).map_err(|error| unwritable(out, &error))?;
        let text = if args.bom { "\u{feff}".to_owned() } else { String::new() };
        Ok(Self { file: BufWriter::new(file), aside, out: out.to_owned(), text })
    }

    /// Writes out what there is.
    fn write(&mut self) -> Result<(), Failure> {
        let written = self.file.write_all(self.text.as_bytes());
        self.text.clear();
        written.map_err(|error| unwritable(&self.out, &error))
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.write()?;
        let Self { file, aside, out, .. } = self;
        let whole = file.into_inner().map_err(io::IntoInnerError::into_error);
        let whole = whole.and_then(|_| fs::rename(&aside, &out));
        whole.map_err(|error| unwritable(&out, &error))
    }
}

fn unwritable(out: &Path, error: &io::Error) -> Failure {
    Failure::wrong(format!("{} cannot be written: {error}", out.display()))
}

fn unread(error: impl Display) -> Failure {
    Failure::wrong(error)
}
