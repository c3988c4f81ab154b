//! Programs (`GET /v1/programs`).

use serde::{Deserialize, Serialize};

use crate::names::{AllianceId, Currency, PartnerId, ProgramId};

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

impl Balances {
    /// As it stands on the wire and in the definition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Hosted => "hosted",
        }
    }
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
