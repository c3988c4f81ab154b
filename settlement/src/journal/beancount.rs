//! The journal as beancount reads it; `bean-check` proves it.

use std::fmt::Write;

use alliance_contracts::date::Date;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::AllianceId;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{Asset, Receipt};

use super::accounts::Path;
use super::{Line, epoch, notes};

pub(super) fn head(alliance: &AllianceId, out: &mut String) {
    line(out, format_args!("; The journal of the alliance {alliance}, out of its receipts."));
    line(out, format_args!("; Prove it: bean-check THIS_FILE"));
    line(out, format_args!("option \"title\" \"{alliance}\""));
}

pub(super) fn asset(asset: &Asset, out: &mut String) {
    line(out, format_args!("{} commodity {}", epoch(), commodity(asset)));
    line(out, format_args!("  name: \"{asset}\""));
}

/// An account is opened once; what it is counted in is left to its postings, because it may come
/// to be counted in more.
pub(super) fn account(path: &Path, out: &mut String) {
    line(out, format_args!("{} open {}", epoch(), path.beancount()));
}

pub(super) fn openings(day: Date, lines: &[Line<'_>], out: &mut String) {
    line(out, format_args!("\n{day} * \"opening balances\""));
    postings(lines, out);
}

pub(super) fn entry(receipt: &Receipt, payload: &Hash, lines: &[Line<'_>], out: &mut String) {
    let day = super::day(receipt.completed_at);
    let Receipt { seq, corridor, kind, transaction, .. } = receipt;
    let kind = TransactionKind::as_str(*kind);
    // A reversal is linked with what it turns round.
    let original = receipt.reverses.map_or_else(String::new, |original| format!(" ^{original}"));
    line(out, format_args!("\n{day} * \"{corridor}\" \"{kind}\" ^{transaction}{original}"));
    line(out, format_args!("  seq: {seq}"));
    for (name, value) in notes(receipt, payload) {
        line(out, format_args!("  {name}: \"{value}\""));
    }
    postings(lines, out);
}

/// Every account, with those below it, must have what is said at the day's beginning. Exactly:
/// without `~ 0` one unit of the last decimal would pass.
pub(super) fn balances(day: Date, lines: &[Line<'_>], out: &mut String) {
    line(out, format_args!(""));
    for Line { path, asset, amount } in lines {
        let (path, asset) = (path.beancount(), commodity(asset));
        line(out, format_args!("{day} balance {path}  {amount} ~ 0 {asset}"));
    }
}

fn postings(lines: &[Line<'_>], out: &mut String) {
    for Line { path, asset, amount } in lines {
        line(out, format_args!("  {}  {amount} {}", path.beancount(), commodity(asset)));
    }
}

/// A currency by its code; a program as `P.` and its name in capitals, with `.P` behind a last
/// hyphen, because a commodity must end in a letter or a digit. No name has a dot, so no two
/// programs meet, and no program a currency.
pub(super) fn commodity(asset: &Asset) -> String {
    match asset {
        Asset::Currency(currency) => currency.to_string(),
        Asset::Program(program) => {
            let end = if program.as_str().ends_with('-') { ".P" } else { "" };
            format!("P.{}{end}", program.as_str().to_ascii_uppercase())
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(out, "{text}");
}
