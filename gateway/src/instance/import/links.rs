//! Links that both partners have handed in: for exchanges, until revoked.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use alliance_contracts::link::Consent;
use alliance_contracts::names::{MemberRef, PartnerId, ProgramId};
use alliance_contracts::quote::TransactionKind;
use alliance_settlement::alliance::Definition;
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::command::{Command, NewLink};
use alliance_settlement::vault::Lookup;
use csv::StringRecord;

use super::members::finish;
use super::{BadRow, ImportError, Sheet, account, no_program, read, stood_before};
use crate::draw;

/// The columns of a links file.
const COLUMNS: [&str; 4] = ["program", "member", "linked_program", "linked_member"];

type Account = (ProgramId, MemberRef);

/// A link to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// One account: its partner, program and member.
    pub a: (PartnerId, ProgramId, MemberRef),
    /// The other.
    pub b: (PartnerId, ProgramId, MemberRef),
}

/// Reads a links file; `step` is called for every row.
pub fn read_links(source: impl Read, definition: &Definition, step: impl FnMut()) -> Sheet<Link> {
    let mut seen = HashMap::new();
    let mut sheet = read(source, &COLUMNS, step, |line, record, bad| {
        parse(definition, &mut seen, line, record, bad)
    });
    sheet.bad.sort();
    sheet
}

fn parse(
    definition: &Definition,
    seen: &mut HashMap<(Account, Account), u64>,
    line: u64,
    record: &StringRecord,
    bad: &mut Vec<BadRow>,
) -> Option<Link> {
    let column = |at: usize| (COLUMNS[at], record.get(at).unwrap_or_default());
    let a = account(definition, line, column(0), column(1), bad);
    let b = account(definition, line, column(2), column(3), bad);
    let ((a, a_member), (b, b_member)) = a.zip(b)?;
    if a.program == b.program {
        let fault = "a link joins accounts of two programs";
        bad.push(BadRow::new(line, COLUMNS[2], fault));
        return None;
    }
    let one = (a.program.clone(), a_member.clone());
    let other = (b.program.clone(), b_member.clone());
    let unordered = if a.program < b.program { (one, other) } else { (other, one) };
    if let Some(first) = stood_before(seen, unordered, line) {
        let fault = format!("this link stands in line {first} already");
        bad.push(BadRow::new(line, COLUMNS[3], fault));
        return None;
    }
    Some(Link {
        a: (a.partner.clone(), a.program.clone(), a_member),
        b: (b.partner.clone(), b.program.clone(), b_member),
    })
}

/// Imports a links file's rows: all, or none where any has a fault. With `dry_run` none, and the
/// faults are told all the same.
///
/// # Errors
/// [`ImportError`].
pub async fn write_links(
    house: &ClearingHouse,
    sheet: Sheet<Link>,
    dry_run: bool,
    mut step: impl FnMut(),
) -> Result<usize, ImportError> {
    let number = sheet.good.len();
    let mut links: Vec<NewLink> = Vec::with_capacity(number + 1);
    for row in &sheet.good {
        links.push(found(house, &row.value));
        step();
    }
    let refuse = dry_run || !sheet.bad.is_empty();
    if refuse {
        let registry = house.registry();
        links.push(refused(no_program(&registry.definition)));
    }
    let command = Command::ImportLinks(Arc::new(links));
    let outcome =
        house.submit(command).await.map_err(|e| ImportError::Unavailable(e.to_string()))?;
    finish(sheet.good, sheet.bad, &outcome.decided.outcome, number)
}

fn found(house: &ClearingHouse, link: &Link) -> NewLink {
    let end = |(partner, program, member): &(PartnerId, ProgramId, MemberRef)| {
        (partner.clone(), program.clone(), house.vault().sought(program, member))
    };
    NewLink { link: draw::id(), a: end(&link.a), b: end(&link.b), consent: consent() }
}

fn consent() -> Consent {
    Consent { scope: vec![TransactionKind::Exchange], until: None }
}

/// The row that makes the writer refuse the whole: nobody is found there.
fn refused(program: ProgramId) -> NewLink {
    let partner: PartnerId = "nobody".parse().expect("six letters are a partner's slug");
    let end = (partner, program, Lookup([0; 16]).into());
    NewLink { link: draw::id(), a: end.clone(), b: end, consent: consent() }
}

#[cfg(test)]
mod tests {
    use super::super::definition_for_tests;
    use super::*;

    #[test]
    fn every_bad_row_is_listed_with_line_column_and_reason() {
        let text = "program,member,linked_program,linked_member\n\
            aurora,A-1,cedar,C-1\n\
            aurora,A-1,aurora,A-2\n\
            cedar,C-1,aurora,A-1\n\
            cedar,C 1,borealis,B/1\n";
        let sheet = read_links(text.as_bytes(), &definition_for_tests(), || {});
        let bad: Vec<_> = sheet.bad.iter().map(|b| (b.line, b.column.as_str())).collect();
        let wanted = [
            (3, "linked_program"),
            (4, "linked_member"),
            (5, "linked_member"),
            (5, "linked_program"),
            (5, "member"),
        ];
        assert_eq!(bad, wanted, "{:#?}", sheet.bad);
        assert_eq!(sheet.bad[1].reason, "this link stands in line 2 already");
        assert_eq!(sheet.good.len(), 1);
        assert_eq!(sheet.good[0].value.b.0.as_str(), "cedar-hotels");
    }
}
