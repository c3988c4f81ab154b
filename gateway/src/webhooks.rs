//! Webhooks: sends partners' events to their endpoints, while a gateway serves. It keeps nothing of
//! its own: what is to be sent stands in the database, and several gateways share the work by
//! taking endpoints up ([`ClearingHouse::take_endpoint`]).
//!
//! Every endpoint has connections and time of its own: one that is slow, or answers without end,
//! holds up nobody else. What is sent in one round, and in which order, is
//! [`alliance_settlement::webhooks::round`]'s to say; what follows on an answer,
//! [`alliance_settlement::webhooks::schedule`]'s.

mod send;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use alliance_contracts::event::{Event, EventType, event_id};
use alliance_contracts::ids::EndpointId;
use alliance_contracts::time::Timestamp;
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::sequencer::Unavailable;
use alliance_settlement::store::StoreError;
use alliance_settlement::webhooks::round::{self, ROUND_EVENTS, ToSend, is_over};
use alliance_settlement::webhooks::schedule::Next;
use alliance_settlement::webhooks::{
    Attempt, EndpointRecord, LEASE_SECONDS, Lease, MAX_WAITING, Report, Told,
};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::watch;

pub use send::{Sender, fields};

use crate::telemetry;

/// Connections to one endpoint at once.
const CONNECTIONS: usize = 8;
/// Endpoints that one gateway sends to at once.
const ENDPOINTS_AT_ONCE: usize = 64;
/// How long a round goes on beginning to send; then its report is due. With the longest answer
/// still within the lease.
const ROUND: Duration = Duration::from_secs(5);
const _: () = assert!(ROUND.as_secs() + send::ANSWER_WITHIN.as_secs() < LEASE_SECONDS as u64);
/// How often is looked for what is due where nothing tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest turn: what is told meanwhile is looked at together.
const TURN: Duration = Duration::from_millis(100);
/// How long an endpoint rests at which so much waits that nothing more is taken up.
const FULL_RESTS_SECONDS: i64 = 5;

/// Endpoints that this gateway is sending to.
type AtWork = Rc<RefCell<HashSet<EndpointId>>>;

/// Sends until it is told to close; what is under way then is known when its report is written, or
/// sent again by whoever looks next.
pub async fn run(house: ClearingHouse, sender: Sender, mut closing: watch::Receiver<bool>) {
    let sender = Rc::new(sender);
    let at_work = AtWork::default();
    let (mut tellings, mut pauses) = (house.tellings(), house.pauses());
    loop {
        if *closing.borrow() {
            return;
        }
        if let Err(error) = turn(&house, &sender, &at_work, &closing).await {
            tracing::warn!(%error, "what endpoints are to be sent cannot be read");
        }
        rt::time::sleep(TURN).await;
        tokio::select! {
            _ = tellings.changed() => {}
            () = pauses.at_most(LOOK_EVERY) => {}
            _ = closing.changed() => return,
        }
    }
}

/// Begins to send to endpoints that have something due.
async fn turn(
    house: &ClearingHouse,
    sender: &Rc<Sender>,
    at_work: &AtWork,
    closing: &watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let now = house.now();
    for view in house.endpoints().await?.into_iter().filter(|view| view.is_due(now)) {
        let endpoint = view.record;
        if at_work.borrow().len() >= ENDPOINTS_AT_ONCE || !at_work.borrow_mut().insert(endpoint.id)
        {
            continue;
        }
        let (house, sender, at_work) = (house.clone(), sender.clone(), at_work.clone());
        let closing = closing.clone();
        rt::spawn(async move {
            if let Err(error) = work(&house, &sender, &endpoint, &closing).await {
                tracing::warn!(%error, endpoint = %endpoint.id, "an endpoint is left for now");
            }
            at_work.borrow_mut().remove(&endpoint.id);
        });
    }
    Ok(())
}

/// Takes an endpoint up and sends to it, round after round, until there is nothing to do.
async fn work(
    house: &ClearingHouse,
    sender: &Sender,
    endpoint: &EndpointRecord,
    closing: &watch::Receiver<bool>,
) -> Result<(), Unavailable> {
    if !house.take_endpoint(endpoint).await? {
        return Ok(());
    }
    loop {
        // Its partner may have changed it meanwhile.
        let current = house.endpoint(&endpoint.partner, endpoint.id).await;
        let current = current.map_err(Unavailable::Store)?;
        let Some(current) = current.filter(|one| one.is_active() && !*closing.borrow()) else {
            let back = Lease::GivenBack(house.now());
            return house.delivered(report(endpoint, endpoint.taken_up, back)).await;
        };
        let report = send_round(house, sender, &current).await.map_err(Unavailable::Store)?;
        let goes_on = report.lease == Lease::Kept;
        house.delivered(report).await?;
        if !goes_on {
            return Ok(());
        }
    }
}

fn report(endpoint: &EndpointRecord, taken_up: u64, lease: Lease) -> Report {
    Report {
        endpoint: endpoint.id,
        partner: endpoint.partner.clone(),
        from: endpoint.taken_up,
        taken_up,
        attempts: Vec::new(),
        waiting: Vec::new(),
        lease,
    }
}

/// One round: reads what is due, sends it, says what came of it.
async fn send_round(
    house: &ClearingHouse,
    sender: &Sender,
    endpoint: &EndpointRecord,
) -> Result<Report, StoreError> {
    // Read.
    let begun = Instant::now();
    let waiting = Some(alliance_contracts::endpoint::DeliveryState::Waiting);
    let waiting = house.deliveries(endpoint.id, waiting, 0, MAX_WAITING).await?;
    let (new, events) = new_events(house, endpoint).await?;
    let secrets = house.webhook_secrets(endpoint)?;
    // Decide.
    let now = house.now();
    let round = round::plan(endpoint, &waiting, &new, now);
    if round.chains.is_empty() && round.taken_up == endpoint.taken_up {
        let rests = if new.is_empty() { 0 } else { FULL_RESTS_SECONDS };
        return Ok(report(endpoint, round.taken_up, Lease::GivenBack(now.plus_seconds(rests))));
    }
    // Send.
    let send_chain = async |chain: Vec<ToSend>| {
        let mut sent: Vec<Attempt> = Vec::with_capacity(chain.len());
        for event in &chain {
            if begun.elapsed() >= ROUND {
                break;
            }
            let told = event.told.clone();
            let attempt = sender.send(house, endpoint, &secrets, told, &events).await;
            let next = event.next(&attempt);
            tell_operators(endpoint, &attempt, next);
            sent.push(attempt);
            if !is_over(next) {
                break;
            }
        }
        (chain, sent)
    };
    let mut report = report(endpoint, round.taken_up, Lease::Kept);
    report.waiting.extend(round.behind.into_iter().map(|told| (told, false)));
    let chains = round.chains.into_iter().map(send_chain);
    let mut sending = std::pin::pin!(stream::iter(chains).buffer_unordered(CONNECTIONS));
    while let Some((chain, sent)) = sending.next().await {
        report.waiting.extend(round::left(&chain, &sent));
        report.attempts.extend(sent);
    }
    Ok(report)
}

/// Counts an attempt; says so where an event is given up.
fn tell_operators(endpoint: &EndpointRecord, attempt: &Attempt, next: Next) {
    let outcome = match next {
        Next::Delivered => "delivered",
        Next::Again(_) => "failed",
        Next::Disable => "gone",
        Next::Dead => "dead",
    };
    telemetry::count_delivery(outcome);
    if next == Next::Dead {
        let (event, said) = (&attempt.told.event, &attempt.said);
        tracing::error!(endpoint = %endpoint.id, partner = %endpoint.partner, %event, said,
            "an event is given up: its partner may have it sent again");
    }
}

/// What follows on an endpoint's place in its partner's feed, and the events themselves. An event
/// that cannot be read is taken up all the same: it is tried, and given up, by itself.
async fn new_events(
    house: &ClearingHouse,
    endpoint: &EndpointRecord,
) -> Result<(Vec<Told>, HashMap<u64, Event>), StoreError> {
    let (partner, after) = (endpoint.partner.clone(), endpoint.taken_up);
    let read = match house.events(partner.clone(), after, ROUND_EVENTS).await {
        Ok(page) => Ok(page.items),
        // The next one by itself: what cannot be read may stand behind it.
        Err(StoreError::Corrupt(_)) => {
            house.event(partner, after + 1).await.map(|event| event.into_iter().collect())
        }
        Err(error) => Err(error),
    };
    let events: Vec<Event> = match read {
        Err(StoreError::Corrupt(fault)) => {
            tracing::error!(fault, endpoint = %endpoint.id, "an event cannot be told");
            return Ok((vec![unreadable(house, endpoint)], HashMap::new()));
        }
        other => other?,
    };
    let numbered = events.into_iter().filter_map(|event| Some((event.number()?, event)));
    let numbered: Vec<(u64, Event)> = numbered.collect();
    let new = numbered.iter().map(|(number, event)| told(*number, event)).collect();
    Ok((new, numbered.into_iter().collect()))
}

fn told(number: u64, event: &Event) -> Told {
    let (subject, r#type) = (event.subject.clone(), event.r#type.clone());
    Told { number, event: event.id, subject, r#type }
}

/// What stands for an event that cannot be read: of a subject of its own, so that it holds up none.
fn unreadable(house: &ClearingHouse, endpoint: &EndpointRecord) -> Told {
    let number = endpoint.taken_up + 1;
    let never = Timestamp::from_millis(0);
    let event = event_id(house.alliance(), &endpoint.partner, number, never);
    let subject = format!("unreadable/{number}");
    Told { number, event, subject, r#type: EventType::Other("unreadable".into()) }
}
