//! Sharing a window's income out of receipts.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::json;
use alliance_contracts::quote::{Settlement, TransactionKind};
use alliance_contracts::receipt::{self, Account, Asset, Posting};
use alliance_contracts::revenue::recompute;
use alliance_contracts::total::Total;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["aurora-air", "borealis-coffee", "cedar-hotels"];

/// A transaction between two of [`NAMES`]: from, to, gross and fee in 10⁻⁶, turned round or not.
#[derive(Clone, Copy, Debug)]
struct Traded {
    from: usize,
    to: usize,
    gross: i64,
    fee: i64,
    reversal: bool,
}

/// Its receipt: postings and settlement as the ledger makes them, everything else made up.
fn receipt(traded: Traded, seq: u64) -> Receipt {
    let [from, to] = [traded.from, traded.to].map(|at| NAMES[at].parse::<PartnerId>().unwrap());
    let decimal = |micros| Decimal::from_micros(micros).unwrap();
    let line = |amount: i64, credit: Account| {
        let debit = Account::Position(from.clone());
        let (credit, debit) = if traded.reversal { (debit, credit) } else { (credit, debit) };
        let asset = Asset::Currency("CNY".parse().unwrap());
        Posting { amount: decimal(amount), asset, credit, debit }
    };
    let net = traded.gross - traded.fee;
    let (debtor, creditor) = if traded.reversal { (&to, &from) } else { (&from, &to) };
    let settlement = Settlement {
        creditor: creditor.clone(),
        currency: "CNY".parse().unwrap(),
        debtor: debtor.clone(),
        fee: decimal(traded.fee),
        gross: decimal(traded.gross),
        net: decimal(net),
        remainder: Decimal::ZERO,
    };
    Receipt {
        corridor: Corridor::between(&from, &to),
        kind: if traded.reversal { TransactionKind::Reversal } else { TransactionKind::Exchange },
        postings: vec![line(net, Account::Position(to.clone())), line(traded.fee, Account::Fees)],
        settlement: (from != to).then_some(settlement),
        source: receipt::ReceiptSide::Partner { partner: from.clone() },
        target: receipt::ReceiptSide::Partner { partner: to.clone() },
        seq,
        ..blank()
    }
}

fn blank() -> Receipt {
    let zeros = "0".repeat(64);
    let text = format!(
        r#"{{"alliance":"demo","completed_at":"2026-11-23T04:05:06.789Z",
        "corridor":"alliance~aurora-air","evidence":[],"id":"rcp_01m8398e1kfrw83tvnpwar1r1b",
        "kind":"adjustment","order":"{zeros}","postings":[{{"amount":"7","asset":"CNY",
        "credit":"position:aurora-air","debit":"alliance:fees"}}],"prev":"{zeros}","quote":null,
        "rate":{{"board":1,"fee":"0","source_value":"1","target_value":"1"}},"reverses":null,
        "seq":1,"settlement":null,"source":{{"partner":"aurora-air"}},
        "target":{{"partner":"aurora-air"}},"transaction":"txn_01m8398e1kfrw83tvnpwar1r1b",
        "v":1,"window":"win_01m8201vz0e6aa2fb78f9d1d4g"}}"#
    );
    json::read(text.as_bytes()).unwrap()
}

fn window() -> SharedWindow {
    SharedWindow {
        alliance: "demo".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        window: "win_01m8201vz0e6aa2fb78f9d1d4g".parse().unwrap(),
        opened_at: Timestamp::from_millis(0),
    }
}

fn rules() -> Vec<RevenueDefinition> {
    #[derive(serde::Deserialize)]
    struct Rules {
        revenue: Vec<RevenueDefinition>,
    }
    let text = r#"
        [[revenue]]
        share = "0.333333"
        [[revenue]]
        a = "cedar-hotels"
        b = "borealis-coffee"
        split = { contribution = { source = "0.7", target = "0.3" } }
        tiers = [{ above = "0", share = "0.1" }, { above = "1", share = "0.777777" }]
    "#;
    toml::from_str::<Rules>(text).unwrap().revenue
}

fn income_of<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> FeeIncome {
    let mut income = FeeIncome::new();
    for receipt in receipts {
        income.add(receipt).unwrap();
    }
    income
}

#[test]
fn a_reversal_counts_below_zero_in_the_direction_of_its_original() {
    let order = Traded { from: 1, to: 0, gross: 50_000_000, fee: 500_000, reversal: false };
    let back = Traded { gross: 20_000_000, fee: 200_000, reversal: true, ..order };
    let income = income_of(&[receipt(order, 8), receipt(back, 9)]);
    let (corridor, income) = income.corridors().next().unwrap();
    assert_eq!(corridor.as_str(), "aurora-air~borealis-coffee");
    assert_eq!((income.after, income.seq, income.receipts), (7, 9, 2));
    assert_eq!(
        (income.fees.from_low, income.fees.from_high.to_string()),
        (Total::ZERO, "0.3".into())
    );
    assert_eq!(income.volume.from_high.to_string(), "30");
    // Asked for by the partner that gave them back or not: whose points they were stays so.
    assert_eq!(income.volume.from_low, Total::ZERO);
}

#[test]
fn what_a_partner_has_with_the_alliance_and_with_itself_is_no_income() {
    let own = Traded { from: 2, to: 2, gross: 5, fee: 0, reversal: false };
    assert_eq!(income_of(&[blank(), receipt(own, 1)]), FeeIncome::new());
}

#[test]
fn a_corridor_without_a_rule_is_left_alone() {
    let order = Traded { from: 0, to: 1, gross: 50_000_000, fee: 500_000, reversal: false };
    let income = income_of(&[receipt(order, 1)]);
    assert_eq!(shares(&window(), &income, &rules()[1..]), Ok(Vec::new()));
    let found = shares(&window(), &income, &rules()).unwrap();
    // 0.5 × 0.333333 is 0.1666665: the half unit stays with the alliance, then halves.
    let shared = found[0].shared;
    assert_eq!(
        [shared.low, shared.high, shared.kept].map(|total| total.to_string()),
        ["0.083333", "0.083333", "0.333334"]
    );
}

fn any_receipts() -> impl Strategy<Value = Vec<Receipt>> {
    let traded = (0..3_usize, 0..3_usize, 1..5_000_000_i64, 0..1_000_i64, any::<bool>());
    prop::collection::vec(traded, 0..40).prop_map(|all| {
        let mut seqs: BTreeMap<Corridor, u64> = BTreeMap::new();
        let receipt = |(from, to, gross, fee, reversal)| {
            let fee = if from == to { 0 } else { gross * fee / 1_000 };
            let made = receipt(Traded { from, to, gross, fee, reversal }, 0);
            let seq = seqs.entry(made.corridor.clone()).or_default();
            *seq += 1;
            Receipt { seq: *seq, ..made }
        };
        all.into_iter().map(receipt).collect()
    })
}

proptest! {
    #[test]
    fn shares_and_what_is_kept_are_the_fees_of_the_receipts(receipts in any_receipts()) {
        let found = shares(&window(), &income_of(&receipts), &rules()).unwrap();
        let parts = |one: &CorridorShares| [one.shared.low, one.shared.high, one.shared.kept];
        let divided = found.iter().flat_map(parts);
        let divided: i128 = divided.map(Total::micros).sum();
        let lines = receipts.iter().flat_map(|receipt| &receipt.postings);
        let fees: i128 = lines
            .map(|line| match (&line.credit, &line.debit) {
                (Account::Fees, _) => i128::from(line.amount.micros()),
                (_, Account::Fees) => -i128::from(line.amount.micros()),
                _ => 0,
            })
            .sum();
        prop_assert_eq!(divided, fees);
    }

    #[test]
    fn a_partners_own_receipts_alone_give_its_documents(
        receipts in any_receipts(),
        at in 0..3_usize,
    ) {
        let partner: PartnerId = NAMES[at].parse().unwrap();
        let all = shares(&window(), &income_of(&receipts), &rules()).unwrap();
        // In another order, too: nothing rests on it.
        let own = receipts.iter().rev().filter(|receipt| receipt.corridor.includes(&partner));
        let own = shares(&window(), &income_of(own), &rules()).unwrap();
        let of_partner = |all: &[CorridorShares]| -> Vec<RevenueInputs> {
            let inputs = all.iter().flat_map(|one| one.inputs.clone());
            inputs.filter(|inputs| inputs.partner == partner).collect()
        };
        prop_assert_eq!(of_partner(&all), of_partner(&own));
        for inputs in of_partner(&own) {
            prop_assert_eq!(inputs.check(), Ok(()));
            prop_assert_eq!(recompute(&inputs), Ok(inputs.share));
            prop_assert_eq!(inputs.income.seq - inputs.income.after, inputs.income.receipts);
        }
    }
}
