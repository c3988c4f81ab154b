//! What should become of a command, by the protocol alone (§ 1 order of the codes, § 3, § 4).

use std::sync::Arc;

use alliance_contracts::problem::ProblemCode;

use super::arithmetic::{self, Back, Part, Sums};
use super::books::{Books, Place, Stands};
use super::rates::{Gone, Rate};
use crate::cast::{PROGRAMS, Person};

/// What a partner asks for, as the auditor understands it.
#[derive(Clone, Debug)]
pub enum Ask {
    Exchange { quote: Quote, reference: u64 },
    Reverse { original: u128, part: Asked, reference: u64 },
    Propose { a: Person, b: Person, until: Option<i64> },
    Confirm(u128),
    Revoke(u128),
}

#[derive(Clone, Debug)]
pub enum Quote {
    Unknown,
    Expired,
    Open(Arc<Terms>),
}

/// A quote, worked out by the auditor itself.
#[derive(Clone, Debug)]
pub struct Terms {
    pub id: u128,
    pub expires_at: i64,
    pub source: Person,
    pub target: Person,
    pub sums: Sums,
    pub rate: Rate,
}

/// The amount of a reversal as it is asked for: 10⁻⁶ points of a side.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Rest,
    Source(i64),
    Target(i64),
}

/// What a command that breaks no rule does.
#[derive(Clone, Debug)]
pub enum Effect {
    Exchange(Arc<Terms>),
    /// An order that could be performed, and is more than its direction takes on this board.
    Freeze(Arc<Terms>),
    Reverse {
        original: u128,
        back: Back,
    },
    Propose {
        a: Person,
        b: Person,
        until: Option<i64>,
        active: bool,
    },
    Confirm(u128),
    Revoke(u128),
}

/// Points and money stop at 10¹².
const MOST_MICROS: i64 = 1_000_000_000_000_000_000;

/// The key has not been used: what the order comes to for this caller at this time.
pub fn predict(books: &Books, caller: usize, ask: &Ask, now: i64) -> Result<Effect, ProblemCode> {
    match ask {
        Ask::Exchange { quote, reference } => exchange(books, caller, quote, *reference, now),
        Ask::Reverse { original, part, reference } => {
            reverse(books, caller, *original, *part, *reference, now)
        }
        Ask::Propose { a, b, until } => propose(books, caller, *a, *b, *until),
        Ask::Confirm(link) => confirm(books, caller, *link),
        Ask::Revoke(link) => {
            visible(books, caller, *link)?;
            Ok(Effect::Revoke(*link))
        }
    }
}

fn exchange(
    books: &Books,
    caller: usize,
    quote: &Quote,
    reference: u64,
    now: i64,
) -> Result<Effect, ProblemCode> {
    let terms = match quote {
        Quote::Unknown => return Err(ProblemCode::QuoteUnknown),
        Quote::Expired => return Err(ProblemCode::QuoteExpired),
        Quote::Open(terms) => terms,
    };
    if terms.expires_at <= now {
        return Err(ProblemCode::QuoteExpired);
    }
    if books.quotes.contains(&terms.id) {
        return Err(ProblemCode::QuoteUsed);
    }
    if books.references.contains(&(caller, reference)) {
        return Err(ProblemCode::DuplicateReference);
    }
    let (source, target) = (terms.source, terms.target);
    let here = books.members.contains_key(&source) && books.members.contains_key(&target);
    if !here || !books.linked(source, target, now) {
        return Err(ProblemCode::MembersNotLinked);
    }
    let (giver, taker) = (source.partner(), target.partner());
    let agreed = giver == taker
        || books.agreed.as_ref().and_then(|a| a.pair(giver, taker)).is_some_and(|p| p.exchange);
    if !agreed || books.suspended.contains(&giver) || books.suspended.contains(&taker) {
        return Err(ProblemCode::KindNotAllowed);
    }
    if books.balance(target) + terms.sums.target > most(target) {
        return Err(ProblemCode::AmountOutOfRange);
    }
    books.rate_is_there(terms, now).map_err(|gone| match gone {
        Gone::Frozen => ProblemCode::RateFrozen,
        Gone::Moved => ProblemCode::RateMoved,
    })?;
    if books.balance(source) < terms.sums.source {
        return Err(ProblemCode::InsufficientPoints);
    }
    let cap = books.agreed.as_ref().and_then(|agreed| agreed.caps[giver]);
    if giver != taker
        && let Some(cap) = cap
        && books.account(Place::Position(giver)) - terms.sums.gross < -i128::from(cap)
    {
        return Err(ProblemCode::ExceedsNetDebitCap);
    }
    if books.trips(terms, now) {
        return Ok(Effect::Freeze(terms.clone()));
    }
    Ok(Effect::Exchange(terms.clone()))
}

const fn most(person: Person) -> i128 {
    arithmetic::most(PROGRAMS[person.program].2)
}

fn reverse(
    books: &Books,
    caller: usize,
    original: u128,
    asked: Asked,
    reference: u64,
    now: i64,
) -> Result<Effect, ProblemCode> {
    let found = books.transactions.get(&original).ok_or(ProblemCode::NotFound)?;
    let (giver, taker) = (found.source.partner(), found.target.partner());
    if caller != giver && caller != taker {
        return Err(ProblemCode::NotFound);
    }
    if books.references.contains(&(caller, reference)) {
        return Err(ProblemCode::DuplicateReference);
    }
    let period = books.agreed.as_ref().and_then(|agreed| agreed.pair(giver, taker));
    let period = period.map_or(86_400, |pair| pair.reversal_seconds);
    let in_time = now < found.completed_at + period * 1_000;
    if found.is_reversal || !(caller == taker || in_time) {
        return Err(ProblemCode::KindNotAllowed);
    }
    let minor = |micros: i64, person: Person| {
        i128::from(micros) / 10_i128.pow(6 - PROGRAMS[person.program].2)
    };
    let part = match asked {
        Asked::Source(0) | Asked::Target(0) => return Err(ProblemCode::AmountTooSmall),
        Asked::Source(micros) | Asked::Target(micros) if micros > MOST_MICROS => {
            return Err(ProblemCode::AmountOutOfRange);
        }
        Asked::Rest => Part::Rest,
        Asked::Source(micros) => Part::Source(minor(micros, found.source)),
        Asked::Target(micros) => Part::Target(minor(micros, found.target)),
    };
    let back = arithmetic::reversal(&found.sums, found.reversed, part);
    if !back.exceeds && books.balance(found.source) + back.moves.source > most(found.source) {
        return Err(ProblemCode::AmountOutOfRange);
    }
    if books.balance(found.target) < back.moves.target {
        return Err(ProblemCode::InsufficientPoints);
    }
    if back.exceeds {
        return Err(ProblemCode::ExceedsReversible);
    }
    Ok(Effect::Reverse { original, back })
}

fn propose(
    books: &Books,
    caller: usize,
    a: Person,
    b: Person,
    until: Option<i64>,
) -> Result<Effect, ProblemCode> {
    let own = |person: Person| person.partner() == caller;
    if !own(a) && !own(b) {
        return Err(ProblemCode::KindNotAllowed);
    }
    if [a, b].into_iter().any(|person| own(person) && !books.members.contains_key(&person)) {
        return Err(ProblemCode::MemberUnknown);
    }
    Ok(Effect::Propose { a, b, until, active: own(a) && own(b) })
}

fn visible(books: &Books, caller: usize, link: u128) -> Result<(), ProblemCode> {
    let link = books.links.get(&link).ok_or(ProblemCode::NotFound)?;
    let party = link.a.partner() == caller || link.b.partner() == caller;
    if party { Ok(()) } else { Err(ProblemCode::NotFound) }
}

fn confirm(books: &Books, caller: usize, id: u128) -> Result<Effect, ProblemCode> {
    visible(books, caller, id)?;
    let link = &books.links[&id];
    if link.stands != Stands::Proposed {
        return Err(ProblemCode::LinkNotProposed);
    }
    if link.proposed_by == caller {
        return Err(ProblemCode::KindNotAllowed);
    }
    let own = if link.a.partner() == caller { link.a } else { link.b };
    if !books.members.contains_key(&own) {
        return Err(ProblemCode::MemberUnknown);
    }
    Ok(Effect::Confirm(id))
}
