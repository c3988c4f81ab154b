//! Cosignatures: what a partner hands in when it has witnessed a checkpoint, and what is served of
//! it (protocol § 5). The signature itself is a line of the note ([`crate::note`]).

use serde::{Deserialize, Serialize};

use crate::keys::Kid;
use crate::names::PartnerId;
use crate::time::Timestamp;

/// Body of `POST /v1/corridors/{corridor}/cosignatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CosignatureRequest {
    /// The checkpoint as the gateway serves it, with the partner's line appended.
    pub note: String,
}

/// A checkpoint that a partner has cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CosignedCheckpoint {
    /// When, as the cosignature says, in whole seconds.
    pub cosigned_at: Timestamp,
    /// With which key.
    pub kid: Kid,
    /// The checkpoint with the gateway's signatures and this cosignature.
    pub note: String,
    /// Who has cosigned it.
    pub partner: PartnerId,
    /// How many receipts it is about.
    pub size: u64,
}

/// Answer of `GET /v1/corridors/{corridor}/cosignatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cosignatures {
    /// With `covering`, those that include that receipt, of fewest receipts first; without, the
    /// newest, of most receipts first.
    pub items: Vec<CosignedCheckpoint>,
}
