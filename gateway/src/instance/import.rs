//! Members and links out of CSV files: read strictly, every bad row named, all imported or none.
//!
//! | file | columns |
//! | --- | --- |
//! | members | `program,member,balance` |
//! | links | `program,member,linked_program,linked_member` |
//!
//! Faults of the file are found here, faults against the books by the writer. So that all are told
//! at once, what is good of a file with faults is put to the writer together with one row that it
//! must refuse: it names everything it would refuse, and imports nothing.

mod links;
mod members;

pub use links::{Link, read_links, write_links};
pub use members::{Member, read_members, write_members};

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use alliance_contracts::names::{MemberRef, ProgramId};
use alliance_settlement::alliance::{Definition, ProgramDefinition};
use alliance_settlement::command::RowFault;
use csv::StringRecord;
use serde::Serialize;

/// A row that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BadRow {
    /// The line of the file, the header being line 1.
    pub line: u64,
    /// The column.
    pub column: String,
    /// What is wrong with it.
    pub reason: String,
}

impl BadRow {
    fn new(line: u64, column: &str, reason: impl fmt::Display) -> Self {
        Self { line, column: column.to_owned(), reason: reason.to_string() }
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.column, self.reason)
    }
}

/// A row that was read, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The line of the file.
    pub line: u64,
    /// What it says.
    pub value: T,
}

/// What a file was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet<T> {
    /// Rows without a fault of their own.
    pub good: Vec<Row<T>>,
    /// All faults, by line.
    pub bad: Vec<BadRow>,
}

/// Why an import did not take place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Rows that cannot be imported; nothing was.
    #[error("{} cannot be imported, so nothing was", rows(.0.len()))]
    BadRows(Vec<BadRow>),
    /// The books did not answer.
    #[error("the books did not answer, so look before trying again: {0}")]
    Unavailable(String),
}

fn rows(number: usize) -> String {
    if number == 1 { "1 row".to_owned() } else { format!("{number} rows") }
}

/// Reads a file of these columns; `parse` makes a row's value or names its faults. A row is a line:
/// nothing that may stand in a field has a line end in it.
fn read<T>(
    source: impl Read,
    columns: &[&'static str],
    mut step: impl FnMut(),
    mut parse: impl FnMut(u64, &StringRecord, &mut Vec<BadRow>) -> Option<T>,
) -> Sheet<T> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let mut sheet = Sheet { good: Vec::new(), bad: Vec::new() };
    let (mut bytes, mut number, mut header) = (Vec::new(), 0, true);
    loop {
        bytes.clear();
        number += 1;
        match source.read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                sheet.bad.push(BadRow::new(number, "row", format!("cannot be read: {error}")));
                return sheet;
            }
        }
        let Ok(line) = std::str::from_utf8(&bytes) else {
            sheet.bad.push(BadRow::new(number, "row", "not UTF-8: save the file as CSV UTF-8"));
            continue;
        };
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            continue;
        }
        let record = fields(line);
        if std::mem::take(&mut header) {
            if let Some(fault) = header_fault(&record, columns) {
                // Nothing below a wrong header means what it seems to mean.
                sheet.bad.push(BadRow::new(number, "header", fault));
                return sheet;
            }
            continue;
        }
        step();
        if record.len() == columns.len() {
            let value = parse(number, &record, &mut sheet.bad);
            sheet.good.extend(value.map(|value| Row { line: number, value }));
        } else {
            let fault = format!("{} columns instead of {}", record.len(), columns.len());
            sheet.bad.push(BadRow::new(number, "row", fault));
        }
    }
    if header {
        sheet.bad.push(BadRow::new(1, "header", header_wanted(columns)));
    }
    sheet
}

/// The fields of a line; quotes are what makes it more than commas.
fn fields(line: &str) -> StringRecord {
    if !line.contains('"') {
        return line.split(',').collect();
    }
    let mut record = StringRecord::new();
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    // A text in memory is read without errors.
    let _ = reader.read_record(&mut record);
    record
}

fn header_wanted(columns: &[&str]) -> String {
    format!("the first line must be {}", columns.join(","))
}

fn header_fault(record: &StringRecord, columns: &[&str]) -> Option<String> {
    let found: Vec<&str> = record.iter().collect();
    let matches = found.iter().enumerate().all(|(at, name)| {
        // Spreadsheets put a byte order mark in front.
        let name = if at == 0 { name.trim_start_matches('\u{feff}') } else { name };
        columns.get(at) == Some(&name)
    });
    (!matches || found.len() != columns.len()).then(|| header_wanted(columns))
}

/// A program of the alliance and a member's reference in it, out of two columns.
fn account<'d>(
    definition: &'d Definition,
    line: u64,
    (program_column, program): (&str, &str),
    (member_column, member): (&str, &str),
    bad: &mut Vec<BadRow>,
) -> Option<(&'d ProgramDefinition, MemberRef)> {
    let found = definition.programs.iter().find(|p| p.program.as_str() == program);
    if found.is_none() {
        let fault = match program.parse::<ProgramId>() {
            Ok(_) => format!("the alliance has no program \"{program}\""),
            Err(error) => error.to_string(),
        };
        bad.push(BadRow::new(line, program_column, fault));
    }
    let member: Option<MemberRef> =
        member.parse().map_err(|e| bad.push(BadRow::new(line, member_column, e))).ok();
    found.zip(member)
}

/// Notes where something stands first; the line where it stood before, if it did.
fn stood_before<K: std::hash::Hash + Eq>(
    seen: &mut HashMap<K, u64>,
    key: K,
    line: u64,
) -> Option<u64> {
    match seen.entry(key) {
        std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(line);
            None
        }
    }
}

/// The writer's faults as rows of the file; of the row that it had to refuse, nothing.
fn from_books<T>(good: &[Row<T>], faults: &[RowFault]) -> Vec<BadRow> {
    let known = |fault: &RowFault| Some((good.get(fault.row)?.line, fault.fault));
    let column = |fault: &str| if fault.contains("program") { "program" } else { "member" };
    faults
        .iter()
        .filter_map(known)
        .map(|(line, fault)| BadRow::new(line, column(fault), fault))
        .collect()
}

/// A program that the alliance does not have.
fn no_program(definition: &Definition) -> ProgramId {
    let mut names = (0..).map(|number: u32| format!("no-program-{number}"));
    let free = names.find(|name| definition.programs.iter().all(|p| p.program.as_str() != *name));
    free.and_then(|name| name.parse().ok()).expect("of all numbers one is free, and makes a slug")
}

#[cfg(test)]
pub(crate) fn definition_for_tests() -> Definition {
    let text = "alliance = \"demo\"\ncurrency = \"CNY\"\n\
        [[partners]]\npartner = \"aurora-air\"\nname = \"A\"\n\
        [[partners]]\npartner = \"cedar-hotels\"\nname = \"C\"\n\
        [[programs]]\nprogram = \"aurora\"\npartner = \"aurora-air\"\nname = \"A\"\n\
        scale = 0\nvalue = \"0.05\"\n\
        [[programs]]\nprogram = \"cedar\"\npartner = \"cedar-hotels\"\nname = \"C\"\n\
        scale = 2\nvalue = \"0.0723\"\n";
    toml::from_str(text).unwrap()
}
