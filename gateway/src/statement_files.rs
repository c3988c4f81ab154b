//! Statements as files: a partner's lines as CSV, and the same with the signed statement as NDJSON
//! (docs/formats/statements.md). Written in one pass, under another name until they are whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use alliance_contracts::names::PartnerId;
use alliance_contracts::statement::{Statement, StatementLine};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::clearing_house::statements::StatementError;
use alliance_settlement::windows::WindowRecord;
use serde::Serialize;

/// A statement that was written.
#[derive(Debug)]
pub struct WrittenStatement {
    /// What it says.
    pub statement: Statement,
    /// The lines, then the signed statement.
    pub ndjson: PathBuf,
    /// The lines, then `<END>` with what they come to.
    pub csv: PathBuf,
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

/// Draws up a partner's statement and writes its two files into `folder`.
///
/// # Errors
/// [`StatementError`]; then no file has its name.
pub async fn write(
    house: &ClearingHouse,
    window: &WindowRecord,
    partner: &PartnerId,
    folder: &Path,
) -> Result<WrittenStatement, StatementError> {
    fs::create_dir_all(folder)?;
    let named = |ending: &str| {
        folder.join(format!("window-{}.{partner}.statement.{ending}", window.number))
    };
    let (ndjson, csv) = (named("ndjson"), named("csv"));
    let (aside_ndjson, aside_csv) = (named("ndjson.new"), named("csv.new"));
    let mut lines = BufWriter::new(File::create(&aside_ndjson)?);
    let mut rows = BufWriter::new(File::create(&aside_csv)?);
    rows.write_all(HEADER.as_bytes())?;
    let mut each = |line: &StatementLine| {
        serde_json::to_writer(&mut lines, &Line { line })?;
        lines.write_all(b"\n")?;
        row(&mut rows, line)
    };
    let signed = house.statement(window, partner, &mut each).await?;
    serde_json::to_writer(&mut lines, &End { statement: &signed.jws }).map_err(io::Error::from)?;
    lines.write_all(b"\n")?;
    let totals = &signed.statement.totals;
    write!(
        rows,
        "<END>,,,{},,,,,{},{},{},\r\n",
        totals.lines, totals.amount, totals.settled, totals.fees
    )?;
    for (file, aside, name) in [(lines, aside_ndjson, &ndjson), (rows, aside_csv, &csv)] {
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(aside, name)?;
    }
    Ok(WrittenStatement { statement: signed.statement, ndjson, csv })
}

/// Nothing in a row holds a comma or a quote: ids, names, numbers and times.
fn row(out: &mut impl Write, line: &StatementLine) -> io::Result<()> {
    let kind = serde_json::to_string(&line.kind)?;
    let cause = line.cause.map_or("", |cause| cause.as_str());
    write!(
        out,
        "{},{},{},{},{},{cause},{},{},{},{},{},{}\r\n",
        line.receipt,
        line.completed_at,
        line.corridor,
        line.seq,
        kind.trim_matches('"'),
        line.transaction,
        line.window,
        line.amount,
        line.settled,
        line.fee,
        line.leaf,
    )
}
