//! How often boards come.

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

/// From one time of a schedule (cron, five fields) to the next, where it is the same all day long
/// and every day; otherwise what to do.
pub fn of_schedule(schedule: &str) -> Result<i64, String> {
    if schedule.is_empty() {
        return Err("the definition has no schedule: say how often with --every 1h".to_owned());
    }
    evenly(schedule).ok_or_else(|| {
        format!("the schedule \"{schedule}\" is not even: say how often with --every, such as 1h")
    })
}

fn evenly(schedule: &str) -> Option<i64> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [minute, hour, "*", "*", "*"] = fields[..] else { return None };
    let number = |text: &str, below: i64| text.parse().ok().filter(|n| (0..below).contains(n));
    // Of `*/n`: every so many, where that comes out even at the end.
    let each = |text: &str, whole: i64| -> Option<i64> {
        if text == "*" {
            return Some(1);
        }
        let each = text.strip_prefix("*/")?.parse().ok()?;
        (each > 0 && whole % each == 0).then_some(each)
    };
    match (each(minute, 60), each(hour, 24)) {
        (Some(minutes), Some(1)) => Some(minutes * 60),
        (None, Some(hours)) => number(minute, 60).map(|_: i64| hours * 3_600),
        (None, None) => number(minute, 60).and(number(hour, 24)).map(|_: i64| 86_400),
        _ => None,
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
        for (schedule, seconds) in [
            ("0 * * * *", 3_600),
            ("*/15 * * * *", 900),
            ("* * * * *", 60),
            ("5 */6 * * *", 21_600),
            ("30 2 * * *", 86_400),
        ] {
            assert_eq!(of_schedule(schedule), Ok(seconds), "{schedule}");
        }
        for uneven in
            ["", "0 6,18 * * *", "*/7 * * * *", "0 * * * 1", "* 3 * * *", "@daily", "61 * * * *"]
        {
            assert!(of_schedule(uneven).unwrap_err().contains("--every"), "{uneven}");
        }
    }

    #[test]
    fn durations_are_told() {
        assert_eq!([3_600, 21_600, 86_400, 90].map(told), ["hour", "6 hours", "day", "90 seconds"]);
    }
}
