//! The directed surcharge: whoever makes a lopsided flow worse pays more, and nobody gets a bonus.
//!
//! Flows between two programs are kept per direction and decay with every publication. What one
//! direction has more than the other is the imbalance; beyond a deadband it raises the fee of the
//! direction that adds to it, in proportion and up to a limit. The other direction pays the plain
//! fee: a bonus would be a way to gain by turning the flow round.
//!
//! Deliberately absent: a clock (the caller says how many publications have passed), a negative
//! surcharge, a memory longer than the two sums.

use alliance_contracts::decimal::{Decimal, MICROS};
use serde::{Deserialize, Serialize};

/// How a surcharge follows from an imbalance. Money is in the settlement currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurchargeModel {
    /// An imbalance up to this costs nothing.
    pub deadband: Decimal,
    /// How much imbalance beyond the deadband costs one `slope`; above zero.
    pub depth: Decimal,
    /// The most that a surcharge comes to; below one.
    pub max: Decimal,
    /// What is left of a flow at the next publication; below one.
    pub retention: Decimal,
    /// The surcharge at an imbalance of `depth` beyond the deadband.
    pub slope: Decimal,
}

impl Default for SurchargeModel {
    /// 1 % for every 100,000 beyond 10,000, at most 5 %; a flow is halved in 23 publications.
    fn default() -> Self {
        let whole = |units: i64| Decimal::from_micros(units * MICROS).unwrap_or_default();
        let millionths = |micros: i64| Decimal::from_micros(micros).unwrap_or_default();
        Self {
            deadband: whole(10_000),
            depth: whole(100_000),
            max: millionths(50_000),
            retention: millionths(970_000),
            slope: millionths(10_000),
        }
    }
}

impl SurchargeModel {
    /// Every fault of the model, each with what to do.
    ///
    /// ```
    /// use alliance_settlement::rates::surcharge::SurchargeModel;
    /// assert!(SurchargeModel::default().check().is_empty());
    /// let wrong = SurchargeModel {
    ///     depth: "0".parse()?,
    ///     retention: "1".parse()?,
    ///     ..SurchargeModel::default()
    /// };
    /// assert_eq!(wrong.check(), [
    ///     "surcharge.depth must be above 0: the imbalance that costs one slope",
    ///     "surcharge.retention must be below 1: a flow that never decays is charged for ever",
    /// ]);
    /// # Ok::<(), alliance_contracts::decimal::DecimalError>(())
    /// ```
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, text: &str| {
            if wrong {
                faults.push(format!("surcharge.{text}"));
            }
        };
        let money = alliance_contracts::limits::amount_in_range;
        fault(!money(self.deadband), "deadband must be at most 1000000000000");
        fault(self.depth.is_zero(), "depth must be above 0: the imbalance that costs one slope");
        fault(!money(self.depth), "depth must be at most 1000000000000");
        fault(self.max >= Decimal::ONE, "max must be below 1: an order must leave something");
        let keeps = "retention must be below 1: a flow that never decays is charged for ever";
        fault(self.retention >= Decimal::ONE, keeps);
        fault(self.slope > Decimal::ONE, "slope must be at most 1");
        faults
    }

    /// What is left of a flow at the next publication.
    #[must_use]
    pub fn decayed(&self, flow: Flow) -> Flow {
        let micros = |rate: Decimal| u32::try_from(rate.micros()).unwrap_or(u32::MAX);
        decay(flow, micros(self.retention), micros(Decimal::ONE))
    }
}

/// What has gone from one program to another, in 10⁻⁶ of the settlement currency, older amounts
/// counting less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Never below zero: a reversal takes back at most what is left.
    decayed: i128,
}

impl Flow {
    /// A flow of so many 10⁻⁶; nothing where that is below zero.
    #[must_use]
    pub fn from_micros(micros: i128) -> Self {
        Self { decayed: micros.max(0) }
    }

    /// In 10⁻⁶.
    #[must_use]
    pub fn micros(self) -> i128 {
        self.decayed
    }

    /// With the gross of one more order; negative for a reversal. Stays in range.
    #[must_use]
    pub fn plus(self, micros: i64) -> Self {
        Self::from_micros(self.decayed.saturating_add(micros.into()))
    }
}

/// What is left of a flow after one publication: `numerator / denominator` of it, rounded down, so
/// that it ends at nothing. A fraction above one counts as one, a denominator of zero as nothing.
///
/// ```
/// use alliance_settlement::rates::surcharge::{Flow, decay};
/// assert_eq!(decay(Flow::from_micros(1_000_001), 9, 10).micros(), 900_000);
/// assert_eq!(decay(Flow::from_micros(1), 9, 10), Flow::default());
/// ```
#[must_use]
pub fn decay(flow: Flow, numerator: u32, denominator: u32) -> Flow {
    if denominator == 0 {
        return Flow::default();
    }
    let (part, whole) = (i128::from(numerator.min(denominator)), i128::from(denominator));
    // In two parts, so that no flow is too large: q·w + r, with r < w, times part / w.
    let (quotient, rest) = (flow.decayed / whole, flow.decayed % whole);
    Flow { decayed: quotient * part + rest * part / whole }
}

/// The surcharge of orders that go as `forward` did, where `back` is the other direction's flow:
/// `min(max, slope × max(0, forward − back − deadband) / depth)`, rounded up to 10⁻⁶ as all
/// roundings go against the party.
///
/// ```
/// use alliance_settlement::rates::surcharge::{Flow, SurchargeModel, surcharge};
/// let model = SurchargeModel::default();
/// let (much, little) = (Flow::from_micros(180_000_000_000), Flow::from_micros(20_000_000_000));
/// assert_eq!(surcharge(much, little, &model).to_string(), "0.015"); // 1 % × (160 − 10) / 100
/// assert_eq!(surcharge(little, much, &model).to_string(), "0");
/// ```
#[must_use]
pub fn surcharge(forward: Flow, back: Flow, model: &SurchargeModel) -> Decimal {
    let imbalance = forward.decayed - back.decayed;
    let beyond = imbalance.saturating_sub(model.deadband.micros().into());
    if beyond <= 0 {
        return Decimal::ZERO;
    }
    let depth = i128::from(model.depth.micros().max(1));
    // Too much to multiply is far past any limit.
    let charge = beyond
        .checked_mul(model.slope.micros().into())
        .map_or(i128::MAX, |product| product / depth + i128::from(product % depth != 0));
    let charge = i64::try_from(charge).ok().and_then(Decimal::from_micros);
    charge.unwrap_or(Decimal::BEYOND).min(model.max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(micros: i64) -> Decimal {
        Decimal::from_micros(micros).unwrap()
    }

    fn model() -> impl Strategy<Value = SurchargeModel> {
        let money = || prop_oneof![Just(0), 0..1_000_i64, 0..1_000_000_000_000_i64];
        let rate = || prop_oneof![Just(0), 0..999_999_i64];
        (money(), money(), rate(), rate(), rate()).prop_map(
            |(deadband, depth, max, retention, slope)| SurchargeModel {
                deadband: micros(deadband),
                depth: micros(depth.max(1)),
                max: micros(max),
                retention: micros(retention),
                slope: micros(slope),
            },
        )
    }

    fn flow() -> impl Strategy<Value = Flow> {
        prop_oneof![
            0..10_000_i128,
            0..10_000_000_000_000_i128,
            0..10_i128.pow(24),
            Just(i128::MAX),
            -5..1_i128,
        ]
        .prop_map(Flow::from_micros)
    }

    proptest! {
        #[test]
        fn only_the_direction_that_makes_it_worse_pays_and_never_over_the_limit(
            (one, other, model) in (flow(), flow(), model()),
        ) {
            prop_assert!(model.check().is_empty());
            let (there, back) = (surcharge(one, other, &model), surcharge(other, one, &model));
            prop_assert!(there.is_zero() || back.is_zero());
            prop_assert!(there <= model.max && back <= model.max);
            prop_assert!(there.is_zero() || one > other);
            prop_assert!(back.is_zero() || other > one);
        }

        #[test]
        fn more_imbalance_never_costs_less(
            (one, other, model, more) in (flow(), flow(), model(), 0..i64::MAX),
        ) {
            let before = surcharge(one, other, &model);
            prop_assert!(surcharge(one.plus(more), other, &model) >= before);
            prop_assert!(surcharge(one, other.plus(more), &model) <= before);
        }

        #[test]
        fn a_flow_that_comes_back_leaves_nothing_to_pay((one, model) in (flow(), model())) {
            prop_assert_eq!(surcharge(one, one, &model), Decimal::ZERO);
            let kept = one.plus(-1);
            prop_assert!(kept.micros() >= 0 && kept <= one);
        }

        #[test]
        fn time_takes_every_flow_and_its_surcharge_to_nothing(
            (one, model) in (flow(), model()), retention in 0..990_000_u32,
        ) {
            let retained = SurchargeModel { retention: micros(retention.into()), ..model };
            prop_assert_eq!(retained.decayed(one), decay(one, retention, 1_000_000));
            let mut left = one;
            let mut publications = 0;
            while left.micros() > 0 {
                let next = decay(left, retention, 1_000_000);
                let charge = |flow| surcharge(flow, Flow::default(), &model);
                prop_assert!(next < left && charge(next) <= charge(left));
                left = next;
                publications += 1;
            }
            // ln(2^127) / −ln(0.99), and the last hundred that rounding takes one by one.
            prop_assert!(publications < 8_760 + 100);
        }

        #[test]
        fn what_is_left_is_the_exact_part_rounded_down(
            flow in 0..1_000_000_000_000_000_000_i128, part in 0..=1_000_000_u32,
        ) {
            let left = decay(Flow::from_micros(flow), part, 1_000_000).micros();
            prop_assert_eq!(left, flow * i128::from(part) / 1_000_000);
        }

        #[test]
        fn the_charge_is_the_exact_one_rounded_up_to_a_millionth(
            (one, other) in (0..1_000_000_000_000_i128, 0..1_000_000_000_i128),
            (model, depth) in (model(), 1_000_000_000..1_000_000_000_000_i64),
        ) {
            // Deep enough that the limit does not decide nearly always.
            let model = SurchargeModel { depth: micros(depth), ..model };
            let charge = surcharge(Flow::from_micros(one), Flow::from_micros(other), &model);
            let number = |decimal: Decimal| i128::from(decimal.micros());
            let (depth, slope) = (number(model.depth), number(model.slope));
            let beyond = (one - other - number(model.deadband)).max(0);
            if charge < model.max {
                prop_assert!(number(charge) * depth >= beyond * slope);
                prop_assert!((number(charge) - 1) * depth < beyond * slope);
            } else {
                prop_assert!(beyond * slope > (number(model.max) - 1) * depth);
            }
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let model = SurchargeModel {
            deadband: Decimal::BEYOND,
            depth: Decimal::ZERO,
            max: Decimal::ONE,
            retention: Decimal::ONE,
            slope: micros(1_000_001),
        };
        assert_eq!(model.check().len(), 5);
        let far = SurchargeModel { depth: Decimal::BEYOND, ..SurchargeModel::default() };
        assert_eq!(far.check(), ["surcharge.depth must be at most 1000000000000"]);
    }

    #[test]
    fn a_table_may_leave_out_what_stays_as_it_is() {
        let read = |text: &str| serde_json::from_str::<SurchargeModel>(text);
        assert_eq!(read("{}").unwrap(), SurchargeModel::default());
        let own = read(r#"{"slope":"0.02"}"#).unwrap();
        assert_eq!(own, SurchargeModel { slope: micros(20_000), ..SurchargeModel::default() });
        assert!(read(r#"{"bonus":"0.02"}"#).is_err());
    }
}
