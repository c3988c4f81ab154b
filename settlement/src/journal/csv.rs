//! The postings as CSV: a row for each, a header, and a trailer that shows a file that was cut.
//!
//! No cell needs quotes, and none is taken for a formula: every value is a name, an id, a number
//! from zero on or a time, and none of these begins with `=`, `+`, `-`, `@` or a blank.

use std::collections::BTreeMap;
use std::fmt::Write;

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::ProgramId;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::Receipt;

use super::{Members, Written, amounts, named, scale};

/// The columns.
pub(super) const HEADER: &str = "corridor,seq,completed_at,kind,receipt,transaction,reverses,\
window,debtor,creditor,payload_sha256,posting,debit,credit,asset,amount";

pub(super) fn head(out: &mut String) {
    line(out, format_args!("{HEADER}"));
}

pub(super) fn rows(
    receipt: &Receipt,
    payload: &Hash,
    members: Members,
    scales: &BTreeMap<ProgramId, u32>,
    out: &mut String,
) {
    let Receipt { corridor, seq, completed_at, id, transaction, window, .. } = receipt;
    let kind = TransactionKind::as_str(receipt.kind);
    let reverses = receipt.reverses.map(|id| id.to_string()).unwrap_or_default();
    let settlement = receipt.settlement.as_ref();
    let debtor = settlement.map_or("", |settlement| settlement.debtor.as_str());
    let creditor = settlement.map_or("", |settlement| settlement.creditor.as_str());
    for (posting, number) in receipt.postings.iter().zip(1_u64..) {
        let (debit, credit) = (named(&posting.debit, members), named(&posting.credit, members));
        let asset = &posting.asset;
        let micros = i128::from(posting.amount.micros());
        let amount = amounts::spelled(micros, scale(scales, asset));
        line(
            out,
            format_args!(
                "{corridor},{seq},{completed_at},{kind},{id},{transaction},{reverses},{window},\
                 {debtor},{creditor},{payload},{number},{debit},{credit},{asset},{amount}"
            ),
        );
    }
}

/// What was moved of every asset, and how many receipts and postings there are.
pub(super) fn end(written: &Written, scales: &BTreeMap<ProgramId, u32>, out: &mut String) {
    for (asset, moved) in &written.moved {
        let moved = amounts::spelled(*moved, scale(scales, asset));
        line(out, format_args!("<TOTAL>,,,,,,,,,,,,,,{asset},{moved}"));
    }
    let Written { receipts, postings, .. } = written;
    line(out, format_args!("<END>,{receipts},,,,,,,,,,{postings},,,,"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(out, "{text}");
}
