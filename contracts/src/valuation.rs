//! What a point is worth, and why: the value of one program on a board, with everything that
//! anybody needs to compute it again (docs/value-model.md).
//!
//! | step | what | said by |
//! | --- | --- | --- |
//! | 1 | what was known, and what stood in for what was not | [`Input`] |
//! | 2, 3 | weighted mean, held in the band: the target | [`Valued::target`] |
//! | 4, 5, 6 | a part of the way to it, no longer than a step, halved where two boards would let somebody gain | [`Valued::value`] |
//!
//! Units: values in 10⁻⁶ of the settlement currency per point, weights and shares in 10⁻⁶.
//! Intermediates are `i128`: the largest, five inputs of 10¹² value units × 10⁶ weight units, is
//! far from 10³⁸.
//!
//! Deliberately absent: where inputs come from, and whether they are to be believed. That is
//! decided before, once, and stated here as each input's status.

mod formula;

pub use formula::{Basis, Moved, Steps, ValuationError, Valued, approach, steps, valuate};

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::names::ProgramId;
use crate::time::Timestamp;

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// The value that was agreed on.
    Base,
    /// What a point really bought: an exponentially weighted mean of redemptions.
    Redemption,
    /// What the partner holds against each point that will be redeemed.
    Backing,
    /// What a point costs the partner.
    Cost,
    /// A value that two people approved; it stands alone, for one board.
    Approved,
}

impl InputKind {
    /// Every kind, in the order in which a board lists them.
    pub const ALL: [Self; 5] =
        [Self::Base, Self::Redemption, Self::Backing, Self::Cost, Self::Approved];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Redemption => "redemption",
            Self::Backing => "backing",
            Self::Cost => "cost",
            Self::Approved => "approved",
        }
    }

    /// The kind of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether an input is what was last observed; where it is not, a fallback counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InputStatus {
    /// Agreed or approved, not observed.
    Declared,
    /// The newest observation, and young enough.
    Fresh,
    /// The newest observation is older than the model allows; its value still counts.
    Stale,
    /// Nothing was ever observed: the base counts.
    Absent,
    /// The newest observation comes to zero.
    Zero,
    /// The newest observation is below zero.
    Negative,
    /// The newest observation is too far from the band to be believed.
    Absurd,
}

impl InputStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Declared,
        Self::Fresh,
        Self::Stale,
        Self::Absent,
        Self::Zero,
        Self::Negative,
        Self::Absurd,
    ];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
            Self::Zero => "zero",
            Self::Negative => "negative",
            Self::Absurd => "absurd",
        }
    }

    /// The status of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// One input of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// When `value` was observed; none where it was agreed or approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// What it is.
    pub input: InputKind,
    /// Whether `value` is the newest observation, and if not, why.
    pub status: InputStatus,
    /// What counted: the fallback, where `status` says so. Settlement currency per point.
    pub value: Decimal,
    /// How much it counted against the others; 0 to 1.
    pub weight: Decimal,
}

/// The least and the greatest value that was agreed on, both allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Greatest value, settlement currency per point.
    pub max: Decimal,
    /// Least value, settlement currency per point.
    pub min: Decimal,
}

impl Band {
    /// Whether a value lies in the band.
    #[must_use]
    pub fn contains(&self, value: Decimal) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

/// What cut a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The inputs' mean lies outside the band.
    Band,
    /// The movement was longer than a step.
    Step,
    /// The movement was halved: with the boards alive beside this one, somebody could have gained.
    Overlap,
}

impl Limit {
    /// Every limit, in the order of the steps.
    pub const ALL: [Self; 3] = [Self::Band, Self::Step, Self::Overlap];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Band => "band",
            Self::Step => "step",
            Self::Overlap => "overlap",
        }
    }

    /// The limit of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.as_str() == text)
    }
}

/// What a board says of one program: its value, and everything needed to compute it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramValuation {
    /// The band that was agreed on.
    pub band: Band,
    /// How often the movement was halved; [`limits::NO_MOVEMENT`](crate::limits::NO_MOVEMENT): it
    /// was left out.
    pub halvings: u32,
    /// What the value is made of; no kind twice.
    pub inputs: Vec<Input>,
    /// What cut the value, in the order of the steps.
    pub limited_by: Vec<Limit>,
    /// The longest movement from one board to the next, as a part of the previous value.
    pub max_step: Decimal,
    /// The value on the board before; none on a program's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Decimal>,
    /// The program.
    pub program: ProgramId,
    /// Which part of the way to the target is gone at once.
    pub smoothing: Decimal,
    /// Where the inputs say that the value should be, held in the band.
    pub target: Decimal,
    /// The value: settlement currency per point.
    pub value: Decimal,
}

/// What a valuation states that does not follow from what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuationMismatch {
    /// Nothing can be computed from it at all.
    #[error("{program}: {error}")]
    Invalid {
        /// The program.
        program: ProgramId,
        /// Why.
        error: ValuationError,
    },
    /// Another target follows.
    #[error("{program}: the board says target {stated}, its inputs and band come to {computed}")]
    Target {
        /// The program.
        program: ProgramId,
        /// What the board says.
        stated: Decimal,
        /// What follows.
        computed: Decimal,
    },
    /// Another value follows.
    #[error("{program}: the board says value {stated}, the target comes to {computed}")]
    Value {
        /// The program.
        program: ProgramId,
        /// What the board says.
        stated: Decimal,
        /// What follows.
        computed: Decimal,
    },
    /// Other limits cut the value.
    #[error("{program}: the board says limited by {stated:?}, it was limited by {computed:?}")]
    LimitedBy {
        /// The program.
        program: ProgramId,
        /// What the board says.
        stated: Vec<Limit>,
        /// What follows.
        computed: Vec<Limit>,
    },
}

impl ProgramValuation {
    /// Values a program.
    ///
    /// # Errors
    /// As [`valuate`].
    pub fn of(program: ProgramId, basis: &Basis<'_>) -> Result<Self, ValuationError> {
        let valued = valuate(basis)?;
        Ok(Self {
            band: basis.band,
            halvings: basis.halvings,
            inputs: basis.inputs.to_vec(),
            limited_by: valued.limited_by,
            max_step: basis.max_step,
            previous: basis.previous,
            program,
            smoothing: basis.smoothing,
            target: valued.target,
            value: valued.value,
        })
    }

    /// What the value was computed from.
    #[must_use]
    pub fn basis(&self) -> Basis<'_> {
        Basis {
            band: self.band,
            halvings: self.halvings,
            inputs: &self.inputs,
            max_step: self.max_step,
            previous: self.previous,
            smoothing: self.smoothing,
        }
    }

    /// Computes target, value and limits again and compares them with what is stated.
    ///
    /// # Errors
    /// The first figure that differs, in the order of the steps: a wrong target makes a wrong
    /// value, so the target is named.
    pub fn recompute(&self) -> Result<(), ValuationMismatch> {
        let program = || self.program.clone();
        let valued = valuate(&self.basis())
            .map_err(|error| ValuationMismatch::Invalid { program: program(), error })?;
        if valued.target != self.target {
            let (stated, computed) = (self.target, valued.target);
            return Err(ValuationMismatch::Target { program: program(), stated, computed });
        }
        if valued.value != self.value {
            let (stated, computed) = (self.value, valued.value);
            return Err(ValuationMismatch::Value { program: program(), stated, computed });
        }
        if valued.limited_by != self.limited_by {
            let (stated, computed) = (self.limited_by.clone(), valued.limited_by);
            return Err(ValuationMismatch::LimitedBy { program: program(), stated, computed });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
