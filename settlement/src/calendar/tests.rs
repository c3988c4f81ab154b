//! Business days on real calendars, and files as people have them.

use alliance_contracts::calendar::{Calendar, CalendarFault, NamedDay};
use alliance_contracts::date::{Date, Weekday};
use proptest::prelude::*;

use super::ics::{self, Days, IcsFault, IcsRule};
use super::{Apart, extended};
use super::{MAX_DAYS, NoValueDate, shipped, value_date};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn shipped_calendars_are_sound_and_say_until_when() {
    let [cn, target] = shipped();
    assert_eq!((cn.check(), target.check()), (Ok(()), Ok(())));
    assert_eq!(cn.published_until, date("2026-12-31"));
    // The notices: 7 and 7 holidays of 28 and 33 days, 5 and 6 days made up.
    let in_year =
        |days: &[NamedDay], year| days.iter().filter(|d| d.date.civil().0 == year).count();
    assert_eq!((in_year(&cn.holidays, 2025), in_year(&cn.working_days, 2025)), (28, 5));
    assert_eq!((in_year(&cn.holidays, 2026), in_year(&cn.working_days, 2026)), (33, 6));
    assert_eq!((in_year(&target.holidays, 2026), target.working_days.len()), (6, 0));
}

/// Gregorian Easter Sunday, by the anonymous algorithm (Nature, 1876).
fn easter(year: i64) -> Date {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let (month, day) = ((h + l - 7 * m + 114) / 31, (h + l - 7 * m + 114) % 31 + 1);
    format!("{year}-{month:02}-{day:02}").parse().unwrap()
}

#[test]
fn target_closes_on_the_days_that_its_rule_gives() {
    let [_, target] = shipped();
    for year in 2025..=2027 {
        let fixed = |day: &str| date(&format!("{year}-{day}"));
        let easter = easter(year);
        let rule = [
            fixed("01-01"),
            easter.plus_days(-2),
            easter.plus_days(1),
            fixed("05-01"),
            fixed("12-25"),
            fixed("12-26"),
        ];
        let said = target.holidays.iter().map(|day| day.date);
        let said: Vec<Date> = said.filter(|day| day.civil().0 == year).collect();
        assert_eq!(said, rule, "{year}");
    }
}

/// A finance person's table: trade day, N, calendars, the day money is good.
#[test]
fn money_is_good_on_the_day_that_a_person_would_count() {
    let [cn, target] = shipped();
    let (cn, target) = (&cn, &target);
    for (trade, n, calendars, good, provisional) in [
        ("2026-11-23", 0, &[cn][..], "2026-11-23", false),
        ("2026-11-23", 2, &[cn], "2026-11-25", false),
        // Over a weekend.
        ("2026-11-20", 1, &[cn], "2026-11-23", false),
        // From a Saturday on: the Monday is the first.
        ("2026-11-21", 0, &[cn], "2026-11-23", false),
        ("2026-11-21", 1, &[cn], "2026-11-23", false),
        // Spring Festival; the Saturday before is worked on.
        ("2026-02-13", 1, &[cn], "2026-02-14", false),
        ("2026-02-13", 2, &[cn], "2026-02-24", false),
        ("2026-02-13", 2, &[target], "2026-02-17", false),
        // Both: the Saturday is none in TARGET, the Monday after none in China.
        ("2026-02-13", 1, &[cn, target], "2026-02-24", false),
        // The Sunday after New Year's Day.
        ("2025-12-31", 1, &[cn], "2026-01-04", false),
        // Easter.
        ("2026-04-02", 1, &[target], "2026-04-07", false),
        // Past what China has published, New Year's Day 2027 is a Friday like others.
        ("2026-12-31", 1, &[cn], "2027-01-01", true),
        ("2026-12-30", 1, &[cn], "2026-12-31", false),
        ("2026-12-31", 1, &[cn, target], "2027-01-04", true),
        ("2026-12-31", 1, &[target], "2027-01-04", false),
        ("2026-11-21", 0, &[], "2026-11-21", false),
    ] {
        let found = value_date(date(trade), n, calendars).unwrap();
        assert_eq!((found.date, found.provisional), (date(good), provisional), "{trade} + {n}");
    }
}

#[test]
fn calendars_that_never_meet_and_years_of_waiting_are_refused() {
    let [cn, _] = shipped();
    let mut weekends = cn.clone();
    weekends.rest_days = Weekday::ALL[..5].to_vec();
    weekends.working_days.clear();
    let mut weekdays = cn.clone();
    weekdays.working_days.clear();
    let never = value_date(date("2026-11-23"), 1, &[&weekdays, &weekends]);
    assert_eq!(never, Err(NoValueDate::NoBusinessDay));
    assert_eq!(value_date(date("2026-11-23"), MAX_DAYS + 1, &[&cn]), Err(NoValueDate::TooFar));
}

#[test]
fn a_calendar_is_refused_with_all_its_faults_at_once() {
    let [cn, _] = shipped();
    let broken = |change: fn(&mut Calendar)| {
        let mut calendar = cn.clone();
        change(&mut calendar);
        calendar.check().unwrap_err()
    };
    let day = |text: &str| NamedDay { date: date(text), name: String::new() };
    assert_eq!(broken(|c| c.v = 2), [CalendarFault::Version]);
    assert_eq!(broken(|c| c.rest_days.reverse()), [CalendarFault::RestDays]);
    assert!(broken(|c| c.rest_days = Weekday::ALL.to_vec()).contains(&CalendarFault::NoWork));
    let mut all = cn.clone();
    all.holidays = vec![day("2027-01-01"), day("2026-02-14")];
    all.working_days = vec![day("2026-02-14"), day("2026-02-16")];
    assert_eq!(
        all.check().unwrap_err(),
        [
            CalendarFault::Order(date("2026-02-14")),
            CalendarFault::Unpublished(date("2027-01-01")),
            CalendarFault::Both(date("2026-02-14")),
            CalendarFault::NoRestDay(date("2026-02-16")),
        ]
    );
    let mut backwards = cn.clone();
    (backwards.holidays, backwards.working_days) = (Vec::new(), Vec::new());
    backwards.published_until = date("2024-12-31");
    assert_eq!(backwards.check(), Err(vec![CalendarFault::Published]));
}

/// As phones export it: folded lines, CRLF, an end that is the day after, a marked working day.
const FILE: &str = "\u{feff}BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\n\
BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260501\r\nDTEND;VALUE=DATE:20260506\r\n\
SUMMARY:劳动节\\, La\r\n bour Day\r\nX-APPLE-SPECIAL-DAY:WORK-HOLIDAY\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260509\r\nSUMMARY:劳动节（班）\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260104\r\nSUMMARY:New Year\r\nCATEGORIES:Work,Working Day\r\n\
END:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260228\r\nSUMMARY:x\r\n\
X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn a_file_as_phones_export_it_gives_the_published_days() {
    let days = ics::read(FILE).unwrap();
    let dates = |days: &[NamedDay]| days.iter().map(|d| d.date.to_string()).collect::<Vec<_>>();
    let holidays = ["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04", "2026-05-05"];
    assert_eq!(dates(&days.holidays), holidays);
    assert_eq!(days.holidays[0].name, "劳动节, Labour Day");
    assert_eq!(dates(&days.working_days), ["2026-01-04", "2026-02-28", "2026-05-09"]);
    let [cn, _] = shipped();
    assert!(days.working_days.iter().all(|day| cn.is_business_day(day.date)));
    assert!(days.holidays.iter().all(|day| !cn.is_business_day(day.date)));
}

#[test]
fn what_is_published_later_goes_on_with_what_is_known() {
    let [cn, _] = shipped();
    let days = ics::read(FILE).unwrap();
    let may = Calendar {
        holidays: days.holidays.into_iter().take(2).collect(),
        working_days: Vec::new(),
        published_from: date("2026-05-01"),
        published_until: date("2026-05-31"),
        ..cn.clone()
    };
    let other = extended(&cn, &may).unwrap();
    assert_eq!(other.check(), Ok(()));
    assert_eq!(
        (other.published_from, other.published_until),
        (cn.published_from, cn.published_until)
    );
    let mut day = cn.published_from;
    while day <= cn.published_until {
        let of_may = day >= may.published_from && day <= may.published_until;
        let wanted = if of_may { &may } else { &cn };
        assert_eq!(other.is_business_day(day), wanted.is_business_day(day), "{day}");
        day = day.plus_days(1);
    }
    let next = |from: &str, until: &str| Calendar {
        holidays: Vec::new(),
        published_from: date(from),
        published_until: date(until),
        ..may.clone()
    };
    let year = extended(&cn, &next("2027-01-01", "2027-12-31")).unwrap();
    assert_eq!(year.published_until, date("2027-12-31"));
    assert_eq!(year.holidays, cn.holidays);
    let apart = Apart { from: cn.published_from, until: cn.published_until };
    assert_eq!(extended(&cn, &next("2027-01-02", "2027-12-31")), Err(apart));
    assert_eq!(extended(&cn, &next("2023-01-01", "2024-12-30")), Err(apart));
}

#[test]
fn every_fault_of_a_file_is_named_with_its_line() {
    let event =
        |lines: &str| format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{lines}END:VEVENT\nEND:VCALENDAR\n");
    let fault = |line, rule| Err::<Days, _>(vec![IcsFault { line, rule }]);
    assert_eq!(ics::read("hello"), fault(1, IcsRule::NoCalendar));
    assert_eq!(ics::read(""), fault(1, IcsRule::NoCalendar));
    assert_eq!(ics::read("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), fault(2, IcsRule::Empty));
    assert_eq!(ics::read("BEGIN:VCALENDAR\nBEGIN:VEVENT\n"), fault(2, IcsRule::Cut));
    assert_eq!(ics::read(&event("SUMMARY:x\n")), fault(2, IcsRule::NoStart));
    let timed = event("DTSTART:20260501T090000Z\n");
    assert_eq!(ics::read(&timed), fault(3, IcsRule::NotADay));
    assert_eq!(ics::read(&event("DTSTART:20260230\n")), fault(3, IcsRule::NotADay));
    let backwards = event("DTSTART:20260501\nDTEND:20260501\n");
    assert_eq!(ics::read(&backwards), fault(2, IcsRule::Length));
    let endless = event("DTSTART:20260501\nDTEND:99990101\n");
    assert_eq!(ics::read(&endless), fault(2, IcsRule::Length));
    let yearly = event("DTSTART:20260501\nRRULE:FREQ=YEARLY\n");
    assert_eq!(ics::read(&yearly), fault(4, IcsRule::Repeats));
}

proptest! {
    /// Counting is what a person does with a finger on the calendar; and later never is earlier.
    #[test]
    fn the_nth_business_day_is_the_nth(offset in 0..1_400_i64, n in 0..=MAX_DAYS) {
        let [cn, target] = shipped();
        let trade = date("2025-01-01").plus_days(offset);
        for calendars in [&[&cn][..], &[&target], &[&cn, &target]] {
            let found = value_date(trade, n, calendars).unwrap();
            let works = |day: Date| calendars.iter().all(|one| one.is_business_day(day));
            prop_assert!(works(found.date));
            let mut between = 0;
            let mut day = trade;
            while day < found.date {
                day = day.plus_days(1);
                between += u32::from(works(day));
            }
            prop_assert_eq!(between, if n == 0 && !works(trade) { 1 } else { n });
            let last = calendars.iter().map(|one| one.published_until).min().unwrap();
            prop_assert_eq!(found.provisional, found.date > last);
        }
    }

    /// Whatever a file says, it is read or refused, never more than a moment.
    #[test]
    fn no_file_does_any_harm(text in "(BEGIN:VCALENDAR\n)?([A-Z:;=0-9\\\\\n ]{0,40}|END:VEVENT\n|BEGIN:VEVENT\n|DTSTART:20260101\n){0,12}") {
        let _ = ics::read(&text);
    }
}
