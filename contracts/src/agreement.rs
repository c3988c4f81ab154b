//! Agreements: what two partners have agreed on, as one document that both sign.
//!
//! | what | where |
//! | --- | --- |
//! | the document, its bytes, its signatures | here |
//! | every fault of one, listed at once | `check`, `reading` |
//! | who has signed it | [`verify_signature`], [`verify_agreement`] |
//! | its terms one by one, and what differs between two | [`Agreement::terms`], [`diff`] |
//! | what the gateway answers about it | [`AgreementView`] and beside it |
//!
//! A version holds from its `effective_at` on, and of those that hold the one with the highest
//! number. Versions of a pair are chained: each names the hash of the one before.
//!
//! Deliberately absent: free text. What a program cannot keep is not agreed here.

mod check;
mod differ;
mod reading;
mod signing;
mod view;

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::encoding::Hash;
use crate::json;
use crate::jws::{self, JwsType};
use crate::keys::SigningKey;
use crate::names::{AllianceId, PartnerId, ProgramId, TierName};
use crate::quote::{FeeBearer, TransactionKind};
use crate::time::Timestamp;

pub use check::{
    KnownProgram, MAX_AGREEMENT_BYTES, MAX_ANSWER_DEADLINE_SECONDS, MAX_LIST_ITEMS,
    MAX_QUOTE_LIFETIME_SECONDS, MAX_REVERSAL_PERIOD_SECONDS, MAX_TIER_MULTIPLIER_MICROS,
};
pub use differ::{Change, Term, diff};
pub use signing::{
    AgreementError, PartnerKeys, SignedAt, VerifiedAgreement, read_signed, verify_agreement,
    verify_signature,
};
pub use view::{AgreementDiff, AgreementRequest, AgreementState, AgreementView, Agreements};

/// How far each of the two may owe the other in the open window, in the settlement currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// How far `a` may owe `b`.
    pub a: Decimal,
    /// How far `b` may owe `a`.
    pub b: Decimal,
}

/// What becomes of the date on which points expire, when they change their program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// What arrives expires when what was given would have.
    CarryOver,
    /// What arrives expires as if the target program had issued it on that day.
    Fresh,
}

impl Expiry {
    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CarryOver => "carry_over",
            Self::Fresh => "fresh",
        }
    }
}

/// From a month's volume on, another fee rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FeeTier {
    /// From this gross of the pair's orders in the UTC month on, in the settlement currency.
    pub from: Decimal,
    /// The rate from there on, at most the one before.
    pub rate: Decimal,
}

/// The fee: how much, and who bears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// Who bears it.
    pub bearer: FeeBearer,
    /// The part of the gross that the alliance takes, below one.
    pub rate: Decimal,
    /// Other rates for larger months, by `from`.
    #[serde(default)]
    pub tiers: Vec<FeeTier>,
}

/// How many points a member of a program may give in one UTC day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberLimit {
    /// How many points.
    pub points: Decimal,
    /// Whose members.
    pub program: ProgramId,
}

/// What one order may give of a program's points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderBounds {
    /// Only multiples of this.
    pub increment: Option<Decimal>,
    /// No more than this.
    pub maximum: Option<Decimal>,
    /// No less than this.
    pub minimum: Option<Decimal>,
    /// The program whose points are given.
    pub program: ProgramId,
}

/// Less than the board's ratio, in one direction between two programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RateOverride {
    /// The board's ratio times this: above 0, at most 1.
    pub factor: Decimal,
    /// The program whose points are given.
    pub source: ProgramId,
    /// The program whose points arrive.
    pub target: ProgramId,
}

/// A tier of one program is a tier of the other, and brings a multiplier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TierMapping {
    /// What arrives, times this: above 0, at most 10.
    pub multiplier: Decimal,
    /// The program whose points are given.
    pub source: ProgramId,
    /// The member's tier there.
    pub source_tier: TierName,
    /// The program whose points arrive.
    pub target: ProgramId,
    /// What that tier is there.
    pub target_tier: TierName,
}

/// One version of what two partners have agreed on; JCS order. Each signs these very bytes
/// (`typ` `alliance-agreement+jws`).
///
/// A draft may leave out lists that are empty and what may be null; the signed bytes have every
/// member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// One partner, the first of the two by its bytes.
    pub a: PartnerId,
    /// How long a transaction may wait for a connected brand before a person is told; a day where
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_deadline_seconds: Option<i64>,
    /// The alliance.
    pub alliance: AllianceId,
    /// The other partner.
    pub b: PartnerId,
    /// How far each may owe the other in the open window; null: no bound of the pair's own.
    pub caps: Option<Caps>,
    /// From when it holds.
    pub effective_at: Timestamp,
    /// What becomes of the points' expiry date.
    pub expiry: Expiry,
    /// The fee.
    pub fee: Fee,
    /// Which kinds of order are allowed.
    pub kinds: Vec<TransactionKind>,
    /// What a member may give in a day.
    #[serde(default)]
    pub member_limits: Vec<MemberLimit>,
    /// The gross, in the settlement currency, of orders of one direction on boards that have been
    /// superseded; null: no bound.
    pub open_quote_limit: Option<Decimal>,
    /// What one order may give.
    #[serde(default)]
    pub orders: Vec<OrderBounds>,
    /// Less than the board's ratio.
    #[serde(default)]
    pub overrides: Vec<RateOverride>,
    /// SHA-256 of the payload of the version before; zeros for version 1.
    pub previous: Hash,
    /// How long a quote stands.
    pub quote_lifetime_seconds: i64,
    /// How long the source partner may reverse.
    pub reversal_period_seconds: i64,
    /// Which tier is which.
    #[serde(default)]
    pub tiers: Vec<TierMapping>,
    /// Until when it holds; null: until another takes its place.
    pub until: Option<Timestamp>,
    /// The version of this format: 1.
    pub v: u32,
    /// The number of this version of the pair's agreement, from 1.
    pub version: u32,
}

impl Agreement {
    /// The bytes that are signed (RFC 8785).
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// What the next version names as `previous`.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.payload())
    }

    /// One partner's signature: the compact JWS over [`Agreement::payload`].
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        jws::sign(JwsType::Agreement, &self.payload(), key)
    }

    /// Whether this partner is one of the two.
    #[must_use]
    pub fn includes(&self, partner: &PartnerId) -> bool {
        self.a == *partner || self.b == *partner
    }

    /// The other of the two; none for a partner that is neither.
    #[must_use]
    pub fn other(&self, partner: &PartnerId) -> Option<&PartnerId> {
        match partner {
            one if *one == self.a => Some(&self.b),
            one if *one == self.b => Some(&self.a),
            _ => None,
        }
    }

    /// Whether it could hold then: it has begun and not ended. Whether another version has taken
    /// its place it does not know.
    #[must_use]
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.effective_at <= at && self.until.is_none_or(|until| at < until)
    }

    /// The fee rate of an order, of a pair that has had this gross in the UTC month before it.
    #[must_use]
    pub fn fee_rate(&self, month_gross: Decimal) -> Decimal {
        let reached = self.fee.tiers.iter().rev().find(|tier| tier.from <= month_gross);
        reached.map_or(self.fee.rate, |tier| tier.rate)
    }
}

#[cfg(test)]
pub(crate) mod tests;
