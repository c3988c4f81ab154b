//! The publisher: boards by the alliance's schedule, while a gateway serves. Every gateway keeps
//! the same times; of each time one board is published, whichever gateway is first.

use std::time::Duration;

use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::RatesDefinition;
use alliance_settlement::clearing_house::{ClearingHouse, PublishError};
use alliance_settlement::rates::publication::NoBoard;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;

/// The longest pause: a machine's clock that is set, and a schedule that is changed, are noticed
/// within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// When boards are published.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads the schedule of a definition; none where boards are published by hand only.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub fn of(rates: &RatesDefinition) -> Result<Option<Self>, Vec<String>> {
        let zone = TimeZone::get(&rates.time_zone).map_err(|_| {
            format!(
                "time_zone {:?} is no time zone: write one as in \"Asia/Shanghai\" or \"UTC\"",
                rates.time_zone
            )
        });
        if rates.schedule.is_empty() {
            return zone.map(|_| None).map_err(|fault| vec![fault]);
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(&rates.schedule).map_err(|error| {
            format!(
                "schedule {:?} is no schedule ({error}): write five fields as in \"*/15 * * * *\", \
                 or six with seconds first",
                rates.schedule
            )
        });
        match (cron, zone) {
            (Ok(cron), Ok(zone)) => Ok(Some(Self { cron, zone })),
            (cron, zone) => Err(cron.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// The first time of the schedule after this one; none where there is none any more.
    #[must_use]
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
        let next = self.cron.find_next_occurrence(&instant.to_zoned(self.zone.clone()), false);
        Some(Timestamp::from_millis(next.ok()?.timestamp().as_millisecond()))
    }
}

/// Publishes by the schedule for as long as it is polled.
pub async fn run(house: ClearingHouse) {
    let mut pauses = house.pauses();
    let mut from = house.now();
    loop {
        let registry = house.registry();
        let schedule = Schedule::of(&registry.definition.rates).ok().flatten();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: &str, time_zone: &str) -> RatesDefinition {
        let (schedule, time_zone) = (schedule.to_owned(), time_zone.to_owned());
        RatesDefinition { schedule, time_zone, ..RatesDefinition::default() }
    }

    #[test]
    fn times_are_told_in_the_alliances_time_zone() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        for (schedule, zone, from, next) in [
            ("0 9 * * *", "Asia/Shanghai", "2026-11-23T00:59:59.999Z", "2026-11-23T01:00:00.000Z"),
            ("0 9 * * *", "Asia/Shanghai", "2026-11-23T01:00:00.000Z", "2026-11-24T01:00:00.000Z"),
            ("*/15 * * * *", "UTC", "2026-11-23T01:00:00.001Z", "2026-11-23T01:15:00.000Z"),
            ("*/2 * * * * *", "UTC", "2026-11-23T01:00:01.500Z", "2026-11-23T01:00:02.000Z"),
            // The night in which an hour is left out, and the one in which it comes twice.
            ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00.000Z", "2026-03-29T01:00:00.000Z"),
            ("0 * * * *", "Europe/Berlin", "2026-10-25T00:30:00.000Z", "2026-10-25T01:00:00.000Z"),
        ] {
            let schedule = Schedule::of(&rates(schedule, zone)).unwrap().unwrap();
            assert_eq!(schedule.after(at(from)), Some(at(next)), "{from} {zone}");
        }
    }

    #[test]
    fn no_schedule_is_by_hand_and_faults_are_told_together() {
        assert!(Schedule::of(&rates("", "UTC")).unwrap().is_none());
        let faults = Schedule::of(&rates("every hour", "Mars/Olympus")).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("schedule") && faults[1].contains("time_zone"));
    }
}
