//! What is paid and what is carried.

use std::collections::BTreeMap;

use alliance_contracts::names::{PartnerId, Party};
use alliance_contracts::total::Total;
use proptest::prelude::*;

use super::{currency, partner, party, total, window};
use crate::netting::{Obligations, Run, net};
use crate::payments::currencies::MinorUnit;
use crate::payments::rounding::{
    Carried, Due, Payment, Position, RoundingFault, Settled, Settlement, Way, between_parties,
    dues, through_alliance,
};

fn position(name: &str, opening: &str, activity: &str) -> Position {
    Position { partner: partner(name), opening: total(opening), activity: total(activity) }
}

fn due(debtor: &str, creditor: &str, opening: &str, activity: &str) -> Due {
    Due {
        debtor: party(debtor),
        creditor: party(creditor),
        opening: total(opening),
        activity: total(activity),
    }
}

/// `party opening activity net payment carried`, a line each.
fn shown(settlement: &Settlement) -> Vec<String> {
    let line = |line: &Settled| {
        let Settled { party, opening, activity, net, payment, carried } = line;
        format!("{party} {opening} {activity} {net} {payment} {carried}")
    };
    settlement.lines.iter().map(line).collect()
}

fn payments(settlement: &Settlement) -> Vec<String> {
    let payment = |p: &Payment| format!("{} {} {}", p.debtor, p.creditor, p.minor);
    settlement.payments.iter().map(payment).collect()
}

fn carried(settlement: &Settlement) -> Vec<String> {
    let line = |c: &Carried| format!("{} {} {}", c.debtor, c.creditor, c.amount);
    settlement.carried.iter().map(line).collect()
}

/// The worked example of docs/formats/bank-files.md, both windows of it.
#[test]
fn the_example_of_the_page_is_what_is_worked_out() {
    let first = through_alliance(
        &currency("CNY"),
        &[
            position("aurora-air", "0", "-30.505"),
            position("borealis-coffee", "0", "20.255"),
            position("cedar-hotels", "0", "10.009999"),
        ],
    )
    .unwrap();
    assert_eq!(
        shown(&first),
        [
            "alliance 0 0.240001 0.240001 0.25 -0.009999",
            "aurora-air 0 -30.505 -30.505 -30.5 -0.005",
            "borealis-coffee 0 20.255 20.255 20.25 0.005",
            "cedar-hotels 0 10.009999 10.009999 10 0.009999",
        ]
    );
    let page = include_str!("../../../../docs/formats/bank-files.md");
    for line in shown(&first) {
        let row = format!("| {} |", line.replace(' ', " | "));
        assert!(page.contains(&row), "the page has no {row}");
    }
    assert_eq!(
        payments(&first),
        ["alliance borealis-coffee 2025", "alliance cedar-hotels 1000", "aurora-air alliance 3050",]
    );
    assert_eq!(
        carried(&first),
        [
            "alliance borealis-coffee 0.005",
            "alliance cedar-hotels 0.009999",
            "aurora-air alliance 0.005",
        ]
    );
    let second = through_alliance(
        &currency("CNY"),
        &[
            position("aurora-air", "-0.005", "-12.006"),
            position("borealis-coffee", "0.005", "12.005"),
            position("cedar-hotels", "0.009999", "0.000001"),
        ],
    )
    .unwrap();
    assert_eq!(
        shown(&second),
        [
            "alliance -0.009999 0.000999 -0.009 -0.01 0.001",
            "aurora-air -0.005 -12.006 -12.011 -12.01 -0.001",
            "borealis-coffee 0.005 12.005 12.01 12.01 0",
            "cedar-hotels 0.009999 0.000001 0.01 0.01 0",
        ]
    );
    assert_eq!(carried(&second), ["aurora-air alliance 0.001"]);
}

#[test]
fn pairs_are_rounded_each_by_itself_and_both_ways_round() {
    let partners = [partner("aa"), partner("bb"), partner("cc")];
    let settled = between_parties(
        &currency("JPY"),
        &partners,
        [
            due("aa", "bb", "0", "100.9"),
            // The same pair the other way round: 0.9 more is owed to aa.
            due("bb", "aa", "0.4", "-0.5"),
            due("cc", "bb", "0", "0.7"),
            due("cc", "alliance", "0", "3"),
            due("cc", "cc", "0", "9"),
        ],
    )
    .unwrap();
    assert_eq!(
        shown(&settled),
        [
            "aa 0.4 -101.4 -101 -101 0",
            "alliance 0 3 3 3 0",
            "bb -0.4 102.1 101.7 101 0.7",
            "cc 0 -3.7 -3.7 -3 -0.7",
        ]
    );
    assert_eq!(payments(&settled), ["aa bb 101", "cc alliance 3"]);
    assert_eq!(carried(&settled), ["cc bb 0.7"]);
}

#[test]
fn what_no_bank_pays_is_refused() {
    let one = |code: &str, activity: &str| {
        through_alliance(&currency(code), &[position("aa", "0", activity)])
    };
    assert_eq!(one("XAU", "1"), Err(RoundingFault::NoMinorUnit(currency("XAU"))));
    let (debtor, creditor) = (party("alliance"), party("aa"));
    assert_eq!(one("CNY", "10000000000000000"), Err(RoundingFault::TooLarge { debtor, creditor }));
    assert!(one("CNY", "9999999999999999.999999").is_ok());
    let twice = [position("aa", "0", "1"), position("aa", "0", "1")];
    assert_eq!(
        through_alliance(&currency("CNY"), &twice),
        Err(RoundingFault::Twice(partner("aa")))
    );
    let most = Position {
        partner: partner("aa"),
        opening: Total::from_micros(i128::MAX),
        activity: Total::from_micros(1),
    };
    assert_eq!(through_alliance(&currency("CNY"), &[most]), Err(RoundingFault::Beyond));
}

/// Every column of every line, and every pair: what is promised of a settlement, whichever it is.
fn hold(settlement: &Settlement) -> Result<(), TestCaseError> {
    let unit = MinorUnit::of(&settlement.currency).unwrap().micros();
    let mut sums = [0_i128; 5];
    let mut by_party: BTreeMap<&Party, (i128, i128)> = BTreeMap::new();
    for Payment { debtor, creditor, minor } in &settlement.payments {
        prop_assert!(*minor > 0);
        by_party.entry(debtor).or_default().0 -= i128::from(*minor) * unit;
        by_party.entry(creditor).or_default().0 += i128::from(*minor) * unit;
    }
    for Carried { debtor, creditor, amount } in &settlement.carried {
        prop_assert!(0 < amount.micros() && amount.micros() < unit);
        by_party.entry(debtor).or_default().1 -= amount.micros();
        by_party.entry(creditor).or_default().1 += amount.micros();
    }
    for line in &settlement.lines {
        let Settled { party, opening, activity, net, payment, carried } = line;
        let [opening, activity, net, payment, carried] =
            [opening, activity, net, payment, carried].map(|total| total.micros());
        prop_assert_eq!(opening + activity, net);
        prop_assert_eq!(payment + carried, net);
        prop_assert_eq!(payment % unit, 0);
        let moved = by_party.remove(party).unwrap_or_default();
        prop_assert_eq!(moved, (payment, carried), "{}", party);
        for (sum, column) in sums.iter_mut().zip([opening, activity, net, payment, carried]) {
            *sum += column;
        }
    }
    prop_assert!(by_party.is_empty());
    prop_assert_eq!(sums, [0; 5]);
    Ok(())
}

const NAMES: [&str; 6] = ["alliance", "aa", "bb", "cc", "dd", "ee"];

fn activities() -> impl Strategy<Value = Vec<i128>> {
    prop::collection::vec(
        prop_oneof![-3_i128..=3, -30_000_000..=30_000_000_i128, any::<i64>().prop_map(i128::from)],
        5,
    )
}

proptest! {
    /// Windows after one another: paid + carried = net in each, columns sum to zero, and over all
    /// of them nothing is lost: what is paid and last carried is what all windows did.
    #[test]
    fn through_the_alliance_nothing_is_lost(
        windows in prop::collection::vec(activities(), 1..6),
        code in "CNY|JPY|KWD",
    ) {
        let mut openings = [0_i128; 5];
        let mut paid = [0_i128; 5];
        let mut done = [0_i128; 5];
        for activities in &windows {
            let position = |at: usize| Position {
                partner: partner(NAMES[at + 1]),
                opening: Total::from_micros(openings[at]),
                activity: Total::from_micros(activities[at]),
            };
            let positions: Vec<Position> = (0..5).map(position).collect();
            let settlement = through_alliance(&currency(&code), &positions).unwrap();
            hold(&settlement)?;
            prop_assert_eq!(&settlement, &through_alliance(&currency(&code), &positions).unwrap());
            for at in 0..5 {
                let line = settlement.lines.iter().find(|l| l.party == party(NAMES[at + 1])).unwrap();
                // Toward zero: nobody pays more than it owes, or is paid more than it is owed.
                prop_assert!(line.payment.micros().abs() <= line.net.micros().abs());
                prop_assert!(line.payment.micros() * line.net.micros() >= 0);
                openings[at] = line.carried.micros();
                paid[at] += line.payment.micros();
                done[at] += activities[at];
            }
        }
        for at in 0..5 {
            prop_assert_eq!(paid[at] + openings[at], done[at]);
        }
    }

    /// Pair by pair, from a netting certificate and from what the window before carried.
    #[test]
    fn between_parties_nothing_is_lost(
        owed in prop::collection::vec((0_usize..6, 0_usize..6, 1_i128..40_000_000), 0..20),
        before in prop::collection::vec((0_usize..6, 0_usize..6, 1_i128..10_000), 0..6),
        set_off in any::<bool>(),
    ) {
        let mut obligations = Obligations::new();
        let mut activity: BTreeMap<Party, i128> = BTreeMap::new();
        for (debtor, creditor, micros) in &owed {
            let (debtor, creditor) = (party(NAMES[*debtor]), party(NAMES[*creditor]));
            obligations.add(&debtor, &creditor, *micros).unwrap();
            *activity.entry(debtor).or_default() -= micros;
            *activity.entry(creditor).or_default() += micros;
        }
        let run = Run {
            alliance: "demo".parse().unwrap(),
            currency: currency("CNY"),
            window: Some(window()),
            carried: Vec::new(),
        };
        let certificate = net(run, &obligations).unwrap();
        let way = if set_off { Way::SetOff } else { Way::Bilateral };
        let opening = before.iter().map(|(debtor, creditor, micros)| Due::from(Carried {
            debtor: party(NAMES[*debtor]),
            creditor: party(NAMES[*creditor]),
            amount: Total::from_micros(*micros),
        }));
        let mut all: Vec<Due> = opening.chain(dues(&certificate, way).unwrap()).collect();
        let partners: Vec<PartnerId> = NAMES[1..].iter().map(|name| partner(name)).collect();
        let settlement = between_parties(&currency("CNY"), &partners, all.clone()).unwrap();
        hold(&settlement)?;
        for line in &settlement.lines {
            prop_assert_eq!(line.activity.micros(), activity.get(&line.party).copied().unwrap_or(0));
        }
        // In whatever order they come.
        all.reverse();
        prop_assert_eq!(&settlement, &between_parties(&currency("CNY"), &partners, all).unwrap());
    }
}
