//! The journal as hledger reads it; `hledger check --strict` proves it.

use std::fmt::Write;

use alliance_contracts::date::Date;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::AllianceId;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{Asset, Receipt};

use super::accounts::Path;
use super::{Line, notes};

pub(super) fn head(alliance: &AllianceId, out: &mut String) {
    line(out, format_args!("; The journal of the alliance {alliance}, out of its receipts."));
    line(out, format_args!("; Prove it: hledger check --strict --file THIS_FILE"));
    line(out, format_args!("decimal-mark ."));
}

pub(super) fn asset(asset: &Asset, scale: u32, out: &mut String) {
    let decimals = "0".repeat(usize::try_from(scale).unwrap_or(0));
    line(out, format_args!("commodity 1000.{decimals} {}", commodity(asset)));
}

pub(super) fn account(path: &Path, out: &mut String) {
    line(out, format_args!("account {}", path.hledger()));
}

pub(super) fn openings(day: Date, lines: &[Line<'_>], out: &mut String) {
    line(out, format_args!("\n{day} * opening balances"));
    postings(lines, out);
}

pub(super) fn entry(receipt: &Receipt, payload: &Hash, lines: &[Line<'_>], out: &mut String) {
    let day = super::day(receipt.completed_at);
    let Receipt { seq, corridor, kind, .. } = receipt;
    let kind = TransactionKind::as_str(*kind);
    line(out, format_args!("\n{day} * ({seq}) {corridor} | {kind}"));
    for (name, value) in notes(receipt, payload) {
        line(out, format_args!("    ; {name}: {value}"));
    }
    postings(lines, out);
}

/// Nothing is moved; every account, with those below it, must have what is said.
pub(super) fn balances(day: Date, lines: &[Line<'_>], out: &mut String) {
    line(out, format_args!("\n{day} * closing balances"));
    for Line { path, asset, amount } in lines {
        let asset = commodity(asset);
        line(out, format_args!("    {}  0 {asset} =* {amount} {asset}", path.hledger()));
    }
}

fn postings(lines: &[Line<'_>], out: &mut String) {
    for Line { path, asset, amount } in lines {
        line(out, format_args!("    {}  {amount} {}", path.hledger(), commodity(asset)));
    }
}

/// A program's name in quotes, because of its digits and hyphens.
pub(super) fn commodity(asset: &Asset) -> String {
    match asset {
        Asset::Program(program) => format!("\"{program}\""),
        Asset::Currency(currency) => currency.to_string(),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(out, "{text}");
}
