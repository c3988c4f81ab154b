//! What the waterfall promises, on the page's cases by hand and on thousands of others.

use proptest::prelude::*;

use super::*;

fn whole(units: i128) -> Total {
    Total::from_micros(units * 1_000_000)
}

fn other(name: &str, net: i128, traded: i128) -> Other {
    Other { net: whole(net), partner: name.parse().unwrap(), traded: whole(traded) }
}

fn others() -> Vec<Other> {
    vec![
        other("aurora-air", 700, 3_000),
        other("borealis-coffee", 100, 1_000),
        other("cedar-hotels", 150, 2_000),
    ]
}

fn waterfall(rule: LossRule, prefunding: i128, collateral: i128) -> Waterfall {
    let mut waterfall = Waterfall {
        alliance: "demo".parse().unwrap(),
        collateral: whole(collateral),
        currency: "CNY".parse().unwrap(),
        defaulter: "delta-cinemas".parse().unwrap(),
        others: others(),
        owed: whole(1_000),
        prefunding: whole(prefunding),
        rule,
        steps: Vec::new(),
        v: 1,
        window: "win_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
    };
    waterfall.steps = waterfall.failure().steps().unwrap();
    waterfall
}

fn told(steps: &[Step]) -> Vec<(StepFrom, &str, String)> {
    let told = |step: &'_ Step| (step.from, step.amount.to_string());
    steps.iter().map(|s| (told(s).0, s.partner.as_str(), told(s).1)).collect()
}

/// The page's tables: `docs/waterfall.md` has each of these rows.
#[test]
fn the_worked_example_comes_out_as_the_page_says() {
    let page = include_str!("../../../docs/waterfall.md");
    for (row, rule, own, shared) in [
        ("`equal`", LossRule::Equal, (300, 200), ["166.666667", "166.666667", "166.666666"]),
        (
            "`pro_rata_gross`",
            LossRule::ProRataGross,
            (300, 200),
            ["250", "83.333333", "166.666667"],
        ),
        (
            "`creditors_first`",
            LossRule::CreditorsFirst,
            (300, 200),
            ["368.421053", "52.631579", "78.947368"],
        ),
        (
            "`creditors_first`, all 1000",
            LossRule::CreditorsFirst,
            (0, 0),
            ["716.666667", "116.666667", "166.666666"],
        ),
    ] {
        let waterfall = waterfall(rule, own.0, own.1);
        let steps = told(&waterfall.steps);
        let names = ["aurora-air", "borealis-coffee", "cedar-hotels"];
        let expected: Vec<_> = names.iter().zip(shared).collect();
        let found: Vec<_> = steps.iter().filter(|s| s.0 == StepFrom::Shared).collect();
        for ((name, amount), step) in expected.into_iter().zip(&found) {
            assert_eq!((*name, amount), (step.1, step.2.as_str()), "{row}");
        }
        if own.0 > 0 {
            assert_eq!(steps[0], (StepFrom::Prefunding, "delta-cinemas", "300".to_owned()));
            assert_eq!(steps[1], (StepFrom::Collateral, "delta-cinemas", "200".to_owned()));
        }
        let line = format!("| {row} | {} | {} | {} |", shared[0], shared[1], shared[2]);
        assert!(page.lines().any(|there| there == line), "the page has no {line}");
        assert_eq!(waterfall.check(), Ok(()));
    }
}

#[test]
fn own_money_comes_first_and_nobody_else_pays_while_there_is_some() {
    let enough = waterfall(LossRule::Equal, 600, 900);
    let delta = "delta-cinemas";
    let steps = [
        (StepFrom::Prefunding, delta, "600".to_owned()),
        (StepFrom::Collateral, delta, "400".to_owned()),
    ];
    assert_eq!(told(&enough.steps), steps);
    assert!(enough.shares().unwrap().is_empty());
    let alone = Waterfall { others: Vec::new(), ..waterfall(LossRule::Equal, 600, 0) };
    let last = alone.failure().steps().unwrap().pop().unwrap();
    assert_eq!((last.from, last.partner.as_str()), (StepFrom::Alliance, "alliance"));
    assert_eq!(last.amount, whole(400));
}

#[test]
fn where_nobody_traded_or_is_owed_each_bears_the_same() {
    let none = vec![other("aa", -5, -1), other("bb", 0, 0)];
    for rule in [LossRule::ProRataGross, LossRule::CreditorsFirst] {
        let waterfall = Waterfall { others: none.clone(), ..waterfall(rule, 300, 200) };
        let steps = waterfall.failure().steps().unwrap();
        assert_eq!(steps[2].amount, whole(250));
        assert_eq!(steps[3].amount, whole(250));
    }
}

/// One thing changed, and its fault named.
#[test]
fn a_changed_document_is_refused_for_what_was_changed() {
    let broken = |change: fn(&mut Waterfall)| {
        let mut waterfall = waterfall(LossRule::ProRataGross, 300, 200);
        change(&mut waterfall);
        waterfall.check().unwrap_err()
    };
    assert_eq!(broken(|w| w.v = 2), WaterfallFault::Version);
    assert_eq!(broken(|w| w.others.swap(0, 1)), WaterfallFault::Others);
    assert_eq!(broken(|w| w.others[1] = w.others[0].clone()), WaterfallFault::Others);
    assert_eq!(broken(|w| w.defaulter = "cedar-hotels".parse().unwrap()), WaterfallFault::Others);
    assert_eq!(broken(|w| w.owed = whole(-1)), WaterfallFault::BelowZero);
    assert_eq!(broken(|w| w.collateral = whole(-1)), WaterfallFault::BelowZero);
    assert_eq!(broken(|w| w.prefunding = whole(299)), WaterfallFault::Steps);
    assert_eq!(
        broken(|w| w.others[0].traded = Total::from_micros(i128::MAX)),
        WaterfallFault::Beyond
    );

    let share = waterfall(LossRule::ProRataGross, 300, 200).shares().unwrap().remove(2);
    assert_eq!((share.check(), share.parts.len()), (Ok(()), 1));
    let broken = |change: fn(&mut LossShare)| {
        let mut share = share.clone();
        change(&mut share);
        share.check().unwrap_err()
    };
    assert_eq!(broken(|s| s.v = 2), WaterfallFault::Version);
    assert_eq!(broken(|s| s.amount = whole(1)), WaterfallFault::Share);
    assert_eq!(broken(|s| s.shared = whole(1)), WaterfallFault::Share);
    assert_eq!(broken(|s| s.parts[0].weight = whole(1)), WaterfallFault::Share);
    assert_eq!(broken(|s| s.parts[0].weights = Total::ZERO), WaterfallFault::Share);
    assert_eq!(broken(|s| s.parts[0].amount = whole(-1)), WaterfallFault::BelowZero);
    assert_eq!(broken(|s| s.parts.clear()), WaterfallFault::Share);
}

prop_compose! {
    fn any_waterfall()(
        figures in prop::array::uniform3(0..1_000_000_000_000_i128),
        rule in prop::sample::select(
            vec![LossRule::Equal, LossRule::ProRataGross, LossRule::CreditorsFirst]
        ),
        others in prop::collection::vec(
            (-1_000_000_000_000..1_000_000_000_000_i128, -1_000_000..1_000_000_000_000_i128),
            0..12,
        ),
    ) -> Waterfall {
        let other = |(at, (net, traded)): (usize, (i128, i128))| Other {
            net: Total::from_micros(net),
            partner: format!("p{at:02}").parse().unwrap(),
            traded: Total::from_micros(traded),
        };
        let mut waterfall = Waterfall {
            owed: Total::from_micros(figures[0]),
            prefunding: Total::from_micros(figures[1] / 4),
            collateral: Total::from_micros(figures[2] / 4),
            others: others.into_iter().enumerate().map(other).collect(),
            ..waterfall(rule, 0, 0)
        };
        waterfall.steps = waterfall.failure().steps().unwrap();
        waterfall
    }
}

proptest! {
    #[test]
    fn steps_sum_to_what_was_owed_and_no_account_gives_more_than_it_has(w in any_waterfall()) {
        prop_assert_eq!(w.check(), Ok(()));
        let sum: i128 = w.steps.iter().map(|step| step.amount.micros()).sum();
        prop_assert_eq!(sum, w.owed.micros());
        let of = |from| {
            let of: Vec<_> = w.steps.iter().filter(|step| step.from == from).collect();
            of.iter().map(|step| step.amount.micros()).sum::<i128>()
        };
        let (prefunding, collateral) = (of(StepFrom::Prefunding), of(StepFrom::Collateral));
        prop_assert!(prefunding <= w.prefunding.micros() && collateral <= w.collateral.micros());
        // The next is asked only when the one before is empty.
        prop_assert!(collateral == 0 || prefunding == w.prefunding.micros());
        let shared = of(StepFrom::Shared) + of(StepFrom::Alliance);
        prop_assert!(shared == 0 || collateral == w.collateral.micros());
        prop_assert!(of(StepFrom::Alliance) == 0 || w.others.is_empty());
    }

    #[test]
    fn creditors_bear_first_and_others_only_what_creditors_cannot(w in any_waterfall()) {
        prop_assume!(w.rule == LossRule::CreditorsFirst);
        let borne = |other: &Other| {
            let step = w.steps.iter().find(|s| {
                s.from == StepFrom::Shared && s.partner.as_str() == other.partner.as_str()
            });
            step.map_or(0, |step| step.amount.micros())
        };
        let more = w.others.iter().any(|other| borne(other) > other.net.micros().max(0));
        let all = w.others.iter().all(|other| borne(other) >= other.net.micros());
        prop_assert!(!more || all);
    }

    #[test]
    fn everybody_can_check_its_own_share(w in any_waterfall()) {
        let shares = w.shares().unwrap();
        let shared = w.steps.iter().filter(|step| step.from == StepFrom::Shared);
        prop_assert_eq!(shares.len(), shared.count());
        for share in shares {
            prop_assert_eq!(share.check(), Ok(()));
            let read: LossShare = json::read_canonical(&share.to_bytes()).unwrap();
            prop_assert_eq!(read, share);
        }
        let read: Waterfall = json::read_canonical(&w.to_bytes()).unwrap();
        prop_assert_eq!(read, w);
    }
}
