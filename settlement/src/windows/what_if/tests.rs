use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::quote::FeeBearer;
use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn transaction(at: u128) -> TransactionId {
    TransactionId::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + at)
}

/// An exchange of aurora's miles for borealis's stars, as the ledger would have posted it.
fn order(at: u128, points: i64, rate: &Rate) -> Option<Receipt> {
    let then = arithmetic::exchange_by_source(&rate.terms(2, 0), points).ok()?;
    let zeros = Hash::ZERO;
    let money = |micros: i64| Decimal::from_micros(micros).unwrap();
    let points = Decimal::from_minor(points, 2).unwrap();
    let arrive = Decimal::from_minor(then.target, 0).unwrap();
    let mut lines = Vec::new();
    for (amount, credit) in [
        (then.net, "position:borealis-coffee"),
        (then.fee, "alliance:fees"),
        (then.remainder, "alliance:rounding"),
    ] {
        if amount > 0 {
            lines.push(format!(
                r#"{{"amount":"{}","asset":"CNY","credit":"{credit}","debit":"position:aurora-air"}}"#,
                money(amount)
            ));
        }
    }
    let text = format!(
        r#"{{"alliance":"demo","completed_at":"2026-11-23T04:05:06.789Z",
        "corridor":"aurora-air~borealis-coffee","evidence":[],"id":"rcp_01m8398e1kfrw83tvnpwar1r1b",
        "kind":"exchange","order":"{zeros}","postings":[{}],"prev":"{zeros}","quote":null,
        "rate":{},"reverses":null,"seq":1,
        "settlement":{{"creditor":"borealis-coffee","currency":"CNY","debtor":"aurora-air",
        "fee":"{}","gross":"{}","net":"{}","remainder":"{}"}},
        "source":{{"amount":"{points}","member":"{M}","partner":"aurora-air","program":"aurora"}},
        "target":{{"amount":"{arrive}","member":"{M}","partner":"borealis-coffee",
        "program":"borealis"}},"transaction":"{}","v":1,"window":"win_01m8201vz0e6aa2fb78f9d1d4g"}}"#,
        lines.join(","),
        serde_json::to_string(rate).unwrap(),
        money(then.fee),
        money(then.gross),
        money(then.net),
        money(then.remainder),
        transaction(at),
    );
    Some(json::read(text.as_bytes()).unwrap())
}

const M: &str = "5b1f3c2f0d6a9e8b7c4d1a2f3e5b6c7d8091a2b3c4d5e6f708192a3b4c5d6e7f";

/// All of it returned: the same lines, turned round.
fn reversal(at: u128, of: &Receipt) -> Receipt {
    let mut back = of.clone();
    back.transaction = transaction(at);
    back.reverses = Some(of.transaction);
    for line in &mut back.postings {
        std::mem::swap(&mut line.debit, &mut line.credit);
    }
    back
}

fn replay(terms: OtherTerms) -> Replay {
    let scales = [("aurora", 2), ("borealis", 0)];
    let scales = scales.map(|(name, scale)| (name.parse().unwrap(), scale)).into();
    Replay::new(terms, scales, BTreeMap::new())
}

fn rate() -> impl Strategy<Value = Rate> {
    let bearers = [FeeBearer::Member, FeeBearer::SourcePartner, FeeBearer::TargetPartner];
    let bearers = proptest::sample::select(bearers.to_vec());
    (1..300_000_i64, 1..2_000_000_i64, 1..5_000_000_i64, bearers).prop_map(
        |(fee, source, target, fee_bearer)| {
            let of = |micros| Decimal::from_micros(micros).unwrap();
            Rate { fee_bearer, ..Rate::plain(1, of(fee), of(source), of(target)) }
        },
    )
}

fn sum(receipt: &Receipt, of: &str) -> i128 {
    let named = |account: &Account| i128::from(account.to_string() == of);
    let lines = money_of(&receipt.postings);
    lines.map(|line| (named(&line.credit) - named(&line.debit)) * micros(line)).sum()
}

proptest! {
    /// What is not changed keeps its digits; what is changed is what the arithmetic says, and what
    /// is returned whole leaves nothing.
    #[test]
    fn an_order_comes_to_what_the_protocol_says(
        rate in rate(), points in 1..10_000_000_i64, times in 0..3_000_000_i64,
    ) {
        let Some(was) = order(1, points, &rate) else { return Ok(()) };
        let back = reversal(2, &was);
        for one in [&was, &back] {
            let same = replay(OtherTerms::default()).next(one).unwrap();
            prop_assert_eq!(same.as_ref(), Some(one));
        }
        let times = Decimal::from_micros(times).unwrap();
        let terms = OtherTerms {
            fee: Some(OtherFee::Times(times)),
            values: BTreeMap::from([("aurora".parse().unwrap(), decimal("1.25"))]),
            ..OtherTerms::default()
        };
        let mut other = replay(terms);
        let Some(then) = other.next(&was).unwrap() else {
            prop_assert_eq!(other.refused().too_small, 1);
            prop_assert_eq!(other.next(&back).unwrap(), None);
            return Ok(());
        };
        let fee = product(rate.fee, times).unwrap();
        let value = product(rate.source_value, decimal("1.25")).unwrap();
        let wanted = Rate { fee, source_value: value, ..rate };
        prop_assert_eq!(Some(then.postings.clone()), order(1, points, &wanted).map(|o| o.postings));
        let returned = other.next(&back).unwrap().unwrap();
        for account in ["position:aurora-air", "position:borealis-coffee", "alliance:fees",
            "alliance:rounding"]
        {
            prop_assert_eq!(sum(&then, account) + sum(&returned, account), 0, "{}", account);
        }
        prop_assert!(other.positions.values().all(|position| *position == 0));
    }
}

#[test]
fn an_order_beyond_the_cap_is_not_made_and_so_not_returned() {
    let rate = Rate::plain(1, decimal("0.01"), decimal("1"), decimal("1"));
    let caps = BTreeMap::from([("aurora-air".parse().unwrap(), decimal("150"))]);
    let mut capped = replay(OtherTerms { caps, ..OtherTerms::default() });
    let [first, second] = [1, 2].map(|at| order(at, 10_000, &rate).unwrap());
    assert!(capped.next(&first).unwrap().is_some(), "100 of 150");
    assert!(capped.next(&second).unwrap().is_none(), "200 of 150");
    assert!(capped.next(&reversal(3, &second)).unwrap().is_none());
    assert!(capped.next(&reversal(4, &first)).unwrap().is_some());
    assert!(capped.next(&order(5, 15_000, &rate).unwrap()).unwrap().is_some(), "150 of 150");
    assert_eq!(capped.refused(), Refused { by_cap: 1, too_small: 0 });

    let all = OtherTerms { cap: Some(Decimal::ZERO), ..OtherTerms::default() };
    assert!(replay(all).next(&first).unwrap().is_none());
}
