//! Endpoints: made, changed, taken up; and what came of what they were sent.

use alliance_contracts::endpoint::{DeliveryState, EndpointState, MAX_ENDPOINTS};
use alliance_contracts::ids::EndpointId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;

use super::events;
use super::working_set::WorkingSet;
use crate::command::{AddEndpoint, ChangeEndpoint, EndpointChange, Keyed, Outcome};
use crate::webhooks::schedule::{self, Next};
use crate::webhooks::{
    Attempt, AttemptRecord, DeliveryRecord, EndpointRecord, LEASE_SECONDS, Lease, OldSecret,
    Report, Standing, Told,
};

/// Makes an endpoint.
pub fn add(
    set: &mut WorkingSet,
    keyed: &Keyed,
    asked: &AddEndpoint,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let theirs = set.endpoints.values().filter(|one| one.partner == keyed.partner);
    if theirs.filter(|one| one.standing != Standing::Removed).count() >= MAX_ENDPOINTS {
        return Err(ProblemCode::TooManyEndpoints);
    }
    let record = EndpointRecord {
        id: asked.id,
        partner: keyed.partner.clone(),
        url: asked.url.clone(),
        types: asked.types.clone(),
        standing: Standing::There(EndpointState::Active),
        secret: asked.secret.clone(),
        old_secret: None,
        taken_up: asked.after,
        leased_until: now,
        created_at: now,
        changed_by: keyed.request.kid.clone(),
    };
    keep(set, record);
    Ok(Outcome::Endpoint(asked.id))
}

/// Changes an endpoint. The caller's own (see `not_found`).
pub fn change(
    set: &mut WorkingSet,
    keyed: &Keyed,
    asked: &ChangeEndpoint,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let mut record = set.endpoints.get(&asked.endpoint).cloned().ok_or(ProblemCode::NotFound)?;
    match &asked.change {
        EndpointChange::Settings { url, types, active } => {
            record.url = url.clone().unwrap_or(record.url);
            record.types = types.clone().unwrap_or(record.types);
            record.standing = match active {
                Some(true) => Standing::There(EndpointState::Active),
                Some(false) => Standing::There(EndpointState::Paused),
                None => record.standing,
            };
        }
        EndpointChange::Secret { wrapped, overlap_seconds } => {
            let until = now.plus_seconds(i64::from(*overlap_seconds));
            let old = OldSecret { wrapped: record.secret.clone(), until };
            record.old_secret = (now < until).then_some(old);
            record.secret.clone_from(wrapped);
        }
        EndpointChange::Remove => record.standing = Standing::Removed,
        EndpointChange::Resend(told) => resend(set, &record, told, now),
        EndpointChange::Replay(after) => record.taken_up = *after,
    }
    record.changed_by = keyed.request.kid.clone();
    keep(set, record);
    Ok(Outcome::Endpoint(asked.endpoint))
}

/// One event again, whatever has become of it: its schedule begins anew.
fn resend(set: &mut WorkingSet, endpoint: &EndpointRecord, told: &Told, now: Timestamp) {
    let known = set.deliveries.get(&(endpoint.id, told.number)).cloned();
    let known = known.unwrap_or_else(|| new(endpoint.id, told));
    let state = DeliveryState::Waiting;
    put(set, DeliveryRecord { state, tried: 0, due_at: Some(now), ..known });
}

/// Nothing has been sent yet.
fn new(endpoint: EndpointId, told: &Told) -> DeliveryRecord {
    DeliveryRecord {
        endpoint,
        told: told.clone(),
        state: DeliveryState::Waiting,
        tried: 0,
        attempts: 0,
        due_at: None,
        last_at: None,
        last_status: None,
    }
}

/// Gives an endpoint to the gateway that asks, where nobody has it and it is active.
pub fn take(set: &mut WorkingSet, endpoint: EndpointId, now: Timestamp) -> Outcome {
    let Some(record) = set.endpoints.get(&endpoint) else { return Outcome::Done(0) };
    if !record.is_active() || record.leased_until > now {
        return Outcome::Done(0);
    }
    let record = EndpointRecord { leased_until: now.plus_seconds(LEASE_SECONDS), ..record.clone() };
    keep(set, record);
    Outcome::Done(1)
}

/// Notes what a gateway has done for an endpoint: how many events were taken in.
pub fn report(set: &mut WorkingSet, report: &Report, now: Timestamp) -> Outcome {
    let Some(mut endpoint) = set.endpoints.get(&report.endpoint).cloned() else {
        return Outcome::Done(0);
    };
    // A replay that was asked for meanwhile has moved its place: what was taken up from another
    // does not move it back.
    if endpoint.taken_up == report.from {
        endpoint.taken_up = report.taken_up.max(report.from);
    }
    for (told, first) in &report.waiting {
        let known = set.deliveries.get(&(endpoint.id, told.number)).cloned();
        let known = known.filter(|known| known.state == DeliveryState::Waiting);
        let known = known.unwrap_or_else(|| begun_anew(set, endpoint.id, told));
        let due_at = if *first { known.due_at.or(Some(now)) } else { None };
        put(set, DeliveryRecord { due_at, ..known });
    }
    for attempt in &report.attempts {
        if note(set, &endpoint, attempt) == Next::Disable {
            endpoint.standing = match endpoint.standing {
                Standing::There(EndpointState::Active) => {
                    events::endpoint_gone(set, &endpoint);
                    Standing::There(EndpointState::Gone)
                }
                other => other,
            };
        }
    }
    endpoint.leased_until = match report.lease {
        Lease::Kept => now.plus_seconds(LEASE_SECONDS),
        Lease::GivenBack(from) => from,
    };
    keep(set, endpoint);
    Outcome::Done(report.attempts.len())
}

/// An event that is taken up, perhaps once more: what was noted of it before stays counted.
fn begun_anew(set: &WorkingSet, endpoint: EndpointId, told: &Told) -> DeliveryRecord {
    match set.deliveries.get(&(endpoint, told.number)) {
        Some(known) => DeliveryRecord {
            state: DeliveryState::Waiting,
            tried: 0,
            due_at: None,
            ..known.clone()
        },
        None => new(endpoint, told),
    }
}

/// Notes one attempt, and what follows on it.
fn note(set: &mut WorkingSet, endpoint: &EndpointRecord, attempt: &Attempt) -> Next {
    let known = set.deliveries.get(&(endpoint.id, attempt.told.number)).cloned();
    let waiting = known.filter(|known| known.state == DeliveryState::Waiting);
    let known = waiting.unwrap_or_else(|| begun_anew(set, endpoint.id, &attempt.told));
    let tried = known.tried.saturating_add(1);
    let next = schedule::next(tried, attempt.came_to, attempt.draw);
    let (state, due_at) = match next {
        Next::Delivered => (DeliveryState::Delivered, None),
        Next::Dead => (DeliveryState::Dead, None),
        // It waits until its endpoint wants something again.
        Next::Disable => (DeliveryState::Waiting, Some(attempt.at)),
        Next::Again(wait) => {
            let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            (DeliveryState::Waiting, Some(attempt.at.plus_millis(wait)))
        }
    };
    let status = attempt.came_to.status();
    let record = DeliveryRecord {
        state,
        tried,
        attempts: known.attempts.saturating_add(1),
        due_at,
        last_at: Some(attempt.at),
        last_status: status,
        ..known
    };
    set.writes.attempts.push(AttemptRecord {
        endpoint: endpoint.id,
        number: attempt.told.number,
        attempt: record.attempts,
        at: attempt.at,
        took_millis: attempt.took_millis,
        status,
        said: attempt.said.clone(),
    });
    put(set, record);
    next
}

fn keep(set: &mut WorkingSet, record: EndpointRecord) {
    set.writes.endpoints.insert(record.id, record.clone());
    set.endpoints.insert(record.id, record);
}

fn put(set: &mut WorkingSet, record: DeliveryRecord) {
    let place = (record.endpoint, record.told.number);
    set.writes.deliveries.insert(place, record.clone());
    set.deliveries.insert(place, record);
}
