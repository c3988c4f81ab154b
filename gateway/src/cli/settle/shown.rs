//! What several of these commands show and read: a certificate's comparison, a file that cannot be
//! read, `NAME=NUMBER`.

use std::fmt::Display;
use std::str::FromStr;

use alliance_contracts::decimal::{Decimal, DecimalError};
use alliance_contracts::netting::{Effort, NettingCertificate};
use alliance_contracts::problem::FieldError;
use alliance_contracts::total::Total;

use crate::cli::failure::Failure;
use crate::cli::layout::{Column, count, grouped, on_the_point, table};

/// A file that is not what it should be, and where.
pub(super) fn unread(named: impl Display, fault: &FieldError) -> Failure {
    let at = if fault.pointer.is_empty() { "" } else { " at " };
    Failure::wrong(format!("{named}{at}{}: {}", fault.pointer, fault.detail))
}

/// `NAME=NUMBER`.
#[derive(Clone, Debug)]
pub(super) struct Set<N> {
    pub name: N,
    pub number: Decimal,
}

impl<N: FromStr<Err: ToString>> FromStr for Set<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once('=').ok_or("write NAME=NUMBER")?;
        let name = name.parse().map_err(|fault: N::Err| fault.to_string())?;
        Ok(Self { name, number: decimal(number)? })
    }
}

pub(super) fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|fault: DecimalError| fault.to_string())
}

/// What each way takes, and what of the money that is owed it spares.
pub(crate) fn comparison(certificate: &NettingCertificate) -> String {
    let ways: [(&str, Effort, &str); 4] = [
        ("gross", certificate.gross, "each pays each what it owes"),
        ("bilateral", certificate.bilateral, "each two pay the difference"),
        ("set-off", certificate.set_off.effort, "cycles cancelled; nobody owes anybody new"),
        ("multilateral", certificate.multilateral, "debtors pay the alliance, it pays creditors"),
    ];
    let owed = certificate.gross.moved;
    let money = ways.iter().map(|(_, effort, _)| grouped(&effort.moved.to_string()));
    let money = on_the_point(&money.collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = ways
        .iter()
        .zip(money)
        .map(|((way, effort, how), money)| {
            let spared = spared(effort.moved, owed);
            vec![(*way).to_owned(), count(effort.payments), money, spared, (*how).to_owned()]
        })
        .collect();
    let header = ["", "payments", certificate.currency.as_str(), "spared", ""];
    let columns = [Column::Left, Column::Right, Column::Right, Column::Right, Column::Left];
    table("  ", &columns, &header, &rows)
}

/// Every party's net.
pub(super) fn nets(certificate: &NettingCertificate) -> String {
    let money = certificate.nets.iter().map(|net| grouped(&net.to_string()));
    let money = on_the_point(&money.collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = certificate
        .parties
        .iter()
        .zip(money)
        .map(|(party, net)| vec![party.to_string(), net])
        .collect();
    let header = ["party", "net (+ is owed)"];
    table("  ", &[Column::Left, Column::Right], &header, &rows)
}

/// What does not move of what is owed, in percent with one decimal, rounded down.
fn spared(moved: Total, owed: Total) -> String {
    if owed.is_zero() {
        return "–".to_owned();
    }
    // Owed is above zero and at most 38 digits; a thousandth of it is subtracted from no more.
    let (moved, owed) = (moved.micros(), owed.micros());
    let mut tenths = 0_i128;
    while tenths < 1_000 && owed - moved >= permille(owed, tenths + 1) {
        tenths += 1;
    }
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// So many thousandths, rounded up, without leaving the range.
fn permille(total: i128, thousandths: i128) -> i128 {
    let (whole, rest) = (total / 1_000, total % 1_000);
    whole * thousandths + (rest * thousandths + 999) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spared_is_rounded_down_and_leaves_no_range() {
        let total = Total::from_micros;
        for (moved, owed, shown) in [
            (41, 251, "83.6 %"),
            (0, 150, "100.0 %"),
            (150, 150, "0.0 %"),
            (1, 1_000_000, "99.9 %"),
            (0, 0, "–"),
            (i128::MAX / 2, i128::MAX, "50.0 %"),
        ] {
            assert_eq!(spared(total(moved), total(owed)), shown);
        }
    }
}
