//! Stub types; replaced by the value model's.
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::names::ProgramId;
use crate::time::Timestamp;

/// Which input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Agreed.
    Base,
    /// Observed.
    Redemption,
    /// Backed.
    Backing,
    /// Cost.
    Cost,
    /// Approved.
    Approved,
}

/// Status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InputStatus {
    /// Declared.
    Declared,
    /// Fresh.
    Fresh,
    /// Stale.
    Stale,
    /// Absent.
    Absent,
    /// Zero.
    Zero,
    /// Negative.
    Negative,
    /// Absurd.
    Absurd,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// When.
    pub as_of: Option<Timestamp>,
    /// Which.
    pub input: InputKind,
    /// Status.
    pub status: InputStatus,
    /// Value.
    pub value: Decimal,
    /// Weight.
    pub weight: Decimal,
}

/// Band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Most.
    pub max: Decimal,
    /// Least.
    pub min: Decimal,
}

/// What cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Band.
    Band,
    /// Step.
    Step,
    /// Overlap.
    Overlap,
}

/// What a board says of one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramValuation {
    /// Band.
    pub band: Band,
    /// Halvings.
    pub halvings: u32,
    /// Inputs.
    pub inputs: Vec<Input>,
    /// Limits.
    pub limited_by: Vec<Limit>,
    /// Step.
    pub max_step: Decimal,
    /// Before.
    pub previous: Option<Decimal>,
    /// Program.
    pub program: ProgramId,
    /// Smoothing.
    pub smoothing: Decimal,
    /// Target.
    pub target: Decimal,
    /// Value.
    pub value: Decimal,
}
