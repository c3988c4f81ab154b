//! Evidence: that a partner itself ordered exactly what a receipt says (protocol § 5).
//!
//! From the receipt to the order's bytes (its `order` is their hash), from those to the request
//! that carried them (its digest, or the batch's Merkle root, is covered by the signature), from
//! the signature to the partner's key.

use alliance_contracts::connector::OperationKey;
use alliance_contracts::content_digest::{self, DigestError};
use alliance_contracts::corridor::{EvidenceDetail, OrderInclusion};
use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::encoding::{EncodingError, Hash, base64_decode, base64url_encode};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::jws;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::Kid;
use alliance_contracts::keys::batch::Claim;
use alliance_contracts::merkle::{self, ProofError};
use alliance_contracts::quote::{QuoteClaims, TransactionKind};
use alliance_contracts::receipt::Receipt;
use alliance_contracts::transaction::{self, OrderRequest, ReversalRequest};

/// Why a piece of evidence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceFault {
    /// The receipt does not name this piece of evidence.
    #[error("the receipt does not name this evidence")]
    NotOfReceipt,
    /// A part is not canonical base64.
    #[error("a part is malformed: {0}")]
    Encoding(#[from] EncodingError),
    /// The signature base is not the one whose hash the receipt names.
    #[error("the signature base is another one")]
    Base,
    /// The order is not the one whose hash the receipt names.
    #[error("the order is another one")]
    Order,
    /// The key is not in the partner key list, or not that partner's.
    #[error("{kid} is no key of the partner in the partner key list")]
    UnknownKey {
        /// The key.
        kid: Kid,
    },
    /// The key was not in force when the receipt was made.
    #[error("the key {kid} was not in force when the receipt was made")]
    KeyNotValid {
        /// The key.
        kid: Kid,
    },
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// The signature does not cover the body's digest or the batch's root, or another one.
    #[error("the signature does not cover the order: {0}")]
    Digest(#[from] DigestError),
    /// The order is not in the batch.
    #[error("the order is not in the batch: {0}")]
    Inclusion(#[from] ProofError),
    /// The body does not ask for the order.
    #[error("the body asks for something else")]
    Body,
    /// The answer is to another call, or none that says so.
    #[error("the answer is to another call")]
    Answer,
    /// The consent does not cover this order.
    #[error("the consent does not cover this order")]
    Consent,
    /// Neither a body nor a place in a batch.
    #[error("neither a body nor a place in a batch")]
    Nothing,
}

/// Verifies that the partner named in a piece of evidence asked for this receipt's order; of a
/// connected brand's answer, that it answered a call of this receipt's transaction; of a consent,
/// that it lets the receipt's target order this.
///
/// `partner_keys` is the list of all partner keys, as [`super::keys`] verified it.
///
/// # Errors
/// [`EvidenceFault`].
pub fn verify_evidence(
    receipt: &Receipt,
    detail: &EvidenceDetail,
    partner_keys: &TrustedKeys,
) -> Result<(), EvidenceFault> {
    if !receipt.evidence.contains(&detail.evidence) {
        return Err(EvidenceFault::NotOfReceipt);
    }
    let base = base64_decode(&detail.base)?;
    if Hash::of(&base) != detail.evidence.base {
        return Err(EvidenceFault::Base);
    }
    verify_signature(receipt, detail, &base, partner_keys)?;
    let Some(order) = &detail.order else {
        return match &detail.body {
            Some(body) => verify_answer(receipt, &base, &base64_decode(body)?),
            None => verify_consent(receipt, detail, &base),
        };
    };
    let order = base64_decode(order)?;
    if Hash::of(&order) != receipt.order {
        return Err(EvidenceFault::Order);
    }
    match (&detail.inclusion, &detail.body) {
        (Some(inclusion), None) => verify_in_batch(&base, &order, inclusion),
        (None, Some(body)) => verify_body(receipt, &base, &order, &base64_decode(body)?),
        _ => Err(EvidenceFault::Nothing),
    }
}

fn verify_signature(
    receipt: &Receipt,
    detail: &EvidenceDetail,
    base: &[u8],
    partner_keys: &TrustedKeys,
) -> Result<(), EvidenceFault> {
    let evidence = &detail.evidence;
    let key = partner_keys
        .find(&evidence.kid)
        .filter(|key| key.partner.as_deref() == Some(evidence.partner.as_str()))
        .ok_or_else(|| EvidenceFault::UnknownKey { kid: evidence.kid.clone() })?;
    // The gateway's signature over the receipt vouches for the time, so that what was ordered
    // before a partner's key was revoked stays ordered.
    if !key.valid_at(receipt.completed_at) {
        return Err(EvidenceFault::KeyNotValid { kid: evidence.kid.clone() });
    }
    let signature = base64_decode(&evidence.signature)?;
    let signature = signature.as_slice().try_into().map_err(|_| EvidenceFault::BadSignature)?;
    // By the rule that the gateway accepts requests by (RFC 8032 § 5.1.7, with the cofactor), or a
    // partner could order with a signature that it disowns later.
    let claim = Claim { key: &key.public, message: base, signature };
    claim.verify().map_err(|_| EvidenceFault::BadSignature)
}

/// The value that a line of the signature base gives for a component.
fn covered<'b>(base: &'b [u8], component: &str) -> Option<&'b [u8]> {
    let start = ["\"", component, "\": "].concat();
    base.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(start.as_bytes()))
}

fn verify_in_batch(
    base: &[u8],
    order: &[u8],
    inclusion: &OrderInclusion,
) -> Result<(), EvidenceFault> {
    let field = covered(base, "alliance-orders").ok_or(DigestError::Missing)?;
    let root = content_digest::parse_orders_digest(&[field])?;
    let hashes = inclusion
        .hashes
        .iter()
        .map(|text| alliance_contracts::encoding::base64_decode_array::<32>(text).map(Hash::from))
        .collect::<Result<Vec<_>, _>>()?;
    let leaf = merkle::leaf_hash(order);
    Ok(merkle::verify_inclusion(inclusion.index, inclusion.size, &leaf, &root, &hashes)?)
}

fn verify_body(
    receipt: &Receipt,
    base: &[u8],
    order: &[u8],
    body: &[u8],
) -> Result<(), EvidenceFault> {
    let field = covered(base, "content-digest").ok_or(DigestError::Missing)?;
    content_digest::verify_content_digest(&[field], body)?;
    let path = covered(base, "@path").unwrap_or_default();
    let asked = match receipt.kind {
        TransactionKind::Reversal => reversal_of(path, body),
        _ => order_of(path, body),
    };
    if asked.as_deref() == Some(order) { Ok(()) } else { Err(EvidenceFault::Body) }
}

/// That a connected brand answered a call of this transaction, or the question what became of it,
/// with this body (protocol § 6): its signature covers the call's key.
fn verify_answer(receipt: &Receipt, base: &[u8], body: &[u8]) -> Result<(), EvidenceFault> {
    let field = covered(base, "content-digest").ok_or(DigestError::Missing)?;
    content_digest::verify_content_digest(&[field], body)?;
    let asked = of_request(base, "@path").and_then(|path| path.rsplit_once("/operations/"));
    let key = of_request(base, "idempotency-key").or(asked.map(|(_, key)| key));
    let key = key.and_then(|key| key.parse::<OperationKey>().ok()).ok_or(EvidenceFault::Answer)?;
    let accepted = covered(base, "@status") == Some(b"200");
    if accepted && key.transaction == receipt.transaction {
        Ok(())
    } else {
        Err(EvidenceFault::Answer)
    }
}

/// That whoever owes by this receipt has let its target order it: the base is what a consent's
/// source has signed, header and document. What was ordered under it before is not seen from here.
fn verify_consent(
    receipt: &Receipt,
    detail: &EvidenceDetail,
    base: &[u8],
) -> Result<(), EvidenceFault> {
    let input = std::str::from_utf8(base).map_err(|_| EvidenceFault::Nothing)?;
    let signature = base64_decode(&detail.evidence.signature)?;
    let jws = [input, &base64url_encode(&signature)].join(".");
    let (_, consent) = DebitConsent::read_signed(&jws).map_err(|_| EvidenceFault::Nothing)?;
    let gross = receipt.settlement.as_ref().map(|settlement| settlement.gross);
    let covers = consent.source == detail.evidence.partner
        && consent.source == *receipt.source.partner()
        && consent.target == *receipt.target.partner()
        && consent.alliance == receipt.alliance
        && consent.covers(receipt.kind, receipt.source.program(), receipt.completed_at)
        && gross.is_some_and(|gross| gross <= consent.limits.order);
    if covers { Ok(()) } else { Err(EvidenceFault::Consent) }
}

/// What an answer's signature base gives for a component of the request.
fn of_request<'b>(base: &'b [u8], component: &str) -> Option<&'b str> {
    let start = ["\"", component, "\";req: "].concat();
    let line = base.split(|byte| *byte == b'\n').find_map(|l| l.strip_prefix(start.as_bytes()));
    line.and_then(|line| std::str::from_utf8(line).ok())
}

/// The order's bytes as a body of `POST /v1/transactions` asks for them.
fn order_of(path: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    if path != b"/v1/transactions" {
        return None;
    }
    let request: OrderRequest = json::read(body).ok()?;
    // Whose quote it is was decided by the gateway; here only its id matters.
    let token = jws::parse(&request.quote).ok()?;
    let claims: QuoteClaims = json::read(&token.payload).ok()?;
    Some(transaction::order_bytes(&claims.id.to_string(), &request.source_reference))
}

/// The order's bytes as a body of `POST /v1/transactions/{id}/reversals` asks for them.
fn reversal_of(path: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let path = std::str::from_utf8(path).ok()?;
    let id = path.strip_prefix("/v1/transactions/")?.strip_suffix("/reversals")?;
    let original: TransactionId = id.parse().ok()?;
    let request: ReversalRequest = json::read(body).ok()?;
    Some(transaction::reversal_bytes(original, &request))
}
