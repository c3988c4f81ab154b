//! Consents to be debited: one partner lets another order in its name, within limits. What is
//! ordered under one is summed here, under the lock, so that no two gateways spend it twice. Who is
//! the source of an order needs none.
//!
//! Of several that cover an order the first that has room is taken. What was counted stays counted,
//! whatever becomes of the order: limits are there for what might be taken, not for what was.

use alliance_contracts::debit_consent::MAX_LIVE_CONSENTS;
use alliance_contracts::ids::ConsentId;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::receipt::Evidence;
use alliance_contracts::time::Timestamp;

use super::events;
use super::limits::day_of;
use super::working_set::WorkingSet;
use crate::alliance::{ConsentRecord, ConsentSpent};
use crate::command::{GrantConsent, Keyed, Outcome, QuotedTerms};

/// Takes in a consent that the caller has signed.
pub fn grant(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &GrantConsent,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let GrantConsent { id, consent, signed } = order;
    if set.registry.is_suspended(&keyed.partner) {
        return Err(ProblemCode::KindNotAllowed);
    }
    let faults = faults(set, keyed, order, now);
    if !faults.is_empty() {
        return Ok(Outcome::ConsentRefused(faults));
    }
    let between = |one: &ConsentRecord| {
        one.consent.source == consent.source && one.consent.target == consent.target
    };
    let new = set.writes.consents.values().filter(|one| !set.registry.knows_consent(&one.id));
    let known = set.registry.consents.iter().map(|one| set.consent(&one.id).unwrap_or(one));
    let live = known.chain(new).filter(|one| between(one) && one.is_live(now)).count();
    if live >= MAX_LIVE_CONSENTS {
        return Err(ProblemCode::TooManyConsents);
    }
    keep(
        set,
        ConsentRecord {
            id: *id,
            consent: consent.clone(),
            kid: signed.kid.clone(),
            signature: signed.signature,
            granted_at: now,
            revoked_at: None,
        },
    );
    Ok(Outcome::Consent(*id))
}

/// What is wrong with it here and now.
fn faults(
    set: &WorkingSet,
    keyed: &Keyed,
    order: &GrantConsent,
    now: Timestamp,
) -> Vec<FieldError> {
    let mut faults = order.consent.faults();
    let mut fault = |pointer: String, code, detail: String| {
        faults.push(FieldError { code, detail, pointer });
    };
    let (registry, consent) = (&set.registry, &order.consent);
    let malformed = ProblemCode::Malformed;
    if consent.alliance != registry.definition.alliance {
        let detail = format!("this is the alliance {}", registry.definition.alliance);
        fault("/alliance".to_owned(), malformed, detail);
    }
    if consent.source != keyed.partner {
        let detail = format!("only {} signs for itself", consent.source);
        fault("/source".to_owned(), malformed, detail);
    }
    if registry.partner(&consent.target).is_none() {
        let detail = format!("there is no partner {}", consent.target);
        fault("/target".to_owned(), ProblemCode::NotFound, detail);
    }
    for (at, name) in consent.programs.iter().enumerate() {
        let own = registry.program(name).is_some_and(|known| known.partner == consent.source);
        if !own {
            let detail = format!("{name} is no program of {}", consent.source);
            fault(format!("/programs/{at}"), ProblemCode::NotFound, detail);
        }
    }
    if consent.until.is_some_and(|until| until <= now) {
        fault("/until".to_owned(), malformed, format!("it is {now}: it would have ended"));
    }
    if let Err(error) = consent.verify_signature(&order.signed, &**registry, now) {
        fault("/jws".to_owned(), malformed, error.to_string());
    }
    faults
}

/// Ends a consent from now on; either partner's to do, and harmless to repeat.
pub fn revoke(
    set: &mut WorkingSet,
    id: &ConsentId,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let mut record = set.consent(id).ok_or(ProblemCode::NotFound)?.clone();
    if record.revoked_at.is_none() {
        record.revoked_at = Some(now);
        keep(set, record);
    }
    Ok(Outcome::Consent(*id))
}

fn keep(set: &mut WorkingSet, record: ConsentRecord) {
    events::consent(set, &record);
    set.writes.consents.insert(record.id, record);
}

/// What an order is made under, where its caller is not its source.
#[derive(Clone, Debug)]
pub struct Under {
    /// What the receipt says of the consent.
    pub evidence: Evidence,
    spent: ConsentSpent,
}

/// Whether the caller may order this: as its source, or under a consent with room for it.
pub fn under(
    set: &WorkingSet,
    caller: &PartnerId,
    terms: &QuotedTerms,
    now: Timestamp,
) -> Result<Option<Under>, ProblemCode> {
    let (source, target) = (terms.source.partner(), terms.target.partner());
    if source == caller {
        return Ok(None);
    }
    if target != caller {
        return Err(ProblemCode::KindNotAllowed);
    }
    let gross = terms.settlement.as_ref().ok_or(ProblemCode::KindNotAllowed)?.gross.micros();
    let known = set.registry.consents_between(source, target);
    let covering = known.filter_map(|one| set.consent(&one.id)).filter(|one| {
        one.is_live(now) && one.consent.covers(terms.kind, terms.source.program(), now)
    });
    let mut refusal = ProblemCode::KindNotAllowed;
    for record in covering {
        match with(set, record, gross, now) {
            Some(spent) => return Ok(Some(Under { evidence: record.evidence(), spent })),
            None => refusal = ProblemCode::ExceedsConsent,
        }
    }
    Err(refusal)
}

/// What will have been ordered under a consent with this; none where that is more than it allows.
fn with(
    set: &WorkingSet,
    record: &ConsentRecord,
    gross: i64,
    now: Timestamp,
) -> Option<ConsentSpent> {
    let before = set.consent_spent(&record.id);
    // A gateway whose clock is behind counts on the later day: none is begun twice.
    let day = before.map_or(i64::MIN, |spent| spent.day).max(day_of(now));
    let month = before.map_or(i64::MIN, |spent| spent.month).max(now.month_number());
    let in_day = before.filter(|spent| spent.day == day).map_or(0, |spent| spent.in_day);
    let in_month = before.filter(|spent| spent.month == month).map_or(0, |spent| spent.in_month);
    let (in_day, in_month) = (in_day.checked_add(gross)?, in_month.checked_add(gross)?);
    let limits = &record.consent.limits;
    let within = gross <= limits.order.micros()
        && in_day <= limits.day.micros()
        && in_month <= limits.month.micros();
    within.then_some(ConsentSpent { consent: record.id, day, in_day, month, in_month })
}

/// Counts an order that every rule allows.
pub fn count(set: &mut WorkingSet, under: &Under) {
    set.put_consent_spent(under.spent);
}
