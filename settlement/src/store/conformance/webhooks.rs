//! What every store must do with webhook endpoints and what they were sent.

use alliance_contracts::endpoint::{DeliveryState, EndpointState};
use alliance_contracts::event::EventType;
use alliance_contracts::ids::{EndpointId, EventId};
use alliance_contracts::problem::ProblemCode;

use super::place::Place;
use super::world::{BRANDS, World, name};
use crate::command::{AddEndpoint, ChangeEndpoint, Command, EndpointChange, Outcome};
use crate::webhooks::schedule::Attempted;
use crate::webhooks::{Attempt, EndpointRecord, Lease, OldSecret, Report, Standing, Told};

async fn added(world: &mut World, brand: usize, types: Vec<EventType>) -> EndpointId {
    let id = world.id();
    let url = "https://hooks.example.com/é?x=1".to_owned();
    let add = AddEndpoint { id, url, types, secret: vec![0, 255, 7], after: 3 };
    let add = Command::AddEndpoint(world.keyed(BRANDS[brand].0), Box::new(add));
    assert_eq!(world.decide(vec![add]).await, [Outcome::Endpoint(id)]);
    id
}

async fn changed(world: &mut World, endpoint: EndpointId, change: EndpointChange) {
    let change = Box::new(ChangeEndpoint { endpoint, change });
    let change = Command::ChangeEndpoint(world.keyed(BRANDS[0].0), change);
    assert_eq!(world.decide(vec![change]).await, [Outcome::Endpoint(endpoint)]);
}

async fn record(world: &World, id: EndpointId) -> Option<EndpointRecord> {
    let all = world.store.endpoints().await.unwrap();
    all.into_iter().map(|view| view.record).find(|record| record.id == id)
}

fn told(number: u64, subject: &str) -> Told {
    let (event, subject) = (EventId::from_u128(u128::from(number)), subject.to_owned());
    Told { number, event, subject, r#type: EventType::TransactionCompleted }
}

fn attempt(world: &World, told: Told, status: Option<u16>) -> Attempt {
    let came_to = status
        .map_or(Attempted::NoAnswer, |status| Attempted::Answer { status, retry_after: None });
    Attempt { told, at: world.now, took_millis: 12, came_to, said: "né".to_owned(), draw: 0 }
}

fn report(endpoint: EndpointId, from: u64, taken_up: u64) -> Report {
    Report {
        endpoint,
        partner: name(BRANDS[0].0),
        from,
        taken_up,
        attempts: Vec::new(),
        waiting: Vec::new(),
        lease: Lease::Kept,
    }
}

async fn delivered(world: &mut World, report: Report) {
    let sent = report.attempts.len();
    let outcome = world.decide(vec![Command::Delivered(Box::new(report))]).await;
    assert_eq!(outcome, [Outcome::Done(sent)]);
}

pub async fn an_endpoint_is_kept_as_it_was_made_and_changed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let types = vec![EventType::LinkActive, EventType::BoardPublished];
    let id = added(&mut world, 0, types.clone()).await;
    let made = record(&world, id).await.unwrap();
    assert_eq!((made.types, made.taken_up, made.old_secret), (types, 3, None));
    assert_eq!(
        (&made.url[..], &made.secret[..]),
        ("https://hooks.example.com/é?x=1", &[0, 255, 7][..])
    );
    assert_eq!((made.partner, made.created_at), (name(BRANDS[0].0), world.now));
    let other = added(&mut world, 1, Vec::new()).await;
    assert_eq!(record(&world, other).await.unwrap().types, []);
    // Another secret: the one before signs, too, for a while.
    let secret = EndpointChange::Secret { wrapped: vec![9], overlap_seconds: 60 };
    changed(&mut world, id, secret).await;
    let until = world.now.plus_seconds(60);
    let changed_one = record(&world, id).await.unwrap();
    assert_eq!(changed_one.old_secret, Some(OldSecret { wrapped: vec![0, 255, 7], until }));
    assert_eq!(changed_one.secrets(world.now).collect::<Vec<_>>(), [&[9][..], &[0, 255, 7]]);
    assert_eq!(changed_one.secrets(until).collect::<Vec<_>>(), [&[9][..]]);
    let at_once = EndpointChange::Secret { wrapped: vec![10], overlap_seconds: 0 };
    changed(&mut world, id, at_once).await;
    assert_eq!(record(&world, id).await.unwrap().old_secret, None);
    let settings = EndpointChange::Settings {
        url: Some("https://b.example/".to_owned()),
        types: Some(Vec::new()),
        active: Some(false),
    };
    changed(&mut world, id, settings).await;
    changed(&mut world, id, EndpointChange::Replay(1)).await;
    let now = record(&world, id).await.unwrap();
    assert_eq!((&now.url[..], now.types.len(), now.taken_up), ("https://b.example/", 0, 1));
    assert_eq!(now.standing, Standing::There(EndpointState::Paused));
    // Somebody else's is not there; nor is one that was removed.
    let theirs = Box::new(ChangeEndpoint { endpoint: other, change: EndpointChange::Remove });
    let theirs = Command::ChangeEndpoint(world.keyed(BRANDS[0].0), theirs);
    let refused = Outcome::Refused(ProblemCode::NotFound);
    assert_eq!(world.decide(vec![theirs]).await, std::slice::from_ref(&refused));
    changed(&mut world, id, EndpointChange::Remove).await;
    assert_eq!(record(&world, id).await, None);
    let gone = Box::new(ChangeEndpoint { endpoint: id, change: EndpointChange::Replay(0) });
    let gone = Command::ChangeEndpoint(world.keyed(BRANDS[0].0), gone);
    assert_eq!(world.decide(vec![gone]).await, [refused]);
}

pub async fn an_endpoint_is_one_gateways_alone_for_a_while(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let id = added(&mut world, 0, Vec::new()).await;
    let take = || Command::TakeEndpoint(name(BRANDS[0].0), id);
    assert_eq!(world.decide(vec![take(), take()]).await, [Outcome::Done(1), Outcome::Done(0)]);
    let until = record(&world, id).await.unwrap().leased_until;
    assert_eq!(world.decide(vec![take()]).await, [Outcome::Done(0)]);
    world.now = until;
    assert_eq!(world.decide(vec![take()]).await, [Outcome::Done(1)]);
    // Given back with the report.
    let given_back = Lease::GivenBack(world.now);
    delivered(&mut world, Report { lease: given_back, ..report(id, 3, 3) }).await;
    assert_eq!(world.decide(vec![take()]).await, [Outcome::Done(1)]);
    // One that is paused is nobody's.
    delivered(&mut world, Report { lease: given_back, ..report(id, 3, 3) }).await;
    let paused = EndpointChange::Settings { url: None, types: None, active: Some(false) };
    changed(&mut world, id, paused).await;
    assert_eq!(world.decide(vec![take()]).await, [Outcome::Done(0)]);
}

pub async fn what_became_of_events_is_kept_with_every_attempt(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let id = added(&mut world, 0, Vec::new()).await;
    let store = world.store.clone();
    let mut first = report(id, 3, 8);
    first.attempts = vec![
        attempt(&world, told(4, "a"), Some(204)),
        attempt(&world, told(5, "b"), Some(500)),
        attempt(&world, told(6, "c"), None),
    ];
    first.waiting = vec![(told(7, "b"), false), (told(8, "d"), true)];
    delivered(&mut world, first).await;
    let all = store.deliveries(id, None, 0, 10).await.unwrap();
    let seen: Vec<_> = all.iter().map(|one| (one.told.number, one.state, one.attempts)).collect();
    let waits = DeliveryState::Waiting;
    let done = DeliveryState::Delivered;
    assert_eq!(seen, [(4, done, 1), (5, waits, 1), (6, waits, 1), (7, waits, 0), (8, waits, 0)]);
    assert_eq!(all[1].told, told(5, "b"));
    let statuses: Vec<_> = all.iter().map(|one| one.last_status).collect();
    assert_eq!(statuses, [Some(204), Some(500), None, None, None]);
    let again = Some(world.now.plus_seconds(5));
    let due: Vec<_> = all.iter().map(|one| one.due_at).collect();
    assert_eq!(due, [None, again, again, None, Some(world.now)]);
    // By state, from where on, how many.
    let numbers = async |state, after, limit| {
        let found = store.deliveries(id, state, after, limit).await.unwrap();
        found.into_iter().map(|one| one.told.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(Some(waits), 0, 2).await, [5, 6]);
    assert_eq!(numbers(Some(waits), 6, 10).await, [7, 8]);
    assert_eq!(numbers(Some(done), 0, 10).await, [4]);
    assert_eq!(numbers(None, 4, 1).await, [5]);
    assert!(numbers(Some(DeliveryState::Dead), 0, 10).await.is_empty());
    let view = store.endpoints().await.unwrap().into_iter().find(|one| one.record.id == id);
    let view = view.unwrap();
    assert_eq!((view.due_at, view.record.taken_up), (Some(world.now), 8));
    assert_eq!(view.last_event, store.last_event(&name(BRANDS[0].0)).await.unwrap());
    // The next attempt is the second of its event.
    world.now = world.now.plus_seconds(5);
    let mut second = report(id, 8, 8);
    second.attempts = vec![attempt(&world, told(5, "b"), Some(200))];
    second.waiting = vec![(told(7, "b"), true)];
    delivered(&mut world, second).await;
    let log = store.attempts(id, 5).await.unwrap();
    let seen: Vec<_> = log.iter().map(|one| (one.attempt, one.status, one.at)).collect();
    let before = world.now.plus_seconds(-5);
    assert_eq!(seen, [(1, Some(500), before), (2, Some(200), world.now)]);
    assert_eq!((&log[0].said[..], log[0].took_millis), ("né", 12));
    assert_eq!(store.attempts(id, 7).await.unwrap(), []);
    let next = store.deliveries(id, None, 6, 1).await.unwrap();
    assert_eq!(next[0].due_at, Some(world.now));
}

pub async fn what_is_given_up_can_be_sent_again_and_what_wants_nothing_is_left_alone(
    place: &Place,
) {
    let mut world = World::new(place.open().await).await;
    let id = added(&mut world, 0, Vec::new()).await;
    let store = world.store.clone();
    for _ in 0..10 {
        let mut tried = report(id, 4, 4);
        tried.attempts = vec![attempt(&world, told(4, "a"), Some(500))];
        delivered(&mut world, tried).await;
    }
    let dead = store.deliveries(id, None, 0, 10).await.unwrap();
    assert_eq!((dead[0].state, dead[0].attempts, dead[0].due_at), (DeliveryState::Dead, 10, None));
    // By hand: its schedule begins anew, and its attempts go on.
    changed(&mut world, id, EndpointChange::Resend(told(4, "a"))).await;
    let waits = store.deliveries(id, None, 0, 10).await.unwrap();
    assert_eq!((waits[0].state, waits[0].due_at), (DeliveryState::Waiting, Some(world.now)));
    assert_eq!((waits[0].tried, waits[0].attempts), (0, 10));
    // One that was never taken up, too.
    changed(&mut world, id, EndpointChange::Resend(told(2, "z"))).await;
    assert_eq!(store.deliveries(id, None, 0, 1).await.unwrap()[0].told, told(2, "z"));
    let mut gone = report(id, 3, 5);
    gone.attempts = vec![attempt(&world, told(4, "a"), Some(410))];
    let events = store.last_event(&name(BRANDS[0].0)).await.unwrap();
    delivered(&mut world, gone).await;
    let now = record(&world, id).await.unwrap();
    assert_eq!(now.standing, Standing::There(EndpointState::Gone));
    let last = store.last_event(&name(BRANDS[0].0)).await.unwrap();
    assert_eq!(last, events + 1, "its partner is told, in the same commit");
    let kept = store.deliveries(id, None, 3, 1).await.unwrap();
    assert_eq!((kept[0].state, kept[0].attempts), (DeliveryState::Waiting, 11));
    // A replay that was asked for meanwhile stands against a report of before.
    changed(&mut world, id, EndpointChange::Replay(0)).await;
    delivered(&mut world, report(id, 5, 9)).await;
    assert_eq!(record(&world, id).await.unwrap().taken_up, 0);
}

pub async fn a_partner_has_so_many_endpoints_at_most(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let mut last = None;
    for _ in 0..alliance_contracts::endpoint::MAX_ENDPOINTS {
        last = Some(added(&mut world, 0, Vec::new()).await);
    }
    let add = |world: &mut World| {
        let url = "https://hooks.example.com/".to_owned();
        let add = AddEndpoint { id: world.id(), url, types: vec![], secret: vec![1], after: 0 };
        Command::AddEndpoint(world.keyed(BRANDS[0].0), Box::new(add))
    };
    let one_more = add(&mut world);
    let refused = Outcome::Refused(ProblemCode::TooManyEndpoints);
    assert_eq!(world.decide(vec![one_more]).await, [refused]);
    changed(&mut world, last.unwrap(), EndpointChange::Remove).await;
    let one_more = add(&mut world);
    let made = world.decide(vec![one_more]).await;
    let [Outcome::Endpoint(newest)] = made[..] else { panic!("{made:?}") };
    // One that goes makes room in the same batch, too.
    let remove = Box::new(ChangeEndpoint { endpoint: newest, change: EndpointChange::Remove });
    let remove = Command::ChangeEndpoint(world.keyed(BRANDS[0].0), remove);
    let batch = vec![remove, add(&mut world)];
    let made = world.decide(batch).await;
    assert!(matches!(made[..], [Outcome::Endpoint(_), Outcome::Endpoint(_)]), "{made:?}");
    added(&mut world, 1, Vec::new()).await;
}
