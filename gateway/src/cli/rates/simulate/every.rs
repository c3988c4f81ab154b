//! How often boards come.

use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::RatesDefinition;

use crate::schedule::Schedule;

/// Whether a schedule is even is seen in two weeks of it, a little more for one by the week,
const LOOKED_AHEAD: i64 = 15 * 86_400;
/// or in so many times.
const MOST_TIMES: usize = 500;

/// A duration as it is typed: `90s`, `30m`, `1h`, `1d`.
pub fn read(text: &str) -> Result<i64, String> {
    let wrong = || "write a number with s, m, h or d, such as 30m or 1h".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let digits = &text[..text.len() - 1];
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = digits.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    let every = number.checked_mul(seconds).filter(|every| (1..=604_800).contains(every));
    every.ok_or_else(|| "must be a second to a week".to_owned())
}

/// In words.
pub fn told(seconds: i64) -> String {
    for (unit, name) in [(86_400, "day"), (3_600, "hour"), (60, "minute")] {
        if seconds % unit == 0 {
            let number = seconds / unit;
            return if number == 1 { name.to_owned() } else { format!("{number} {name}s") };
        }
    }
    format!("{seconds} seconds")
}

/// From one time of the definition's schedule to the next, where that is always the same; otherwise
/// what to do.
pub fn of_schedule(rates: &RatesDefinition, start: Timestamp) -> Result<i64, String> {
    let schedule =
        Schedule::of(&rates.schedule, &rates.time_zone).map_err(|faults| faults.join("; "))?;
    let schedule = schedule.ok_or_else(|| {
        "the definition has no schedule: say how often with --every, such as 1h".to_owned()
    })?;
    let times = std::iter::successors(schedule.after(start), |time| schedule.after(*time));
    let end = start.plus_seconds(LOOKED_AHEAD);
    let times: Vec<Timestamp> = times.take(MOST_TIMES).take_while(|time| *time <= end).collect();
    let gap = |two: &[Timestamp]| {
        two.last().zip(two.first()).map(|(b, a)| b.as_seconds() - a.as_seconds())
    };
    let mut gaps: Vec<i64> = times.windows(2).filter_map(gap).collect();
    gaps.dedup();
    match gaps[..] {
        [every] => Ok(every),
        _ => Err(format!(
            "the schedule \"{}\" is not even: say how often with --every, such as 1h",
            rates.schedule
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let good = [("90s", 90), ("30m", 1_800), ("1h", 3_600), ("7d", 604_800)];
        assert!(good.iter().all(|(text, seconds)| read(text) == Ok(*seconds)));
        for bad in
            ["", "h", "1", "-1h", "+1h", "1.5h", "0s", "8d", "1 h", "99999999999999999999d", "1é"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn even_schedules_are_read_and_others_are_not_guessed() {
        let start = "2026-01-05T00:00:00.000Z".parse().unwrap();
        let of = |schedule: &str| {
            let schedule = schedule.to_owned();
            of_schedule(&RatesDefinition { schedule, ..RatesDefinition::default() }, start)
        };
        for (schedule, seconds) in [
            ("0 * * * *", 3_600),
            ("*/15 * * * *", 900),
            ("5 */6 * * *", 21_600),
            ("30 2 * * *", 86_400),
            ("0 9 * * 1", 604_800),
        ] {
            assert_eq!(of(schedule), Ok(seconds), "{schedule}");
        }
        for uneven in ["", "0 6,17 * * *", "*/7 * * * *", "0 9 * * 1-5", "* 3 * * *", "0 0 1 * *"] {
            assert!(of(uneven).unwrap_err().contains("--every"), "{uneven}");
        }
        assert!(of("hourly").unwrap_err().contains("five fields"));
    }

    #[test]
    fn durations_are_told() {
        assert_eq!([3_600, 21_600, 86_400, 90].map(told), ["hour", "6 hours", "day", "90 seconds"]);
    }
}
