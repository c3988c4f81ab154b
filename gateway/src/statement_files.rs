//! Statements as files (docs/formats/statements.md): a partner's lines as CSV, the same with the
//! signed statement as NDJSON, a workbook, and pages. Lines are written in one pass, under another
//! name until they are whole.
//!
//! | file | what |
//! | --- | --- |
//! | `sheet` | the workbook (XLSX) |
//! | `paper`, `page`, `fonts` | the pages (PDF) |
//! | `words` | what both say, by language |

mod fonts;
mod page;
mod paper;
mod sheet;
mod words;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use alliance_contracts::names::PartnerId;
use alliance_contracts::statement::{Statement, StatementLine};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::clearing_house::statements::{SignedStatement, StatementError};
use alliance_settlement::windows::WindowRecord;
use serde::Serialize;

pub use fonts::{Fonts, NoFont};
pub use paper::{PaperFault, pages};
use sheet::Sheets;
pub use words::{Language, NoLanguage, Words};

/// What the files for people are written with.
#[derive(Clone)]
pub struct Paper {
    /// In which language.
    pub language: Language,
    /// With which characters.
    pub fonts: Fonts,
}

impl Paper {
    /// That of a language.
    ///
    /// # Errors
    /// [`NoFont`] where this machine cannot write it.
    pub fn of(language: Language) -> Result<Self, NoFont> {
        Ok(Self { language, fonts: Fonts::of(language)? })
    }
}

/// A statement that was written.
#[derive(Debug)]
pub struct WrittenStatement {
    /// What it says, signed.
    pub signed: SignedStatement,
    /// The lines, then the signed statement.
    pub ndjson: PathBuf,
    /// The lines, then `<END>` with what they come to.
    pub csv: PathBuf,
    /// The lines, and the figures as formulas.
    pub xlsx: PathBuf,
    /// The pages.
    pub pdf: PathBuf,
}

impl WrittenStatement {
    /// All of its files.
    #[must_use]
    pub fn files(&self) -> [&Path; 4] {
        [&self.pdf, &self.xlsx, &self.csv, &self.ndjson]
    }
}

#[derive(Serialize)]
struct Line<'a> {
    line: &'a StatementLine,
}

#[derive(Serialize)]
struct End<'a> {
    statement: &'a str,
}

const HEADER: &str = "receipt,completed_at,corridor,seq,kind,cause,transaction,window,amount,\
                      settled,fee,leaf\r\n";

/// A file that has its name only once it is whole.
struct Aside {
    file: BufWriter<File>,
    aside: PathBuf,
    name: PathBuf,
}

impl Aside {
    fn begin(folder: &Path, name: &str) -> io::Result<Self> {
        let aside = folder.join(format!("{name}.new"));
        Ok(Self { file: BufWriter::new(File::create(&aside)?), aside, name: folder.join(name) })
    }

    fn end(self) -> io::Result<PathBuf> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(self.aside, &self.name)?;
        Ok(self.name)
    }
}

/// Draws up a partner's statement and writes its files into `folder`.
///
/// # Errors
/// [`StatementError`]; then no file has its name.
pub async fn write(
    house: &ClearingHouse,
    window: &WindowRecord,
    partner: &PartnerId,
    folder: &Path,
    paper: &Paper,
) -> Result<WrittenStatement, StatementError> {
    fs::create_dir_all(folder)?;
    let begun = |ending: &str| Aside::begin(folder, &name(window.number, partner, ending));
    let (mut ndjson, mut csv) = (begun("ndjson")?, begun("csv")?);
    let mut xlsx = begun(&format!("{}.xlsx", paper.language))?;
    let mut sheets = Sheets::begin(paper.language, folder)?;
    csv.file.write_all(HEADER.as_bytes())?;
    let mut each = |line: &StatementLine| {
        serde_json::to_writer(&mut ndjson.file, &Line { line })?;
        ndjson.file.write_all(b"\n")?;
        sheets.line(line)?;
        row(&mut csv.file, line)
    };
    let signed = house.statement(window, partner, &mut each).await?;
    let end = End { statement: &signed.jws };
    serde_json::to_writer(&mut ndjson.file, &end).map_err(io::Error::from)?;
    ndjson.file.write_all(b"\n")?;
    let totals = &signed.statement.totals;
    write!(
        csv.file,
        "<END>,,,{},,,,,{},{},{},\r\n",
        totals.lines, totals.amount, totals.settled, totals.fees
    )?;
    xlsx.file = BufWriter::new(sheets.end(&signed.statement, xlsx.file)?);
    let (ndjson, csv, xlsx) = (ndjson.end()?, csv.end()?, xlsx.end()?);
    let pdf = write_pages(&signed, folder, paper)?;
    Ok(WrittenStatement { signed, ndjson, csv, xlsx, pdf })
}

/// Writes the pages of a statement that was drawn up.
///
/// # Errors
/// Those of the file, and of [`pages`].
pub fn write_pages(signed: &SignedStatement, folder: &Path, paper: &Paper) -> io::Result<PathBuf> {
    let Statement { number, partner, .. } = &signed.statement;
    let mut pdf =
        Aside::begin(folder, &name(*number, partner, &format!("{}.pdf", paper.language)))?;
    pdf.file.write_all(&pages(signed, paper).map_err(io::Error::other)?)?;
    pdf.end()
}

fn name(window: u64, partner: &PartnerId, ending: &str) -> String {
    format!("window-{window}.{partner}.statement.{ending}")
}

/// The kind of a line, as it stands on the wire.
fn kind(line: &StatementLine) -> String {
    serde_json::to_string(&line.kind).unwrap_or_default().trim_matches('"').to_owned()
}

/// Nothing in a row holds a comma or a quote: ids, names, numbers and times.
fn row(out: &mut impl Write, line: &StatementLine) -> io::Result<()> {
    let cause = line.cause.map_or("", |cause| cause.as_str());
    write!(
        out,
        "{},{},{},{},{},{cause},{},{},{},{},{},{}\r\n",
        line.receipt,
        line.completed_at,
        line.corridor,
        line.seq,
        kind(line),
        line.transaction,
        line.window,
        line.amount,
        line.settled,
        line.fee,
        line.leaf,
    )
}
