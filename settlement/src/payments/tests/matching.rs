//! What banks say, against what they were told.

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::date::Date;
use alliance_contracts::names::Party;
use proptest::prelude::*;

use super::instructing::settled;
use super::{currency, party, window};
use crate::payments::accounts::BankAccount;
use crate::payments::entries::{BankEntry, Direction, EntryStatus};
use crate::payments::instructions::{EndToEndId, PaymentInstruction, again};
use crate::payments::matching::{
    Became, Matched, MatchedBy, Matching, MatchingFault, PaymentState, Tracked, Unmatched,
    match_entries,
};
use crate::payments::standing::{StandingFault, standing};

fn account(name: &str, number: &str) -> BankAccount {
    let json = serde_json::json!({
        "name": name, "country": "CN", "other": number, "bic": "BKCHCNBJ",
    });
    serde_json::from_value(json).unwrap()
}

fn accounts() -> BTreeMap<Party, BankAccount> {
    BTreeMap::from([
        (party("alliance"), account("Alliance Clearing Ltd.", "9000")),
        (party("ee"), account("Aurora Air", "1001")),
        (party("bb"), account("北冥咖啡有限公司", "1002")),
        (party("cc"), account("Cedar Hotels", "1003")),
        // Of one name with another: no name tells them apart.
        (party("dd"), account("CEDAR HOTELS", "1004")),
    ])
}

/// 1: alliance to bb 20.25; 2: alliance to cc 10.00; 3: ee to alliance 30.25.
fn instructions() -> Vec<PaymentInstruction> {
    settled(&[("ee", -3025), ("bb", 2025), ("cc", 1000)])
}

fn id(number: u32, attempt: u8) -> EndToEndId {
    format!("01H455VB4PEX5VSKNK084SN02Q-{number}-{attempt}").parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// An entry of an account, with the bank's reference; all else that a test says.
fn entry(account: &str, direction: Direction, amount: u64, reference: &str) -> BankEntry {
    BankEntry {
        account: account.to_owned(),
        amount,
        bank_reference: Some(reference.to_owned()),
        batch_part: None,
        booking_date: Some(day("2026-11-27")),
        counterparty_account: None,
        counterparty_name: None,
        currency: currency("CNY"),
        direction,
        end_to_end_id: None,
        reference: None,
        return_reason: None,
        reversal: false,
        status: EntryStatus::Booked,
        value_date: None,
    }
}

fn named(entry: BankEntry, number: u32) -> BankEntry {
    BankEntry { end_to_end_id: Some(id(number, 1).to_string()), ..entry }
}

fn returned(entry: BankEntry) -> BankEntry {
    BankEntry { return_reason: Some("AC04 closed".to_owned()), ..entry }
}

use Direction::{Credit, Debit};

struct Desk(Matching);

impl Desk {
    fn new() -> Self {
        Self::of(instructions())
    }

    fn of(instructions: Vec<PaymentInstruction>) -> Self {
        let tracked = instructions.into_iter().map(Tracked::new);
        Self(Matching::new(&accounts(), tracked, []).unwrap())
    }

    fn take(&mut self, entry: &BankEntry) -> Became {
        self.0.take(entry)
    }

    /// State and minor units paid of an instruction.
    fn of_number(&self, number: u32) -> (PaymentState, u64) {
        let tracked = self.0.instructions().find(|t| t.instruction.number == number).unwrap();
        assert_eq!(tracked.paid() + tracked.left(), tracked.instruction.amount);
        (tracked.state(), tracked.paid())
    }

    fn settled(&self) -> bool {
        standing(window(), self.0.instructions()).unwrap().settled
    }
}

fn paid(number: u32, by: MatchedBy, counted: u64) -> Became {
    Became::Payment { id: id(number, 1), by, counted, excess: 0 }
}

#[test]
fn a_window_is_settled_when_banks_say_so_from_either_end() {
    let mut desk = Desk::new();
    assert!(!desk.settled());
    let out = named(entry("9000", Debit, 2025, "r1"), 1);
    assert_eq!(desk.take(&out), paid(1, MatchedBy::EndToEndId, 2025));
    // What one end says counts once.
    let arrived = named(entry("1002", Credit, 2025, "x1"), 1);
    assert_eq!(desk.take(&arrived), paid(1, MatchedBy::EndToEndId, 0));
    let arrived = named(entry("1003", Credit, 1000, "y1"), 2);
    assert_eq!(desk.take(&arrived), paid(2, MatchedBy::EndToEndId, 1000));
    assert!(!desk.settled());
    // In small letters, in another field, as some banks hand it on.
    let text = "settlement 01h455vb4pex5vsknk084sn02q-3-1, thanks".to_owned();
    let text = BankEntry { reference: Some(text), ..entry("1001", Debit, 3025, "z1") };
    assert_eq!(desk.take(&text), paid(3, MatchedBy::Reference, 3025));
    assert!(desk.settled());
}

#[test]
fn a_payment_comes_in_parts_and_nothing_is_paid_over() {
    let mut desk = Desk::new();
    desk.take(&named(entry("9000", Credit, 3000, "r1"), 3));
    assert_eq!(desk.of_number(3), (PaymentState::PartlyPaid, 3000));
    // The rest names nothing, but is exactly what is left between these two.
    let mut rest = entry("9000", Credit, 25, "r2");
    rest.counterparty_account = Some("10 01".to_owned());
    assert_eq!(desk.take(&rest), paid(3, MatchedBy::AmountAndParty, 25));
    assert_eq!(desk.of_number(3), (PaymentState::Paid, 3025));
    let again = named(entry("9000", Credit, 100, "r3"), 3);
    let excess =
        Became::Payment { id: id(3, 1), by: MatchedBy::EndToEndId, counted: 0, excess: 100 };
    assert_eq!(desk.take(&again), excess);
    assert_eq!(desk.of_number(3), (PaymentState::Paid, 3025));
}

#[test]
fn what_comes_back_is_owed_again() {
    let mut desk = Desk::new();
    desk.take(&named(entry("9000", Debit, 1000, "r1"), 2));
    assert_eq!(desk.of_number(2), (PaymentState::Paid, 1000));
    let back = returned(named(entry("9000", Credit, 1000, "r2"), 2));
    let became = Became::Returned {
        id: id(2, 1),
        by: MatchedBy::EndToEndId,
        taken_back: 1000,
        reason: Some("AC04 closed".to_owned()),
    };
    assert_eq!(desk.take(&back), became);
    assert_eq!(desk.of_number(2), (PaymentState::Returned, 0));
    // A part of it, undone by the bank itself.
    desk.take(&named(entry("9000", Debit, 2025, "r3"), 1));
    let undone = BankEntry { reversal: true, ..named(entry("9000", Credit, 25, "r4"), 1) };
    desk.take(&undone);
    assert_eq!(desk.of_number(1), (PaymentState::PartlyPaid, 2000));
    // Told as returned, never as gone: it failed.
    desk.take(&returned(named(entry("1001", Credit, 3025, "r5"), 3)));
    assert_eq!(desk.of_number(3), (PaymentState::Failed, 0));
}

#[test]
fn a_refusal_told_in_no_entry_is_kept_beside() {
    let mut tracked = Tracked::new(instructions().remove(0));
    assert_eq!(tracked.state(), PaymentState::Outstanding);
    tracked.refused = true;
    assert_eq!(tracked.state(), PaymentState::Failed);
    // Money that names nothing is not counted for it; what names it is, whatever was said before.
    let mut matching = Matching::new(&accounts(), [tracked], []).unwrap();
    let mut bare = entry("9000", Debit, 2025, "r1");
    bare.counterparty_account = Some("1002".to_owned());
    assert_eq!(matching.take(&bare), Became::Unmatched(Unmatched::NoSuchAmount));
    matching.take(&named(entry("9000", Debit, 2025, "r2"), 1));
    assert_eq!(matching.instructions().next().unwrap().state(), PaymentState::Paid);
}

#[test]
fn an_entry_is_counted_once_however_often_it_is_told() {
    let mut desk = Desk::new();
    let first = named(entry("9000", Debit, 2025, "r1"), 1);
    desk.take(&first);
    assert_eq!(desk.take(&first), Became::Duplicate);
    // Another file tells less of it.
    let shorter = BankEntry { end_to_end_id: None, ..first.clone() };
    assert_eq!(desk.take(&shorter), Became::Duplicate);
    // Without the bank's reference nobody knows whether it is another one.
    let mut bare = BankEntry { bank_reference: None, ..first };
    assert!(matches!(desk.take(&bare), Became::Payment { counted: 0, .. }));
    assert_eq!(desk.take(&bare), Became::Unmatched(Unmatched::Indistinct));
    bare.reference = Some("another one".to_owned());
    assert!(matches!(desk.take(&bare), Became::Payment { .. }));
    // Two of one batch, of one amount: two payments.
    let mut desk = Desk::of(settled(&[("ee", -2000), ("bb", 1000), ("cc", 1000)]));
    for number in [1, 2] {
        let part = Some(number.to_string());
        let part =
            BankEntry { batch_part: part, ..named(entry("9000", Debit, 1000, "batch"), number) };
        assert_eq!(desk.take(&part), paid(number, MatchedBy::EndToEndId, 1000));
        assert_eq!(desk.take(&part), Became::Duplicate);
    }
}

#[test]
fn only_what_is_booked_is_counted() {
    let mut desk = Desk::new();
    for status in [EntryStatus::Pending, EntryStatus::Future, EntryStatus::Information] {
        let told = BankEntry { status, ..named(entry("9000", Debit, 2025, "r1"), 1) };
        assert_eq!(desk.take(&told), Became::NotBooked);
    }
    let booked = named(entry("9000", Debit, 2025, "r1"), 1);
    assert_eq!(desk.take(&booked), paid(1, MatchedBy::EndToEndId, 2025));
}

#[test]
fn by_amount_and_party_only_where_exactly_one_fits() {
    let with = |account: Option<&str>, name: Option<&str>, entry: BankEntry| BankEntry {
        counterparty_account: account.map(str::to_owned),
        counterparty_name: name.map(str::to_owned),
        ..entry
    };
    let mut desk = Desk::new();
    let by_name = with(None, Some("北冥咖啡 有限公司"), entry("9000", Debit, 2025, "r1"));
    assert_eq!(desk.take(&by_name), paid(1, MatchedBy::AmountAndParty, 2025));
    // Of two parties with one name only one is owed such an amount.
    let by_name = with(None, Some("cedar hotels"), entry("9000", Debit, 1000, "r2"));
    assert_eq!(desk.take(&by_name), paid(2, MatchedBy::AmountAndParty, 1000));
    let two = || settled(&[("ee", -2000), ("cc", 1000), ("dd", 1000)]);
    let mut desk = Desk::of(two());
    let ambiguous = Unmatched::Ambiguous(vec![id(1, 1), id(2, 1)]);
    assert_eq!(desk.take(&by_name), Became::Unmatched(ambiguous));
    // An account is more than a name.
    let mut desk = Desk::of(two());
    let by_account = with(Some("1004"), Some("cedar hotels"), entry("9000", Debit, 1000, "r3"));
    assert_eq!(desk.take(&by_account), paid(2, MatchedBy::AmountAndParty, 1000));
    // A later attempt takes the place of the one before.
    let mut attempts = instructions();
    attempts.push(again(&attempts[1], 1000, day("2026-11-30")).unwrap());
    let mut desk = Desk::of(attempts);
    let became = desk.take(&with(Some("1003"), None, entry("9000", Debit, 1000, "r4")));
    assert!(matches!(became, Became::Payment { id: found, .. } if found == id(2, 2)), "{became:?}");
}

#[test]
fn what_is_nobodys_says_why() {
    let mut desk = Desk::new();
    let other = |counterparty: &str, entry: BankEntry| BankEntry {
        counterparty_account: Some(counterparty.to_owned()),
        ..entry
    };
    let strange = "01H455VB4PEX5VSKNK084SN02Q-9-1";
    let strange_id = strange.parse().unwrap();
    for (entry, reason) in [
        (named(entry("7", Debit, 2025, "a"), 1), Unmatched::AccountUnknown),
        (named(entry("1003", Credit, 2025, "b"), 1), Unmatched::NotParty(id(1, 1))),
        (named(entry("9000", Credit, 2025, "c"), 1), Unmatched::OtherWay(id(1, 1))),
        (returned(named(entry("9000", Debit, 2025, "d"), 1)), Unmatched::NotBack(id(1, 1))),
        (
            BankEntry { currency: currency("EUR"), ..named(entry("9000", Debit, 2025, "e"), 1) },
            Unmatched::OtherCurrency(id(1, 1)),
        ),
        (
            BankEntry {
                end_to_end_id: Some(strange.to_owned()),
                ..entry("9000", Debit, 2025, "f")
            },
            Unmatched::UnknownId(strange_id),
        ),
        (
            BankEntry {
                reference: Some(format!("{} {}", id(1, 1), id(2, 1))),
                ..entry("9000", Debit, 3025, "g")
            },
            Unmatched::SeveralIds,
        ),
        (returned(entry("9000", Credit, 2025, "h")), Unmatched::ReturnWithoutId),
        (entry("9000", Debit, 2025, "i"), Unmatched::NoCounterparty),
        (other("8", entry("9000", Debit, 2025, "j")), Unmatched::CounterpartyUnknown),
        (other("1002", entry("9000", Debit, 2024, "k")), Unmatched::NoSuchAmount),
        (other("1002", entry("9000", Credit, 2025, "l")), Unmatched::NoSuchAmount),
        (
            BankEntry {
                currency: currency("EUR"),
                ..other("1002", entry("9000", Debit, 2025, "m"))
            },
            Unmatched::NoSuchAmount,
        ),
    ] {
        assert_eq!(desk.take(&entry), Became::Unmatched(reason));
    }
    assert!((1..=3).all(|number| desk.of_number(number) == (PaymentState::Outstanding, 0)));
    let same =
        BTreeMap::from([(party("ee"), account("A", "x1")), (party("bb"), account("B", "X1"))]);
    assert_eq!(
        Matching::new(&same, [], []).unwrap_err(),
        MatchingFault::SameAccount(party("bb"), party("ee"))
    );
    let twice = [instructions().remove(0), instructions().remove(0)].map(Tracked::new);
    assert_eq!(Matching::new(&accounts(), twice, []).unwrap_err(), MatchingFault::Twice(id(1, 1)));
}

#[test]
fn all_attempts_at_a_payment_are_one_payment() {
    let mut attempts = instructions();
    attempts.push(again(&attempts[0], 2025, day("2026-11-30")).unwrap());
    let mut desk = Desk::of(attempts);
    let second =
        BankEntry { end_to_end_id: Some(id(1, 2).to_string()), ..entry("9000", Debit, 2025, "r2") };
    desk.take(&named(entry("9000", Debit, 1000, "r1"), 2));
    desk.take(&named(entry("9000", Credit, 3025, "r0"), 3));
    let first = |desk: &Desk| {
        let mut found = standing(window(), desk.0.instructions()).unwrap();
        (found.payments.remove(0), found.settled)
    };
    let (payment, settled) = first(&desk);
    assert_eq!((payment.state, payment.paid, settled), (PaymentState::Outstanding, 0, false));
    assert_eq!((payment.last, payment.amount), (id(1, 2), 2025));
    desk.take(&second);
    let (payment, settled) = first(&desk);
    assert_eq!((payment.state, payment.excess, settled), (PaymentState::Paid, 0, true));
    // The first comes through after all: that much is to be given back.
    desk.take(&named(entry("9000", Debit, 2025, "r3"), 1));
    let (payment, settled) = first(&desk);
    assert_eq!((payment.paid, payment.excess, settled), (2025, 2025, true));
    desk.take(&BankEntry {
        direction: Credit,
        bank_reference: Some("r4".into()),
        ..returned(second)
    });
    let (payment, settled) = first(&desk);
    assert_eq!((payment.paid, payment.excess, settled), (2025, 0, true));
    // More than asked for by the first, and nothing by the second: told all the same.
    desk.take(&named(entry("9000", Debit, 75, "r5"), 1));
    assert_eq!(first(&desk).0.excess, 75);
}

#[test]
fn what_was_nobodys_is_counted_once_it_is_somebodys() {
    let early = [named(entry("9000", Debit, 2025, "r1"), 1)];
    let before = match_entries(&accounts(), [], [], &early).unwrap();
    let (key, became) = &before.entries[0];
    assert_eq!(*became, Became::Unmatched(Unmatched::UnknownId(id(1, 1))));
    assert!(!became.is_counted());
    let tracked = || instructions().into_iter().map(Tracked::new);
    let twice = [early[0].clone(), early[0].clone()];
    let after = match_entries(&accounts(), tracked(), [], &twice).unwrap();
    assert_eq!(after.tracked[0].state(), PaymentState::Paid);
    let counted: Vec<bool> = after.entries.iter().map(|(_, b)| b.is_counted()).collect();
    assert_eq!(counted, [true, false]);
    // Its key is the same, and once it was counted it is not counted again.
    let again = match_entries(&accounts(), tracked(), [*key], &early).unwrap();
    assert_eq!(again.entries[0].1, Became::Duplicate);
}

#[test]
fn a_window_is_looked_at_whole_or_not_at_all() {
    let nothing: [Tracked; 0] = [];
    assert!(standing(window(), &nothing).unwrap().settled);
    let first = instructions().remove(0);
    let second = again(&first, 25, day("2026-11-30")).unwrap();
    let third = again(&second, 25, day("2026-11-30")).unwrap();
    let refused = |instructions: &[&PaymentInstruction]| {
        let tracked: Vec<Tracked> =
            instructions.iter().map(|i| Tracked::new((*i).clone())).collect();
        standing(window(), &tracked).unwrap_err()
    };
    assert_eq!(refused(&[&second]), StandingFault::AttemptMissing(id(1, 2)));
    assert_eq!(refused(&[&third, &first]), StandingFault::AttemptMissing(id(1, 3)));
    let strange = PaymentInstruction { debtor: party("ee"), ..second };
    assert_eq!(refused(&[&first, &strange]), StandingFault::OtherParties(id(1, 2)));
    let elsewhere = "01h455vb4pex5vsknk084sn02r";
    let window = format!("win_{elsewhere}").parse().unwrap();
    let other = Tracked::new(first);
    assert_eq!(standing(window, [&other]), Err(StandingFault::OtherWindow(id(1, 1))));
}

// ---------------------------------------------------------------- thousands of others

/// An entry that names its instruction, from either end, forth or back.
fn any_named() -> impl Strategy<Value = BankEntry> {
    (1_u32..=3, 1_u64..4000, any::<bool>(), any::<bool>(), any::<bool>(), "[a-f]").prop_map(
        |(number, amount, at_debtor, back, whole, reference)| {
            let (debtor, creditor, all) = match number {
                1 => ("9000", "1002", 2025),
                2 => ("9000", "1003", 1000),
                _ => ("1001", "9000", 3025),
            };
            let account = if at_debtor { debtor } else { creditor };
            let direction = if at_debtor == back { Credit } else { Debit };
            let amount = if whole { all } else { amount };
            // Banks give each movement a reference of its own: never one to two payments.
            let reference = format!("{reference}{number}{back}");
            let entry = named(entry(account, direction, amount, &reference), number);
            if back { returned(entry) } else { entry }
        },
    )
}

/// What tells an entry apart, worked out another way.
fn facts(entry: &BankEntry) -> String {
    format!("{} {} {:?} {:?}", entry.account, entry.amount, entry.direction, entry.bank_reference)
}

fn matched(entries: &[BankEntry]) -> Matched {
    match_entries(&accounts(), instructions().into_iter().map(Tracked::new), [], entries).unwrap()
}

proptest! {
    /// Against a model that keeps a list: for each instruction what each end saw.
    #[test]
    fn sums_are_what_a_model_says(entries in prop::collection::vec(any_named(), 0..40)) {
        let mut ends: BTreeMap<(u32, bool), (u128, u128)> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for entry in &entries {
            if seen.insert(facts(entry)) {
                let id: EndToEndId = entry.end_to_end_id.as_ref().unwrap().parse().unwrap();
                let at_debtor = match id.number() {
                    3 => entry.account == "1001",
                    _ => entry.account == "9000",
                };
                let end = ends.entry((id.number(), at_debtor)).or_default();
                let sum = if entry.return_reason.is_some() { &mut end.1 } else { &mut end.0 };
                *sum += u128::from(entry.amount);
            }
        }
        let mut all = true;
        for tracked in matched(&entries).tracked {
            let number = tracked.instruction.number;
            let end = |at: bool| ends.get(&(number, at)).copied().unwrap_or_default();
            let ((forth, back), (there, gone)) = (end(true), end(false));
            let moved = forth.max(there).saturating_sub(back.max(gone));
            let amount = u128::from(tracked.instruction.amount);
            prop_assert_eq!(u128::from(tracked.paid()), moved.min(amount));
            prop_assert_eq!(tracked.excess(), moved.saturating_sub(amount));
            prop_assert_eq!(tracked.state() == PaymentState::Paid, moved >= amount);
            all &= moved >= amount;
        }
        let found = matched(&entries).tracked;
        prop_assert_eq!(standing(window(), &found).unwrap().settled, all);
    }

    /// One file, many files, and all of them twice, come to the same.
    #[test]
    fn the_same_entries_again_change_nothing(
        entries in prop::collection::vec(any_named(), 0..30),
        cut in 0_usize..30,
    ) {
        let whole = matched(&entries);
        let (first, second) = entries.split_at(cut.min(entries.len()));
        let first = matched(first);
        let keys = first.entries.iter().map(|(key, _)| *key);
        let both = match_entries(&accounts(), first.tracked.clone(), keys, second).unwrap();
        prop_assert_eq!(&both.tracked, &whole.tracked);
        let all = first.entries.iter().chain(&both.entries).cloned().collect::<Vec<_>>();
        prop_assert_eq!(&all, &whole.entries);
        let keys = whole.entries.iter().map(|(key, _)| *key);
        let again = match_entries(&accounts(), whole.tracked.clone(), keys, &entries).unwrap();
        prop_assert_eq!(&again.tracked, &whole.tracked);
        prop_assert!(again.entries.iter().all(|(_, became)| *became == Became::Duplicate));
    }

    /// What each adds and takes away adds up to what is paid, in whatever order they come.
    #[test]
    fn the_order_of_entries_changes_no_sum(
        (entries, shuffled) in prop::collection::vec(any_named(), 0..30)
            .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
    ) {
        let (one, other) = (matched(&entries), matched(&shuffled));
        prop_assert_eq!(&one.tracked, &other.tracked);
        for matched in [one, other] {
            let mut sum = 0_i128;
            for (_, became) in &matched.entries {
                match became {
                    Became::Payment { counted, .. } => sum += i128::from(*counted),
                    Became::Returned { taken_back, .. } => sum -= i128::from(*taken_back),
                    Became::Duplicate => {}
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let paid: i128 = matched.tracked.iter().map(|t| i128::from(t.paid())).sum();
            prop_assert_eq!(sum, paid);
        }
    }
}
