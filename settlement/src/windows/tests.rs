//! Any set of receipts, in any split into windows, some of them aborted: nothing is lost.

use std::collections::BTreeMap;

use alliance_contracts::adjustment::{Adjustment, AdjustmentCause};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::WindowId;
use alliance_contracts::json;
use alliance_contracts::names::{Corridor, PartnerId, Party};
use alliance_contracts::receipt::{Account, Asset, Posting, Receipt};
use alliance_contracts::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::alliance::NettingWay;

const NAMES: [&str; 4] = ["aurora-air", "borealis-coffee", "cedar-hotels", "delta-cinemas"];

/// What a receipt moves: from whom, to whom, how much, and how much of it for the alliance.
#[derive(Clone, Copy, Debug)]
struct Moved {
    from: usize,
    to: usize,
    net: i64,
    fee: i64,
    remainder: i64,
    cause: Option<AdjustmentCause>,
}

fn partner(at: usize) -> PartnerId {
    NAMES[at].parse().unwrap()
}

fn receipt(moved: &Moved) -> Receipt {
    let line = |amount: i64, credit: Account, debit: Account| Posting {
        amount: Decimal::from_micros(amount).unwrap(),
        asset: Asset::Currency("CNY".parse().unwrap()),
        credit,
        debit,
    };
    let position = |at| Account::Position(partner(at));
    let zeros = "0".repeat(64);
    let text = format!(
        r#"{{"alliance":"demo","completed_at":"2026-11-23T04:05:06.789Z",
        "corridor":"alliance~aurora-air","evidence":[],"id":"rcp_01m8398e1kfrw83tvnpwar1r1b",
        "kind":"adjustment","order":"{zeros}","postings":[],"prev":"{zeros}","quote":null,
        "rate":{{"board":1,"fee":"0","source_value":"1","target_value":"1"}},"reverses":null,
        "seq":1,"settlement":null,"source":{{"partner":"aurora-air"}},
        "target":{{"partner":"aurora-air"}},"transaction":"txn_01m8398e1kfrw83tvnpwar1r1b",
        "v":1,"window":"win_01m8201vz0e6aa2fb78f9d1d4g"}}"#
    );
    let blank: Receipt = json::read(text.as_bytes()).unwrap();
    let postings = match moved.cause {
        None => vec![
            line(moved.net, position(moved.to), position(moved.from)),
            line(moved.fee, Account::Fees, position(moved.from)),
            line(moved.remainder, Account::Rounding, position(moved.from)),
        ],
        Some(_) => vec![line(moved.net, position(moved.to), Account::Bank)],
    };
    let corridor = match moved.cause {
        None => Corridor::between(&partner(moved.from), &partner(moved.to)),
        Some(_) => Corridor::with_alliance(&partner(moved.to)),
    };
    let adjustment = moved.cause.map(|cause| Adjustment {
        cause,
        inputs: Hash::ZERO,
        subject: "something".to_owned(),
    });
    Receipt { adjustment, corridor, postings, ..blank }
}

fn terms(number: u64, way: NettingWay) -> NettingTerms {
    NettingTerms {
        alliance: "demo".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        window: WindowId::from_u128(u128::from(number)),
        opened_at: Timestamp::from_millis(0),
        closed_on: "2026-11-23".parse().unwrap(),
        carried_windows: Vec::new(),
        openings: Vec::new(),
        partners: (0..NAMES.len()).map(partner).collect(),
        sponsors: BTreeMap::new(),
        way,
        days: 2,
        calendars: Vec::new(),
        revenue: Vec::new(),
    }
}

/// What receipts do to each party, worked out with a pencil.
fn pencil<'a>(moved: impl IntoIterator<Item = &'a Moved>) -> BTreeMap<Party, i128> {
    let mut sums = BTreeMap::new();
    let mut add = |party: Party, micros: i64| *sums.entry(party).or_insert(0) += i128::from(micros);
    for one in moved {
        match one.cause {
            None => {
                add(Party::from(&partner(one.to)), one.net);
                add(Party::from(&partner(one.from)), -(one.net + one.fee + one.remainder));
                add(alliance_party(), one.fee + one.remainder);
            }
            Some(cause) if cause.is_obligation() => {
                add(Party::from(&partner(one.to)), one.net);
                add(alliance_party(), -one.net);
            }
            Some(_) => {}
        }
    }
    sums
}

fn figures<'a>(moved: impl IntoIterator<Item = &'a Moved>) -> Figures {
    let mut figures = Figures::new("CNY".parse().unwrap());
    for one in moved {
        figures.add(&receipt(one), true).unwrap();
    }
    figures
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![Just(1), 1..2_000_000_i64, 1..9_000_000_000_000_i64]
}

fn moved() -> impl Strategy<Value = Moved> {
    let causes = prop_oneof![
        6 => Just(None),
        1 => proptest::sample::select(AdjustmentCause::ALL.to_vec()).prop_map(Some),
    ];
    (0..NAMES.len(), 0..NAMES.len() - 1, amount(), 0..10_000_i64, 0..2_i64, causes).prop_map(
        |(from, other, net, fee, remainder, cause)| {
            let to = if other < from { other } else { other + 1 };
            Moved { from, to, net, fee, remainder, cause }
        },
    )
}

fn ways() -> impl Strategy<Value = NettingWay> {
    prop_oneof![
        Just(NettingWay::Multilateral),
        Just(NettingWay::Bilateral),
        Just(NettingWay::SetOff),
    ]
}

proptest! {
    /// Windows with their receipts; whether each is aborted after it was closed.
    #[test]
    fn whatever_the_split_everything_is_paid_or_carried(
        windows in proptest::collection::vec(
            (proptest::collection::vec(moved(), 0..12), proptest::bool::weighted(0.3)), 1..6),
        way in ways(),
    ) {
        let (mut paid, mut openings) = (BTreeMap::<Party, i128>::new(), Vec::new());
        let mut waiting: Vec<Moved> = Vec::new();
        let all: Vec<Moved> = windows.iter().flat_map(|(receipts, _)| receipts.clone()).collect();
        let last = windows.len();
        for (number, (receipts, aborted)) in (1_u64..).zip(&windows) {
            waiting.extend(receipts);
            if *aborted && usize::try_from(number).unwrap() < last {
                continue;
            }
            let mut terms = terms(number, way);
            terms.openings.clone_from(&openings);
            let netted = net_window(&terms, figures(&waiting)).unwrap();
            prop_assert_eq!(netted.certificate.check(), Ok(()));
            // The same receipts in another order, in two parts: the same bytes.
            let half = waiting.len() / 2;
            let mut again = figures(waiting[half..].iter().rev());
            again.merge(figures(&waiting[..half])).unwrap();
            prop_assert_eq!(&net_window(&terms, again).unwrap(), &netted);
            let activity = pencil(&waiting);
            let mut sums = [0_i128; 5];
            for line in &netted.settlement.lines {
                let did = activity.get(&line.party).copied().unwrap_or(0);
                prop_assert_eq!(line.activity.micros(), did, "{}", line.party);
                prop_assert_eq!(line.opening.micros() + did, line.net.micros());
                prop_assert_eq!(line.payment.micros() + line.carried.micros(), line.net.micros());
                prop_assert_eq!(line.payment.micros() % 10_000, 0, "fen");
                *paid.entry(line.party.clone()).or_insert(0) += line.payment.micros();
                let columns =
                    [line.opening, line.activity, line.net, line.payment, line.carried];
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum += column.micros();
                }
            }
            prop_assert_eq!(sums, [0; 5]);
            let instructed: u64 = netted.instructions.iter().map(|one| one.amount).sum();
            let moved: u64 = netted.settlement.payments.iter().map(|one| one.minor).sum();
            prop_assert_eq!(instructed, moved);
            openings = carried_of(&netted.carried_document()).unwrap();
            prop_assert_eq!(&openings, &netted.settlement.carried);
            waiting.clear();
        }
        let mut left = paid;
        for one in &openings {
            *left.entry(one.debtor.clone()).or_insert(0) -= one.amount.micros();
            *left.entry(one.creditor.clone()).or_insert(0) += one.amount.micros();
        }
        left.retain(|_, sum| *sum != 0);
        let mut expected = pencil(&all);
        expected.retain(|_, sum| *sum != 0);
        prop_assert_eq!(left, expected);
    }
}

#[test]
fn what_pays_nothing_has_no_value_date() {
    let netted = net_window(&terms(1, NettingWay::Multilateral), figures(&[])).unwrap();
    assert_eq!((netted.value_date, netted.instructions.len()), (None, 0));
    let small = Moved { from: 0, to: 1, net: 9_999, fee: 0, remainder: 0, cause: None };
    let netted = net_window(&terms(1, NettingWay::Multilateral), figures(&[small])).unwrap();
    assert_eq!((netted.value_date, netted.settlement.carried.len()), (None, 2));
}

#[test]
fn money_of_another_currency_is_no_part_of_a_window() {
    let small = Moved { from: 0, to: 1, net: 1, fee: 1, remainder: 1, cause: None };
    let mut figures = Figures::new("EUR".parse().unwrap());
    assert!(matches!(figures.add(&receipt(&small), true), Err(FiguresFault::Currency(_))));
}
