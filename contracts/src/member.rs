//! Members of the caller's own: looking them up, freezing them, forgetting them.
//!
//! What is asked of a member names it in the body, not in the path, so that no proxy's log between
//! here and there holds its reference. A forgotten member leaves an [`Erasure`], which the gateway
//! signs: pseudonyms, a time and a key, never the reference.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::ids::{ErasureId, LinkId, RequestId};
use crate::json;
use crate::jws::{self, JwsType};
use crate::keys::{Kid, SigningKey};
use crate::names::{AllianceId, Corridor, MemberRef, PartnerId, ProgramId, Pseudonym};
use crate::time::Timestamp;

/// The version of the erasure receipt.
pub const ERASURE_VERSION: u32 = 1;
/// Members that one request may ask about at most.
pub const MAX_VALIDATED: usize = 100;

/// Body of `POST /v1/members/forget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Whether points that the member still has are given up. Without it a member that has points
    /// is not forgotten.
    #[serde(default)]
    pub forfeit: bool,
    /// The member.
    pub member: MemberRef,
    /// Its program.
    pub program: ProgramId,
}

/// A member as one corridor has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ErasedPseudonym {
    /// The corridor.
    pub corridor: Corridor,
    /// What the member is called in its receipts, whether or not it has any.
    pub member: Pseudonym,
}

/// What was forgotten, when, and who asked for it. Fields in sorted order: the payload is its
/// RFC 8785 form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The alliance.
    pub alliance: AllianceId,
    /// When the member's key was destroyed.
    pub erased_at: Timestamp,
    /// Points that were given up with it; `0` where it had none, or its brand keeps its balance.
    pub forfeited: Decimal,
    /// The erasure's id.
    pub id: ErasureId,
    /// The links that it ended, by id.
    pub links: Vec<LinkId>,
    /// Whose member it was.
    pub partner: PartnerId,
    /// Its program.
    pub program: ProgramId,
    /// What it is called in the chains for ever, by corridor: those of its partner with itself and
    /// with everybody it has an agreement with.
    pub pseudonyms: Vec<ErasedPseudonym>,
    /// The request that asked for it.
    pub request: RequestId,
    /// The partner's key that signed the request.
    pub requested_with: Kid,
    /// Always 1.
    pub v: u32,
}

impl Erasure {
    /// The bytes that are signed.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// The compact JWS (`typ` `alliance-erasure+jws`) under a gateway key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        jws::sign(JwsType::Erasure, &self.payload(), key)
    }
}

/// An erasure as it is served: answer of `POST /v1/members/forget` and `GET /v1/erasures/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedErasure {
    /// What it says, for reading; what counts is `jws`.
    pub erasure: Erasure,
    /// The compact JWS (`typ` `alliance-erasure+jws`).
    pub jws: String,
}

/// Answer of `GET /v1/erasures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Erasures {
    /// The erasures on this page, oldest first.
    pub items: Vec<SignedErasure>,
    /// Whether there are more after them.
    pub more: bool,
    /// Ask for `after` this to go on; none on an empty page.
    pub next_after: Option<ErasureId>,
}

/// Body of `POST /v1/members/validate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ValidateRequest {
    /// The members, at most 100.
    pub members: Vec<MemberRef>,
    /// Their program, one of the caller's.
    pub program: ProgramId,
}

/// How a member of the caller's own stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// It may give and get points.
    Active,
    /// It is here, and may do neither.
    Frozen,
    /// It is not here: it never was, or was forgotten. Of a program whose brand keeps the
    /// balances: nobody has named it yet.
    Unknown,
}

impl MemberState {
    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Unknown => "unknown",
        }
    }
}

/// One member's answer. Answer of `POST /v1/members/freeze` and `…/unfreeze`, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberStatus {
    /// The member.
    pub member: MemberRef,
    /// Its program.
    pub program: ProgramId,
    /// How it stands.
    pub state: MemberState,
}

/// Answer of `POST /v1/members/validate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Validated {
    /// As of when.
    pub as_of: Timestamp,
    /// The members, in the order of the request.
    pub results: Vec<MemberStatus>,
}
