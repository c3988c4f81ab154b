//! `POST /v1/corridors/{corridor}/cosignatures` and `GET …/cosignatures`: partners as witnesses.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::cosignature::{CosignatureRequest, Cosignatures, CosignedCheckpoint};
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::Corridor;
use alliance_contracts::problem::{Fork, ProblemCode};
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::clearing_house::CosignatureRefused;
use alliance_settlement::command::{Command, Cosignature, Keyed, Outcome};

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest, Witness};

/// Cosigned checkpoints of a page.
const PAGE_ITEMS: u32 = 100;

/// Which cosigned checkpoints.
pub struct CosignedQuery {
    covering: Option<u64>,
    limit: Option<u32>,
}

impl Query for CosignedQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        let limit: Option<u32> = pairs.take("limit")?;
        if limit.is_some_and(|limit| !(1..=PAGE_ITEMS).contains(&limit)) {
            return Err(Refusal::malformed(format!("limit must be 1 to {PAGE_ITEMS}")));
        }
        Ok(Self { covering: pairs.take("covering")?, limit })
    }
}

/// Checkpoints that the corridor's partners have cosigned: those that include a receipt, of fewest
/// receipts first, or the newest.
#[utoipa::path(
    get, path = "/v1/corridors/{corridor}/cosignatures", operation_id = "list_cosignatures",
    tag = "receipts",
    params(
        ("corridor" = Corridor, Path, description = "The corridor"),
        ("covering" = Option<u64>, Query, description = "Only those that include this receipt"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 100 where left out"),
    ),
    responses((status = 200, description = "Cosigned checkpoints", body = Cosignatures))
)]
pub async fn list(request: VerifiedRequest<Read, CosignedQuery>, gateway: Data<Gateway>) -> Reply {
    let corridor = request.corridor()?;
    let (house, limit) = (gateway.house(), request.query.limit.unwrap_or(PAGE_ITEMS));
    let found = match request.query.covering {
        Some(seq) => house.cosigned_covering(&corridor, seq, limit).await?,
        None => house.newest_cosigned(&corridor, limit).await?,
    };
    let items = found.into_iter().map(view).collect();
    Ok(reply::json(StatusCode::OK, &Cosignatures { items }))
}

/// Takes a checkpoint that the caller has cosigned. Of each partner the first over so many receipts
/// is kept, as it proves the most; it is served with the checkpoint from then on. A checkpoint that
/// a gateway key has signed and that contradicts the chain is `chain_fork`, with both roots.
#[utoipa::path(
    post, path = "/v1/corridors/{corridor}/cosignatures", operation_id = "cosign_checkpoint",
    tag = "receipts",
    params(("corridor" = Corridor, Path, description = "The corridor")),
    request_body(content = CosignatureRequest, example = json!({"note":
        "alliance/demo/aurora-air~borealis-coffee\n3\n3QpR6wOv…\n\n— alliance/demo/aurora…\n"})),
    responses((status = 201, description = "The cosigned checkpoint as it is kept",
        body = CosignedCheckpoint,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Witness>, gateway: Data<Gateway>) -> Reply {
    let corridor = request.corridor()?;
    let asked: CosignatureRequest = request.json()?;
    let house = gateway.house();
    let partner = request.partner.clone();
    let examined = house.examine_cosigned(&corridor, &partner, &asked.note).await;
    let cosignature = examined.map_err(|why| refused(&corridor, &partner, why))?;
    let size = cosignature.size;
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(Command::Cosign(keyed, Box::new(cosignature))).await?;
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Cosigned => {
            let kept = house.cosignature(&corridor, size, &partner).await?;
            let kept = kept.ok_or_else(|| Refusal::internal("a cosignature is gone"))?;
            Ok(reply::replayed(reply::json(StatusCode::CREATED, &view(kept)), replayed))
        }
        Outcome::Refused(ProblemCode::SignatureInvalid) => {
            Err(crate::server::verify::invalid("the key was revoked meanwhile"))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

fn view(cosignature: Cosignature) -> CosignedCheckpoint {
    let Cosignature { size, partner, kid, cosigned_at, note, .. } = cosignature;
    CosignedCheckpoint { cosigned_at, kid, note, partner, size }
}

fn refused(
    corridor: &Corridor,
    partner: &alliance_contracts::names::PartnerId,
    why: CosignatureRefused,
) -> Refusal {
    match why {
        CosignatureRefused::Store(error) => error.into(),
        CosignatureRefused::Fork { size, seen, ours } => {
            // Both sides hold the evidence now; an operator has to look at it.
            tracing::error!(
                %partner,
                %corridor,
                size,
                %seen,
                ours = ours.map(tracing::field::display),
                "chain_fork: a partner has witnessed another tree than ours"
            );
            Refusal::fork(Fork {
                corridor: corridor.clone(),
                ours: ours.map(|root| root.to_string()),
                seen: seen.to_string(),
                seq: size,
            })
        }
        why => Refusal::malformed_field("/note", why.to_string()),
    }
}
