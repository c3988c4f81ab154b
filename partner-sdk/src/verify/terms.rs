//! Whether a receipt's postings and amounts follow from its terms (protocol § 4 and § 5).
//!
//! The programs' scales do not stand in a receipt, so the amount of points that was not asked for
//! cannot be recomputed to the digit; everything else can, and what the roundings may leave is
//! bounded. An accrual has no such amount, and is computed whole. Reversals move parts of an
//! original that another receipt holds: of them the lines and the sums are checked.

mod adjustment;

use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::ids::CampaignId;
use alliance_contracts::limits::{amount_in_range, surcharge_in_range};
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::quote::{FeeBearer, Rate, Settlement, TransactionKind};
use alliance_contracts::receipt::{Account, Asset, Posting, Receipt, ReceiptSide};
use alliance_contracts::side::SideOf;

/// How a receipt contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsFault {
    /// An adjustment says why it was made, and nothing else does.
    #[error("what says why an adjustment was made does not fit the kind")]
    Adjustment,
    /// An exchange is between two accounts, a redemption between an account and an item, an accrual
    /// between a partner and an account; a reversal is as its original was.
    #[error("source and target do not fit the kind")]
    Sides,
    /// An item's amount is not its price less the cash, or more than that where it is reversed.
    #[error("the item's amount is not its price less the cash")]
    Item,
    /// What has no program is counted in money, of which one is worth one, and its rate has neither
    /// multiplier nor surcharge; the fee of an accrual is always on top.
    #[error("the rate says what a {} has not", .0.as_str())]
    Rate(TransactionKind),
    /// An order reverses nothing and has a quote; a reversal names its original and has none.
    #[error("quote and reverses do not fit the kind")]
    References,
    /// The partners of source and target are not the corridor's two.
    #[error("source and target are not of the corridor's partners")]
    Partners,
    /// Source and target are the same program.
    #[error("source and target are one program")]
    OneProgram,
    /// There is a settlement within one partner, or none between two, or its parties are not the
    /// two partners in the order that the kind demands.
    #[error("the settlement's parties do not fit the kind")]
    SettlementParties,
    /// An amount, value, multiplier or fee rate beyond the protocol's limits.
    #[error("an amount is beyond the protocol's limits")]
    OutOfRange,
    /// The surcharge is a part of the fee rate, and more than all of it.
    #[error("the surcharge is more than the fee rate that it is a part of")]
    Surcharge,
    /// `gross` is not `net + fee + remainder`.
    #[error("gross is not net + fee + remainder")]
    Sum,
    /// `gross` is not `floor6(source × source_value × multiplier)`, with the fee on top where the
    /// source partner bears it.
    #[error("gross is not what the source is worth")]
    Gross,
    /// `fee` is not `ceil6(worth × fee rate)`; within one partner, the fee rate is not zero, or
    /// somebody else than the member bears it.
    #[error("the fee is not what the source is worth × fee rate")]
    Fee,
    /// `net` is not `ceil6(target × target_value)`, less the fee where the target partner bears it.
    #[error("net is not what the target is worth")]
    Net,
    /// The remainder is below zero, or more than one point's worth: more than a rounding leaves.
    #[error("the remainder is not what the roundings can leave")]
    Remainder,
    /// A campaign's bonus of nothing, within one partner, beyond the limits, or whose cost is not
    /// `ceil6(points × target_value)`.
    #[error("the bonus is not what its points are worth")]
    Bonus,
    /// The date of what arrives is carried over, and it is no exchange of two partners.
    #[error("there is no date that could be carried over")]
    Expiry,
    /// The postings are not the lines that the protocol names, in its order.
    #[error("posting {at} is not the line that the terms ask for")]
    Posting {
        /// The first wrong, missing or surplus line, from 0.
        at: usize,
    },
}

/// Checks a receipt against itself.
///
/// # Errors
/// The first broken rule.
pub fn check_terms(receipt: &Receipt) -> Result<(), TermsFault> {
    if receipt.kind == TransactionKind::Adjustment {
        return adjustment::check(receipt);
    }
    if receipt.adjustment.is_some() {
        return Err(TermsFault::Adjustment);
    }
    let kind = kind_of_sides(receipt)?;
    check_parties(receipt)?;
    check_limits(receipt)?;
    check_one_sided(receipt, kind)?;
    match receipt.kind {
        TransactionKind::Reversal => check_reversal(receipt)?,
        TransactionKind::Accrual => check_accrual(receipt)?,
        _ => check_exchange(receipt)?,
    }
    check_bonus(receipt)?;
    if receipt.expiry.is_some()
        && (receipt.kind != TransactionKind::Exchange || receipt.settlement.is_none())
    {
        return Err(TermsFault::Expiry);
    }
    check_postings(receipt)
}

/// The kind that source and target are of; of a reversal, its original's.
fn kind_of_sides(receipt: &Receipt) -> Result<TransactionKind, TermsFault> {
    let sides = match (&receipt.source, &receipt.target) {
        (SideOf::Account(_), SideOf::Account(_)) => TransactionKind::Exchange,
        (SideOf::Account(_), SideOf::Item(_)) => TransactionKind::Redemption,
        (SideOf::Partner { .. }, SideOf::Account(_)) => TransactionKind::Accrual,
        _ => return Err(TermsFault::Sides),
    };
    match receipt.kind {
        TransactionKind::Reversal => Ok(sides),
        kind if kind == sides => Ok(sides),
        _ => Err(TermsFault::Sides),
    }
}

/// What a redemption and an accrual have that an exchange has not, and the other way round.
fn check_one_sided(receipt: &Receipt, kind: TransactionKind) -> Result<(), TermsFault> {
    let rate = &receipt.rate;
    let plain = rate.multiplier == Decimal::ONE && rate.surcharge.is_zero();
    let fits = match kind {
        TransactionKind::Redemption => plain && rate.target_value == Decimal::ONE,
        TransactionKind::Accrual => {
            let on_top = rate.fee_bearer == FeeBearer::Member;
            plain && on_top && rate.source_value == Decimal::ONE
        }
        _ => return Ok(()),
    };
    if !fits {
        return Err(TermsFault::Rate(kind));
    }
    if receipt.bonus.is_some() {
        return Err(TermsFault::Bonus);
    }
    let Some(item) = receipt.target.item() else { return Ok(()) };
    if !amount_in_range(item.price) || !amount_in_range(item.cash) {
        return Err(TermsFault::OutOfRange);
    }
    let whole = micros(item.price) - micros(item.cash);
    let fits = match receipt.kind {
        TransactionKind::Reversal => micros(item.amount) <= whole,
        _ => micros(item.amount) == whole && whole > 0,
    };
    if fits { Ok(()) } else { Err(TermsFault::Item) }
}

/// What a campaign added costs what it is worth; of what was taken back only the limits are known
/// here, because the whole stands in another receipt.
fn check_bonus(receipt: &Receipt) -> Result<(), TermsFault> {
    let Some(bonus) = &receipt.bonus else { return Ok(()) };
    let worth = ceil6(product(bonus.points, receipt.rate.target_value));
    let fits = match receipt.kind {
        TransactionKind::Reversal => !bonus.points.is_zero() || !bonus.cost.is_zero(),
        _ => !bonus.points.is_zero() && micros(bonus.cost) == worth,
    };
    let in_range = amount_in_range(bonus.points) && amount_in_range(bonus.cost);
    if fits && in_range && receipt.settlement.is_some() { Ok(()) } else { Err(TermsFault::Bonus) }
}

fn check_parties(receipt: &Receipt) -> Result<(), TermsFault> {
    let (source, target) = (&receipt.source, &receipt.target);
    if !is_between(&receipt.corridor, source.partner(), target.partner()) {
        return Err(TermsFault::Partners);
    }
    if source.program().is_some() && source.program() == target.program() {
        return Err(TermsFault::OneProgram);
    }
    let reversal = receipt.kind == TransactionKind::Reversal;
    // A reversal keeps the original's sides and exchanges who owes.
    let (debtor, creditor) = match reversal {
        false => (source.partner(), target.partner()),
        true => (target.partner(), source.partner()),
    };
    let parties_fit = match &receipt.settlement {
        None => debtor == creditor,
        Some(s) => debtor != creditor && s.debtor == *debtor && s.creditor == *creditor,
    };
    if parties_fit { Ok(()) } else { Err(TermsFault::SettlementParties) }
}

/// Whether the corridor is that of these two, without building its name.
fn is_between(corridor: &Corridor, one: &PartnerId, other: &PartnerId) -> bool {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    corridor.parties() == (low.as_str(), high.as_str())
}

fn check_limits(receipt: &Receipt) -> Result<(), TermsFault> {
    if !surcharge_in_range(receipt.rate.surcharge, receipt.rate.fee) {
        return Err(TermsFault::Surcharge);
    }
    let amounts_fit = amount_in_range(receipt.source.amount())
        && amount_in_range(receipt.target.amount())
        && receipt.settlement.as_ref().is_none_or(settlement_in_range);
    if receipt.rate.in_range() && amounts_fit { Ok(()) } else { Err(TermsFault::OutOfRange) }
}

fn settlement_in_range(s: &Settlement) -> bool {
    [s.gross, s.net, s.fee, s.remainder].into_iter().all(amount_in_range)
}

/// An exchange, or a redemption: an exchange for money.
fn check_exchange(receipt: &Receipt) -> Result<(), TermsFault> {
    if receipt.quote.is_none() || receipt.reverses.is_some() {
        return Err(TermsFault::References);
    }
    let rate = &receipt.rate;
    let worth = worth(receipt.source.amount(), rate);
    let fee = ceil6(worth * micros(rate.fee));
    let given = ceil6(product(receipt.target.amount(), rate.target_value));
    // Who bears the fee: of the worth the member gets less, or one of the partners adds it.
    let (gross, net) = match rate.fee_bearer {
        FeeBearer::Member => (worth, given),
        FeeBearer::SourcePartner => (worth + fee, given),
        FeeBearer::TargetPartner => (worth, given - fee),
    };
    match &receipt.settlement {
        None if !rate.fee.is_zero() || rate.fee_bearer != FeeBearer::Member => {
            return Err(TermsFault::Fee);
        }
        None => {}
        Some(s) => {
            check_sum(s)?;
            if micros(s.gross) != gross {
                return Err(TermsFault::Gross);
            }
            if micros(s.fee) != fee {
                return Err(TermsFault::Fee);
            }
            // A fee of all that the target is worth leaves nothing to owe: no order.
            let eaten_up = net <= 0 && rate.fee_bearer == FeeBearer::TargetPartner;
            if micros(s.net) != net || eaten_up {
                return Err(TermsFault::Net);
            }
        }
    }
    // Asked by source, less than one target point is left over; asked by target, less than one
    // source point and a millionth: the points that were rounded are the smallest units at most.
    let source_point = ceil6(product(rate.source_value, rate.multiplier));
    // A redemption is always asked by target.
    let target_point = match receipt.target {
        SideOf::Account(_) => micros(rate.target_value),
        SideOf::Item(_) | SideOf::Partner { .. } => 0,
    };
    let most = target_point.max(source_point + 1);
    let left = gross - fee - net;
    if (0..=most).contains(&left) { Ok(()) } else { Err(TermsFault::Remainder) }
}

/// The points cost what they are worth, and the fee comes on top: nothing is left over.
fn check_accrual(receipt: &Receipt) -> Result<(), TermsFault> {
    if receipt.quote.is_none() || receipt.reverses.is_some() {
        return Err(TermsFault::References);
    }
    let rate = &receipt.rate;
    let Some(s) = &receipt.settlement else {
        return if rate.fee.is_zero() { Ok(()) } else { Err(TermsFault::Fee) };
    };
    check_sum(s)?;
    let net = ceil6(product(receipt.target.amount(), rate.target_value));
    if micros(s.net) != net || net == 0 {
        return Err(TermsFault::Net);
    }
    if micros(s.fee) != ceil6(net * micros(rate.fee)) {
        return Err(TermsFault::Fee);
    }
    if s.remainder.is_zero() { Ok(()) } else { Err(TermsFault::Remainder) }
}

fn check_reversal(receipt: &Receipt) -> Result<(), TermsFault> {
    if receipt.quote.is_some() || receipt.reverses.is_none() {
        return Err(TermsFault::References);
    }
    receipt.settlement.as_ref().map_or(Ok(()), check_sum)
}

fn check_sum(s: &Settlement) -> Result<(), TermsFault> {
    let sum = micros(s.net) + micros(s.fee) + micros(s.remainder);
    if micros(s.gross) == sum { Ok(()) } else { Err(TermsFault::Sum) }
}

fn micros(amount: Decimal) -> i128 {
    i128::from(amount.micros())
}

/// `floor6(source × source_value × multiplier)` in one rounding; 10³⁷ units of 10⁻¹⁸ at most.
fn worth(source: Decimal, rate: &Rate) -> i128 {
    let atto = product(source, rate.source_value) * micros(rate.multiplier);
    atto / (i128::from(MICROS) * i128::from(MICROS))
}

/// In units of 10⁻¹²; both within 10¹⁸, so far within an `i128`.
fn product(amount: Decimal, value: Decimal) -> i128 {
    micros(amount) * micros(value)
}

const fn ceil6(pico: i128) -> i128 {
    (pico + (MICROS - 1) as i128) / MICROS as i128
}

/// What stands on one side of a line.
#[derive(Clone, Copy)]
enum Party<'a> {
    SourceMember,
    SourceIssued,
    TargetMember,
    TargetIssued,
    Position(&'a PartnerId),
    Fees,
    Rounding,
    Campaign(CampaignId),
}

impl Party<'_> {
    fn is(self, account: &Account, receipt: &Receipt) -> bool {
        let (source, target) = (&receipt.source, &receipt.target);
        let is_member = |side: &ReceiptSide, program, member| {
            side.program() == Some(program) && side.member() == Some(member)
        };
        match (self, account) {
            (Self::SourceMember, Account::Member(program, member)) => {
                is_member(source, program, member)
            }
            (Self::TargetMember, Account::Member(program, member)) => {
                is_member(target, program, member)
            }
            (Self::SourceIssued, Account::Issued(program)) => source.program() == Some(program),
            (Self::TargetIssued, Account::Issued(program)) => target.program() == Some(program),
            (Self::Position(partner), Account::Position(named)) => named == partner,
            (Self::Campaign(campaign), Account::Campaign(named)) => *named == campaign,
            (Self::Fees, Account::Fees) | (Self::Rounding, Account::Rounding) => true,
            _ => false,
        }
    }
}

/// A line that the terms ask for, told in the direction of the original exchange.
struct Line<'a> {
    debit: Party<'a>,
    credit: Party<'a>,
    amount: Decimal,
    money: bool,
}

fn check_postings(receipt: &Receipt) -> Result<(), TermsFault> {
    let reversal = receipt.kind == TransactionKind::Reversal;
    let mut at = 0;
    for line in expected_lines(receipt).into_iter().flatten().filter(|l| !l.amount.is_zero()) {
        let (debit, credit) =
            if reversal { (line.credit, line.debit) } else { (line.debit, line.credit) };
        let fits = receipt.postings.get(at).is_some_and(|posting| {
            posting.amount == line.amount
                && asset_fits(posting, &line, receipt)
                && debit.is(&posting.debit, receipt)
                && credit.is(&posting.credit, receipt)
        });
        if !fits {
            return Err(TermsFault::Posting { at });
        }
        at += 1;
    }
    if at == receipt.postings.len() { Ok(()) } else { Err(TermsFault::Posting { at }) }
}

fn asset_fits(posting: &Posting, line: &Line<'_>, receipt: &Receipt) -> bool {
    match (&posting.asset, line.money, line.debit) {
        (Asset::Currency(currency), true, _) => {
            receipt.settlement.as_ref().is_some_and(|s| s.currency == *currency)
        }
        (Asset::Program(program), false, Party::SourceMember) => {
            receipt.source.program() == Some(program)
        }
        (Asset::Program(program), false, _) => receipt.target.program() == Some(program),
        _ => false,
    }
}

/// The lines of protocol § 5, in its order.
fn expected_lines(receipt: &Receipt) -> [Option<Line<'_>>; 7] {
    let points = |debit, credit, amount| Some(Line { debit, credit, amount, money: false });
    let (giver, taker) = (receipt.source.account(), receipt.target.account());
    let money = |creditor, amount: fn(&Settlement) -> Decimal| {
        let amount = amount(receipt.settlement.as_ref()?);
        // The original's debtor is always the source's partner.
        let debit = Party::Position(receipt.source.partner());
        Some(Line { debit, credit: creditor, amount, money: true })
    };
    let bonus = receipt.bonus.as_ref();
    [
        giver.and_then(|side| points(Party::SourceMember, Party::SourceIssued, side.amount)),
        taker.and_then(|side| points(Party::TargetIssued, Party::TargetMember, side.amount)),
        money(Party::Position(receipt.target.partner()), |s| s.net),
        money(Party::Fees, |s| s.fee),
        money(Party::Rounding, |s| s.remainder),
        bonus.and_then(|b| points(Party::TargetIssued, Party::TargetMember, b.points)),
        bonus.map(|bonus| Line {
            debit: Party::Campaign(bonus.campaign),
            credit: Party::Position(receipt.target.partner()),
            amount: bonus.cost,
            money: true,
        }),
    ]
}
