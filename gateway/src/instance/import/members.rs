//! Members with their opening balances.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use alliance_contracts::names::{MemberRef, ProgramId};
use alliance_settlement::alliance::{Definition, ProgramDefinition};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::command::{Command, NewMember, Outcome};
use alliance_settlement::vault::{KEY_LEN, MemberKey, NonceBytes};
use csv::StringRecord;

use super::{BadRow, ImportError, Row, Sheet, account, from_books, no_program, read, stood_before};

/// The columns of a members file.
const COLUMNS: [&str; 3] = ["program", "member", "balance"];

/// A member to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The program.
    pub program: ProgramId,
    /// The brand's own reference.
    pub member: MemberRef,
    /// Opening balance, in minor units.
    pub opening: i64,
}

/// Reads a members file; `step` is called for every row.
pub fn read_members(
    source: impl Read,
    definition: &Definition,
    step: impl FnMut(),
) -> Sheet<Member> {
    let mut seen = HashMap::new();
    let mut sheet = read(source, &COLUMNS, step, |line, record, bad| {
        parse(definition, &mut seen, line, record, bad)
    });
    sheet.bad.sort();
    sheet
}

fn parse(
    definition: &Definition,
    seen: &mut HashMap<(ProgramId, MemberRef), u64>,
    line: u64,
    record: &StringRecord,
    bad: &mut Vec<BadRow>,
) -> Option<Member> {
    let before = bad.len();
    let field = |at| record.get(at).unwrap_or_default();
    let found = account(definition, line, (COLUMNS[0], field(0)), (COLUMNS[1], field(1)), bad);
    // Without its program a balance is held against no scale, but it must be a number all the same.
    let opening = opening(found.as_ref().map(|(program, _)| *program), field(2))
        .map_err(|fault| bad.push(BadRow::new(line, COLUMNS[2], fault)))
        .ok();
    let (program, member) = found?;
    let key = (program.program.clone(), member.clone());
    if let Some(first) = stood_before(seen, key, line) {
        let fault = format!("this member stands in line {first} already");
        bad.push(BadRow::new(line, COLUMNS[1], fault));
    }
    let opening = opening?;
    (bad.len() == before).then(|| Member { program: program.program.clone(), member, opening })
}

fn opening(program: Option<&ProgramDefinition>, text: &str) -> Result<i64, String> {
    let balance: Decimal = text.parse().map_err(|error| format!("{error}"))?;
    if !limits::amount_in_range(balance) {
        return Err("more than 10^12 points".to_owned());
    }
    let Some(program) = program else { return Ok(0) };
    balance.to_minor(program.scale).ok_or_else(|| match program.scale {
        0 => format!("points of {} are whole", program.program),
        1 => format!("points of {} have 1 decimal at most", program.program),
        scale => format!("points of {} have {scale} decimals at most", program.program),
    })
}

/// Imports a members file's rows: all, or none where any has a fault. With `dry_run` none, and the
/// faults are told all the same.
///
/// # Errors
/// [`ImportError`].
pub async fn write_members(
    house: &ClearingHouse,
    sheet: Sheet<Member>,
    dry_run: bool,
    mut step: impl FnMut(),
) -> Result<usize, ImportError> {
    let number = sheet.good.len();
    let mut members: Vec<NewMember> = Vec::with_capacity(number + 1);
    for row in &sheet.good {
        members.push(sealed(house, &row.value));
        step();
    }
    let refuse = dry_run || !sheet.bad.is_empty();
    if refuse {
        let registry = house.registry();
        members.push(refused(house, no_program(&registry.definition)));
    }
    let command = Command::ImportMembers(Arc::new(members));
    let outcome =
        house.submit(command).await.map_err(|e| ImportError::Unavailable(e.to_string()))?;
    finish(sheet.good, sheet.bad, &outcome.decided.outcome, number)
}

/// What the writer's answer means for the file.
pub(super) fn finish<T>(
    good: Vec<Row<T>>,
    mut bad: Vec<BadRow>,
    outcome: &Outcome,
    number: usize,
) -> Result<usize, ImportError> {
    if let Outcome::BadRows(faults) = outcome {
        bad.extend(from_books(&good, faults));
    }
    bad.sort();
    if bad.is_empty() { Ok(number) } else { Err(ImportError::BadRows(bad)) }
}

/// The member as the books keep it: its reference sealed under a key of its own.
fn sealed(house: &ClearingHouse, member: &Member) -> NewMember {
    let vault = house.vault();
    let key: [u8; KEY_LEN] = house.random();
    let (wrapping, sealing): (NonceBytes, NonceBytes) = (house.random(), house.random());
    NewMember {
        lookup: vault.sought(&member.program, &member.member),
        wrapped_key: vault.wrap(&key, wrapping),
        sealed_reference: MemberKey::from_bytes(key).seal(&member.member, sealing),
        program: member.program.clone(),
        opening: member.opening,
    }
}

/// The row that makes the writer refuse the whole.
fn refused(house: &ClearingHouse, program: ProgramId) -> NewMember {
    let member = "nobody".parse().expect("six letters are a member reference");
    sealed(house, &Member { program, member, opening: 0 })
}

#[cfg(test)]
mod tests {
    use super::super::definition_for_tests;
    use super::*;

    fn read(text: &str) -> Sheet<Member> {
        read_members(text.as_bytes(), &definition_for_tests(), || {})
    }

    #[test]
    fn good_rows_are_read_with_their_lines() {
        let sheet = read("\u{feff}program,member,balance\r\naurora,A-1,0\r\n\r\n\"cedar\",C:2,1.5");
        assert_eq!(sheet.bad, []);
        let lines: Vec<_> = sheet.good.iter().map(|row| (row.line, row.value.opening)).collect();
        assert_eq!(lines, [(2, 0), (4, 150)]);
    }

    #[test]
    fn every_bad_row_is_listed_with_line_column_and_reason() {
        let sheet = read(
            "program,member,balance\n\
             aurora,A-1,10\n\
             nowhere,A-2,10\n\
             aurora,=cmd|' /C calc'!A0,10\n\
             aurora,A-3,1.5\n\
             aurora,A-4,\"1,000\"\n\
             aurora,A-5\n\
             cedar,C-1,010\n\
             aurora,A-1,5\n\
             Aurora,A 6,x\n\
             cedar,C-2,1000000000001\n\
             cedar,C-3,1.555\n",
        );
        let bad: Vec<_> = sheet.bad.iter().map(|b| (b.line, b.column.as_str())).collect();
        let wanted = [
            (3, "program"),
            (4, "member"),
            (5, "balance"),
            (6, "balance"),
            (7, "row"),
            (8, "balance"),
            (9, "member"),
            (10, "balance"),
            (10, "member"),
            (10, "program"),
            (11, "balance"),
            (12, "balance"),
        ];
        assert_eq!(bad, wanted, "{:#?}", sheet.bad);
        assert_eq!(sheet.good.len(), 1);
        let said = |line: u64| {
            sheet.bad.iter().find(|b| b.line == line).map(|b| b.reason.clone()).unwrap()
        };
        assert_eq!(said(3), "the alliance has no program \"nowhere\"");
        assert_eq!(said(5), "points of aurora are whole");
        assert_eq!(said(7), "2 columns instead of 3");
        assert_eq!(said(9), "this member stands in line 2 already");
    }

    #[test]
    fn a_wrong_or_missing_header_is_one_fault() {
        for text in ["", "program,member\naurora,A-1\n", "aurora,A-1,5\n", "a;b;c\n1;2;3\n"] {
            let sheet = read(text);
            assert_eq!(sheet.bad.len(), 1, "{text:?}");
            assert!(sheet.bad[0].reason.contains("program,member,balance"), "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_line() {
        let text = b"program,member,balance\naurora,A-1,5\naurora,\xff,5\naurora,A-2,x\n";
        let sheet = read_members(&text[..], &definition_for_tests(), || {});
        let lines: Vec<_> = sheet.bad.iter().map(|b| b.line).collect();
        assert_eq!(lines, [3, 4], "{:?}", sheet.bad);
    }
}
