//! What operators and gateways ask: imports, definitions, suspensions, checkpoints, quote keys.
//! Each can be repeated without harm; an import is all or nothing.

use std::collections::HashSet;

use alliance_contracts::ids::LinkId;
use alliance_contracts::link::LinkState;
use alliance_contracts::names::PartnerId;
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;

use super::working_set::{
    BoardRow, DefinitionRow, LinkRecord, LinkSideRecord, MemberRow, WorkingSet,
};
use super::{events, links, master};
use crate::alliance::{changes, keys};
use crate::command::{Define, MemberNo, NewLink, NewMember, Outcome, RowFault, SignedCheckpoint};
use crate::rates::publication;
use crate::vault::Sought;

const MEMBER_IS_HERE: &str = "this member is here already";
const MEMBERS_ARE_LINKED: &str = "these members are linked already";

/// Whether an import of so many rows was refused only because every row is here. Imports are all or
/// nothing: after a commit whose answer was lost, that is what tells that it was carried out.
#[must_use]
pub fn is_here_whole(rows: usize, faults: &[RowFault]) -> bool {
    let here = |fault: &RowFault| [MEMBER_IS_HERE, MEMBERS_ARE_LINKED].contains(&fault.fault);
    rows > 0 && faults.len() == rows && faults.iter().all(here)
}

/// Imports members with their opening balances; issuance is posted to each program.
pub fn import_members(set: &mut WorkingSet, members: &[NewMember]) -> Outcome {
    let mut seen = HashSet::with_capacity(members.len());
    let mut faults = Vec::new();
    for (row, member) in members.iter().enumerate() {
        let known = set.registry.program(&member.program);
        if known.is_none() {
            faults.push(RowFault { row, fault: "there is no such program" });
        } else if set.found(&member.lookup).is_some() {
            faults.push(RowFault { row, fault: MEMBER_IS_HERE });
        } else if member.opening != 0 && set.registry.is_connected(&member.program) {
            let fault = "its brand keeps its balance: leave the balance out, or say 0";
            faults.push(RowFault { row, fault });
        } else if !seen.insert(member.lookup) {
            faults.push(RowFault { row, fault: "this member stands in the file twice" });
        }
    }
    if !faults.is_empty() {
        return Outcome::BadRows(faults);
    }
    for new in members {
        let member = set.next_member;
        set.next_member = MemberNo(member.0 + 1);
        let place = (Account::Issued(new.program.clone()), Asset::Program(new.program.clone()));
        let issued = set.accounts.entry(place.clone()).or_insert(0);
        *issued -= i128::from(new.opening);
        let issued = *issued;
        set.writes.accounts.insert(place, issued);
        set.writes.members.push(MemberRow { member, new: new.clone() });
    }
    Outcome::Done(members.len())
}

/// Imports links that both partners have handed in: active at once.
pub fn import_links(set: &mut WorkingSet, links: &[NewLink], now: Timestamp) -> Outcome {
    let mut faults = Vec::new();
    let mut seen = HashSet::with_capacity(links.len());
    let mut joined: HashSet<(MemberNo, MemberNo)> = set
        .links
        .values()
        .filter(|link| link.state == LinkState::Active)
        .filter_map(|link| Some(ordered(link.a.member?, link.b.member?)))
        .collect();
    let mut records = Vec::with_capacity(links.len());
    for (row, link) in links.iter().enumerate() {
        match link_record(set, link, now) {
            Err(fault) => faults.push(RowFault { row, fault }),
            Ok((ends, record)) => {
                if !seen.insert(ends) {
                    faults.push(RowFault { row, fault: "this link stands in the file twice" });
                } else if !joined.insert(ends) {
                    faults.push(RowFault { row, fault: MEMBERS_ARE_LINKED });
                }
                records.push(record);
            }
        }
    }
    if !faults.is_empty() {
        return Outcome::BadRows(faults);
    }
    let ids: Vec<LinkId> = records.iter().map(|record| record.id).collect();
    for record in records {
        // Seen by the rest of the batch: a link proposed after this one takes its place.
        links::keep(set, record);
    }
    Outcome::Done(ids.len())
}

const fn ordered(one: MemberNo, other: MemberNo) -> (MemberNo, MemberNo) {
    if one.0 <= other.0 { (one, other) } else { (other, one) }
}

fn link_record(
    set: &WorkingSet,
    link: &NewLink,
    now: Timestamp,
) -> Result<((MemberNo, MemberNo), LinkRecord), &'static str> {
    let end = |(partner, program, lookup): &(PartnerId, _, Sought)| -> Result<_, &'static str> {
        let member = set.found(lookup).ok_or("there is no such member")?;
        Ok(LinkSideRecord {
            partner: partner.clone(),
            program: Clone::clone(program),
            member: Some(member.member),
            lookup: None,
            supplied: None,
        })
    };
    let (a, b) = (end(&link.a)?, end(&link.b)?);
    let ends = a.member.zip(b.member).ok_or("there is no such member")?;
    if ends.0 == ends.1 {
        return Err("a member is not linked to itself");
    }
    let record = LinkRecord {
        id: link.link,
        state: LinkState::Active,
        proposed_by: a.partner.clone(),
        a,
        b,
        consent: link.consent.clone(),
        created_at: now,
    };
    Ok((ordered(ends.0, ends.1), record))
}

/// Applies a definition: a new version, a new key list where keys changed; with the first also the
/// first board, in force at once, and the first window. The same definition again changes nothing.
/// Values that change later come by the publisher's boards, step by step.
pub fn define(set: &mut WorkingSet, define: &Define, now: Timestamp) -> Outcome {
    let before = &set.registry;
    let first = before.version == 0;
    let known = (!first).then_some(&before.definition);
    let definition = define.definition.clone().with_key_times(known, now);
    if known == Some(&definition) {
        return Outcome::Done(0);
    }
    let mut forbidden =
        known.map_or_else(Vec::new, |before| changes::forbidden(before, &definition));
    forbidden.extend(changes::taken_keys(&definition, set.changed_keys()));
    if !forbidden.is_empty() {
        return Outcome::DefinitionRefused(forbidden);
    }
    let listed = |definition: &_| keys::listed(definition, &before.partner_keys);
    let row = DefinitionRow {
        version: before.version + 1,
        keys_changed: first || listed(&before.definition) != listed(&definition),
        window: first.then_some(define.window),
        definition,
        applied_at: now,
    };
    if first {
        let (board, terms) = publication::first(&row.definition, now);
        let first = BoardRow { board, terms, slot: None };
        events::board(set, &first, &row.definition);
        set.writes.board = Some(first);
        let id = set.vault.first_id();
        master::name(set, id, now);
    }
    set.writes.definition = Some(row);
    Outcome::Done(1)
}

/// Suspends a partner, or lets it trade again.
pub fn suspend(
    set: &mut WorkingSet,
    partner: &PartnerId,
    suspended: bool,
    now: Timestamp,
) -> Outcome {
    if set.registry.is_suspended(partner) == suspended {
        return Outcome::Done(0);
    }
    let before = set.writes.suspensions.insert(partner.clone(), suspended.then_some(now));
    if before.is_none() {
        // The same twice in one batch is one change.
        events::suspended(set, partner, suspended);
    }
    Outcome::Done(1)
}

/// Stores a checkpoint before it is served; one that contradicts an earlier one is refused.
pub fn store_checkpoint(set: &mut WorkingSet, checkpoint: &SignedCheckpoint) -> Outcome {
    let Some(head) = set.heads.get_mut(&checkpoint.corridor) else {
        return Outcome::CheckpointRefused;
    };
    let ahead = checkpoint.size > head.seq;
    let contradicts = head.checkpoint.as_ref().is_some_and(|last| {
        last.size > checkpoint.size
            || (last.size == checkpoint.size && last.root != checkpoint.root)
    });
    let wrong_root = checkpoint.size == head.seq && checkpoint.root != head.frontier.root();
    if ahead || contradicts || wrong_root {
        return Outcome::CheckpointRefused;
    }
    head.checkpoint = Some(checkpoint.clone());
    set.writes.checkpoints.insert(checkpoint.corridor.clone(), checkpoint.clone());
    Outcome::Done(1)
}

/// Keeps a quote key and destroys those of periods past.
pub fn store_quote_key(
    set: &mut WorkingSet,
    period: i64,
    wrapped: &[u8],
    destroy_before: i64,
) -> Outcome {
    set.writes.quote_key = Some((period, wrapped.to_vec(), destroy_before));
    Outcome::Done(1)
}
