//! Reading a partner's feed of events out of a store: a page in one go, with the receipts that it
//! tells of. Memory is bounded by the page.

use std::collections::{BTreeMap, HashMap};

use alliance_contracts::event::{Event, MAX_EVENTS_PER_PAGE};
use alliance_contracts::names::{Corridor, PartnerId};

use crate::events::{self, Place};
use crate::store::{Store, StoreError};

/// A part of a feed.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// The events, in their order.
    pub events: Vec<Event>,
    /// The number of the last of them; of an empty page, the one that was asked after.
    pub last: u64,
    /// Whether there are more after them now.
    pub more: bool,
}

/// Events of a partner's feed after this number, in order: `limit` at most, and never more than
/// [`MAX_EVENTS_PER_PAGE`].
///
/// # Errors
/// What the store says; [`StoreError::Corrupt`] where what it holds cannot be told.
pub async fn page(
    store: &dyn Store,
    partner: &PartnerId,
    after: u64,
    limit: u32,
) -> Result<FeedPage, StoreError> {
    let limit = limit.min(MAX_EVENTS_PER_PAGE);
    // One more than asked for tells whether there are more.
    let to = after.saturating_add(u64::from(limit)).saturating_add(1);
    let rows = store.events(partner, after, to).await?;
    let mut places = events::places(&rows, after, to).map_err(|fault| corrupt(partner, &fault))?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = places.len() > wanted;
    places.truncate(wanted);
    let last = places.last().map_or(after, |place| place.number);
    Ok(FeedPage { events: told(store, partner, places, limit).await?, last, more })
}

/// The event of this number in a partner's feed, without a look at those beside it.
///
/// # Errors
/// As [`page`].
pub async fn event(
    store: &dyn Store,
    partner: &PartnerId,
    number: u64,
) -> Result<Option<Event>, StoreError> {
    let after = number.saturating_sub(1);
    let rows = store.events(partner, after, number).await?;
    let places = events::places(&rows, after, number).map_err(|fault| corrupt(partner, &fault))?;
    Ok(told(store, partner, places, 1).await?.pop())
}

fn corrupt(partner: &PartnerId, fault: &events::EventsFault) -> StoreError {
    StoreError::Corrupt(format!("{partner}: {fault}"))
}

/// What stands at these places, with what their receipts say.
async fn told(
    store: &dyn Store,
    partner: &PartnerId,
    places: Vec<Place>,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let payloads = payloads(store, &places, limit).await?;
    let mut told = Vec::with_capacity(places.len());
    for place in places {
        let receipt = place.receipt().map(|(corridor, seq)| (corridor.clone(), seq));
        let payload = receipt.and_then(|receipt| payloads.get(&receipt)).map(Vec::as_slice);
        let event = events::tell(store.alliance(), partner, place, payload);
        told.push(event.map_err(|fault| corrupt(partner, &fault))?);
    }
    Ok(told)
}

type Payloads = HashMap<(Corridor, u64), Vec<u8>>;

/// The receipts of a page. What completed stands in its chain's order, without a gap: one read for
/// each corridor. What was turned round may have completed at any time: one read each.
async fn payloads(store: &dyn Store, places: &[Place], limit: u32) -> Result<Payloads, StoreError> {
    let mut runs: BTreeMap<&Corridor, (u64, u64)> = BTreeMap::new();
    for place in places.iter().filter(|place| place.is_completion()) {
        let Some((corridor, seq)) = place.receipt() else { continue };
        runs.entry(corridor).and_modify(|run| run.1 = seq).or_insert((seq, seq));
    }
    let mut payloads = Payloads::new();
    for (corridor, (first, last)) in runs {
        let count = u32::try_from(last.saturating_sub(first)).map_or(limit, |more| more + 1);
        read(store, &mut payloads, corridor, first, count.min(limit)).await?;
    }
    for (corridor, seq) in places.iter().filter_map(Place::receipt) {
        if !payloads.contains_key(&(corridor.clone(), seq)) {
            read(store, &mut payloads, corridor, seq, 1).await?;
        }
    }
    Ok(payloads)
}

async fn read(
    store: &dyn Store,
    payloads: &mut Payloads,
    corridor: &Corridor,
    first: u64,
    count: u32,
) -> Result<(), StoreError> {
    let receipts = store.receipts(corridor, first.saturating_sub(1), count).await?;
    let receipts = receipts.into_iter();
    payloads.extend(receipts.map(|receipt| ((receipt.corridor, receipt.seq), receipt.payload)));
    Ok(())
}
