//! What banks are told.

use alliance_contracts::date::Date;
use alliance_contracts::total::Total;
use proptest::prelude::*;

use super::{currency, partner, party, window};
use crate::payments::instructions::{
    EndToEndId, InstructionFault, MAX_NUMBER, PaymentInstruction, again, by_debtor, control,
    instruct, message_id,
};
use crate::payments::rounding::{Payment, Position, Settlement, through_alliance};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub(super) fn settled(activities: &[(&str, i128)]) -> Vec<PaymentInstruction> {
    let position = |(name, minor): &(&str, i128)| Position {
        partner: partner(name),
        opening: Total::ZERO,
        activity: Total::from_micros(minor * 10_000),
    };
    let positions: Vec<Position> = activities.iter().map(position).collect();
    let settlement = through_alliance(&currency("CNY"), &positions).unwrap();
    instruct(&settlement, window(), day("2026-11-27")).unwrap()
}

#[test]
fn payments_are_numbered_in_the_order_of_their_parties() {
    let instructions = settled(&[("ee", -3050), ("bb", 2025), ("cc", 1000), ("dd", 0)]);
    let line = |i: &PaymentInstruction| {
        format!("{} {} {} {} {}", i.number, i.debtor, i.creditor, i.amount, i.end_to_end_id)
    };
    assert_eq!(
        instructions.iter().map(line).collect::<Vec<_>>(),
        [
            "1 alliance bb 2025 01H455VB4PEX5VSKNK084SN02Q-1-1",
            "2 alliance cc 1000 01H455VB4PEX5VSKNK084SN02Q-2-1",
            "3 ee alliance 3050 01H455VB4PEX5VSKNK084SN02Q-3-1",
        ]
    );
    assert_eq!(instructions, settled(&[("cc", 1000), ("ee", -3050), ("bb", 2025), ("dd", 0)]));
    let debtors = by_debtor(&instructions);
    assert_eq!(debtors.keys().map(|p| p.as_str()).collect::<Vec<_>>(), ["alliance", "ee"]);
    assert_eq!(control(&debtors[&party("alliance")]), (2, 3025));
    assert_eq!(message_id(&instructions[2], 'M'), "01H455VB4PEX5VSKNK084SN02Q-M3-1");
    let json = serde_json::to_string(&instructions[0]).unwrap();
    assert_eq!(serde_json::from_str::<PaymentInstruction>(&json).unwrap(), instructions[0]);
}

#[test]
fn another_attempt_has_another_id_and_asks_for_what_is_left() {
    let first = settled(&[("ee", -3050)]).remove(0);
    let second = again(&first, 50, day("2026-11-30")).unwrap();
    assert_eq!(second.end_to_end_id.to_string(), "01H455VB4PEX5VSKNK084SN02Q-1-2");
    assert_eq!((second.amount, second.number, second.attempt), (50, 1, 2));
    assert_eq!(second.value_date, day("2026-11-30"));
    for left in [0, 3051] {
        assert_eq!(again(&first, left, day("2026-11-30")), Err(InstructionFault::NotLeft));
    }
    let ninth = (1..9).fold(first, |last, _| again(&last, 50, day("2026-11-30")).unwrap());
    assert_eq!(again(&ninth, 50, day("2026-11-30")), Err(InstructionFault::TooOften));
}

#[test]
fn a_window_numbers_so_many_and_no_more() {
    let payment = Payment { debtor: party("ee"), creditor: party("bb"), minor: 1 };
    let most = usize::try_from(MAX_NUMBER).unwrap();
    let mut settlement = Settlement {
        currency: currency("CNY"),
        lines: Vec::new(),
        payments: vec![payment.clone(); most],
        carried: Vec::new(),
    };
    let instructions = instruct(&settlement, window(), day("2026-11-27")).unwrap();
    let last = &instructions[most - 1];
    assert!(last.end_to_end_id.to_string().len() <= 35 && message_id(last, 'M').len() <= 35);
    settlement.payments.push(payment);
    let refused = instruct(&settlement, window(), day("2026-11-27"));
    assert_eq!(refused, Err(InstructionFault::TooMany));
}

proptest! {
    #[test]
    fn an_id_has_one_spelling(text in "01H455VB4PEX5VSKNK084SN02Q-[0-9]{1,6}-[0-9]{1,2}") {
        if let Ok(id) = text.parse::<EndToEndId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
