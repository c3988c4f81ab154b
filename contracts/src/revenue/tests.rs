//! What sharing fees promises, on the page's cases by hand and on thousands of others.

use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn micros_of(text: &str) -> Total {
    text.parse().unwrap()
}

fn fixed(share: &str) -> RevenueRule {
    RevenueRule {
        baseline: None,
        method: TierMethod::Marginal,
        split: by_partner("0.4", "0.6"),
        tiers: vec![tier("0", share)],
    }
}

fn tier(above: &str, share: &str) -> Tier {
    Tier { above: decimal(above), share: decimal(share) }
}

fn by_partner(high: &str, low: &str) -> Split {
    Split::Partner { high: decimal(high), low: decimal(low) }
}

fn by_contribution(source: &str, target: &str) -> Split {
    Split::Contribution { source: decimal(source), target: decimal(target) }
}

fn tiers(method: TierMethod) -> RevenueRule {
    let tiers = vec![tier("0", "0.1"), tier("100000", "0.2"), tier("180000", "0.4")];
    RevenueRule { method, tiers, ..fixed("0") }
}

fn over(of: BaselineOf, amount: &str, rule: RevenueRule) -> RevenueRule {
    RevenueRule { baseline: Some(Baseline { amount: decimal(amount), of }), ..rule }
}

fn income(fees: (&str, &str), volume: (&str, &str)) -> CorridorIncome {
    let of = |(low, high): (&str, &str)| Directions {
        from_high: micros_of(high),
        from_low: micros_of(low),
    };
    CorridorIncome { after: 0, fees: of(fees), receipts: 2, seq: 2, volume: of(volume) }
}

/// The page's table: `docs/revenue-share.md` has each of these rows.
#[test]
fn the_worked_example_comes_out_as_the_page_says() {
    use BaselineOf::{Fees, Volume};
    use TierMethod::{Marginal, Whole};
    let page = include_str!("../../../docs/revenue-share.md");
    let window = income(("1500", "500"), ("150000", "50000"));
    let back = income(("-1500", "-500"), ("-150000", "-50000"));
    let contributed = RevenueRule { split: by_contribution("0.9", "0.1"), ..fixed("0.3") };
    let tiny = income(("0.000011", "0"), ("0.0011", "0"));
    let halves = RevenueRule { split: by_contribution("0.5", "0.5"), ..fixed("1") };
    for (row, rule, window, low, high, kept) in [
        ("1", fixed("0.3"), window, "360", "240", "1400"),
        ("2", tiers(Marginal), window, "204", "136", "1660"),
        ("3", tiers(Whole), window, "480", "320", "1200"),
        ("4", contributed, window, "420", "180", "1400"),
        ("5", over(Fees, "800", fixed("0.3")), window, "216", "144", "1640"),
        ("6", over(Volume, "120000", fixed("0.3")), window, "144", "96", "1760"),
        ("7", over(Volume, "120000", tiers(Marginal)), window, "120", "80", "1800"),
        ("8", fixed("0.3"), back, "-360", "-240", "-1400"),
        ("9", halves, tiny, "0.000006", "0.000005", "0"),
    ] {
        let shared = rule.share(&window).unwrap();
        let found = (shared.low.to_string(), shared.high.to_string(), shared.kept.to_string());
        assert_eq!(found, (low.into(), high.into(), kept.into()), "row {row}");
        let cells = format!("| {low} | {high} | {kept} |");
        let there = page
            .lines()
            .any(|line| line.starts_with(&format!("| {row} |")) && line.ends_with(&cells));
        assert!(there, "row {row} of the page: {cells}");
    }
}

#[test]
fn a_tier_begins_above_its_amount_and_a_baseline_is_shared_by_nobody() {
    let whole = tiers(TierMethod::Whole);
    let at = |volume: &str| {
        let shared = whole.share(&income(("1000", "0"), (volume, "0"))).unwrap();
        (shared.low.micros() + shared.high.micros()) / 1_000_000
    };
    assert_eq!(
        ["0", "1", "100000", "100000.000001", "180000", "180001"].map(at),
        [100, 100, 100, 200, 200, 400]
    );
    let over_fees = over(BaselineOf::Fees, "1000", fixed("1"));
    for fees in ["1000", "999", "0", "-1000"] {
        let shared = over_fees.share(&income((fees, "0"), ("1", "0"))).unwrap();
        assert_eq!((shared.low, shared.high), (Total::ZERO, Total::ZERO), "{fees}");
    }
    let over_volume = over(BaselineOf::Volume, "1000", fixed("1"));
    for (volume, kept) in [("1000", "10"), ("0", "10"), ("-5", "10"), ("2000", "5")] {
        let shared = over_volume.share(&income(("10", "0"), (volume, "0"))).unwrap();
        assert_eq!(shared.kept.to_string(), kept, "{volume}");
    }
}

/// One direction lost more than it brought in: it has contributed nothing, and gives nothing back.
#[test]
fn a_direction_on_the_other_side_of_zero_has_no_part() {
    let rule = RevenueRule { split: by_contribution("1", "0"), ..fixed("0.5") };
    let shared = rule.share(&income(("100", "-40"), ("10000", "-4000"))).unwrap();
    assert_eq!((shared.low.to_string(), shared.high), ("30".to_owned(), Total::ZERO));
    let nothing = rule.share(&income(("40", "-40"), ("4000", "-4000"))).unwrap();
    assert_eq!((nothing.low, nothing.high, nothing.kept), Default::default());
}

#[test]
fn every_fault_of_a_rule_is_named() {
    let bad = RevenueRule {
        baseline: Some(Baseline { amount: Decimal::BEYOND, of: BaselineOf::Fees }),
        method: TierMethod::Whole,
        split: by_partner("0.4", "0.4"),
        tiers: vec![tier("5", "2"), tier("5", "0"), tier("9000000000000", "0")],
    };
    assert_eq!(bad.faults().len(), 6, "{:?}", bad.faults());
    assert!(matches!(bad.share(&CorridorIncome::default()), Err(RevenueFault::Rule(_))));
    assert!(fixed("0.3").faults().is_empty() && tiers(TierMethod::Whole).faults().is_empty());
    assert!(!RevenueRule { tiers: Vec::new(), ..fixed("0") }.faults().is_empty());
}

fn inputs() -> RevenueInputs {
    RevenueInputs {
        alliance: "demo".parse().unwrap(),
        corridor: "aurora-air~borealis-coffee".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        income: income(("1500", "500"), ("150000", "50000")),
        partner: "borealis-coffee".parse().unwrap(),
        rule: fixed("0.3"),
        share: micros_of("240"),
        v: 1,
        window: "win_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
    }
}

/// One thing changed, and its fault named.
#[test]
fn a_changed_document_is_refused_for_what_was_changed() {
    assert_eq!(inputs().check(), Ok(()));
    let broken = |change: fn(&mut RevenueInputs)| {
        let mut inputs = inputs();
        change(&mut inputs);
        inputs.check().unwrap_err()
    };
    assert_eq!(broken(|i| i.v = 2), RevenueFault::Version);
    assert_eq!(broken(|i| i.income.receipts = 3), RevenueFault::Receipts);
    assert_eq!(broken(|i| i.income.after = 3), RevenueFault::Receipts);
    assert_eq!(broken(|i| i.income.seq = 1 << 60), RevenueFault::Receipts);
    assert_eq!(broken(|i| i.partner = "cedar-hotels".parse().unwrap()), RevenueFault::Corridor);
    for corridor in ["alliance~borealis-coffee", "borealis-coffee~borealis-coffee"] {
        let inputs = RevenueInputs { corridor: corridor.parse().unwrap(), ..inputs() };
        assert_eq!(inputs.check(), Err(RevenueFault::Corridor), "{corridor}");
    }
    assert!(matches!(broken(|i| i.rule.tiers.clear()), RevenueFault::Rule(_)));
    let (said, found) = (micros_of("240.000001"), micros_of("240"));
    let more = RevenueInputs { share: said, ..inputs() };
    assert_eq!(more.check(), Err(RevenueFault::Share { said, found }));
    assert_ne!(more.hash(), inputs().hash());
}

#[test]
fn totals_beyond_all_counting_are_refused() {
    let huge = Total::from_micros(i128::MAX);
    let both = Directions { from_high: huge, from_low: huge };
    let of = |fees, volume| CorridorIncome { fees, volume, ..CorridorIncome::default() };
    let one = Directions { from_high: Total::ZERO, from_low: huge };
    let none = Directions::default();
    for income in [of(both, none), of(none, both), of(one, one)] {
        assert_eq!(fixed("0.3").share(&income), Err(RevenueFault::Beyond));
    }
}

/// Amounts up to 10¹² and volumes up to 10¹⁵ of money, in 10⁻⁶.
const FEES: i128 = 1_000_000_000_000_000_000;
const VOLUME: i128 = 1_000 * FEES;

prop_compose! {
    fn any_income()(
        fees in prop::array::uniform2(-FEES..FEES),
        volume in prop::array::uniform2(-VOLUME..VOLUME),
        scale in prop::sample::select(vec![1, 1_000, 1_000_000_000, 1_000_000_000_000_000]),
    ) -> CorridorIncome {
        let of = |[low, high]: [i128; 2]| Directions {
            from_high: Total::from_micros(high / scale),
            from_low: Total::from_micros(low / scale),
        };
        CorridorIncome { fees: of(fees), volume: of(volume), ..CorridorIncome::default() }
    }
}

prop_compose! {
    fn any_rule()(
        baseline in prop::option::of((0..1_000_000_000_000_i64, any::<bool>())),
        whole: bool,
        contribution: bool,
        one in 0..=1_000_000_i64,
        steps in prop::collection::vec((1..1_000_000_000_000_i64, 0..=1_000_000_i64), 1..6),
    ) -> RevenueRule {
        let decimal = |micros| Decimal::from_micros(micros).unwrap();
        let (first, second) = (decimal(one), decimal(1_000_000 - one));
        let mut above = 0;
        let tier = |(at, (step, share)): (usize, (i64, i64))| {
            above += if at == 0 { 0 } else { step };
            Tier { above: decimal(above), share: decimal(share) }
        };
        RevenueRule {
            baseline: baseline.map(|(amount, fees)| Baseline {
                amount: decimal(amount),
                of: if fees { BaselineOf::Fees } else { BaselineOf::Volume },
            }),
            method: if whole { TierMethod::Whole } else { TierMethod::Marginal },
            split: if contribution {
                Split::Contribution { source: first, target: second }
            } else {
                Split::Partner { high: first, low: second }
            },
            tiers: steps.into_iter().enumerate().map(tier).collect(),
        }
    }
}

fn negated(income: CorridorIncome) -> CorridorIncome {
    let of = |figure: Directions| Directions {
        from_high: Total::from_micros(-figure.from_high.micros()),
        from_low: Total::from_micros(-figure.from_low.micros()),
    };
    CorridorIncome { fees: of(income.fees), volume: of(income.volume), ..income }
}

/// The same in plain fractions of long whole numbers: what is shared, rounded toward zero.
fn pot_by_fractions(rule: &RevenueRule, income: &CorridorIncome) -> Option<i128> {
    let fees = income.fees.sum().unwrap();
    let sign = if fees < 0 { -1 } else { 1 };
    let volume = (income.volume.sum().unwrap() * sign).max(0);
    let amount = |of| match rule.baseline {
        Some(baseline) if baseline.of == of => i128::from(baseline.amount.micros()),
        _ => 0,
    };
    let (from, counted) = (amount(BaselineOf::Volume), fees.abs() - amount(BaselineOf::Fees));
    let shares: Vec<(i128, i128)> = rule
        .tiers
        .iter()
        .map(|tier| (i128::from(tier.above.micros()), i128::from(tier.share.micros())))
        .collect();
    if counted <= 0 || (from > 0 && volume <= from) {
        return Some(0);
    }
    if volume == 0 {
        return Some(sign * (counted * shares[0].1 / 1_000_000));
    }
    let share_at = |unit: i128| shares.iter().rfind(|(above, _)| *above < unit).unwrap().1;
    let shared: i128 = match rule.method {
        TierMethod::Whole => (volume - from) * share_at(volume),
        TierMethod::Marginal => {
            let mut cuts: Vec<i128> = shares.iter().map(|(above, _)| *above).collect();
            cuts.extend([from, volume]);
            cuts.sort_unstable();
            let within = cuts.windows(2).filter(|cut| cut[0] >= from && cut[1] <= volume);
            within.filter(|c| c[1] > c[0]).map(|c| (c[1] - c[0]) * share_at(c[1])).sum()
        }
    };
    let product = counted.checked_mul(shared)?;
    Some(sign * (product / (volume * 1_000_000)))
}

proptest! {
    #[test]
    fn shares_and_what_is_kept_are_the_fees_and_all_on_one_side(
        income in any_income(),
        rule in any_rule(),
    ) {
        let shared = rule.share(&income).unwrap();
        let fees = income.fees.sum().unwrap();
        let parts = [shared.low, shared.high, shared.kept].map(Total::micros);
        prop_assert_eq!(parts.iter().sum::<i128>(), fees);
        prop_assert!(parts.iter().all(|part| part * fees.signum() >= 0), "{:?} of {}", parts, fees);
    }

    #[test]
    fn reversals_of_a_window_take_back_what_it_gave(income in any_income(), rule in any_rule()) {
        let (there, back) = (rule.share(&income).unwrap(), rule.share(&negated(income)).unwrap());
        prop_assert_eq!(there.low.micros(), -back.low.micros());
        prop_assert_eq!(there.high.micros(), -back.high.micros());
        prop_assert_eq!(there.kept.micros(), -back.kept.micros());
    }

    #[test]
    fn the_names_order_does_not_matter_but_for_the_last_unit(
        income in any_income(),
        rule in any_rule(),
    ) {
        let turned = |d: Directions| Directions { from_high: d.from_low, from_low: d.from_high };
        let other = CorridorIncome {
            fees: turned(income.fees),
            volume: turned(income.volume),
            ..income
        };
        let split = match rule.split {
            Split::Partner { high, low } => Split::Partner { high: low, low: high },
            contribution @ Split::Contribution { .. } => contribution,
        };
        let one = rule.share(&income).unwrap();
        let other = RevenueRule { split, ..rule }.share(&other).unwrap();
        prop_assert_eq!(one.kept, other.kept);
        prop_assert!((one.low.micros() - other.high.micros()).abs() <= 1);
    }

    #[test]
    fn what_is_shared_is_what_fractions_give(income in any_income(), rule in any_rule()) {
        let shared = rule.share(&income).unwrap();
        if let Some(pot) = pot_by_fractions(&rule, &income) {
            prop_assert_eq!(shared.low.micros() + shared.high.micros(), pot);
        }
    }

    #[test]
    fn a_document_that_says_what_was_found_proves_itself(
        income in any_income(),
        rule in any_rule(),
    ) {
        let document = RevenueInputs { income, rule, ..inputs() };
        let document = RevenueInputs { share: recompute(&document).unwrap(), ..document };
        prop_assert_eq!(document.check(), Ok(()));
        let read: RevenueInputs = json::read_canonical(&document.to_bytes()).unwrap();
        prop_assert_eq!(read, document);
    }
}
