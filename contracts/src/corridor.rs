//! Pages of receipts, proofs and evidence (protocol § 5).

use serde::{Deserialize, Serialize};

use crate::encoding::Hash;
use crate::names::{Corridor, NameError, PartnerId};
use crate::receipt::Evidence;
use crate::time::Timestamp;
use crate::transaction::SignedReceipt;

/// Answer of `GET /v1/corridors/{corridor}/receipts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptPage {
    /// The receipts, by `seq`.
    pub items: Vec<SignedReceipt>,
    /// Whether there are more after them.
    pub more: bool,
    /// `seq` of the last item, or the `after` that was asked for.
    pub next_after: u64,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StreamEnd {
    /// SHA-256 of the last payload; zeros for an empty chain.
    pub head: Hash,
    /// Its number; 0 for an empty chain.
    pub seq: u64,
}

/// Last line of `application/x-ndjson`: without it the stream was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamTrailer {
    /// Where the chain ends.
    pub end: StreamEnd,
}

/// One corridor of the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CorridorHead {
    /// The corridor.
    pub corridor: Corridor,
    /// SHA-256 of the last payload.
    pub head: Hash,
    /// Its number.
    pub seq: u64,
}

/// Answer of `GET /v1/corridors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Corridors {
    /// Every corridor the caller has receipts in.
    pub corridors: Vec<CorridorHead>,
}

/// Answer of `…/proofs/inclusion` and `…/proofs/consistency`: base64 hashes, as RFC 6962 orders
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proof {
    /// The hashes, base64.
    pub hashes: Vec<String>,
}

/// The order that a piece of evidence is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvidenceDetail {
    /// The signature base, base64; its SHA-256 stands in the receipt.
    pub base: String,
    /// The body of the request, or of a brand's answer, base64; its digest is covered by the
    /// signature. Not out of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The receipt's entry: who signed, with which key.
    pub evidence: Evidence,
    /// Out of a batch: the order's place under `Alliance-Orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<OrderInclusion>,
    /// The order's bytes, base64; their SHA-256 is the receipt's `order`. None of a brand's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

/// Where an order stands under the root that `Alliance-Orders` carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrderInclusion {
    /// RFC 6962 inclusion path, base64.
    pub hashes: Vec<String>,
    /// The order's place, from 0.
    pub index: u64,
    /// How many orders the request had.
    pub size: u64,
}

/// Answer of `GET /v1/receipts/{id}/evidence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvidenceList {
    /// One for each of the receipt's `evidence`.
    pub evidence: Vec<EvidenceDetail>,
}

/// Answer of `GET /v1/members/{program}/{member}/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberBalance {
    /// When it was read.
    pub as_of: Timestamp,
    /// Points.
    pub balance: crate::decimal::Decimal,
    /// Whether the member is frozen.
    pub frozen: bool,
    /// Of the balance, what cannot be exchanged onward yet: bonuses of campaigns in their holdback.
    #[serde(default)]
    pub held: crate::decimal::Decimal,
    /// The member.
    pub member: crate::names::MemberRef,
    /// The program.
    pub program: crate::names::ProgramId,
}

/// Answer of `GET /v1/members/{program}/{member}/openings/{corridor}`: what opens a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Opening {
    /// The corridor it is for.
    pub corridor: Corridor,
    /// HMAC-SHA-256 key, base64: `member` = hex of HMAC(key, JCS([alliance, corridor, program,
    /// reference])).
    pub key: String,
    /// The pseudonym.
    pub member: crate::names::Pseudonym,
}

/// The value of `Alliance-Seen`: `<corridor>=<seq>:<sha-256 of that payload>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The corridor.
    pub corridor: Corridor,
    /// SHA-256 of the payload.
    pub hash: Hash,
    /// Its number, from 1.
    pub seq: u64,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}:{}", self.corridor, self.seq, self.hash)
    }
}

/// The text is no `Alliance-Seen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Alliance-Seen must be <corridor>=<seq>:<sha-256 of the payload>")]
pub struct SeenError;

impl From<NameError> for SeenError {
    fn from(_: NameError) -> Self {
        Self
    }
}

impl std::str::FromStr for Seen {
    type Err = SeenError;
    fn from_str(text: &str) -> Result<Self, SeenError> {
        let (corridor, rest) = text.split_once('=').ok_or(SeenError)?;
        let (seq, hash) = rest.split_once(':').ok_or(SeenError)?;
        let plain = seq.bytes().all(|b| b.is_ascii_digit()) && !seq.starts_with('0');
        let seq = seq.parse().ok().filter(|_| plain).ok_or(SeenError)?;
        Ok(Self { corridor: corridor.parse()?, hash: hash.parse().map_err(|_| SeenError)?, seq })
    }
}

/// The other party of a corridor, as this partner sees it.
#[must_use]
pub fn counterparty<'a>(corridor: &'a Corridor, partner: &PartnerId) -> &'a str {
    let (low, high) = corridor.parties();
    if low == partner.as_str() { high } else { low }
}
