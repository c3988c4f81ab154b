//! Members whose brand keeps their balance: nobody imports them. One is entered, with a key of its
//! own, when an order or a link first names it, so that it has a pseudonym and can be forgotten.
//! Whether it exists, its brand says when it is asked.

use super::working_set::{Member, MemberRow, WorkingSet};
use crate::command::{MemberNo, NewMember, QuotedTerms};

/// How far the numbers had got.
#[derive(Clone, Copy, Debug)]
pub struct Mark(MemberNo);

/// To come back to, should the command be refused.
pub const fn mark(set: &WorkingSet) -> Mark {
    Mark(set.next_member)
}

/// Enters the only member of an order: one that is to be linked has been named before.
pub fn enter_alone(set: &mut WorkingSet, terms: &QuotedTerms) {
    let alone = match (terms.source.account(), terms.target.account()) {
        (Some(one), None) | (None, Some(one)) => one.newcomer.as_deref(),
        _ => None,
    };
    if let Some(new) = alone {
        enter(set, new);
    }
}

/// Enters a member, unless it is here.
pub fn enter(set: &mut WorkingSet, new: &NewMember) {
    let connected = set.registry.is_connected(&new.program);
    if !connected || set.found(&new.lookup).is_some() {
        return;
    }
    let Ok(key) = set.vault.unwrap(&new.wrapped_key) else { return };
    let number = set.next_member;
    set.next_member = MemberNo(number.0 + 1);
    let member = Member {
        member: number,
        program: new.program.clone(),
        lookup: Some(new.lookup.first()),
        reference: key.open(&new.sealed_reference).ok(),
        key: Some(key),
        balance: 0,
        frozen: false,
        lots: Vec::new(),
    };
    set.by_lookup.insert(new.lookup.first(), number);
    set.members.insert(number, member);
    set.writes.members.push(MemberRow { member: number, new: new.clone() });
}

/// Takes back whoever has been entered since.
pub fn take_back(set: &mut WorkingSet, Mark(before): Mark) {
    while let Some(row) = set.writes.members.pop_if(|row| row.member >= before) {
        set.by_lookup.remove(&row.new.lookup.first());
        set.members.remove(&row.member);
    }
    set.next_member = before;
}
