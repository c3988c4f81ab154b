//! Double entry: what a transaction posts, and posting it. The lines and their order are the
//! protocol's (§ 5).

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use alliance_contracts::names::{Currency, ProgramId, Pseudonym};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Bonus, Settlement};
use alliance_contracts::receipt::{Account, Asset, Posting};
use alliance_contracts::side::AccountSide;

use super::working_set::{
    Member, SeenMember, TransactionRecord, TransactionSideRecord, WorkingSet,
};
use crate::command::MemberNo;

/// Which way round a transaction posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As an order.
    Forward,
    /// As its reversal: debit and credit exchanged.
    Backward,
}

/// The lines of an order between two sides, or of its reversal; zero lines left out. What is no
/// member's account has no points to move: there the money lines say all.
pub fn lines(record: &TransactionRecord, direction: Direction) -> Vec<Posting> {
    let (source, target) = (record.source.account(), record.target.account());
    let mut lines: Vec<Posting> = source.map(gives).into_iter().collect();
    lines.extend(target.map(gives).map(exchanged));
    if let Some(settlement) = &record.settlement {
        lines.extend(money(settlement, direction));
    }
    if let Some((bonus, settlement)) = record.bonus.as_ref().zip(record.settlement.as_ref())
        && let Some(target) = target
    {
        lines.extend(added(target, bonus, &settlement.currency));
    }
    lines.retain(|line| !line.amount.is_zero());
    match direction {
        Direction::Forward => lines,
        Direction::Backward => lines.into_iter().map(exchanged).collect(),
    }
}

fn gives(side: &AccountSide<SeenMember>) -> Posting {
    Posting {
        amount: side.amount,
        asset: Asset::Program(side.program.clone()),
        credit: Account::Issued(side.program.clone()),
        debit: Account::Member(side.program.clone(), side.member.pseudonym.clone()),
    }
}

/// What a campaign adds: its points, and what its budget pays for them.
fn added(target: &AccountSide<SeenMember>, bonus: &Bonus, currency: &Currency) -> [Posting; 2] {
    let points = gives(&AccountSide { amount: bonus.points, ..target.clone() });
    let cost = Posting {
        amount: bonus.cost,
        asset: Asset::Currency(currency.clone()),
        credit: Account::Position(target.partner.clone()),
        debit: Account::Campaign(bonus.campaign),
    };
    [exchanged(points), cost]
}

fn exchanged(line: Posting) -> Posting {
    Posting { credit: line.debit, debit: line.credit, ..line }
}

/// The money lines as an exchange has them. A reversal's settlement already names debtor and
/// creditor the other way round, so its lines are made from the original's names.
fn money(settlement: &Settlement, direction: Direction) -> [Posting; 3] {
    let (debtor, creditor) = match direction {
        Direction::Forward => (&settlement.debtor, &settlement.creditor),
        Direction::Backward => (&settlement.creditor, &settlement.debtor),
    };
    let from_debtor = |credit: Account, amount: Decimal| Posting {
        amount,
        asset: Asset::Currency(settlement.currency.clone()),
        credit,
        debit: Account::Position(debtor.clone()),
    };
    [
        from_debtor(Account::Position(creditor.clone()), settlement.net),
        from_debtor(Account::Fees, settlement.fee),
        from_debtor(Account::Rounding, settlement.remainder),
    ]
}

/// Whose points lines move: what they call it, and where that is.
pub struct Holder {
    program: ProgramId,
    pseudonym: Pseudonym,
    /// The member.
    pub member: MemberNo,
    scale: u32,
}

/// The members of hosted programs whose points a transaction moves.
///
/// # Errors
/// `internal_error` where one of them is not here.
pub fn members(record: &TransactionRecord, set: &WorkingSet) -> Result<Vec<Holder>, ProblemCode> {
    let accounts = [&record.source, &record.target].map(TransactionSideRecord::account);
    let holder = |side: &AccountSide<SeenMember>| {
        let (member, program) = side.member.number.zip(set.registry.program(&side.program))?;
        let (pseudonym, scale) = (side.member.pseudonym.clone(), program.scale);
        Some(Holder { program: side.program.clone(), pseudonym, member, scale })
    };
    let hosted = |side: &&AccountSide<SeenMember>| !set.registry.is_connected(&side.program);
    let sides = accounts.into_iter().flatten().filter(hosted);
    let holders = sides.map(holder).collect::<Option<_>>();
    holders.ok_or(ProblemCode::InternalError)
}

/// Whether a member's balance stays within its limit with so many minor units more.
pub fn has_room(member: &Member, more: i64, scale: u32) -> bool {
    let after = member.balance.checked_add(more);
    let after = after.and_then(|after| Decimal::from_minor(after, scale));
    after.is_some_and(limits::amount_in_range)
}

/// Posts lines to the set: members by number, everything else by name. What members of connected
/// programs have is their brand's to know.
///
/// # Errors
/// `insufficient_points` where a member would go below zero, `amount_out_of_range` where one would
/// pass its limit; then nothing has been posted.
pub fn post(
    set: &mut WorkingSet,
    lines: &[Posting],
    members: &[Holder],
) -> Result<(), ProblemCode> {
    post_up_to(set, lines, members, true)
}

/// The same of what a brand is bound to already: no limit of a balance stops it.
///
/// # Errors
/// `internal_error` where a member is not here.
pub fn post_bound(
    set: &mut WorkingSet,
    lines: &[Posting],
    members: &[Holder],
) -> Result<(), ProblemCode> {
    post_up_to(set, lines, members, false)
}

fn post_up_to(
    set: &mut WorkingSet,
    lines: &[Posting],
    members: &[Holder],
    limited: bool,
) -> Result<(), ProblemCode> {
    let member_of = |account: &Account| match account {
        Account::Member(program, pseudonym) => {
            members.iter().find(|h| h.program == *program && h.pseudonym == *pseudonym)
        }
        _ => None,
    };
    let mut balances: Vec<(MemberNo, i64)> = Vec::with_capacity(2);
    for line in lines {
        for (account, sign) in [(&line.debit, -1), (&line.credit, 1)] {
            let Account::Member(program, _) = account else { continue };
            if set.registry.is_connected(program) {
                continue;
            }
            let Holder { member: number, scale, .. } =
                member_of(account).ok_or(ProblemCode::InternalError)?;
            let minor = line.amount.to_minor(*scale).ok_or(ProblemCode::InternalError)?;
            let so_far = balances.iter().position(|(moved, _)| moved == number);
            let before = match so_far.and_then(|at| balances.get(at)) {
                Some((_, balance)) => *balance,
                None => set.member(*number).ok_or(ProblemCode::InternalError)?.balance,
            };
            let after = before.checked_add(sign * minor).ok_or(ProblemCode::AmountOutOfRange)?;
            if after < 0 {
                return Err(ProblemCode::InsufficientPoints);
            }
            let balance = Decimal::from_minor(after, *scale);
            if limited && balance.is_none_or(|balance| !limits::amount_in_range(balance)) {
                return Err(ProblemCode::AmountOutOfRange);
            }
            match so_far.and_then(|at| balances.get_mut(at)) {
                Some((_, balance)) => *balance = after,
                None => balances.push((*number, after)),
            }
        }
    }
    for (number, after) in balances {
        if let Some(member) = set.members.get_mut(&number) {
            member.balance = after;
        }
        set.writes.balances.insert(number, after);
    }
    for line in lines {
        let scale = scale_of(set, &line.asset);
        let minor = i128::from(line.amount.to_minor(scale).ok_or(ProblemCode::InternalError)?);
        post_line(set, line, minor);
    }
    Ok(())
}

/// Posts lines of money between accounts that are no member's.
pub fn post_money(set: &mut WorkingSet, lines: &[Posting]) {
    for line in lines {
        post_line(set, line, i128::from(line.amount.micros()));
    }
}

fn post_line(set: &mut WorkingSet, line: &Posting, minor: i128) {
    for (account, signed) in [(&line.debit, -minor), (&line.credit, minor)] {
        if !matches!(account, Account::Member(..)) {
            let place = (account.clone(), line.asset.clone());
            let balance = set.accounts.entry(place.clone()).or_insert(0);
            *balance += signed;
            let balance = *balance;
            set.writes.accounts.insert(place, balance);
        }
    }
}

fn scale_of(set: &WorkingSet, asset: &Asset) -> u32 {
    match asset {
        Asset::Currency(_) => limits::MONEY_SCALE,
        Asset::Program(program) => set.registry.program(program).map_or(0, |p| p.scale),
    }
}

/// Whether the debtor may owe so much more: its position, less what it will owe when all that is
/// under way completes, less the gross, against its cap.
pub fn within_net_debit_cap(set: &WorkingSet, settlement: &Settlement) -> bool {
    let Some(cap) = set.registry.partner(&settlement.debtor).and_then(|p| p.net_debit_cap) else {
        return true;
    };
    let of =
        |account: Account| set.account(&account, &Asset::Currency(settlement.currency.clone()));
    let debtor = &settlement.debtor;
    let position = of(Account::Position(debtor.clone())) - of(Account::Held(debtor.clone()));
    position - i128::from(settlement.gross.micros()) >= -i128::from(cap.micros())
}
