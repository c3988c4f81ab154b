//! Programs and the value board (`GET /v1/programs`, `GET /v1/rates`).

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::names::{AllianceId, Currency, PartnerId, ProgramId};
use crate::time::Timestamp;

/// Who keeps the balances of a program's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Balances {
    /// The gateway.
    Hosted,
    /// The brand, behind its connector (protocol § 6).
    Connected,
}

/// One loyalty currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Program {
    /// Who keeps its members' balances.
    pub balances: Balances,
    /// What people call it.
    pub name: String,
    /// The brand it belongs to.
    pub partner: PartnerId,
    /// Its slug.
    pub program: ProgramId,
    /// Decimals of its points: 0 to 2.
    pub scale: u32,
}

/// Answer of `GET /v1/programs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Programs {
    /// The alliance.
    pub alliance: AllianceId,
    /// What is settled in.
    pub currency: Currency,
    /// Every program, by slug.
    pub programs: Vec<Program>,
}

/// One program's value on a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProgramValue {
    /// The program.
    pub program: ProgramId,
    /// Settlement currency per point.
    pub value: Decimal,
}

/// A published set of values, as signed (`typ` `alliance-board+jws`); JCS order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The alliance.
    pub alliance: AllianceId,
    /// Its number, from 1.
    pub board: u32,
    /// What values are told in.
    pub currency: Currency,
    /// From when it holds.
    pub effective_at: Timestamp,
    /// Every program's value, by slug.
    pub values: Vec<ProgramValue>,
}

/// The fee that two partners have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairFee {
    /// One partner.
    pub a: PartnerId,
    /// The other.
    pub b: PartnerId,
    /// The part of the gross that the alliance takes, below one.
    pub fee: Decimal,
}

/// Answer of `GET /v1/rates`: a pair's rate is `value(source) · (1 − fee) / value(target)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rates {
    /// The board in force.
    #[serde(flatten)]
    pub board: Board,
    /// The caller's own agreements.
    pub fees: Vec<PairFee>,
    /// The board as signed.
    pub jws: String,
}
