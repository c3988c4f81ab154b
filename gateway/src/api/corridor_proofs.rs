//! `GET /v1/corridors/{corridor}/proofs/inclusion` and `…/proofs/consistency` (RFC 6962).

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::corridor::Proof;
use alliance_contracts::encoding::{Hash, base64_encode};
use alliance_contracts::names::Corridor;
use alliance_settlement::clearing_house::ProofRefused;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Which receipt in which tree.
pub struct InclusionQuery {
    seq: u64,
    size: u64,
}

impl Query for InclusionQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self { seq: pairs.require("seq")?, size: pairs.require("size")? })
    }
}

/// Which tree within which.
pub struct ConsistencyQuery {
    from: u64,
    to: u64,
}

impl Query for ConsistencyQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self { from: pairs.require("from")?, to: pairs.require("to")? })
    }
}

/// The path from receipt `seq` to the root of the first `size` receipts.
#[utoipa::path(
    get, path = "/v1/corridors/{corridor}/proofs/inclusion", operation_id = "get_inclusion_proof",
    tag = "receipts",
    params(
        ("corridor" = Corridor, Path, description = "The corridor"),
        ("seq" = u64, Query, description = "1 ≤ seq ≤ size"),
        ("size" = u64, Query, description = "size ≤ head"),
    ),
    responses((status = 200, description = "The path", body = Proof))
)]
pub async fn inclusion(
    request: VerifiedRequest<Read, InclusionQuery>,
    gateway: Data<Gateway>,
) -> Reply {
    let corridor = request.corridor()?;
    let InclusionQuery { seq, size } = request.query;
    answered(gateway.house().inclusion(&corridor, seq, size).await)
}

/// The path from the tree of the first `from` receipts to that of the first `to`.
#[utoipa::path(
    get, path = "/v1/corridors/{corridor}/proofs/consistency",
    operation_id = "get_consistency_proof",
    tag = "receipts",
    params(
        ("corridor" = Corridor, Path, description = "The corridor"),
        ("from" = u64, Query, description = "1 ≤ from ≤ to"),
        ("to" = u64, Query, description = "to ≤ head"),
    ),
    responses((status = 200, description = "The path", body = Proof))
)]
pub async fn consistency(
    request: VerifiedRequest<Read, ConsistencyQuery>,
    gateway: Data<Gateway>,
) -> Reply {
    let corridor = request.corridor()?;
    let ConsistencyQuery { from, to } = request.query;
    answered(gateway.house().consistency(&corridor, from, to).await)
}

fn answered(path: Result<Vec<Hash>, ProofRefused>) -> Reply {
    let path = path.map_err(refused)?;
    let hashes = path.iter().map(|hash| base64_encode(hash.as_bytes())).collect();
    Ok(reply::json(StatusCode::OK, &Proof { hashes }))
}

/// Why there is no proof, in HTTP's words.
pub fn refused(error: ProofRefused) -> Refusal {
    match error {
        ProofRefused::OutOfRange { .. } => Refusal::malformed(error.to_string()),
        ProofRefused::Store(error) => error.into(),
    }
}
