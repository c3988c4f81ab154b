//! Receipts: chaining what a batch has accepted, and signing it (protocol § 5).
//!
//! Two phases, so that the second can run on all cores: [`chain`] gives every draft its place — it
//! must be sequential, each payload holds the hash of the one before — and [`sign`] signs payloads
//! that no longer change.

use std::collections::BTreeMap;

use alliance_contracts::encoding::{self, Hash};
use alliance_contracts::ids::{ReceiptId, TransactionId};
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::{Kid, SigningKey};
use alliance_contracts::merkle;
use alliance_contracts::names::Corridor;
use alliance_contracts::receipt::{Evidence, Posting, Receipt, ReceiptSide, VERSION};
use alliance_contracts::time::Timestamp;

use crate::command::RequestEvidence;
use crate::ledger::{TransactionRecord, TransactionSideRecord, WorkingSet};

/// A receipt to be, before it has its place in the chain.
#[derive(Clone, Debug)]
pub struct ReceiptDraft {
    /// Its transaction.
    pub transaction: TransactionId,
    /// What it posts.
    pub postings: Vec<Posting>,
    /// Who has said what: the request that asked for it, then what brands have answered.
    pub evidence: Vec<Evidence>,
}

/// A receipt as it is stored: the bytes that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// Its chain.
    pub corridor: Corridor,
    /// Its place, from 1.
    pub seq: u64,
    /// Its transaction.
    pub transaction: TransactionId,
    /// The payload: JCS bytes.
    pub payload: Vec<u8>,
    /// Ed25519 over the JWS signing input.
    pub signature: [u8; 64],
    /// The gateway key it verifies under.
    pub kid: Kid,
}

impl StoredReceipt {
    /// The compact JWS.
    #[must_use]
    pub fn jws(&self) -> String {
        jws::assemble(JwsType::Receipt, &self.kid, &self.payload, &self.signature)
    }
}

/// The root of a complete Merkle subtree, kept for proofs: level 8, 16, 24, … so that a proof reads
/// at most 256 leaves and 256 nodes of each level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// Its chain.
    pub corridor: Corridor,
    /// It covers 2ˡᵉᵛᵉˡ leaves.
    pub level: u32,
    /// Its place among the nodes of its level, from 0.
    pub position: u64,
    /// The root.
    pub hash: Hash,
}

/// Levels of the tree that are kept: every eighth.
pub const KEPT_LEVEL_STEP: u32 = 8;

/// The receipt id of a transaction. A transaction has one receipt, so the two share their bits and
/// either is found by the other without an index.
#[must_use]
pub const fn receipt_id(transaction: TransactionId) -> ReceiptId {
    ReceiptId::from_u128(transaction.as_u128())
}

/// The transaction of a receipt id.
#[must_use]
pub const fn transaction_id(receipt: ReceiptId) -> TransactionId {
    TransactionId::from_u128(receipt.as_u128())
}

/// Gives every draft of the batch its place at the end of its chain. Heads move in the set; the
/// receipts come back unsigned, in order.
pub fn chain(set: &mut WorkingSet, now: Timestamp, kid: &Kid) -> Vec<StoredReceipt> {
    let drafts = std::mem::take(&mut set.drafts);
    let mut receipts = Vec::with_capacity(drafts.len());
    let mut places: BTreeMap<TransactionId, (u64, Timestamp)> = BTreeMap::new();
    for draft in drafts {
        let Some(record) = set.transactions.get(&draft.transaction).cloned() else { continue };
        let corridor = record.corridor.clone();
        let head = set.heads.entry(corridor.clone()).or_default();
        let before = head.seq;
        let completed_at = now.max(head.completed_at);
        let place = Place { seq: head.seq + 1, prev: head.head, completed_at };
        let payload = payload(&set.registry, &record, draft, place);
        head.seq = place.seq;
        head.head = Hash::of(&payload);
        head.completed_at = completed_at;
        let nodes = &mut set.writes.nodes;
        head.frontier.push_with(merkle::leaf_hash(&payload), |level, position, hash| {
            if level > 0 && level % KEPT_LEVEL_STEP == 0 {
                let (corridor, hash) = (corridor.clone(), *hash);
                nodes.push(TreeNode { corridor, level, position, hash });
            }
        });
        let first_head = set.writes.heads.get(&corridor).map_or(before, |(first, _)| *first);
        set.writes.heads.insert(corridor.clone(), (first_head, head.clone()));
        places.insert(record.id, (place.seq, completed_at));
        let (seq, transaction, kid) = (place.seq, record.id, kid.clone());
        receipts.push(StoredReceipt {
            corridor,
            seq,
            transaction,
            payload,
            signature: [0; 64],
            kid,
        });
    }
    let placed = |record: &mut TransactionRecord| {
        if let Some((seq, completed_at)) = places.get(&record.id) {
            record.seq = Some(*seq);
            record.completed_at = Some(*completed_at);
        }
    };
    set.writes.transactions.iter_mut().for_each(placed);
    set.writes.finished.values_mut().for_each(placed);
    set.transactions.values_mut().for_each(placed);
    receipts
}

#[derive(Clone, Copy)]
struct Place {
    seq: u64,
    prev: Hash,
    completed_at: Timestamp,
}

fn payload(
    registry: &crate::alliance::Registry,
    record: &TransactionRecord,
    draft: ReceiptDraft,
    place: Place,
) -> Vec<u8> {
    let side = |side: &TransactionSideRecord| -> ReceiptSide {
        side.clone().map(|member| member.pseudonym)
    };
    Receipt {
        adjustment: record.adjustment.clone(),
        alliance: registry.definition.alliance.clone(),
        bonus: record.bonus.clone(),
        completed_at: place.completed_at,
        corridor: record.corridor.clone(),
        evidence: draft.evidence,
        expiry: record.expiry,
        id: receipt_id(record.id),
        kind: record.kind,
        order: record.order,
        postings: draft.postings,
        prev: place.prev,
        quote: record.quote,
        rate: record.rate.clone(),
        reverses: record.reverses,
        seq: place.seq,
        settlement: record.settlement.clone(),
        source: side(&record.source),
        target: side(&record.target),
        transaction: record.id,
        v: VERSION,
        window: registry.window,
    }
    .to_payload()
}

/// A signed request as a receipt names it.
#[must_use]
pub fn evidence(request: &RequestEvidence) -> Evidence {
    Evidence {
        base: request.base_hash,
        kid: request.kid.clone(),
        partner: request.partner.clone(),
        signature: encoding::base64_encode(&request.signature),
    }
}

/// The request, and the consent that it was made under, where its caller is not its source.
#[must_use]
pub fn evidence_with(request: &RequestEvidence, consent: Option<Evidence>) -> Vec<Evidence> {
    std::iter::once(evidence(request)).chain(consent).collect()
}

/// What the receipt of a transaction under way will say: a payload without its place in a chain.
#[must_use]
pub fn terms(
    registry: &crate::alliance::Registry,
    record: &TransactionRecord,
    postings: Vec<Posting>,
    evidence: Vec<Evidence>,
    now: Timestamp,
) -> Vec<u8> {
    let draft = ReceiptDraft { transaction: record.id, postings, evidence };
    payload(registry, record, draft, Place { seq: 0, prev: Hash::ZERO, completed_at: now })
}

/// Signs receipts in place. Work for any core: share the slice out in parts.
pub fn sign(receipts: &mut [StoredReceipt], key: &SigningKey) {
    for receipt in receipts {
        let input = jws::signing_input(JwsType::Receipt, &receipt.kid, &receipt.payload);
        receipt.signature = key.sign(&input);
    }
}
