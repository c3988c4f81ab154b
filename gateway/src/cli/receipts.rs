//! `alliance receipts export`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use alliance_contracts::corridor::{StreamEnd, StreamTrailer};
use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::names::Corridor;
use alliance_settlement::receipts::StoredReceipt;
use alliance_settlement::store::StoreError;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::counted;
use super::printer::{GOOD, LIVE, Printer, Shown, paint};
use super::progress::Progress;
use crate::instance::KEY_LIST_FILE;
use crate::instance::open::Books;

/// Receipts read from the books at once.
const PAGE: u32 = 1_000;

/// Export receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptsCommand {
    /// Export a corridor's receipts straight from the books
    ///
    /// One receipt a line, as it was signed, the chain's end in the last line: what both partners
    /// of the corridor get from the gateway, and what `alliance verify` reads.
    #[command(after_help = "Examples:\n  alliance receipts export \
        --corridor aurora-air~borealis-coffee --out receipts.ndjson\n  \
        alliance receipts export --corridor aurora-air~borealis-coffee --out receipts.ndjson \
        --checkpoint receipts.checkpoint")]
    Export(ExportArgs),
}

/// Which receipts, and where to.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The two partners, in order: aurora-air~borealis-coffee
    #[arg(long, value_name = "CORRIDOR")]
    corridor: Corridor,
    /// The file to write
    #[arg(long, value_name = "FILE.ndjson")]
    out: PathBuf,
    /// Also write the corridor's signed checkpoint there: shows that no tail was cut
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Exported {
    corridor: String,
    receipts: u64,
    head: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(skip)]
    jwks: String,
}

impl Shown for Exported {
    fn text(&self) -> String {
        let Self { corridor, receipts, head, file, jwks, .. } = self;
        let receipts = counted(usize::try_from(*receipts).unwrap_or(usize::MAX), "receipt");
        let checkpoint = match &self.checkpoint {
            Some(checkpoint) => format!(" --checkpoint {checkpoint}"),
            None => String::new(),
        };
        let verify = format!("alliance verify {file} --jwks {jwks}{checkpoint}");
        format!(
            "{} {receipts} of {corridor} in {file}\n  head    {head}\n  verify  {}",
            paint(GOOD, "✓"),
            paint(LIVE, &verify)
        )
    }
}

pub(super) fn run(command: ReceiptsCommand, printer: Printer) -> Result<Exit, Failure> {
    let ReceiptsCommand::Export(args) = command;
    for file in std::iter::once(&args.out).chain(&args.checkpoint) {
        if file.exists() && !args.force {
            let file = file.display();
            return Err(Failure::usage(format!("{file} is there already: --force writes over it")));
        }
    }
    let instance = args.place.load()?;
    let books = instance.read_books().map_err(Failure::config)?;
    let corridor = args.corridor.clone();
    let (low, high) = corridor.parties();
    let known = |name: &str| {
        name == "alliance"
            || instance.definition.partners.iter().any(|p| p.partner.as_str() == name)
    };
    if !known(low) || !known(high) {
        return Err(Failure::usage(format!(
            "{corridor} is no corridor of this alliance: see `alliance partner list`"
        )));
    }
    let end = export(&books, &corridor, &args.out, printer)?;
    let checkpoint = match &args.checkpoint {
        Some(file) => checkpoint(&books, &corridor, file)?,
        None => None,
    };
    printer.show(&Exported {
        corridor: corridor.to_string(),
        receipts: end.seq,
        head: end.head.to_string(),
        file: args.out.display().to_string(),
        checkpoint,
        jwks: instance.folder.join(KEY_LIST_FILE).display().to_string(),
    });
    Ok(Exit::Good)
}

/// Writes aside and renames, so that a file that is there is whole.
fn export(
    books: &Books,
    corridor: &Corridor,
    out: &Path,
    printer: Printer,
) -> Result<StreamEnd, Failure> {
    let unwritable =
        |error: io::Error| Failure::wrong(format!("{} cannot be written: {error}", out.display()));
    let aside = out.with_extension("part");
    let mut file = BufWriter::new(File::create(&aside).map_err(unwritable)?);
    let head = head(books, corridor)?;
    let bar = Progress::bar(printer, "exporting", head);
    let mut end = StreamEnd { head: Hash::ZERO, seq: 0 };
    while end.seq < head {
        let page = page(books, corridor, end.seq)?;
        let Some(last) = page.last() else { break };
        end = StreamEnd { head: Hash::of(&last.payload), seq: last.seq };
        for receipt in &page {
            write_line(&mut file, receipt).map_err(unwritable)?;
            bar.step(1);
        }
    }
    file.write_all(&json::canonical(&StreamTrailer { end })).map_err(unwritable)?;
    file.write_all(b"\n").map_err(unwritable)?;
    file.into_inner().map_err(io::IntoInnerError::into_error).map_err(unwritable)?;
    fs::rename(&aside, out).map_err(unwritable)?;
    bar.done();
    Ok(end)
}

/// `{"jws":…,"receipt":…}` in its canonical form: the payload is canonical as it was signed.
fn write_line(file: &mut impl Write, receipt: &StoredReceipt) -> io::Result<()> {
    file.write_all(br#"{"jws":""#)?;
    file.write_all(receipt.jws().as_bytes())?;
    file.write_all(br#"","receipt":"#)?;
    file.write_all(&receipt.payload)?;
    file.write_all(b"}\n")
}

fn head(books: &Books, corridor: &Corridor) -> Result<u64, Failure> {
    let corridor = corridor.clone();
    let head = books.house().read(move |store| async move { store.head(&corridor).await });
    Ok(books.wait(head).map_err(unread)?.map_or(0, |head| head.seq))
}

fn page(books: &Books, corridor: &Corridor, after: u64) -> Result<Vec<StoredReceipt>, Failure> {
    let corridor = corridor.clone();
    let page = books
        .house()
        .read(move |store| async move { store.receipts(&corridor, after, PAGE).await });
    books.wait(page).map_err(unread)
}

fn unread(error: StoreError) -> Failure {
    Failure::wrong(error)
}

fn checkpoint(books: &Books, corridor: &Corridor, file: &Path) -> Result<Option<String>, Failure> {
    let signed = books.wait(books.house().cosigned_checkpoint(corridor)).map_err(Failure::wrong)?;
    let Some(note) = signed else { return Ok(None) };
    fs::write(file, note).map_err(|error| {
        Failure::wrong(format!("{} cannot be written: {error}", file.display()))
    })?;
    Ok(Some(file.display().to_string()))
}
