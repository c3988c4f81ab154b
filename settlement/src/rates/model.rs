//! The value model of one program: what was agreed on about its value.

use std::borrow::Cow;

use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::limits;
use alliance_contracts::valuation::{Band, InputKind};
use serde::{Deserialize, Serialize};

use crate::alliance::ProgramDefinition;

/// Two hundredths: the longest movement from one board to the next.
const DEFAULT_MAX_STEP: i64 = 20_000;
/// Three tenths of the way to the target at once.
const DEFAULT_SMOOTHING: i64 = 300_000;
/// A fifth: what the newest redemption counts in the mean.
const DEFAULT_REDEMPTION_WEIGHT: i64 = 200_000;
const DEFAULT_STALE_AFTER_SECONDS: i64 = 7 * 24 * 60 * 60;
const DEFAULT_ABSURD_FACTOR: u32 = 10;
const YEAR_SECONDS: i64 = 366 * 24 * 60 * 60;
/// A jump by a factor of a thousand is absurd whatever is configured (threat T25).
const MAX_ABSURD_FACTOR: u32 = 100;

/// How much each input counts. One that is not named has no weight; where no weights are named at
/// all, the base counts alone. They need not come to one: only their ratios matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The agreed value.
    #[serde(default)]
    pub base: Decimal,
    /// What points really bought.
    #[serde(default)]
    pub redemption: Decimal,
    /// What is held against each point that will be redeemed.
    #[serde(default)]
    pub backing: Decimal,
    /// What a point costs.
    #[serde(default)]
    pub cost: Decimal,
}

impl Default for Weights {
    fn default() -> Self {
        let none = Decimal::ZERO;
        Self { base: Decimal::ONE, redemption: none, backing: none, cost: none }
    }
}

impl Weights {
    /// Each weight with what it weighs, in the order in which a board lists inputs.
    #[must_use]
    pub const fn each(&self) -> [(InputKind, Decimal); 4] {
        [
            (InputKind::Base, self.base),
            (InputKind::Redemption, self.redemption),
            (InputKind::Backing, self.backing),
            (InputKind::Cost, self.cost),
        ]
    }
}

/// The value model of one program, as the definition has it.
///
/// ```
/// use alliance_settlement::rates::model::ValueModel;
/// let model: ValueModel = serde_json::from_str(
///     r#"{"band":{"min":"0.04","max":"0.06"},"weights":{"base":"0.5","redemption":"0.5"}}"#,
/// )?;
/// assert_eq!(model.max_step.to_string(), "0.02");
/// assert!(model.check("0.05".parse()?).is_empty());
/// let faults = model.check("0.07".parse()?);
/// assert_eq!(
///     faults,
///     ["the value 0.07 is outside the band 0.04 to 0.06: change one or the other"]
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueModel {
    /// Least and greatest value, settlement currency per point.
    pub band: Band,
    /// The longest movement from one board to the next, as a part of the value; below 1.
    #[serde(default = "max_step")]
    pub max_step: Decimal,
    /// Which part of the way to the target is gone at once; at most 1.
    #[serde(default = "smoothing")]
    pub smoothing: Decimal,
    /// How much each input counts.
    #[serde(default)]
    pub weights: Weights,
    /// What the newest redemption counts in the exponentially weighted mean; at most 1.
    #[serde(default = "redemption_weight")]
    pub redemption_weight: Decimal,
    /// How old an observation may be before it is called stale, in seconds.
    #[serde(default = "stale_after")]
    pub stale_after_seconds: i64,
    /// Whatever is more than this many times beyond the band, or jumps by more, is not believed.
    #[serde(default = "absurd_factor")]
    pub absurd_factor: u32,
}

const fn of_micros(micros: i64) -> Decimal {
    match Decimal::from_micros(micros) {
        Some(decimal) => decimal,
        None => Decimal::ZERO,
    }
}

const fn max_step() -> Decimal {
    of_micros(DEFAULT_MAX_STEP)
}

const fn smoothing() -> Decimal {
    of_micros(DEFAULT_SMOOTHING)
}

const fn redemption_weight() -> Decimal {
    of_micros(DEFAULT_REDEMPTION_WEIGHT)
}

const fn stale_after() -> i64 {
    DEFAULT_STALE_AFTER_SECONDS
}

const fn absurd_factor() -> u32 {
    DEFAULT_ABSURD_FACTOR
}

impl ValueModel {
    /// A program's model: its own, or what holds for those that declare none.
    #[must_use]
    pub fn of(program: &ProgramDefinition) -> Cow<'_, Self> {
        match &program.model {
            Some(model) => Cow::Borrowed(model),
            None => Cow::Owned(Self::default_for(program.value)),
        }
    }

    /// The model of a program that declares none: its value alone, from half of it to double.
    ///
    /// A value below 0.0001 has a default step of less than a millionth, so it stays as it is until
    /// its program declares a model with a longer step.
    #[must_use]
    pub fn default_for(value: Decimal) -> Self {
        let double = value.micros().saturating_mul(2).min(limits::MAX_VALUE_MICROS);
        Self {
            band: Band { max: of_micros(double), min: of_micros((value.micros() / 2).max(1)) },
            max_step: max_step(),
            smoothing: smoothing(),
            weights: Weights::default(),
            redemption_weight: redemption_weight(),
            stale_after_seconds: stale_after(),
            absurd_factor: absurd_factor(),
        }
    }

    /// Every fault of the model of a program whose agreed value is `base`; none: it is good. Each
    /// says what would be right.
    #[must_use]
    pub fn check(&self, base: Decimal) -> Vec<String> {
        let mut faults = Vec::new();
        self.check_band(base, &mut faults);
        self.check_weights(&mut faults);
        self.check_movement(&mut faults);
        self.check_belief(&mut faults);
        faults
    }

    fn check_band(&self, base: Decimal, faults: &mut Vec<String>) {
        let Band { max, min } = self.band;
        for (name, end) in [("min", min), ("max", max)] {
            if !limits::value_in_range(end) {
                faults.push(format!("band.{name} {end} must be above 0 and at most 1000000"));
            }
        }
        if min > max {
            faults.push(format!("the band is empty: min {min} must be at most max {max}"));
        } else if !self.band.contains(base) {
            faults.push(format!(
                "the value {base} is outside the band {min} to {max}: change one or the other"
            ));
        }
    }

    fn check_weights(&self, faults: &mut Vec<String>) {
        let each = self.weights.each();
        for (input, weight) in each.into_iter().filter(|(_, weight)| *weight > Decimal::ONE) {
            faults.push(format!("weights.{} {weight} must be 0 to 1", input.as_str()));
        }
        if each.iter().all(|(_, weight)| weight.is_zero()) {
            faults.push("all weights are 0: give at least one, such as base = \"1\"".to_owned());
        }
    }

    fn check_movement(&self, faults: &mut Vec<String>) {
        let step = self.max_step;
        if step.is_zero() || step >= Decimal::ONE {
            faults.push(format!("max_step {step} must be above 0 and below 1, such as \"0.02\""));
        } else if limits::value_in_range(self.band.min) && !self.can_move() {
            let min = self.band.min;
            let enough = of_micros((MICROS + min.micros() - 1) / min.micros());
            let advice = if enough < Decimal::ONE {
                format!("raise max_step to {enough}, or band.min")
            } else {
                "raise band.min".to_owned()
            };
            faults.push(format!(
                "max_step {step} of band.min {min} is less than 0.000001, so the value could never \
                 move from there: {advice}"
            ));
        }
        if self.smoothing.is_zero() || self.smoothing > Decimal::ONE {
            faults.push(format!("smoothing {} must be above 0 and at most 1", self.smoothing));
        }
    }

    /// Whether a step from the lower end of the band is a millionth at least.
    fn can_move(&self) -> bool {
        let step = i128::from(self.band.min.micros()) * i128::from(self.max_step.micros());
        step >= MICROS.into()
    }

    fn check_belief(&self, faults: &mut Vec<String>) {
        let weight = self.redemption_weight;
        if weight.is_zero() || weight > Decimal::ONE {
            faults.push(format!("redemption_weight {weight} must be above 0 and at most 1"));
        }
        if !(1..=YEAR_SECONDS).contains(&self.stale_after_seconds) {
            faults.push(format!(
                "stale_after_seconds {} must be 1 to {YEAR_SECONDS}, a year",
                self.stale_after_seconds
            ));
        }
        if !(2..=MAX_ABSURD_FACTOR).contains(&self.absurd_factor) {
            faults.push(format!(
                "absurd_factor {} must be 2 to {MAX_ABSURD_FACTOR}",
                self.absurd_factor
            ));
        }
    }
}

#[cfg(test)]
mod tests;
