//! What a partner has with the alliance itself, posted as a receipt of its own in the corridor
//! `alliance~p`.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::Corridor;
use alliance_contracts::quote::{Rate, TransactionKind};
use alliance_contracts::side::SideOf;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::working_set::{TransactionRecord, WorkingSet};
use super::{events, posting};
use crate::command::NewAdjustment;
use crate::receipts::ReceiptDraft;
use crate::windows::alliance_party;

/// Posts an adjustment; whether it may be, whoever asks has decided.
pub(super) fn post(set: &mut WorkingSet, made: &NewAdjustment, now: Timestamp) {
    let board = set.registry.board_at(now).map_or(0, |board| board.number());
    let side = SideOf::Partner { partner: made.partner.clone() };
    let record = TransactionRecord {
        id: made.transaction,
        kind: TransactionKind::Adjustment,
        state: TransactionState::Completed,
        caller: alliance_party(),
        source_reference: made.reference.clone(),
        quote: None,
        order: made.adjustment.inputs,
        source: side.clone(),
        target: side,
        rate: Rate::plain(board, Decimal::ZERO, Decimal::ONE, Decimal::ONE),
        settlement: None,
        bonus: None,
        expiry: None,
        adjustment: Some(made.adjustment.clone()),
        created_at: now,
        completed_at: Some(now),
        reversed: Default::default(),
        reverses: None,
        reason: None,
        corridor: Corridor::with_alliance(&made.partner),
        seq: None,
        request: made.request,
        request_index: 0,
    };
    posting::post_money(set, &made.postings);
    let draft = ReceiptDraft {
        transaction: record.id,
        postings: made.postings.clone(),
        evidence: Vec::new(),
    };
    set.drafts.push(draft);
    events::transaction(set, &record);
    set.transactions.insert(record.id, record.clone());
    set.writes.transactions.push(record);
}
