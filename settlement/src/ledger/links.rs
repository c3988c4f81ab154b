//! Links: two accounts are the same person's when both programs' partners have said so (protocol
//! § 4). A proposal never tells whether the other brand's member exists.

use alliance_contracts::ids::LinkId;
use alliance_contracts::link::LinkState;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;

use super::events;
use super::newcomers;
use super::working_set::{LinkRecord, LinkSideRecord, WorkingSet};
use crate::command::{Keyed, LinkEnd, MemberNo, Outcome, ProposeLink};
use crate::vault::Sought;

/// Makes a proposed link; an active one where the caller owns both programs.
pub fn propose(
    set: &mut WorkingSet,
    keyed: &Keyed,
    proposal: &ProposeLink,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let before = newcomers::mark(set);
    for new in [&proposal.a, &proposal.b].into_iter().filter_map(|end| end.newcomer.as_deref()) {
        newcomers::enter(set, new);
    }
    let outcome = propose_known(set, keyed, proposal, now);
    if outcome.is_err() {
        newcomers::take_back(set, before);
    }
    outcome
}

fn propose_known(
    set: &mut WorkingSet,
    keyed: &Keyed,
    proposal: &ProposeLink,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let (a, b) = (&proposal.a, &proposal.b);
    let caller = &keyed.partner;
    if a.partner != *caller && b.partner != *caller {
        return Err(ProblemCode::KindNotAllowed);
    }
    for end in [a, b].into_iter().filter(|end| end.partner == *caller) {
        let member = set.own(caller, end).ok_or(ProblemCode::MemberUnknown)?;
        if member.frozen {
            return Err(ProblemCode::MemberFrozen);
        }
    }
    let both_own = a.partner == *caller && b.partner == *caller;
    let record = LinkRecord {
        id: proposal.link,
        state: if both_own { LinkState::Active } else { LinkState::Proposed },
        a: side(set, caller, a, b, proposal),
        b: side(set, caller, b, a, proposal),
        consent: proposal.consent.clone(),
        proposed_by: caller.clone(),
        created_at: now,
    };
    if both_own {
        revoke_older(set, &record);
    }
    keep(set, record);
    Ok(Outcome::Link(proposal.link))
}

/// The caller's own member by number. The other side's only by where it is to be found, and what
/// the caller called it sealed under its own member's key: forgetting that member forgets this too.
fn side(
    set: &WorkingSet,
    caller: &PartnerId,
    end: &LinkEnd,
    other: &LinkEnd,
    proposal: &ProposeLink,
) -> LinkSideRecord {
    let own = set.own(caller, end);
    let supplied = match own {
        Some(_) => None,
        None => set
            .own(caller, other)
            .and_then(|member| member.key.as_ref())
            .map(|key| key.seal(&end.member, proposal.nonce)),
    };
    LinkSideRecord {
        partner: end.partner.clone(),
        program: end.program.clone(),
        member: own.map(|member| member.member),
        lookup: own.is_none().then(|| set.place(&end.lookup)),
        supplied,
    }
}

/// Makes a proposed link active; the other partner's to do. Its member is found where the link
/// says, or where it is sought beside that: the one may be under the master key before, and the
/// other under the one of the books.
pub fn confirm(
    set: &mut WorkingSet,
    keyed: &Keyed,
    link: LinkId,
    sought: Option<&Sought>,
) -> Result<Outcome, ProblemCode> {
    let mut record = set.link(&link).ok_or(ProblemCode::NotFound)?.clone();
    if record.state != LinkState::Proposed {
        return Err(ProblemCode::LinkNotProposed);
    }
    if record.proposed_by == keyed.partner {
        return Err(ProblemCode::KindNotAllowed);
    }
    for side in [&mut record.a, &mut record.b] {
        if side.member.is_none() {
            side.member = Some(own_member(set, side, sought)?);
            side.lookup = None;
        }
    }
    record.state = LinkState::Active;
    revoke_older(set, &record);
    keep(set, record);
    Ok(Outcome::Link(link))
}

fn own_member(
    set: &WorkingSet,
    side: &LinkSideRecord,
    sought: Option<&Sought>,
) -> Result<MemberNo, ProblemCode> {
    // Cleared where a forgotten member was named: then it is nobody's.
    let place = side.lookup.ok_or(ProblemCode::MemberUnknown)?;
    let found = set.found_at(&place).or_else(|| set.found(sought?));
    let member = found.ok_or(ProblemCode::MemberUnknown)?;
    if member.frozen { Err(ProblemCode::MemberFrozen) } else { Ok(member.member) }
}

/// Takes a link back; either party's to do, and harmless to repeat.
pub fn revoke(set: &mut WorkingSet, link: LinkId) -> Result<Outcome, ProblemCode> {
    let mut record = set.link(&link).ok_or(ProblemCode::NotFound)?.clone();
    if record.state != LinkState::Revoked {
        record.state = LinkState::Revoked;
        keep(set, record);
    }
    Ok(Outcome::Link(link))
}

/// Two members have one active link: the newer consent takes the older one's place.
fn revoke_older(set: &mut WorkingSet, record: &LinkRecord) {
    let ends = |link: &LinkRecord| {
        let (a, b) = (link.a.member, link.b.member);
        if a <= b { (a, b) } else { (b, a) }
    };
    let older: Vec<LinkRecord> = set
        .links
        .values()
        .filter(|link| link.id != record.id && link.state == LinkState::Active)
        .filter(|link| ends(link) == ends(record))
        .cloned()
        .collect();
    for mut link in older {
        link.state = LinkState::Revoked;
        keep(set, link);
    }
}

/// Writes a link that has come to its state, and tells of it.
pub(super) fn keep(set: &mut WorkingSet, record: LinkRecord) {
    events::link(set, &record);
    note(set, record);
}

/// Writes a link whose state is what it was.
pub(super) fn note(set: &mut WorkingSet, record: LinkRecord) {
    set.writes.links.insert(record.id, record.clone());
    set.put_link(record);
}
