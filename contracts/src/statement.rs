//! Statements: what a window came to for one partner, signed, and proved by its receipts
//! (docs/formats/statements.md).
//!
//! A statement names ranges of the partner's own chains. Each range says the tree before it (the
//! roots of its complete subtrees) and the root after it, so that a range's receipts prove
//! themselves, and each of them has its inclusion proof, without asking anybody. Whoever holds the
//! receipts gets the same digits from [`Reckoning`], which the gateway and the SDK share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adjustment::AdjustmentCause;
use crate::date::Date;
use crate::encoding::Hash;
use crate::ids::{ReceiptId, StatementId, TransactionId, WindowId};
use crate::json;
use crate::merkle::{self, Frontier};
use crate::names::{AllianceId, Corridor, Currency, PartnerId, Party};
use crate::quote::TransactionKind;
use crate::receipt::{self, Account, Asset, Receipt};
use crate::time::Timestamp;
use crate::total::Total;

/// The version of the payload.
pub const VERSION: u32 = 1;

/// One receipt of a statement. Amounts are in the settlement currency; above zero the partner
/// receives. Fields in sorted order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementLine {
    /// What it adds to what the partner is owed in this window.
    pub amount: Total,
    /// Of an adjustment: why it was made.
    pub cause: Option<AdjustmentCause>,
    /// When it completed.
    pub completed_at: Timestamp,
    /// Its chain.
    pub corridor: Corridor,
    /// What of it went to the alliance as a fee, whoever of the two bears it.
    pub fee: Total,
    /// What kind of transaction it is of.
    pub kind: TransactionKind,
    /// RFC 6962 hash of its payload as a leaf of the corridor's tree.
    pub leaf: Hash,
    /// The receipt.
    pub receipt: ReceiptId,
    /// Its place in the chain.
    pub seq: u64,
    /// What it pays of an earlier window, or brings in as security: no part of this one's net.
    pub settled: Total,
    /// The transaction.
    pub transaction: TransactionId,
    /// The window that it came into.
    pub window: WindowId,
}

/// A range of one chain. Fields in sorted order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementRange {
    /// Receipts after this number belong to it.
    pub after: u64,
    /// What its lines come to.
    pub amount: Total,
    /// The chain.
    pub corridor: Corridor,
    /// The tree of the first `after` receipts: the roots of its complete subtrees, largest first.
    pub frontier: Vec<Hash>,
    /// SHA-256 of the last receipt's payload.
    pub head: Hash,
    /// SHA-256 of the payload before the first; zeros where there is none.
    pub prev: Hash,
    /// The root of the tree of the first `seq` receipts (RFC 6962).
    pub root: Hash,
    /// The last receipt's number.
    pub seq: u64,
    /// The window that its receipts came into: this one, or one that was aborted.
    pub window: WindowId,
}

/// What all lines come to. Fields in sorted order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementTotals {
    /// Of `amount`.
    pub amount: Total,
    /// Of adjustments, by their cause: of `amount` or of `settled`.
    pub causes: BTreeMap<String, Total>,
    /// Of `fee`.
    pub fees: Total,
    /// How many lines.
    pub lines: u64,
    /// Of `settled`.
    pub settled: Total,
}

/// A payment of the partner's. Fields in sorted order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementPayment {
    /// How much; above zero.
    pub amount: Total,
    /// Who is paid.
    pub creditor: Party,
    /// Who pays.
    pub debtor: Party,
    /// Which payment of the window.
    pub number: u32,
}

/// What a window came to for one partner. Its bytes are RFC 8785; fields in sorted order. Above
/// zero the partner is owed, or is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What the lines come to.
    pub activity: Total,
    /// The alliance.
    pub alliance: AllianceId,
    /// The closing position, `net - payment`: the opening of the next window.
    pub carried: Total,
    /// Aborted windows whose obligations are in this one, oldest first.
    pub carried_windows: Vec<WindowId>,
    /// SHA-256 of the window's netting certificate.
    pub certificate: Hash,
    /// When the window was closed.
    pub closed_at: Timestamp,
    /// The settlement currency.
    pub currency: Currency,
    /// Its id: the same whenever it is drawn up.
    pub id: StatementId,
    /// When the window was netted.
    pub issued_at: Timestamp,
    /// `opening + activity`.
    pub net: Total,
    /// Its number: the window's.
    pub number: u64,
    /// When the window was opened.
    pub opened_at: Timestamp,
    /// The opening position.
    pub opening: Total,
    /// Whose.
    pub partner: PartnerId,
    /// What banks move.
    pub payment: Total,
    /// The payments that this is made of.
    pub payments: Vec<StatementPayment>,
    /// Whether the value date counts days that no calendar knows yet.
    pub provisional: bool,
    /// The receipts: ranges of the partner's chains.
    pub ranges: Vec<StatementRange>,
    /// What they come to.
    pub totals: StatementTotals,
    /// Version of the payload: 1.
    pub v: u32,
    /// When its payments are due; none where nothing is paid.
    pub value_date: Option<Date>,
    /// The window.
    pub window: WindowId,
}

/// Why a statement does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// Not a statement, or not its canonical bytes.
    #[error("not the canonical bytes of a statement of version 1")]
    Malformed,
    /// A sum in it is another.
    #[error("{0} is not what its parts come to")]
    Sum(&'static str),
    /// A range that is none: its numbers, or the tree before it.
    #[error("the range of {0} is none")]
    Range(Corridor),
    /// A receipt that is not the next of its range.
    #[error("receipt {seq} of {corridor} is not the next of the statement's range")]
    NotNext {
        /// The chain of the range.
        corridor: Corridor,
        /// The number that is awaited.
        seq: u64,
    },
    /// Money of another currency.
    #[error("receipt {seq} of {corridor} moves money of another currency")]
    Currency {
        /// The chain.
        corridor: Corridor,
        /// The receipt's number.
        seq: u64,
    },
    /// More receipts than the statement has.
    #[error("the statement has no more receipts")]
    TooMany,
    /// Fewer receipts than the statement has.
    #[error("receipts of {corridor} from number {seq} are missing")]
    Missing {
        /// The chain.
        corridor: Corridor,
        /// The first that is missing.
        seq: u64,
    },
    /// The receipts come to something else.
    #[error("the receipts of {0} come to something else than the statement says")]
    Differs(Corridor),
    /// Beyond the range of totals.
    #[error("a total leaves its range")]
    Beyond,
}

impl Statement {
    /// The payload: RFC 8785 bytes, ready to sign.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// Reads a payload, and checks it as [`Statement::check`] does.
    ///
    /// # Errors
    /// [`StatementFault`].
    pub fn parse(payload: &[u8]) -> Result<Self, StatementFault> {
        let read: Self = json::read(payload).map_err(|_| StatementFault::Malformed)?;
        if read.v != VERSION || read.to_payload() != payload {
            return Err(StatementFault::Malformed);
        }
        read.check()?;
        Ok(read)
    }

    /// Whether its figures are consistent: opening + activity = net, payment + carried = net,
    /// ranges and payments sum up.
    ///
    /// # Errors
    /// [`StatementFault::Sum`], [`StatementFault::Range`].
    pub fn check(&self) -> Result<(), StatementFault> {
        if sum([self.opening, self.activity])? != self.net {
            return Err(StatementFault::Sum("net"));
        }
        if sum([self.payment, self.carried])? != self.net {
            return Err(StatementFault::Sum("carried"));
        }
        let mut lines = 0_u64;
        for range in &self.ranges {
            let wrong = || StatementFault::Range(range.corridor.clone());
            let here = range.seq.checked_sub(range.after).ok_or_else(wrong)?;
            lines = lines.checked_add(here).ok_or_else(wrong)?;
        }
        let amounts = sum(self.ranges.iter().map(|range| range.amount))?;
        if lines != self.totals.lines
            || amounts != self.activity
            || self.totals.amount != self.activity
        {
            return Err(StatementFault::Sum("activity"));
        }
        let own = self.partner.as_str();
        let signed = self.payments.iter().map(|payment| match payment {
            to if to.creditor.as_str() == own => to.amount,
            from => Total::from_micros(-from.amount.micros()),
        });
        let others = self
            .payments
            .iter()
            .any(|payment| (payment.creditor.as_str() == own) == (payment.debtor.as_str() == own));
        if others || sum(signed)? != self.payment {
            return Err(StatementFault::Sum("payment"));
        }
        Ok(())
    }

    /// The id of the statement of a window and partner: the window's time, and bits that are
    /// hashed from both.
    #[must_use]
    pub fn id_of(window: &WindowId, partner: &PartnerId) -> StatementId {
        let hash = Hash::of(format!("alliance-statement/{window}/{partner}").as_bytes());
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        bytes[..6].copy_from_slice(&window.to_bytes()[..6]);
        // RFC 9562: version 7, variant 10.
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        StatementId::from_u128(u128::from_be_bytes(bytes))
    }
}

fn sum(totals: impl IntoIterator<Item = Total>) -> Result<Total, StatementFault> {
    let add = |sum: i128, total: Total| sum.checked_add(total.micros());
    let sum = totals.into_iter().try_fold(0, add).ok_or(StatementFault::Beyond)?;
    Ok(Total::from_micros(sum))
}

/// Adds receipts up to what a statement says of them.
///
/// ```
/// use alliance_contracts::statement::Reckoning;
/// let reckoning = Reckoning::new("aurora-air".parse()?, "CNY".parse()?);
/// let (ranges, totals) = reckoning.finish();
/// assert_eq!((ranges.len(), totals.lines), (0, 0));
/// # Ok::<(), alliance_contracts::names::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reckoning {
    partner: PartnerId,
    currency: Currency,
    totals: StatementTotals,
    ranges: Vec<StatementRange>,
    tree: Frontier,
}

impl Reckoning {
    /// Of no receipt.
    #[must_use]
    pub fn new(partner: PartnerId, currency: Currency) -> Self {
        let (totals, ranges, tree) = (StatementTotals::default(), Vec::new(), Frontier::new());
        Self { partner, currency, totals, ranges, tree }
    }

    /// Begins a range after receipt `after`, whose payload's hash is `prev`. Of `range` only
    /// `window`, `corridor`, `after`, `prev` and `frontier` are looked at.
    ///
    /// # Errors
    /// [`StatementFault::Range`] where the frontier is none of a tree of that size.
    pub fn begin(&mut self, range: &StatementRange) -> Result<(), StatementFault> {
        self.close();
        let peaks: Vec<u8> = range.frontier.iter().flat_map(|peak| *peak.as_bytes()).collect();
        let wrong = |_| StatementFault::Range(range.corridor.clone());
        self.tree = Frontier::from_bytes(range.after, &peaks).map_err(wrong)?;
        let (head, root) = (range.prev, self.tree.root());
        let (amount, seq) = (Total::ZERO, range.after);
        self.ranges.push(StatementRange { amount, head, root, seq, ..range.clone() });
        Ok(())
    }

    /// Takes the next receipt of the range: its line.
    ///
    /// # Errors
    /// [`StatementFault`].
    pub fn take(&mut self, payload: &[u8]) -> Result<StatementLine, StatementFault> {
        let range = self.ranges.last_mut().ok_or(StatementFault::TooMany)?;
        let (corridor, seq) = (range.corridor.clone(), range.seq + 1);
        let not_next = || StatementFault::NotNext { corridor: corridor.clone(), seq };
        let receipt = receipt::parse(payload).map_err(|_| not_next())?;
        let next = receipt.corridor == corridor && receipt.seq == seq;
        if !next || receipt.prev != range.head || receipt.window != range.window {
            return Err(not_next());
        }
        let line = line_of(&receipt, payload, &self.partner, &self.currency)?;
        // Sums first: a receipt that leaves the range of totals changes nothing.
        let mut totals = self.totals.clone();
        totals.amount = sum([totals.amount, line.amount])?;
        totals.fees = sum([totals.fees, line.fee])?;
        totals.settled = sum([totals.settled, line.settled])?;
        totals.lines += 1;
        if let Some(cause) = line.cause {
            let of = totals.causes.entry(cause.as_str().to_owned()).or_default();
            *of = sum([*of, line.amount, line.settled])?;
        }
        range.amount = sum([range.amount, line.amount])?;
        (range.head, range.seq) = (Hash::of(payload), seq);
        self.tree.push(line.leaf);
        self.totals = totals;
        Ok(line)
    }

    /// The ranges and what they come to.
    #[must_use]
    pub fn finish(mut self) -> (Vec<StatementRange>, StatementTotals) {
        self.close();
        (self.ranges, self.totals)
    }

    fn close(&mut self) {
        if let Some(range) = self.ranges.last_mut() {
            range.root = self.tree.root();
        }
    }
}

/// What a receipt is to a partner.
fn line_of(
    receipt: &Receipt,
    payload: &[u8],
    partner: &PartnerId,
    currency: &Currency,
) -> Result<StatementLine, StatementFault> {
    let cause = receipt.adjustment.as_ref().map(|made| made.cause);
    let (mut own, mut fee) = (0_i128, 0_i128);
    for posting in &receipt.postings {
        let Asset::Currency(of) = &posting.asset else { continue };
        if of != currency {
            let (corridor, seq) = (receipt.corridor.clone(), receipt.seq);
            return Err(StatementFault::Currency { corridor, seq });
        }
        // A receipt has few postings of at most 63 bits.
        for (account, signed) in [
            (&posting.credit, i128::from(posting.amount.micros())),
            (&posting.debit, -i128::from(posting.amount.micros())),
        ] {
            match account {
                Account::Position(of) if of == partner => own += signed,
                Account::Fees if cause.is_none() => fee += signed,
                _ => {}
            }
        }
    }
    let own = Total::from_micros(own);
    let counts = cause.is_none_or(AdjustmentCause::is_obligation);
    let (amount, settled) = if counts { (own, Total::ZERO) } else { (Total::ZERO, own) };
    Ok(StatementLine {
        amount,
        cause,
        completed_at: receipt.completed_at,
        corridor: receipt.corridor.clone(),
        fee: Total::from_micros(fee),
        kind: receipt.kind,
        leaf: merkle::leaf_hash(payload),
        receipt: receipt.id,
        seq: receipt.seq,
        settled,
        transaction: receipt.transaction,
        window: receipt.window,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdError;

    fn statement() -> Statement {
        let total = Total::from_micros;
        let partner: PartnerId = "aurora-air".parse().unwrap();
        let window: WindowId = "win_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let at: Timestamp = "2026-11-24T16:00:00.000Z".parse().unwrap();
        let range = StatementRange {
            after: 0,
            amount: total(-1_234_567),
            corridor: "aurora-air~borealis-coffee".parse().unwrap(),
            frontier: Vec::new(),
            head: Hash::of(b"head"),
            prev: Hash::ZERO,
            root: Hash::of(b"root"),
            seq: 3,
            window,
        };
        let payment = StatementPayment {
            amount: total(1_230_000),
            creditor: "alliance".parse().unwrap(),
            debtor: "aurora-air".parse().unwrap(),
            number: 1,
        };
        Statement {
            activity: total(-1_234_567),
            alliance: "demo".parse().unwrap(),
            carried: total(-4_467),
            carried_windows: Vec::new(),
            certificate: Hash::of(b"certificate"),
            closed_at: at,
            currency: "CNY".parse().unwrap(),
            id: Statement::id_of(&window, &partner),
            issued_at: at,
            net: total(-1_234_467),
            number: 1,
            opened_at: at,
            opening: total(100),
            partner,
            payment: total(-1_230_000),
            payments: vec![payment],
            provisional: false,
            ranges: vec![range],
            totals: StatementTotals {
                amount: total(-1_234_567),
                lines: 3,
                ..StatementTotals::default()
            },
            v: VERSION,
            value_date: None,
            window,
        }
    }

    #[test]
    fn every_figure_is_held_to_its_parts() {
        let good = statement();
        assert_eq!(Statement::parse(&good.to_payload()), Ok(good.clone()));
        let one = Total::from_micros(1);
        let breaks: [fn(&mut Statement, Total); 8] = [
            |s, one| s.opening = one,
            |s, one| s.activity = one,
            |s, one| s.net = one,
            |s, one| s.carried = one,
            |s, one| s.ranges[0].amount = one,
            |s, _| s.totals.lines = 4,
            |s, one| s.payments[0].amount = one,
            |s, _| s.payments[0].creditor = "aurora-air".parse().unwrap(),
        ];
        for (at, break_it) in breaks.into_iter().enumerate() {
            let mut broken = good.clone();
            break_it(&mut broken, one);
            assert!(matches!(broken.check(), Err(StatementFault::Sum(_))), "{at}");
            assert!(Statement::parse(&broken.to_payload()).is_err());
        }
        let mut backwards = good;
        backwards.ranges[0].after = 4;
        assert!(matches!(backwards.check(), Err(StatementFault::Range(_))));
    }

    #[test]
    fn the_id_is_one_of_a_statement_and_its_own() -> Result<(), IdError> {
        let window: WindowId = "win_01h455vb4pex5vsknk084sn02q".parse()?;
        let ids = ["aurora-air", "borealis-coffee"]
            .map(|partner| Statement::id_of(&window, &partner.parse().unwrap()));
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            assert_eq!(id.to_string().parse::<StatementId>()?, id);
        }
        Ok(())
    }

    #[test]
    fn the_tree_before_a_range_is_known_by_its_peaks() {
        let leaves: Vec<Hash> = (0..70_u8).map(|byte| Hash::of(&[byte])).collect();
        for size in 0..leaves.len() {
            let mut grown = Frontier::new();
            leaves[..size].iter().for_each(|leaf| grown.push(*leaf));
            let peaks = merkle::peaks_at::<()>(size as u64, &mut |level, position| {
                let (from, width) = ((position as usize) << level, 1 << level);
                Ok(merkle::root_of(&leaves[from..from + width]))
            });
            let bytes: Vec<u8> = peaks.unwrap().iter().flat_map(|peak| *peak.as_bytes()).collect();
            assert_eq!(bytes, grown.to_bytes(), "{size}");
        }
    }
}
