//! What a surcharge does to a flow: a rule that is declared, so that everybody can say what follows
//! from it. It is a toy of demand, not a forecast: real members hesitate, remember and compare.

use alliance_contracts::decimal::{Decimal, MICROS};

/// How members answer a surcharge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Per cent of a flow that stays away for each per cent of surcharge; no flow is less than
    /// nothing. 0: whatever the surcharge, flows are what they are.
    pub elasticity: Decimal,
    /// Which part of what stays away goes the other way instead; at most 1.
    pub turning: Decimal,
}

impl Default for Demand {
    /// A fifth stays away for each per cent, a quarter of which goes the other way.
    fn default() -> Self {
        let of = |micros: i64| Decimal::from_micros(micros).unwrap_or_default();
        Self { elasticity: of(20 * MICROS), turning: of(MICROS / 4) }
    }
}

/// What becomes of a flow, in the unit of the flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Goes as it wanted to.
    pub stays: i128,
    /// Does not: `wanted − stays`.
    pub kept_away: i128,
    /// The part of that which goes the other way.
    pub turns: i128,
}

impl Demand {
    /// What becomes of a flow at a surcharge: `kept_away = wanted × min(1, elasticity × surcharge)`
    /// and `turns = kept_away × turning`, each rounded down to 10⁻⁶.
    ///
    /// ```
    /// use alliance_settlement::rates::simulate::demand::Demand;
    /// let answer = Demand::default().answer(1_000, "0.01".parse()?);
    /// assert_eq!((answer.stays, answer.kept_away, answer.turns), (800, 200, 50));
    /// assert_eq!(Demand::default().answer(1_000, "0.05".parse()?).stays, 0);
    /// # Ok::<(), alliance_contracts::decimal::DecimalError>(())
    /// ```
    #[must_use]
    pub fn answer(&self, wanted: i128, surcharge: Decimal) -> Answer {
        let (elasticity, surcharge) =
            (i128::from(self.elasticity.micros()), i128::from(surcharge.micros()));
        let away = (elasticity * surcharge / i128::from(MICROS)).min(MICROS.into());
        let kept_away = share(wanted, away);
        let turning = i128::from(self.turning.micros()).min(MICROS.into());
        Answer { stays: wanted - kept_away, kept_away, turns: share(kept_away, turning) }
    }
}

/// So many 10⁻⁶ of a sum, rounded down; in two parts, so that no sum is too large.
fn share(sum: i128, micros: i128) -> i128 {
    let whole = i128::from(MICROS);
    sum / whole * micros + sum % whole * micros / whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_flow_becomes_less_than_nothing_and_nothing_is_made(
            wanted in 0..10_i128.pow(20), elasticity in 0..i64::MAX, turning in 0..=MICROS,
            surcharge in 0..MICROS,
        ) {
            let of = |micros| Decimal::from_micros(micros).unwrap();
            let demand = Demand { elasticity: of(elasticity), turning: of(turning) };
            let Answer { stays, kept_away, turns } = demand.answer(wanted, of(surcharge));
            prop_assert!(stays >= 0 && turns >= 0 && turns <= kept_away);
            prop_assert_eq!(stays + kept_away, wanted);
            prop_assert!(demand.answer(wanted, of(surcharge / 2)).stays >= stays);
        }
    }

    #[test]
    fn without_elasticity_a_flow_is_what_it_is() {
        let still = Demand { elasticity: Decimal::ZERO, ..Demand::default() };
        let answer = still.answer(5, Decimal::ONE);
        assert_eq!(answer, Answer { stays: 5, kept_away: 0, turns: 0 });
    }
}
