//! The one formula of a value, and its only three roundings: the mean down, the smoothed movement
//! up, the halved movement down.

use super::{Band, Input, InputKind, Limit};
use crate::decimal::{Decimal, MICROS};
use crate::limits;

const MICRO: i128 = MICROS as i128;

/// What a value is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis<'a> {
    /// The band that was agreed on.
    pub band: Band,
    /// How often the movement is halved, up to [`limits::NO_MOVEMENT`].
    pub halvings: u32,
    /// What the value is made of; no kind twice.
    pub inputs: &'a [Input],
    /// The longest movement, as a part of the previous value; above 0, below 1.
    pub max_step: Decimal,
    /// The value on the board before; none on a program's first.
    pub previous: Option<Decimal>,
    /// Which part of the way to the target is gone at once; above 0, at most 1.
    pub smoothing: Decimal,
}

/// A value, worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valued {
    /// The weighted mean of the inputs, held in the band.
    pub target: Decimal,
    /// The value: settlement currency per point.
    pub value: Decimal,
    /// What cut it, in the order of the steps.
    pub limited_by: Vec<Limit>,
}

/// A value with every step that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The weighted mean of the inputs, rounded down.
    pub mean: Decimal,
    /// What the weights come to.
    pub weights: Decimal,
    /// The mean, held in the band.
    pub target: Decimal,
    /// How it moved; none on a program's first board.
    pub moved: Option<Moved>,
    /// The value: settlement currency per point.
    pub value: Decimal,
}

/// How far a value moved from the one before towards its target, step by step; magnitudes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The smoothed part of the way, rounded up.
    pub wanted: Decimal,
    /// The longest movement there may be, rounded down.
    pub longest: Decimal,
    /// The smaller of the two.
    pub step: Decimal,
    /// The step, halved so often, rounded down.
    pub movement: Decimal,
}

/// Why nothing can be computed. The first reason, in the order in which a basis is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuationError {
    /// Not 0 < min ≤ max ≤ 10⁶.
    #[error("the band {min} to {max} is empty or out of range: 0 < min <= max <= 1000000")]
    Band {
        /// Its lower end.
        min: Decimal,
        /// Its upper end.
        max: Decimal,
    },
    /// Not 0 < smoothing ≤ 1.
    #[error("smoothing {0} must be above 0 and at most 1")]
    Smoothing(Decimal),
    /// Not 0 < `max_step` < 1.
    #[error("max_step {0} must be above 0 and below 1")]
    MaxStep(Decimal),
    /// More than can be.
    #[error("{0} halvings: there are at most {max}", max = limits::NO_MOVEMENT)]
    Halvings(u32),
    /// Not 0 < previous ≤ 10⁶.
    #[error("the previous value {0} must be above 0 and at most 1000000")]
    Previous(Decimal),
    /// An input twice.
    #[error("the input {} stands there twice", .0.as_str())]
    Twice(InputKind),
    /// A weight over one.
    #[error("the weight {weight} of {} must be at most 1", .input.as_str())]
    Weight {
        /// The input.
        input: InputKind,
        /// Its weight.
        weight: Decimal,
    },
    /// Not 0 < value ≤ 10⁶.
    #[error("the value {value} of {} must be above 0 and at most 1000000", .input.as_str())]
    Value {
        /// The input.
        input: InputKind,
        /// Its value.
        value: Decimal,
    },
    /// An approved value replaces all others; here others weigh beside it.
    #[error("an approved value stands alone: {} weighs beside it", .0.as_str())]
    NotAlone(InputKind),
    /// No inputs, or none that weighs anything.
    #[error("no input has a weight: give at least one a weight above 0")]
    NoWeight,
}

/// Computes a program's value (docs/value-model.md).
///
/// The value is above zero. It is in the band whenever the previous one was; where it was not, for
/// the band was changed, it moves towards it and never past the target.
///
/// # Errors
/// [`ValuationError`].
///
/// ```
/// use alliance_contracts::valuation::{
///     Band, Basis, Input, InputKind, InputStatus, Limit, valuate,
/// };
/// let base = Input {
///     as_of: None,
///     input: InputKind::Base,
///     status: InputStatus::Declared,
///     value: "0.06".parse()?,
///     weight: "1".parse()?,
/// };
/// let valued = valuate(&Basis {
///     band: Band { max: "0.1".parse()?, min: "0.025".parse()? },
///     halvings: 0,
///     inputs: &[base],
///     max_step: "0.02".parse()?,
///     previous: Some("0.05".parse()?),
///     smoothing: "0.3".parse()?,
/// })?;
/// // Three tenths of the way were 0.003; a step from 0.05 is at most 0.001.
/// assert_eq!(valued.value.to_string(), "0.051");
/// assert_eq!(valued.target.to_string(), "0.06");
/// assert_eq!(valued.limited_by, [Limit::Step]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn valuate(basis: &Basis<'_>) -> Result<Valued, ValuationError> {
    let Steps { mean, target, moved, value, .. } = steps(basis)?;
    let limits = [
        (Limit::Band, target != mean),
        (Limit::Step, moved.is_some_and(|moved| moved.step < moved.wanted)),
        (Limit::Overlap, moved.is_some_and(|moved| moved.movement < moved.step)),
    ];
    let limited_by = limits.into_iter().filter(|(_, cut)| *cut).map(|(limit, _)| limit).collect();
    Ok(Valued { target, value, limited_by })
}

/// The same, with every step: for whoever wants to see how a value came about.
///
/// # Errors
/// [`ValuationError`].
pub fn steps(basis: &Basis<'_>) -> Result<Steps, ValuationError> {
    check_rules(basis)?;
    check_inputs(basis.inputs)?;
    let (mean, weights) = weighted_mean(basis.inputs)?;
    let target = mean.clamp(micros(basis.band.min), micros(basis.band.max));
    let previous = basis.previous.map(micros);
    let moved = previous.map(|previous| moved(basis, previous, target));
    let value = match previous.zip(moved) {
        None => target,
        Some((previous, moved)) => previous + (target - previous).signum() * micros(moved.movement),
    };
    let [mean, weights, target, value] = [mean, weights, target, value].map(narrow);
    Ok(Steps { mean, weights, target, moved, value })
}

fn check_rules(basis: &Basis<'_>) -> Result<(), ValuationError> {
    let Band { max, min } = basis.band;
    if !limits::value_in_range(min) || !limits::value_in_range(max) || min > max {
        return Err(ValuationError::Band { min, max });
    }
    if basis.smoothing.is_zero() || basis.smoothing > Decimal::ONE {
        return Err(ValuationError::Smoothing(basis.smoothing));
    }
    if basis.max_step.is_zero() || basis.max_step >= Decimal::ONE {
        return Err(ValuationError::MaxStep(basis.max_step));
    }
    if basis.halvings > limits::NO_MOVEMENT {
        return Err(ValuationError::Halvings(basis.halvings));
    }
    match basis.previous {
        Some(previous) if !limits::value_in_range(previous) => {
            Err(ValuationError::Previous(previous))
        }
        _ => Ok(()),
    }
}

fn check_inputs(inputs: &[Input]) -> Result<(), ValuationError> {
    for (at, Input { input, value, weight, .. }) in inputs.iter().enumerate() {
        let (input, value, weight) = (*input, *value, *weight);
        if inputs[..at].iter().any(|earlier| earlier.input == input) {
            return Err(ValuationError::Twice(input));
        }
        if weight > Decimal::ONE {
            return Err(ValuationError::Weight { input, weight });
        }
        if !limits::value_in_range(value) {
            return Err(ValuationError::Value { input, value });
        }
    }
    let weighs =
        |kind: InputKind| inputs.iter().any(|input| input.input == kind && !input.weight.is_zero());
    let beside = InputKind::ALL.into_iter().find(|k| *k != InputKind::Approved && weighs(*k));
    match beside {
        Some(beside) if weighs(InputKind::Approved) => Err(ValuationError::NotAlone(beside)),
        _ => Ok(()),
    }
}

/// Rounded down; at least one, because every value is. And the weights' sum.
fn weighted_mean(inputs: &[Input]) -> Result<(i128, i128), ValuationError> {
    let weights: i128 = inputs.iter().map(|input| micros(input.weight)).sum();
    if weights == 0 {
        return Err(ValuationError::NoWeight);
    }
    let total: i128 = inputs.iter().map(|input| micros(input.value) * micros(input.weight)).sum();
    Ok((total / weights, weights))
}

/// From the previous value towards the target.
fn moved(basis: &Basis<'_>, previous: i128, target: i128) -> Moved {
    let wanted = share_of((target - previous).abs(), basis.smoothing);
    let longest = previous * micros(basis.max_step) / MICRO;
    let step = wanted.min(longest);
    let movement = if basis.halvings > limits::MAX_HALVINGS { 0 } else { step >> basis.halvings };
    let [wanted, longest, step, movement] = [wanted, longest, step, movement].map(narrow);
    Moved { wanted, longest, step, movement }
}

/// Rounded up, so that the smallest distance is still gone; at most the distance itself.
fn share_of(distance: i128, share: Decimal) -> i128 {
    (distance * micros(share) + MICRO - 1) / MICRO
}

/// From one value a share of the way to another, rounded towards the other: whoever repeats it
/// arrives exactly, and never passes it. A share over one counts as one.
///
/// ```
/// use alliance_contracts::decimal::Decimal;
/// use alliance_contracts::valuation::approach;
/// let (from, to): (Decimal, Decimal) = ("0.05".parse()?, "0.052".parse()?);
/// assert_eq!(approach(from, to, "0.2".parse()?).to_string(), "0.0504");
/// assert_eq!(approach(from, to, Decimal::ONE), to);
/// # Ok::<(), alliance_contracts::decimal::DecimalError>(())
/// ```
#[must_use]
pub fn approach(from: Decimal, to: Decimal, share: Decimal) -> Decimal {
    let (start, end) = (micros(from), micros(to));
    let movement = share_of((end - start).abs(), share.min(Decimal::ONE));
    narrow(start + (end - start).signum() * movement)
}

fn micros(decimal: Decimal) -> i128 {
    decimal.micros().into()
}

/// Every number that comes here lies between two decimals, so it is one.
fn narrow(micros: i128) -> Decimal {
    i64::try_from(micros).ok().and_then(Decimal::from_micros).unwrap_or(Decimal::BEYOND)
}
