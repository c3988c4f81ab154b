//! What a default does, by hand and on thousands of alliances.

use proptest::prelude::*;

use super::*;

fn whole(units: i128) -> Total {
    Total::from_micros(units * 1_000_000)
}

fn standing(name: &str, position: i128, net: i128) -> Standing {
    Standing {
        partner: name.parse().unwrap(),
        position: whole(position),
        net: whole(net),
        prefunding: None,
        collateral: Total::ZERO,
        net_debit_cap: Some(whole(100)),
    }
}

fn trades(gross: &[(&str, &str, i128)]) -> BTreeMap<Corridor, Total> {
    let corridor =
        |one: &str, other: &str| Corridor::between(&one.parse().unwrap(), &other.parse().unwrap());
    gross.iter().map(|(one, other, gross)| (corridor(one, other), whole(*gross))).collect()
}

/// The last example of docs/waterfall.md.
#[test]
fn the_worked_example_comes_out_as_the_page_says() {
    let delta = Standing {
        prefunding: Some(whole(300)),
        collateral: whole(200),
        ..standing("delta-cinemas", -1_000, -1_000)
    };
    let standings = [
        delta,
        standing("cedar-hotels", 20, 150),
        standing("aurora-air", 700, 700),
        standing("borealis-coffee", 100, 100),
    ];
    let traded = trades(&[
        ("aurora-air", "delta-cinemas", 3_000),
        ("borealis-coffee", "delta-cinemas", 1_000),
        ("cedar-hotels", "delta-cinemas", 2_000),
        ("aurora-air", "cedar-hotels", 500),
        ("borealis-coffee", "cedar-hotels", 500),
    ]);
    let named = "delta-cinemas".parse().unwrap();
    let found = stress(&standings, &traded, LossRule::ProRataGross, &named).unwrap();
    let rounds: Vec<_> = found
        .fallen
        .iter()
        .map(|one| {
            let amounts = one.steps.iter().map(|step| step.amount.to_string()).collect::<Vec<_>>();
            (one.round, one.partner.as_str(), one.owed.to_string(), amounts.join(" "))
        })
        .collect();
    assert_eq!(
        rounds,
        [
            (1, "delta-cinemas", "1000".into(), "300 200 250 83.333333 166.666667".into()),
            (2, "cedar-hotels", "16.666667".into(), "8.333334 8.333333".into()),
        ]
    );
    let page = include_str!("../../../../docs/waterfall.md");
    for line in [
        "| 1 | Delta, 1000 | 500 | 250 | 83.333333 | 166.666667 |",
        "| 2 | Cedar, 16.666667 | 0 | 8.333334 | 8.333333 | |",
    ] {
        assert!(page.lines().any(|there| there == line), "the page has no {line}");
    }
    let [aurora, borealis, cedar, delta] = &found.rows[..] else { panic!("four rows") };
    assert_eq!((aurora.loss.to_string(), aurora.falls), ("258.333334".into(), None));
    assert_eq!(borealis.net_after.to_string(), "8.333334");
    assert_eq!((cedar.position_after.to_string(), cedar.falls), ("-146.666667".into(), Some(2)));
    assert!(cedar.beyond_cap && !cedar.beyond_prefunding);
    assert_eq!((delta.prefunding_used, delta.collateral_used), (whole(300), whole(200)));
    assert_eq!((delta.falls, delta.loss, found.alliance_loss), (Some(1), Total::ZERO, Total::ZERO));
}

#[test]
fn who_owes_nothing_harms_nobody() {
    let standings = [standing("aa", 5, 0), standing("bb", -100, 40)];
    for name in ["aa", "bb"] {
        let named = name.parse().unwrap();
        let found = stress(&standings, &trades(&[]), LossRule::Equal, &named).unwrap();
        assert_eq!(found.fallen.len(), 1);
        assert!(
            found.fallen[0].steps.is_empty() && found.rows.iter().all(|row| row.loss.is_zero())
        );
    }
}

#[test]
fn whoever_was_beyond_before_does_not_fall_by_it() {
    let standings = [
        standing("aa", -50, -50),
        standing("bb", -101, 0),
        Standing { prefunding: Some(whole(10)), ..standing("cc", 0, -11) },
    ];
    let found = stress(&standings, &trades(&[]), LossRule::Equal, &"aa".parse().unwrap()).unwrap();
    assert_eq!(found.fallen.len(), 1);
    let within = [standings[0].clone(), Standing { net: whole(-10), ..standings[2].clone() }];
    let found = stress(&within, &trades(&[]), LossRule::Equal, &"aa".parse().unwrap()).unwrap();
    assert!(found.rows[1].beyond_prefunding && !found.rows[1].beyond_cap);
    // It owes 10 of its own and the 50; its 10 are there, nobody is left for the rest.
    assert_eq!((found.rows[1].falls, found.alliance_loss), (Some(2), whole(50)));
}

#[test]
fn scenes_that_make_no_sense_are_refused() {
    let standings = [standing("aa", 0, 0), standing("aa", 0, 0)];
    let of = |standings: &[Standing], name: &str| {
        stress(standings, &trades(&[]), LossRule::Equal, &name.parse().unwrap()).unwrap_err()
    };
    assert_eq!(of(&standings, "aa"), StressFault::Twice);
    assert_eq!(of(&standings[1..], "bb"), StressFault::NoPartner);
    let below = Standing { collateral: whole(-1), ..standing("aa", 0, 0) };
    assert_eq!(of(&[below], "aa"), StressFault::Waterfall(WaterfallFault::BelowZero));
}

fn any_standings() -> impl Strategy<Value = (Vec<Standing>, BTreeMap<Corridor, Total>)> {
    let figures = (
        -500..500_i128,
        -500..500_i128,
        prop::option::of(0..100_i128),
        0..100_i128,
        prop::option::of(0..300_i128),
    );
    (2..9_usize).prop_flat_map(move |size| {
        let standings = prop::collection::vec(figures.clone(), size);
        (standings, prop::collection::vec(0..1_000_i128, size * size)).prop_map(
            move |(all, gross)| {
                let name = |at: usize| format!("p{at}").parse::<PartnerId>().unwrap();
                let one = |(at, (position, net, prefunding, collateral, cap))| Standing {
                    partner: name(at),
                    position: whole(position),
                    net: whole(net),
                    prefunding: Option::map(prefunding, whole),
                    collateral: whole(collateral),
                    net_debit_cap: Option::map(cap, whole),
                };
                let corridor = |(at, gross): (usize, i128)| {
                    (Corridor::between(&name(at / size), &name(at % size)), whole(gross))
                };
                let traded = gross.into_iter().enumerate().map(corridor).collect();
                (all.into_iter().enumerate().map(one).collect(), traded)
            },
        )
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_and_the_chain_ends_where_nobody_else_is_beyond(
        (standings, traded) in any_standings(),
        rule in prop::sample::select(
            vec![LossRule::Equal, LossRule::ProRataGross, LossRule::CreditorsFirst]
        ),
    ) {
        let named = standings[0].partner.clone();
        let found = stress(&standings, &traded, rule, &named).unwrap();
        let sum = |totals: Vec<Total>| totals.into_iter().map(Total::micros).sum::<i128>();
        for one in &found.fallen {
            prop_assert_eq!(sum(one.steps.iter().map(|s| s.amount).collect()), one.owed.micros());
        }
        // What those that fell owed of their own is what their accounts, the survivors and the
        // alliance have borne; losses that were passed on stand once.
        let rows = &found.rows;
        let gone = || rows.iter().filter(|row| row.falls.is_some());
        let owed = gone().map(|row| row.net_after.micros().min(0)).sum::<i128>();
        let used = sum(gone().flat_map(|r| [r.prefunding_used, r.collateral_used]).collect());
        let losses = sum(rows.iter().map(|row| row.loss).collect());
        let all = used + losses + found.alliance_loss.micros();
        prop_assert_eq!(-owed, all);
        for row in rows {
            let of = standings.iter().find(|one| one.partner == row.partner).unwrap();
            prop_assert!(row.prefunding_used <= of.prefunding.unwrap_or_default());
            prop_assert!(row.collateral_used <= of.collateral);
            let beyond = row.beyond_cap || row.beyond_prefunding;
            prop_assert_eq!(row.falls.is_some(), beyond || row.partner == named);
        }
        let names: BTreeSet<_> = found.fallen.iter().map(|one| &one.partner).collect();
        prop_assert_eq!(names.len(), found.fallen.len());
    }

    #[test]
    fn the_order_of_partners_does_not_matter(
        (standings, traded) in any_standings(),
        rule in prop::sample::select(
            vec![LossRule::Equal, LossRule::ProRataGross, LossRule::CreditorsFirst]
        ),
    ) {
        let named = standings[0].partner.clone();
        let mut turned = standings.clone();
        turned.reverse();
        prop_assert_eq!(
            stress(&standings, &traded, rule, &named),
            stress(&turned, &traded, rule, &named)
        );
    }
}
