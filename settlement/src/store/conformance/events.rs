//! Feeds of events: numbered by the store, read in parts, one commit with what they tell.

use alliance_contracts::event::{Event, EventType, TransactionEvent};
use alliance_contracts::names::PartnerId;

use super::place::Place;
use super::world::{BRANDS, PEOPLE, World, name};
use crate::command::Command;
use crate::events::{EventRow, NewEvents};
use crate::feed;
use crate::store::Store;

fn brand(at: usize) -> PartnerId {
    name(BRANDS[at].0)
}

async fn rows(store: &dyn Store, partner: &PartnerId) -> Vec<EventRow> {
    store.events(partner, 0, 1_000_000).await.unwrap()
}

/// Asserts that rows follow each other from 1 on; the last number.
fn gapless(rows: &[EventRow]) -> u64 {
    rows.iter().fold(0, |before, row| {
        assert_eq!(row.first, before + 1, "a gap");
        assert!(row.last >= row.first);
        row.last
    })
}

async fn all(store: &dyn Store, partner: &PartnerId, page: u32) -> Vec<Event> {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let page = feed::page(store, partner, after, page).await.unwrap();
        after = page.last;
        events.extend(page.events);
        if !page.more {
            return events;
        }
    }
}

pub async fn events_are_numbered_from_one_without_a_gap_in_each_feed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    for person in 0..3 {
        let orders = vec![
            world.exchange(0, 1, person, 1_000).await,
            world.exchange(2, 1, person, 1_000).await,
            world.exchange(1, 0, person, 1_000).await,
        ];
        world.decide(orders).await;
    }
    let store = &*world.store;
    let mut lasts = Vec::new();
    for at in 0..BRANDS.len() {
        let partner = brand(at);
        let last = gapless(&rows(store, &partner).await);
        assert_eq!(store.last_event(&partner).await.unwrap(), last);
        lasts.push(last);
    }
    // The first board, two links of each person, and the orders of the corridors of each.
    let links = u64::try_from(2 * PEOPLE).unwrap();
    assert_eq!(lasts, [1 + links + 6, 1 + links + 9, 1 + links + 3]);
    assert_eq!(store.last_event(&name("nobody-here")).await.unwrap(), 0);
    assert!(rows(store, &name("nobody-here")).await.is_empty());
}

pub async fn events_are_there_with_what_they_tell_or_not_at_all(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let partner = brand(0);
    let before = rows(&*world.store, &partner).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let prepared = world.prepare(vec![order.clone()]).await;
    assert_eq!(prepared.writes.events.len(), 2, "both partners are told");
    drop(prepared);
    assert_eq!(rows(&*world.store, &partner).await, before, "what was given up is not told");
    let mut prepared = world.prepare(vec![order.clone()]).await;
    prepared.writes.balances.values_mut().for_each(|balance| *balance = -1);
    world.contradicts(prepared).await;
    assert_eq!(rows(&*world.store, &partner).await, before, "nor what contradicts");
    world.decide(vec![order.clone()]).await;
    let after = rows(&*world.store, &partner).await;
    assert_eq!(after.len(), before.len() + 1);
    // The same order again has no effect, and tells of none.
    world.decide(vec![order]).await;
    assert_eq!(rows(&*world.store, &partner).await, after);
}

pub async fn any_part_of_a_feed_can_be_read_and_reads_the_same(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = world.perform(0, 1, 0).await;
    for person in 1..4 {
        let orders = vec![
            world.exchange(0, 1, person, 1_000).await,
            world.exchange(0, 2, person, 1_000).await,
            world.exchange(1, 0, person, 1_000).await,
        ];
        world.decide(orders).await;
    }
    let back = world.reversal(first, Some("1")).await;
    world.decide(vec![back]).await;
    let back = world.reversal(first, None).await;
    world.decide(vec![back]).await;
    let store = &*world.store;
    for at in 0..BRANDS.len() {
        let partner = brand(at);
        let texts = |events: &[Event]| -> Vec<String> {
            events.iter().map(|event| serde_json::to_string(event).unwrap()).collect()
        };
        let whole = texts(&all(store, &partner, 1_000).await);
        for size in [1, 2, 3, 7] {
            assert_eq!(texts(&all(store, &partner, size).await), whole, "pages of {size}");
        }
        let part = feed::page(store, &partner, 4, 5).await.unwrap();
        assert_eq!((texts(&part.events), part.last, part.more), (whole[4..9].to_vec(), 9, true));
        let end = u64::try_from(whole.len()).unwrap();
        let past = feed::page(store, &partner, end, 5).await.unwrap();
        assert_eq!((past.events.len(), past.last, past.more), (0, end, false));
    }
    // What a reversal tells, twice: of itself, and of what it turned round.
    let told = all(store, &brand(0), 100).await;
    let about: Vec<(EventType, TransactionEvent)> = told
        .iter()
        .filter(|event| event.subject == first.to_string())
        .map(|event| (event.r#type.clone(), event.data().unwrap()))
        .collect();
    let types: Vec<&EventType> = about.iter().map(|(kind, _)| kind).collect();
    let expected = [
        &EventType::TransactionCompleted,
        &EventType::TransactionPartiallyReversed,
        &EventType::TransactionReversed,
    ];
    assert_eq!(types, expected);
    let detail = store.transaction(first).await.unwrap().unwrap();
    let reversed: Vec<String> =
        about.iter().map(|(_, said)| said.reversed.target.to_string()).collect();
    assert_eq!(reversed, ["0", "1", &detail.record.target.amount().to_string()]);
}

pub async fn events_that_are_not_numbered_one_by_one_are_refused(place: &Place) {
    let mut world = World::new(place.open().await).await;
    for (first, last) in [(2, 2), (0, 1), (1, 0)] {
        let order = world.exchange(0, 1, 0, 1_000).await;
        let mut prepared = world.prepare(vec![order]).await;
        (prepared.writes.events[0].first, prepared.writes.events[0].last) = (first, last);
        world.contradicts(prepared).await;
    }
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    let NewEvents { partner, at, entries, .. } = prepared.writes.events[0].clone();
    // Two rows of one feed in a commit follow each other, or are refused.
    prepared.writes.events.push(NewEvents { partner, first: 3, last: 3, at, entries });
    world.contradicts(prepared).await;
}

pub async fn many_events_of_one_commit_are_several_rows(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    let entry =
        r#"{"told":{"data":{"partner":"x"},"subject":"é \" \\","type":"partner.suspended"}}"#;
    let before = rows(&*world.store, &brand(2)).await;
    let row = |first: u64, count: usize| NewEvents {
        partner: brand(2),
        first,
        last: first - 1 + u64::try_from(count).unwrap(),
        at: world.now,
        entries: format!("[{}]", vec![entry; count].join(",")),
    };
    prepared.writes.events.extend([row(1, 1_000), row(1_001, 1_000), row(2_001, 3)]);
    prepared.commit().await.unwrap();
    let after = rows(&*world.store, &brand(2)).await;
    assert_eq!(after.len(), before.len() + 3);
    let last = gapless(&after);
    assert_eq!(last, before.last().unwrap().last + 2_003);
    let told = all(&*world.store, &brand(2), 999).await;
    assert_eq!(told.last().unwrap().subject, "é \" \\");
    let ids: std::collections::BTreeSet<String> =
        told.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(u64::try_from(ids.len()).unwrap(), last, "an id for each");
}

pub async fn two_writers_make_one_feed_and_whoever_reads_meanwhile_misses_nothing(place: &Place) {
    World::new(place.open().await).await;
    let mut writers = Vec::new();
    for gateway in 0..2_u64 {
        let mut world = World::on(place.open().await);
        world.skip_ids(1_000_000 * (gateway + 1));
        writers.push(tokio::spawn(async move {
            for order in 0..15 {
                world.perform(0, 1, order % PEOPLE).await;
            }
        }));
    }
    let reader = World::on(place.open().await);
    let read = tokio::spawn(async move {
        let (partner, mut after, mut seqs) = (brand(0), 0, Vec::new());
        while seqs.len() < 30 {
            let page = feed::page(&*reader.store, &partner, after, 4).await.unwrap();
            for event in page.events {
                after += 1;
                assert_eq!(event.number(), Some(after), "a gap");
                if event.r#type == EventType::TransactionCompleted {
                    seqs.push(event.data::<TransactionEvent>().unwrap().seq.unwrap());
                }
            }
            tokio::task::yield_now().await;
        }
        seqs
    });
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(read.await.unwrap(), (1..=30).collect::<Vec<_>>());
}

pub async fn suspending_a_partner_is_told_once(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let before = world.store.last_event(&brand(0)).await.unwrap();
    let suspend = |suspended| Command::Suspend(brand(0), suspended);
    world.decide(vec![suspend(true), suspend(true)]).await;
    world.decide(vec![suspend(true)]).await;
    world.decide(vec![suspend(false)]).await;
    let told = feed::page(&*world.store, &brand(0), before, 10).await.unwrap().events;
    let types: Vec<&str> = told.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(types, ["partner.suspended", "partner.reinstated"]);
}
