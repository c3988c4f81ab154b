//! Schedules: times of the day where the alliance is, as cron tells them.

use alliance_contracts::date::{Date, DateError};
use alliance_contracts::time::Timestamp;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;

/// When something is done.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads a schedule (cron) in a time zone (IANA); none where it is empty: by hand only.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub fn of(schedule: &str, time_zone: &str) -> Result<Option<Self>, Vec<String>> {
        let zone = TimeZone::get(time_zone).map_err(|_| {
            format!(
                "time_zone {:?} is no time zone: write one as in \"Asia/Shanghai\" or \"UTC\"",
                time_zone
            )
        });
        if schedule.is_empty() {
            return zone.map(|_| None).map_err(|fault| vec![fault]);
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(schedule).map_err(|error| {
            format!(
                "schedule {:?} is no schedule ({error}): write five fields as in \"*/15 * * * *\", \
                 or six with seconds first",
                schedule
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

/// The day that it is then in a time zone (IANA); in UTC where there is no such zone.
///
/// # Errors
/// A time beyond the years 0 to 9999.
pub fn day_at(time_zone: &str, at: Timestamp) -> Result<Date, DateError> {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).map_err(|_| DateError)?;
    instant.to_zoned(zone).date().to_string().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let schedule = Schedule::of(schedule, zone).unwrap().unwrap();
            assert_eq!(schedule.after(at(from)), Some(at(next)), "{from} {zone}");
        }
    }

    #[test]
    fn no_schedule_is_by_hand_and_faults_are_told_together() {
        assert!(Schedule::of("", "UTC").unwrap().is_none());
        let faults = Schedule::of("every hour", "Mars/Olympus").unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("schedule") && faults[1].contains("time_zone"));
    }

    #[test]
    fn a_day_is_that_of_the_place() {
        let at = "2026-11-23T16:00:00.000Z".parse().unwrap();
        let day = |zone| day_at(zone, at).unwrap().to_string();
        assert_eq!(day("Asia/Shanghai"), "2026-11-24");
        assert_eq!((day("UTC"), day("Mars/Olympus")), ("2026-11-23".into(), "2026-11-23".into()));
    }
}
