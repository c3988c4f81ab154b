//! `alliance members import` and `alliance links import`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::{counted, seconds};
use super::printer::{BAD, GOOD, Printer, Shown, paint};
use super::progress::Progress;
use crate::instance::import::{
    BadRow, ImportError, read_links, read_members, write_links, write_members,
};
use crate::instance::open::Books;

/// Import links between members' accounts.
#[derive(Debug, Subcommand)]
pub enum LinksCommand {
    /// Import links that both partners have handed in: all rows, or none
    ///
    /// The file's first line is program,member,linked_program,linked_member. The links are active
    /// at once, for exchanges, until revoked. Every bad row is listed with its line, and nothing is
    /// imported while there is one. Works beside a running gateway.
    #[command(after_help = "Examples:\n  alliance links import links.csv --dir my-alliance\n  \
        alliance links import links.csv --dir my-alliance --dry-run")]
    Import(ImportArgs),
}

/// What to import, and where.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The CSV file
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Find every bad row, and import nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Imported {
    file: String,
    what: &'static str,
    imported: usize,
    good_rows: usize,
    bad_rows: Vec<BadRow>,
    #[serde(skip)]
    took: String,
    #[serde(skip)]
    dry_run: bool,
}

impl Shown for Imported {
    fn text(&self) -> String {
        let rows = counted(self.good_rows, self.what);
        let Self { file, took, .. } = self;
        if !self.bad_rows.is_empty() {
            let bad = counted(self.bad_rows.len(), "fault");
            let heading = format!("{} {file}: {bad}, so nothing was imported", paint(BAD, "✗"));
            let lines = self.bad_rows.iter().map(|row| format!("  {row}"));
            return std::iter::once(heading).chain(lines).collect::<Vec<_>>().join("\n");
        }
        if self.dry_run {
            return format!("{} {rows} could be imported; nothing was", paint(GOOD, "✓"));
        }
        format!("{} {rows} imported in {took}", paint(GOOD, "✓"))
    }
}

pub(super) fn members(args: &ImportArgs, printer: Printer) -> Result<Exit, Failure> {
    import(args, printer, "member", |input, books, reading, writing| {
        let sheet = read_members(input, &books.house().registry().definition, reading);
        let rows = sheet.good.len();
        (rows, books.wait(write_members(books.house(), sheet, args.dry_run, writing)))
    })
}

pub(super) fn links(command: LinksCommand, printer: Printer) -> Result<Exit, Failure> {
    let LinksCommand::Import(args) = command;
    import(&args, printer, "link", |input, books, reading, writing| {
        let sheet = read_links(input, &books.house().registry().definition, reading);
        let rows = sheet.good.len();
        (rows, books.wait(write_links(books.house(), sheet, args.dry_run, writing)))
    })
}

type Step<'a> = &'a mut dyn FnMut();

fn import(
    args: &ImportArgs,
    printer: Printer,
    what: &'static str,
    carry_out: impl FnOnce(
        &mut dyn Read,
        &Books,
        Step<'_>,
        Step<'_>,
    ) -> (usize, Result<usize, ImportError>),
) -> Result<Exit, Failure> {
    let (mut input, lines) = open(&args.file)?;
    let instance = args.place.load()?;
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let started = Instant::now();
    let reading = Progress::bar(printer, "reading", lines);
    let writing = Progress::bar(printer, "sealing and writing", lines);
    let (good_rows, outcome) =
        carry_out(&mut input, &books, &mut || reading.step(1), &mut || writing.step(1));
    reading.done();
    writing.done();
    let (imported, bad_rows) = match outcome {
        Ok(imported) => (if args.dry_run { 0 } else { imported }, Vec::new()),
        Err(ImportError::BadRows(bad)) => (0, bad),
        Err(unavailable @ ImportError::Unavailable(_)) => return Err(Failure::wrong(unavailable)),
    };
    let exit = if bad_rows.is_empty() { Exit::Good } else { Exit::Wrong };
    let (file, took) = (args.file.display().to_string(), seconds(started.elapsed()));
    let dry_run = args.dry_run;
    printer.show(&Imported { file, what, imported, good_rows, bad_rows, took, dry_run });
    Ok(exit)
}

/// The file, and how many lines it has: for the bar.
fn open(path: &Path) -> Result<(BufReader<File>, u64), Failure> {
    let unreadable = |error: std::io::Error| {
        let fault = crate::instance::keyfile::unreadable(&error);
        Failure::usage(format!("{} {fault}", path.display()))
    };
    let mut counted = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
    let (mut lines, mut buffer) = (0_u64, [0; 1 << 16]);
    loop {
        match counted.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            read => {
                let ends = buffer[..read].iter().filter(|byte| **byte == b'\n').count();
                lines = lines.saturating_add(u64::try_from(ends).unwrap_or(0));
            }
        }
    }
    let file = File::open(path).map_err(unreadable)?;
    Ok((BufReader::with_capacity(1 << 16, file), lines.saturating_sub(1)))
}
