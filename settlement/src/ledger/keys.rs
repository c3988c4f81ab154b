//! Keys: partners register, retire and revoke their own; operators revoke any, and import the
//! gateway's list; partners cosign checkpoints. What a key was accepted for is noted with it.
//!
//! A revocation holds from its commit on: every later command under the key is refused under the
//! lock, whichever gateway's door has let it in. Reading under it ends on every gateway with its
//! next look at the registry.

use std::collections::BTreeMap;

use alliance_contracts::keys::Kid;
use alliance_contracts::names::PartnerId;
use alliance_contracts::partner_key::{KeyRegistration, MAX_KEYS, MAX_LIVE_KEYS, ProvenKey};
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::time::Timestamp;

use super::working_set::{KeyUseRow, WorkingSet};
use crate::alliance::{GatewayKeys, ListedKey, PartnerKeyRecord, keys};
use crate::command::{Command, Cosignature, Keyed, Outcome};

/// Registers a key that its owner has proven to possess.
pub fn add(
    set: &mut WorkingSet,
    keyed: &Keyed,
    proven: &ProvenKey,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let asked = proven.registration();
    let faults = time_faults(asked, now);
    if !faults.is_empty() {
        return Ok(Outcome::KeyRefused(faults));
    }
    let kid = proven.public().kid();
    let listed = set.listed_keys();
    if listed.contains_key(kid) {
        return Err(ProblemCode::DuplicateKey);
    }
    let theirs = listed.values().filter(|key| key.record.partner == keyed.partner);
    let (live, all) = theirs
        .fold((0, 0), |(live, all), key| (live + usize::from(key.record.is_live(now)), all + 1));
    if live >= MAX_LIVE_KEYS || all >= MAX_KEYS {
        return Err(ProblemCode::TooManyKeys);
    }
    let record = PartnerKeyRecord {
        kid: kid.clone(),
        partner: keyed.partner.clone(),
        x: asked.x.clone(),
        scope: asked.scope,
        // Signatures tell their time in seconds.
        nbf: Some(asked.nbf.unwrap_or_else(|| now.floor_to_second())),
        exp: asked.exp,
        revoked_at: None,
        added_at: Some(now),
        changed_by: Some(keyed.request.kid.clone()),
    };
    changed(set, record);
    Ok(Outcome::Key(kid.clone()))
}

/// Lets a key end; an earlier end stays. The caller's own (see `not_found`).
pub fn retire(
    set: &mut WorkingSet,
    keyed: &Keyed,
    kid: &Kid,
    at: Timestamp,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let mut record = set.listed_key(kid).ok_or(ProblemCode::NotFound)?.record;
    if at < now.floor_to_second() {
        let detail =
            format!("a key ends from now on, {now}, not before: to revoke it is the other");
        return Ok(Outcome::KeyRefused(vec![fault("/at", detail)]));
    }
    if record.exp.is_none_or(|exp| at < exp) {
        record.exp = Some(at);
        record.changed_by = Some(keyed.request.kid.clone());
        changed(set, record);
    }
    Ok(Outcome::Key(kid.clone()))
}

/// Revokes a key from now on; harmless to repeat. The caller's own (see `not_found`); it may be the
/// last, or the very key that asks.
pub fn revoke(
    set: &mut WorkingSet,
    keyed: &Keyed,
    kid: &Kid,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let mut record = set.listed_key(kid).ok_or(ProblemCode::NotFound)?.record;
    if record.revoked_at.is_none_or(|at| now < at) {
        record.revoked_at = Some(now);
        record.changed_by = Some(keyed.request.kid.clone());
        changed(set, record);
    }
    Ok(Outcome::Key(kid.clone()))
}

/// Revokes a partner's key from now on, for an operator.
pub fn revoke_as_operator(
    set: &mut WorkingSet,
    partner: &PartnerId,
    kid: &Kid,
    now: Timestamp,
) -> Outcome {
    let Some(listed) = set.listed_key(kid).filter(|key| key.record.partner == *partner) else {
        return Outcome::Refused(ProblemCode::NotFound);
    };
    let mut record = listed.record;
    if record.revoked_at.is_some_and(|at| at <= now) {
        return Outcome::Done(0);
    }
    record.revoked_at = Some(now);
    record.changed_by = None;
    changed(set, record);
    Outcome::Done(1)
}

/// Takes in a list of the gateway's keys. The same again does nothing; one that does not follow on
/// the one that is known, or that another root key has signed, is refused.
pub fn import_list(set: &mut WorkingSet, list: &GatewayKeys) -> Outcome {
    let alliance = set.registry.definition.alliance.as_str();
    if list.trusted.alliance() != alliance {
        return Outcome::KeyListRefused(format!("it is of {}", list.trusted.alliance()));
    }
    let imported = set.writes.gateway_keys.as_ref();
    let known = imported.or(set.registry.gateway_keys.as_deref());
    if let Some(known) = known {
        if list.root != known.root {
            let refused = format!("{} has signed it, not the root key {}", list.root, known.root);
            return Outcome::KeyListRefused(refused);
        }
        if let Err(error) = list.trusted.check_follows(&known.trusted) {
            return Outcome::KeyListRefused(error.to_string());
        }
        let (number, last) = (list.trusted.number(), known.trusted.number());
        if number == last {
            return Outcome::Done(0);
        }
        if number > last + 1 {
            let next = last + 1;
            let gap =
                format!("it is number {number}, and the last here is {last}: import {next} first");
            return Outcome::KeyListRefused(gap);
        }
    }
    set.writes.gateway_keys = Some(list.clone());
    Outcome::Done(1)
}

/// Has the partner key list signed anew, where the key that signed it is revoked: nobody believes
/// that list any more.
pub fn vouch_anew(set: &mut WorkingSet) -> Outcome {
    if set.registry.signer_counts(&set.registry.partner_keys_jws) {
        return Outcome::Done(0);
    }
    set.writes.partner_keys_anew = true;
    Outcome::Done(1)
}

/// Keeps a cosignature. The first of a partner over so many receipts stays: it proves the most.
pub fn cosign(set: &mut WorkingSet, cosignature: &Cosignature) -> Result<Outcome, ProblemCode> {
    set.writes.cosignatures.push(cosignature.clone());
    Ok(Outcome::Cosigned)
}

/// Notes what a key was accepted for, unless it was an order, whose request is kept whole, or was
/// refused. Nothing is kept of what the request said: a link's names members.
pub fn note_use(set: &mut WorkingSet, keyed: &Keyed, command: &Command, outcome: &Outcome) {
    let (what, subject) = match outcome {
        Outcome::Transaction(_) | Outcome::Refused(_) => return,
        Outcome::Link(id) => ("link", Some(id.to_string())),
        Outcome::Agreement(id) => ("agreement", Some(id.to_string())),
        Outcome::Consent(id) => ("consent", Some(id.to_string())),
        Outcome::Erased(id) => ("erasure", Some(id.to_string())),
        Outcome::Member => ("member", None),
        Outcome::Key(kid) => ("key", Some(kid.to_string())),
        Outcome::Endpoint(id) => ("endpoint", Some(id.to_string())),
        Outcome::Observed => ("observations", None),
        Outcome::Cosigned => ("cosignature", corridor_of(command)),
        _ => ("other", None),
    };
    let request = &keyed.request;
    set.writes.key_uses.push(KeyUseRow {
        kid: request.kid.clone(),
        request: request.id,
        partner: keyed.partner.clone(),
        received_at: request.received_at,
        what,
        subject,
    });
}

fn corridor_of(command: &Command) -> Option<String> {
    match command {
        Command::Cosign(_, cosignature) => Some(cosignature.corridor.to_string()),
        _ => None,
    }
}

/// The one place where a partner's key is registered, ends or is revoked: whatever tells of it
/// (an event, say) is told of here, with `record.revoked_at`, `exp` and `added_at` saying which.
fn changed(set: &mut WorkingSet, record: PartnerKeyRecord) {
    set.writes.partner_keys.insert(record.kid.clone(), record);
}

/// A key is registered for now or later: of the past it could tell what it has not seen.
fn time_faults(asked: &KeyRegistration, now: Timestamp) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let begins = asked.nbf.unwrap_or(now);
    if begins < now.floor_to_second() {
        let detail = format!("it is {now}: a key begins now (leave nbf out) or later");
        faults.push(fault("/jws/nbf", detail));
    }
    if asked.exp.is_some_and(|exp| exp <= begins || exp <= now) {
        faults.push(fault("/jws/exp", format!("it is {now}: a key ends after it begins")));
    }
    faults
}

fn fault(pointer: &str, detail: String) -> FieldError {
    FieldError { code: ProblemCode::Malformed, detail, pointer: pointer.to_owned() }
}

impl WorkingSet {
    /// Partners' keys as they were changed after the definition, this batch included.
    pub fn changed_keys(&self) -> impl Iterator<Item = &PartnerKeyRecord> {
        self.registry.partner_keys.iter().chain(self.writes.partner_keys.values())
    }

    /// Every partner key, this batch's changes included.
    #[must_use]
    pub fn listed_keys(&self) -> BTreeMap<Kid, ListedKey> {
        let row = self.writes.definition.as_ref();
        let definition = row.map_or(&self.registry.definition, |row| &row.definition);
        keys::listed(definition, self.changed_keys())
    }

    /// A partner key, this batch's changes included.
    #[must_use]
    pub fn listed_key(&self, kid: &Kid) -> Option<ListedKey> {
        self.listed_keys().remove(kid)
    }

    /// Whether this key was revoked by now. Of keys that nobody knows, no.
    pub(crate) fn is_revoked(&self, kid: &Kid, now: Timestamp) -> bool {
        let here = self.writes.partner_keys.get(kid).and_then(|record| record.revoked_at);
        let before = self.registry.key(kid).and_then(|key| key.revoked_at);
        here.into_iter().chain(before).any(|at| at <= now)
    }
}
