//! Members of a partner's own: forgetting, freezing.
//!
//! To forget a member is to destroy its key, its sealed reference and its look-up, and nothing
//! else: its number, its pseudonyms and its receipts stay, and nobody can say any more whose they
//! were. Points that it had stay in the books under its number, where nobody can move them; the
//! erasure says how many, so that its brand can write them off (docs/decisions/0029).

use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::LinkId;
use alliance_contracts::link::LinkState;
use alliance_contracts::member::{ERASURE_VERSION, ErasedPseudonym, Erasure};
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::working_set::{ErasureRow, LinkSideRecord, Member, WorkingSet};
use super::{events, links};
use crate::command::{ForgetMember, FreezeMember, Keyed, MemberNo, Outcome};
use crate::vault::{Lookup, Sought};

/// Forgets a member. Frozen or not: that is no reason to know it.
pub fn forget(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &ForgetMember,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    // Read.
    let member = set.found(&order.lookup).ok_or(ProblemCode::MemberUnknown)?.clone();
    if is_pending(set, member.member) {
        return Err(ProblemCode::MemberPending);
    }
    if member.balance != 0 && !order.forfeit {
        return Err(ProblemCode::MemberHasPoints);
    }
    let scale = set.registry.program(&order.program).ok_or(ProblemCode::InternalError)?.scale;
    let forfeited = Decimal::from_minor(member.balance, scale).ok_or(ProblemCode::InternalError)?;
    // Decide: what is said of it while it can still be named.
    let links = links_of(set, member.member);
    let erasure = Erasure {
        alliance: set.registry.definition.alliance.clone(),
        erased_at: now,
        forfeited,
        id: order.erasure,
        links: links.iter().filter(|(_, ended)| *ended).map(|(id, _)| *id).collect(),
        partner: keyed.partner.clone(),
        program: order.program.clone(),
        pseudonyms: pseudonyms(set, &keyed.partner, &member),
        request: keyed.request.id,
        requested_with: keyed.request.kid.clone(),
        v: ERASURE_VERSION,
    };
    // Write.
    for (link, ended) in links {
        leave(set, link, member.member, ended)?;
    }
    lose(set, order.lookup);
    erase(set, member.member);
    events::forgotten(set, &erasure);
    set.writes.erasures.push(ErasureRow { member: member.member, erasure, jws: None });
    Ok(Outcome::Erased(order.erasure))
}

/// Whether a transaction of the member's is under way, this batch's included.
fn is_pending(set: &WorkingSet, member: MemberNo) -> bool {
    let loaded = set.pending.iter().filter(|(whose, _)| *whose == member);
    let still = |(_, id): &(MemberNo, _)| {
        set.transaction(id).is_none_or(|record| record.state == TransactionState::Pending)
    };
    let mut known = set.transactions.values();
    loaded.into_iter().any(still)
        || known.any(|record| {
            record.state == TransactionState::Pending && record.members().contains(&Some(member))
        })
}

/// Every link of the member's, by id, and whether it ends now: what was revoked before is only
/// cleared of names.
fn links_of(set: &WorkingSet, member: MemberNo) -> Vec<(LinkId, bool)> {
    let theirs = set.links.values().filter(|link| {
        let ends = [link.a.member, link.b.member];
        ends.contains(&Some(member))
    });
    let mut links: Vec<_> =
        theirs.map(|link| (link.id, link.state != LinkState::Revoked)).collect();
    links.sort_unstable();
    links
}

/// What the member is called in the chains of its partner with itself, and with everybody it has
/// an agreement with.
fn pseudonyms(set: &WorkingSet, partner: &PartnerId, member: &Member) -> Vec<ErasedPseudonym> {
    let Some((key, reference)) = member.key.as_ref().zip(member.reference.as_ref()) else {
        return Vec::new();
    };
    let parties = set.registry.partners_in_agreement(partner).into_iter();
    let mut corridors: Vec<Corridor> =
        parties.map(|other| Corridor::between(partner, &other)).collect();
    corridors.sort_unstable();
    let named = corridors.into_iter().map(|corridor| ErasedPseudonym {
        member: set.vault.pseudonym(key, &corridor, &member.program, reference),
        corridor,
    });
    named.collect()
}

/// Ends a link of the member's, and clears what either side was called in it: what the proposer
/// called the other's member stands there sealed under its own member's key.
fn leave(
    set: &mut WorkingSet,
    link: LinkId,
    member: MemberNo,
    ended: bool,
) -> Result<(), ProblemCode> {
    let mut record = set.link(&link).ok_or(ProblemCode::InternalError)?.clone();
    for side in [&mut record.a, &mut record.b] {
        side.supplied = None;
        if side.member != Some(member) {
            // A name for somebody whom its own brand has not confirmed: nobody can any more.
            side.lookup = None;
        }
    }
    if ended {
        record.state = LinkState::Revoked;
        links::keep(set, record);
    } else {
        links::note(set, record);
    }
    Ok(())
}

/// Other brands' proposals that name the member, and that its own brand has never answered: they
/// look as if there had never been such a member, and can be confirmed no more. What they say is
/// the other brand's, of its own customer, and goes with that one.
fn lose(set: &mut WorkingSet, sought: Sought) {
    let at = |place: &Lookup| sought.places().any(|one| one == *place);
    let names = |side: &LinkSideRecord| side.lookup.as_ref().is_some_and(at);
    let theirs = set.links.values().filter(|link| names(&link.a) || names(&link.b));
    let theirs: Vec<_> = theirs.cloned().collect();
    for mut record in theirs {
        for side in [&mut record.a, &mut record.b] {
            side.lookup = side.lookup.filter(|known| !at(known));
        }
        links::note(set, record);
    }
}

/// The member is a number from here on.
fn erase(set: &mut WorkingSet, number: MemberNo) {
    let Some(member) = set.members.get_mut(&number) else { return };
    if let Some(lookup) = member.lookup.take() {
        set.by_lookup.remove(&lookup);
    }
    member.key = None;
    member.reference = None;
}

/// Freezes a member, or lets it go; harmless to repeat.
pub fn freeze(
    set: &mut WorkingSet,
    order: &FreezeMember,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let number = set.found(&order.lookup).ok_or(ProblemCode::MemberUnknown)?.member;
    let member = set.members.get_mut(&number).ok_or(ProblemCode::InternalError)?;
    if member.frozen != order.frozen {
        member.frozen = order.frozen;
        set.writes.frozen_members.insert(number, order.frozen.then_some(now));
    }
    Ok(Outcome::Member)
}
