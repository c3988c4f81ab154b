//! The publisher: boards by the alliance's schedule, while a gateway serves. Every gateway keeps
//! the same times; of each time one board is published, whichever gateway is first.

use std::time::Duration;

use alliance_contracts::time::Timestamp;
use alliance_settlement::clearing_house::{ClearingHouse, PublishError};
use alliance_settlement::rates::publication::NoBoard;

use crate::schedule::Schedule;

/// The longest pause: a machine's clock that is set, and a schedule that is changed, are noticed
/// within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Publishes by the schedule for as long as it is polled.
pub async fn run(house: ClearingHouse) {
    let mut pauses = house.pauses();
    let mut from = house.now();
    loop {
        let registry = house.registry();
        let rates = &registry.definition.rates;
        let schedule = Schedule::of(&rates.schedule, &rates.time_zone).ok().flatten();
        let now = house.now();
        match schedule.and_then(|schedule| schedule.after(from)) {
            Some(slot) if slot <= now => {
                publish(&house, slot).await;
                // What was missed meanwhile is not made up for: the newest board is enough.
                from = house.now();
            }
            Some(slot) => {
                let wait = slot.as_millis().saturating_sub(now.as_millis());
                let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
                pauses.at_most(wait.min(LONGEST_PAUSE)).await;
            }
            None => {
                pauses.at_most(LONGEST_PAUSE).await;
                from = house.now();
            }
        }
        if house.now() < from {
            // The clock was set back.
            from = house.now();
        }
    }
}

async fn publish(house: &ClearingHouse, slot: Timestamp) {
    match house.publish(Some(slot)).await {
        Ok(Some(published)) => {
            let (board, effective_at) = (published.board, published.effective_at);
            tracing::info!(board, %effective_at, %slot, "a board is published");
        }
        Ok(None) => tracing::debug!(%slot, "there is nothing to publish"),
        Err(PublishError::NoBoard(NoBoard::NotYet { board, effective_at })) => {
            tracing::debug!(board, %effective_at, "the last board does not hold yet");
        }
        Err(error) => tracing::warn!(%error, %slot, "no board is published"),
    }
}
