use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn micros(micros: i64) -> Decimal {
    Decimal::from_micros(micros).unwrap()
}

const HOUR: i64 = 3_600;
const WEEK: i64 = 7 * 24 * HOUR;

/// So many seconds into the story.
fn at(seconds: i64) -> Timestamp {
    "2026-11-01T00:00:00.000Z".parse::<Timestamp>().unwrap().plus_seconds(seconds)
}

/// Band 0.04 to 0.06, so believed from 0.004 to 0.6; everything has a weight.
fn model() -> ValueModel {
    serde_json::from_str(
        r#"{"band":{"max":"0.06","min":"0.04"},
            "weights":{"base":"0.4","redemption":"0.3","backing":"0.2","cost":"0.1"}}"#,
    )
    .unwrap()
}

fn reading(feed: FeedKind, value: &str, seconds: i64) -> Observation {
    Observation {
        feed,
        observed_at: at(seconds),
        program: "aurora".parse().unwrap(),
        value: decimal(value),
    }
}

/// What is known after these readings.
fn after(readings: &[(FeedKind, &str, i64)]) -> Feeds {
    readings.iter().fold(Feeds::default(), |feeds, (feed, value, seconds)| {
        feeds.observe(&reading(*feed, value, *seconds), &model(), at(*seconds)).unwrap()
    })
}

/// Status, value and age of one input, at that time; the base is 0.05.
fn input(feeds: &Feeds, kind: InputKind, seconds: i64) -> (InputStatus, String, Option<Timestamp>) {
    let all = inputs(decimal("0.05"), &model(), feeds, None, at(seconds));
    let input = all.into_iter().find(|input| input.input == kind).unwrap();
    (input.status, input.value.to_string(), input.as_of)
}

fn seen(
    status: InputStatus,
    value: &str,
    seconds: i64,
) -> (InputStatus, String, Option<Timestamp>) {
    (status, value.to_owned(), Some(at(seconds)))
}

fn base_instead(status: InputStatus) -> (InputStatus, String, Option<Timestamp>) {
    (status, "0.05".to_owned(), None)
}

use FeedKind::{Breakage, Cost, Outstanding, Redemption, Reserve};

// --- inputs and their fallbacks ----------------------------------------------------------------

#[test]
fn inputs_are_those_with_a_weight_in_the_order_of_a_board() {
    let kinds = |model: &ValueModel| -> Vec<InputKind> {
        let all = inputs(decimal("0.05"), model, &Feeds::default(), None, at(0));
        all.iter().map(|input| input.input).collect()
    };
    assert_eq!(kinds(&model()), InputKind::ALL[..4]);
    assert_eq!(kinds(&ValueModel::default_for(decimal("0.05"))), [InputKind::Base]);
}

#[test]
fn an_approved_value_stands_alone() {
    let feeds = after(&[(Cost, "0.048", 0)]);
    let all = inputs(decimal("0.05"), &model(), &feeds, Some(decimal("0.055")), at(0));
    assert_eq!(all, [declared(InputKind::Approved, decimal("0.055"), Decimal::ONE)]);
}

#[test]
fn what_never_reported_is_the_base() {
    for kind in [InputKind::Redemption, InputKind::Backing, InputKind::Cost] {
        assert_eq!(input(&Feeds::default(), kind, 0), base_instead(InputStatus::Absent));
    }
    let two_of_three = after(&[(Reserve, "1000", 0), (Outstanding, "20000", 0)]);
    let backing = input(&two_of_three, InputKind::Backing, 0);
    assert_eq!(backing, base_instead(InputStatus::Absent));
}

#[test]
fn a_reading_is_fresh_for_as_long_as_the_model_says_and_then_stale() {
    let feeds = after(&[(Cost, "0.048", 0)]);
    let cost = |seconds| input(&feeds, InputKind::Cost, seconds);
    assert_eq!(cost(WEEK), seen(InputStatus::Fresh, "0.048", 0));
    assert_eq!(cost(WEEK + 1), seen(InputStatus::Stale, "0.048", 0));
}

#[test]
fn zero_and_absurd_readings_leave_the_last_good_one_in_place() {
    for (bad, status) in [
        ("0", InputStatus::Zero),
        ("0.003999", InputStatus::Absurd),
        ("0.600001", InputStatus::Absurd),
        ("9223372036854.775807", InputStatus::Absurd),
    ] {
        let feeds = after(&[(Cost, "0.048", 0), (Cost, bad, HOUR)]);
        assert_eq!(input(&feeds, InputKind::Cost, HOUR), seen(status, "0.048", 0), "{bad}");
        let feeds = after(&[(Cost, bad, HOUR)]);
        assert_eq!(input(&feeds, InputKind::Cost, HOUR), base_instead(status), "{bad}");
    }
    for edge in ["0.004", "0.6"] {
        let feeds = after(&[(Cost, edge, 0)]);
        assert_eq!(input(&feeds, InputKind::Cost, 0), seen(InputStatus::Fresh, edge, 0));
    }
}

#[test]
fn redemptions_count_by_their_exponentially_weighted_mean() {
    let mut readings = vec![(Redemption, "0.05", 0)];
    assert_eq!(input(&after(&readings), InputKind::Redemption, 0).1, "0.05");
    readings.push((Redemption, "0.06", HOUR));
    // 0.05 + 0.2 × 0.01
    let mean = input(&after(&readings), InputKind::Redemption, HOUR);
    assert_eq!(mean, seen(InputStatus::Fresh, "0.052", HOUR));
    readings.push((Redemption, "6", 2 * HOUR));
    let mean = input(&after(&readings), InputKind::Redemption, 2 * HOUR);
    assert_eq!(mean, seen(InputStatus::Absurd, "0.052", HOUR));
    readings.push((Redemption, "0.047", 3 * HOUR));
    // 0.052 − 0.2 × 0.005
    let mean = input(&after(&readings), InputKind::Redemption, 3 * HOUR);
    assert_eq!(mean, seen(InputStatus::Fresh, "0.051", 3 * HOUR));
}

#[test]
fn backing_is_what_is_held_against_each_point_that_will_be_redeemed() {
    let readings = [(Outstanding, "40000", 0), (Reserve, "1800", HOUR), (Breakage, "0.1", 60)];
    // 1800 / (40000 × 0.9); as old as the oldest of the three
    let backing = input(&after(&readings), InputKind::Backing, HOUR);
    assert_eq!(backing, seen(InputStatus::Fresh, "0.05", 0));
    let stale = input(&after(&readings), InputKind::Backing, WEEK + 1);
    assert_eq!(stale, seen(InputStatus::Stale, "0.05", 0));
    let odd = [(Outstanding, "30000", 0), (Reserve, "1000", 0), (Breakage, "0", 0)];
    assert_eq!(input(&after(&odd), InputKind::Backing, 0).1, "0.033333");
}

#[test]
fn a_backing_that_cannot_be_used_is_the_last_good_one() {
    let good = [(Outstanding, "40000", 0), (Reserve, "1800", 0), (Breakage, "0.1", 0)];
    for (feed, bad, status) in [
        (Outstanding, "0", InputStatus::Zero),
        (Reserve, "0", InputStatus::Zero),
        (Reserve, "0.000001", InputStatus::Zero),
        (Reserve, "100", InputStatus::Absurd),
        (Breakage, "1", InputStatus::Absurd),
        (Breakage, "1000000000000", InputStatus::Absurd),
        (Breakage, "0.999999", InputStatus::Absurd),
        (Outstanding, "1000000000000.000001", InputStatus::Absurd),
        (Outstanding, "9223372036854.775807", InputStatus::Absurd),
        (Reserve, "9223372036854.775807", InputStatus::Absurd),
    ] {
        let readings = [&good[..], &[(feed, bad, HOUR)]].concat();
        let backing = input(&after(&readings), InputKind::Backing, HOUR);
        assert_eq!(backing, seen(status, "0.05", 0), "{feed:?} {bad}");
    }
    // Back to sense, back to fresh; a real split of the points is no jump of the backing.
    let readings = [&good[..], &[(Outstanding, "0", 1), (Outstanding, "38000", 2)]].concat();
    let backing = input(&after(&readings), InputKind::Backing, HOUR);
    assert_eq!(backing, seen(InputStatus::Fresh, "0.052631", 0));
}

/// The inputs by another band.
fn by_band(feeds: &Feeds, min: &str, max: &str, kind: InputKind) -> (InputStatus, String) {
    let band = alliance_contracts::valuation::Band { max: decimal(max), min: decimal(min) };
    let all = inputs(decimal(min), &ValueModel { band, ..model() }, feeds, None, at(1));
    let input = all.into_iter().find(|input| input.input == kind).unwrap();
    (input.status, input.value.to_string())
}

#[test]
fn by_a_new_model_what_was_believed_may_be_absurd() {
    let feeds = after(&[(Cost, "0.048", 0), (Redemption, "0.005", 0), (Redemption, "0.4", 1)]);
    let absurd = (InputStatus::Absurd, "5".to_owned());
    assert_eq!(by_band(&feeds, "5", "10", InputKind::Cost), absurd);
    // The newest redemption could be believed; the mean, 0.084, cannot.
    let absurd = (InputStatus::Absurd, "1".to_owned());
    assert_eq!(by_band(&feeds, "1", "2", InputKind::Redemption), absurd);
}

#[test]
fn what_was_not_believed_stays_so_by_a_new_model() {
    let feeds = after(&[(Cost, "0.048", 0), (Cost, "0.7", 1)]);
    let absurd = (InputStatus::Absurd, "0.048".to_owned());
    assert_eq!(by_band(&feeds, "0.04", "0.1", InputKind::Cost), absurd);
}

#[test]
fn only_redemptions_have_a_mean() {
    let feeds = after(&[(Cost, "0.048", 0), (Cost, "0.052", 1)]);
    assert_eq!(input(&feeds, InputKind::Cost, 1), seen(InputStatus::Fresh, "0.052", 1));
}

#[test]
fn no_reading_is_believed_past_the_limits_of_the_protocol() {
    let top = ValueModel::default_for(decimal("1000000"));
    let whole = |number: i128| number * i128::from(MICROS);
    for (feed, limit) in
        [(Cost, 1_000_000), (Outstanding, 1_000_000_000_000), (Reserve, 1_000_000_000_000)]
    {
        assert_eq!(judge(feed, whole(limit), &top), InputStatus::Fresh, "{feed:?}");
        assert_eq!(judge(feed, whole(limit) + 1, &top), InputStatus::Absurd, "{feed:?}");
    }
}

#[test]
fn what_other_systems_send_below_zero_is_negative() {
    for feed in FeedKind::ALL {
        assert_eq!(judge(feed, -1, &model()), InputStatus::Negative);
        assert_eq!(judge(feed, i128::MIN, &model()), InputStatus::Negative);
        assert_eq!(judge(feed, i128::MAX, &model()), InputStatus::Absurd);
        let zero = if feed == Breakage { InputStatus::Fresh } else { InputStatus::Zero };
        assert_eq!(judge(feed, 0, &model()), zero);
    }
}

// --- times -------------------------------------------------------------------------------------

#[test]
fn readings_from_the_future_and_from_before_the_newest_are_refused() {
    let feeds = after(&[(Cost, "0.048", HOUR)]);
    let observe = |value: &str, seconds: i64, now: i64| {
        feeds.observe(&reading(Cost, value, seconds), &model(), at(now))
    };
    assert!(observe("0.047", HOUR + 60, HOUR).is_ok());
    let future = Err(ObservationRefused::Future { observed_at: at(HOUR + 61), now: at(HOUR) });
    assert_eq!(observe("0.047", HOUR + 61, HOUR), future);
    let older = Err(ObservationRefused::Older { observed_at: at(HOUR - 1), latest: at(HOUR) });
    assert_eq!(observe("0.047", HOUR - 1, HOUR), older);
    let other =
        Err(ObservationRefused::SameTime { observed_at: at(HOUR), known: decimal("0.048") });
    assert_eq!(observe("0.047", HOUR, HOUR), other);
    assert_eq!(observe("0.048", HOUR, HOUR), Ok(feeds.clone()), "the same again changes nothing");
}

#[test]
fn what_is_known_comes_back_from_what_is_stored() {
    let feeds = after(&[
        (Outstanding, "40000", 0),
        (Reserve, "1800", 0),
        (Breakage, "0.1", 0),
        (Redemption, "0.05", 0),
        (Redemption, "0", 1),
    ]);
    let text = serde_json::to_string(&feeds).unwrap();
    assert_eq!(serde_json::from_str::<Feeds>(&text).unwrap(), feeds);
    for feed in FeedKind::ALL {
        assert_eq!(FeedKind::from_stored(feed.as_str()), Some(feed));
        assert_eq!(serde_json::to_value(feed).unwrap(), feed.as_str());
    }
}

proptest! {
    /// Whatever was ever read, a board can be made of it.
    #[test]
    fn inputs_can_always_be_valued(
        readings in proptest::collection::vec(
            (0..5_usize, prop_oneof![Just(0), 1..100_000_i64, 0..=i64::MAX], 0..20_i64), 0..30,
        ),
        now in 0..2 * WEEK,
    ) {
        let mut feeds = Feeds::default();
        for (feed, value, seconds) in readings {
            let mut observation = reading(FeedKind::ALL[feed], "0", seconds);
            observation.value = micros(value);
            if let Ok(next) = feeds.observe(&observation, &model(), at(20)) {
                feeds = next;
            }
        }
        let model = model();
        let inputs = inputs(decimal("0.05"), &model, &feeds, None, at(now));
        let basis = alliance_contracts::valuation::Basis {
            band: model.band,
            halvings: 0,
            inputs: &inputs,
            max_step: model.max_step,
            previous: Some(decimal("0.05")),
            smoothing: model.smoothing,
        };
        let valued = alliance_contracts::valuation::valuate(&basis).unwrap();
        prop_assert!(model.band.contains(valued.value));
        for input in inputs {
            prop_assert!((4_000..=600_000).contains(&input.value.micros()), "{input:?}");
            let declared = input.status == InputStatus::Declared;
            prop_assert_eq!(declared, input.input == InputKind::Base);
            prop_assert!(input.status != InputStatus::Fresh || input.as_of.is_some());
        }
    }
}

// --- files -------------------------------------------------------------------------------------

fn check(text: &str, feeds: &Feeds) -> Result<Vec<Observation>, Vec<String>> {
    let model = model();
    let known = KnownProgram { model: &model, feeds };
    let programs = BTreeMap::from([("aurora".parse().unwrap(), known)]);
    let faults = |faults: Vec<RowFault>| faults.iter().map(ToString::to_string).collect();
    check_feed_file(text, &programs, at(HOUR)).map_err(faults)
}

/// A file of these rows, without the program; a minute apart.
fn file(rows: &[(&str, &str)]) -> String {
    let mut text = format!("{FEED_FILE_HEADER}\n");
    for (minute, (feed, value)) in rows.iter().enumerate() {
        let time = at(60 * i64::try_from(minute).unwrap());
        text.push_str(&format!("aurora,{feed},{value},{time}\n"));
    }
    text
}

#[test]
fn a_good_file_is_read_whole() {
    let rows =
        [("redemption", "0.05"), ("outstanding", "40000"), ("breakage", "0"), ("cost", "0.004")];
    let read = check(&file(&rows), &Feeds::default()).unwrap();
    let expected = [
        reading(Redemption, "0.05", 0),
        reading(Outstanding, "40000", 60),
        reading(Breakage, "0", 120),
        reading(Cost, "0.004", 180),
    ];
    assert_eq!(read, expected);
    let as_a_spreadsheet_has_it = format!("\u{feff}{}", file(&rows).replace('\n', "\r\n"));
    assert_eq!(check(&as_a_spreadsheet_has_it, &Feeds::default()).unwrap(), expected);
}

/// Threat T25.
#[test]
fn a_push_of_no_number_zero_negative_huge_too_precise_or_a_thousandfold_is_refused() {
    let feeds = after(&[(Cost, "0.0005", 0), (Reserve, "1800", 0)]);
    let feeds = feeds.observe(&reading(Cost, "0.048", 1), &model(), at(1)).unwrap();
    let huge = "10000000000000000000000000000";
    let precise = "0.0123456789012345678901234567890123456789";
    for (feed, value, fault) in [
        ("cost", "NaN", "value NaN is not a plain decimal: write digits, such as 0.05"),
        ("cost", "1e28", "value 1e28 is not a plain decimal: write digits, such as 0.05"),
        ("cost", "", "value (empty) is not a plain decimal: write digits, such as 0.05"),
        ("cost", "-", "value - is not a plain decimal: write digits, such as 0.05"),
        ("cost", "0", "value 0: cost must be above 0"),
        ("reserve", "0", "value 0: reserve must be above 0"),
        ("cost", "-0.05", "value -0.05 is negative: it must be above 0"),
        (
            "cost",
            huge,
            "value past every limit is more than 10 times beyond the band 0.04 to 0.06: check it, \
             or agree on another band",
        ),
        ("outstanding", huge, "value is out of range: outstanding must be at most 1000000000000"),
        (
            "cost",
            precise,
            "value 0.01234567890123456789012345678901234567… has 40 decimals: at most 6 are allowed",
        ),
        (
            "cost",
            "48",
            "value 48 is more than 10 times beyond the band 0.04 to 0.06: check it, or agree on \
             another band",
        ),
        (
            "reserve",
            "1800000",
            "value 1800000 is more than 10 times away from the last good one, 1800 of \
             2026-11-01T00:00:00.000Z: check it; if it is right, a second person must approve it",
        ),
        ("breakage", "1", "value 1: a breakage must be below 1, as not all points lapse"),
    ] {
        let text = format!("{FEED_FILE_HEADER}\naurora,{feed},{value},{}\n", at(60));
        assert_eq!(check(&text, &feeds), Err(vec![format!("line 2: {fault}")]), "{value}");
    }
}

#[test]
fn a_jump_is_more_than_the_factor_up_or_down() {
    let refused = |feed: &str, last: &str, new: &str| {
        check(&file(&[(feed, last), (feed, new)]), &Feeds::default()).is_err()
    };
    for (feed, last, new) in [
        ("reserve", "100", "1000.000001"),
        ("reserve", "1000.000001", "100"),
        ("outstanding", "7", "0.699999"),
        ("cost", "0.01", "0.100001"),
        // A tenth of what was redeemed before, and a little less.
        ("breakage", "0.5", "0.950001"),
    ] {
        assert!(refused(feed, last, new), "{feed} {last} {new}");
    }
    for (feed, last, new) in [
        ("reserve", "100", "1000"),
        ("reserve", "1000", "100"),
        ("cost", "0.01", "0.1"),
        ("breakage", "0.5", "0.95"),
        ("breakage", "0", "0.5"),
        ("breakage", "0.001", "0.5"),
    ] {
        assert!(!refused(feed, last, new), "{feed} {last} {new}");
    }
}

#[test]
fn every_fault_of_every_line_is_listed_and_nothing_of_the_file_is_taken() {
    let good = format!("aurora,cost,0.05,{}", at(60));
    let text = [
        "program,feed,value",
        &good,
        "borealis,price,0.050,yesterday",
        "aurora,cost,0.05",
        "",
        "\"aurora\",cost,0.05,2026-11-01T00:00:00.000Z",
        &format!("aurora,cost,0.051,{}", at(30)),
        &format!("aurora,cost,0,{}", at(9 * HOUR)),
        &format!("aurora,cost,0.052,{}", at(60)),
        &good,
    ]
    .join("\n");
    assert_eq!(
        check(&text, &Feeds::default()).unwrap_err(),
        [
            "line 1: the first line must be program,feed,value,observed_at",
            "line 3: program borealis: there is no such program in the definition",
            "line 3: feed price must be one of redemption, outstanding, breakage, reserve, cost",
            "line 3: value 0.050 has zeros too many: write the shortest form, such as 0.05",
            "line 3: observed_at yesterday: not a UTC time with exactly three decimals, such as \
             2026-11-23T04:05:06.789Z",
            "line 4: 3 fields where there must be 4: program,feed,value,observed_at",
            "line 6: fields are written without quotes",
            "line 7: observed_at 2026-11-01T00:00:30.000Z is before the newest reading, of \
             2026-11-01T00:01:00.000Z: send newer ones",
            "line 8: value 0: cost must be above 0",
            "line 8: observed_at 2026-11-01T09:00:00.000Z is in the future: it is \
             2026-11-01T01:00:00.000Z now",
            "line 9: there is a reading of 2026-11-01T00:01:00.000Z that says 0.05: correct it \
             with a later one",
        ]
    );
}

#[test]
fn a_file_without_readings_says_what_belongs_there() {
    let fault = "line 1: no readings: below program,feed,value,observed_at stands one on each line";
    assert_eq!(check(FEED_FILE_HEADER, &Feeds::default()).unwrap_err(), [fault]);
    assert_eq!(check("", &Feeds::default()).unwrap_err(), [fault]);
}

#[test]
fn a_field_is_shown_short_and_without_control_characters() {
    let text = format!("{FEED_FILE_HEADER}\n{}\u{1b}[2J,cost,0.05,{}", "x".repeat(9), at(0));
    let faults = check(&text, &Feeds::default()).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("xxxxxxxxx\\u{1b}[2J:"), "{faults:?}");
    let text = format!("{FEED_FILE_HEADER}\n{},cost,0.05,{}", "x".repeat(100_000), at(0));
    assert!(check(&text, &Feeds::default()).unwrap_err()[0].len() < 150);
}

proptest! {
    #[test]
    fn whatever_a_file_holds_it_is_read_or_its_faults_are_told(
        rows in proptest::collection::vec("(aurora|b),(cost|reserve|x),[-0-9.eN]{0,12},2026-1[01]-01T00:0[0-9]:00.000Z", 0..9),
        noise in ".{0,60}",
    ) {
        let text = format!("{FEED_FILE_HEADER}\n{}\n{noise}", rows.join("\n"));
        match check(&text, &Feeds::default()) {
            Ok(observations) => prop_assert!(!observations.is_empty()),
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }
}
