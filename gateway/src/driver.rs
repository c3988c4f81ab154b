//! The driver: makes the calls that pending transactions wait for, while a gateway serves. It keeps
//! nothing of its own: what is to be called, and since when, stands in the database, so a restart
//! begins as any other turn of the loop does, and several gateways share the work by taking up
//! what is due ([`ClearingHouse::take_calls`]).
//!
//! | step | durable |
//! | --- | --- |
//! | a call is taken up | before it is made: until when it is this gateway's, and how often |
//! | a brand answers | the answer as it was signed, and what follows on it, in one commit |
//! | a brand does not answer | when it is asked again |
//!
//! Every brand has places of its own: one that is slow or dead takes up its own, nobody else's.

mod call;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;
use alliance_contracts::names::PartnerId;
use alliance_settlement::clearing_house::{Call, ClearingHouse};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::telemetry;

pub use call::Caller;

/// Calls to one brand at once, and so connections.
pub const CALLS_PER_BRAND: usize = 64;
/// How often is looked what is due where nothing tells: another gateway may have accepted it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often is counted what waits.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// The shortest turn: what comes due meanwhile is taken up in one commit.
const TURN: Duration = Duration::from_millis(5);

/// What each brand has left of its places.
#[derive(Default)]
struct Places {
    brands: HashMap<PartnerId, Arc<Semaphore>>,
}

impl Places {
    fn of(&mut self, brand: &PartnerId) -> &Arc<Semaphore> {
        self.brands
            .entry(brand.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(CALLS_PER_BRAND)))
    }

    /// Of each brand, how many calls may be taken up.
    fn free(&mut self, brands: impl Iterator<Item = PartnerId>) -> Vec<(PartnerId, u32)> {
        let with_places = |brand: PartnerId| {
            let free = u32::try_from(self.of(&brand).available_permits()).unwrap_or(0);
            (free > 0).then_some((brand, free))
        };
        brands.filter_map(with_places).collect()
    }
}

/// Makes calls until it is told to close; calls that are under way are finished by whoever looks
/// next, here or elsewhere.
pub async fn run(house: ClearingHouse, caller: Caller, mut closing: watch::Receiver<bool>) {
    let caller = Arc::new(caller);
    let mut places = Places::default();
    let freed = Arc::new(Notify::new());
    let mut counted: Option<Instant> = None;
    let mut pauses = house.pauses();
    loop {
        if *closing.borrow() {
            return;
        }
        if counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            counted = Some(Instant::now());
            count(&house).await;
        }
        if let Err(error) = turn(&house, &caller, &mut places, &freed).await {
            tracing::warn!(%error, "what brands are to be asked cannot be read");
        }
        rt::time::sleep(TURN).await;
        tokio::select! {
            () = house.saga_written() => {}
            () = freed.notified() => {}
            () = pauses.at_most(LOOK_EVERY) => {}
            _ = closing.changed() => return,
        }
    }
}

/// Tells operators how many transactions wait for each brand that is called; a brand that none
/// waits for is told as zero.
async fn count(house: &ClearingHouse) {
    let registry = house.registry();
    if !registry.has_connectors() {
        return;
    }
    let Ok(open) = house.open_sagas().await else { return };
    for partner in registry.definition.partners.iter().filter(|one| one.connector.is_some()) {
        let theirs = open.iter().find(|open| open.partner == partner.partner);
        let (pending, parked) = theirs.map_or((0, 0), |open| (open.open, open.parked));
        telemetry::record_pending(&partner.partner, pending, parked);
    }
}

/// Takes up what is due, as far as there are places, and begins to make the calls.
async fn turn(
    house: &ClearingHouse,
    caller: &Arc<Caller>,
    places: &mut Places,
    freed: &Arc<Notify>,
) -> Result<(), alliance_settlement::clearing_house::CallError> {
    if !house.registry().has_connectors() {
        return Ok(());
    }
    let partners = &house.registry().definition.partners;
    let called = partners.iter().filter(|partner| partner.connector.is_some());
    let free = places.free(called.map(|partner| partner.partner.clone()));
    if free.is_empty() {
        return Ok(());
    }
    for call in house.take_calls(free).await? {
        let Ok(place) = places.of(&call.partner).clone().try_acquire_owned() else {
            // More than there were places for: its time comes again when its lease ends.
            continue;
        };
        let (house, caller, freed) = (house.clone(), caller.clone(), freed.clone());
        rt::spawn(async move {
            make(&house, &caller, &call, place).await;
            freed.notify_one();
        });
    }
    Ok(())
}

/// Makes one call and hands in what came of it.
async fn make(house: &ClearingHouse, caller: &Caller, call: &Call, place: OwnedSemaphorePermit) {
    let heard = caller.make(house, call).await;
    // The connection is free; what follows is our own books' work.
    drop(place);
    if let Err(error) = house.answered(call, heard).await {
        // Not written: the call is made again, under the same key, when its lease ends.
        tracing::warn!(%error, key = %call.key, "a brand's answer was not written");
    }
}
