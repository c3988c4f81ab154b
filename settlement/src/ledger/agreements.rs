//! Agreements: one partner proposes a version, the other countersigns it. Both signatures are
//! checked here, under the lock, whoever has looked at them before.
//!
//! Versions of a pair are a chain: each follows on the last that both have signed. None begins
//! before every quote has expired that was given when it was not yet signed by both.

use alliance_contracts::agreement::{Agreement, AgreementState, KnownProgram, verify_signature};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::jws::Parsed;
use alliance_contracts::limits::QUOTE_LIFETIME_SECONDS;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::time::Timestamp;

use super::events;
use super::working_set::WorkingSet;
use crate::alliance::{AgreementRecord, AgreementSignature, Registry};
use crate::command::{CountersignAgreement, Keyed, Outcome, ProposeAgreement};

/// Makes a proposed version. A second proposal of the same partner takes the place of its first.
pub fn propose(
    set: &mut WorkingSet,
    keyed: &Keyed,
    proposal: &ProposeAgreement,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let ProposeAgreement { id, agreement, signed } = proposal;
    may_sign(set, keyed)?;
    let faults = faults(&set.registry, &keyed.partner, agreement, signed, now);
    if !faults.is_empty() {
        return Ok(Outcome::AgreementRefused(faults));
    }
    let open = set.open_proposal(&agreement.a, &agreement.b).cloned();
    if open.as_ref().is_some_and(|open| open.proposed_by != keyed.partner) {
        return Err(ProblemCode::AgreementPending);
    }
    if !follows_on(set, agreement) {
        return Err(ProblemCode::AgreementStale);
    }
    if let Some(open) = open {
        keep(set, AgreementRecord { state: AgreementState::Withdrawn, ..open });
    }
    let mut record = AgreementRecord {
        id: *id,
        state: AgreementState::Proposed,
        agreement: agreement.clone(),
        payload: signed.payload.clone(),
        a: None,
        b: None,
        proposed_by: keyed.partner.clone(),
        proposed_at: now,
        countersigned_at: None,
    };
    record.put_signature(&keyed.partner, signature(signed));
    keep(set, record);
    Ok(Outcome::Agreement(*id))
}

/// Makes a proposed version one that both have signed; the other partner's to do.
pub fn countersign(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &CountersignAgreement,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let mut record = set.agreement(&order.id).ok_or(ProblemCode::NotFound)?.clone();
    may_sign(set, keyed)?;
    if record.state != AgreementState::Proposed {
        return Err(ProblemCode::AgreementNotProposed);
    }
    if record.proposed_by == keyed.partner {
        return Err(ProblemCode::KindNotAllowed);
    }
    if let Some(fault) = countersignature_fault(set, &keyed.partner, &record, &order.signed, now) {
        return Ok(Outcome::AgreementRefused(vec![fault]));
    }
    let agreement = &record.agreement;
    let in_time = agreement.effective_at >= earliest(&set.registry, agreement, now);
    if !follows_on(set, agreement) || !in_time || !proposer_counts(set, &record) {
        return Err(ProblemCode::AgreementStale);
    }
    record.state = AgreementState::Active;
    record.countersigned_at = Some(now);
    record.put_signature(&keyed.partner, signature(&order.signed));
    keep(set, record);
    Ok(Outcome::Agreement(order.id))
}

/// A partner that may not trade agrees on nothing new. What it has proposed before, the other may
/// still countersign: it is not the one that signs then.
fn may_sign(set: &WorkingSet, keyed: &Keyed) -> Result<(), ProblemCode> {
    let suspended = set.registry.is_suspended(&keyed.partner);
    if suspended { Err(ProblemCode::KindNotAllowed) } else { Ok(()) }
}

/// Takes a proposal back, or declines it; either party's to do, and harmless to repeat.
pub fn withdraw(set: &mut WorkingSet, id: AgreementId) -> Result<Outcome, ProblemCode> {
    let record = set.agreement(&id).ok_or(ProblemCode::NotFound)?.clone();
    match record.state {
        AgreementState::Active => return Err(ProblemCode::AgreementNotProposed),
        AgreementState::Proposed => {
            keep(set, AgreementRecord { state: AgreementState::Withdrawn, ..record });
        }
        AgreementState::Withdrawn => {}
    }
    Ok(Outcome::Agreement(id))
}

/// Everything that is wrong with a proposal by itself, all at once.
fn faults(
    registry: &Registry,
    caller: &PartnerId,
    agreement: &Agreement,
    signed: &Parsed,
    now: Timestamp,
) -> Vec<FieldError> {
    let mut faults = agreement.faults(Some(&known_programs(registry)));
    if agreement.payload() != signed.payload {
        faults.push(fault("", "the document is not what was signed"));
    }
    if agreement.alliance != registry.definition.alliance {
        let detail = format!("this is the alliance {}", registry.definition.alliance);
        faults.push(fault("/alliance", detail));
    }
    if !agreement.includes(caller) {
        faults.push(fault("/a", format!("{caller} is neither a nor b")));
    }
    for (pointer, partner) in [("/a", &agreement.a), ("/b", &agreement.b)] {
        if registry.partner(partner).is_none() {
            faults.push(fault(pointer, format!("there is no partner {partner}")));
        }
    }
    let earliest = earliest(registry, agreement, now);
    if agreement.effective_at < earliest {
        let detail =
            format!("must be {earliest} or later: quotes that are given now live until then");
        faults.push(fault("/effective_at", detail));
    }
    if let Err(error) = verify_signature(signed, caller, registry, now) {
        faults.push(fault("/jws", error.to_string()));
    }
    faults
}

fn countersignature_fault(
    set: &WorkingSet,
    caller: &PartnerId,
    record: &AgreementRecord,
    signed: &Parsed,
    now: Timestamp,
) -> Option<FieldError> {
    if signed.payload != record.payload {
        return Some(fault("/jws", "it signs other bytes than were proposed"));
    }
    let verified = verify_signature(signed, caller, &*set.registry, now);
    verified.err().map(|error| fault("/jws", error.to_string()))
}

/// Whether the proposer's key still counts for the time at which it signed: it may have been
/// revoked since, from before that time on.
fn proposer_counts(set: &WorkingSet, record: &AgreementRecord) -> bool {
    let signature = if record.proposed_by == record.agreement.a { &record.a } else { &record.b };
    signature.as_ref().is_some_and(|signature| {
        let key = set.registry.key(&signature.kid);
        key.is_some_and(|key| key.valid_at(record.proposed_at))
    })
}

/// Whether this is the version after the last one that both have signed.
fn follows_on(set: &WorkingSet, agreement: &Agreement) -> bool {
    let last = set.last_agreement(&agreement.a, &agreement.b);
    let (version, previous) =
        last.map_or((0, Hash::ZERO), |last| (last.agreement.version, last.hash()));
    version.checked_add(1) == Some(agreement.version) && previous == agreement.previous
}

/// From when on a version may hold that is signed now: what was quoted before has expired by then.
fn earliest(registry: &Registry, agreement: &Agreement, now: Timestamp) -> Timestamp {
    let present = registry.agreement_at(&agreement.a, &agreement.b, now);
    let lifetime = present.map_or(QUOTE_LIFETIME_SECONDS, |terms| terms.quote_lifetime_seconds);
    now.plus_seconds(lifetime)
}

/// The alliance's programs, as agreements are checked against them.
#[must_use]
pub fn known_programs(registry: &Registry) -> Vec<KnownProgram> {
    let programs = registry.definition.programs.iter();
    programs
        .map(|known| KnownProgram {
            partner: known.partner.clone(),
            program: known.program.clone(),
            scale: known.scale,
        })
        .collect()
}

fn signature(signed: &Parsed) -> AgreementSignature {
    AgreementSignature { kid: signed.kid.clone(), signature: signed.signature }
}

fn fault(pointer: &str, detail: impl Into<String>) -> FieldError {
    let (detail, pointer) = (detail.into(), pointer.to_owned());
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

fn keep(set: &mut WorkingSet, record: AgreementRecord) {
    events::agreement(set, &record);
    set.writes.agreements.insert(record.id, record.clone());
    set.agreements.insert(record.id, record);
}

impl WorkingSet {
    /// An agreement.
    #[must_use]
    pub fn agreement(&self, id: &AgreementId) -> Option<&AgreementRecord> {
        self.agreements.get(id)
    }

    /// The version of a pair that waits for its second signature.
    fn open_proposal(&self, a: &PartnerId, b: &PartnerId) -> Option<&AgreementRecord> {
        let of_pair = |one: &&AgreementRecord| one.agreement.a == *a && one.agreement.b == *b;
        let mut records = self.agreements.values().filter(of_pair);
        records.find(|record| record.state == AgreementState::Proposed)
    }

    /// The last version of a pair that both have signed: of before, or of this very batch.
    fn last_agreement(&self, a: &PartnerId, b: &PartnerId) -> Option<&AgreementRecord> {
        let of_pair = |one: &&AgreementRecord| one.agreement.a == *a && one.agreement.b == *b;
        let here = self.agreements.values().filter(of_pair);
        let here = here.filter(|record| record.state == AgreementState::Active);
        here.chain(self.registry.last_agreement(a, b)).max_by_key(|one| one.agreement.version)
    }
}
