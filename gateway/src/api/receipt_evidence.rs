//! `GET /v1/receipts/{id}/evidence`: what the partner signed when it ordered this, and connected
//! brands when they answered; and the consent under which it was ordered in another's name. With it
//! and the partner key list, a receipt proves who ordered exactly this, and who carried it out.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::corridor::{EvidenceDetail, EvidenceList, OrderInclusion};
use alliance_contracts::encoding::{Hash, base64_encode};
use alliance_contracts::ids::ReceiptId;
use alliance_contracts::receipt::Receipt;
use alliance_contracts::transaction::{ReversalRequest, order_bytes, reversal_bytes};
use alliance_contracts::{json, merkle, receipt};
use alliance_settlement::command::RequestEvidence;
use alliance_settlement::ledger::TransactionRecord;

use super::receipts;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// The signature base, and the order's bytes with the body or, of a batch or XML, their inclusion.
#[utoipa::path(
    get, path = "/v1/receipts/{id}/evidence", operation_id = "get_receipt_evidence",
    tag = "receipts",
    params(("id" = ReceiptId, Path, description = "The receipt")),
    responses((status = 200, description = "One for each of the receipt's evidence",
        body = EvidenceList))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let (record, stored) =
        receipts::visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    let id = record.request;
    let kept = gateway.house().read(move |store| async move { store.request(id).await }).await?;
    let kept = kept.ok_or_else(|| Refusal::internal("a transaction without its request"))?;
    let receipt = receipt::parse(&stored.payload)
        .map_err(|_| Refusal::internal("a stored payload is no receipt"))?;
    let order = order_of(&record, &kept)
        .filter(|bytes| Hash::of(bytes) == receipt.order)
        .ok_or_else(|| Refusal::internal("an order's bytes are not those of its receipt"))?;
    let inclusion = inclusion_of(&record, &kept);
    // Beside its leaf the body is our own rendering of XML: the inclusion proves the order.
    let body = kept.body.as_deref().filter(|_| inclusion.is_none()).map(base64_encode);
    let asked =
        receipt.evidence.iter().filter(|evidence| evidence.base == kept.base_hash).cloned().map(
            |evidence| EvidenceDetail {
                base: base64_encode(&kept.base),
                body: body.clone(),
                evidence,
                inclusion: inclusion.clone(),
                order: Some(base64_encode(&order)),
            },
        );
    let mut evidence: Vec<EvidenceDetail> = asked.collect();
    let answers = gateway.house().answers(record.id).await?;
    for entry in &receipt.evidence {
        let Some(answer) = answers.iter().find(|answer| answer.base_hash == entry.base) else {
            continue;
        };
        evidence.push(EvidenceDetail {
            base: base64_encode(&answer.base),
            body: Some(base64_encode(&answer.body)),
            evidence: entry.clone(),
            inclusion: None,
            order: None,
        });
    }
    evidence.extend(consents_of(&gateway, &receipt));
    Ok(reply::json(StatusCode::OK, &EvidenceList { evidence }))
}

/// The consent that the order was made under: what was signed of it, and nothing else.
fn consents_of(gateway: &Gateway, receipt: &Receipt) -> Vec<EvidenceDetail> {
    let registry = gateway.house().registry();
    let (source, target) = (receipt.source.partner(), receipt.target.partner());
    let given = registry.consents_between(source, target).map(|record| record.signing_input());
    let named = given.filter_map(|signed| {
        let evidence = receipt.evidence.iter().find(|one| one.base == Hash::of(&signed))?.clone();
        let base = base64_encode(&signed);
        Some(EvidenceDetail { base, body: None, evidence, inclusion: None, order: None })
    });
    named.collect()
}

/// The order's bytes, as its digest was made of them (protocol § 3).
fn order_of(record: &TransactionRecord, request: &RequestEvidence) -> Option<Vec<u8>> {
    match (record.reverses, record.quote) {
        (Some(original), _) => {
            let asked: ReversalRequest = json::read(request.body.as_deref()?).ok()?;
            Some(reversal_bytes(original, &asked))
        }
        (None, Some(quote)) => Some(order_bytes(&quote.to_string(), &record.source_reference)),
        (None, None) => None,
    }
}

/// Where the order stands under `Alliance-Orders`; none of a single order in JSON.
fn inclusion_of(record: &TransactionRecord, request: &RequestEvidence) -> Option<OrderInclusion> {
    if request.orders.is_empty() {
        return None;
    }
    let index = u64::from(record.request_index);
    let path = merkle::inclusion_path_of(&request.orders, index);
    Some(OrderInclusion {
        hashes: path.iter().map(|hash| base64_encode(hash.as_bytes())).collect(),
        index,
        size: u64::try_from(request.orders.len()).ok()?,
    })
}
