//! The auditor's arithmetic against the product's, over terms that no agreement of the cast has:
//! every bearer of the fee, every multiplier, amounts up to the limits and past them.

use alliance_contracts::arithmetic::{
    Amounts, ArithmeticError, Terms, exchange_by_source, exchange_by_target,
};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::quote::FeeBearer;

use crate::auditor::arithmetic::{Bears, NoOrder, Question, Sums, by_source, by_target};
use crate::dice::Dice;

const QUESTIONS: usize = 200_000;
const MICROS: i64 = 1_000_000;

/// Of every magnitude as often.
fn drawn(dice: &mut Dice, most: i64) -> i64 {
    let mut bound = most;
    while bound > 9 && dice.per_mille(800) {
        bound /= 10;
    }
    dice.between(1, bound)
}

fn asked(dice: &mut Dice) -> (Question, Terms) {
    let (bears, fee_bearer) = *dice.pick(&[
        (Bears::Member, FeeBearer::Member),
        (Bears::Giver, FeeBearer::SourcePartner),
        (Bears::Taker, FeeBearer::TargetPartner),
    ]);
    let multiplier = if dice.per_mille(300) { MICROS } else { drawn(dice, 10 * MICROS) };
    let question = Question {
        source_scale: u32::try_from(dice.below(3)).unwrap(),
        target_scale: u32::try_from(dice.below(3)).unwrap(),
        source_value: drawn(dice, MICROS * MICROS),
        target_value: drawn(dice, MICROS * MICROS),
        multiplier,
        fee: if dice.per_mille(200) { 0 } else { drawn(dice, MICROS - 1) },
        bears,
    };
    let decimal = |micros| Decimal::from_micros(micros).unwrap();
    let terms = Terms {
        source_scale: question.source_scale,
        source_value: decimal(question.source_value),
        target_scale: question.target_scale,
        target_value: decimal(question.target_value),
        multiplier: decimal(question.multiplier),
        fee: decimal(question.fee),
        fee_bearer,
    };
    (question, terms)
}

fn same(ours: Result<Amounts, ArithmeticError>, theirs: Result<Sums, NoOrder>) -> bool {
    match (ours, theirs) {
        (Ok(a), Ok(sums)) => {
            let of = |amount: i64| i128::from(amount);
            let told = Sums {
                source: of(a.source),
                target: of(a.target),
                gross: of(a.gross),
                fee: of(a.fee),
                net: of(a.net),
                remainder: of(a.remainder),
            };
            told == sums && sums.remainder >= 0
        }
        (Err(ArithmeticError::TooSmall), Err(NoOrder::TooSmall))
        | (Err(ArithmeticError::OutOfRange), Err(NoOrder::OutOfRange)) => true,
        _ => false,
    }
}

#[test]
fn the_auditor_and_the_product_work_out_the_same_terms() {
    let mut dice = Dice::new(18);
    let (mut orders, mut small, mut beyond) = (0, 0, 0);
    for _ in 0..QUESTIONS {
        let (question, terms) = asked(&mut dice);
        let amount = drawn(&mut dice, 101_000_000_000_000);
        let given = exchange_by_source(&terms, amount);
        assert!(same(given, by_source(question, amount)), "{amount} given: {terms:?}: {given:?}");
        let taken = exchange_by_target(&terms, amount);
        assert!(same(taken, by_target(question, amount)), "{amount} asked: {terms:?}: {taken:?}");
        for result in [given, taken] {
            match result {
                Ok(_) => orders += 1,
                Err(ArithmeticError::TooSmall) => small += 1,
                Err(ArithmeticError::OutOfRange) => beyond += 1,
            }
        }
    }
    assert!(orders > QUESTIONS / 2 && small > 1_000 && beyond > 1_000, "{orders} {small} {beyond}");
}
