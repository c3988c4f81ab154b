//! What an agreement lets a member give in a day, and one partner owe the other.

use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;

use super::working_set::{MemberDay, WorkingSet};
use crate::command::{MemberNo, OrderSide, QuotedTerms};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// The UTC day of a time, counted from 1970.
pub const fn day_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(DAY_MILLIS)
}

/// What a member has given to the other partner this day, with this order; none where nothing
/// limits it.
///
/// # Errors
/// `exceeds_member_limit`.
pub fn given_with(
    set: &WorkingSet,
    quote: &QuotedTerms,
    source: &OrderSide,
    member: MemberNo,
    now: Timestamp,
) -> Result<Option<MemberDay>, ProblemCode> {
    let target = quote.target.partner();
    let agreed = set.registry.agreement_at(&source.partner, target, now);
    let Some(limit) = agreed.and_then(|agreed| agreed.member_limit(&source.program)) else {
        return Ok(None);
    };
    let limit = limit.to_minor(source.scale).ok_or(ProblemCode::InternalError)?;
    let corridor = Corridor::between(&source.partner, target);
    let (day, before) = (day_of(now), set.member_day(member, &corridor));
    let before = before.filter(|before| before.day == day).map_or(0, |before| before.given);
    let given = before.saturating_add(source.amount);
    if given > limit {
        return Err(ProblemCode::ExceedsMemberLimit);
    }
    Ok(Some(MemberDay { member, corridor, day, given }))
}

/// Whether the debtor may owe the creditor so much more: what was ordered their way less what
/// came back, against the pair's cap.
pub fn within_pair_cap(set: &WorkingSet, quote: &QuotedTerms, now: Timestamp) -> bool {
    let (debtor, creditor) = (quote.source.partner(), quote.target.partner());
    let Some(settlement) = &quote.settlement else { return true };
    let agreed = set.registry.agreement_at(debtor, creditor, now);
    let caps = agreed.and_then(|agreed| Some((agreed.caps?, agreed.a == debtor)));
    let Some((caps, is_a)) = caps else { return true };
    let cap = if is_a { caps.a } else { caps.b };
    let owed = exchanged(set, debtor, creditor) - exchanged(set, creditor, debtor);
    owed + i128::from(settlement.gross.micros()) <= i128::from(cap.micros())
}

/// Gross of all that one partner's members and the partner itself gave to the other.
fn exchanged(set: &WorkingSet, from: &PartnerId, to: &PartnerId) -> i128 {
    set.registry.directions(from, to).iter().map(|direction| set.flow(direction).exchanged).sum()
}
