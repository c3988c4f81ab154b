//! Whose points an order moves, and whether that may be: of an exchange two members whom a link
//! joins, of a redemption the one who gives, of an accrual the one who receives.

use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;

use super::working_set::{Member, WorkingSet};
use crate::command::{Keyed, OrderSide, QuotedTerms};

/// The members whose points are moved.
#[derive(Clone, Copy)]
pub struct Parties<'a> {
    /// Who gives points.
    pub source: Option<(&'a Member, &'a OrderSide)>,
    /// Who gets points.
    pub target: Option<(&'a Member, &'a OrderSide)>,
}

/// The members of an order.
///
/// # Errors
/// `members_not_linked`, `member_unknown`, `member_frozen`.
pub fn of<'a>(
    set: &'a WorkingSet,
    keyed: &Keyed,
    terms: &'a QuotedTerms,
    now: Timestamp,
) -> Result<Parties<'a>, ProblemCode> {
    match (terms.kind, terms.source.account(), terms.target.account()) {
        (TransactionKind::Exchange, Some(source), Some(target)) => {
            let (giver, receiver) = linked(set, keyed, source, target, now)?;
            Ok(Parties { source: Some((giver, source)), target: Some((receiver, target)) })
        }
        (TransactionKind::Redemption, Some(source), None) => {
            Ok(Parties { source: Some((alone(set, keyed, source)?, source)), target: None })
        }
        (TransactionKind::Accrual, None, Some(target)) => {
            Ok(Parties { source: None, target: Some((alone(set, keyed, target)?, target)) })
        }
        // No quote of ours says anything else.
        _ => Err(ProblemCode::InternalError),
    }
}

/// Both members, if a link joins them. Whether one does not exist, is not linked or is linked for
/// something else: one answer, so that nobody learns who a stranger's members are.
fn linked<'a>(
    set: &'a WorkingSet,
    keyed: &Keyed,
    source: &OrderSide,
    target: &OrderSide,
    now: Timestamp,
) -> Result<(&'a Member, &'a Member), ProblemCode> {
    let (giver, receiver) = set
        .found(&source.lookup)
        .zip(set.found(&target.lookup))
        .ok_or(ProblemCode::MembersNotLinked)?;
    set.link_between(giver.member, receiver.member, TransactionKind::Exchange, now)
        .ok_or(ProblemCode::MembersNotLinked)?;
    let both = [(giver, source), (receiver, target)];
    if both.iter().any(|(member, side)| member.frozen && side.partner != keyed.partner) {
        return Err(ProblemCode::MembersNotLinked);
    }
    if both.iter().any(|(member, _)| member.frozen) {
        return Err(ProblemCode::MemberFrozen);
    }
    Ok((giver, receiver))
}

/// The only member of an order. No link is asked for, because there is no second member; of a
/// stranger's, the one answer says nothing all the same.
fn alone<'a>(
    set: &'a WorkingSet,
    keyed: &Keyed,
    side: &OrderSide,
) -> Result<&'a Member, ProblemCode> {
    let own = side.partner == keyed.partner;
    let told = |code| if own { code } else { ProblemCode::MembersNotLinked };
    let member = set.found(&side.lookup).ok_or(told(ProblemCode::MemberUnknown))?;
    if member.frozen { Err(told(ProblemCode::MemberFrozen)) } else { Ok(member) }
}
